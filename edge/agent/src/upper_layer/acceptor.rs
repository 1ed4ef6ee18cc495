//! Associations that others ask for.

use std::time::Duration;

use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AssociationRJ, AssociationRJResult, AssociationRJServiceProviderASCEReason,
    AssociationRJServiceProviderPresentationReason, AssociationRJServiceUserReason, AssociationRJSource,
    AssociationRQ, Pdu,
};

use super::APPLICATION_CONTEXT;
use super::connection::{Connection, Ended, Stream};
use super::negotiation::{Contexts, Offers, negotiate, trimmed};
use super::state::{Action, Event, Role};

/// Why an association is refused (PS3.8 section 9.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    CalledAeTitle,
    CallingAeTitle,
    ApplicationContext,
    ProtocolVersion,
    /// Too many associations; the caller tries again later.
    LimitExceeded,
}

impl Refusal {
    fn pdu(self) -> AssociationRJ {
        use AssociationRJServiceUserReason as User;
        let user = AssociationRJSource::ServiceUser;
        let (result, source) = match self {
            Self::CalledAeTitle => (
                AssociationRJResult::Permanent,
                user(User::CalledAETitleNotRecognized),
            ),
            Self::CallingAeTitle => (
                AssociationRJResult::Permanent,
                user(User::CallingAETitleNotRecognized),
            ),
            Self::ApplicationContext => (
                AssociationRJResult::Permanent,
                user(User::ApplicationContextNameNotSupported),
            ),
            Self::ProtocolVersion => (
                AssociationRJResult::Permanent,
                AssociationRJSource::ServiceProviderASCE(
                    AssociationRJServiceProviderASCEReason::ProtocolVersionNotSupported,
                ),
            ),
            Self::LimitExceeded => (
                AssociationRJResult::Transient,
                AssociationRJSource::ServiceProviderPresentation(
                    AssociationRJServiceProviderPresentationReason::LocalLimitExceeded,
                ),
            ),
        };
        AssociationRJ { result, source }
    }
}

/// A request that was read and not yet answered.
pub(crate) struct Asked {
    connection: Connection,
    request: AssociationRQ,
}

/// Reads the request on a new connection; the caller bounds the time. `max_pdu` is announced and enforced.
///
/// # Errors
/// When no request that can be read comes.
pub(crate) async fn await_request(
    stream: Box<dyn Stream>,
    max_pdu: u32,
    establish: Duration,
) -> Result<Asked, Ended> {
    let mut connection = Connection::new(stream, Role::Acceptor, max_pdu, establish);
    connection.step(Event::ConnectionCame);
    let (event, pdu) = connection.control_pdu().await?;
    match (connection.step(event), pdu) {
        (Action::Decide, Pdu::AssociationRQ(request)) => Ok(Asked { connection, request }),
        (Action::SendAbort, _) => Err(connection.unexpected("no association was asked for").await),
        _ => Err(Ended::Aborted),
    }
}

impl Asked {
    pub(crate) fn calling_ae_title(&self) -> &str {
        self.request.calling_ae_title.trim()
    }

    pub(crate) fn called_ae_title(&self) -> &str {
        self.request.called_ae_title.trim()
    }

    /// What the standard itself refuses.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.request.protocol_version & 1 == 0 {
            return Err(Refusal::ProtocolVersion);
        }
        if trimmed(&self.request.application_context_name) != APPLICATION_CONTEXT {
            return Err(Refusal::ApplicationContext);
        }
        Ok(())
    }

    /// Accepts what `offers` has; `idle` bounds every wait from here on.
    ///
    /// # Errors
    /// When the request's presentation contexts cannot be, or the peer is gone.
    pub(crate) async fn accept(
        mut self,
        offers: &dyn Offers,
        max_pdu: u32,
        idle: Duration,
    ) -> Result<(Connection, Contexts), Ended> {
        let Some(negotiated) = negotiate(&self.request, offers, max_pdu) else {
            return Err(self
                .connection
                .abort(
                    AbortRQServiceProviderReason::InvalidPduParameter,
                    "presentation context ids are doubled, even or too many",
                )
                .await);
        };
        self.connection.set_peer_max_pdu(negotiated.peer_max_pdu);
        self.connection.step(Event::WeAccept);
        self.connection
            .send_pdu(&Pdu::AssociationAC(negotiated.answer))
            .await?;
        self.connection.set_timeout(idle);
        Ok((self.connection, negotiated.contexts))
    }

    /// # Errors
    /// When the peer is gone.
    pub(crate) async fn refuse(mut self, refusal: Refusal) -> Result<Connection, Ended> {
        self.connection.send_reject(refusal.pdu()).await?;
        Ok(self.connection)
    }
}
