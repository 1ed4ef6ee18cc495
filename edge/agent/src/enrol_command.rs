//! `barefoot-edge enrol`: what the first page does, for whoever has a console.

use std::io;

use barefoot_domain::ClinicId;

use crate::at_rest;
use crate::config::Config;
use crate::membership;
use crate::set_up::{self, Problem};

/// Why the box was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Problem(Problem),
    #[error("the site file says whose box this is: take clinic and [link.tls] out of it first")]
    ByHand,
    #[error("cannot start")]
    Start { source: io::Error },
    #[error("what is kept here cannot be opened")]
    AtRest { source: at_rest::Error },
    #[error("the state directory cannot be used")]
    State { source: io::Error },
}

/// Asks the hub named in the line, with the code in it; the box's clinic comes back.
///
/// # Errors
/// When the hub refuses or cannot be reached, or its answer cannot be kept. It may be done again.
pub fn run(config: &Config, line: &str) -> Result<ClinicId, Error> {
    if config.link.tls.is_some() {
        return Err(Error::ByHand);
    }
    let state = &config.storage.directory;
    std::fs::create_dir_all(state).map_err(|source| Error::State { source })?;
    at_rest::unlock(state, &config.at_rest).map_err(|source| Error::AtRest { source })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Start { source })?;
    let (hub, code) = set_up::parts(line, "");
    runtime
        .block_on(membership::enrol(state, hub, code))
        .map_err(Error::Problem)
}
