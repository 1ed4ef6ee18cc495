//! From the hub to a clinic: what was written down is sent until the clinic's own receipt.
//!
//! The archive holds what must be told; a session (or the broker's connection) asks [`Dispatch::unsettled`] whenever
//! [`Dispatch::changed`] fires or [`RESEND`] has passed, and sends what it has not sent yet or not lately. A restart,
//! a lost session or a forgetful broker therefore only means that a message is sent twice; its id stays the same.

mod corrections;

use std::time::Duration;

use barefoot_domain::{ClinicId, Correction};
use barefoot_trust::{Person, Role};
use barefoot_wire::{Receipt, ReceiptOutcome, correction_envelope, topics, v1};
use prost::Message;
use tokio::sync::watch;
use ulid::Ulid;

use crate::archive::{Archive, Error, NewCorrection, Waiting};
use crate::changes::Changes;
use crate::clock::now_ms;

pub(crate) use corrections::CorrectionsService;

/// A message without a receipt is sent again after this long.
pub(crate) const RESEND: Duration = Duration::from_secs(30);

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    archive: Archive,
    changes: Changes,
}

/// Where a clinic hears of it.
pub(crate) fn topic(clinic: &ClinicId, kind: v1::Kind) -> String {
    match kind {
        v1::Kind::Correction => topics::down_correction(clinic),
        _ => topics::down_case(clinic),
    }
}

/// Why a correction is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRecorded {
    #[error("only an expert's certificate may correct")]
    NotAnExpert,
    #[error("there is no result with this clinic, case, version and finding")]
    UnknownResult,
    #[error("the correction could not be written")]
    Archive { source: Error },
}

impl Dispatch {
    pub(crate) fn new(archive: Archive) -> Self {
        Self {
            archive,
            changes: Changes::new(),
        }
    }

    /// Fires when something new is to be sent.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Something was written that is to be sent.
    pub(crate) fn nudge(&self) {
        self.changes.announce();
    }

    pub(crate) async fn unsettled(&self, clinic: &ClinicId) -> Result<Vec<Waiting>, Error> {
        self.archive.unsettled(clinic).await
    }

    pub(crate) async fn clinics_to_tell(&self) -> Result<Vec<ClinicId>, Error> {
        self.archive.clinics_to_tell().await
    }

    /// A clinic's receipt for something it was sent.
    pub(crate) async fn settle(&self, clinic: &ClinicId, receipt: &Receipt) -> Result<(), Error> {
        let refused = match &receipt.outcome {
            ReceiptOutcome::Stored => None,
            ReceiptOutcome::Refused { reason } => {
                tracing::error!(%clinic, envelope = receipt.envelope_id, reason, "A clinic will not take a message; a person must look.");
                Some(reason.as_str())
            }
        };
        self.archive
            .settle(clinic, &receipt.envelope_id, refused, now_ms())
            .await
    }

    /// Keeps an expert's word and sends it to the case's clinic. Returns once it is durable.
    pub(crate) async fn record(
        &self,
        clinic: &ClinicId,
        correction: &Correction,
        expert: &Person,
    ) -> Result<(), NotRecorded> {
        if expert.role != Role::Expert {
            return Err(NotRecorded::NotAnExpert);
        }
        let envelope_id = Ulid::generate().to_string();
        let message = Waiting {
            envelope: correction_envelope(envelope_id.clone(), clinic, correction).encode_to_vec(),
            envelope_id,
            kind: v1::Kind::Correction,
        };
        let new = NewCorrection {
            clinic,
            correction,
            expert: &expert.name,
            message: &message,
        };
        let known = self
            .archive
            .record_correction(&new)
            .await
            .map_err(|source| NotRecorded::Archive { source })?;
        if !known {
            return Err(NotRecorded::UnknownResult);
        }
        tracing::info!(%clinic, correction = correction.id, "A correction was recorded.");
        self.changes.announce();
        Ok(())
    }
}
