//! The decisions alone, under everything that can happen in any order.

use barefoot_wire::v1::{Action, Desired};
use proptest::prelude::*;

use super::super::hub_line::Instruction;
use super::super::keeper::Keeper;
use super::super::ledger::{Installed, Signed};
use super::*;

const VERSIONS: [&str; 3] = ["0.2.0", "0.3.0", "0.4.0"];

#[derive(Debug, Clone)]
enum Step {
    Hub(Action, usize),
    /// Files came, or not.
    Work(bool),
    /// The model did well, or failed.
    Health(bool),
    Restart,
    Time,
}

fn steps() -> impl Strategy<Value = Step> {
    let action = prop_oneof![Just(Action::Install), Just(Action::Keep), Just(Action::RollBack)];
    prop_oneof![
        2 => (action, 0usize..3).prop_map(|(action, version)| Step::Hub(action, version)),
        4 => proptest::bool::weighted(0.8).prop_map(Step::Work),
        2 => proptest::bool::weighted(0.8).prop_map(Step::Health),
        1 => Just(Step::Restart),
        1 => Just(Step::Time),
    ]
}

fn name(version: &str) -> Name {
    Name {
        id: MODEL.into(),
        version: version.into(),
    }
}

/// A box without disk, line or model.
struct World {
    keeper: Keeper,
    at_work: AtWork,
    now: Instant,
    /// Versions that gave their golden answers.
    passed: Vec<Name>,
}

impl World {
    fn work(&mut self, well: bool) {
        let Some(work) = self.keeper.next(&self.at_work, self.now) else {
            return;
        };
        let candidate = self.keeper.ledger.candidate.clone();
        match work {
            // The list is made by hand: what `consulted` leads to where the release is listed.
            Work::Consult(_) => {
                if well && let Some(it) = &mut self.keeper.ledger.candidate {
                    it.signed = Some(Signed {
                        sequence: 1,
                        digest: it.name.version.clone(),
                    });
                    let name = it.name.clone();
                    self.keeper.obtained(&name, 0);
                } else if !well {
                    let error = fetching::Error::NoSource;
                    self.keeper.consulted(Origin::Hub, Err(&error), self.now, 0);
                } else {
                    self.keeper.stick_trouble = None;
                }
            }
            Work::Obtain(..) => unreachable!("no list was read"),
            Work::OpenCandidate(it) => {
                assert_eq!(Some(&it), candidate.as_ref());
                if !well {
                    self.keeper.failed(Problem::Golden, 0);
                    return;
                }
                self.passed.push(it.name.clone());
                match it.life {
                    Life::Verified => {
                        self.keeper.happened(Event::Passed { shadow: true }, 0);
                        self.at_work.beside = Some(it.name);
                    }
                    Life::Shadow => self.at_work.beside = Some(it.name),
                    Life::Trial => self.at_work.active = Some(it.name),
                    other => unreachable!("{other:?}"),
                }
            }
            Work::OpenGood => {
                if well {
                    self.at_work.active = self.keeper.ledger.good_name().cloned();
                    self.keeper.good_failed_at = None;
                } else if self.keeper.ledger.good.is_some() {
                    self.keeper.ledger.good_failed(Problem::Damaged, 0);
                } else {
                    self.keeper.good_failed_at = Some(self.now);
                    self.at_work.active = None;
                }
            }
        }
    }

    fn health(&mut self, well: bool) {
        let Some(it) = self.keeper.ledger.candidate.clone() else {
            return;
        };
        let beside = it.life == Life::Shadow && self.at_work.beside.as_ref() == Some(&it.name);
        let answers = it.life == Life::Trial && self.at_work.active.as_ref() == Some(&it.name);
        match (beside, answers, well) {
            (true, _, true) => {
                self.keeper.happened(Event::Quiet, 0);
                self.at_work = AtWork {
                    active: Some(it.name),
                    beside: None,
                };
            }
            (_, true, true) => {
                self.keeper.happened(Event::Proven, 0);
            }
            (true, ..) | (_, true, _) => {
                self.keeper.failed(Problem::Failing, 0);
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_happens_only_what_passed_answers_and_there_is_always_a_way_on(
        steps in proptest::collection::vec(steps(), 0..60),
    ) {
        let factory = name("0.0.1");
        let mut ledger = Ledger::default();
        ledger.meet_factory(Some(factory.clone()));
        let mut world = World {
            keeper: Keeper::new(ledger, (1, 1)),
            at_work: AtWork { active: Some(factory.clone()), beside: None },
            now: Instant::now(),
            passed: vec![factory.clone()],
        };
        for step in steps {
            match step {
                Step::Hub(action, version) => {
                    let desired = Desired {
                        model_id: MODEL.into(),
                        version: match action {
                            Action::Install => VERSIONS[version].into(),
                            Action::RollBack => ["", "0.0.1", "0.2.0"][version].into(),
                            _ => String::new(),
                        },
                        action: action.into(),
                        shadow_studies: 1,
                        trial_studies: 1,
                        retry_after_ms: 0,
                    };
                    world.keeper.instructed(&desired, &world.at_work, 0);
                }
                Step::Work(well) => world.work(well),
                Step::Health(well) => world.health(well),
                Step::Restart => {
                    let bytes = serde_json::to_vec(&world.keeper.ledger).unwrap();
                    world.keeper = Keeper::new(serde_json::from_slice(&bytes).unwrap(), (1, 1));
                    let good = world.keeper.ledger.good_name().cloned();
                    world.at_work = AtWork { active: good, beside: None };
                }
                Step::Time => world.now += Duration::from_secs(301),
            }
            let ledger = &world.keeper.ledger;
            if let Some(active) = &world.at_work.active {
                prop_assert!(world.passed.contains(active), "{active} answers");
            }
            let installed: Vec<&Installed> = ledger.good.iter().chain(&ledger.before).collect();
            prop_assert!(installed.iter().all(|it| world.passed.contains(&it.name)));
            if let Some(it) = &ledger.candidate {
                prop_assert!(it.life.is_under_way());
                prop_assert!(ledger.good_name() != Some(&it.name));
            }
        }
        // Left alone, with everything going well, it comes to rest with a model that answers.
        for _ in 0..20 {
            world.now += Duration::from_secs(4000);
            world.work(true);
            world.health(true);
        }
        prop_assert_eq!(world.at_work.active.as_ref(), world.keeper.ledger.good_name());
        prop_assert!(world.keeper.ledger.candidate.is_none());
    }
}

#[test]
fn a_rollback_without_a_version_that_is_said_again_goes_back_once() {
    let installed = |version: &str| {
        Some(Installed {
            name: name(version),
            signed: None,
        })
    };
    let mut ledger = Ledger::default();
    ledger.meet_factory(Some(name("0.0.1")));
    (ledger.good, ledger.before) = (installed("0.3.0"), installed("0.2.0"));
    let mut keeper = Keeper::new(ledger, (1, 1));
    let answers = |version: &str| AtWork {
        active: Some(name(version)),
        beside: None,
    };
    let back = Desired {
        model_id: MODEL.into(),
        action: Action::RollBack.into(),
        ..Desired::default()
    };
    assert!(keeper.instructed(&back, &answers("0.3.0"), 0));
    assert_eq!(keeper.ledger.good_name(), Some(&name("0.2.0")));
    // The one before is still being opened.
    assert!(!keeper.instructed(&back, &answers("0.3.0"), 0));
    assert_eq!(keeper.ledger.good_name(), Some(&name("0.2.0")));
    assert!(keeper.instructed(&back, &answers("0.2.0"), 0));
    assert_eq!(keeper.ledger.good_name(), Some(&name("0.0.1")));
}

#[tokio::test]
async fn a_rollback_said_of_a_model_that_answers_no_more_changes_nothing() {
    let (models, _studies) = ModelHandle::new();
    let dir = tempfile::tempdir().unwrap();
    let maintainers = Maintainers::new(&dir.path().join("maintainers"));
    let config = Config {
        root: maintainers.root(),
        usb: None,
        usb_ms: 50,
        shadow_studies: 1,
        trial_studies: 1,
    };
    let status = Clinic::status(dir.path());
    let slot = ModelSlot::start(
        config,
        Clinic::model_config(),
        dir.path().to_owned(),
        models,
        FindingNames::default(),
        status,
        None,
    );
    let mut slot = slot.await.unwrap();
    slot.keeper.ledger.good = Some(Installed {
        name: name("0.0.1"),
        signed: None,
    });
    slot.keeper.ledger.before = slot.keeper.ledger.good.clone();
    let said_of = |version: &str| Instruction {
        desired: Desired {
            model_id: MODEL.into(),
            action: Action::RollBack.into(),
            ..Desired::default()
        },
        answering: Some(name(version)),
    };
    slot.instructed(&said_of("0.2.0")).await;
    assert!(slot.keeper.ledger.before.is_some());
    slot.instructed(&said_of("0.0.1")).await;
    assert!(slot.keeper.ledger.before.is_none());
}
