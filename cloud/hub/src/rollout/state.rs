//! The life of a rollout: one enum, one transition function.

use std::fmt;

/// Where a rollout stands.
///
/// | from \ event | advance | limit, halt | limit, roll back | all back |
/// |---|---|---|---|---|
/// | canary, ring | ring or fleet | halted | rolling back | |
/// | fleet | finished | halted | rolling back | |
/// | finished | | | rolling back | |
/// | halted | | | rolling back | |
/// | rolling back | | | | rolled back |
/// | rolled back | | | | |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The first few boxes.
    Canary,
    /// A part of all boxes.
    Ring,
    /// All of them.
    Fleet,
    /// Everybody has it; whoever comes later gets it.
    Finished,
    /// Nobody else gets it; boxes keep what they run.
    Halted,
    /// Boxes are told to go back.
    RollingBack,
    /// Every box that answers is back; one that comes later is told.
    RolledBack,
}

/// What can happen to a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The stage has done well; `last` when the stage it leads to is the fleet.
    Advance {
        last: bool,
    },
    Halt,
    RollBack,
    AllBack,
}

impl Phase {
    pub(crate) const ALL: [Self; 7] = [
        Self::Canary,
        Self::Ring,
        Self::Fleet,
        Self::Finished,
        Self::Halted,
        Self::RollingBack,
        Self::RolledBack,
    ];

    /// `None` when it cannot happen to such a rollout.
    pub(crate) fn after(self, event: Event) -> Option<Self> {
        Some(match (self, event) {
            (Self::Canary | Self::Ring, Event::Advance { last: false }) => Self::Ring,
            (Self::Canary | Self::Ring, Event::Advance { last: true }) => Self::Fleet,
            (Self::Fleet, Event::Advance { .. }) => Self::Finished,
            (Self::Canary | Self::Ring | Self::Fleet, Event::Halt) => Self::Halted,
            (Self::Canary | Self::Ring | Self::Fleet | Self::Finished | Self::Halted, Event::RollBack) => {
                Self::RollingBack
            }
            (Self::RollingBack, Event::AllBack) => Self::RolledBack,
            _ => return None,
        })
    }

    /// Further boxes may get the release.
    pub(crate) fn is_going_out(self) -> bool {
        matches!(self, Self::Canary | Self::Ring | Self::Fleet)
    }

    /// Something is still to happen by itself.
    pub(crate) fn is_under_way(self) -> bool {
        self.is_going_out() || self == Self::RollingBack
    }

    /// Nobody should run it any more.
    pub(crate) fn goes_back(self) -> bool {
        matches!(self, Self::RollingBack | Self::RolledBack)
    }

    /// As stored and on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Ring => "ring",
            Self::Fleet => "fleet",
            Self::Finished => "finished",
            Self::Halted => "halted",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 5] = [
        Event::Advance { last: false },
        Event::Advance { last: true },
        Event::Halt,
        Event::RollBack,
        Event::AllBack,
    ];

    #[test]
    fn what_is_halted_or_goes_back_never_goes_out_again() {
        for from in Phase::ALL.into_iter().filter(|phase| !phase.is_going_out()) {
            for event in EVENTS {
                assert!(
                    !from.after(event).is_some_and(Phase::is_going_out),
                    "{from} {event:?}"
                );
            }
        }
        assert!(
            EVENTS
                .iter()
                .all(|event| Phase::RolledBack.after(*event).is_none())
        );
    }

    #[test]
    fn names_lead_back_to_their_phase() {
        for phase in Phase::ALL {
            assert_eq!(Phase::named(phase.name()), Some(phase));
        }
        assert_eq!(Phase::named("Canary"), None);
    }
}
