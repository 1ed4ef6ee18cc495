//! `barefoot-hub import-queue`: results that were carried here by hand, and the receipts to carry back.
//!
//! The same checks, the same transaction and the same rules for duplicates as over the line: what came over the line
//! meanwhile is a duplicate here, and the other way round. A hub that runs may go on running: the database takes both.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_domain::ClinicId;
use barefoot_trust::{MAX_SEALED_BYTES, Purpose, SealError, Signer, TlsIdentity};
use barefoot_wire::{ReceiptOutcome, Receipts, decode_carried_results, encode_carried_receipts};
use time::OffsetDateTime;

use crate::archive::{self, Archive};
use crate::at_rest::{self, Vault};
use crate::changes::Changes;
use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::ingest::{Answer, Committer, Ingest};
use crate::presence::{Connection, Presence};
use crate::state::database_of;
use crate::worklist::Worklist;

/// What the name of an answer ends with.
pub const RECEIPTS_ENDING: &str = "receipts";

/// Why a file was not imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the certificate settings under [tls] are not usable")]
    Identity { source: barefoot_trust::Error },
    #[error("what the hub keeps cannot be opened")]
    AtRest { source: at_rest::Error },
    #[error("the archive is not usable")]
    Archive { source: archive::Error },
    #[error("there is no database yet at {path}: start the hub once")]
    NoDatabase { path: String },
    #[error("{path} cannot be read")]
    Read { path: String, source: io::Error },
    #[error("{path} is not taken")]
    Sealed { path: String, source: Box<SealError> },
    #[error("{path} was written by the hub, not by a clinic")]
    NotAClinic { path: String },
    #[error("{path} holds no results that this hub understands")]
    Content {
        path: String,
        source: barefoot_wire::DecodeError,
    },
    #[error("the database did not take all of {path}: import it again once the hub's disk was seen to")]
    NotTaken { path: String },
    #[error("the receipts cannot be written to {path}: is there room, may it be written?")]
    Write { path: String, source: io::Error },
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub clinic: ClinicId,
    /// Here now, whether it came with this file or before.
    pub stored: usize,
    pub refused: usize,
    /// Where the receipts for the clinic lie.
    pub receipts: PathBuf,
}

/// Imports one file after the other; `tell` hears what became of each. The files before the one that fails are done.
///
/// # Errors
/// At the first file that cannot be imported, or where the hub's settings or database cannot be used.
pub async fn run(config: &Config, files: &[PathBuf], mut tell: impl FnMut(&Imported)) -> Result<(), Error> {
    let identity = TlsIdentity::load(&config.tls).map_err(|source| Error::Identity { source })?;
    let database = database_of(&config.directory);
    if !database.exists() {
        return Err(Error::NoDatabase {
            path: database.display().to_string(),
        });
    }
    let vault = Vault::open(&config.directory, &config.at_rest);
    let vault = Arc::new(vault.map_err(|source| Error::AtRest { source })?);
    let archive = Archive::open(&database, vault)
        .await
        .map_err(|source| Error::Archive { source })?;
    let changes = Changes::new();
    let presence = Presence::new(changes.clone(), Connection::Unseen, [], []);
    let dispatch = Dispatch::new(archive.clone());
    let worklist = config
        .worklist
        .clone()
        .map(|rules| Worklist::new(archive.clone(), rules, changes.clone(), dispatch.clone()));
    let (ingest, committer) = Committer::new(archive.clone(), changes, dispatch, presence);
    let committer = tokio::spawn(committer.with_worklist(worklist).run());
    let mut result = Ok(());
    for file in files {
        match import(&identity, (&archive, &ingest), file).await {
            Ok(imported) => tell(&imported),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    drop(ingest);
    let _ = committer.await;
    archive.close().await;
    result
}

async fn import(
    identity: &TlsIdentity,
    (archive, ingest): (&Archive, &Ingest),
    path: &Path,
) -> Result<Imported, Error> {
    let shown = || path.display().to_string();
    let bytes = read(path).map_err(|source| Error::Read {
        path: shown(),
        source,
    })?;
    let opened = identity
        .open(Purpose::Results, &bytes, OffsetDateTime::now_utc())
        .map_err(|source| Error::Sealed {
            path: shown(),
            source: Box::new(source),
        })?;
    let Signer::Clinic(clinic) = opened.writer else {
        return Err(Error::NotAClinic { path: shown() });
    };
    let (frames, _) = decode_carried_results(&opened.content).map_err(|source| Error::Content {
        path: shown(),
        source,
    })?;
    let mut answers = Vec::with_capacity(frames.len());
    for frame in &frames {
        let not_taken = || Error::NotTaken { path: shown() };
        let pending = ingest
            .submit_carried(&clinic, frame)
            .await
            .map_err(|_| not_taken())?;
        match pending.await {
            Ok(Answer::Receipts(receipts)) => answers.push(receipts),
            Ok(_) | Err(_) => return Err(not_taken()),
        }
    }
    // Before the box hears anything else: the receipts in this file are of the hub as it is now.
    let restorations = archive
        .restorations()
        .await
        .map_err(|source| Error::Archive { source })?;
    let restorations = restorations.into_iter().map(Into::into).collect();
    let content = encode_carried_receipts(&answers, restorations);
    let sealed = identity
        .seal(Purpose::Receipts, &opened.answer_to, &content)
        .map_err(|source| Error::Sealed {
            path: shown(),
            source: Box::new(source),
        })?;
    let receipts = path.with_extension(RECEIPTS_ENDING);
    replace(&receipts, &sealed).map_err(|source| Error::Write {
        path: receipts.display().to_string(),
        source,
    })?;
    let (stored, refused) = count(&answers);
    Ok(Imported {
        clinic,
        stored,
        refused,
        receipts,
    })
}

fn count(answers: &[Receipts]) -> (usize, usize) {
    let all = || answers.iter().flat_map(|answer| &answer.receipts);
    let stored = all()
        .filter(|receipt| receipt.outcome == ReceiptOutcome::Stored)
        .count();
    let unnamed: usize = answers
        .iter()
        .map(|answer| answer.unreadable.len() + usize::from(answer.refused.is_some()))
        .sum();
    (stored, all().count() - stored + unnamed)
}

/// No more than a sealed file may have; one byte more shows that it has more.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_SEALED_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whole or not at all: written under another name, synced, renamed. A draft that lies there already goes, whatever it is:
/// who handed over the stick may have laid a link, and what it points to is none of theirs.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let written = path.with_extension("part");
    match fs::remove_file(&written) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&written)?;
    let mut attempt = || {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&written, path)?;
        match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    };
    let result = attempt();
    if result.is_err() {
        let _ = fs::remove_file(&written);
    }
    result
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_on_the_stick_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (precious, stick) = (dir.path().join("hub.toml"), dir.path().join("stick"));
        fs::write(&precious, "precious").unwrap();
        fs::create_dir(&stick).unwrap();
        let (receipts, draft) = (stick.join("clinic-7.receipts"), stick.join("clinic-7.part"));
        symlink(&precious, &receipts).unwrap();
        symlink(&precious, &draft).unwrap();
        replace(&receipts, b"receipts").unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        assert!(fs::symlink_metadata(&receipts).unwrap().is_file());
        // To where nothing is yet.
        let end = dir.path().join("new");
        symlink(&end, &draft).unwrap();
        replace(&receipts, b"newer receipts").unwrap();
        assert!(!end.exists());
        assert_eq!(fs::read(&receipts).unwrap(), b"newer receipts");
    }

    #[test]
    fn a_draft_of_an_earlier_attempt_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let receipts = dir.path().join("clinic-7.receipts");
        fs::write(
            dir.path().join("clinic-7.part"),
            "a longer draft than the receipts",
        )
        .unwrap();
        replace(&receipts, b"receipts").unwrap();
        assert_eq!(fs::read(&receipts).unwrap(), b"receipts");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
