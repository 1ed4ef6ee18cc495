//! Each kind of reply: what must hold before it counts.

use barefoot_domain::ClinicId;
use barefoot_federation::round::Duty;
use barefoot_wire::v1;
use prost::Message;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

use super::checks::{self, Claimed, Unread};
use super::ledger::With;
use super::refusal::Refusal;
use super::replies::{NotTaken, Reply};
use super::runs::Runs;
use super::{Error, secure, wire};
use crate::archive::{AttemptKey, ReplyRow};

impl Runs {
    pub(super) async fn take(
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
        let server = secure::server(&self.0.archive, run).await?;
        server
            .advert(clinic.clone(), advert)
            .map_err(|error| wrong(format!("The keys cannot be used: {error}.")))?;
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
        // Nothing is swept between the look at what was sent and the row that names it.
        let _hold = self.0.chunks.hold().await;
        let (claimed, body) = {
            let mut active = self.lock().await;
            let run = self.admit(&mut active, key, clinic, Duty::Fit).await?;
            let uploaded = self.0.archive.uploads_of(clinic).await?;
            let claimed = checks::check_update(run, reply, &uploaded)?;
            let body = match run.setup.hides_figures() {
                true => without_figures(reply),
                false => row.body,
            };
            (claimed, body)
        };
        let norm = self.read(claimed).await?;
        let mut active = self.lock().await;
        self.admit(&mut active, key, clinic, Duty::Fit).await?;
        let row = ReplyRow { norm, body, ..row };
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

    /// Reads a whole update on a thread of its own; its norm.
    async fn read(&self, claimed: Claimed) -> Result<f64, NotTaken> {
        let Some(how) = claimed.readable else {
            return Ok(0.0);
        };
        #[cfg(test)]
        self.0.to_read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
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
}

/// What the journal keeps of an update whose figures are nobody's business.
fn without_figures(reply: &v1::FitReply) -> Vec<u8> {
    let kept = v1::FitReply {
        examples: 0,
        ..reply.clone()
    };
    kept.encode_to_vec()
}
