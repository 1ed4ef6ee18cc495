//! One box of a rollout: what it ran before, and what its last report says of the release.

use barefoot_domain::ClinicId;
use barefoot_wire::v1::{BoxReport, Health, SlotState};

/// A box and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) clinic: ClinicId,
    /// The stage that reaches it; 0 the canary.
    pub(crate) ring: u32,
    /// What answered there before, empty where nothing did; `None` until the box has told.
    pub(crate) before_version: Option<String>,
    /// The last of the version before.
    pub(crate) before: Option<Health>,
    /// The last while the release ran beside it.
    pub(crate) shadow: Option<Health>,
    /// The last report, and when it came; `None` while the box has never told.
    pub(crate) report: Option<(BoxReport, i64)>,
}

/// How far the release has come on a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No report since the time that is asked about.
    Silent,
    /// It runs something else, and the release is not on its way there.
    Elsewhere,
    /// Being fetched, checked, or run beside another.
    Coming,
    /// It answers and is watched.
    Trial,
    Good,
    /// Refused, or gone back by itself.
    Refusing,
}

impl Member {
    pub(crate) fn new(clinic: ClinicId, ring: u32) -> Self {
        Self {
            clinic,
            ring,
            before_version: None,
            before: None,
            shadow: None,
            report: None,
        }
    }

    /// A report came. What is compared later is kept before it is gone; `sound`: what answers may be gone back to.
    pub(crate) fn heard(&mut self, target: &str, report: &BoxReport, sound: bool, now_ms: i64) {
        let health = report.health.clone().unwrap_or_default();
        if report.active_version != target && sound {
            // While the release is being tried or has gone, what answers is what answered before.
            self.before_version = Some(report.active_version.clone());
            self.before = Some(health.clone());
        }
        if report.candidate_version == target && report.candidate_state() == SlotState::Shadow {
            self.shadow = Some(health);
        }
        self.report = Some((report.clone(), now_ms));
    }

    /// By what it has told since `since_ms`: since the rollout began, or lately.
    pub(crate) fn standing(&self, target: &str, since_ms: i64) -> Standing {
        let Some((report, seen_ms)) = &self.report else {
            return Standing::Silent;
        };
        if *seen_ms < since_ms {
            return Standing::Silent;
        }
        let state = report.candidate_state();
        let about_it = report.candidate_version == target;
        if report.active_version == target {
            // A box whose candidate is another has marked this one good.
            return match state {
                SlotState::Trial if about_it => Standing::Trial,
                _ => Standing::Good,
            };
        }
        match state {
            SlotState::Downloading | SlotState::Verified | SlotState::Shadow if about_it => Standing::Coming,
            SlotState::Refused | SlotState::RolledBack if about_it && report.problem != COMMANDED => {
                Standing::Refusing
            }
            _ => Standing::Elsewhere,
        }
    }

    /// The release's own counts on this box.
    pub(crate) fn with_it(&self, target: &str) -> Option<&Health> {
        let (report, _) = self.report.as_ref()?;
        report.health.as_ref().filter(|_| report.active_version == target)
    }
}

/// A box that went back because it was told to does not refuse.
const COMMANDED: &str = "commanded";
