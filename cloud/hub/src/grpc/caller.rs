use barefoot_domain::ClinicId;
use barefoot_trust::{Peer, Person, Role};
use tonic::{Request, Status};

/// The clinic whose box calls.
///
/// # Errors
/// `PERMISSION_DENIED` when the caller is none.
pub(crate) fn calling_clinic<T>(request: &Request<T>) -> Result<ClinicId, Status> {
    match peer(request)? {
        Peer::Clinic(clinic) => Ok(clinic.clone()),
        Peer::Person(_) => Err(Status::permission_denied("This service is for clinics' boxes.")),
    }
}

/// The person who calls.
///
/// # Errors
/// `PERMISSION_DENIED` when the caller is none.
pub(crate) fn calling_person<T>(request: &Request<T>) -> Result<Person, Status> {
    match peer(request)? {
        Peer::Person(person) => Ok(person.clone()),
        Peer::Clinic(_) => Err(Status::permission_denied(
            "This service is not for clinics' boxes.",
        )),
    }
}

/// Lets clinics' boxes pass.
pub(super) fn only_clinics(request: Request<()>) -> Result<Request<()>, Status> {
    calling_clinic(&request)?;
    Ok(request)
}

/// Lets people of one role pass.
pub(super) fn only(role: Role, request: Request<()>) -> Result<Request<()>, Status> {
    if calling_person(&request)?.role != role {
        return Err(Status::permission_denied(format!(
            "This service is for certificates with organizational unit {}.",
            role.unit()
        )));
    }
    Ok(request)
}

fn peer<T>(request: &Request<T>) -> Result<&Peer, Status> {
    // Read once from the certificate of the connection's handshake; see `Line`.
    request
        .extensions()
        .get::<Peer>()
        .ok_or_else(|| Status::permission_denied("The connection shows no certificate."))
}
