use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use barefoot_audit::Source;

use super::{Action, Actor, Audit, Entry, Error};
use crate::at_rest;
use crate::clock::now_ms;
use crate::config::Config;
use crate::membership::Membership;
use crate::users::Roles;

/// Entries read at once.
const READ: usize = 1000;

/// What somebody did by a command on the box.
#[derive(Debug, Clone, Copy)]
pub enum ConsoleAct<'a> {
    AccountAdded {
        user: &'a str,
        roles: Roles,
    },
    PinChanged {
        user: &'a str,
    },
    /// Looked up whom a pseudonym stands for.
    Identified {
        pseudonym: &'a str,
    },
    QueueExported,
    /// `changes`: what differs, a part each.
    PolicyChanged {
        fingerprint: &'a str,
        changes: &'a str,
    },
    /// Images go to a research recipient; before the first byte does.
    ResearchExport {
        recipient: &'a str,
        details: &'a str,
    },
}

/// Writes it into the log. The daemon may run.
///
/// # Errors
/// When the log cannot be opened.
pub fn note(config: &Config, act: ConsoleAct<'_>) -> Result<(), Error> {
    let entry = |action| Entry::new(Actor::Console, action);
    let entry = match act {
        ConsoleAct::AccountAdded { user, roles } => entry(Action::AccountAdded)
            .subject(user)
            .details(&roles.words().join(" ")),
        ConsoleAct::PinChanged { user } => entry(Action::PinChanged).subject(user),
        ConsoleAct::Identified { pseudonym } => entry(Action::Identify).subject(pseudonym),
        ConsoleAct::QueueExported => entry(Action::Export),
        ConsoleAct::PolicyChanged { fingerprint, changes } => {
            entry(Action::PolicyChanged).subject(fingerprint).details(changes)
        }
        ConsoleAct::ResearchExport { recipient, details } => {
            entry(Action::ResearchExport).subject(recipient).details(details)
        }
    };
    let membership = membership(config)?;
    Audit::open(&config.storage.directory, &membership.clinic)?.record(entry);
    Ok(())
}

fn membership(config: &Config) -> Result<Membership, Error> {
    at_rest::unlock(&config.storage.directory, &config.at_rest).map_err(|source| Error::AtRest { source })?;
    Membership::required(config).map_err(|source| Error::Membership { source })
}

/// In which form the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With hashes and signatures, as `barefootctl audit verify` checks it.
    Signed,
    /// As DICOM audit messages (PS3.15 annex A.5).
    Dicom,
}

/// Writes the whole log into a new file. The daemon may run.
///
/// # Errors
/// When the log cannot be read or signed, or the file is there already or cannot be written.
pub fn export(config: &Config, file: &Path, form: Form) -> Result<(), Error> {
    let membership = membership(config)?;
    let audit = Audit::open(&config.storage.directory, &membership.clinic)?;
    audit.record(Entry::new(Actor::Console, Action::ReadAudit));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    let mut to = BufWriter::new(written);
    match form {
        Form::Signed => {
            let identity = &membership.identity;
            audit.book().store.export(identity, now_ms(), &mut to)?;
        }
        Form::Dicom => {
            let site = config.audit.repository.as_ref().and_then(|to| to.site.clone());
            let source = Source::of_box(membership.clinic.as_str(), &config.dicom.ae_title).at_site(site);
            as_dicom(&audit, &source, &mut to)?;
        }
    }
    to.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(())
}

fn as_dicom(audit: &Audit, source: &Source, to: &mut dyn Write) -> Result<(), Error> {
    to.write_all(barefoot_audit::FILE_BEGIN.as_bytes())?;
    let mut last = 0;
    loop {
        let entries = audit.book().store.behind(last, READ)?;
        let Some(newest) = entries.last() else {
            break;
        };
        last = newest.entry.number;
        for logged in &entries {
            let line = barefoot_audit::file_line(&logged.entry, &logged.hash, source);
            to.write_all(line.as_bytes())?;
        }
    }
    to.write_all(barefoot_audit::FILE_END.as_bytes())?;
    Ok(())
}
