use std::fs;
use std::io;
use std::path::Path;

use super::{PolicyHandle, SitePolicy, changes};
use crate::at_rest;
use crate::audit::{self, ConsoleAct};
use crate::config::Config;

/// Why the policy was not shown or not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("what is kept here cannot be opened")]
    AtRest { source: at_rest::Error },
    #[error("{path} cannot be read")]
    Read { path: String, source: io::Error },
    #[error("the policy is wrong: {why}")]
    Wrong { why: String },
    #[error("more would leave than now: say --loosen to confirm it. Nothing was changed")]
    Loosens,
    #[error("the policy cannot be written")]
    Write { source: io::Error },
    #[error("the change cannot be written into the audit log; nothing was changed")]
    Audit { source: audit::Error },
}

fn open(config: &Config) -> Result<PolicyHandle, Error> {
    let state = &config.storage.directory;
    at_rest::unlock(state, &config.at_rest).map_err(|source| Error::AtRest { source })?;
    Ok(PolicyHandle::open(state))
}

/// The policy that holds, as a file for [`set`]. The daemon may run.
///
/// # Errors
/// When the box's keys cannot be used.
pub fn show(config: &Config) -> Result<String, Error> {
    let handle = open(config)?;
    toml::to_string(&*handle.get()).map_err(|error| Error::Wrong {
        why: error.to_string(),
    })
}

/// Puts the policy that stands in `file` in the place of the one that holds. A daemon that runs follows at once.
///
/// # Errors
/// When the file is wrong, more would leave and `loosen` does not say so, or the disk fails.
pub fn set(config: &Config, file: &Path, loosen: bool, mut tell: impl FnMut(&str)) -> Result<(), Error> {
    let text = fs::read_to_string(file).map_err(|source| Error::Read {
        path: file.display().to_string(),
        source,
    })?;
    let policy: SitePolicy = toml::from_str(&text).map_err(|error| Error::Wrong {
        why: error.to_string(),
    })?;
    policy.check().map_err(|why| Error::Wrong { why })?;
    let handle = open(config)?;
    let nodes: Vec<String> = config.deliver.iter().map(|node| node.name.clone()).collect();
    let changes = changes(&handle.get(), &policy, &nodes);
    changes.iter().for_each(|change| tell(&change.to_string()));
    if !loosen && changes.iter().any(|change| change.loosens) {
        return Err(Error::Loosens);
    }
    let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let next = handle.next(policy).map_err(|source| Error::Write { source })?;
    let fingerprint = next.fingerprint();
    let act = ConsoleAct::PolicyChanged {
        fingerprint: &fingerprint,
        changes: &lines.join("; "),
    };
    // First the log: a change that is not told is none.
    audit::note(config, act).map_err(|source| Error::Audit { source })?;
    handle.put(next).map_err(|source| Error::Write { source })?;
    tell(&format!("The policy {fingerprint} holds."));
    Ok(())
}
