//! Tells the hub how this box is, and hears what it should run. The hub's word starts work; it is never believed about
//! what a release is.

use std::sync::Arc;
use std::time::Duration;

use barefoot_wire::v1::releases_client::ReleasesClient;
use barefoot_wire::v1::{BoxReport, Desired};
use rand::RngExt;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::ledger::Name;
use crate::hub_services::{MAX_MESSAGE_BYTES, STALLED, answered};

/// Reports do not follow each other faster than this, whatever happens.
const PAUSE: Duration = Duration::from_millis(500);

/// The hub's word.
#[derive(Debug)]
pub(super) struct Instruction {
    pub(super) desired: Desired,
    /// The model that answered when the hub was asked.
    pub(super) answering: Option<Name>,
}

#[derive(Debug)]
pub(super) struct HubLine {
    pub(super) channel: Channel,
    /// The newest report.
    pub(super) reports: watch::Receiver<BoxReport>,
    /// A release has moved on: the hub hears it at once.
    pub(super) moved: Arc<Notify>,
    /// When full, the line waits; the hub says it again.
    pub(super) instructions: mpsc::Sender<Instruction>,
    pub(super) poll: Duration,
}

impl HubLine {
    pub(super) async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.talk() => {}
        }
    }

    async fn talk(self) {
        let mut client =
            ReleasesClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut reached = true;
        loop {
            let report = self.reports.borrow().clone();
            let answering = (!report.active_version.is_empty()).then(|| Name {
                id: report.model_id.clone(),
                version: report.active_version.clone(),
            });
            let mut wait = self.poll;
            match answered(STALLED, client.report(report)).await {
                Ok(reply) => {
                    reached = true;
                    let desired = reply.into_inner();
                    wait = wait.max(Duration::from_millis(desired.retry_after_ms.into()));
                    let instruction = Instruction { desired, answering };
                    if self.instructions.send(instruction).await.is_err() {
                        return;
                    }
                }
                // Once: a box without a line for days would write nothing else.
                Err(status) if reached => {
                    reached = false;
                    tracing::info!(reason = %status, "The hub cannot be told how this box is; asked again and again.");
                }
                Err(_) => {}
            }
            let spread = rand::rng().random_range(0.8..=1.2);
            tokio::time::sleep(PAUSE).await;
            tokio::select! {
                () = tokio::time::sleep(wait.mul_f64(spread)) => {}
                () = self.moved.notified() => {}
            }
        }
    }
}
