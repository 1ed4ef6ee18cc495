use std::fs::OpenOptions;
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Action, Actor, Audit, Entry, Error};
use crate::at_rest;
use crate::clock::now_ms;
use crate::config::Config;
use crate::membership::Membership;
use crate::users::Roles;

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

/// Writes the whole log into a new file. The daemon may run.
///
/// # Errors
/// When the log cannot be read or signed, or the file is there already or cannot be written.
pub fn export(config: &Config, file: &Path) -> Result<(), Error> {
    let membership = membership(config)?;
    let audit = Audit::open(&config.storage.directory, &membership.clinic)?;
    audit.record(Entry::new(Actor::Console, Action::ReadAudit));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    let mut to = BufWriter::new(written);
    let identity = &membership.identity;
    audit.book().store.export(identity, now_ms(), &mut to)?;
    to.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(())
}
