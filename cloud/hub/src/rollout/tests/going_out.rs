use barefoot_domain::ClinicId;
use barefoot_wire::v1::{Action, BoxReport, Desired, Health, ModelName, SlotState, StartRolloutRequest};

use super::*;

/// Two of five boxes first, then all; no waiting.
pub(super) const PLAN: &str = "canary = { count = 2 }\nrings = [60, 100]\non_limit = \"roll_back\"\n\
    [soak]\nshadow_studies = 5\ntrial_studies = 10\nstudies = 20\nminimum_minutes = 0\ndeadline_minutes = 600\n\
    quorum = 1.0\n\
    [limits]\nminimum_studies = 20\nerror_rate = 0.05\nlatency_ratio = 2.0\nreview_rate_change = 0.2\ndrift = 0.25\n\
    disagreement = 0.1\nrefusing_boxes = 0\n";

const BOXES: usize = 5;

pub(super) fn clinic(number: usize) -> ClinicId {
    ClinicId::new(format!("clinic-{number}")).unwrap()
}

pub(super) fn model() -> ModelName {
    ModelName {
        id: MODEL.into(),
        version: "0.2.0".into(),
    }
}

pub(super) fn says(active: &str, candidate: SlotState, failed: u64) -> BoxReport {
    BoxReport {
        model_id: MODEL.into(),
        active_version: active.into(),
        candidate_version: if candidate == SlotState::Unspecified {
            ""
        } else {
            "0.2.0"
        }
        .into(),
        candidate_state: candidate.into(),
        health: Some(Health {
            assessed: 30,
            failed,
            reviewed: 10,
            latency_p95_ms: 90.0,
            scores: vec![3; 10],
            ..Health::default()
        }),
        ..BoxReport::default()
    }
}

/// A house with 0.2.0 published, where every box has told that it runs 0.1.0.
pub(super) async fn house() -> House {
    let house = House::new().await;
    house.maintainers.release("0.1.0", 0.1, |manifest| manifest);
    house.maintainers.release("0.2.0", 0.2, |manifest| manifest);
    house.publish_all().await.unwrap();
    for number in 0..BOXES {
        let desired = tell(&house, number, says("0.1.0", SlotState::Unspecified, 0)).await;
        assert_eq!(desired.action(), Action::Keep);
    }
    house
}

pub(super) async fn tell(house: &House, number: usize, report: BoxReport) -> Desired {
    house.rollouts.report(&clinic(number), report).await.unwrap()
}

async fn start(house: &House) -> Result<(), Error> {
    start_of(house, "0.2.0", PLAN).await
}

pub(super) async fn start_of(house: &House, version: &str, plan: &str) -> Result<(), Error> {
    let request = StartRolloutRequest {
        model: Some(ModelName {
            version: version.into(),
            ..model()
        }),
        plan_toml: plan.into(),
    };
    house.rollouts.start(request, &ada()).await
}

pub(super) async fn phase(house: &House) -> (String, u32) {
    house.rollouts.look().await.unwrap();
    let view = house.rollouts.view(&model()).await.unwrap();
    (view.state, view.ring)
}

/// Boxes that are told to install, as they stand now.
pub(super) async fn told_to_install(house: &House) -> Vec<usize> {
    let mut told = Vec::new();
    for number in 0..BOXES {
        let row = house.archive.rollout_of(MODEL, "0.2.0").await.unwrap().unwrap();
        let member = house
            .archive
            .rollout_member(row.number, &clinic(number))
            .await
            .unwrap()
            .unwrap();
        let (report, _) = member.report.unwrap();
        if report.active_version == "0.2.0" {
            continue;
        }
        if tell(house, number, report).await.action() == Action::Install {
            told.push(number);
        }
    }
    told
}

#[tokio::test]
async fn a_release_goes_from_canaries_to_everybody_over_restarts() {
    let mut house = house().await;
    start(&house).await.unwrap();
    assert!(matches!(start(&house).await, Err(Error::NotNow { .. })));
    for expected in [("canary", 2, 0), ("ring", 1, 1), ("fleet", 2, 2)] {
        let (state, stage) = phase(&house).await;
        assert_eq!((state.as_str(), stage), (expected.0, expected.2));
        let told = told_to_install(&house).await;
        assert_eq!(told.len(), expected.1, "{state}");
        for number in told {
            let shadow = tell(&house, number, says("0.1.0", SlotState::Shadow, 0)).await;
            assert_eq!((shadow.shadow_studies, shadow.trial_studies), (5, 10));
            tell(&house, number, says("0.2.0", SlotState::Trial, 0)).await;
            // Killed anywhere, the hub goes on where it was.
            house.restart().await;
            assert_eq!(phase(&house).await, (state.clone(), stage));
            tell(&house, number, says("0.2.0", SlotState::Good, 0)).await;
        }
    }
    assert_eq!(phase(&house).await.0, "finished");
    // A box that comes later gets it too.
    let late = tell(&house, 77, says("0.1.0", SlotState::Unspecified, 0)).await;
    assert_eq!((late.action(), late.version.as_str()), (Action::Install, "0.2.0"));
    let counted = house.rollouts.boxes_per_version().await.unwrap();
    assert_eq!(
        counted,
        [
            (MODEL.to_owned(), "0.1.0".to_owned(), 1),
            (MODEL.to_owned(), "0.2.0".to_owned(), 5)
        ]
    );
    assert_eq!(house.state("0.2.0").await, ModelState::Released);
}

#[tokio::test]
async fn it_goes_back_by_itself_when_health_falls() {
    let house = house().await;
    start(&house).await.unwrap();
    let told = told_to_install(&house).await;
    tell(&house, told[0], says("0.2.0", SlotState::Trial, 0)).await;
    tell(&house, told[1], says("0.2.0", SlotState::Trial, 9)).await;
    assert_eq!(phase(&house).await.0, "rolling_back");
    for number in &told {
        let desired = tell(&house, *number, says("0.2.0", SlotState::Trial, 9)).await;
        assert_eq!(
            (desired.action(), desired.version.as_str()),
            (Action::RollBack, "0.1.0")
        );
    }
    for number in &told {
        let desired = tell(&house, *number, says("0.1.0", SlotState::RolledBack, 0)).await;
        assert_eq!(desired.action(), Action::Keep);
    }
    assert_eq!(phase(&house).await.0, "rolled_back");
    let view = house.rollouts.view(&model()).await.unwrap();
    assert!(view.reason.starts_with("error_rate"), "{}", view.reason);
    assert_eq!(house.state("0.2.0").await, ModelState::Withdrawn);
    // Taken back is taken back.
    assert!(matches!(start(&house).await, Err(Error::NotNow { .. })));
}

#[tokio::test]
async fn a_maintainer_halts_and_rolls_back() {
    let house = house().await;
    assert!(matches!(
        house.rollouts.halt(&model(), &ada()).await,
        Err(Error::Unknown { .. })
    ));
    start(&house).await.unwrap();
    let told = told_to_install(&house).await;
    tell(&house, told[0], says("0.2.0", SlotState::Trial, 0)).await;
    house.rollouts.halt(&model(), &ada()).await.unwrap();
    house.rollouts.halt(&model(), &ada()).await.unwrap();
    assert_eq!(phase(&house).await.0, "halted");
    for number in 0..BOXES {
        let report = if number == told[0] {
            says("0.2.0", SlotState::Good, 0)
        } else {
            says("0.1.0", SlotState::Shadow, 0)
        };
        assert_eq!(tell(&house, number, report).await.action(), Action::Keep);
    }
    house.rollouts.roll_back(&model(), &ada()).await.unwrap();
    assert_eq!(phase(&house).await.0, "rolling_back");
    tell(&house, told[0], says("0.1.0", SlotState::RolledBack, 0)).await;
    for number in (0..BOXES).filter(|number| *number != told[0]) {
        tell(&house, number, says("0.1.0", SlotState::Unspecified, 0)).await;
    }
    assert_eq!(phase(&house).await.0, "rolled_back");
    let view = house.rollouts.view(&model()).await.unwrap();
    assert_eq!(view.reason, "rolled back by ada");
}

#[tokio::test]
async fn what_is_not_published_or_has_no_canary_does_not_go_out() {
    let house = House::new().await;
    assert!(start(&house).await.is_err());
    house.maintainers.release("0.2.0", 0.2, |manifest| manifest);
    house.publish_all().await.unwrap();
    assert!(matches!(start(&house).await, Err(Error::NotNow { .. })));
    let mut absurd = says("0.1.0", SlotState::Unspecified, 0);
    absurd.active_version = "../0.1.0".into();
    let refused = house.rollouts.report(&clinic(1), absurd).await;
    assert!(matches!(refused, Err(Error::Invalid { .. })));
}

#[tokio::test]
async fn what_is_published_and_rolled_out_stands_in_the_log_with_who_did_it() {
    let house = house().await;
    start(&house).await.unwrap();
    assert!(matches!(start(&house).await, Err(Error::NotNow { .. })));
    phase(&house).await;
    house.rollouts.roll_back(&model(), &ada()).await.unwrap();
    let entries = house.archive.audit_from(1, u64::MAX, 100).await.unwrap();
    let said: Vec<_> = entries
        .iter()
        .map(|stored| (stored.entry.actor.as_str(), stored.entry.action.as_str()))
        .collect();
    assert!(
        said.contains(&("maintainer ada", "release_published")),
        "{said:?}"
    );
    let begun = said.iter().filter(|(_, action)| *action == "rollout_started");
    assert_eq!(begun.count(), 1, "what did not begin is not told: {said:?}");
    let back = entries.last().unwrap();
    assert_eq!(
        (back.entry.actor.as_str(), back.entry.action.as_str()),
        ("maintainer ada", "rollout_moved")
    );
    assert!(
        back.entry.details.contains("rolled back by ada"),
        "{}",
        back.entry.details
    );
}
