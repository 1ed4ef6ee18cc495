use barefoot_wire::v1::Action;

use super::bundles::Other;
use super::hub::Harm;
use super::*;

#[tokio::test]
async fn a_release_is_fetched_tried_beside_answers_and_becomes_good() {
    let clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    assert_eq!(clinic.assess().await, "0.0.1");
    clinic.hub().say(Action::Install, "0.2.0");
    let beside = clinic
        .hub()
        .report_where(|report| report.candidate_state() == SlotState::Shadow)
        .await;
    assert_eq!(
        (beside.active_version.as_str(), beside.candidate_version.as_str()),
        ("0.0.1", "0.2.0")
    );
    assert_eq!(clinic.status.releases().beside.as_deref(), Some("tiny 0.2.0"));
    // Only what is new came over the line: the head and the manifest.
    assert!(clinic.hub().sent() < 4096, "{} bytes", clinic.hub().sent());
    assert!(
        clinic
            .hub()
            .asked()
            .iter()
            .all(|(path, _)| !path.ends_with(".onnx"))
    );

    clinic.assess_until(|clinic| clinic.answering() == "0.2.0").await;
    assert!(clinic.status.model().model.unwrap().contains("0.2.0"));
    assert_eq!(clinic.assess().await, "0.2.0");
    clinic.prove("0.2.0").await;
    let ledger = Ledger::load(&clinic.state().join("models")).unwrap().unwrap();
    assert_eq!(ledger.good.unwrap().name.version, "0.2.0");
    assert!(ledger.candidate.is_none());
}

#[tokio::test]
async fn a_model_that_does_not_give_its_golden_answers_never_answers() {
    let clinic = Clinic::open(true).await;
    let wrong = Other {
        wrong_golden: true,
        ..Other::default()
    };
    let mislabelled = Other {
        mislabelled: true,
        ..Other::default()
    };
    clinic.maintainers.release("0.2.0", wrong);
    clinic.maintainers.release("0.3.0", mislabelled);
    for (version, code) in [("0.2.0", "golden"), ("0.3.0", "mislabelled")] {
        clinic.hub().say(Action::Install, version);
        let refused = clinic
            .hub()
            .report_where(|report| {
                report.candidate_version == version && report.candidate_state() == SlotState::Refused
            })
            .await;
        assert_eq!(
            (refused.problem.as_str(), refused.active_version.as_str()),
            (code, "0.0.1")
        );
        assert_eq!(clinic.assess().await, "0.0.1");
    }
    let ended = clinic.status.releases().ended.unwrap();
    assert_eq!(ended, ("tiny 0.3.0".to_owned(), false, "mislabelled"));
}

#[tokio::test]
async fn a_broken_line_and_a_restart_cost_no_byte_twice() {
    let mut clinic = Clinic::open(true).await;
    let large = Other {
        notes: 50_000,
        ..Other::default()
    };
    clinic.maintainers.release("0.2.0", large);
    // The notes come first (by path), then head and manifest.
    clinic.hub().harm(&[Harm::CutAfter(20_000)]);
    clinic.hub().say(Action::Install, "0.2.0");
    let notes = |clinic: &Clinic| -> Vec<u64> {
        let asked = clinic.hub().asked();
        asked
            .into_iter()
            .filter(|(path, _)| path.ends_with("NOTES.md"))
            .map(|(_, at)| at)
            .collect()
    };
    let parts = clinic.state().join("models/parts");
    let came = |_: &Clinic| {
        let entries = std::fs::read_dir(&parts).unwrap();
        let lengths = entries.map(|entry| entry.unwrap().metadata().unwrap().len());
        lengths.max().is_some_and(|longest| 20_000 <= longest)
    };
    clinic.until("the line breaks", came).await;
    clinic.restart().await;
    clinic
        .hub()
        .report_where(|report| report.candidate_state() == SlotState::Shadow)
        .await;
    let asked = notes(&clinic);
    assert_eq!(asked[0], 0);
    assert!(asked[1..].iter().all(|at| 20_000 <= *at), "{asked:?}");
}

#[tokio::test]
async fn a_model_that_fails_on_trial_goes_back_at_once() {
    let clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().say(Action::Install, "0.2.0");
    clinic
        .until("it runs beside", |clinic| clinic.models.shadow().is_some())
        .await;
    clinic.assess_until(|clinic| clinic.answering() == "0.2.0").await;
    clinic.fail(3);
    clinic
        .until("the model before answers", |clinic| clinic.answering() == "0.0.1")
        .await;
    let report = clinic
        .hub()
        .report_where(|report| report.candidate_state() == SlotState::RolledBack)
        .await;
    assert_eq!(
        (report.problem.as_str(), report.active_version.as_str()),
        ("failing", "0.0.1")
    );
    assert_eq!(clinic.assess().await, "0.0.1");
    // The hub may ask again and again: this release has had its chance.
    let ledger = Ledger::load(&clinic.state().join("models")).unwrap().unwrap();
    assert!(ledger.candidate.is_none());
}

#[tokio::test]
async fn a_study_seen_beside_counts_for_no_trial() {
    let clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().say(Action::Install, "0.2.0");
    clinic
        .until("it runs beside", |clinic| clinic.models.shadow().is_some())
        .await;
    let beside = clinic.models.shadow().unwrap();
    clinic.assess_until(|clinic| clinic.answering() == "0.2.0").await;
    let asked = beside.health().asked();
    // It began to look while it was still beside.
    beside.count_beside(&StudyCount::default());
    assert_eq!(beside.health().asked(), asked);
}

#[tokio::test]
async fn the_hub_takes_a_good_model_back_and_may_bring_it_again() {
    let clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().say(Action::Install, "0.2.0");
    clinic.prove("0.2.0").await;
    clinic.hub().say(Action::RollBack, "0.0.1");
    clinic
        .until("the model before answers", |clinic| clinic.answering() == "0.0.1")
        .await;
    let report = clinic
        .hub()
        .report_where(|report| report.candidate_state() == SlotState::RolledBack)
        .await;
    assert_eq!(report.problem, "commanded");
    clinic.hub().say(Action::Install, "0.2.0");
    clinic.prove("0.2.0").await;
    // To a version that was never good here there is no way back.
    clinic.hub().say(Action::RollBack, "0.1.0");
    let report = clinic
        .hub()
        .report_where(|report| report.problem == "never_good_here")
        .await;
    assert_eq!(report.active_version, "0.2.0");
}

#[tokio::test]
async fn what_the_hub_wants_no_longer_is_dropped_before_it_answers() {
    let clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().say(Action::Install, "0.2.0");
    clinic
        .until("it runs beside", |clinic| clinic.models.shadow().is_some())
        .await;
    clinic.hub().say(Action::Keep, "");
    clinic
        .until("it is gone", |clinic| clinic.models.shadow().is_none())
        .await;
    assert_eq!(clinic.assess().await, "0.0.1");
    // And came to no end that would keep it away later.
    assert_eq!(clinic.status.releases().ended, None);
}

#[tokio::test]
async fn other_calls_beside_the_active_model_are_counted_and_shown_to_nobody() {
    let clinic = Clinic::open(true).await;
    let eager = Other {
        eager: true,
        ..Other::default()
    };
    clinic.maintainers.release("0.2.0", eager);
    let before = clinic.assess().await;
    clinic.hub().say(Action::Install, "0.2.0");
    clinic
        .until("it runs beside", |clinic| clinic.models.shadow().is_some())
        .await;
    let beside = clinic.models.shadow().unwrap();
    assert_eq!(clinic.assess().await, before);
    clinic
        .until("it has seen the study", |_| beside.health().asked() == 1)
        .await;
    let health = beside.health();
    assert_eq!((health.assessed, health.disagreed, health.failed), (1, 1, 0));
    assert_eq!(health.scores.iter().sum::<u64>(), 2);
}

#[tokio::test]
async fn a_change_of_model_drops_no_study_and_mixes_none() {
    let mut clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    let slot = clinic.models.clone();
    let old = slot.active().unwrap();
    clinic.hub().say(Action::Install, "0.2.0");
    clinic
        .until("it runs beside", |clinic| clinic.models.shadow().is_some())
        .await;
    let new = slot.shadow().unwrap();
    // From here on the models change hundreds of times a second, by hand.
    clinic.stop().await;
    slot.set_shadow(None);
    let before = old.health().asked() + new.health().asked();
    let swapping = async {
        for round in 0..200 {
            slot.set_active(Some(Arc::clone(if round % 2 == 0 { &new } else { &old })));
            tokio::task::yield_now().await;
        }
    };
    let assessing = async {
        let mut answered = Vec::new();
        for _ in 0..40 {
            // Panics when no model answered.
            answered.push(clinic.assess().await);
        }
        answered
    };
    let ((), answered) = tokio::join!(swapping, assessing);
    assert_eq!(answered.len(), 40);
    let counted = old.health().asked() + new.health().asked();
    assert_eq!(counted - before, 40);
}

#[tokio::test]
async fn a_release_taken_back_while_it_runs_beside_goes() {
    let mut clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().say(Action::Install, "0.2.0");
    clinic
        .until("it runs beside", |clinic| clinic.models.shadow().is_some())
        .await;
    clinic.maintainers.withdraw("0.2.0");
    // The list is read again at a start, and every hour.
    clinic.restart().await;
    let report = clinic
        .hub()
        .report_where(|report| report.candidate_state() == SlotState::Refused)
        .await;
    assert_eq!(report.problem, "withdrawn");
    clinic
        .until("it is gone", |clinic| clinic.models.shadow().is_none())
        .await;
}
