//! Wires what learns: examples from labels, rounds with the hub.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::Error;
use crate::case_index::CaseIndex;
use crate::config::Config;
use crate::federation::{Participant, Parts};
use crate::idle::Idle;
use crate::learning_status::LearningStatus;
use crate::local_training::{Dataset, HeadLearner, Keeper, KeeperParts};
use crate::membership::Membership;
use crate::model::ModelHandle;
use crate::site_policy::PolicyHandle;
use crate::study_folder::StateDirectory;

/// The two parts that learn; they meet only in the examples.
pub(super) struct Learning {
    keeper: Keeper,
    /// `None` where the site names no hub to learn with, or its folder cannot be used.
    participant: Option<Participant>,
}

impl Learning {
    /// # Errors
    /// A folder of training that cannot be used keeps the box from rounds only: images
    /// come first.
    pub(super) fn new(
        (config, membership, policy): (&Config, &Membership, &PolicyHandle),
        channel: Option<Channel>,
        state: &StateDirectory,
        cases: &CaseIndex,
        models: &ModelHandle,
        idle: &Idle,
        status: &LearningStatus,
    ) -> Result<Self, Error> {
        let dataset = Dataset::default();
        let keeper = Keeper::new(KeeperParts {
            cases: cases.clone(),
            state: state.clone(),
            models: models.clone(),
            policy: policy.clone(),
            idle: idle.clone(),
            status: status.clone(),
            dataset: dataset.clone(),
        });
        let hub = config.services.as_ref().zip(channel);
        let participant = hub.map(|(services, channel)| {
            status.update(|view| view.has_hub = true);
            let parts = Parts {
                clinic: membership.clinic.clone(),
                identity: membership.identity.as_ref().clone(),
                channel,
                poll: Duration::from_millis(services.poll_ms),
                directory: state.training(),
                policy: policy.clone(),
                learner: Arc::new(HeadLearner::new(dataset)),
                idle: idle.clone(),
                status: status.clone(),
            };
            let participant = Participant::new(parts);
            if let Err(error) = &participant {
                tracing::error!(%error, "The folder of training cannot be used; this box takes part in no round.");
                let problem = format!("the folder of training cannot be used: {error}");
                status.update(|view| view.problem = Some(problem));
            }
            Ok(participant.ok())
        });
        Ok(Self {
            keeper,
            participant: participant.transpose()?.flatten(),
        })
    }

    pub(super) fn spawn(self, tasks: &mut JoinSet<()>, shutdown: &CancellationToken) {
        tasks.spawn(self.keeper.run(shutdown.clone()));
        if let Some(participant) = self.participant {
            tasks.spawn(participant.run(shutdown.clone()));
        }
    }
}
