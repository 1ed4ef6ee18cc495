//! `barefoot-edge export-queue` and `import-receipts`: results to the hub by hand, and its receipts back.
//!
//! The daemon alone opens the queue while it runs, so it is asked over loopback; without one the queue is read here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_domain::ClinicId;
use barefoot_queue::Queue;
use barefoot_trust::{Purpose, Reader, TlsIdentity, sealed_for};

use crate::at_rest;
use crate::audit::{self, ConsoleAct};
use crate::carrying::{Carrying, Part, Place};
use crate::config::Config;
use crate::error_chain::chain;
use crate::hub_certificate;
use crate::hub_clock::HubClock;
use crate::membership::{self, Membership};
use crate::page_client::{self, PageAnswer, PageClient};
use crate::site_policy::PolicyHandle;
use crate::study_folder::{StateDirectory, sync_directory};

/// What the names of the files end with.
const ENDING: &str = "results";

/// Left free on a stick: its own tables grow too.
const SPARE_BYTES: u64 = 256 * 1024;

/// Why nothing, or not all, was exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("what is kept here cannot be opened")]
    AtRest { source: at_rest::Error },
    #[error("this box cannot say whose it is")]
    Membership { source: membership::Error },
    #[error("the daemon cannot be asked")]
    Page { source: page_client::Error },
    #[error("the daemon refuses: {why}")]
    Refused { why: String },
    #[error("the queue cannot be opened: does the daemon run?")]
    Queue { source: barefoot_queue::Error },
    #[error("the state directory cannot be used")]
    State { source: io::Error },
    #[error("the results cannot be exported: {why}")]
    Export { why: String },
    #[error("{path} cannot be written")]
    Write { path: String, source: io::Error },
    #[error(
        "there is too little room on {path}: {needed} bytes are needed, {free} are free. Nothing was taken from the queue; \
         make room or take another stick"
    )]
    Full { path: String, needed: u64, free: u64 },
    #[error("{path} cannot be read")]
    Read { path: String, source: io::Error },
}

/// Writes all results that wait into `folder`, sealed for the hub. The queue keeps them until the hub's receipts. What an
/// earlier export wrote there stays, and is not written again.
///
/// # Errors
/// When the hub is not known yet, or the folder cannot take a file; files before that one are complete.
pub fn export(config: &Config, folder: &Path, mut tell: impl FnMut(&str)) -> Result<(), Error> {
    let state = &config.storage.directory;
    at_rest::unlock(state, &config.at_rest).map_err(|source| Error::AtRest { source })?;
    let membership = Membership::required(config).map_err(|source| Error::Membership { source })?;
    let identity = membership.identity.as_ref().clone();
    let reader =
        hub_certificate::reader(state, &identity).map_err(|error| Error::Export { why: chain(&error) })?;
    let source = Source::open(config, identity)?;
    let (mut after, mut records) = (None, 0);
    loop {
        let part = source.part(after)?;
        if let Some(span) = part.span {
            let path = folder.join(name_of(&membership.clinic, span));
            if is_there(&path, &reader) {
                tell(&format!("{} is there already.", path.display()));
            } else {
                write(&path, &part.file)?;
                tell(&format!("{}: {} results", path.display(), part.records));
            }
        }
        records += part.records;
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    tell(&format!(
        "{records} results wait for the hub. They stay in the queue until its receipts are here."
    ));
    Ok(())
}

/// Where the parts come from.
enum Source {
    Daemon(PageClient),
    Queue(Box<Carrying>),
}

impl Source {
    fn open(config: &Config, identity: TlsIdentity) -> Result<Self, Error> {
        let state = &config.storage.directory;
        // A daemon that was killed leaves its address behind.
        if let Ok(page) = PageClient::of(state)
            && page.get("/api/status").is_ok()
        {
            return Ok(Self::Daemon(page));
        }
        let directory = StateDirectory::open(state).map_err(|source| Error::State { source })?;
        // A daemon that is asked writes it down itself.
        audit::note(config, ConsoleAct::QueueExported).map_err(|error| Error::State {
            source: io::Error::other(error),
        })?;
        let queue = Queue::open(&directory.queue(), barefoot_queue::Config::default())
            .map_err(|source| Error::Queue { source })?;
        let queue = match at_rest::of(state) {
            Some((vault, _)) => queue.covered_by(vault),
            None => queue,
        };
        Ok(Self::Queue(Box::new(Carrying {
            queue,
            identity: Arc::new(identity),
            from_hub: None,
            hub_clock: HubClock::default(),
            state: state.clone(),
            policy: PolicyHandle::open(state),
        })))
    }

    fn part(&self, after: Option<Place>) -> Result<Part, Error> {
        match self {
            Self::Queue(carrying) => carrying
                .export(after)
                .map_err(|error| Error::Export { why: chain(&error) }),
            Self::Daemon(page) => {
                let path = after.map_or_else(
                    || "/api/queue/export".to_owned(),
                    |after| format!("/api/queue/export?after={after}"),
                );
                let answer = page.get(&path).map_err(|source| Error::Page { source })?;
                if answer.status != 200 {
                    return Err(refused(&answer));
                }
                let place = |name: &str| answer.header(name).and_then(|text| text.parse::<Place>().ok());
                Ok(Part {
                    records: answer
                        .header("barefoot-records")
                        .and_then(|text| text.parse().ok())
                        .unwrap_or_default(),
                    span: place("barefoot-first").zip(place("barefoot-last")),
                    next: place("barefoot-next"),
                    file: answer.body,
                })
            }
        }
    }
}

fn refused(answer: &PageAnswer) -> Error {
    let json = answer.json();
    let why = json.get("why").and_then(serde_json::Value::as_str);
    Error::Refused {
        why: why.map_or_else(|| format!("status {}", answer.status), str::to_owned),
    }
}

/// Says which records are in it, so that the same export gives the same names.
fn name_of(clinic: &ClinicId, (first, last): (Place, Place)) -> PathBuf {
    PathBuf::from(format!("{clinic}-{first}-{last}.{ENDING}"))
}

/// Whether an earlier export has written this file whole, for the same hub.
fn is_there(path: &Path, reader: &Reader) -> bool {
    fs::read(path).is_ok_and(|bytes| sealed_for(&bytes, Purpose::Results, reader))
}

/// Under another name, synced, then renamed: what has its name is whole.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = |source| Error::Write {
        path: path.display().to_string(),
        source,
    };
    let disk = rustix::fs::statvfs(folder).map_err(|error| failed(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let needed = bytes.len() as u64 + SPARE_BYTES;
    let full = || Error::Full {
        path: folder.display().to_string(),
        needed,
        free,
    };
    if free < needed {
        return Err(full());
    }
    let written = path.with_extension("part");
    let attempt = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&written)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&written, path)?;
        sync_directory(folder)
    };
    attempt().map_err(|source| {
        let _ = fs::remove_file(&written);
        match source.kind() {
            io::ErrorKind::StorageFull => full(),
            _ => failed(source),
        }
    })
}

/// Gives the hub's receipts to the daemon that runs here.
///
/// # Errors
/// At the first file that is not taken; those before it are.
pub fn import_receipts(config: &Config, files: &[PathBuf], mut tell: impl FnMut(&str)) -> Result<(), Error> {
    let page = PageClient::of(&config.storage.directory).map_err(|source| Error::Page { source })?;
    for path in files {
        let bytes = read(path).map_err(|source| Error::Read {
            path: path.display().to_string(),
            source,
        })?;
        let answer = page
            .post_bytes("/api/queue/receipts", &bytes)
            .map_err(|source| Error::Page { source })?;
        if answer.status != 200 {
            return Err(refused(&answer));
        }
        let json = answer.json();
        let count = |name: &str| json.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        tell(&format!(
            "{}: the hub has {} results, {} it refused",
            path.display(),
            count("stored"),
            count("refused")
        ));
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let limit = barefoot_trust::MAX_SEALED_BYTES as u64;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.results");
        write(&path, b"some bytes").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"some bytes");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = folder.path().join("unplugged/a.results");
        assert!(
            write(&missing, b"x")
                .unwrap_err()
                .to_string()
                .contains("unplugged")
        );
    }
}
