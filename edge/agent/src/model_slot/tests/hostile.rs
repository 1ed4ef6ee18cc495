use barefoot_wire::v1::Action;

use super::bundles::{Other, copy};
use super::hub::Harm;
use super::*;

/// What the hub hears when it offers what is not believed.
async fn refused(clinic: &Clinic) -> String {
    let report = clinic
        .hub()
        .report_where(|report| report.candidate_state() == SlotState::Refused)
        .await;
    assert_eq!(report.active_version, "0.0.1");
    assert_eq!(clinic.assess().await, "0.0.1");
    report.problem
}

#[tokio::test]
async fn what_strangers_signed_is_refused() {
    let clinic = Clinic::open(true).await;
    let strangers = Maintainers::new(&clinic.dir.path().join("strangers"));
    strangers.release("0.2.0", Other::default());
    // The root the box has is the maintainers'; the strangers' chain does not follow from it.
    std::fs::remove_file(strangers.repository().join("metadata/1.root.json")).unwrap();
    clinic.hub().serve_from(strangers.repository());
    clinic.hub().say(Action::Install, "0.2.0");
    assert_eq!(refused(&clinic).await, "unsigned");
    assert_eq!(clinic.hub().sent(), 0);
}

#[tokio::test]
async fn an_older_state_of_the_repository_is_refused() {
    let clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    let old = clinic.dir.path().join("old");
    copy(&clinic.maintainers.repository(), &old);
    clinic.maintainers.release("0.3.0", Other::default());
    clinic.hub().say(Action::Install, "0.3.0");
    clinic
        .until("it runs beside", |clinic| clinic.models.shadow().is_some())
        .await;
    clinic.hub().serve_from(old);
    clinic.hub().say(Action::Install, "0.2.0");
    assert_eq!(refused(&clinic).await, "rollback");
}

#[tokio::test]
async fn what_the_list_does_not_name_is_refused() {
    let clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().say(Action::Install, "0.9.0");
    assert_eq!(refused(&clinic).await, "not_listed");
}

#[tokio::test]
async fn what_is_older_than_the_site_files_bundle_or_another_model_is_refused() {
    for is_listed in [false, true] {
        let clinic = Clinic::open(true).await;
        clinic.maintainers.release("0.0.0", Other::default());
        if is_listed {
            clinic.maintainers.release("0.0.1", Other::default());
        }
        clinic.hub().say(Action::Install, "0.0.0");
        assert_eq!(refused(&clinic).await, "downgrade", "{is_listed}");
        assert_eq!(clinic.hub().sent(), 0);
    }
    let clinic = Clinic::open(true).await;
    clinic.maintainers.release_shipped("0.3.0");
    clinic.hub().say_of("cxr-pneumonia", Action::Install, "0.3.0");
    assert_eq!(refused(&clinic).await, "other_model");
    assert_eq!(clinic.hub().sent(), 0);
}

#[tokio::test]
async fn altered_and_endless_files_are_refused_and_honest_ones_taken_later() {
    for (harms, code) in [
        (vec![Harm::Flip; 2], "wrong_target"),
        (vec![Harm::Endless], "wrong_length"),
    ] {
        let clinic = Clinic::open(true).await;
        clinic.maintainers.release("0.2.0", Other::default());
        clinic.hub().harm(&harms);
        clinic.hub().say(Action::Install, "0.2.0");
        assert_eq!(refused(&clinic).await, code);
        assert!(clinic.hub().sent() < 250_000, "{}", clinic.hub().sent());
        clinic
            .until("it runs beside", |clinic| clinic.models.shadow().is_some())
            .await;
    }
}

#[tokio::test]
async fn one_damaged_transfer_is_simply_fetched_again() {
    let clinic = Clinic::open(true).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.hub().harm(&[Harm::Flip]);
    clinic.hub().say(Action::Install, "0.2.0");
    clinic
        .until("it runs beside", |clinic| clinic.models.shadow().is_some())
        .await;
    assert_eq!(clinic.status.releases().ended, None);
}
