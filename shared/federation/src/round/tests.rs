use std::collections::BTreeSet;

use barefoot_domain::ClinicId;
use proptest::prelude::*;

use super::*;
use crate::strategy::Strategy as Aggregation;

const PLAIN: Rules = Rules {
    quorum: 2,
    target: 3,
    stage_ms: 1000,
    late: Late::Drop,
    secure: false,
    evaluate: true,
};
const SECURE: Rules = Rules {
    quorum: 3,
    target: 4,
    secure: true,
    evaluate: false,
    ..PLAIN
};

fn clinic(number: usize) -> ClinicId {
    ClinicId::new(format!("c{number}")).unwrap()
}

fn reply(round: &mut Round, number: usize, duty: Duty, now_ms: i64) -> Result<(), Refused> {
    round.apply(&Input::Reply(&clinic(number), duty), now_ms)
}

fn all(round: &mut Round, numbers: std::ops::Range<usize>, duty: Duty, now_ms: i64) {
    numbers.for_each(|number| reply(round, number, duty, now_ms).unwrap());
}

#[test]
fn a_plain_round_ends_with_its_target() {
    let mut round = Round::start(PLAIN, 0);
    assert_eq!(round.duty_of(&clinic(7)), Some(Duty::Fit));
    all(&mut round, 0..2, Duty::Fit, 10);
    assert_eq!((round.stage(), round.duty_of(&clinic(0))), (Stage::Fitting, None));
    all(&mut round, 2..3, Duty::Fit, 20);
    assert_eq!(round.stage(), Stage::Aggregating);
    assert_eq!(reply(&mut round, 3, Duty::Fit, 21), Err(Refused::Late));
    round.apply(&Input::Aggregated, 30).unwrap();
    assert_eq!(round.stage(), Stage::Evaluating);
    assert_eq!(round.duty_of(&clinic(3)), None);
    round.apply(&Input::Decline(&clinic(1)), 31).unwrap();
    reply(&mut round, 0, Duty::Evaluate, 32).unwrap();
    assert_eq!(round.stage(), Stage::Evaluating);
    reply(&mut round, 2, Duty::Evaluate, 33).unwrap();
    assert_eq!(round.stage(), Stage::Finished);
    assert_eq!(round.reached(Progress::Fitted).count(), 3);
}

#[test]
fn deadlines_decide_by_the_quorum() {
    let mut round = Round::start(PLAIN, 0);
    all(&mut round, 0..2, Duty::Fit, 999);
    round.apply(&Input::Tick, 1000).unwrap();
    assert_eq!(round.stage(), Stage::Aggregating);

    let mut round = Round::start(PLAIN, 0);
    all(&mut round, 0..1, Duty::Fit, 999);
    assert_eq!(reply(&mut round, 1, Duty::Fit, 1000), Err(Refused::Late));
    assert_eq!(
        round.failure(),
        Some(&Failure::TooFew {
            stage: Stage::Fitting,
            have: 1,
            need: 2
        })
    );
}

#[test]
fn late_replies_count_where_the_policy_says_so() {
    let mut round = Round::start(
        Rules {
            late: Late::AcceptUntilAggregation,
            ..PLAIN
        },
        0,
    );
    all(&mut round, 0..1, Duty::Fit, 999);
    round.apply(&Input::Tick, 1500).unwrap();
    assert_eq!(
        (round.stage(), round.extended(), round.deadline_ms()),
        (Stage::Fitting, true, 2500)
    );
    reply(&mut round, 1, Duty::Fit, 2499).unwrap();
    assert_eq!(round.stage(), Stage::Aggregating);

    let mut round = Round::start(
        Rules {
            late: Late::AcceptUntilAggregation,
            ..PLAIN
        },
        0,
    );
    round.apply(&Input::Tick, 1000).unwrap();
    round.apply(&Input::Tick, 2000).unwrap();
    assert_eq!(round.stage(), Stage::Failed);
}

#[test]
fn a_secure_round_survives_drop_outs_at_every_stage() {
    let mut round = Round::start(
        Rules {
            quorum: 5,
            target: 7,
            ..SECURE
        },
        0,
    );
    all(&mut round, 0..7, Duty::Keys, 1);
    assert_eq!(reply(&mut round, 9, Duty::Shares, 2), Err(Refused::Stranger));
    all(&mut round, 0..6, Duty::Shares, 2);
    round.apply(&Input::Tick, 1001).unwrap();
    assert_eq!((round.stage(), round.duty_of(&clinic(6))), (Stage::Fitting, None));
    assert_eq!(reply(&mut round, 6, Duty::Fit, 1002), Err(Refused::Stranger));
    all(&mut round, 0..5, Duty::Fit, 1002);
    round.apply(&Input::Decline(&clinic(5)), 1003).unwrap();
    assert_eq!(round.stage(), Stage::Unmasking);
    all(&mut round, 0..5, Duty::Unmask, 1004);
    assert_eq!(round.stage(), Stage::Aggregating);
    round.apply(&Input::Aggregated, 1005).unwrap();
    assert_eq!(round.stage(), Stage::Finished);
    assert_eq!(round.reached(Progress::Keyed).count(), 7);
    assert_eq!(round.reached(Progress::Shared).count(), 6);
    assert_eq!(round.reached(Progress::Fitted).count(), 5);
}

#[test]
fn a_secure_round_fails_as_soon_as_its_threshold_is_out_of_reach() {
    let mut round = Round::start(SECURE, 0);
    all(&mut round, 0..4, Duty::Keys, 1);
    all(&mut round, 0..4, Duty::Shares, 2);
    round.apply(&Input::Decline(&clinic(0)), 3).unwrap();
    assert_eq!(round.stage(), Stage::Fitting);
    round.apply(&Input::Refuse(&clinic(1)), 3).unwrap();
    assert_eq!(
        round.failure(),
        Some(&Failure::TooFew {
            stage: Stage::Fitting,
            have: 0,
            need: 3
        })
    );
}

#[test]
fn keys_may_be_taken_back_before_anybody_builds_on_them() {
    let mut round = Round::start(SECURE, 0);
    all(&mut round, 0..3, Duty::Keys, 1);
    round.apply(&Input::Decline(&clinic(0)), 2).unwrap();
    assert_eq!(reply(&mut round, 0, Duty::Keys, 3), Err(Refused::Gone));
    all(&mut round, 3..5, Duty::Keys, 3);
    assert_eq!(round.stage(), Stage::Shares);
    let roster: Vec<_> = round.reached(Progress::Keyed).cloned().collect();
    assert_eq!(roster, [1, 2, 3, 4].map(clinic));
}

#[test]
fn exclusions_below_the_quorum_end_the_attempt() {
    let mut round = Round::start(PLAIN, 0);
    all(&mut round, 0..3, Duty::Fit, 1);
    round.apply(&Input::Exclude(&clinic(0)), 2).unwrap();
    assert_eq!(
        (round.stage(), round.reached(Progress::Fitted).count()),
        (Stage::Aggregating, 2)
    );
    round.apply(&Input::Exclude(&clinic(1)), 2).unwrap();
    assert_eq!(round.stage(), Stage::Failed);
    assert_eq!(round.apply(&Input::Aggregated, 3), Err(Refused::Late));
}

#[test]
fn time_without_a_hub_does_not_count() {
    let mut round = Round::start(PLAIN, 0);
    round.resume(400, 5400);
    assert_eq!(round.deadline_ms(), 6000);
    // A hub that noted long ago that it lived: never more than a whole stage.
    round.resume(0, 5500);
    assert_eq!(round.deadline_ms(), 6500);
    // A clock that went back.
    round.resume(9000, 5600);
    assert_eq!(round.deadline_ms(), 6500);
}

#[test]
fn a_run_goes_on_until_its_rounds_or_its_retries_are_used_up() {
    let rules = RunRules {
        rounds: 2,
        retries: 1,
    };
    assert_eq!(rules.after(1, 2, true), RunStep::Attempt { round: 2, attempt: 1 });
    assert_eq!(rules.after(2, 1, true), RunStep::Finish);
    assert_eq!(
        rules.after(2, 1, false),
        RunStep::Attempt { round: 2, attempt: 2 }
    );
    assert_eq!(rules.after(2, 2, false), RunStep::Fail);
}

#[test]
fn rules_that_cannot_hold_are_refused() {
    let check = |rules: Rules, strategy: &str| rules.checked(&strategy.parse().unwrap());
    assert_eq!(check(PLAIN, "FedAvg"), Ok(PLAIN));
    assert_eq!(check(SECURE, "FedAdam"), Ok(SECURE));
    assert_eq!(
        check(
            Rules {
                quorum: 3,
                target: 0,
                ..PLAIN
            },
            "FedMedian"
        )
        .unwrap()
        .target,
        1024
    );
    let three = Rules { quorum: 3, ..PLAIN };
    for (rules, strategy, problem) in [
        (Rules { quorum: 0, ..PLAIN }, "FedAvg", RulesError::Quorum),
        (Rules { target: 1, ..PLAIN }, "FedAvg", RulesError::Target),
        (
            Rules {
                stage_ms: 99,
                ..PLAIN
            },
            "FedAvg",
            RulesError::StageTime,
        ),
        (SECURE, "FedMedian", RulesError::SecureStrategy),
        (Rules { target: 0, ..SECURE }, "FedAvg", RulesError::SecureTarget),
        (Rules { target: 5, ..SECURE }, "FedAvg", RulesError::SecureQuorum),
        (
            Rules {
                quorum: 5,
                target: 8,
                ..SECURE
            },
            "FedAvg",
            RulesError::SecureQuorum,
        ),
        (
            Rules {
                quorum: 2,
                target: 3,
                ..SECURE
            },
            "FedAvg",
            RulesError::SecureQuorum,
        ),
        (
            Rules {
                evaluate: true,
                ..SECURE
            },
            "FedAvg",
            RulesError::Evaluation,
        ),
        (three, "Bulyan", RulesError::StrategyQuorum { needed: 7 }),
        (
            Rules {
                target: 1025,
                ..three
            },
            "FedMedian",
            RulesError::StrategyTarget,
        ),
    ] {
        assert_eq!(check(rules, strategy), Err(problem), "{strategy}");
    }
}

#[test]
fn metrics_are_weighted_by_examples() {
    let metric = |name: &str, value: f64| (name.to_owned(), value);
    let replies = [
        (30.0, vec![metric("auc", 0.9), metric("loss", 1.0)]),
        (10.0, vec![metric("auc", 0.5)]),
        (0.0, vec![metric("only", 7.0)]),
    ];
    let means = weighted_metrics(
        replies
            .iter()
            .map(|(weight, metrics)| (*weight, metrics.as_slice())),
    );
    assert_eq!(means, [metric("auc", 0.8), metric("loss", 1.0)]);
}

#[test]
fn a_mean_that_is_no_number_is_left_out() {
    let metric = |name: &str, value: f64| (name.to_owned(), value);
    let reply = [
        metric("auc", 0.9),
        metric("twice", 1.7e308),
        metric("twice", -1.7e308),
        metric("huge", 1.7e308),
        metric("none", f64::NAN),
    ];
    let means = weighted_metrics([(10.0, reply.as_slice())]);
    assert_eq!(means, [metric("auc", 0.9)]);
}

#[derive(Debug, Clone)]
enum Move {
    Reply(usize, Duty),
    Decline(usize),
    Refuse(usize),
    Exclude(usize),
    Aggregated,
    Failed,
    Wait(u16),
    Restart(u16),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let clinic = 0..8_usize;
    let duty = prop::sample::select(Duty::ALL.to_vec());
    let one = prop_oneof![
        8 => (clinic.clone(), duty).prop_map(|(clinic, duty)| Move::Reply(clinic, duty)),
        1 => clinic.clone().prop_map(Move::Decline),
        1 => clinic.clone().prop_map(Move::Refuse),
        1 => clinic.prop_map(Move::Exclude),
        1 => Just(Move::Aggregated),
        1 => Just(Move::Failed),
        2 => (0..700_u16).prop_map(Move::Wait),
        1 => (0..3000_u16).prop_map(Move::Restart),
    ];
    prop::collection::vec(one, 0..120)
}

fn rules() -> impl Strategy<Value = Rules> {
    (any::<bool>(), any::<bool>(), any::<bool>(), 1..4_u32, 0..6_u32).prop_map(
        |(secure, accept, evaluate, quorum, target)| {
            let late = if accept {
                Late::AcceptUntilAggregation
            } else {
                Late::Drop
            };
            let rules = if secure {
                let target = 3 + target % 3;
                Rules {
                    quorum: 2 * target / 3 + 1,
                    target,
                    ..SECURE
                }
            } else {
                Rules {
                    quorum,
                    target: if target == 0 { 0 } else { target.max(quorum) },
                    evaluate,
                    ..PLAIN
                }
            };
            Rules { late, ..rules }.checked(&Aggregation::FedAvg).unwrap()
        },
    )
}

proptest! {
    #[test]
    fn no_round_hangs_and_none_finishes_below_its_quorum(rules in rules(), moves in moves()) {
        let mut now = 0_i64;
        let mut round = Round::start(rules, now);
        let mut counted: BTreeSet<ClinicId> = BTreeSet::new();
        for step in moves {
            let before = round.clone();
            let name = |number: usize| clinic(number);
            let _ = match step {
                Move::Reply(number, duty) => round.apply(&Input::Reply(&name(number), duty), now),
                Move::Decline(number) => round.apply(&Input::Decline(&name(number)), now),
                Move::Refuse(number) => round.apply(&Input::Refuse(&name(number)), now),
                Move::Exclude(number) => round.apply(&Input::Exclude(&name(number)), now),
                Move::Aggregated => round.apply(&Input::Aggregated, now),
                Move::Failed => round.apply(&Input::AggregationFailed("x".into()), now),
                Move::Wait(ms) => {
                    now += i64::from(ms);
                    round.apply(&Input::Tick, now)
                }
                Move::Restart(ms) => {
                    let alive = now;
                    now += i64::from(ms);
                    let (stage, deadline, extended) = (round.stage(), round.deadline_ms(), round.extended());
                    if !stage.is_end() {
                        round = Round::restore(rules, stage, deadline, extended, round.members().clone());
                        round.resume(alive, now);
                        prop_assert!(round.deadline_ms() >= deadline);
                    }
                    Ok(())
                }
            };
            prop_assert!(before.stage() <= round.stage(), "a round never goes back");
            if before.stage().is_end() {
                prop_assert_eq!(before.stage(), round.stage());
            }
            if Stage::Fitting < before.stage() {
                // Whose update counts is fixed with the end of fitting; exclusions only take away.
                let fitted: BTreeSet<_> = round.reached(Progress::Fitted).cloned().collect();
                prop_assert!(fitted.is_subset(&counted) || before.stage().is_end());
            }
            counted = round.reached(Progress::Fitted).cloned().collect();
            if matches!(round.stage(), Stage::Aggregating | Stage::Evaluating | Stage::Finished) {
                prop_assert!(rules.quorum as usize <= counted.len());
                if rules.secure && round.stage() != Stage::Finished {
                    prop_assert!(rules.quorum as usize <= round.reached(Progress::Unmasked).count()
                        || before.stage() == Stage::Aggregating);
                }
            }
        }
        // However quiet everybody is from here on, a few deadlines end it.
        for _ in 0..16 {
            now = now.max(round.deadline_ms());
            let _ = round.apply(&Input::Tick, now);
        }
        prop_assert!(round.stage().is_end(), "{round:?}");
    }
}
