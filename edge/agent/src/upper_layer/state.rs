//! The association's state machine (PS3.8 section 9.2, table 9-10), for both roles. Pure: an event goes in, what to do
//! and the next state come out.

/// Where an association stands; the numbers are the standard's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// Sta1: no association.
    Idle,
    /// Sta2: connected, the A-ASSOCIATE-RQ has not come yet.
    AwaitingRequest,
    /// Sta3: we decide on the request.
    Deciding,
    /// Sta4: our connection is being opened.
    Connecting,
    /// Sta5: our request is sent.
    AwaitingAnswer,
    /// Sta6: ready for data.
    Established,
    /// Sta7: our release is sent.
    AwaitingReleaseResponse,
    /// Sta8: the peer wants to release; we have not answered.
    ReleaseAsked,
    /// Sta9: both asked to release, we opened the association: our answer is next.
    CollisionAnswerFirst,
    /// Sta10: both asked to release, the peer opened the association: its answer is next.
    CollisionAwaitFirst,
    /// Sta11: both asked, we have answered.
    CollisionAwaitLast,
    /// Sta12: both asked, the peer has answered.
    CollisionAnswerLast,
    /// Sta13: nothing more to say; the peer closes the connection.
    AwaitingClose,
}

/// Who opened the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Requestor,
    Acceptor,
}

/// What happens to an association; in the order of the standard's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    AssociateRequested,
    Connected,
    AcceptPdu,
    RejectPdu,
    ConnectionCame,
    RequestPdu,
    WeAccept,
    WeReject,
    WeSendData,
    DataPdu,
    WeRelease,
    ReleaseRequestPdu,
    ReleaseResponsePdu,
    WeAnswerRelease,
    WeAbort,
    AbortPdu,
    Closed,
    TimerExpired,
    InvalidPdu,
}

/// What to do; each names the standard's actions it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// AE-1.
    Connect,
    /// AE-2.
    SendRequest,
    /// AE-3.
    ReportAccepted,
    /// AE-4: also close the connection.
    ReportRejected,
    /// AE-5: start the ARTIM timer.
    AwaitRequest,
    /// AE-6: stop the timer and decide.
    Decide,
    /// AE-7.
    SendAccept,
    /// AE-8: also start the timer.
    SendReject,
    /// DT-1, AR-7.
    SendData,
    /// DT-2, AR-6.
    TakeData,
    /// AR-1.
    SendReleaseRequest,
    /// AR-2, AR-8: the peer asks to release.
    ReportReleaseAsked,
    /// AR-3: also close the connection.
    ReportReleased,
    /// AR-4: also start the timer.
    SendReleaseResponse,
    /// AR-5: stop the timer.
    Forget,
    /// AR-9: a release response, the peer's is still to come.
    SendFirstReleaseResponse,
    /// AR-10: the peer has confirmed; our response is next.
    ReportReleaseConfirmed,
    /// AA-1, AA-7, AA-8: send an A-ABORT and start the timer.
    SendAbort,
    /// AA-2: close the connection.
    Close,
    /// AA-3: report the peer's abort, close.
    ReportAborted,
    /// AA-4, AA-5: the connection is gone.
    ReportClosed,
    /// AA-6.
    Ignore,
}

/// What an event leads to; `None` where the standard has no entry: only a local event can come out of turn, and that is a
/// mistake of ours.
#[must_use]
pub(crate) fn transition(state: State, event: Event, role: Role) -> Option<(Action, State)> {
    use Action as A;
    use Event as E;
    use State as S;
    let peer_speaks_out_of_turn = || match state {
        S::Idle | S::Connecting => None,
        S::AwaitingClose => Some((A::Ignore, S::AwaitingClose)),
        _ => Some((A::SendAbort, S::AwaitingClose)),
    };
    match (state, event) {
        (S::Idle, E::AssociateRequested) => Some((A::Connect, S::Connecting)),
        (S::Connecting, E::Connected) => Some((A::SendRequest, S::AwaitingAnswer)),
        (S::AwaitingAnswer, E::AcceptPdu) => Some((A::ReportAccepted, S::Established)),
        (S::AwaitingAnswer, E::RejectPdu) => Some((A::ReportRejected, S::Idle)),
        (S::Idle, E::ConnectionCame) => Some((A::AwaitRequest, S::AwaitingRequest)),
        (S::AwaitingRequest, E::RequestPdu) => Some((A::Decide, S::Deciding)),
        (S::Deciding, E::WeAccept) => Some((A::SendAccept, S::Established)),
        (S::Deciding, E::WeReject) => Some((A::SendReject, S::AwaitingClose)),

        (S::Established | S::ReleaseAsked, E::WeSendData) => Some((A::SendData, state)),
        (S::Established | S::AwaitingReleaseResponse, E::DataPdu) => Some((A::TakeData, state)),

        (S::Established, E::WeRelease) => Some((A::SendReleaseRequest, S::AwaitingReleaseResponse)),
        (S::Established, E::ReleaseRequestPdu) => Some((A::ReportReleaseAsked, S::ReleaseAsked)),
        (S::AwaitingReleaseResponse, E::ReleaseRequestPdu) => {
            let next = match role {
                Role::Requestor => S::CollisionAnswerFirst,
                Role::Acceptor => S::CollisionAwaitFirst,
            };
            Some((A::ReportReleaseAsked, next))
        }
        (S::AwaitingReleaseResponse | S::CollisionAwaitLast, E::ReleaseResponsePdu) => {
            Some((A::ReportReleased, S::Idle))
        }
        (S::CollisionAwaitFirst, E::ReleaseResponsePdu) => {
            Some((A::ReportReleaseConfirmed, S::CollisionAnswerLast))
        }
        (S::ReleaseAsked | S::CollisionAnswerLast, E::WeAnswerRelease) => {
            Some((A::SendReleaseResponse, S::AwaitingClose))
        }
        (S::CollisionAnswerFirst, E::WeAnswerRelease) => {
            Some((A::SendFirstReleaseResponse, S::CollisionAwaitLast))
        }

        (S::Idle | S::AwaitingRequest | S::AwaitingClose, E::WeAbort) => None,
        (S::Connecting, E::WeAbort) => Some((A::Close, S::Idle)),
        (_, E::WeAbort) => Some((A::SendAbort, S::AwaitingClose)),

        (S::Idle | S::Connecting, E::AbortPdu) => None,
        (S::AwaitingRequest | S::AwaitingClose, E::AbortPdu) => Some((A::Close, S::Idle)),
        (_, E::AbortPdu) => Some((A::ReportAborted, S::Idle)),

        (S::Idle, E::Closed) => None,
        (S::AwaitingClose, E::Closed) => Some((A::Forget, S::Idle)),
        (_, E::Closed) => Some((A::ReportClosed, S::Idle)),

        (S::AwaitingRequest | S::AwaitingClose, E::TimerExpired) => Some((A::Close, S::Idle)),

        // AA-7: unlike other late PDUs, these two are answered again.
        (S::AwaitingClose, E::RequestPdu | E::InvalidPdu) => Some((A::SendAbort, S::AwaitingClose)),
        (
            _,
            E::AcceptPdu
            | E::RejectPdu
            | E::RequestPdu
            | E::DataPdu
            | E::ReleaseRequestPdu
            | E::ReleaseResponsePdu
            | E::InvalidPdu,
        ) => peer_speaks_out_of_turn(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
