use barefoot_trust::enrolment::Binding;
use barefoot_wire::v1;
use barefoot_wire::v1::enrolment_server::Enrolment;
use tonic::{Code, Request, Response, Status};

use crate::enrolment::{Desk, Refusal};

/// What boxes ask before the hub knows them.
#[derive(Debug, Clone)]
pub(super) struct EnrolmentService(pub(super) Desk);

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn enrol(&self, request: Request<v1::EnrolRequest>) -> Result<Response<v1::EnrolReply>, Status> {
        let binding = binding(&request)?;
        let reply = self.0.enrol(request.get_ref(), &binding).await;
        reply.map(Response::new).map_err(|refusal| refused(&refusal))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::RenewReply>, Status> {
        let binding = binding(&request)?;
        let renewed = self.0.renew(request.get_ref(), &binding).await;
        let membership = renewed.map_err(|refusal| refused(&refusal))?;
        Ok(Response::new(v1::RenewReply {
            membership: Some(membership),
        }))
    }

    async fn confirm(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::ConfirmReply>, Status> {
        let binding = binding(&request)?;
        let confirmed = self.0.confirm(request.get_ref(), &binding).await;
        confirmed.map_err(|refusal| refused(&refusal))?;
        Ok(Response::new(v1::ConfirmReply {}))
    }

    async fn clock(&self, _: Request<v1::ClockRequest>) -> Result<Response<v1::ClockReply>, Status> {
        Ok(Response::new(v1::ClockReply {
            now_ms: self.0.now_ms(),
        }))
    }
}

fn binding<T>(request: &Request<T>) -> Result<Binding, Status> {
    let known = request.extensions().get::<Binding>();
    known
        .cloned()
        .ok_or_else(|| Status::internal("the connection cannot be used"))
}

fn refused(refusal: &Refusal) -> Status {
    tracing::info!(reason = %refusal, "A box was refused.");
    let code = match refusal {
        Refusal::Busy => Code::Unavailable,
        Refusal::BadRequest => Code::InvalidArgument,
        Refusal::UnknownCode
        | Refusal::ExpiredCode
        | Refusal::CancelledCode
        | Refusal::UsedCode
        | Refusal::ShutOut
        | Refusal::UnknownBox
        | Refusal::OtherBox
        | Refusal::Copied => Code::PermissionDenied,
    };
    Status::with_details(code, refusal.to_string(), refusal.word().into())
}
