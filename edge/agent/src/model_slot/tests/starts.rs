use std::fs;

use barefoot_wire::v1::Action;

use super::bundles::Other;
use super::*;
use crate::model::Probation;

fn models_dir(clinic: &Clinic) -> PathBuf {
    clinic.state().join("models")
}

/// A clinic whose 0.2.0 answers on trial.
async fn on_trial() -> Clinic {
    let clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().say(Action::Install, "0.2.0");
    clinic
        .until("it runs beside", |clinic| clinic.models.shadow().is_some())
        .await;
    clinic.assess_until(|clinic| clinic.answering() == "0.2.0").await;
    // What it last did beside the other model has ended.
    let alone = |clinic: &Clinic| Arc::strong_count(&clinic.models.active().unwrap()) == 2;
    clinic.until("it only answers", alone).await;
    clinic
}

#[tokio::test]
async fn a_trial_goes_on_after_a_restart_with_what_was_counted() {
    let mut clinic = on_trial().await;
    let counted = clinic.models.active().unwrap().health().asked();
    clinic.restart().await;
    assert_eq!(clinic.answering(), "0.2.0");
    assert!(counted <= clinic.models.active().unwrap().health().asked());
    assert!(clinic.status.releases().on_trial);
    clinic.prove("0.2.0").await;
    clinic.restart().await;
    assert_eq!(clinic.answering(), "0.2.0");
    assert!(!clinic.status.releases().on_trial);
}

#[tokio::test]
async fn a_model_that_takes_the_daemon_along_goes_after_three_times() {
    let mut clinic = on_trial().await;
    for expected in ["0.2.0", "0.2.0", "0.0.1"] {
        clinic.stop().await;
        // The daemon died in the middle of the model's work.
        let probation = Probation::new(models_dir(&clinic).join("at_work"), "tiny 0.2.0".into());
        std::mem::forget(probation.begin());
        clinic.start().await;
        assert_eq!(clinic.answering(), expected);
    }
    let report = clinic
        .hub()
        .report_where(|report| report.candidate_state() == SlotState::RolledBack)
        .await;
    assert_eq!(report.problem, "crashed");
}

#[tokio::test]
async fn a_good_model_that_is_damaged_on_disk_makes_way_and_is_fetched_again() {
    let mut clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().say(Action::Install, "0.2.0");
    clinic.prove("0.2.0").await;
    clinic.stop().await;
    let head = models_dir(&clinic).join("bundles/tiny/0.2.0/head.safetensors");
    let mut bytes = fs::read(&head).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&head, bytes).unwrap();
    clinic.start().await;
    assert_eq!(clinic.answering(), "0.0.1");
    clinic.prove("0.2.0").await;
}

#[tokio::test]
async fn a_ledger_that_is_lost_or_damaged_costs_a_detour_and_no_study() {
    let mut clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().say(Action::Install, "0.2.0");
    clinic.prove("0.2.0").await;
    let sent = clinic.hub().sent();
    clinic.stop().await;
    fs::write(models_dir(&clinic).join("slots"), b"nothing of ours").unwrap();
    clinic.start().await;
    assert_eq!(clinic.assess().await, "0.0.1");
    clinic.prove("0.2.0").await;
    // Its files were here all the time.
    assert_eq!(clinic.hub().sent(), sent);
}

#[tokio::test]
async fn killed_anywhere_it_goes_on() {
    let mut clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().say(Action::Install, "0.2.0");
    for _ in 0..6 {
        // Without a goodbye: whatever was under way is lost.
        if let Some((_, tasks)) = clinic.running.take() {
            tasks.iter().for_each(JoinHandle::abort);
            for task in tasks {
                let _ = task.await;
            }
        }
        clinic.start().await;
        clinic.assess().await;
    }
    clinic.prove("0.2.0").await;
}
