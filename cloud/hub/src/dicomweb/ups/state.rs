//! The life of a workitem: PS3.4 table CC.1.1-2, and what PS3.18 chapter 11 answers to each of its cells. Pure.

use axum::http::StatusCode;

/// Procedure Step State (0074,1000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Scheduled,
    InProgress,
    Completed,
    Canceled,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Scheduled, Self::InProgress, Self::Completed, Self::Canceled];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::InProgress => "IN PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Canceled => "CANCELED",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        // PS3.18 section 11.7.1.4 spells one of them with two L.
        let name = if name == "CANCELLED" { "CANCELED" } else { name };
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Canceled)
    }
}

/// The Transaction UID that came with a request, against the one that was recorded. What is not claimed has none: whichever
/// comes then is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    Missing,
    Wrong,
    Right,
}

impl Transaction {
    pub(crate) fn of(given: Option<&str>, recorded: Option<&str>) -> Self {
        match (given, recorded) {
            (None, _) => Self::Missing,
            (Some(_), None) => Self::Right,
            (Some(given), Some(recorded)) if given == recorded => Self::Right,
            (Some(_), Some(_)) => Self::Wrong,
        }
    }
}

/// What is asked of a workitem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Set attributes.
    Update,
    /// Change its state to this one.
    Change(State),
    /// By somebody who does not have it.
    RequestCancel,
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The state from now on; the same for an update.
    Becomes(State),
    /// Nobody has it: it becomes IN PROGRESS and at once CANCELED.
    Cancel,
    /// Who has it is told that somebody wants it canceled.
    Tell,
    /// Nothing changes, and that is right.
    Nothing(Warning),
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Warning {
    /// B306
    AlreadyCompleted,
    /// B304
    AlreadyCanceled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// C300: it ended.
    Ended,
    /// The same of an update, which PS3.18 answers otherwise.
    EndedBefore,
    /// C301: the Transaction UID is missing.
    NoTransaction,
    /// C301: it is another one.
    WrongTransaction,
    /// C302, and C301 of who would claim it too: somebody has it.
    Claimed,
    /// C303: nothing goes back to SCHEDULED.
    ToScheduled,
    /// C304: what a final state needs is not there.
    NotFinal,
    /// C310: nobody has claimed it.
    NotClaimed,
    /// C311: it is COMPLETED.
    Completed,
}

impl Warning {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::AlreadyCompleted => "The UPS is already in the requested state of COMPLETED.",
            Self::AlreadyCanceled => "The UPS is already in the requested state of CANCELED.",
        }
    }
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::EndedBefore | Self::NoTransaction | Self::WrongTransaction | Self::ToScheduled => {
                StatusCode::BAD_REQUEST
            }
            Self::Ended | Self::Claimed | Self::NotFinal | Self::NotClaimed | Self::Completed => {
                StatusCode::CONFLICT
            }
        }
    }

    /// PS3.18 sections 11.6.3.2, 11.7.3.2 and 11.8.3.2.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NoTransaction => "The Transaction UID is missing.",
            Self::WrongTransaction => "The Transaction UID is incorrect.",
            Self::NotClaimed => "The target URI did not reference a claimed Workitem.",
            Self::Completed => "The UPS is already COMPLETED.",
            Self::Ended | Self::EndedBefore | Self::Claimed | Self::ToScheduled | Self::NotFinal => {
                "The submitted request is inconsistent with the current state of the UPS Instance."
            }
        }
    }

    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Ended | Self::EndedBefore => "the workitem has ended and cannot be changed",
            Self::NoTransaction => "send the Transaction UID (0008,1195) it was claimed with",
            Self::WrongTransaction => "it was claimed with another Transaction UID",
            Self::Claimed => "it was claimed already",
            Self::ToScheduled => "a workitem does not become SCHEDULED again",
            Self::NotFinal => "it lacks what a final state needs: see PS3.4 table CC.2.5-3",
            Self::NotClaimed => "claim it first: change its state to IN PROGRESS",
            Self::Completed => "it was completed and cannot be canceled",
        }
    }
}

/// `meets_final`: what the wanted final state needs is there.
pub(crate) fn decide(state: State, action: Action, transaction: Transaction, meets_final: bool) -> Outcome {
    use State::{Canceled, Completed, InProgress, Scheduled};
    use Transaction::{Missing, Right, Wrong};
    let refused = Outcome::Refused;
    let end = |wanted| match meets_final {
        true => Outcome::Becomes(wanted),
        false => Outcome::Refused(Refusal::NotFinal),
    };
    match (action, state, transaction) {
        (Action::Change(Scheduled), _, _) => refused(Refusal::ToScheduled),
        (Action::RequestCancel, Scheduled, _) => Outcome::Cancel,
        (Action::RequestCancel, InProgress, _) => Outcome::Tell,
        (Action::RequestCancel, Completed, _) => refused(Refusal::Completed),
        (Action::RequestCancel, Canceled, _) => Outcome::Nothing(Warning::AlreadyCanceled),

        (Action::Change(_), _, Missing) => refused(Refusal::NoTransaction),
        (Action::Change(InProgress), Scheduled, Right | Wrong) => Outcome::Becomes(InProgress),
        (Action::Change(InProgress), InProgress, Right | Wrong) => refused(Refusal::Claimed),
        (Action::Change(InProgress), Completed | Canceled, Right | Wrong) => refused(Refusal::Ended),
        (Action::Change(_), Scheduled, Right | Wrong) => refused(Refusal::NotClaimed),
        (Action::Change(_), _, Wrong) => refused(Refusal::WrongTransaction),
        (Action::Change(Completed), InProgress, Right) => end(Completed),
        (Action::Change(Completed), Completed, Right) => Outcome::Nothing(Warning::AlreadyCompleted),
        (Action::Change(Completed), Canceled, Right) => refused(Refusal::Ended),
        (Action::Change(Canceled), InProgress, Right) => end(Canceled),
        (Action::Change(Canceled), Canceled, Right) => Outcome::Nothing(Warning::AlreadyCanceled),
        (Action::Change(Canceled), Completed, Right) => refused(Refusal::Ended),

        (Action::Update, Completed | Canceled, _) => refused(Refusal::EndedBefore),
        (Action::Update, Scheduled, Missing) => Outcome::Becomes(Scheduled),
        (Action::Update, Scheduled, Right | Wrong) => refused(Refusal::NotClaimed),
        (Action::Update, InProgress, Missing) => refused(Refusal::NoTransaction),
        (Action::Update, InProgress, Wrong) => refused(Refusal::WrongTransaction),
        (Action::Update, InProgress, Right) => Outcome::Becomes(InProgress),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Becomes, Nothing, Refused};
    use Refusal::{
        Claimed, Ended, EndedBefore, NoTransaction, NotClaimed, NotFinal, ToScheduled, WrongTransaction,
    };
    use State::{Canceled, Completed, InProgress, Scheduled};
    use Transaction::{Missing, Right, Wrong};

    /// In the columns SCHEDULED, IN PROGRESS, COMPLETED, CANCELED.
    fn row(action: Action, transaction: Transaction, expected: [Outcome; 4]) {
        let found = State::ALL.map(|state| decide(state, action, transaction, true));
        assert_eq!(found, expected, "{action:?} {transaction:?}");
    }

    #[test]
    fn every_cell_of_the_standards_table() {
        let (progress, complete, cancel) = (
            Action::Change(InProgress),
            Action::Change(Completed),
            Action::Change(Canceled),
        );
        let no = Refused;
        row(
            progress,
            Right,
            [Becomes(InProgress), no(Claimed), no(Ended), no(Ended)],
        );
        row(
            progress,
            Wrong,
            [Becomes(InProgress), no(Claimed), no(Ended), no(Ended)],
        );
        row(progress, Missing, [no(NoTransaction); 4]);
        for transaction in [Right, Wrong, Missing] {
            row(Action::Change(Scheduled), transaction, [no(ToScheduled); 4]);
        }
        let already = Nothing(Warning::AlreadyCompleted);
        row(
            complete,
            Right,
            [no(NotClaimed), Becomes(Completed), already, no(Ended)],
        );
        let wrong = no(WrongTransaction);
        row(complete, Wrong, [no(NotClaimed), wrong, wrong, wrong]);
        row(complete, Missing, [no(NoTransaction); 4]);
        let already = Nothing(Warning::AlreadyCanceled);
        row(
            cancel,
            Right,
            [no(NotClaimed), Becomes(Canceled), no(Ended), already],
        );
        row(cancel, Wrong, [no(NotClaimed), wrong, wrong, wrong]);
        row(cancel, Missing, [no(NoTransaction); 4]);
        for transaction in [Right, Wrong, Missing] {
            let expected = [Outcome::Cancel, Outcome::Tell, no(Refusal::Completed), already];
            row(Action::RequestCancel, transaction, expected);
        }
        row(
            Action::Update,
            Missing,
            [
                Becomes(Scheduled),
                no(NoTransaction),
                no(EndedBefore),
                no(EndedBefore),
            ],
        );
        row(
            Action::Update,
            Wrong,
            [no(NotClaimed), wrong, no(EndedBefore), no(EndedBefore)],
        );
        row(
            Action::Update,
            Right,
            [
                no(NotClaimed),
                Becomes(InProgress),
                no(EndedBefore),
                no(EndedBefore),
            ],
        );
    }

    #[test]
    fn nothing_ends_without_what_its_end_needs_and_nothing_leaves_an_end() {
        for end in [Completed, Canceled] {
            let outcome = decide(InProgress, Action::Change(end), Right, false);
            assert_eq!(outcome, Refused(NotFinal));
            for transaction in [Missing, Wrong, Right] {
                let actions = State::ALL.map(Action::Change);
                for action in actions.into_iter().chain([Action::Update, Action::RequestCancel]) {
                    let outcome = decide(end, action, transaction, true);
                    assert!(matches!(outcome, Refused(_) | Nothing(_)), "{end:?} {action:?}");
                }
            }
        }
    }

    #[test]
    fn a_transaction_is_right_where_none_was_recorded() {
        assert_eq!(Transaction::of(None, Some("1.2")), Missing);
        assert_eq!(Transaction::of(Some("1.2"), None), Right);
        assert_eq!(Transaction::of(Some("1.2"), Some("1.2")), Right);
        assert_eq!(Transaction::of(Some("1.3"), Some("1.2")), Wrong);
    }
}
