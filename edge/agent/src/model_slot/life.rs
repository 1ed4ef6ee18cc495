//! The life of a release on this box: one enum, one transition function.

use serde::{Deserialize, Serialize};

/// Where a release stands.
///
/// | from \ event | complete | passed | quiet | proven | failed |
/// |---|---|---|---|---|---|
/// | downloading | verified | | | | refused |
/// | verified | | shadow or trial | | | refused |
/// | shadow | | shadow | trial | | refused |
/// | trial | | trial | | good | rolled back |
/// | good | | | | | rolled back |
///
/// Refused and rolled back are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Life {
    /// Its signed list is known, not all of its files are here.
    Downloading,
    /// All its files are here, each with the signed hash.
    Verified,
    /// Runs beside the model that answers, and shows nothing.
    Shadow,
    /// Answers, and is watched.
    Trial,
    /// Answers; the box goes back to it when a later one fails.
    Good,
    /// Never answered here.
    Refused(Problem),
    /// Answered here and does not any more.
    RolledBack(Problem),
}

/// What can happen to a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The last of its files is here.
    Complete,
    /// It gave its golden answers; with a time beside the active model ahead of it, or without.
    Passed {
        shadow: bool,
    },
    /// Nothing was wrong with it beside the active model.
    Quiet,
    /// Nothing was wrong with it while it answered.
    Proven,
    Failed(Problem),
}

/// Why a release does not run here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Problem {
    /// The bundle contradicts itself.
    Bundle,
    /// The bundle's manifest names another model or version than the signed list.
    Mislabelled,
    /// No engine of this box gives its golden answers.
    Golden,
    /// What lies on this box is not what was signed: the disk, or somebody, changed it.
    Damaged,
    /// It failed on pictures the active model answered for.
    FailedInShadow,
    /// It takes far longer than the model before it.
    TooSlow,
    /// It fails on pictures.
    Failing,
    /// It took the daemon along.
    Crashed,
    /// The maintainers took it back.
    Withdrawn,
    /// The hub said so.
    Commanded,
}

impl Problem {
    /// Stable, for the hub and the page.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Mislabelled => "mislabelled",
            Self::Golden => "golden",
            Self::Damaged => "damaged",
            Self::FailedInShadow => "failed_in_shadow",
            Self::TooSlow => "too_slow",
            Self::Failing => "failing",
            Self::Crashed => "crashed",
            Self::Withdrawn => "withdrawn",
            Self::Commanded => "commanded",
        }
    }

    /// The release itself was not at fault: the hub may have it tried again.
    pub(crate) fn may_be_tried_again(self) -> bool {
        matches!(self, Self::Damaged | Self::Commanded)
    }
}

impl Life {
    /// `None` when it cannot happen to such a release.
    pub(crate) fn after(self, event: Event) -> Option<Self> {
        Some(match (self, event) {
            (Self::Downloading, Event::Complete) => Self::Verified,
            (Self::Verified, Event::Passed { shadow: true }) => Self::Shadow,
            (Self::Verified, Event::Passed { shadow: false }) => Self::Trial,
            // It was opened again at a start.
            (Self::Shadow | Self::Trial, Event::Passed { .. }) => self,
            (Self::Shadow, Event::Quiet) => Self::Trial,
            (Self::Trial, Event::Proven) => Self::Good,
            (Self::Downloading | Self::Verified | Self::Shadow, Event::Failed(problem)) => {
                Self::Refused(problem)
            }
            (Self::Trial | Self::Good, Event::Failed(problem)) => Self::RolledBack(problem),
            _ => return None,
        })
    }

    pub(crate) fn problem(self) -> Option<Problem> {
        match self {
            Self::Refused(problem) | Self::RolledBack(problem) => Some(problem),
            _ => None,
        }
    }

    /// On its way: neither good nor at an end.
    pub(crate) fn is_under_way(self) -> bool {
        matches!(
            self,
            Self::Downloading | Self::Verified | Self::Shadow | Self::Trial
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Complete),
            any::<bool>().prop_map(|shadow| Event::Passed { shadow }),
            Just(Event::Quiet),
            Just(Event::Proven),
            Just(Event::Failed(Problem::Golden)),
            Just(Event::Failed(Problem::Commanded)),
        ]
    }

    proptest! {
        /// Whatever happens in whatever order: nothing answers that did not pass, and what ended stays ended.
        #[test]
        fn only_what_passed_answers(events in proptest::collection::vec(events(), 0..30)) {
            let (mut life, mut passed, mut ended) = (Life::Downloading, false, None);
            for event in events {
                let Some(next) = life.after(event) else { continue };
                passed |= life == Life::Verified && matches!(event, Event::Passed { .. });
                prop_assert_eq!(ended, None);
                life = next;
                if !life.is_under_way() && life != Life::Good {
                    ended = Some(life);
                }
                if matches!(life, Life::Shadow | Life::Trial | Life::Good | Life::RolledBack(_)) {
                    prop_assert!(passed);
                }
            }
        }
    }

    #[test]
    fn before_it_answers_it_is_refused_and_afterwards_rolled_back() {
        let failed = Event::Failed(Problem::Failing);
        for life in [Life::Downloading, Life::Verified, Life::Shadow] {
            assert_eq!(life.after(failed), Some(Life::Refused(Problem::Failing)));
        }
        for life in [Life::Trial, Life::Good] {
            assert_eq!(life.after(failed), Some(Life::RolledBack(Problem::Failing)));
        }
        assert_eq!(Life::Refused(Problem::Golden).after(failed), None);
    }
}
