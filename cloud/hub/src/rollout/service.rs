use barefoot_wire::v1::releases_server::Releases as Service;
use barefoot_wire::v1::{BoxReport, Desired, FilePart, ReadFileRequest};
use tonic::{Request, Response, Status, async_trait};

use super::Rollouts;
use crate::grpc::{Replies, calling_clinic};

/// For clinics' boxes: files of the published repository, reports, what to run.
#[derive(Debug, Clone)]
pub(crate) struct ReleasesService(pub(crate) Rollouts);

#[async_trait]
impl Service for ReleasesService {
    type ReadFileStream = Replies<FilePart>;

    async fn read_file(
        &self,
        request: Request<ReadFileRequest>,
    ) -> Result<Response<Self::ReadFileStream>, Status> {
        let ReadFileRequest { path, offset } = request.into_inner();
        let parts = self.0.releases().read(path, offset).await?;
        Ok(Response::new(Box::pin(parts)))
    }

    async fn report(&self, request: Request<BoxReport>) -> Result<Response<Desired>, Status> {
        let clinic = calling_clinic(&request)?;
        let desired = self.0.report(&clinic, request.into_inner()).await?;
        Ok(Response::new(desired))
    }
}
