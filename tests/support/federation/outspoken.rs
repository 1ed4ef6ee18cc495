//! A clinic with a certificate of the region that says in a round whatever it likes.

use barefoot_edge::federated::{self, Trainable};
use barefoot_federation::chunk::ChunkId;
use barefoot_trust::TlsPaths;
use barefoot_wire::v1;
use barefoot_wire::v1::federation_client::FederationClient;
use barefoot_wire::v1::task::Task;
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::Error;

#[derive(Debug)]
pub struct Outspoken {
    client: FederationClient<Channel>,
    model: v1::TrainableModel,
}

/// The hub's word: `accepted`, a refusal's code, or the name of a status.
pub type Said = String;

impl Outspoken {
    /// # Errors
    /// When the certificate cannot be read.
    pub fn new(hub: &str, identity: &TlsPaths, trainable: &Trainable) -> Result<Self, Error> {
        Ok(Self {
            client: FederationClient::new(federated::channel(hub, identity)?),
            model: v1::TrainableModel {
                id: trainable.id.clone(),
                version: trainable.version.clone(),
                backbone: vec![trainable.backbone.clone()],
            },
        })
    }

    /// What the hub asks of it now.
    ///
    /// # Errors
    /// When the hub does not answer.
    pub async fn task(&mut self) -> Result<Option<Task>, Error> {
        let asked = v1::PullTaskRequest {
            model: vec![self.model.clone()],
            client_version: "0".into(),
        };
        Ok(self.client.pull_task(asked).await?.into_inner().task)
    }

    /// Sends chunks; their names where the hub took them.
    pub async fn push(&mut self, contents: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
        let chunks: Vec<v1::Chunk> = contents
            .iter()
            .map(|content| v1::Chunk {
                content: content.clone().into(),
            })
            .collect();
        self.client.push_chunks(tokio_stream::iter(chunks)).await.ok()?;
        Some(
            contents
                .iter()
                .map(|content| ChunkId::of(content).0.to_vec())
                .collect(),
        )
    }

    /// Whether the hub says that it has this chunk of this clinic.
    pub async fn is_held(&mut self, chunk: &[u8]) -> bool {
        let asked = v1::ChunkIds {
            id: vec![chunk.to_vec()],
        };
        let missing = self.client.missing_chunks(asked).await;
        missing.is_ok_and(|missing| missing.into_inner().id.is_empty())
    }

    /// A chunk, where the hub gives it out.
    pub async fn pull(&mut self, chunk: &[u8]) -> Option<Vec<u8>> {
        let asked = v1::ChunkIds {
            id: vec![chunk.to_vec()],
        };
        let mut stream = self.client.pull_chunks(asked).await.ok()?.into_inner();
        let chunk = stream.message().await.ok()??;
        Some(chunk.content.to_vec())
    }

    /// Whether the hub gives this chunk out.
    pub async fn can_pull(&mut self, chunk: &[u8]) -> bool {
        self.pull(chunk).await.is_some()
    }

    pub async fn keys(&mut self, reply: v1::KeysReply) -> Said {
        said(self.client.submit_keys(reply).await)
    }

    pub async fn shares(&mut self, reply: v1::SharesReply) -> Said {
        said(self.client.submit_shares(reply).await)
    }

    pub async fn fit(&mut self, reply: v1::FitReply) -> Said {
        said(self.client.submit_fit(reply).await)
    }

    pub async fn unmask(&mut self, reply: v1::UnmaskReply) -> Said {
        said(self.client.submit_unmask(reply).await)
    }

    pub async fn evaluate(&mut self, reply: v1::EvaluateReply) -> Said {
        said(self.client.submit_evaluate(reply).await)
    }
}

fn said(answer: Result<Response<v1::Answer>, Status>) -> Said {
    match answer.map(Response::into_inner) {
        Ok(answer) if answer.accepted => "accepted".to_owned(),
        Ok(answer) => answer.code,
        Err(status) => format!("{:?}", status.code()),
    }
}
