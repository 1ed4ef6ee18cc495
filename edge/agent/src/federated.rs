//! A clinic in federated rounds without the rest of the box: what a simulation of many clinics in one process needs.
//!
//! A [`Participant`] is the daemon's own, over real gRPC with a real certificate. Only where its examples come from
//! differs: the daemon fills its [`Dataset`] from labelled studies, a simulation from anywhere. Another [`Learner`] than
//! [`HeadLearner`] makes a clinic that does not play by the rules.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_trust::{TlsIdentity, TlsPaths};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::hub_services;
use crate::site_policy::PolicyHandle;
use crate::{federation, idle};

pub use crate::learning_status::{LearningStatus, LearningView, PrivacySpent, RoundNote, RoundOutcome};
pub use crate::local_training::{
    Consent, DailyHours, Dataset, Evaluated, Examples, FitOrder, Fitted, GoOn, HeadLearner, LabelledFeatures,
    LearnError, Learner, Policy, SecureAggregation, Trainable,
};

/// What a participant is made of.
#[derive(Clone)]
pub struct Settings {
    /// Must be the one the certificate names.
    pub clinic: ClinicId,
    /// `host:port` of the hub's gRPC port.
    pub hub: String,
    pub tls: TlsPaths,
    /// Time between two questions while there is nothing to do.
    pub poll: Duration,
    /// Its own folder; rounds and the account of privacy spent are kept here.
    pub directory: PathBuf,
    /// Without one every round is declined.
    pub policy: Option<Policy>,
    pub learner: Arc<dyn Learner>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("clinic", &self.clinic)
            .finish_non_exhaustive()
    }
}

/// Why a clinic cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the address or the certificate cannot be used")]
    Connect {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the certificate is another clinic's")]
    OtherClinic,
    #[error("the policy is wrong: {rule}")]
    Policy { rule: String },
    #[error("the folder of training cannot be used")]
    Directory { source: std::io::Error },
}

/// One clinic, ready to take part.
#[derive(Debug)]
pub struct Participant {
    inner: federation::Participant,
    status: LearningStatus,
}

impl Participant {
    /// Must be called inside a Tokio runtime. The hub need not be there yet. Blocks for a moment when an earlier participant
    /// on the same folder was just dropped: what it has on a thread ends first.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new(settings: Settings) -> Result<Self, Error> {
        if let Some(policy) = &settings.policy {
            policy.check().map_err(|rule| Error::Policy { rule })?;
        }
        let identity = TlsIdentity::load(&settings.tls).map_err(|source| Error::Connect {
            source: source.into(),
        })?;
        if identity.clinic().ok().as_ref() != Some(&settings.clinic) {
            return Err(Error::OtherClinic);
        }
        let status = LearningStatus::default();
        let inner = federation::Participant::new(federation::Parts {
            clinic: settings.clinic,
            channel: to_hub(&settings.hub, &identity)?,
            identity,
            poll: settings.poll,
            directory: settings.directory,
            policy: PolicyHandle::of_learning(settings.policy),
            learner: settings.learner,
            idle: idle::Idle::default(),
            status: status.clone(),
        });
        Ok(Self {
            inner: inner.map_err(|source| Error::Directory { source })?,
            status,
        })
    }

    /// What the clinic's page would show.
    #[must_use]
    pub fn status(&self) -> LearningStatus {
        self.status.clone()
    }

    /// Takes part until `shutdown`. May be dropped at any point: a new one on the same folder goes on.
    pub async fn run(self, shutdown: CancellationToken) {
        self.inner.run(shutdown).await;
    }
}

/// The hub's services by themselves, for who wants to send what no participant would. Must be called inside a Tokio
/// runtime.
///
/// # Errors
/// When the address or the certificate cannot be used.
pub fn channel(hub: &str, tls: &TlsPaths) -> Result<Channel, Error> {
    let identity = TlsIdentity::load(tls).map_err(|source| Error::Connect {
        source: source.into(),
    })?;
    to_hub(hub, &identity)
}

fn to_hub(hub: &str, identity: &TlsIdentity) -> Result<Channel, Error> {
    let config = hub_services::Config {
        hub: Some(hub.to_owned()),
        poll_ms: 1,
    };
    hub_services::channel(&config, identity).map_err(|source| Error::Connect {
        source: source.into(),
    })
}
