//! What whoever sets a box up finds on the page: the scanner's card and the box's own test.

use super::*;
use crate::self_test::{Outcome, Report, Step};

pub(super) fn tested() -> Report {
    let mut report = Report {
        at_ms: 1_790_000_000_000,
        picture: Some(b"a picture".to_vec()),
        ..Report::default()
    };
    report.say(Step::Door, Outcome::Passed, "127.0.0.1:11112");
    report.say(Step::Model, Outcome::Failed, "<b>");
    report.say(Step::Hub, Outcome::Left, "");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scanners_card_says_what_is_typed_in_and_nothing_of_a_patient() {
    let clinic = Clinic::open().await;
    clinic.put("1.2.3", |_| {});
    for (language, word) in [("zh", "检查设备设置"), ("en", "Scanner settings")] {
        let page = clinic.get(&format!("/scanner-card?lang={language}")).await;
        assert_eq!(page.status, 200);
        for wanted in [word, "BAREFOOT", "192.168.1.7", "11112", "2762"] {
            assert!(page.body.contains(wanted), "{wanted}: {}", page.body);
        }
        assert!(!page.body.contains("王小东"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_of_each_step_how_it_went_and_what_to_do() {
    let clinic = Clinic::open().await;
    let before = clinic.get("/self-test?lang=en").await;
    assert!(
        before.status == 200 && !before.body.contains("Result"),
        "{}",
        before.body
    );
    assert_eq!(clinic.get("/self-test/picture.jpg").await.status, 404);
    let after = clinic.post("/self-test?lang=en", &[], "").await;
    assert_eq!(after.status, 200);
    for wanted in [
        "127.0.0.1:11112",
        "TEST: nobody",
        "check the line to the hub",
        "Something did not work",
    ] {
        assert!(after.body.contains(wanted), "{wanted}: {}", after.body);
    }
    assert!(!after.body.contains("<code><b>"), "a detail is text, never a tag");
    assert_eq!(clinic.get("/self-test/picture.jpg").await.body, "a picture");
    let json = clinic.post("/api/self-test", &[], "").await.body;
    assert!(
        json.contains(r#"{"step":"model","outcome":"failed","detail":"<b>"}"#),
        "{json}"
    );
}
