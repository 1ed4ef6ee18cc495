//! What went wrong around a rollout: a hub that was away, boxes that come late, a withdrawal, a database that fails.

use barefoot_wire::v1::{Action, SlotState};

use super::going_out::{PLAN, clinic, house, model, phase, says, start_of, tell, told_to_install};
use super::state::Event;
use super::*;
use crate::audit::Actor;
use crate::clock::now_ms;

const HOUR: i64 = 3_600_000;
/// No model changes its state any more.
const FAILING: &str = "CREATE TRIGGER failing BEFORE UPDATE ON models BEGIN SELECT RAISE(ABORT, 'no'); END";

async fn row(house: &House, version: &str) -> crate::archive::RolloutRow {
    house.archive.rollout_of(MODEL, version).await.unwrap().unwrap()
}

/// As if it had happened to the rollout.
async fn happened(house: &House, version: &str, events: &[Event]) {
    for event in events {
        let row = row(house, version).await;
        let to = row.state.after(*event, "", now_ms()).unwrap();
        assert!(
            house
                .archive
                .move_rollout(&row, &to, &Actor::Hub("test"))
                .await
                .unwrap()
        );
    }
}

async fn withdraw(house: &House, version: &str) {
    house
        .maintainers
        .editor()
        .withdraw(MODEL, version, now())
        .unwrap();
    house.maintainers.sign();
    house.publish_all().await.unwrap();
}

#[tokio::test]
async fn time_without_a_hub_counts_for_no_stage() {
    let mut house = house().await;
    start_of(&house, "0.2.0", PLAN).await.unwrap();
    assert_eq!(phase(&house).await.0, "canary");
    // The deadline is ten hours. The hub was away for all but the first of eleven.
    let set = async |house: &House, alive_ms: i64| {
        let since_ms = now_ms() - 11 * HOUR;
        let text = format!(
            "UPDATE rollouts SET since_ms = {since_ms}, started_at_ms = {since_ms}; \
             UPDATE boxes SET seen_at_ms = {since_ms}; UPDATE rollouts_alive SET at_ms = {alive_ms}"
        );
        house.archive.run_sql(&text).await;
    };
    set(&house, now_ms() - 10 * HOUR).await;
    house.restart().await;
    assert_eq!(phase(&house).await.0, "canary");
    let lasted = now_ms() - row(&house, "0.2.0").await.state.since_ms;
    assert!((HOUR..HOUR + HOUR / 60).contains(&lasted), "{lasted}");
    // Counted once.
    phase(&house).await;
    house.restart().await;
    phase(&house).await;
    let lasted = now_ms() - row(&house, "0.2.0").await.state.since_ms;
    assert!(HOUR <= lasted, "{lasted}");
    // Time with a hub counts, but nobody is judged before boxes can have told.
    set(&house, now_ms() - 1000).await;
    house.restart().await;
    assert_eq!(phase(&house).await.0, "canary");
    let lasted = now_ms() - row(&house, "0.2.0").await.state.since_ms;
    assert!(11 * HOUR <= lasted, "{lasted}");
    assert_eq!(house.state("0.2.0").await, ModelState::Released);
}

#[tokio::test]
async fn a_box_that_comes_late_with_what_went_back_is_sent_back_first() {
    let house = house().await;
    start_of(&house, "0.2.0", PLAN).await.unwrap();
    phase(&house).await;
    let told = told_to_install(&house).await;
    for number in &told {
        tell(&house, *number, says("0.2.0", SlotState::Trial, 0)).await;
    }
    house.rollouts.roll_back(&model(), &ada()).await.unwrap();
    tell(&house, told[0], says("0.1.0", SlotState::RolledBack, 0)).await;
    // The other one's line is down; nobody waits for it any longer.
    happened(&house, "0.2.0", &[Event::AllBack]).await;
    let known = house.archive.model(MODEL, "0.1.0").await.unwrap().unwrap();
    let next = ModelRow {
        version: "0.4.0".into(),
        state: ModelState::Passed,
        ..known
    };
    assert!(house.archive.insert_model(&next).await.unwrap());
    house.maintainers.release("0.4.0", 0.1, |manifest| manifest);
    house.publish_all().await.unwrap();
    start_of(&house, "0.4.0", PLAN).await.unwrap();

    let late = told[1];
    let before = async || {
        let number = row(&house, "0.4.0").await.number;
        let member = house.archive.rollout_member(number, &clinic(late)).await;
        member.unwrap().unwrap().before_version
    };
    assert_eq!(before().await, None);
    let mut on_it = says("0.2.0", SlotState::Good, 0);
    let sent = tell(&house, late, on_it.clone()).await;
    assert_eq!(
        (sent.action(), sent.version.as_str()),
        (Action::RollBack, "0.1.0")
    );
    assert_eq!(before().await, None);
    // Neither does it try what went back once more.
    let sent = tell(&house, late, says("0.1.0", SlotState::Shadow, 0)).await;
    assert_eq!(sent.action(), Action::RollBack);
    // One that was never part of it goes back to what it marked good itself.
    let sent = tell(&house, 77, on_it.clone()).await;
    assert_eq!((sent.action(), sent.version.as_str()), (Action::RollBack, ""));
    // The newest one follows when it is back.
    happened(&house, "0.4.0", &[Event::Advance { last: true }]).await;
    happened(&house, "0.4.0", &[Event::Advance { last: true }]).await;
    on_it = says("0.1.0", SlotState::RolledBack, 0);
    let sent = tell(&house, late, on_it).await;
    assert_eq!((sent.action(), sent.version.as_str()), (Action::Install, "0.4.0"));
    assert_eq!(before().await.as_deref(), Some("0.1.0"));
}

#[tokio::test]
async fn a_signed_withdrawal_is_obeyed() {
    for (plan, expected) in [
        (PLAN.to_owned(), "rolling_back"),
        (PLAN.replace("\"roll_back\"", "\"halt\""), "halted"),
    ] {
        let house = house().await;
        start_of(&house, "0.2.0", &plan).await.unwrap();
        phase(&house).await;
        let told = told_to_install(&house).await;
        tell(&house, told[0], says("0.2.0", SlotState::Trial, 0)).await;
        withdraw(&house, "0.2.0").await;
        assert_eq!(house.state("0.2.0").await, ModelState::Withdrawn);
        assert!(house.registry.base(MODEL, "0.2.0").await.is_err());
        // Not even before the next look.
        let asked = tell(&house, told[1], says("0.1.0", SlotState::Unspecified, 0)).await;
        assert_eq!(asked.action(), Action::Keep);
        assert_eq!(phase(&house).await.0, expected);
        let view = house.rollouts.view(&model()).await.unwrap();
        assert!(view.reason.starts_with("withdrawn"), "{}", view.reason);
        let on_it = tell(&house, told[0], says("0.2.0", SlotState::Trial, 0)).await;
        let back = on_it.action() == Action::RollBack;
        assert_eq!(back, expected == "rolling_back");
    }
}

#[tokio::test]
async fn a_withdrawal_after_the_end_reaches_nobody_new() {
    let mut house = house().await;
    start_of(&house, "0.2.0", PLAN).await.unwrap();
    let last = Event::Advance { last: true };
    happened(&house, "0.2.0", &[last, last]).await;
    let late = says("0.1.0", SlotState::Unspecified, 0);
    assert_eq!(tell(&house, 77, late.clone()).await.action(), Action::Install);
    withdraw(&house, "0.2.0").await;
    assert_eq!(phase(&house).await.0, "finished");
    assert_eq!(tell(&house, 78, late.clone()).await.action(), Action::Keep);
    house.restart().await;
    assert_eq!(tell(&house, 79, late).await.action(), Action::Keep);
}

#[tokio::test]
async fn a_repository_that_is_not_believed_any_more_takes_nothing_back() {
    let mut house = house().await;
    start_of(&house, "0.2.0", PLAN).await.unwrap();
    let timestamp = house.dir.path().join("releases/current/metadata/timestamp.json");
    fs::write(timestamp, b"{}").unwrap();
    house.restart().await;
    assert!(house.rollouts.releases().is_offered(MODEL, "0.2.0").is_err());
    assert_eq!(phase(&house).await.0, "canary");
    assert_eq!(house.state("0.2.0").await, ModelState::Released);
}

#[tokio::test]
async fn what_the_registry_could_not_take_it_is_told_again() {
    // A rollout that goes back.
    let house = house().await;
    start_of(&house, "0.2.0", PLAN).await.unwrap();
    house.archive.run_sql(FAILING).await;
    house.rollouts.roll_back(&model(), &ada()).await.unwrap();
    house.rollouts.look().await.unwrap_err();
    assert_eq!(house.state("0.2.0").await, ModelState::Released);
    house.archive.run_sql("DROP TRIGGER failing").await;
    assert_eq!(phase(&house).await.0, "rolled_back");
    assert_eq!(house.state("0.2.0").await, ModelState::Withdrawn);

    // Without any rollout: what was published, and what was taken back.
    let house = House::new().await;
    house.maintainers.release("0.2.0", 0.2, |manifest| manifest);
    for expected in [ModelState::Released, ModelState::Withdrawn] {
        house.archive.run_sql(FAILING).await;
        let before = house.state("0.2.0").await;
        if expected == ModelState::Released {
            house.publish_all().await.unwrap();
        } else {
            withdraw(&house, "0.2.0").await;
        }
        assert_eq!(house.state("0.2.0").await, before);
        house.archive.run_sql("DROP TRIGGER failing").await;
        house.rollouts.look().await.unwrap();
        assert_eq!(house.state("0.2.0").await, expected);
    }
}
