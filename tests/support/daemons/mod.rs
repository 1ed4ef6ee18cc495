//! The real programs, started as a site would: certificates, configuration files, state folders.
//!
//! A [`Region`] is one hub and as many clinics as wanted in one temporary folder. State stays over restarts and goes
//! with the region. Everything started is killed when dropped.

mod process;
pub(crate) use process::{Process, program};

mod daemon;
pub use daemon::Daemon;

mod region;
pub use region::{Edge, EdgeOptions, Hub, HubPorts, Region, workspace};

mod pages;
pub use pages::{ClinicPresence, EdgeCase, EdgeStatus, Finding, HubResult, HubStatus, QueueDepth};

mod ctl;
pub use ctl::Ctl;

mod broker;
pub use broker::Broker;

use std::process::ExitStatus;

use crate::wait::TimedOut;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{name} is not built: run `cargo build --workspace --bins` (with the profile of this program)")]
    NotBuilt { name: String },
    #[error("cannot start {name}")]
    Start { name: String, source: std::io::Error },
    #[error("{name} ended by itself ({status}); the end of its log:\n{log}")]
    Ended {
        name: String,
        status: ExitStatus,
        log: String,
    },
    #[error("the end of its log:\n{log}")]
    TimedOut { source: TimedOut, log: String },
    #[error("{name} is not running")]
    NotRunning { name: String },
    #[error("{name} has no address called {wanted}")]
    NoAddress { name: String, wanted: String },
    #[error("a page does not answer")]
    Page { source: crate::http::Error },
    #[error("{path} answers in another shape than agreed")]
    PageShape { path: String, source: serde_json::Error },
    #[error("cannot write {path}")]
    Write { path: String, source: std::io::Error },
    #[error("cannot make certificates")]
    Certificates { source: barefoot_trust::Error },
    #[error("\"{id}\" is no clinic id")]
    ClinicId {
        id: String,
        source: barefoot_domain::InvalidId,
    },
}
