use barefoot_domain::ClinicId;
use barefoot_wire::v1;
use barefoot_wire::v1::sites_server::Sites;
use tonic::{Request, Response, Status};

use super::calling_person;
use crate::archive::{Error, SiteRow};
use crate::enrolment::{Desk, Refusal};
use crate::revocation::{Holder, Revocations, Unnamed};

/// A sentence or two.
const LONGEST_REASON: usize = 300;

/// Operators' commands over gRPC.
#[derive(Debug, Clone)]
pub(crate) struct SitesService {
    pub(crate) revocations: Revocations,
    /// `None` where the hub enrols nobody.
    pub(crate) desk: Option<Desk>,
}

/// A month.
const MOST_HOURS: u32 = 720;

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
        let revoked = self.revocations.revoke(holder, &operator, reason).await;
        revoked.map_err(failed)?;
        Ok(Response::new(v1::Done {}))
    }

    async fn restore(&self, request: Request<v1::RestoreRequest>) -> Result<Response<v1::Done>, Status> {
        let operator = calling_person(&request)?;
        let holder = Holder::of_message(request.into_inner().holder).map_err(unnamed)?;
        if !self
            .revocations
            .restore(&holder, &operator)
            .await
            .map_err(failed)?
        {
            return Err(Status::not_found(format!("{holder} is not revoked")));
        }
        Ok(Response::new(v1::Done {}))
    }

    async fn list_revocations(
        &self,
        _: Request<v1::ListRevocationsRequest>,
    ) -> Result<Response<v1::RevocationList>, Status> {
        let rows = self.revocations.list().await.map_err(failed)?;
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

    async fn add_site(&self, request: Request<v1::AddSiteRequest>) -> Result<Response<v1::SiteCode>, Status> {
        let operator = calling_person(&request)?;
        let asked = request.into_inner();
        let clinic = clinic_of(asked.clinic)?;
        if MOST_HOURS < asked.valid_hours {
            return Err(Status::invalid_argument(format!(
                "valid_hours: at most {MOST_HOURS}"
            )));
        }
        let hours = (asked.valid_hours != 0).then_some(asked.valid_hours);
        let new = self.desk()?.add_site(&clinic, hours, &operator).await;
        let new = new.map_err(|refusal| refused(&refusal))?;
        Ok(Response::new(v1::SiteCode {
            hub: new.hub,
            code: new.code.to_string(),
            expires_at_ms: new.expires_at_ms,
            replaces_a_box: new.replaces_a_box,
        }))
    }

    async fn cancel_site(
        &self,
        request: Request<v1::CancelSiteRequest>,
    ) -> Result<Response<v1::Done>, Status> {
        let operator = calling_person(&request)?;
        let clinic = clinic_of(request.into_inner().clinic)?;
        let cancelled = self.desk()?.cancel_site(&clinic, &operator).await;
        if !cancelled.map_err(|refusal| refused(&refusal))? {
            return Err(Status::not_found(format!("{clinic} has no open code")));
        }
        Ok(Response::new(v1::Done {}))
    }

    async fn list_sites(&self, _: Request<v1::ListSitesRequest>) -> Result<Response<v1::SiteList>, Status> {
        let sites = self.desk()?.sites().await.map_err(|refusal| refused(&refusal))?;
        Ok(Response::new(v1::SiteList {
            site: sites.into_iter().map(site).collect(),
        }))
    }
}

impl SitesService {
    fn desk(&self) -> Result<&Desk, Status> {
        let without = "this hub enrols no boxes: its settings have no [enrolment]";
        self.desk
            .as_ref()
            .ok_or_else(|| Status::failed_precondition(without))
    }
}

fn clinic_of(text: String) -> Result<ClinicId, Status> {
    ClinicId::new(text).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn site(row: SiteRow) -> v1::Site {
    v1::Site {
        clinic: row.clinic,
        code_expires_at_ms: row.code_expires_at_ms.unwrap_or_default(),
        enrolled_at_ms: row.enrolled_at_ms.unwrap_or_default(),
        certificate_until_ms: row.certificate_until_ms.unwrap_or_default(),
        copied_at_ms: row.copied_at_ms.unwrap_or_default(),
    }
}

fn refused(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::Busy => Status::unavailable(refusal.to_string()),
        _ => Status::failed_precondition(refusal.to_string()),
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
