use barefoot_wire::v1;
use barefoot_wire::v1::maintenance_server::Maintenance as Service;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::Replies;

type Answer<T> = Result<Response<T>, Status>;

/// What maintainers do from afar. Each method belongs to one part of the hub; this only hands it over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Maintenance {}

#[async_trait]
impl Service for Maintenance {
    type WatchRunStream = Replies<v1::RunView>;
    type PullCandidateChunksStream = Replies<v1::Chunk>;

    async fn register_model(&self, _: Request<v1::RegisterModelRequest>) -> Answer<v1::RegisterModelReply> {
        Err(absent())
    }

    async fn register_test_set(&self, _: Request<Streaming<v1::Chunk>>) -> Answer<v1::RegisterTestSetReply> {
        Err(absent())
    }

    async fn register_plan(&self, _: Request<v1::RegisterPlanRequest>) -> Answer<v1::RegisterPlanReply> {
        Err(absent())
    }

    async fn start_run(&self, _: Request<v1::RunSettings>) -> Answer<v1::RunName> {
        Err(absent())
    }

    async fn stop_run(&self, _: Request<v1::RunName>) -> Answer<v1::Done> {
        Err(absent())
    }

    async fn watch_run(&self, _: Request<v1::RunName>) -> Answer<Self::WatchRunStream> {
        Err(absent())
    }

    async fn list_runs(&self, _: Request<v1::ListRunsRequest>) -> Answer<v1::RunList> {
        Err(absent())
    }

    async fn list_models(&self, _: Request<v1::ListModelsRequest>) -> Answer<v1::ModelList> {
        Err(absent())
    }

    async fn get_report(&self, _: Request<v1::ModelName>) -> Answer<v1::GateReport> {
        Err(absent())
    }

    async fn get_candidate(&self, _: Request<v1::ModelName>) -> Answer<v1::Candidate> {
        Err(absent())
    }

    async fn pull_candidate_chunks(
        &self,
        _: Request<v1::ChunkIds>,
    ) -> Answer<Self::PullCandidateChunksStream> {
        Err(absent())
    }

    async fn publish_release(&self, _: Request<Streaming<v1::ReleasePart>>) -> Answer<v1::Done> {
        Err(absent())
    }

    async fn start_rollout(&self, _: Request<v1::StartRolloutRequest>) -> Answer<v1::Done> {
        Err(absent())
    }

    async fn halt_rollout(&self, _: Request<v1::ModelName>) -> Answer<v1::Done> {
        Err(absent())
    }

    async fn roll_back(&self, _: Request<v1::ModelName>) -> Answer<v1::Done> {
        Err(absent())
    }

    async fn get_rollout(&self, _: Request<v1::ModelName>) -> Answer<v1::RolloutView> {
        Err(absent())
    }
}

fn absent() -> Status {
    Status::unimplemented("This hub does not offer this method.")
}
