use barefoot_domain::ClinicId;
use barefoot_wire::v1::{BoxReport, Health, SlotState};
use proptest::prelude::*;

use super::super::plan::tests::EXAMPLE;
use super::*;

const TARGET: &str = "0.2.0";
const BEGAN: i64 = 1_000_000_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Of boxes that have just told, whenever it is asked.
const ALWAYS: i64 = BEGAN + 1000 * DAY;

fn plan() -> Plan {
    Plan::parse(EXAMPLE).unwrap()
}

/// `count` studies: few failures, a third reviewed, even scores.
fn healthy(count: u64) -> Health {
    Health {
        assessed: count,
        reviewed: count / 3,
        latency_p50_ms: 80.0,
        latency_p95_ms: 100.0,
        scores: vec![count / 10; 10],
        ..Health::default()
    }
}

fn member(number: usize, ring: u32) -> Member {
    let clinic = ClinicId::new(format!("clinic-{number}")).unwrap();
    Member {
        before_version: Some("0.1.0".into()),
        before: Some(healthy(200)),
        ..Member::new(clinic, ring)
    }
}

fn report(active: &str, state: SlotState, health: Health) -> BoxReport {
    BoxReport {
        model_id: "cxr".into(),
        active_version: active.into(),
        candidate_version: TARGET.into(),
        candidate_state: state.into(),
        health: Some(health),
        ..BoxReport::default()
    }
}

fn on_it(number: usize, ring: u32, health: Health) -> Member {
    Member {
        report: Some((report(TARGET, SlotState::Good, health), ALWAYS)),
        ..member(number, ring)
    }
}

fn refusing(number: usize, ring: u32) -> Member {
    Member {
        report: Some((report("0.1.0", SlotState::Refused, healthy(200)), BEGAN + 1)),
        ..member(number, ring)
    }
}

fn at(members: &[Member], state: &State, now_ms: i64) -> Option<State> {
    with(|_| {}, members, state, now_ms)
}

fn with(change: impl Fn(&mut Rollout<'_>), members: &[Member], state: &State, now_ms: i64) -> Option<State> {
    let plan = plan();
    let mut rollout = Rollout {
        plan: &plan,
        target: TARGET,
        began_ms: BEGAN,
        awake_ms: BEGAN,
        taken_back: false,
    };
    change(&mut rollout);
    decide(rollout, state, members, now_ms)
}

/// Where the canary stage leads after a day.
fn after_a_day(members: &[Member]) -> Option<(Phase, String)> {
    at(members, &State::begun(BEGAN), BEGAN + DAY).map(|state| (state.phase, state.reason))
}

fn word(found: Option<(Phase, String)>) -> Option<(Phase, String)> {
    found.map(|(phase, reason)| (phase, reason.split(':').next().unwrap_or_default().to_owned()))
}

#[test]
fn a_healthy_canary_leads_to_the_first_ring_and_not_before_its_time() {
    let members = [
        on_it(1, 0, healthy(60)),
        on_it(2, 0, healthy(60)),
        member(3, 1),
        member(4, 3),
    ];
    let begun = State::begun(BEGAN);
    assert_eq!(at(&members, &begun, BEGAN + DAY - 1), None);
    let next = at(&members, &begun, BEGAN + DAY).unwrap();
    assert_eq!(
        (next.phase, next.stage, next.since_ms),
        (Phase::Ring, 1, BEGAN + DAY)
    );
}

#[test]
fn every_limit_stops_it_and_says_which() {
    let healthy_one = || on_it(1, 0, healthy(100));
    let with = |change: &dyn Fn(&mut Health)| {
        let mut health = healthy(100);
        change(&mut health);
        vec![on_it(1, 0, health.clone()), on_it(2, 0, health)]
    };
    let beside = |change: &dyn Fn(&mut Health)| {
        let mut health = Health {
            shadow_assessed: 100,
            shadow_scores: vec![10; 10],
            ..healthy(100)
        };
        change(&mut health);
        let shadowed = |number| Member {
            shadow: Some(health.clone()),
            ..on_it(number, 0, healthy(100))
        };
        vec![shadowed(1), shadowed(2)]
    };
    let low = || vec![55, 5, 5, 5, 5, 5, 5, 5, 5, 5];
    for (members, expected) in [
        (vec![healthy_one(), refusing(2, 0)], "refused"),
        (with(&|health| health.failed = 3), "error_rate"),
        (with(&|health| health.latency_p95_ms = 201.0), "latency_ratio"),
        (with(&|health| health.reviewed = 60), "review_rate_change"),
        (with(&|health| health.reviewed = 0), "review_rate_change"),
        (
            with(&|health| health.scores = low().iter().map(|count| count * 5).collect()),
            "drift",
        ),
        (beside(&|health| health.shadow_failed = 3), "error_rate"),
        (beside(&|health| health.shadow_disagreed = 11), "disagreement"),
        (
            beside(&|health| health.shadow_scores = low().iter().map(|count| count * 5).collect()),
            "drift",
        ),
    ] {
        let found = word(after_a_day(&members));
        assert_eq!(found, Some((Phase::RollingBack, expected.to_owned())));
        // At once, whatever the stage's least time.
        let soon = at(&members, &State::begun(BEGAN), BEGAN + 1).unwrap();
        assert_eq!(soon.phase, Phase::RollingBack);
    }
    let well = [healthy_one(), on_it(2, 0, healthy(100))];
    assert_eq!(after_a_day(&well), Some((Phase::Ring, String::new())));
    assert_eq!(after_a_day(&beside(&|_| {})), Some((Phase::Ring, String::new())));
}

#[test]
fn what_too_few_studies_say_counts_for_nothing() {
    let bad = Health {
        failed: 2,
        reviewed: 15,
        ..healthy(20)
    };
    let members = [on_it(1, 0, bad.clone()), on_it(2, 0, bad)];
    // 44 studies of 50: neither a limit nor enough to go on with.
    assert_eq!(after_a_day(&members), None);
    let late = at(&members, &State::begun(BEGAN), BEGAN + 7 * DAY).unwrap();
    assert_eq!(late.phase, Phase::RollingBack);
    assert!(
        late.reason.starts_with("too few studies: 44 of 60"),
        "{}",
        late.reason
    );
}

#[test]
fn a_box_that_never_answers_holds_nobody_up() {
    let mut members: Vec<Member> = (0..5).map(|number| on_it(number, 0, healthy(60))).collect();
    members[4].report = None;
    assert_eq!(after_a_day(&members), None);
    let late = at(&members, &State::begun(BEGAN), BEGAN + 7 * DAY).unwrap();
    assert_eq!(late.phase, Phase::Ring);
    // Two of five are too many: it goes no further, but their silence takes it from nobody.
    members[3].report = None;
    let late = at(&members, &State::begun(BEGAN), BEGAN + 7 * DAY).unwrap();
    assert_eq!(late.phase, Phase::Halted);
    assert_eq!(late.reason, "quorum: good on 3 of 5 boxes, 4 needed, 2 silent");
    // Boxes that answer and do not have it well by then say something against it.
    for number in [3, 4] {
        members[number].report = Some((report("0.1.0", SlotState::Shadow, healthy(60)), ALWAYS));
    }
    let late = at(&members, &State::begun(BEGAN), BEGAN + 7 * DAY).unwrap();
    assert_eq!(late.phase, Phase::RollingBack);
    assert_eq!(late.reason, "quorum: good on 3 of 5 boxes, 4 needed");
}

#[test]
fn a_box_that_fell_silent_is_not_known_to_be_well() {
    let mut members: Vec<Member> = (0..5).map(|number| on_it(number, 0, healthy(60))).collect();
    let heard = |member: &mut Member, at_ms: i64| {
        member.report = member.report.take().map(|(report, _)| (report, at_ms));
    };
    let day = BEGAN + DAY;
    heard(&mut members[0], day - HEARD_MS);
    assert_eq!(after_a_day(&members), Some((Phase::Ring, String::new())));
    for member in &mut members[..2] {
        heard(member, day - HEARD_MS - 1);
    }
    assert_eq!(after_a_day(&members), None);
    // It says so again, and the stage goes on.
    let mut again = members.clone();
    heard(&mut again[0], day);
    heard(&mut again[1], day);
    assert_eq!(after_a_day(&again), Some((Phase::Ring, String::new())));
    let late = at(&members, &State::begun(BEGAN), BEGAN + 7 * DAY).unwrap();
    assert_eq!((late.phase, late.stage), (Phase::Halted, 0));
    assert!(late.reason.ends_with("2 silent"), "{}", late.reason);
    // One that refused has ended and need not say it again.
    let mut one_refused = [on_it(1, 0, healthy(60)), refusing(2, 0)];
    heard(&mut one_refused[1], BEGAN + 1);
    let refused = with(|_| {}, &one_refused, &State::begun(BEGAN), day).unwrap();
    assert!(refused.reason.starts_with("refused"), "{}", refused.reason);
}

#[test]
fn a_hub_that_is_just_back_waits_until_boxes_can_have_told() {
    let begun = State::begun(BEGAN);
    let silent = [member(1, 0), member(2, 0)];
    let going_back = begun.after(Event::RollBack, "drift: 0.4", BEGAN).unwrap();
    let still = [on_it(1, 0, healthy(60))];
    let back = BEGAN + 7 * DAY;
    for (members, state) in [(&silent[..], &begun), (&still[..], &going_back)] {
        let just_back = |now_ms| with(|rollout| rollout.awake_ms = back, members, state, now_ms);
        assert!(at(members, state, back).is_some());
        assert_eq!(just_back(back), None);
        assert_eq!(just_back(back + HEARD_MS - 1), None);
        assert!(just_back(back + HEARD_MS).is_some());
    }
}

#[test]
fn what_its_maintainers_took_back_goes_no_further() {
    let well = [on_it(1, 0, healthy(60)), on_it(2, 0, healthy(60))];
    let stopped = with(
        |rollout| rollout.taken_back = true,
        &well,
        &State::begun(BEGAN),
        BEGAN + DAY,
    );
    let stopped = stopped.unwrap();
    assert_eq!(stopped.phase, Phase::RollingBack);
    assert!(stopped.reason.starts_with("withdrawn"), "{}", stopped.reason);
    // What goes back already, goes on going back.
    let back = State::begun(BEGAN)
        .after(Event::RollBack, "drift: 0.4", BEGAN)
        .unwrap();
    assert_eq!(
        with(|rollout| rollout.taken_back = true, &well, &back, BEGAN),
        None
    );
}

#[test]
fn it_runs_to_the_fleet_and_ends() {
    let members: Vec<Member> = (0..4)
        .map(|number| on_it(number as usize, number, healthy(100)))
        .collect();
    let (mut state, mut now, mut seen) = (State::begun(BEGAN), BEGAN, vec![]);
    while state.phase.is_under_way() {
        now += DAY;
        state = at(&members, &state, now).unwrap();
        seen.push((state.phase, state.stage));
    }
    assert_eq!(
        seen,
        [
            (Phase::Ring, 1),
            (Phase::Ring, 2),
            (Phase::Fleet, 3),
            (Phase::Finished, 3)
        ]
    );
}

#[test]
fn going_back_waits_for_those_who_answer_and_not_for_the_others() {
    let back = State::begun(BEGAN)
        .after(Event::RollBack, "drift: 0.4", BEGAN)
        .unwrap();
    let gone_back = Member {
        report: Some((report("0.1.0", SlotState::RolledBack, healthy(9)), BEGAN + 1)),
        ..member(1, 0)
    };
    let never = member(2, 3);
    let still = on_it(3, 0, healthy(100));
    let done = at(&[gone_back.clone(), never.clone()], &back, BEGAN + 1).unwrap();
    assert_eq!(
        (done.phase, done.reason.as_str()),
        (Phase::RolledBack, "drift: 0.4")
    );
    let waiting = [gone_back, never, still];
    assert_eq!(at(&waiting, &back, BEGAN + 7 * DAY - 1), None);
    let late = at(&waiting, &back, BEGAN + 7 * DAY).unwrap();
    assert_eq!(late.phase, Phase::RolledBack);
    assert!(
        late.reason.contains("1 boxes have not answered"),
        "{}",
        late.reason
    );
}

fn any_health() -> impl Strategy<Value = Health> {
    (
        0u64..300,
        0u64..20,
        0u64..300,
        0.0..400.0f64,
        0u64..200,
        0u64..5,
        0u64..60,
    )
        .prop_map(
            |(assessed, failed, reviewed, latency, shadow_assessed, shadow_failed, shadow_disagreed)| {
                Health {
                    assessed,
                    failed,
                    reviewed: reviewed.min(assessed + failed),
                    latency_p95_ms: latency,
                    scores: vec![assessed / 10; 10],
                    shadow_assessed,
                    shadow_failed,
                    shadow_disagreed: shadow_disagreed.min(shadow_assessed),
                    shadow_scores: vec![shadow_assessed / 10; 10],
                    ..Health::default()
                }
            },
        )
}

fn any_member() -> impl Strategy<Value = Member> {
    let seen = prop_oneof![BEGAN - 5..BEGAN + 5, BEGAN..BEGAN + 20_000 * MINUTE, Just(ALWAYS)];
    let reported = (any::<bool>(), 0i32..8, any_health(), seen);
    let beside = proptest::option::of(any_health());
    let any = (0usize..1000, 0u32..4, proptest::option::of(reported), beside);
    let any = any.prop_map(|(number, ring, reported, shadow)| Member {
        report: reported.map(|(on_it, state, health, seen)| {
            let active = if on_it { TARGET } else { "0.1.0" };
            let state = SlotState::try_from(state).unwrap();
            (report(active, state, health), seen)
        }),
        shadow,
        ..member(number, ring)
    });
    // Mostly well, or nothing would ever go forward.
    let well = (0usize..1000, 0u32..4, 50u64..200, 0u64..3).prop_map(|(number, ring, studies, failed)| {
        let health = Health {
            failed,
            ..healthy(studies)
        };
        on_it(number, ring, health)
    });
    prop_oneof![1 => any, 6 => well]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever the boxes say: it goes forward only with every figure within its limit, counted here a second way.
    #[test]
    fn it_never_goes_forward_with_a_limit_broken(
        members in proptest::collection::vec(any_member(), 0..12),
        stage in 0u32..4,
        minutes in 0i64..20_000,
    ) {
        let phase = match stage { 0 => Phase::Canary, 3 => Phase::Fleet, _ => Phase::Ring };
        let state = State { phase, stage, ..State::begun(BEGAN) };
        let Some(next) = at(&members, &state, BEGAN + minutes * MINUTE) else { return Ok(()) };
        if !next.phase.is_going_out() && next.phase != Phase::Finished {
            return Ok(());
        }
        let plan = plan();
        let reached: Vec<&Member> = members.iter().filter(|it| it.ring <= stage).collect();
        let standing = |it: &&&Member| it.standing(TARGET, BEGAN);
        let lately = BEGAN + minutes * MINUTE - HEARD_MS;
        let heard = |it: &&&Member| it.report.as_ref().is_some_and(|(_, seen)| lately <= *seen);
        let refusing = reached.iter().filter(|it| standing(it) == Standing::Refusing).count();
        let good = reached.iter().filter(|it| standing(it) == Standing::Good && heard(it)).count();
        prop_assert!(refusing as u32 <= plan.limits.refusing_boxes);
        prop_assert!(0 < good && plan.soak.quorum * reached.len() as f64 <= good as f64);
        prop_assert!(i64::from(plan.soak.minimum_minutes) <= minutes);
        let with_it: Vec<&Health> = reached.iter().filter_map(|it| it.with_it(TARGET)).collect();
        let failed: u64 = with_it.iter().map(|health| health.failed).sum();
        let asked: u64 = with_it.iter().map(|health| health.failed + health.assessed).sum();
        prop_assert!(plan.soak.studies <= asked);
        prop_assert!(failed as f64 <= plan.limits.error_rate * asked as f64);
        let beside: Vec<&Health> = reached.iter().filter_map(|it| it.shadow.as_ref()).collect();
        let disagreed: u64 = beside.iter().map(|health| health.shadow_disagreed).sum();
        let shown: u64 = beside.iter().map(|health| health.shadow_assessed).sum();
        if plan.limits.minimum_studies <= shown {
            prop_assert!(disagreed as f64 <= plan.limits.disagreement * shown as f64);
        }
    }

}

proptest! {
    /// Boxes that never change what they say cannot hold it up: each stage ends at its deadline at the latest.
    #[test]
    fn it_always_ends(members in proptest::collection::vec(any_member(), 0..12)) {
        let (mut state, mut now, mut steps) = (State::begun(BEGAN), BEGAN, 0);
        while state.phase.is_under_way() {
            now += 7 * DAY;
            let next = at(&members, &state, now);
            prop_assert!(next.is_some(), "{state:?} stands still");
            state = next.unwrap();
            steps += 1;
            prop_assert!(steps <= 6);
        }
    }
}
