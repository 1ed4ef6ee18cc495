use barefoot_trust::Person;
use barefoot_wire::v1;
use barefoot_wire::v1::maintenance_server::Maintenance as Service;
use futures_util::{StreamExt, stream};
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{Replies, calling_person};
use crate::audit::{Action, Actor, Entry, Object};
use crate::federation::Runs;
use crate::model_registry::Registry;
use crate::rollout::Rollouts;

type Answer<T> = Result<Response<T>, Status>;

/// What maintainers do from afar. Each method belongs to one part of the hub; this only hands it over.
#[derive(Debug, Clone)]
pub(crate) struct Maintenance {
    pub(crate) registry: Registry,
    pub(crate) runs: Runs,
    pub(crate) rollouts: Rollouts,
}

impl Maintenance {
    /// Before the answer: whoever hears nothing asks again, and what was done already stays as it is.
    async fn note(&self, by: &Person, action: Action, what: &str) -> Result<(), Status> {
        let entry = Entry::new(Actor::certified(by), action, Object::subject(what));
        Ok(self.registry.note(entry).await?)
    }
}

#[async_trait]
impl Service for Maintenance {
    type WatchRunStream = Replies<v1::RunView>;
    type PullCandidateChunksStream = Replies<v1::Chunk>;

    async fn register_model(
        &self,
        request: Request<v1::RegisterModelRequest>,
    ) -> Answer<v1::RegisterModelReply> {
        let by = calling_person(&request)?;
        let request = request.into_inner();
        let what = format!("{} {}", request.id, request.version);
        let reply = self.registry.register_model(request).await?;
        self.note(&by, Action::ModelRegistered, &what).await?;
        Ok(Response::new(reply))
    }

    async fn register_test_set(
        &self,
        request: Request<Streaming<v1::Chunk>>,
    ) -> Answer<v1::RegisterTestSetReply> {
        let by = calling_person(&request)?;
        let reply = self.registry.register_test_set(request.into_inner()).await?;
        self.note(&by, Action::TestSetRegistered, &reply.name).await?;
        Ok(Response::new(reply))
    }

    async fn register_plan(
        &self,
        request: Request<v1::RegisterPlanRequest>,
    ) -> Answer<v1::RegisterPlanReply> {
        let by = calling_person(&request)?;
        let toml = request.into_inner().toml;
        let reply = self.registry.register_plan(&toml).await?;
        self.note(&by, Action::PlanRegistered, &reply.name).await?;
        Ok(Response::new(reply))
    }

    async fn start_run(&self, request: Request<v1::RunSettings>) -> Answer<v1::RunName> {
        let maintainer = calling_person(&request)?;
        let started = self.runs.start(request.into_inner(), &maintainer).await;
        Ok(Response::new(started?))
    }

    async fn stop_run(&self, request: Request<v1::RunName>) -> Answer<v1::Done> {
        let by = calling_person(&request)?;
        self.runs.stop(&request.get_ref().run, &by).await?;
        Ok(Response::new(v1::Done {}))
    }

    async fn watch_run(&self, request: Request<v1::RunName>) -> Answer<Self::WatchRunStream> {
        let views = self.runs.watch(&request.get_ref().run).await?;
        Ok(Response::new(views.boxed()))
    }

    async fn list_runs(&self, _: Request<v1::ListRunsRequest>) -> Answer<v1::RunList> {
        Ok(Response::new(v1::RunList {
            run: self.runs.list().await?,
        }))
    }

    async fn list_models(&self, _: Request<v1::ListModelsRequest>) -> Answer<v1::ModelList> {
        let counted = self.rollouts.boxes_per_version().await?;
        let boxes = |id: &str, version: &str| {
            let found = counted.iter().find(|(model, of, _)| model == id && of == version);
            found.map_or(0, |(.., boxes)| *boxes)
        };
        Ok(Response::new(self.registry.list_models(boxes).await?))
    }

    async fn get_report(&self, request: Request<v1::ModelName>) -> Answer<v1::GateReport> {
        Ok(Response::new(self.registry.report(request.get_ref()).await?))
    }

    async fn get_candidate(&self, request: Request<v1::ModelName>) -> Answer<v1::Candidate> {
        let by = calling_person(&request)?;
        let name = request.get_ref();
        let candidate = self.registry.candidate(name).await?;
        let what = format!("{} {}", name.id, name.version);
        self.note(&by, Action::CandidateFetched, &what).await?;
        Ok(Response::new(candidate))
    }

    async fn pull_candidate_chunks(
        &self,
        request: Request<v1::ChunkIds>,
    ) -> Answer<Self::PullCandidateChunksStream> {
        let registry = self.registry.clone();
        let ids = registry.candidate_chunks(request.get_ref()).await?;
        let chunks = stream::iter(ids).then(move |id| {
            let registry = registry.clone();
            async move {
                let content = registry.chunk(id).await?;
                Ok(v1::Chunk { content })
            }
        });
        Ok(Response::new(chunks.boxed()))
    }

    async fn publish_release(&self, request: Request<Streaming<v1::ReleasePart>>) -> Answer<v1::Done> {
        let by = calling_person(&request)?;
        let releases = self.rollouts.releases();
        releases.publish(request.into_inner(), &by).await?;
        Ok(Response::new(v1::Done {}))
    }

    async fn start_rollout(&self, request: Request<v1::StartRolloutRequest>) -> Answer<v1::Done> {
        let by = calling_person(&request)?;
        self.rollouts.start(request.into_inner(), &by).await?;
        Ok(Response::new(v1::Done {}))
    }

    async fn halt_rollout(&self, request: Request<v1::ModelName>) -> Answer<v1::Done> {
        let by = calling_person(&request)?;
        self.rollouts.halt(request.get_ref(), &by).await?;
        Ok(Response::new(v1::Done {}))
    }

    async fn roll_back(&self, request: Request<v1::ModelName>) -> Answer<v1::Done> {
        let by = calling_person(&request)?;
        self.rollouts.roll_back(request.get_ref(), &by).await?;
        Ok(Response::new(v1::Done {}))
    }

    async fn get_rollout(&self, request: Request<v1::ModelName>) -> Answer<v1::RolloutView> {
        Ok(Response::new(self.rollouts.view(request.get_ref()).await?))
    }
}
