//! "What leaves this clinic" in a real browser: a manager changes it with a PIN, is asked twice where more leaves, and nobody
//! else does.

use std::fs;

use barefoot_test_support::daemons::{Edge, EdgeOptions, Region};
use serde_json::{Value, json};

use crate::attack_suite::clinic::{Clinic, PIN};
use crate::peers::text;
use crate::person_at_browser::Browser;

const MANAGER: &str = "Zhao";
const DOCTOR: &str = "Li";
const NODE: &str = "[[deliver]]\nname = \"county-pacs\"\nae_title = \"COUNTY\"\nhost = \"127.0.0.1\"\nport = 1\n\
                    what = [\"originals\"]\n";

fn audit(edge: &Edge, folder: &std::path::Path) -> String {
    let file = folder.join("audit.jsonl");
    let asked = edge
        .ask(&["audit", "export", &file.display().to_string()])
        .unwrap();
    assert!(asked.status.success(), "{}", text(&asked));
    fs::read_to_string(file).unwrap()
}

fn says(page: &Value, wanted: &[&str]) {
    let found = page["text"].as_str().unwrap();
    for wanted in wanted {
        assert!(found.contains(wanted), "no \"{wanted}\": {page:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_changes_what_leaves_and_is_asked_twice_where_more_does() {
    let clinic = Clinic::open(NODE).await;
    clinic.add(MANAGER, &["manager"]);
    clinic.add(DOCTOR, &["doctor"]);
    let address = format!("http://{}", clinic.page());
    let mut browser = Browser::open();
    let mut act = |act: &str, person: &str, more: Value| {
        let mut what = json!({ "clinic": address, "person": person });
        what.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        browser.act(act, what)
    };
    let page = |language: &str, name: &str| json!({ "language": language, "name": name });

    // A doctor reads it and has no form.
    act("staffSignIn", DOCTOR, json!({ "pin": PIN }));
    let read = act("policyPage", DOCTOR, page("en", "policy-doctor"));
    assert_eq!(read["hasForm"], false, "{read:#}");
    says(
        &read,
        &["What leaves this clinic", "Results, to the hub", "county-pacs"],
    );

    act("staffSignIn", MANAGER, json!({ "pin": PIN }));
    let before = act("policyPage", MANAGER, page("en", "policy-manager"));
    assert_eq!(before["hasForm"], true, "{before:#}");
    says(&before, &["leaves as it is written"]);
    // Without the right PIN nothing changes, and what was chosen is still chosen.
    let tighter = |pin: &str, name: &str| {
        json!({
            "boxes": { "free_text": false }, "fields": { "node:county-pacs": "nothing" }, "pin": pin, "name": name,
        })
    };
    let wrong = act("changePolicy", MANAGER, tighter("000000", "policy-wrong-pin"));
    assert_eq!(
        (wrong["status"].as_u64(), &wrong["done"]),
        (Some(422), &json!(false)),
        "{wrong:#}"
    );
    assert!(!wrong["problem"].as_str().unwrap().is_empty());
    assert_eq!(
        (&before["freeText"], &wrong["freeText"]),
        (&json!(true), &json!(false))
    );
    let same = act("policyPage", MANAGER, page("en", "policy-unchanged"));
    assert_eq!(same["text"], before["text"]);

    let done = act("changePolicy", MANAGER, tighter(PIN, "policy-tightened"));
    assert_eq!(
        (done["status"].as_u64(), &done["done"]),
        (Some(200), &json!(true)),
        "{done:#}"
    );
    let tightened = act("policyPage", DOCTOR, page("en", "policy-tightened-doctor"));
    says(&tightened, &["county-pacs"]);
    assert_ne!(tightened["text"], read["text"]);

    // More leaves: it is said what, and asked again with the PIN. Going back leaves it as it was.
    let looser = json!({
        "boxes": { "free_text": true },
        "fields": {
            "node:county-pacs": "originals", "learning": "opt_in", "hours_from": "22", "hours_to": "6",
            "r_name": "university", "r_purpose": "Study of lungs", "r_until": "2099-12-31",
        },
        "pin": PIN, "name": "policy-asked-again",
    });
    act("policyPage", MANAGER, page("en", "policy-before-looser"));
    let asked = act("changePolicy", MANAGER, looser.clone());
    assert_eq!(
        (asked["status"].as_u64(), &asked["asksAgain"], &asked["done"]),
        (Some(409), &json!(true), &json!(false)),
        "{asked:#}"
    );
    says(
        &asked,
        &[
            "Messages to experts: no → yes",
            "Node county-pacs: nothing → images with names, and results",
            "Research recipient university: no → yes",
            "lets more out",
        ],
    );
    let left = act("policyPage", DOCTOR, page("en", "policy-not-loosened"));
    assert_eq!(left["text"], tightened["text"], "asked, not done");
    act("policyPage", MANAGER, page("en", "policy-once-more"));
    act("changePolicy", MANAGER, looser);
    let wrong = act(
        "confirmPolicy",
        MANAGER,
        json!({ "pin": "000000", "name": "policy-confirm-wrong" }),
    );
    assert_eq!(
        (wrong["status"].as_u64(), &wrong["asksAgain"]),
        (Some(409), &json!(true)),
        "{wrong:#}"
    );
    let done = act(
        "confirmPolicy",
        MANAGER,
        json!({ "pin": PIN, "name": "policy-loosened" }),
    );
    assert_eq!(
        (done["status"].as_u64(), &done["done"]),
        (Some(200), &json!(true)),
        "{done:#}"
    );
    let now = act("policyPage", DOCTOR, page("en", "policy-loosened-doctor"));
    says(
        &now,
        &["Research: university", "Study of lungs", "22:00", "06:00"],
    );
    let chinese = act("policyPage", MANAGER, page("zh", "policy-zh"));
    says(&chinese, &["哪些内容会离开本诊所", "22:00"]);
    browser.is_content();

    let log = audit(&clinic.edge, clinic.region.folder());
    for line in [
        "hub.free_text: true -> false",
        "hub.free_text: false -> true (loosens)",
        "nodes.by_name county-pacs: nothing -> originals (loosens)",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains(PIN));
}

/// At a box where nobody signs in, everybody sees the form; it takes a manager's PIN all the same.
#[tokio::test(flavor = "multi_thread")]
async fn staff_without_a_managers_pin_change_nothing() {
    let region = Region::new().unwrap();
    let mut edge = crate::intake::lone_box(&region, EdgeOptions::default());
    edge.start().await.unwrap();
    let clinic = Clinic { edge, region };
    clinic.add(MANAGER, &["manager"]);
    clinic.add(DOCTOR, &["doctor"]);
    let address = format!("http://{}", clinic.page());
    let mut browser = Browser::open();
    let mut act = |act: &str, more: Value| {
        let mut what = json!({ "clinic": address, "person": "staff", "language": "en" });
        what.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        browser.act(act, what)
    };
    let before = act("policyPage", json!({ "name": "policy-nobody" }));
    assert_eq!(before["hasForm"], true, "{before:#}");
    let refused = act(
        "changePolicy",
        json!({
            "boxes": { "stick": false }, "manager": MANAGER, "pin": "1234", "name": "policy-nobody-refused",
        }),
    );
    assert_eq!(
        (refused["status"].as_u64(), &refused["done"]),
        (Some(422), &json!(false)),
        "{refused:#}"
    );
    let after = act("policyPage", json!({ "name": "policy-nobody-after" }));
    assert_eq!(after["text"], before["text"]);
    browser.is_content();
    let log = audit(&clinic.edge, clinic.region.folder());
    assert!(!log.contains("hub.stick"), "{log}");
}
