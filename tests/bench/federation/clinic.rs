//! A clinic's side of a round, by the client that is generated from the interface. Its update is made beforehand.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::layout::Layout;
use barefoot_test_support::daemons::Region;
use barefoot_trust::TlsIdentity;
use barefoot_wire::v1;
use barefoot_wire::v1::federation_client::FederationClient;
use barefoot_wire::v1::task::Task;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

pub(super) const MODEL: &str = "benchmark";
pub(super) const VERSION: &str = "1.0.0";
/// Any SHA-256 will do: nothing is inferred.
pub(super) const BACKBONE: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

const EXAMPLES: u32 = 50;

/// The hub says when to ask again, for boxes that have time.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A connection to the hub, made when it is first needed, as the box makes it.
pub(super) fn channel(region: &Region, name: &str, hub: &str) -> anyhow::Result<Channel> {
    let identity = TlsIdentity::load(&region.tls_paths(name))?;
    let tls = TlsConnector::from(identity.http2_client_config()?);
    let address: Arc<str> = hub.into();
    let host = hub.rsplit_once(':').context("host:port")?.0.to_owned();
    let name = ServerName::try_from(host)?;
    let connect = tower::service_fn(move |_: Uri| {
        let (tls, address, name) = (tls.clone(), Arc::clone(&address), name.clone());
        async move {
            let socket = TcpStream::connect(&*address).await?;
            socket.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(tls.connect(name, socket).await?))
        }
    });
    Ok(Endpoint::from_shared(format!("https://{hub}"))?.connect_with_connector_lazy(connect))
}

/// How an F32 list of chunks is described.
pub(super) fn parameters(layout: &Layout, chunks: &[Vec<u8>]) -> v1::Parameters {
    let tensors = layout.specs().iter().map(|spec| v1::TensorSpec {
        name: spec.name.clone(),
        shape: spec.shape.clone(),
    });
    v1::Parameters {
        tensors: tensors.collect(),
        encoding: v1::Encoding::F32.into(),
        chunk: chunks.iter().map(|bytes| name(bytes)).collect(),
    }
}

fn name(bytes: &[u8]) -> Vec<u8> {
    ChunkId::of(bytes).0.to_vec()
}

pub(super) struct Clinic {
    calls: FederationClient<Channel>,
    update: v1::Parameters,
    chunks: Vec<v1::Chunk>,
}

impl Clinic {
    pub(super) fn new(channel: Channel, layout: &Layout, chunks: Vec<Vec<u8>>) -> Self {
        Self {
            calls: FederationClient::new(channel),
            update: parameters(layout, &chunks),
            chunks: chunks
                .into_iter()
                .map(|bytes| v1::Chunk {
                    content: bytes.into(),
                })
                .collect(),
        }
    }

    /// Asks for a task once, which connects.
    pub(super) async fn pull(&mut self) -> anyhow::Result<Task> {
        let asked = v1::PullTaskRequest {
            model: vec![v1::TrainableModel {
                id: MODEL.into(),
                version: VERSION.into(),
                backbone: vec![BACKBONE.into()],
            }],
            client_version: "benchmark".into(),
        };
        let task = self.calls.pull_task(asked).await?.into_inner().task;
        task.context("a task, if only to wait")
    }

    async fn task(&mut self) -> anyhow::Result<Task> {
        loop {
            match self.pull().await? {
                Task::Idle(_) => tokio::time::sleep(ASK_AGAIN).await,
                task => return Ok(task),
            }
        }
    }

    /// Fetches the global parameters, sends the update, and has it accepted.
    pub(super) async fn fit(&mut self) -> anyhow::Result<()> {
        let Task::Fit(v1::FitTask {
            terms: Some(terms), ..
        }) = self.task().await?
        else {
            anyhow::bail!("a fit task belongs here");
        };
        let global = terms.global.context("global parameters")?;
        let wanted = v1::ChunkIds { id: global.chunk };
        let mut stream = self.calls.pull_chunks(wanted.clone()).await?.into_inner();
        let mut names = wanted.id.iter();
        while let Some(chunk) = stream.message().await? {
            anyhow::ensure!(names.next() == Some(&name(&chunk.content)), "the chunk asked for");
        }
        anyhow::ensure!(names.next().is_none(), "every chunk comes");

        let own = v1::ChunkIds {
            id: self.update.chunk.clone(),
        };
        let missing = self.calls.missing_chunks(own).await?.into_inner();
        anyhow::ensure!(missing.id.len() == self.chunks.len(), "the update is new");
        let chunks = tokio_stream::iter(self.chunks.clone());
        self.calls.push_chunks(chunks).await?;
        let reply = v1::FitReply {
            id: terms.id,
            update: Some(self.update.clone()),
            examples: EXAMPLES,
            metric: vec![],
        };
        accepted(&self.calls.submit_fit(reply).await?.into_inner())
    }

    /// Says at once what it thinks of the new parameters.
    pub(super) async fn evaluate(&mut self) -> anyhow::Result<()> {
        let Task::Evaluate(v1::EvaluateTask { terms: Some(terms) }) = self.task().await? else {
            anyhow::bail!("an evaluate task belongs here");
        };
        let reply = v1::EvaluateReply {
            id: terms.id,
            examples: EXAMPLES,
            metric: vec![],
        };
        accepted(&self.calls.submit_evaluate(reply).await?.into_inner())
    }
}

fn accepted(answer: &v1::Answer) -> anyhow::Result<()> {
    anyhow::ensure!(answer.accepted, "refused: {}", answer.reason);
    Ok(())
}
