use std::path::Path;

use barefoot_domain::ClinicId;
use barefoot_trust::TlsIdentity;
use barefoot_trust::enrolment::{Code, check_first, first_client_config};
use barefoot_wire::v1;
use prost::Message;

use super::keeper;
use super::line::{self, NoLine, host_and_port};
use super::store::{self, Addresses, Stored};
use crate::clock::now_ms;
use crate::set_up::Problem;

/// A clock that is off by less needs no help: certificates are valid from the day before.
const CLOCK_TOLERATED_S: i64 = 600;

/// Asks the hub, with a code, whose box this is, and keeps what it says. May be done again after any failure.
///
/// # Errors
/// In words for whoever stands beside the box.
pub(crate) async fn enrol(state: &Path, hub: &str, code: &str) -> Result<ClinicId, Problem> {
    let (hub, code) = (hub.trim(), Code::parse(code).ok_or(Problem::Code)?);
    if host_and_port(hub).is_none() {
        return Err(Problem::Address);
    }
    let unkept = |error: super::Error| Problem::Store {
        why: crate::error_chain::chain(&error),
    };
    let folder = state.to_owned();
    let key = tokio::task::spawn_blocking(move || store::pending_key(&folder)).await;
    let key = key.map_err(|_| Problem::Answer)?.map_err(unkept)?;
    let request = key.request().map_err(|_| Problem::Answer)?;

    let config = first_client_config().map_err(|_| Problem::Answer)?;
    let (mut client, binding) = line::open(hub, config).await.map_err(unreachable)?;
    let secret = code.secret();
    let asked = v1::EnrolRequest {
        code_id: code.id().to_vec(),
        proof: secret.prove_box(&binding, &request),
        certificate_request: request,
    };
    let reply = client.enrol(asked).await.map_err(|status| refused(&status))?;
    let reply = reply.into_inner();
    if !secret.is_of_hub(&binding, &reply.membership, &reply.proof) {
        return Err(Problem::NotTheHub);
    }
    let membership = v1::Membership::decode(reply.membership.as_slice()).map_err(|_| Problem::Answer)?;
    let stored = first(membership, key.pem().to_string())?;
    // What cannot be used is never stored.
    TlsIdentity::parse(&stored.pem()).map_err(|_| Problem::Answer)?;
    let (folder, clinic) = (state.to_owned(), stored.clinic.clone());
    let written = tokio::task::spawn_blocking(move || {
        store::write(&folder, &stored)?;
        store::forget_pending(&folder);
        Ok(())
    });
    written.await.map_err(|_| Problem::Answer)?.map_err(unkept)?;
    Ok(clinic)
}

fn first(membership: v1::Membership, key: String) -> Result<Stored, Problem> {
    check_first(
        membership.authorities.as_bytes(),
        membership.certificates.as_bytes(),
    )
    .map_err(|_| Problem::Answer)?;
    let hub = membership.hub.unwrap_or_default();
    Ok(Stored {
        clinic: ClinicId::new(membership.clinic).map_err(|_| Problem::Answer)?,
        key,
        certificates: membership.certificates,
        authorities: membership.authorities,
        hub: Addresses::of(hub).ok_or(Problem::Answer)?,
        confirmed: false,
        clock_behind_s: behind_s(membership.now_ms),
    })
}

/// What our clock lacks to the hub's, where that matters.
pub(super) fn behind_s(hub_now_ms: i64) -> i64 {
    let behind = (hub_now_ms - now_ms()) / 1000;
    if behind.abs() < CLOCK_TOLERATED_S {
        0
    } else {
        behind
    }
}

impl Addresses {
    /// `None` where one is needed and cannot be one.
    pub(super) fn of(hub: v1::HubAddresses) -> Option<Self> {
        let is_address = |text: &String| host_and_port(text).is_some();
        let optional = |text: &String| text.is_empty() || is_address(text);
        let fits = is_address(&hub.mqtt)
            && is_address(&hub.enrolment)
            && optional(&hub.services)
            && optional(&hub.images);
        fits.then_some(Self {
            mqtt: hub.mqtt,
            services: hub.services,
            images: hub.images,
            enrolment: hub.enrolment,
        })
    }
}

fn unreachable(why: NoLine) -> Problem {
    match why {
        NoLine::Address => Problem::Address,
        other => Problem::Unreachable {
            why: other.to_string(),
        },
    }
}

fn refused(status: &tonic::Status) -> Problem {
    match status.details() {
        b"unknown_code" => Problem::UnknownCode,
        b"expired_code" => Problem::ExpiredCode,
        b"cancelled_code" => Problem::CancelledCode,
        b"used_code" => Problem::UsedCode,
        b"shut_out" => Problem::ShutOut,
        _ if keeper::is_line(status) => Problem::Unreachable {
            why: status.message().to_owned(),
        },
        _ => Problem::Refused {
            words: status.message().to_owned(),
        },
    }
}
