//! What a rollout does next. Pure: plan, state, boxes and time in, the next state out.

use barefoot_wire::v1::Health;

use super::member::{Member, Standing};
use super::plan::{OnLimit, Plan};
use super::state::{Event, Phase};
use super::statistics::{Pool, drift, median, rate};

/// Boxes tell every minute unless they are set otherwise: one that has told nothing for a few of those is not known to be
/// well, and a hub that has just come back has not heard them yet.
pub(super) const HEARD_MS: i64 = 10 * 60_000;

/// Latencies of fewer studies say nothing about a 95th percentile.
const TIMED_STUDIES: u64 = 20;

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// 0 the canary, then the rings.
    pub(crate) stage: u32,
    /// When phase and stage became these, Unix milliseconds.
    pub(crate) since_ms: i64,
    /// Why it halted or went back; empty otherwise.
    pub(crate) reason: String,
}

/// What a rollout is judged by, beside its boxes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rollout<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) target: &'a str,
    pub(crate) began_ms: i64,
    /// Since when the hub hears boxes without a break.
    pub(crate) awake_ms: i64,
    /// The maintainers took the release back: the published repository does not list it any more.
    pub(crate) taken_back: bool,
}

impl Rollout<'_> {
    /// The stage has lasted as long as it may, and every box could have been heard.
    fn is_overdue(&self, state: &State, now_ms: i64) -> bool {
        let deadline = i64::from(self.plan.soak.deadline_minutes);
        deadline <= minutes(state, now_ms) && self.awake_ms.saturating_add(HEARD_MS) <= now_ms
    }
}

fn minutes(state: &State, now_ms: i64) -> i64 {
    now_ms.saturating_sub(state.since_ms) / 60_000
}

impl State {
    pub(crate) fn begun(now_ms: i64) -> Self {
        Self {
            phase: Phase::Canary,
            stage: 0,
            since_ms: now_ms,
            reason: String::new(),
        }
    }

    /// `None` when it cannot happen to such a rollout.
    pub(crate) fn after(&self, event: Event, reason: impl Into<String>, now_ms: i64) -> Option<Self> {
        let phase = self.phase.after(event)?;
        let advances = matches!(event, Event::Advance { .. }) && phase.is_going_out();
        Some(Self {
            phase,
            stage: self.stage.saturating_add(advances.into()),
            since_ms: now_ms,
            reason: reason.into(),
        })
    }
}

/// The next state; `None`: nothing changes yet.
pub(crate) fn decide(rollout: Rollout<'_>, state: &State, members: &[Member], now_ms: i64) -> Option<State> {
    match state.phase {
        phase if phase.is_going_out() => go_out(rollout, state, members, now_ms),
        Phase::RollingBack => go_back(rollout, state, members, now_ms),
        _ => None,
    }
}

fn go_out(rollout: Rollout<'_>, state: &State, members: &[Member], now_ms: i64) -> Option<State> {
    let stop = |reason: String| {
        let event = match rollout.plan.on_limit {
            OnLimit::Halt => Event::Halt,
            OnLimit::RollBack => Event::RollBack,
        };
        state.after(event, reason, now_ms)
    };
    if rollout.taken_back {
        return stop("withdrawn: the published repository does not list it any more".to_owned());
    }
    let reached: Vec<&Member> = members.iter().filter(|it| it.ring <= state.stage).collect();
    if let Some(reason) = broken_limit(rollout, &reached) {
        return stop(reason);
    }
    let soak = &rollout.plan.soak;
    if minutes(state, now_ms) < i64::from(soak.minimum_minutes) {
        return None;
    }
    let lately_ms = rollout.began_ms.max(now_ms.saturating_sub(HEARD_MS));
    // A box that refused has ended; every other one must still be heard.
    let now = |it: &Member| match it.standing(rollout.target, rollout.began_ms) {
        Standing::Refusing => Standing::Refusing,
        _ => it.standing(rollout.target, lately_ms),
    };
    let standing = |wanted: Standing| reached.iter().filter(|it| now(it) == wanted).count();
    let (good, silent) = (standing(Standing::Good), standing(Standing::Silent));
    let settled = good + standing(Standing::Refusing) == reached.len();
    let overdue = rollout.is_overdue(state, now_ms);
    if !settled && !overdue {
        return None;
    }
    let needed = (soak.quorum * reached.len() as f64).ceil().max(1.0);
    if (good as f64) < needed {
        let all = reached.len();
        let reason = format!("quorum: good on {good} of {all} boxes, {needed} needed");
        // A line that is down says nothing against the release: it is not taken from everybody for that, for good.
        return if needed <= (good + silent) as f64 {
            state.after(Event::Halt, format!("{reason}, {silent} silent"), now_ms)
        } else {
            stop(reason)
        };
    }
    let answered = Pool::of(reached.iter().filter_map(|it| it.with_it(rollout.target))).asked();
    if answered < soak.studies {
        return if overdue {
            stop(format!("too few studies: {answered} of {}", soak.studies))
        } else {
            None
        };
    }
    let last = state.stage.saturating_add(1) == rollout.plan.last_stage();
    state.after(Event::Advance { last }, "", now_ms)
}

fn go_back(rollout: Rollout<'_>, state: &State, members: &[Member], now_ms: i64) -> Option<State> {
    let on_it = |it: &&Member| {
        matches!(
            it.standing(rollout.target, rollout.began_ms),
            Standing::Coming | Standing::Trial | Standing::Good
        )
    };
    let left = members.iter().filter(on_it).count();
    if left == 0 {
        return state.after(Event::AllBack, state.reason.clone(), now_ms);
    }
    // They are told when they come back; nobody waits for them.
    let reason = format!("{}; {left} boxes have not answered yet", state.reason);
    rollout
        .is_overdue(state, now_ms)
        .then(|| state.after(Event::AllBack, reason, now_ms))
        .flatten()
}

/// The first limit that is broken, as a sentence: a stable word, then the figures.
fn broken_limit(rollout: Rollout<'_>, reached: &[&Member]) -> Option<String> {
    let limits = &rollout.plan.limits;
    let minimum = limits.minimum_studies;
    let above = |name: &str, found: Option<f64>, limit: f64| {
        let found = found.filter(|found| limit < *found)?;
        Some(format!("{name}: {found:.3} above {limit}"))
    };

    let refusing = reached
        .iter()
        .filter(|it| it.standing(rollout.target, rollout.began_ms) == Standing::Refusing);
    let refusing = u32::try_from(refusing.count()).unwrap_or(u32::MAX);
    if limits.refusing_boxes < refusing {
        return Some(format!(
            "refused: by {refusing} boxes, {} allowed",
            limits.refusing_boxes
        ));
    }

    let with_it: Vec<(&Member, &Health)> = reached
        .iter()
        .filter_map(|it| Some((*it, it.with_it(rollout.target)?)))
        .collect();
    let now = Pool::of(with_it.iter().map(|(_, health)| *health));
    // Only boxes that have it are compared with themselves.
    let before = Pool::of(with_it.iter().filter_map(|(it, _)| it.before.as_ref()));
    let beside = Pool::of(reached.iter().filter_map(|it| it.shadow.as_ref()));

    let errors = rate(now.failed, now.asked(), minimum);
    let errors_beside = rate(beside.shadow_failed, beside.shadow_asked(), minimum);
    let reviews =
        rate(now.reviewed, now.asked(), minimum).zip(rate(before.reviewed, before.asked(), minimum));
    let slower = median(
        with_it
            .iter()
            .filter_map(|(it, health)| slower(it, health))
            .collect(),
    );
    above("error_rate", errors, limits.error_rate)
        .or_else(|| above("error_rate", errors_beside, limits.error_rate))
        .or_else(|| above("latency_ratio", slower, limits.latency_ratio))
        .or_else(|| {
            let change = reviews.map(|(now, before)| (now - before).abs());
            above("review_rate_change", change, limits.review_rate_change)
        })
        .or_else(|| above("drift", drift(&before.scores, &now.scores, minimum), limits.drift))
        .or_else(|| {
            let found = drift(&beside.scores, &beside.shadow_scores, minimum);
            above("drift", found, limits.drift)
        })
        .or_else(|| {
            let found = rate(beside.shadow_disagreed, beside.shadow_assessed, minimum);
            above("disagreement", found, limits.disagreement)
        })
}

/// How many times as long a picture takes on this box as before.
fn slower(member: &Member, now: &Health) -> Option<f64> {
    let before = member.before.as_ref()?;
    let timed = |health: &Health| TIMED_STUDIES <= health.assessed && 0.0 < health.latency_p95_ms;
    (timed(before) && timed(now)).then(|| now.latency_p95_ms / before.latency_p95_ms)
}

#[cfg(test)]
mod tests;
