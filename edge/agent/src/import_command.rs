//! `barefoot-edge import`: asks the daemon that runs on this machine to import, and tells how far it is.
//!
//! The daemon alone writes the archive, so this speaks to its page over loopback, by what the daemon has written into
//! `addresses.json`.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::page_client::{self, PageClient};

/// How often the daemon is asked how far it is.
const PERIOD: Duration = Duration::from_millis(500);

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the daemon cannot be asked")]
    Page {
        #[from]
        source: page_client::Error,
    },
    #[error("the site file names no [import] directory")]
    Off,
    #[error("there is no such folder; there are: {folders}")]
    NoSuchFolder { folders: String },
    #[error("an import is under way")]
    UnderWay,
    #[error("the import ended early: {why}")]
    Ended { why: String },
}

/// Imports `folder`, or all that is plugged in, and waits for the end; `tell` hears how far it is.
///
/// # Errors
/// When the daemon cannot be reached, cannot import, or the import ends early.
pub fn run(state: &Path, folder: Option<&str>, mut tell: impl FnMut(&str)) -> Result<(), Error> {
    let page = PageClient::of(state)?;
    let (status, before) = page.get_json("/api/import")?;
    if status == 404 {
        return Err(Error::Off);
    }
    let form = folder.map_or_else(String::new, |folder| {
        format!("folder={}", percent_encoded(folder))
    });
    match page.post_form("/api/import", &form)? {
        202 => {}
        404 => {
            let names = before.get("folders").and_then(Value::as_array).cloned();
            let names: Vec<String> = names
                .unwrap_or_default()
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect();
            return Err(Error::NoSuchFolder {
                folders: names.join(", "),
            });
        }
        409 => return Err(Error::UnderWay),
        _ => return Err(page_client::Error::Answer.into()),
    }
    let mut told = String::new();
    loop {
        let (_, answer) = page.get_json("/api/import")?;
        let progress = answer.get("progress").ok_or(page_client::Error::Answer)?;
        let line = line_of(progress);
        if line != told {
            tell(&line);
            told = line;
        }
        let word = |name: &str| progress.get(name).and_then(Value::as_str);
        match word("stage") {
            Some("done") => return Ok(()),
            Some("cancelled") => {
                let why = "it was cancelled".to_owned();
                return Err(Error::Ended { why });
            }
            Some("failed") => {
                let why = word("trouble").unwrap_or("unknown").to_owned();
                return Err(Error::Ended { why });
            }
            Some(_) => thread::sleep(PERIOD),
            None => return Err(page_client::Error::Answer.into()),
        }
    }
}

fn line_of(progress: &Value) -> String {
    let names = [
        "found",
        "seen",
        "kept",
        "duplicates",
        "conflicts",
        "others",
        "refused",
        "missing",
    ];
    let counts = names.map(|name| {
        let count = progress.get(name).and_then(Value::as_u64).unwrap_or(0);
        format!("{name} {count}")
    });
    counts.join(", ")
}

fn percent_encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_travel_as_forms_do() {
        assert_eq!(percent_encoded("usb stick&张"), "usb%20stick%26%E5%BC%A0");
    }
}
