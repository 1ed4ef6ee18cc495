use std::fmt;

/// A version's life.
///
/// | from \ event | gate passed | gate refused | published | taken back |
/// |---|---|---|---|---|
/// | base | | | base | |
/// | candidate | passed | refused | | |
/// | passed | | | released | |
/// | refused | | | | |
/// | released | | | released | withdrawn |
/// | withdrawn | | | | withdrawn |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ModelState {
    /// Registered by a maintainer: what boxes run before any run.
    Base,
    /// Made by a run, not judged yet.
    Candidate,
    /// Within the bounds of its plan: may be signed.
    Passed,
    /// Outside its bounds: final.
    Refused,
    /// Signed and published.
    Released,
    /// Taken back from the fleet: final.
    Withdrawn,
}

/// What can happen to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelEvent {
    GatePassed,
    GateRefused,
    Published,
    TakenBack,
}

impl ModelState {
    pub(crate) const ALL: [Self; 6] = [
        Self::Base,
        Self::Candidate,
        Self::Passed,
        Self::Refused,
        Self::Released,
        Self::Withdrawn,
    ];

    /// The state after `event`; `None` when it cannot happen to such a version.
    pub(crate) fn after(self, event: ModelEvent) -> Option<Self> {
        Some(match (self, event) {
            (Self::Candidate, ModelEvent::GatePassed) => Self::Passed,
            (Self::Candidate, ModelEvent::GateRefused) => Self::Refused,
            // The base may stand in a repository beside its successors: boxes go back to it.
            (Self::Base, ModelEvent::Published) => Self::Base,
            (Self::Passed | Self::Released, ModelEvent::Published) => Self::Released,
            (Self::Released | Self::Withdrawn, ModelEvent::TakenBack) => Self::Withdrawn,
            _ => return None,
        })
    }

    /// As stored and on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Candidate => "candidate",
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::Released => "released",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Runs may start from it: boxes run it.
    pub(crate) fn may_be_base(self) -> bool {
        matches!(self, Self::Base | Self::Released)
    }

    /// Its parameters may be fetched for signing.
    pub(crate) fn may_be_signed(self) -> bool {
        matches!(self, Self::Passed | Self::Released)
    }
}

impl fmt::Display for ModelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [ModelEvent; 4] = [
        ModelEvent::GatePassed,
        ModelEvent::GateRefused,
        ModelEvent::Published,
        ModelEvent::TakenBack,
    ];

    #[test]
    fn nothing_leads_from_refused_to_the_fleet() {
        for event in EVENTS {
            assert_eq!(ModelState::Refused.after(event), None);
        }
        // Released is reached over the gate only.
        for state in ModelState::ALL {
            let published = state.after(ModelEvent::Published);
            let allowed = matches!(state, ModelState::Passed | ModelState::Released);
            assert_eq!(published == Some(ModelState::Released), allowed, "{state}");
        }
        for state in ModelState::ALL {
            let passed = state.after(ModelEvent::GatePassed);
            assert_eq!(passed.is_some(), state == ModelState::Candidate, "{state}");
        }
    }

    #[test]
    fn names_lead_back_to_their_state() {
        for state in ModelState::ALL {
            assert_eq!(ModelState::named(state.name()), Some(state));
        }
        assert_eq!(ModelState::named("Base"), None);
    }
}
