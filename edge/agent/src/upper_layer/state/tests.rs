use proptest::prelude::*;

use super::*;

/// PS3.8 table 9-10: a row for each event, a column for each state Sta1 to Sta13.
const TABLE: [(Event, &str); 19] = [
    (Event::AssociateRequested, "AE-1 - - - - - - - - - - - -"),
    (Event::Connected, "- - - AE-2 - - - - - - - - -"),
    (
        Event::AcceptPdu,
        "- AA-1 AA-8 - AE-3 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-6",
    ),
    (
        Event::RejectPdu,
        "- AA-1 AA-8 - AE-4 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-6",
    ),
    (Event::ConnectionCame, "AE-5 - - - - - - - - - - - -"),
    (
        Event::RequestPdu,
        "- AE-6 AA-8 - AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-7",
    ),
    (Event::WeAccept, "- - AE-7 - - - - - - - - - -"),
    (Event::WeReject, "- - AE-8 - - - - - - - - - -"),
    (Event::WeSendData, "- - - - - DT-1 - AR-7 - - - - -"),
    (
        Event::DataPdu,
        "- AA-1 AA-8 - AA-8 DT-2 AR-6 AA-8 AA-8 AA-8 AA-8 AA-8 AA-6",
    ),
    (Event::WeRelease, "- - - - - AR-1 - - - - - - -"),
    (
        Event::ReleaseRequestPdu,
        "- AA-1 AA-8 - AA-8 AR-2 AR-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-6",
    ),
    (
        Event::ReleaseResponsePdu,
        "- AA-1 AA-8 - AA-8 AA-8 AR-3 AA-8 AA-8 AR-10 AR-3 AA-8 AA-6",
    ),
    (Event::WeAnswerRelease, "- - - - - - - AR-4 AR-9 - - AR-4 -"),
    (
        Event::WeAbort,
        "- - AA-1 AA-2 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1 -",
    ),
    (
        Event::AbortPdu,
        "- AA-2 AA-3 - AA-3 AA-3 AA-3 AA-3 AA-3 AA-3 AA-3 AA-3 AA-2",
    ),
    (
        Event::Closed,
        "- AA-5 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AR-5",
    ),
    (Event::TimerExpired, "- AA-2 - - - - - - - - - - AA-2"),
    (
        Event::InvalidPdu,
        "- AA-1 AA-8 - AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-7",
    ),
];

const STATES: [State; 13] = [
    State::Idle,
    State::AwaitingRequest,
    State::Deciding,
    State::Connecting,
    State::AwaitingAnswer,
    State::Established,
    State::AwaitingReleaseResponse,
    State::ReleaseAsked,
    State::CollisionAnswerFirst,
    State::CollisionAwaitFirst,
    State::CollisionAwaitLast,
    State::CollisionAnswerLast,
    State::AwaitingClose,
];

/// PS3.8 tables 9-6 to 9-9: what an action's name means and the state it leads to.
fn meaning(name: &str, state: State, role: Role) -> Option<(Action, State)> {
    let collision = match role {
        Role::Requestor => State::CollisionAnswerFirst,
        Role::Acceptor => State::CollisionAwaitFirst,
    };
    Some(match name {
        "-" => return None,
        "AE-1" => (Action::Connect, State::Connecting),
        "AE-2" => (Action::SendRequest, State::AwaitingAnswer),
        "AE-3" => (Action::ReportAccepted, State::Established),
        "AE-4" => (Action::ReportRejected, State::Idle),
        "AE-5" => (Action::AwaitRequest, State::AwaitingRequest),
        "AE-6" => (Action::Decide, State::Deciding),
        "AE-7" => (Action::SendAccept, State::Established),
        "AE-8" => (Action::SendReject, State::AwaitingClose),
        "DT-1" | "AR-7" => (Action::SendData, state),
        "DT-2" | "AR-6" => (Action::TakeData, state),
        "AR-1" => (Action::SendReleaseRequest, State::AwaitingReleaseResponse),
        "AR-2" => (Action::ReportReleaseAsked, State::ReleaseAsked),
        "AR-3" => (Action::ReportReleased, State::Idle),
        "AR-4" => (Action::SendReleaseResponse, State::AwaitingClose),
        "AR-5" => (Action::Forget, State::Idle),
        "AR-8" => (Action::ReportReleaseAsked, collision),
        "AR-9" => (Action::SendFirstReleaseResponse, State::CollisionAwaitLast),
        "AR-10" => (Action::ReportReleaseConfirmed, State::CollisionAnswerLast),
        "AA-1" | "AA-7" | "AA-8" => (Action::SendAbort, State::AwaitingClose),
        "AA-2" => (Action::Close, State::Idle),
        "AA-3" => (Action::ReportAborted, State::Idle),
        "AA-4" | "AA-5" => (Action::ReportClosed, State::Idle),
        "AA-6" => (Action::Ignore, State::AwaitingClose),
        other => panic!("the standard has no action {other}"),
    })
}

#[test]
fn every_cell_of_the_standards_table_holds() {
    for (event, row) in TABLE {
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(cells.len(), STATES.len(), "{event:?}");
        for (state, cell) in STATES.into_iter().zip(cells) {
            for role in [Role::Requestor, Role::Acceptor] {
                assert_eq!(
                    transition(state, event, role),
                    meaning(cell, state, role),
                    "{state:?} on {event:?} as {role:?}"
                );
            }
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    (0..TABLE.len()).prop_map(|index| TABLE[index].0)
}

proptest! {
    /// Whatever a peer sends, an association ends: from anywhere, the connection's close or the timer leads to rest.
    #[test]
    fn every_association_can_end(events in proptest::collection::vec(event(), 0..40), opened in any::<bool>()) {
        let role = if opened { Role::Requestor } else { Role::Acceptor };
        let mut state = State::Idle;
        for event in events {
            if let Some((_, next)) = transition(state, event, role) {
                state = next;
            }
        }
        prop_assert!(
            state == State::Idle || transition(state, Event::Closed, role).is_some_and(|(_, end)| end == State::Idle)
        );
        if state == State::AwaitingClose {
            prop_assert_eq!(transition(state, Event::TimerExpired, role), Some((Action::Close, State::Idle)));
        }
    }

    /// Data pass only between acceptance and release.
    #[test]
    fn data_are_taken_only_while_established(events in proptest::collection::vec(event(), 0..60)) {
        let mut state = State::Idle;
        let mut open = false;
        for event in events {
            let Some((action, next)) = transition(state, event, Role::Acceptor) else { continue };
            prop_assert!(action != Action::TakeData || open);
            match action {
                Action::SendAccept | Action::ReportAccepted => open = true,
                _ if next == State::Idle || next == State::AwaitingClose => open = false,
                _ => {}
            }
            state = next;
        }
    }
}
