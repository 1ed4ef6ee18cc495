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
