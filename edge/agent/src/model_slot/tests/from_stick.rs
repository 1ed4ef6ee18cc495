use super::bundles::{Other, copy};
use super::*;

async fn put_in(clinic: &Clinic) {
    let (from, to) = (clinic.maintainers.repository(), clinic.stick());
    let _ = std::fs::remove_dir_all(&to);
    copy(&from, &to);
    clinic.status.ask_for_stick();
}

#[tokio::test]
async fn the_newest_release_on_a_stick_is_taken_without_any_hub() {
    let clinic = Clinic::open(false).await;
    clinic.maintainers.release("0.2.0", Other::default());
    clinic.maintainers.release("0.3.0", Other::default());
    put_in(&clinic).await;
    clinic
        .until("it runs beside", |clinic| {
            clinic.status.releases().beside.as_deref() == Some("tiny 0.3.0")
        })
        .await;
    clinic.assess_until(|clinic| clinic.answering() == "0.3.0").await;
    clinic.assess_until(|clinic| clinic.good() == "0.3.0").await;
    // The stick may stay in: there is nothing newer on it.
    clinic.status.ask_for_stick();
    assert_eq!(clinic.assess().await, "0.3.0");
    assert_eq!(clinic.status.releases().coming, None);
}

#[tokio::test]
async fn what_failed_from_a_stick_is_not_tried_again_and_said() {
    let clinic = Clinic::open(false).await;
    let wrong = Other {
        wrong_golden: true,
        ..Other::default()
    };
    clinic.maintainers.release("0.2.0", wrong);
    put_in(&clinic).await;
    clinic
        .until("it is refused", |clinic| clinic.status.releases().ended.is_some())
        .await;
    assert_eq!(
        clinic.status.releases().ended.unwrap(),
        ("tiny 0.2.0".to_owned(), false, "golden")
    );
    clinic.maintainers.release("0.3.0", Other::default());
    put_in(&clinic).await;
    clinic
        .until("the next is tried", |clinic| clinic.models.shadow().is_some())
        .await;
}

#[tokio::test]
async fn a_stick_of_strangers_is_refused_and_said() {
    let clinic = Clinic::open(false).await;
    let strangers = Maintainers::new(&clinic.dir.path().join("strangers"));
    strangers.release("0.2.0", Other::default());
    copy(&strangers.repository(), &clinic.stick());
    clinic
        .until("it is said", |clinic| {
            clinic.status.releases().stick_trouble.is_some()
        })
        .await;
    assert_eq!(clinic.status.releases().stick_trouble, Some("unsigned"));
    assert_eq!(clinic.assess().await, "0.0.1");
    // Pulled out, it is no trouble any more.
    std::fs::remove_dir_all(clinic.stick()).unwrap();
    clinic
        .until("it is forgotten", |clinic| {
            clinic.status.releases().stick_trouble.is_none()
        })
        .await;
}
