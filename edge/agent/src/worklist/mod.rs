//! The modality worklist (PS3.4 annex K): what the clinic ordered, for scanners to ask.
//!
//! Orders come from the form on the clinic's page and as HL7 v2 files dropped into a folder. Each is one file below
//! `worklist/`, replaced whole; memory holds what the files say. An order that was carried out, taken back or forgotten
//! leaves the list, and after some days the disk.

mod answer;
mod drop_folder;
mod hl7;
mod service;
mod store;

use std::path::PathBuf;

use serde::Deserialize;

pub(crate) use drop_folder::DropFolder;
pub(crate) use service::WorklistScp;
pub(crate) use store::{Error, Worklist};

/// Whether the folder's bytes are an order message that would be taken.
pub(crate) fn is_order_message(bytes: &[u8]) -> bool {
    hl7::orders(bytes).is_ok()
}

/// Where orders come from and how long they are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A folder into which another system drops HL7 v2 order messages (ORM^O01, OMG^O19, OMI^O23), one a file. Names
    /// starting with a dot or ending in `.part` or `.tmp` are left alone. Files move on to `done/` or `rejected/` in it.
    /// Default: none.
    pub drop_folder: Option<PathBuf>,
    /// Milliseconds between two looks into the folder, at least 100. Default 2000.
    pub poll_ms: u64,
    /// Days an order stays after the day it is for, or after it last changed, 1 to 365. Default 7.
    pub keep_days: u16,
    /// Days a file stays in `done/` and `rejected/`, 1 to 365. Default 30.
    pub keep_files_days: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            drop_folder: None,
            poll_ms: 2000,
            keep_days: 7,
            keep_files_days: 30,
        }
    }
}

impl Config {
    /// What the types cannot say.
    ///
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.poll_ms < 100 {
            return Err("[worklist] poll_ms must be at least 100".to_owned());
        }
        for (key, days) in [
            ("keep_days", self.keep_days),
            ("keep_files_days", self.keep_files_days),
        ] {
            if !(1..=365).contains(&days) {
                return Err(format!("[worklist] {key} must lie between 1 and 365"));
            }
        }
        Ok(())
    }
}
