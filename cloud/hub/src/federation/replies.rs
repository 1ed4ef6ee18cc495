//! What clinics submit: admitted, checked, journalled, answered; in this order.

use std::collections::HashSet;

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::hygiene::Refusal as Hygiene;
use barefoot_federation::round::{Duty, Input, Progress, Refused};
use barefoot_wire::v1;
use prost::Message;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

use super::checks::{self, Claimed, Unread};
use super::ledger::With;
use super::refusal::{Refusal, accepted};
use super::run::ActiveRun;
use super::runs::{Active, Runs};
use super::{Error, secure, wire};
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
enum NotTaken {
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

    async fn take(
        &self,
        key: &AttemptKey,
        clinic: &ClinicId,
        reply: &Reply,
        row: ReplyRow,
    ) -> Result<(), NotTaken> {
        match reply {
            Reply::Keys(reply) => self.take_keys(key, clinic, reply, row).await,
            Reply::Shares(reply) => self.take_shares(key, clinic, reply, row).await,
            Reply::Fit(reply) => self.take_update(key, clinic, reply, row).await,
            Reply::Unmask(reply) => self.take_unmask(key, clinic, reply, row).await,
            Reply::Evaluate(reply) => self.take_evaluation(key, clinic, reply, row).await,
        }
    }

    async fn take_keys(
        &self,
        key: &AttemptKey,
        clinic: &ClinicId,
        reply: &v1::KeysReply,
        row: ReplyRow,
    ) -> Result<(), NotTaken> {
        let mut active = self.lock().await;
        let run = self.admit(&mut active, key, clinic, Duty::Keys).await?;
        let wrong = |reason: String| Refusal::content("wrong_keys", reason);
        let message = reply.advert.clone().unwrap_or_default();
        let advert = secure::to_advert(&message)
            .filter(|_| message.clinic == clinic.as_str())
            .ok_or_else(|| wrong("The keys are not 32 bytes each, or another clinic's.".to_owned()))?;
        let params = run.params()?;
        let signed = advert.signing_bytes(&params, clinic);
        self.0
            .identity
            .verify_signed(
                clinic,
                &signed,
                &message.certificate,
                &message.signature,
                OffsetDateTime::now_utc(),
            )
            .map_err(|error| wrong(format!("The keys are not signed by the clinic: {error}.")))?;
        let mut adverts = vec![(clinic.clone(), advert)];
        let keyed: HashSet<ClinicId> = run.attempt.round.reached(Progress::Keyed).cloned().collect();
        for earlier in self.0.archive.replies(key, Duty::Keys).await? {
            let advert = v1::Advert::decode(earlier.body.as_slice()).ok();
            let advert = advert.as_ref().and_then(secure::to_advert);
            let advert = advert.ok_or(Error::Stored { what: "advert" })?;
            if keyed.contains(&earlier.clinic) {
                adverts.push((earlier.clinic, advert));
            }
        }
        // A key that keeps a roster from being made may only show once there are enough for one.
        while let Some((bad, error)) = secure::unusable_key(&params, &adverts) {
            let refusal = wrong(format!("The keys cannot be used: {error}."));
            if bad == *clinic {
                return Err(refusal.into());
            }
            adverts.retain(|(other, _)| *other != bad);
            let with = With {
                refusals: vec![refusal.row(&bad, now_ms())],
                ..With::default()
            };
            self.apply(&mut active, &key.run, &Input::Refuse(&bad), with)
                .await?;
        }
        self.accept(&mut active, key, row, With::default()).await
    }

    async fn take_shares(
        &self,
        key: &AttemptKey,
        clinic: &ClinicId,
        reply: &v1::SharesReply,
        row: ReplyRow,
    ) -> Result<(), NotTaken> {
        let mut active = self.lock().await;
        let run = self.admit(&mut active, key, clinic, Duty::Shares).await?;
        let server = secure::server(&self.0.archive, run).await?;
        server
            .roster()
            .and_then(|roster| secure::to_shares(clinic, roster, reply))
            .ok_or_else(|| {
                Refusal::content(
                    "wrong_shares",
                    "The shares are not one for each clinic of the round.",
                )
            })?;
        self.accept(&mut active, key, row, With::default()).await
    }

    async fn take_update(
        &self,
        key: &AttemptKey,
        clinic: &ClinicId,
        reply: &v1::FitReply,
        row: ReplyRow,
    ) -> Result<(), NotTaken> {
        let claimed = {
            let mut active = self.lock().await;
            let run = self.admit(&mut active, key, clinic, Duty::Fit).await?;
            let uploaded = self.0.archive.uploads_of(clinic).await?;
            checks::check_update(run, reply, &uploaded)?
        };
        let norm = self.read(claimed).await?;
        let mut active = self.lock().await;
        self.admit(&mut active, key, clinic, Duty::Fit).await?;
        let row = ReplyRow { norm, ..row };
        self.accept(&mut active, key, row, With::default()).await
    }

    async fn take_unmask(
        &self,
        key: &AttemptKey,
        clinic: &ClinicId,
        reply: &v1::UnmaskReply,
        row: ReplyRow,
    ) -> Result<(), NotTaken> {
        let mut active = self.lock().await;
        let run = self.admit(&mut active, key, clinic, Duty::Unmask).await?;
        let wrong = |reason: String| Refusal::content("wrong_shares", reason);
        let answer = secure::to_unmask(reply).ok_or_else(|| {
            wrong("The reply holds a share that is none, or two for one clinic.".to_owned())
        })?;
        let server = secure::server(&self.0.archive, run).await?;
        let unfit = server
            .unmask_shares(clinic.clone(), answer)
            .map_err(|error| wrong(format!("The shares cannot be used: {error}.")))?;
        for dealer in unfit {
            let (run, round) = (&key.run, key.round);
            tracing::warn!(run, round, %clinic, %dealer, "A share is not what its dealer committed to; others serve.");
        }
        self.accept(&mut active, key, row, With::default()).await
    }

    async fn take_evaluation(
        &self,
        key: &AttemptKey,
        clinic: &ClinicId,
        reply: &v1::EvaluateReply,
        row: ReplyRow,
    ) -> Result<(), NotTaken> {
        let mut active = self.lock().await;
        let run = self.admit(&mut active, key, clinic, Duty::Evaluate).await?;
        let any_number = v1::FitSettings {
            minimum_examples: 0,
            ..run.setup.fit
        };
        checks::check_examples(reply.examples, any_number)?;
        checks::check_metrics(&reply.metric)?;
        let weighted = (run.setup.weight(reply.examples), wire::metrics(&reply.metric));
        let with = With {
            evaluation: Some(weighted),
            ..With::default()
        };
        self.accept(&mut active, key, row, with).await
    }

    /// The run, when this clinic may do this now.
    async fn admit<'a>(
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

    /// Reads a whole update on a thread of its own; its norm.
    async fn read(&self, claimed: Claimed) -> Result<f64, NotTaken> {
        let Some(how) = claimed.readable else {
            return Ok(0.0);
        };
        let _turn = self.0.readers.acquire().await;
        let store = self.0.chunks.clone();
        let read = spawn_blocking(move || checks::read_update(&store, &claimed.chunks, &how)).await;
        match read {
            Ok(Ok(norm)) => Ok(norm),
            Ok(Err(Unread::Refused(refusal))) => Err(refusal.into()),
            Ok(Err(Unread::Store(error))) => Err(Error::from(error).into()),
            Err(_) => Err(Error::Stored { what: "update" }.into()),
        }
    }

    async fn accept(
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
