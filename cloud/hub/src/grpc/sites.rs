use barefoot_wire::v1;
use barefoot_wire::v1::sites_server::Sites;
use tonic::{Request, Response, Status};

use super::calling_person;
use crate::archive::Error;
use crate::revocation::{Holder, Revocations, Unnamed};

/// A sentence or two.
const LONGEST_REASON: usize = 300;

/// Operators' commands over gRPC.
#[derive(Debug, Clone)]
pub(crate) struct SitesService(pub(crate) Revocations);

#[tonic::async_trait]
impl Sites for SitesService {
    async fn revoke(&self, request: Request<v1::RevokeRequest>) -> Result<Response<v1::Done>, Status> {
        let operator = calling_person(&request)?;
        let asked = request.into_inner();
        let holder = Holder::of_message(asked.holder).map_err(unnamed)?;
        let reason = asked.reason.trim();
        if reason.is_empty() || LONGEST_REASON < reason.chars().count() {
            return Err(Status::invalid_argument(format!(
                "reason: 1 to {LONGEST_REASON} characters"
            )));
        }
        if holder == Holder::Person(operator.clone()) {
            return Err(Status::failed_precondition(
                "you would shut yourself out: let another operator do it",
            ));
        }
        let revoked = self.0.revoke(holder, &operator, reason).await;
        revoked.map_err(failed)?;
        Ok(Response::new(v1::Done {}))
    }

    async fn restore(&self, request: Request<v1::RestoreRequest>) -> Result<Response<v1::Done>, Status> {
        let operator = calling_person(&request)?;
        let holder = Holder::of_message(request.into_inner().holder).map_err(unnamed)?;
        if !self.0.restore(&holder, &operator).await.map_err(failed)? {
            return Err(Status::not_found(format!("{holder} is not revoked")));
        }
        Ok(Response::new(v1::Done {}))
    }

    async fn list_revocations(
        &self,
        _: Request<v1::ListRevocationsRequest>,
    ) -> Result<Response<v1::RevocationList>, Status> {
        let rows = self.0.list().await.map_err(failed)?;
        let revocation = rows.into_iter().map(|row| v1::Revocation {
            holder: Some(row.holder.to_message()),
            at_ms: row.at_ms,
            by: row.by,
            reason: row.reason,
        });
        Ok(Response::new(v1::RevocationList {
            revocation: revocation.collect(),
        }))
    }
}

fn unnamed(error: Unnamed) -> Status {
    Status::invalid_argument(error.to_string())
}

fn failed(error: Error) -> Status {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    tracing::error!(%error, cause, "Revocations could not be read or written.");
    Status::unavailable("the hub cannot write now: try again")
}
