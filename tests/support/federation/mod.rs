//! A simulated federation: a real hub process, and clinics that are the box's own code of federated rounds, each with
//! its certificate, its folder and its labelled features, over real gRPC on loopback.
//!
//! A clinic runs in this process ([`Federation::join`]) or as a process of its own that can be killed
//! ([`ClinicProcess`]). What is simulated is only where the features come from.

mod any_method;
pub use any_method::call_any_method;

mod case;
pub use case::{Case, bump_cases, learner};

mod outspoken;
pub use outspoken::{Outspoken, Said};

mod policy;
pub use policy::{open_policy, private_policy};

mod hub;
pub use hub::{Federation, Member, auc_by_round, fit_settings};

mod poison;
pub use poison::{Poison, Poisoned, Rogue};

mod process;
pub use process::{ClinicProcess, Orders, obey};

mod kills;
pub use kills::{Kill, Victim, run_with_kills};

use crate::{daemons, wait};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the hub or a clinic's process")]
    Daemon(#[from] daemons::Error),
    #[error("a clinic cannot take part")]
    Clinic(#[from] barefoot_edge::federated::Error),
    #[error("the hub refuses a maintainer's call")]
    Call(#[source] Box<tonic::Status>),
    #[error("a file of the simulation")]
    File(#[from] std::io::Error),
    #[error("a file of the simulation has another shape")]
    Shape(#[from] serde_json::Error),
    #[error("the run never ends")]
    Endless(#[from] wait::TimedOut),
    #[error("the hub no longer knows the run")]
    RunLost,
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}
