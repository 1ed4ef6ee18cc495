use barefoot_domain::{CaseId, ClinicId, Correction, FindingCode};
use barefoot_wire::v1::corrections_server::Corrections;
use barefoot_wire::v1::{RecordCorrectionReply, RecordCorrectionRequest};
use tonic::{Request, Response, Status};
use ulid::Ulid;

use super::{Dispatch, NotRecorded};
use crate::clock::now_ms;
use crate::grpc::calling_person;

/// Experts' corrections over gRPC.
#[derive(Debug, Clone)]
pub(crate) struct CorrectionsService(pub(crate) Dispatch);

#[tonic::async_trait]
impl Corrections for CorrectionsService {
    async fn record_correction(
        &self,
        request: Request<RecordCorrectionRequest>,
    ) -> Result<Response<RecordCorrectionReply>, Status> {
        let expert = calling_person(&request)?;
        let asked = request.into_inner();
        let clinic = ClinicId::new(asked.clinic).map_err(invalid)?;
        if asked.version == 0 {
            return Err(Status::invalid_argument("version: 1 or more"));
        }
        let correction = Correction {
            id: Ulid::generate().to_string(),
            case: CaseId::new(asked.case_id).map_err(invalid)?,
            version: asked.version,
            finding: FindingCode::new(asked.finding).map_err(invalid)?,
            present: asked.present,
            regions: Vec::new(),
            recorded_at_ms: now_ms(),
        };
        match self.0.record(&clinic, &correction, &expert).await {
            Ok(()) => Ok(Response::new(RecordCorrectionReply {
                correction_id: correction.id,
            })),
            Err(error @ NotRecorded::NotAnExpert) => Err(Status::permission_denied(error.to_string())),
            Err(error @ NotRecorded::UnknownResult) => Err(Status::not_found(error.to_string())),
            Err(NotRecorded::Archive { source }) => {
                let cause = std::error::Error::source(&source).map(ToString::to_string);
                tracing::error!(error = %source, cause, "A correction could not be written.");
                Err(Status::unavailable("the hub cannot write now: try again"))
            }
        }
    }
}

fn invalid(error: barefoot_domain::InvalidId) -> Status {
    Status::invalid_argument(error.to_string())
}
