use barefoot_federation::round::Input;

use super::super::ledger::With;
use super::*;

/// Makes the database refuse.
async fn refuse(archive: &Archive, what: &str) {
    archive
        .execute(format!(
            "CREATE TRIGGER broken BEFORE {what} BEGIN SELECT RAISE(ABORT, 'broken'); END"
        ))
        .await;
}

async fn heal(archive: &Archive) {
    archive.execute("DROP TRIGGER broken".to_owned()).await;
}

fn short(model: &str) -> v1::RunSettings {
    v1::RunSettings {
        stage_ms: 100,
        ..settings(model, 2)
    }
}

#[tokio::test]
async fn a_run_that_cannot_be_written_down_keeps_no_other_from_going_on() {
    let house = House::new().await;
    let stuck = house.start(short("one")).await.unwrap();
    let other = house.start(short("two")).await.unwrap();
    assert!(stuck < other, "the stuck one has its turn first");
    refuse(
        &house.archive,
        &format!("UPDATE ON attempts WHEN NEW.run = '{stuck}'"),
    )
    .await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let pause = house.turn().await.unwrap();
    assert_eq!(house.view(&stuck).await.state, "running");
    assert_eq!(house.view(&other).await.state, "failed");
    assert!(
        Duration::from_millis(500) < pause && pause < Duration::from_secs(2),
        "it is tried again, and not at once: {pause:?}"
    );
    heal(&house.archive).await;
    house.turn().await.unwrap();
    assert_eq!(house.view(&stuck).await.state, "failed");
}

#[tokio::test]
async fn a_metric_that_is_no_number_does_not_keep_a_round_from_being_written_down() {
    let house = House::new().await;
    let run = house.start(settings("one", 2)).await.unwrap();
    let with = With {
        metrics: vec![("log_loss".to_owned(), f64::NAN), ("auc".to_owned(), 0.5)],
        ..With::default()
    };
    let mut active = house.runs.lock().await;
    let applied = house.runs.apply(&mut active, &run, &Input::Stop, with).await;
    assert!(applied.unwrap().moved);
    drop(active);
    let metrics = house.view(&run).await.round.remove(0).metric;
    assert_eq!(metrics.len(), 1);
    assert_eq!(metrics[0].name, "auc");
}

#[tokio::test]
async fn a_stop_after_a_deadline_stops_the_attempt_that_follows_it() {
    let house = House::new().await;
    let retried = v1::RunSettings {
        retries: 50,
        ..short("one")
    };
    let run = house.start(retried).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    house.runs.stop(&run, &mara()).await.unwrap();
    let view = house.view(&run).await;
    assert_eq!(view.state, "stopped", "{view:?}");
    assert!(
        1 < view.round.len(),
        "the deadline had its effect before: {view:?}"
    );
}

#[tokio::test]
async fn a_stop_after_the_last_deadline_says_that_the_run_has_ended() {
    let house = House::new().await;
    let brief = v1::RunSettings {
        stage_ms: 3000,
        ..settings("one", 1)
    };
    let run = house.start(brief).await.unwrap();
    house.evaluating(&run, &clinic("a")).await;
    tokio::time::sleep(Duration::from_millis(3100)).await;
    let stopped = house.runs.stop(&run, &mara()).await;
    assert!(matches!(stopped, Err(Error::Ended)), "{stopped:?}");
    house.turn().await.unwrap();
    until(async || house.view(&run).await.state == "finished").await;
}

#[tokio::test]
async fn a_run_that_was_journalled_goes_on_whatever_else_is_not_written() {
    let house = House::new().await;
    refuse(&house.archive, "INSERT ON federation_alive").await;
    let run = house.start(settings("one", 1)).await.unwrap();
    let again = house.start(settings("one", 1)).await;
    assert!(matches!(again, Err(Error::Busy { .. })), "{again:?}");
    house.runs.stop(&run, &mara()).await.unwrap();
    assert_eq!(house.view(&run).await.state, "stopped");
}

#[tokio::test]
async fn a_candidate_that_cannot_be_judged_ends_its_run_and_is_judged_later() {
    let house = House::new().await;
    let run = house.start(settings("one", 1)).await.unwrap();
    let update = house.evaluating(&run, &clinic("a")).await;
    refuse(&house.archive, "INSERT ON gate_reports").await;
    let reply = v1::DeclineReply {
        id: update.id,
        ..v1::DeclineReply::default()
    };
    house.runs.decline(&clinic("a"), &reply).await.unwrap();
    house.turn().await.unwrap();
    until(async || house.view(&run).await.state != "running").await;
    let view = house.view(&run).await;
    assert_eq!(
        (view.state.as_str(), view.candidate_version.as_str()),
        ("finished", "0.2.0"),
        "{view:?}"
    );
    let state = async || {
        let row = house.archive.model("one", "0.2.0").await.unwrap();
        row.unwrap().state.name()
    };
    assert_eq!(state().await, "candidate");
    let runs = house.runs.clone();
    let judging = tokio::spawn(async move { runs.keep_judging(Duration::from_millis(20)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(state().await, "candidate");
    heal(&house.archive).await;
    // Without a plan no candidate passes.
    until(async || state().await == "refused").await;
    house.runs.0.shutdown.trigger();
    judging.await.unwrap();
}

#[tokio::test]
async fn a_run_and_its_end_stand_in_the_log_with_who_began_it() {
    let house = House::new().await;
    let run = house.start(settings("one", 1)).await.unwrap();
    assert!(house.start(settings("one", 1)).await.is_err());
    house.runs.stop(&run, &mara()).await.unwrap();
    let entries = house.archive.audit_from(1, u64::MAX, 100).await.unwrap();
    let said: Vec<_> = entries
        .iter()
        .map(|stored| {
            let entry = &stored.entry;
            (
                entry.actor.as_str(),
                entry.action.as_str(),
                entry.subject.as_str(),
            )
        })
        .collect();
    let run = run.as_str();
    assert_eq!(
        said,
        [
            ("maintainer mara", "run_started", run),
            ("maintainer mara", "run_stopped", run),
            ("rounds", "run_ended", run),
        ]
    );
}
