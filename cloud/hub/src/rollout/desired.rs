//! What a box should run. Pure.

use barefoot_wire::v1::{Action, Desired};

use super::decision::State;
use super::member::{Member, Standing};
use super::plan::Plan;
use super::state::Phase;

/// Of a rollout's release, on one of its boxes.
pub(crate) fn desired(
    model: &str,
    target: &str,
    plan: &Plan,
    state: &State,
    member: &Member,
    began_ms: i64,
) -> Desired {
    let name = |action: Action, version: &str| Desired {
        model_id: model.to_owned(),
        version: version.to_owned(),
        action: action.into(),
        ..Desired::default()
    };
    let install = || Desired {
        shadow_studies: plan.soak.shadow_studies,
        trial_studies: plan.soak.trial_studies,
        ..name(Action::Install, target)
    };
    let standing = member.standing(target, began_ms);
    match state.phase {
        Phase::Canary | Phase::Ring | Phase::Fleet if member.ring <= state.stage => install(),
        Phase::Finished => install(),
        Phase::RollingBack | Phase::RolledBack => match standing {
            // A box that has never told what ran there before goes back to whatever it marked good itself.
            Standing::Coming | Standing::Trial | Standing::Good => name(
                Action::RollBack,
                member.before_version.as_deref().unwrap_or_default(),
            ),
            Standing::Silent | Standing::Elsewhere | Standing::Refusing => keep(),
        },
        _ => keep(),
    }
}

/// Nothing to do.
pub(crate) fn keep() -> Desired {
    Desired {
        action: Action::Keep.into(),
        ..Desired::default()
    }
}

#[cfg(test)]
mod tests {
    use barefoot_domain::ClinicId;
    use barefoot_wire::v1::{BoxReport, SlotState};

    use super::super::plan::tests::EXAMPLE;
    use super::*;

    const BEGAN: i64 = 1000;

    fn says(phase: Phase, ring: u32, active: &str, candidate: SlotState) -> (Action, String) {
        let plan = Plan::parse(EXAMPLE).unwrap();
        let mut member = Member::new(ClinicId::new("clinic-7").unwrap(), ring);
        member.before_version = Some("0.1.0".into());
        let report = BoxReport {
            active_version: active.into(),
            candidate_version: "0.2.0".into(),
            candidate_state: candidate.into(),
            ..BoxReport::default()
        };
        member.report = Some((report, BEGAN));
        let state = State {
            phase,
            stage: 1,
            since_ms: BEGAN,
            reason: String::new(),
        };
        let desired = desired("cxr", "0.2.0", &plan, &state, &member, BEGAN);
        (desired.action(), desired.version)
    }

    #[test]
    fn a_box_is_told_what_its_stage_and_the_rollout_say() {
        use SlotState::{Good, RolledBack, Shadow, Trial, Unspecified};
        let install = (Action::Install, "0.2.0".to_owned());
        let keep = (Action::Keep, String::new());
        let back = (Action::RollBack, "0.1.0".to_owned());
        for (phase, ring, active, candidate, expected) in [
            (Phase::Ring, 0, "0.1.0", Unspecified, &install),
            (Phase::Ring, 1, "0.2.0", Good, &install),
            (Phase::Ring, 2, "0.1.0", Unspecified, &keep),
            (Phase::Finished, 3, "0.1.0", Unspecified, &install),
            (Phase::Halted, 0, "0.1.0", Shadow, &keep),
            (Phase::Halted, 0, "0.2.0", Trial, &keep),
            (Phase::RollingBack, 0, "0.2.0", Trial, &back),
            (Phase::RollingBack, 0, "0.1.0", Shadow, &back),
            (Phase::RollingBack, 0, "0.1.0", RolledBack, &keep),
            (Phase::RolledBack, 3, "0.2.0", Good, &back),
            (Phase::RolledBack, 3, "0.1.0", Unspecified, &keep),
        ] {
            assert_eq!(
                says(phase, ring, active, candidate),
                *expected,
                "{phase} {ring} {active}"
            );
        }
    }
}
