//! What is done on the page stands in the audit log, once each, without a name.

use serde_json::Value;

use super::Clinic;
use crate::clinic_page::config::SignIn;
use crate::users::Roles;

impl Clinic {
    /// Who, what, to whom, and whether it was of a case.
    fn acts(&self) -> Vec<(String, String, String, bool)> {
        let text = self.log();
        let entries = text.lines().map(|line| {
            let line: Value = serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
            let word = |key: &str| line["entry"][key].as_str().unwrap_or_default().to_owned();
            let actor = match word("actor") {
                id if id.is_empty() => word("actor_kind"),
                id => id,
            };
            (actor, word("action"), word("subject"), !word("case").is_empty())
        });
        entries.collect()
    }

    fn log(&self) -> String {
        let path = self.directory.path().join("audit/000000000001.log");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_act_on_the_page_leaves_one_entry_and_no_name() {
    let clinic = Clinic::open_with(SignIn::Pin).await;
    let everything = Roles {
        doctor: true,
        technician: true,
        manager: true,
    };
    let user = clinic.sources.users.add("Wang", everything, "4711").unwrap();
    let key = clinic.put("1.2.3", |_| {});

    for wrong in [format!("user={user}&pin=1111"), "user=Wang&pin=4711".to_owned()] {
        assert_eq!(clinic.post("/sign-in", &[], &wrong).await.status, 422);
    }
    let cookie = clinic.signed_in(&user, "4711").await;
    for _ in 0..3 {
        clinic.get_as(&cookie, "/").await;
        clinic.get_as(&cookie, "/cases/fragment").await;
        clinic.get_as(&cookie, &format!("/case/{key}")).await;
        clinic.get_as(&cookie, &format!("/case/{key}/fragment")).await;
    }
    let nowhere = format!("/case/{}", "0".repeat(32));
    assert_eq!(clinic.get_as(&cookie, &nowhere).await.status, 404);
    clinic.post_as(&cookie, "/search", "what=%E7%8E%8B").await;
    let said = "version=1&finding=pneumonia&present=yes";
    clinic
        .post_as(&cookie, &format!("/case/{key}/finding"), said)
        .await;
    let added = "name=Zhao&pin=2580&again=2580&technician=on";
    assert_eq!(clinic.post_as(&cookie, "/people/add", added).await.status, 303);
    let other = clinic.sources.users.id_of("Zhao").unwrap();
    clinic.post_as(&cookie, "/sign-out", "").await;

    let weak = clinic.signed_in(&other, "2580").await;
    assert_eq!(clinic.get_as(&weak, "/people").await.status, 403);
    clinic.shutdown.cancel();

    let own = |what: &str, subject: &str, of_case: bool| {
        (user.clone(), what.to_owned(), subject.to_owned(), of_case)
    };
    let wanted = [
        (
            "nobody".to_owned(),
            "sign_in_failed".to_owned(),
            user.clone(),
            false,
        ),
        (
            "nobody".to_owned(),
            "sign_in_failed".to_owned(),
            String::new(),
            false,
        ),
        own("sign_in", &user, false),
        own("list_cases", "", false),
        own("view_case", "", true),
        own("search", "", false),
        own("say_finding", "", true),
        own("account_added", &other, false),
        own("sign_out", "", false),
        (other.clone(), "sign_in".to_owned(), other.clone(), false),
        (other.clone(), "denied".to_owned(), String::new(), false),
    ];
    let acts = clinic.acts();
    assert_eq!(acts, wanted, "{acts:#?}");
    let log = clinic.log();
    for name in ["Wang", "Zhao", "王", "1.2.3\"", "4711"] {
        assert!(!log.contains(name), "{name} stands in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_keeps_nobody_from_a_case() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |_| {});
    let part = clinic.directory.path().join("audit/000000000001.log");
    std::fs::create_dir(&part).unwrap();
    assert_eq!(clinic.get(&format!("/case/{key}")).await.status, 200);
    std::fs::remove_dir(&part).unwrap();
    clinic.get("/").await;
    let acts = clinic.acts();
    let words: Vec<&str> = acts.iter().map(|(_, action, ..)| action.as_str()).collect();
    assert_eq!(words, ["entries_lost", "list_cases"]);
    clinic.close().await;
}
