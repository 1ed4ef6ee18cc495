use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barefoot_trust::TlsIdentity;
use barefoot_trust::enrolment::successors;
use barefoot_wire::v1;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::Membership;
use super::enrolling::behind_s;
use super::line;
use super::store::{self, Addresses, Stored};
use crate::backoff;
use crate::clock::now_ms;
use crate::error_chain::chain;

/// Told on the page when this part of a certificate's life is over and it was not renewed: the hub does it at two thirds.
const WORRY_AT: (i64, i64) = (5, 6);

/// Between two attempts that failed, at most.
const RETRY_S: u64 = 300;

/// How the box stands with its hub; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing(Arc<Mutex<StandingView>>);

/// For the page and `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StandingView {
    /// When the certificate ends; `None` where it cannot be told.
    pub(crate) certificate_until_ms: Option<i64>,
    /// It should have been renewed by now.
    pub(crate) overdue: bool,
    /// The hub knows that the certificate is stored here.
    pub(crate) confirmed: bool,
    /// How many authorities the box trusts.
    pub(crate) authorities: usize,
    /// The hub's own words, where it does not renew.
    pub(crate) refused: Option<String>,
    /// What our clock lacks to the hub's, where that is more than a few minutes.
    pub(crate) clock_behind_s: i64,
}

impl Standing {
    pub(crate) fn view(&self) -> StandingView {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn update(&self, change: impl FnOnce(&mut StandingView)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Renews the certificate of an enrolled box, takes over new authorities and addresses, and finds out what time it is at the
/// hub where this box's clock is wrong.
#[derive(Debug)]
pub(crate) struct Keeper {
    state: PathBuf,
    identity: Arc<TlsIdentity>,
    stored: Stored,
    standing: Standing,
    /// Between two looks.
    interval: Duration,
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
enum NotRenewed {
    #[error("the hub cannot be reached: {0}")]
    Unreachable(String),
    #[error("the hub refused: {0}")]
    Refused(String),
    #[error("the hub's answer cannot be used: {0}")]
    Answer(String),
    #[error("it cannot be kept: {0}")]
    Store(String),
}

impl Keeper {
    /// `None` where the site file says who the box is: then its certificate is renewed by hand.
    pub(crate) fn new(
        membership: &Membership,
        state: PathBuf,
        interval: Duration,
        standing: Standing,
    ) -> Option<Self> {
        let keeper = Self {
            state,
            identity: Arc::clone(&membership.identity),
            stored: membership.stored.clone()?,
            standing,
            interval,
        };
        keeper.tell();
        Some(keeper)
    }

    /// Looks at once, then every now and then, until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut failures = 0;
        loop {
            let pause = match self.look().await {
                Ok(()) => {
                    failures = 0;
                    self.interval
                }
                Err(why) => {
                    self.missed(&why);
                    failures += 1;
                    self.interval.min(backoff::pause(failures, RETRY_S))
                }
            };
            self.tell();
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), NotRenewed> {
        if !self.stored.confirmed {
            self.confirm().await?;
        }
        let (mut client, asked) = self.ask().await?;
        let reply = client.renew(asked).await.map_err(|status| refused(&status))?;
        let membership = reply.into_inner().membership;
        let membership = membership.ok_or_else(|| NotRenewed::Answer("it is empty".to_owned()))?;
        self.standing.update(|view| view.refused = None);
        self.take(membership).await?;
        if !self.stored.confirmed {
            self.confirm().await?;
        }
        Ok(())
    }

    /// What the hub says becomes what holds, once it is stored.
    async fn take(&mut self, told: v1::Membership) -> Result<(), NotRenewed> {
        let answer = |why: &str| NotRenewed::Answer(why.to_owned());
        if told.clinic != self.stored.clinic.as_str() {
            return Err(answer("it names another clinic"));
        }
        let behind = behind_s(told.now_ms);
        let hub = Addresses::of(told.hub.unwrap_or_default());
        let hub = hub.ok_or_else(|| answer("its addresses are none"))?;
        let authorities = successors(
            self.stored.authorities.as_bytes(),
            told.authorities.as_bytes(),
            told.certificates.as_bytes(),
        )
        .map_err(|error| NotRenewed::Answer(chain(&error)))?;
        let is_new = told.certificates != self.stored.certificates;
        let next = Stored {
            clinic: self.stored.clinic.clone(),
            key: self.stored.key.clone(),
            confirmed: self.stored.confirmed && !is_new,
            certificates: told.certificates,
            authorities,
            hub,
            clock_behind_s: behind,
        };
        if next.is_as(&self.stored) {
            return Ok(());
        }
        // What cannot be used is never stored.
        TlsIdentity::parse(&next.pem()).map_err(|error| NotRenewed::Answer(chain(&error)))?;
        self.store(&next).await?;
        let replaced = self.identity.replace(&next.pem());
        replaced.map_err(|error| NotRenewed::Answer(chain(&error)))?;
        self.identity.set_clock_behind(behind);
        if is_new {
            tracing::info!("The certificate was renewed.");
        }
        self.stored = next;
        Ok(())
    }

    async fn confirm(&mut self) -> Result<(), NotRenewed> {
        let (mut client, asked) = self.ask().await?;
        client.confirm(asked).await.map_err(|status| refused(&status))?;
        let next = Stored {
            confirmed: true,
            ..self.stored.clone()
        };
        self.store(&next).await?;
        self.stored = next;
        Ok(())
    }

    async fn store(&self, next: &Stored) -> Result<(), NotRenewed> {
        let (state, kept) = (self.state.clone(), next.clone());
        let written = tokio::task::spawn_blocking(move || store::write(&state, &kept)).await;
        written
            .map_err(|_| NotRenewed::Store("it was not written".to_owned()))?
            .map_err(|error| NotRenewed::Store(chain(&error)))
    }

    /// A connection, and the proof for it that this is the box.
    async fn ask(
        &self,
    ) -> Result<
        (
            v1::enrolment_client::EnrolmentClient<tonic::transport::Channel>,
            v1::RenewRequest,
        ),
        NotRenewed,
    > {
        let answer = |error: barefoot_trust::Error| NotRenewed::Answer(chain(&error));
        let config = self.identity.returning_client_config().map_err(answer)?;
        let opened = line::open(&self.stored.hub.enrolment, config).await;
        let (client, binding) = opened.map_err(|why| NotRenewed::Unreachable(why.to_string()))?;
        let certificate = self.identity.certificate();
        let proof = self.identity.prove_renewal(&binding, &certificate);
        let proof = proof.map_err(answer)?;
        Ok((client, v1::RenewRequest { certificate, proof }))
    }

    fn missed(&self, why: &NotRenewed) {
        match why {
            NotRenewed::Refused(words) => {
                tracing::error!(%why, "The hub does not renew this box's certificate.");
                self.standing.update(|view| view.refused = Some(words.clone()));
            }
            NotRenewed::Unreachable(_) => tracing::info!(%why, "The certificate was not looked after."),
            NotRenewed::Answer(_) | NotRenewed::Store(_) => {
                tracing::warn!(%why, "The certificate was not renewed.");
            }
        }
    }

    fn tell(&self) {
        let validity = self.identity.validity().ok();
        let behind = self.stored.clock_behind_s;
        self.standing.update(|view| {
            view.certificate_until_ms = validity.map(|(_, until)| ms(until));
            view.overdue = validity
                .is_some_and(|(from, until)| lived(ms(from), ms(until), now_ms() + behind * 1000, WORRY_AT));
            view.clock_behind_s = behind;
            view.confirmed = self.stored.confirmed;
            view.authorities = self.stored.authorities.matches("BEGIN CERTIFICATE").count();
        });
    }
}

impl Stored {
    /// Whether the other says the same; a clock that runs a little wrong is no news.
    fn is_as(&self, other: &Self) -> bool {
        self.certificates == other.certificates
            && self.authorities == other.authorities
            && self.hub == other.hub
            && self.clock_behind_s.abs_diff(other.clock_behind_s) < 60
    }
}

fn ms(at: OffsetDateTime) -> i64 {
    at.unix_timestamp() * 1000
}

/// Whether so much of a life is over.
fn lived(from_ms: i64, until_ms: i64, now_ms: i64, (part, of): (i64, i64)) -> bool {
    (until_ms - from_ms) * part <= (now_ms - from_ms) * of
}

/// The line's fault, not the hub's word.
pub(super) fn is_line(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled | Code::Internal
    )
}

fn refused(status: &Status) -> NotRenewed {
    if is_line(status) {
        NotRenewed::Unreachable(status.message().to_owned())
    } else {
        NotRenewed::Refused(status.message().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_counted_in_parts() {
        for (now, part, expected) in [
            (65, (2, 3), false),
            (66, (2, 3), true),
            (82, (5, 6), false),
            (83, (5, 6), true),
            (200, (5, 6), true),
        ] {
            assert_eq!(lived(0, 99, now, part), expected, "{now}");
        }
    }
}
