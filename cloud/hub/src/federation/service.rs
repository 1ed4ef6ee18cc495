use barefoot_wire::v1;
use barefoot_wire::v1::federation_server::Federation;
use tonic::{Code, Request, Response, Status, Streaming, async_trait};

use super::replies::Reply;
use super::runs::Runs;
use super::{Error, tasks};
use crate::clock::now_ms;
use crate::grpc::{Replies, calling_clinic};

type Answered<T> = Result<Response<T>, Status>;

/// The clinics' calls. Who calls is known from the connection; nothing in a message is believed about it.
#[derive(Debug, Clone)]
pub(crate) struct FederationService(pub(crate) Runs);

#[async_trait]
impl Federation for FederationService {
    type PullChunksStream = Replies<v1::Chunk>;

    async fn pull_task(&self, request: Request<v1::PullTaskRequest>) -> Answered<v1::Task> {
        let clinic = calling_clinic(&request)?;
        let asked = request.into_inner();
        let mut active = self.0.lock().await;
        let mut busy = None;
        for run in active.values_mut().filter(|run| run.suits(&asked.model)) {
            if let Some(duty) = run.duty_of(&clinic) {
                let task = tasks::of(&self.0.0.archive, run, &clinic, duty, now_ms()).await;
                return Ok(Response::new(task?));
            }
            busy = Some(busy.unwrap_or(0) + run.attempt.round.members().len());
        }
        Ok(Response::new(tasks::idle(busy)))
    }

    async fn missing_chunks(&self, request: Request<v1::ChunkIds>) -> Answered<v1::ChunkIds> {
        let clinic = calling_clinic(&request)?;
        self.0
            .missing(&clinic, request.get_ref())
            .await
            .map(Response::new)
    }

    async fn push_chunks(&self, request: Request<Streaming<v1::Chunk>>) -> Answered<v1::PushSummary> {
        let clinic = calling_clinic(&request)?;
        self.0
            .push(&clinic, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn pull_chunks(&self, request: Request<v1::ChunkIds>) -> Answered<Self::PullChunksStream> {
        let clinic = calling_clinic(&request)?;
        let chunks = self.0.pull(&clinic, request.get_ref()).await?;
        Ok(Response::new(Box::pin(chunks)))
    }

    async fn submit_fit(&self, request: Request<v1::FitReply>) -> Answered<v1::Answer> {
        self.submit(request, Reply::Fit).await
    }

    async fn submit_evaluate(&self, request: Request<v1::EvaluateReply>) -> Answered<v1::Answer> {
        self.submit(request, Reply::Evaluate).await
    }

    async fn submit_keys(&self, request: Request<v1::KeysReply>) -> Answered<v1::Answer> {
        self.submit(request, Reply::Keys).await
    }

    async fn submit_shares(&self, request: Request<v1::SharesReply>) -> Answered<v1::Answer> {
        self.submit(request, Reply::Shares).await
    }

    async fn submit_unmask(&self, request: Request<v1::UnmaskReply>) -> Answered<v1::Answer> {
        self.submit(request, Reply::Unmask).await
    }

    async fn decline(&self, request: Request<v1::DeclineReply>) -> Answered<v1::Answer> {
        let clinic = calling_clinic(&request)?;
        Ok(Response::new(self.0.decline(&clinic, request.get_ref()).await?))
    }
}

impl FederationService {
    async fn submit<T>(&self, request: Request<T>, kind: fn(T) -> Reply) -> Answered<v1::Answer> {
        let clinic = calling_clinic(&request)?;
        let reply = kind(request.into_inner());
        Ok(Response::new(self.0.submit(&clinic, reply).await?))
    }
}

impl From<Error> for Status {
    /// What a caller hears of an error. What is the hub's own fault is logged here, and worth another try.
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Settings { .. } => Code::InvalidArgument,
            Error::UnknownRun => Code::NotFound,
            Error::Ended | Error::Busy { .. } => Code::FailedPrecondition,
            Error::Registry { source } => return source.into(),
            Error::Archive { .. } | Error::Chunks { .. } | Error::Stored { .. } => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "A call about rounds failed; callers try again.");
                return Self::unavailable("The hub could not do its part; try again.");
            }
        };
        Self::new(code, error.to_string())
    }
}
