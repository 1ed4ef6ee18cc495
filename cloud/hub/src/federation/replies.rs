//! What clinics submit: admitted, checked, journalled, answered; in this order. The checks are in `take`.

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::hygiene::Refusal as Hygiene;
use barefoot_federation::round::{Duty, Input, Refused};
use barefoot_wire::v1;
use prost::Message;

use super::ledger::With;
use super::refusal::{Refusal, accepted};
use super::run::ActiveRun;
use super::runs::{Active, Runs};
use super::{Error, wire};
use crate::archive::{AttemptKey, RefusalRow, ReplyRow};
use crate::clock::now_ms;

/// What a clinic submits, one kind for each duty.
#[derive(Debug)]
pub(super) enum Reply {
    Keys(v1::KeysReply),
    Shares(v1::SharesReply),
    Fit(v1::FitReply),
    Unmask(v1::UnmaskReply),
    Evaluate(v1::EvaluateReply),
}

impl Reply {
    fn duty(&self) -> Duty {
        match self {
            Self::Keys(_) => Duty::Keys,
            Self::Shares(_) => Duty::Shares,
            Self::Fit(_) => Duty::Fit,
            Self::Unmask(_) => Duty::Unmask,
            Self::Evaluate(_) => Duty::Evaluate,
        }
    }

    fn id(&self) -> Option<&v1::RoundId> {
        match self {
            Self::Keys(reply) => reply.id.as_ref(),
            Self::Shares(reply) => reply.id.as_ref(),
            Self::Fit(reply) => reply.id.as_ref(),
            Self::Unmask(reply) => reply.id.as_ref(),
            Self::Evaluate(reply) => reply.id.as_ref(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Keys(reply) => reply.encode_to_vec(),
            Self::Shares(reply) => reply.encode_to_vec(),
            Self::Fit(reply) => reply.encode_to_vec(),
            Self::Unmask(reply) => reply.encode_to_vec(),
            Self::Evaluate(reply) => reply.encode_to_vec(),
        }
    }

    /// What the journal keeps: of keys, what the other clinics are shown.
    fn body(&self, encoded: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Keys(reply) => reply.advert.clone().unwrap_or_default().encode_to_vec(),
            _ => encoded,
        }
    }
}

/// A reply that was not taken: refused, or the hub could not do its part.
pub(super) enum NotTaken {
    Refused(Refusal),
    Failed(Error),
}

impl<T: Into<Refusal>> From<T> for NotTaken {
    fn from(refusal: T) -> Self {
        Self::Refused(refusal.into())
    }
}

impl From<Error> for NotTaken {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::archive::Error> for NotTaken {
    fn from(error: crate::archive::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Runs {
    /// The hub's word on a reply. It is committed before this returns.
    ///
    /// # Errors
    /// When the hub could not do its part; the clinic tries again.
    pub(super) async fn submit(&self, clinic: &ClinicId, reply: Reply) -> Result<v1::Answer, Error> {
        let Some(key) = wire::attempt_key(reply.id()) else {
            return Ok(Refusal::passing("wrong_round", "The reply names no round.").answer());
        };
        let encoded = reply.encode();
        let sha256 = ChunkId::of(&encoded);
        if let Some(answer) = self.repeated(&key, clinic, reply.duty(), sha256).await? {
            return Ok(answer);
        }
        let row = ReplyRow {
            clinic: clinic.clone(),
            duty: reply.duty(),
            sha256,
            body: reply.body(encoded),
            norm: 0.0,
            at_ms: now_ms(),
        };
        match self.take(&key, clinic, &reply, row).await {
            Ok(()) => Ok(accepted()),
            Err(NotTaken::Failed(error)) => Err(error),
            Err(NotTaken::Refused(refusal)) => {
                // The same reply may have been taken while this one was checked.
                if let Some(answer) = self.repeated(&key, clinic, reply.duty(), sha256).await? {
                    return Ok(answer);
                }
                self.refuse(&key, clinic, &refusal).await?;
                Ok(refusal.answer())
            }
        }
    }

    /// The clinic is out of the round. It is believed whatever state the round is in.
    pub(super) async fn decline(
        &self,
        clinic: &ClinicId,
        reply: &v1::DeclineReply,
    ) -> Result<v1::Answer, Error> {
        let Some(key) = wire::attempt_key(reply.id.as_ref()) else {
            return Ok(Refusal::passing("wrong_round", "The reply names no round.").answer());
        };
        let mut active = self.lock().await;
        if active.get(&key.run).is_some_and(|run| run.attempt.key == key) {
            let (round, reason) = (key.round, reply.reason().as_str_name());
            tracing::info!(run = key.run, round, %clinic, reason, "A clinic does not take part in a round.");
            self.apply(&mut active, &key.run, &Input::Decline(clinic), With::default())
                .await?;
        }
        Ok(accepted())
    }

    /// The answer to a reply that was accepted before; the same again is accepted again.
    async fn repeated(
        &self,
        key: &AttemptKey,
        clinic: &ClinicId,
        duty: Duty,
        sha256: ChunkId,
    ) -> Result<Option<v1::Answer>, Error> {
        let earlier = self.0.archive.reply(key, clinic, duty).await?;
        match earlier {
            None => Ok(None),
            Some(earlier) if earlier.sha256 == sha256 => Ok(Some(accepted())),
            Some(_) => {
                let refusal = Refusal::from(Hygiene::DoubleSubmission);
                self.refuse(key, clinic, &refusal).await?;
                Ok(Some(refusal.answer()))
            }
        }
    }

    /// The run, when this clinic may do this now.
    pub(super) async fn admit<'a>(
        &self,
        active: &'a mut Active,
        key: &AttemptKey,
        clinic: &ClinicId,
        duty: Duty,
    ) -> Result<&'a mut ActiveRun, NotTaken> {
        let Some(run) = active.get_mut(&key.run) else {
            let known = self.0.archive.knows_attempt(key).await?;
            return Err(if known { Hygiene::Late } else { Hygiene::UnknownRun }.into());
        };
        let open = &run.attempt.key;
        if key < open {
            return Err(Hygiene::Late.into());
        }
        if key != open {
            return Err(Hygiene::WrongRound {
                claimed: key.round,
                open: open.round,
            }
            .into());
        }
        if run.banned.contains(clinic) {
            return Err(Hygiene::UnknownClinic.into());
        }
        run.attempt.round.admits(clinic, duty)?;
        Ok(run)
    }

    pub(super) async fn accept(
        &self,
        active: &mut Active,
        key: &AttemptKey,
        row: ReplyRow,
        with: With,
    ) -> Result<(), NotTaken> {
        let (clinic, duty) = (row.clinic.clone(), row.duty);
        let with = With {
            reply: Some(row),
            ..with
        };
        let applied = self
            .apply(active, &key.run, &Input::Reply(&clinic, duty), with)
            .await;
        match applied {
            Ok(applied) => {
                applied.taken?;
                tracing::debug!(run = key.run, round = key.round, %clinic, duty = duty.name(), "A reply was accepted.");
                Ok(())
            }
            Err(error) => {
                // It may have taken up what the journal did not.
                if let Some(run) = active.get_mut(&key.run) {
                    run.attempt.server = None;
                }
                Err(error.into())
            }
        }
    }

    /// Journals a refusal where there is a round to journal it with, and takes the clinic out when its reply is wrong.
    pub(super) async fn refuse(
        &self,
        key: &AttemptKey,
        clinic: &ClinicId,
        refusal: &Refusal,
    ) -> Result<(), Error> {
        let row: RefusalRow = refusal.row(clinic, now_ms());
        let mut active = self.lock().await;
        let open = active.get(&key.run).is_some_and(|run| run.attempt.key == *key);
        if open && refusal.out {
            let with = With {
                refusals: vec![row.clone()],
                ..With::default()
            };
            let applied = self
                .apply(&mut active, &key.run, &Input::Refuse(clinic), with)
                .await?;
            match applied.taken {
                Ok(()) => return Ok(()),
                Err(Refused::Late | Refused::Early | Refused::Stranger | Refused::Gone | Refused::Done) => {}
            }
        }
        let (run, round, attempt) = (&key.run, key.round, key.attempt);
        let (code, reason) = (&row.code, &row.reason);
        tracing::warn!(run, round, attempt, %clinic, code, reason, "A clinic's reply was refused.");
        // A reply for a round that never was stands with the one that is open.
        let open = active.get(&key.run).map(|run| run.attempt.key.clone());
        let known = self.0.archive.knows_attempt(key).await?;
        let stands_with = if known { Some(key.clone()) } else { open };
        if let Some(key) = stands_with {
            self.0.archive.write_refusal(&key, &row).await?;
            self.0.changes.announce();
        }
        Ok(())
    }
}
