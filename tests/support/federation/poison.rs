use std::sync::Arc;
use std::time::Duration;

use barefoot_edge::federated::{
    self, Evaluated, FitOrder, Fitted, GoOn, HeadLearner, LearnError, Learner, Trainable,
};
use barefoot_federation::chunk::ChunkId;
use barefoot_trust::TlsPaths;
use barefoot_wire::v1;
use barefoot_wire::v1::federation_client::FederationClient;
use barefoot_wire::v1::task::Task;
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::transport::Channel;

use super::hub::tensors;
use super::{Case, Error, learner};

/// What a clinic that was taken over sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    /// Trained on the opposite of every label, and the update multiplied by ten.
    FlipTenfold,
    /// As above, but of an honest length.
    Flip,
    /// The honest update, a million times as long.
    Huge,
}

/// A clinic that does not play by the rules, but whose box does.
#[derive(Debug)]
pub struct Poisoned {
    inner: HeadLearner,
    factor: f32,
}

impl Poisoned {
    #[must_use]
    pub fn new(trainable: &Trainable, cases: &[Case], poison: Poison) -> Arc<Self> {
        let flips = matches!(poison, Poison::FlipTenfold | Poison::Flip);
        let cases: Vec<Case> = cases
            .iter()
            .map(|case| Case {
                present: case.present != flips,
                ..case.clone()
            })
            .collect();
        Arc::new(Self {
            inner: learner(trainable, &cases),
            factor: match poison {
                Poison::FlipTenfold => 10.0,
                Poison::Flip => 1.0,
                Poison::Huge => 1e6,
            },
        })
    }
}

impl Learner for Poisoned {
    fn trainable(&self) -> Option<Trainable> {
        self.inner.trainable()
    }

    fn examples(&self) -> u32 {
        self.inner.examples()
    }

    fn fit(&self, global: &[f32], order: &FitOrder, go_on: GoOn<'_>) -> Result<Fitted, LearnError> {
        let mut fitted = self.inner.fit(global, order, go_on)?;
        fitted.delta.iter_mut().for_each(|value| *value *= self.factor);
        Ok(fitted)
    }

    fn evaluate(&self, global: &[f32]) -> Result<Evaluated, LearnError> {
        self.inner.evaluate(global)
    }
}

/// A clinic without a box: it speaks the protocol by itself and sends NaN, which no box would. Ends when dropped.
#[derive(Debug)]
pub struct Rogue(JoinHandle<()>);

impl Drop for Rogue {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Rogue {
    /// # Errors
    /// When the certificate cannot be used.
    pub fn start(hub: &str, tls: &TlsPaths, trainable: Trainable) -> Result<Self, Error> {
        let mut calls = FederationClient::new(federated::channel(hub, tls)?);
        Ok(Self(tokio::spawn(async move {
            loop {
                // A refusal is what it is there for.
                let _ = poison_once(&mut calls, &trainable).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })))
    }
}

async fn poison_once(calls: &mut FederationClient<Channel>, trainable: &Trainable) -> Result<(), Status> {
    let asked = v1::PullTaskRequest {
        model: vec![v1::TrainableModel {
            id: trainable.id.clone(),
            version: trainable.version.clone(),
            backbone: vec![trainable.backbone.clone()],
        }],
        client_version: "rogue".into(),
    };
    let task = calls.pull_task(asked).await?.into_inner().task;
    let Some(Task::Fit(task)) = task else {
        return Ok(());
    };
    let Some(terms) = task.terms else {
        return Ok(());
    };
    let content: Vec<u8> = (0..=trainable.channels)
        .flat_map(|_| f32::NAN.to_le_bytes())
        .collect();
    let id = ChunkId::of(&content).0.to_vec();
    let chunk = v1::Chunk {
        content: content.into(),
    };
    calls.push_chunks(tokio_stream::iter([chunk])).await?;
    let reply = v1::FitReply {
        id: terms.id,
        update: Some(v1::Parameters {
            tensors: tensors(trainable.channels),
            encoding: v1::Encoding::F32.into(),
            chunk: vec![id],
        }),
        examples: 100,
        metric: Vec::new(),
    };
    calls.submit_fit(reply).await?;
    Ok(())
}
