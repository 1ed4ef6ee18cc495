//! Results that go by hand where there is no line for weeks: what waits as sealed files for the hub, and the hub's receipts
//! that come back the same way.
//!
//! Nothing leaves the queue by being written to a stick: a stick can be lost. Only the hub's own receipts do that, over the
//! line or in the file it wrote; whichever comes second finds the record gone.

mod export;
mod receipts;

use std::path::PathBuf;
use std::sync::Arc;

use barefoot_queue::Queue;
use barefoot_trust::{SealError, TlsIdentity};
use tokio::sync::mpsc;

use crate::handoff::FromHub;
use crate::hub_certificate;
use crate::hub_clock::HubClock;
use crate::site_policy::PolicyHandle;

pub(crate) use export::{Part, Place};

/// Why nothing is exported, or a file of receipts not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no hub to seal for")]
    Hub { source: hub_certificate::Error },
    #[error("the policy lets no results go by stick")]
    Policy,
    #[error("the queue cannot be read")]
    Queue { source: barefoot_queue::Error },
    #[error("the results cannot be sealed")]
    Seal { source: SealError },
    #[error("the receipts are not taken")]
    Open { source: SealError },
    #[error("the file was not written by the hub")]
    NotTheHub,
    #[error("the file holds no receipts that this box understands")]
    Content { source: barefoot_wire::DecodeError },
    #[error("the daemon is stopping")]
    Stopping,
}

/// What both ways need; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Carrying {
    pub queue: Queue,
    pub identity: Arc<TlsIdentity>,
    /// Where receipts go, as those of the line do. `None` where no daemon runs: then none are taken.
    pub from_hub: Option<mpsc::Sender<FromHub>>,
    pub hub_clock: HubClock,
    /// The state directory, where the hub's certificate lies.
    pub state: PathBuf,
    pub policy: PolicyHandle,
}

#[cfg(test)]
mod tests;
