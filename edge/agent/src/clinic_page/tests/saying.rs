//! What people say on a case's page, and what the page says of learning.

use barefoot_domain::FindingCode;

use super::{Answer, Clinic, pneumonia, squeezed};
use crate::labels::{ConsentFor, Label, LabelSource};
use crate::learning_status::{PrivacySpent, RoundNote, RoundOutcome, SiteFit};
use crate::site_policy::{SitePolicy, UnknownAge};
use crate::study_folder::StudyKey;

async fn confirm(clinic: &Clinic, key: &StudyKey, body: &str) -> Answer {
    clinic.post(&format!("/case/{key}/finding"), &[], body).await
}

async fn page(clinic: &Clinic, key: &StudyKey) -> String {
    squeezed(&clinic.get(&format!("/case/{key}?lang=en")).await.body)
}

fn learns(clinic: &Clinic) {
    clinic.sources.learning.update(|view| {
        view.has_policy = true;
        view.silence_allows = true;
    });
}

#[tokio::test]
async fn a_finding_is_confirmed_and_can_be_corrected() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |_| {});
    assert!(page(&clinic, &key).await.contains("Pneumonia: not confirmed yet"));
    let answer = confirm(&clinic, &key, "version=1&finding=pneumonia&present=yes").await;
    assert_eq!(answer.status, 303);
    assert!(answer.head.contains(&format!("location: /case/{key}")));
    assert!(
        page(&clinic, &key)
            .await
            .contains("Pneumonia: present, confirmed by the clinic")
    );
    confirm(&clinic, &key, "version=1&finding=pneumonia&present=no").await;
    assert!(
        page(&clinic, &key)
            .await
            .contains("Pneumonia: not present, confirmed by the clinic")
    );
    clinic.close().await;
}

#[tokio::test]
async fn an_experts_word_stands_and_the_clinic_is_not_asked_again() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| {
        case.labels.say(Label {
            correction_id: "e".into(),
            source: LabelSource::Expert,
            version: 1,
            finding: pneumonia(),
            present: true,
        });
    });
    let html = page(&clinic, &key).await;
    assert!(html.contains("Pneumonia: present, says an expert"));
    assert!(!html.contains("id=\"present-1\""));
    clinic.close().await;
}

#[tokio::test]
async fn only_what_the_page_asked_is_taken() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |_| {});
    for body in [
        "version=2&finding=pneumonia&present=yes",
        "version=0&finding=pneumonia&present=yes",
        "version=1&finding=fracture&present=yes",
        "version=1&finding=..%2F..%2Fx&present=yes",
    ] {
        assert_eq!(confirm(&clinic, &key, body).await.status, 303, "{body}");
    }
    for body in [
        "version=1&finding=pneumonia&present=maybe",
        "finding=pneumonia&present=yes",
        "",
    ] {
        assert_eq!(confirm(&clinic, &key, body).await.status, 422, "{body}");
    }
    let other = StudyKey::parse(&"a".repeat(32)).unwrap();
    confirm(&clinic, &other, "version=1&finding=pneumonia&present=yes").await;
    let forged = ["Sec-Fetch-Site: cross-site"];
    let path = format!("/case/{key}/finding");
    let answer = clinic
        .post(&path, &forged, "version=1&finding=pneumonia&present=yes")
        .await;
    assert_eq!(answer.status, 403);
    assert!(
        clinic
            .sources
            .cases
            .get(&key)
            .unwrap()
            .labels
            .of(&pneumonia())
            .is_none()
    );
    clinic.close().await;
}

#[tokio::test]
async fn a_patients_word_is_taken_and_shown() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |_| {});
    assert!(
        page(&clinic, &key)
            .await
            .contains("This box learns from no study")
    );
    let policy = include_str!("../../../../../provisioning/sites/policy.example.toml");
    let mut policy: SitePolicy = toml::from_str(&policy.replace("opt_in", "opt_out")).unwrap();
    policy.minors.unknown_age = UnknownAge::Adult;
    clinic
        .sources
        .policy
        .handle
        .change("none", policy)
        .unwrap()
        .unwrap();
    assert!(page(&clinic, &key).await.contains("unless the patient objects"));
    let path = format!("/case/{key}/consent");
    let learning = |allowed: &str| format!("what=learning&giver=patient&allowed={allowed}");
    assert_eq!(clinic.post(&path, &[], &learning("no")).await.status, 303);
    let word = clinic
        .sources
        .cases
        .get(&key)
        .unwrap()
        .labels
        .word(ConsentFor::Learning);
    assert_eq!(word.map(|word| word.allowed), Some(false));
    let html = page(&clinic, &key).await;
    assert!(
        html.contains("Nothing of it is kept")
            && html.contains("learning-yes")
            && !html.contains("learning-no\"")
    );
    assert_eq!(clinic.post(&path, &[], &learning("yes")).await.status, 303);
    assert!(
        page(&clinic, &key)
            .await
            .contains("The patient agrees that the box")
    );
    assert!(
        page(&clinic, &key)
            .await
            .contains("goes to research only if the patient agrees")
    );
    let research = "what=research&giver=guardian&allowed=yes";
    assert_eq!(clinic.post(&path, &[], research).await.status, 303);
    assert!(
        page(&clinic, &key)
            .await
            .contains("guardian agrees that this study may be given to research")
    );
    for wrong in [
        "what=sale&giver=patient&allowed=yes",
        "what=research&giver=doctor&allowed=yes",
        "what=research&allowed=yes",
    ] {
        assert_eq!(clinic.post(&path, &[], wrong).await.status, 422, "{wrong}");
    }
    clinic.sources.cases.update(&key, |case| {
        case.patient.birth_date = "20200101".into();
        case.patient.study_date = "20261101".into();
    });
    assert!(
        page(&clinic, &key)
            .await
            .contains("The patient is a minor: the box learns")
    );
    clinic.close().await;
}

#[tokio::test]
async fn a_word_that_cannot_be_written_down_is_not_shown_as_taken() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| case.patient.name = "FULL^DISK".into());
    let answer = confirm(&clinic, &key, "version=1&finding=pneumonia&present=yes").await;
    assert_eq!(answer.status, 500);
    assert!(page(&clinic, &key).await.contains("not confirmed yet"));
    clinic.close().await;
}

#[tokio::test]
async fn the_list_says_plainly_whether_and_what_the_box_learns() {
    let clinic = Clinic::open().await;
    assert!(clinic.list("en").await.contains("This box does not learn"));
    assert!(clinic.list("zh").await.contains("本机不学习"));
    learns(&clinic);
    clinic.sources.learning.update(|view| {
        view.has_hub = true;
        view.examples = 41;
        view.pending = 2;
        view.site_fits = vec![SiteFit {
            finding: FindingCode::new("pneumonia").unwrap(),
            cases: 74,
            error_before: 0.131,
            error_after: 0.0279,
        }];
        view.privacy = Some(PrivacySpent {
            epsilon: 4.3771,
            budget: Some(8.0),
            delta: 1e-5,
        });
        view.last_round = Some(RoundNote {
            model: "cxr".into(),
            round: 3,
            of: 10,
            at_ms: 1_764_000_000_000,
            outcome: RoundOutcome::Declined("budget"),
        });
    });
    let html = clinic.list("en").await;
    for text in [
        "Examples kept: 41",
        "still to be prepared: 2",
        "follows 74 confirmed cases of this clinic (calibration error 13.1 % before, 2.8 % now)",
        "ε 4.38 of 8 (δ 1e-5)",
        "Last round: cxr, round 3 of 10, this clinic did not take part (the privacy budget does not allow it)",
    ] {
        assert!(html.contains(text), "{text}: {html}");
    }
    clinic
        .sources
        .learning
        .update(|view| view.problem = Some("the record is damaged".into()));
    assert!(
        clinic
            .list("en")
            .await
            .contains("Learning needs a person: the record is damaged")
    );
    clinic.close().await;
}
