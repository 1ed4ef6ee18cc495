//! What an export says of itself, and what the box remembers of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::site_policy::{PolicyHandle, Recipient, ResearchNames};

/// One export, as the box remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExportLine {
    pub(crate) at_ms: i64,
    pub(crate) export: String,
    pub(crate) recipient: String,
    pub(crate) patients: usize,
    pub(crate) studies: usize,
    pub(crate) images: usize,
}

/// What goes with the images. It names nobody.
#[derive(Debug, Default, Serialize)]
pub(super) struct Manifest {
    pub(super) format: &'static str,
    pub(super) program: &'static str,
    pub(super) export: String,
    pub(super) recipient: String,
    pub(super) purpose: String,
    pub(super) exported_at_ms: i64,
    pub(super) policy: String,
    pub(super) dates: String,
    pub(super) sex_and_age_band: bool,
    /// Whether a patient has the same name in other exports for this recipient.
    pub(super) names_last: bool,
    pub(super) patients: usize,
    pub(super) studies: usize,
    pub(super) images: usize,
    /// Studies that stayed, by reason.
    pub(super) studies_withheld: BTreeMap<&'static str, usize>,
    /// Images of exported studies that stayed, by reason.
    pub(super) images_withheld: BTreeMap<&'static str, usize>,
    pub(super) files: Vec<File>,
}

#[derive(Debug, Serialize)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn begun(recipient: &Recipient, handle: &PolicyHandle, now: i64) -> Self {
        Self {
            format: "barefoot research export 1",
            program: concat!("barefoot-edge ", env!("CARGO_PKG_VERSION")),
            export: Ulid::generate().to_string(),
            recipient: recipient.name.clone(),
            purpose: recipient.purpose.clone(),
            exported_at_ms: now,
            policy: handle.fingerprint(),
            dates: format!("{:?}", recipient.dates).to_lowercase(),
            sex_and_age_band: recipient.sex_and_age_band,
            names_last: recipient.names == ResearchNames::Recipient,
            ..Self::default()
        }
    }
}
