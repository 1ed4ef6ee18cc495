//! "What leaves this clinic", and who may change it.

use super::{Clinic, squeezed};
use crate::clinic_page::config::SignIn;
use crate::labels::{ConsentFor, Giver, Word};
use crate::site_policy::{NodeGets, SitePolicy};
use crate::users::Roles;

const CARE: &str = "images_of=critical&images_of=review&dates=shifted&patient_characteristics=yes&free_text=yes&stick=yes\
                    &minor_age=18&unknown_age=minor&learning=off&unlisted=originals";

async fn page(clinic: &Clinic, cookie: &str, language: &str) -> String {
    let answer = clinic.get_as(cookie, &format!("/policy?lang={language}")).await;
    assert_eq!(answer.status, 200);
    squeezed(&answer.body)
}

/// A clinic with a manager, their id and their cookie.
async fn open() -> (Clinic, String, String) {
    let clinic = Clinic::open_with(SignIn::Pin).await;
    let everything = Roles {
        doctor: true,
        technician: true,
        manager: true,
    };
    let id = clinic.sources.users.add("Zhao", everything, "4711").unwrap();
    let cookie = clinic.signed_in(&id, "4711").await;
    (clinic, id, cookie)
}

fn fields(clinic: &Clinic, more: &str) -> String {
    format!(
        "before={}&{CARE}&{more}",
        clinic.sources.policy.handle.fingerprint()
    )
}

/// What a confirmation page sends when its button is pressed.
fn hidden(html: &str) -> String {
    let value = |part: &str, name: &str| {
        part.split(&format!("{name}=\""))
            .nth(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned())
    };
    let pairs = html.split("<input type=\"hidden\"").skip(1).filter_map(|part| {
        let (name, value) = (value(part, " name")?, value(part, " value")?);
        Some(format!("{name}={}", value.replace(' ', "+")))
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reads_in_plain_words_what_leaves() {
    let (clinic, _, cookie) = open().await;
    let english = page(&clinic, &cookie, "en").await;
    for text in [
        "No policy has been chosen yet",
        "7 studies, 41 images",
        "Nothing is learnt from this clinic",
        "Nobody is given images for research",
        "The hub cannot change it",
    ] {
        assert!(english.contains(text), "{text}: {english}");
    }
    assert!(
        page(&clinic, &cookie, "zh")
            .await
            .contains("哪些内容会离开本诊所")
    );
    let doctor = Roles {
        doctor: true,
        technician: false,
        manager: false,
    };
    let id = clinic.sources.users.add("Li", doctor, "4812").unwrap();
    let reader = clinic.signed_in(&id, "4812").await;
    let read = page(&clinic, &reader, "en").await;
    assert!(
        read.contains("Results, to the hub") && !read.contains("<form method=\"post\" action=\"/policy\"")
    );
    let refused = clinic
        .post_as(&reader, "/policy", &fields(&clinic, "pin=4812"))
        .await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        clinic.get("/policy").await.status,
        303,
        "nobody without a sign-in"
    );
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_tightens_with_a_pin_and_loosens_only_when_asked_twice() {
    let (clinic, id, cookie) = open().await;
    let handle = clinic.sources.policy.handle.clone();
    let close = fields(&clinic, "node:pacs=nothing&pin=4711").replace("&free_text=yes", "");
    let wrong = clinic
        .post_as(&cookie, "/policy", &close.replace("4711", "4712"))
        .await;
    assert_eq!((wrong.status, &*handle.get()), (422, &SitePolicy::care_only()));
    let done = clinic.post_as(&cookie, "/policy", &close).await;
    assert_eq!(done.status, 303, "{}", done.body);
    assert!(!handle.get().hub.free_text);
    assert_eq!(handle.get().nodes.of("pacs"), NodeGets::Nothing);
    // The page was looked at before.
    assert_eq!(clinic.post_as(&cookie, "/policy", &close).await.status, 422);

    let tightened = handle.fingerprint();
    let open = fields(
        &clinic,
        "node:pacs=originals&pin=4711&r_name=university&r_purpose=Lungs&r_dates=removed&r_names=recipient&r_until=2030-12-31",
    );
    let asked = clinic.post_as(&cookie, "/policy?lang=en", &open).await;
    assert_eq!((asked.status, handle.fingerprint()), (409, tightened.clone()));
    let html = squeezed(&asked.body);
    for text in [
        "Messages to experts: no → yes",
        "Node pacs: nothing → images with names, and results",
        "Research recipient university: no → yes",
        "lets more out",
    ] {
        assert!(html.contains(text), "{text}: {html}");
    }
    assert!(!html.contains("4711"), "the PIN is asked for again");
    let again = hidden(&asked.body);
    let wrong = clinic
        .post_as(&cookie, "/policy", &format!("{again}&pin=1111"))
        .await;
    assert_eq!((wrong.status, handle.fingerprint()), (409, tightened));
    let done = clinic
        .post_as(&cookie, "/policy", &format!("{again}&pin=4711"))
        .await;
    assert_eq!(done.status, 303, "{}", done.body);
    assert!(handle.get().recipient("university").is_some());
    assert!(
        page(&clinic, &cookie, "en")
            .await
            .contains("Exports so far: 1, with 5 images")
    );

    let acts = [crate::audit::Action::PolicyChanged];
    assert_eq!(
        clinic.sources.audit.last_subject(&acts),
        Some(handle.fingerprint())
    );
    let told = clinic.sources.audit.last_details(&acts).unwrap();
    assert!(told.contains("hub.free_text: false -> true (loosens)"), "{told}");
    assert!(!told.contains("Zhao") && !id.is_empty());
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_signs_in_a_managers_pin_is_asked_for_all_the_same() {
    let clinic = Clinic::open().await;
    let all = squeezed(&clinic.get("/policy?lang=en").await.body);
    assert!(all.contains("There is no manager yet"));
    let close = fields(&clinic, "pin=4711").replace("&stick=yes", "");
    assert_eq!(clinic.post("/policy", &[], &close).await.status, 422);
    let manager = Roles {
        doctor: false,
        technician: false,
        manager: true,
    };
    let doctor = Roles {
        doctor: true,
        technician: false,
        manager: false,
    };
    let id = clinic.sources.users.add("Zhao", manager, "4711").unwrap();
    let other = clinic.sources.users.add("Li", doctor, "4812").unwrap();
    for (user, pin, status) in [(&other, "4812", 422), (&id, "4812", 422), (&id, "4711", 303)] {
        let close = fields(&clinic, &format!("user={user}&pin={pin}")).replace("&stick=yes", "");
        assert_eq!(clinic.post("/policy", &[], &close).await.status, status);
    }
    assert!(!clinic.sources.policy.handle.get().hub.stick);
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_is_refused_with_its_reason() {
    let (clinic, _, cookie) = open().await;
    for (bad, expected) in [
        (
            "r_name=A+B&r_purpose=x&r_dates=removed&r_names=export&r_until=2030-12-31",
            "a-z",
        ),
        ("node:pacs=everything", "everything"),
    ] {
        let answer = clinic
            .post_as(
                &cookie,
                "/policy?lang=en",
                &fields(&clinic, &format!("pin=4711&{bad}")),
            )
            .await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains(expected), "{}", answer.body);
    }
    assert_eq!(*clinic.sources.policy.handle.get(), SitePolicy::care_only());
    clinic.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_on_one_study_shows_on_the_patients_others() {
    let clinic = Clinic::open().await;
    let mut policy = SitePolicy::care_only();
    policy
        .research
        .push(toml::from_str("name = \"a\"\npurpose = \"b\"\nuntil = \"2030-01-01\"").unwrap());
    clinic
        .sources
        .policy
        .handle
        .change("none", policy)
        .unwrap()
        .unwrap();
    let born = |case: &mut crate::case_index::CaseView| case.patient.birth_date = "19700315".into();
    let (first, second) = (clinic.put("1.2.3", born), clinic.put("1.2.4", born));
    let no = Word {
        allowed: false,
        giver: Giver::Patient,
        at_ms: 5,
    };
    clinic
        .sources
        .cases
        .update(&first, |case| case.labels.set_word(ConsentFor::Research, no));
    let html = squeezed(&clinic.get(&format!("/case/{second}?lang=en")).await.body);
    assert!(
        html.contains("does not want this study to be given to research"),
        "{html}"
    );
    clinic.close().await;
}
