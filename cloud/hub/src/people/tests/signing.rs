use barefoot_domain::{CaseId, ClinicId, Part, Reader, Report, Tier, Urgency};
use barefoot_trust::{KeyStatement, SignedParts, Signing, verify_report};
use barefoot_wire::{decode_report, decode_signer_statement, encode_report, v1};

use super::*;
use crate::people::{Password, SignError};

pub(super) fn report(person: &str, at_ms: i64) -> Vec<u8> {
    encode_report(&Report {
        id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
        clinic: ClinicId::new("clinic-7").unwrap(),
        case: CaseId::new("2.25.1").unwrap(),
        version: 1,
        addendum_to: None,
        modality: "DX".into(),
        tier: Tier::County,
        urgency: Urgency::Review,
        statements: vec![],
        description: "双肺纹理增多。".into(),
        impression: "未见明显异常。".into(),
        advice: String::new(),
        assessment: None,
        readers: vec![Reader {
            person: person.into(),
            name: "Dr li.wei".into(),
            title: "MD".into(),
            institution: String::new(),
            part: Part::First,
            at_ms,
        }],
        language: "zh-CN".into(),
        signed_at_ms: at_ms,
    })
}

fn holds(house: &House, signed: &v1::SignedReport) -> bool {
    let report = decode_report(&signed.content).unwrap();
    let statement = decode_signer_statement(&signed.signer).unwrap();
    verify_report(
        &house.people.0.identity.authorities(),
        &SignedParts {
            content: &signed.content,
            signature: &signed.signature,
            signer: &signed.signer,
            signer_signature: &signed.signer_signature,
            certificate: &signed.certificate,
        },
        &KeyStatement {
            person: &statement.person,
            public_key: &statement.public_key,
            from_ms: statement.from_ms,
        },
        &Signing {
            person: &report.readers.last().unwrap().person,
            at_ms: report.signed_at_ms,
        },
    )
    .is_ok()
}

#[tokio::test]
async fn the_first_signature_takes_a_code_and_those_after_it_the_password() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let browser = house.signed_in(&known).await;
    let content = report(&known.id, house.now_ms());
    let password = Password::from(PASSWORD);
    let signed = house.signed(&browser).await;
    let people = &house.people;
    assert!(people.needs_code(&signed));
    let none = people.sign(&signed, &password, None, &content).await;
    assert!(matches!(none, Err(SignError::CodeNeeded)));
    let code = house.code(&known);
    let first = people
        .sign(&signed, &password, Some(&code), &content)
        .await
        .unwrap();
    assert!(holds(&house, &first));
    let replayed = people.sign(&signed, &password, Some(&code), &content).await;
    assert!(matches!(replayed, Err(SignError::Code)));

    let signed = house.signed(&browser).await;
    assert!(!people.needs_code(&signed));
    assert!(holds(
        &house,
        &people.sign(&signed, &password, None, &content).await.unwrap()
    ));
    let wrong = people
        .sign(&signed, &"wrong horse battery".into(), None, &content)
        .await;
    assert!(matches!(wrong, Err(SignError::Password)));
    house.pass(600);
    assert!(people.needs_code(&signed), "the window is over");
    let log = house.actions().await;
    assert_eq!(log.iter().filter(|action| *action == "sign_report").count(), 2);
    assert_eq!(
        log.iter().filter(|action| *action == "signature_refused").count(),
        2
    );
    // Each session has a window of its own.
    let other = house.signed_in(&known).await;
    assert!(people.needs_code(&house.signed(&other).await));
}

#[tokio::test]
async fn a_window_of_nothing_asks_for_a_code_each_time() {
    let settings = config::People {
        signing_window_s: 0,
        ..config::People::default()
    };
    let house = House::with(settings, false).await;
    let known = house.known("li.wei", "reader").await;
    let browser = house.signed_in(&known).await;
    let content = report(&known.id, house.now_ms());
    let code = house.code(&known);
    let signed = house.signed(&browser).await;
    house
        .people
        .sign(&signed, &PASSWORD.into(), Some(&code), &content)
        .await
        .unwrap();
    assert!(house.people.needs_code(&house.signed(&browser).await));
}

#[tokio::test]
async fn wrong_attempts_lock_signing_and_not_the_sign_in() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let browser = house.signed_in(&known).await;
    let signed = house.signed(&browser).await;
    let content = report(&known.id, house.now_ms());
    for _ in 0..5 {
        let wrong = house
            .people
            .sign(&signed, &"wrong horse battery".into(), Some("123456"), &content)
            .await;
        assert!(matches!(wrong, Err(SignError::Code)));
    }
    house.now.fetch_sub(29_000, Ordering::Relaxed);
    let code = house.code(&known);
    let locked = house
        .people
        .sign(&signed, &PASSWORD.into(), Some(&code), &content)
        .await;
    assert!(matches!(locked, Err(SignError::Locked { .. })));
    house.signed_in(&known).await;
    // And guesses at the sign-in do not keep a reader from signing.
    house.pass(60);
    for _ in 0..5 {
        Browser::default()
            .sign_in(&house, "li.wei", "wrong horse battery", "123456")
            .await;
    }
    let code = house.code(&known);
    house
        .people
        .sign(&signed, &PASSWORD.into(), Some(&code), &content)
        .await
        .unwrap();
}

#[tokio::test]
async fn only_readers_sign_and_only_what_names_them() {
    let house = House::new().await;
    let operator = house.known("op.one", "operator").await;
    let browser = house.signed_in(&operator).await;
    let signed = house.signed(&browser).await;
    let content = report(&operator.id, house.now_ms());
    let refused = house
        .people
        .sign(&signed, &PASSWORD.into(), Some("123456"), &content)
        .await;
    assert!(matches!(refused, Err(SignError::NotAllowed)));
    assert!(house.archive.signing_key(&operator.id).await.unwrap().is_none());

    let known = house.known("li.wei", "chief").await;
    let browser = house.signed_in(&known).await;
    let signed = house.signed(&browser).await;
    for content in [
        report(&operator.id, house.now_ms()),
        b"no report".to_vec(),
        vec![],
    ] {
        let code = house.code(&known);
        let refused = house
            .people
            .sign(&signed, &PASSWORD.into(), Some(&code), &content)
            .await;
        assert!(matches!(refused, Err(SignError::Content)));
    }
}

#[tokio::test]
async fn a_key_outlives_a_change_of_password_and_comes_with_the_role() {
    let house = House::new().await;
    let known = house.known("li.wei", "maintainer").await;
    assert!(house.archive.signing_key(&known.id).await.unwrap().is_none());
    let typed = TypedProfile {
        display_name: "Li".into(),
        roles: "reader".into(),
        tier: "county".into(),
        language: "en".into(),
        active: true,
        ..TypedProfile::default()
    };
    house
        .people
        .change_profile(Actor::Console, &known.id, &typed)
        .await
        .unwrap();
    let browser = house.signed_in(&known).await;
    let key = house.archive.signing_key(&known.id).await.unwrap().unwrap();
    let signed = house.signed(&browser).await;
    let new = Password::from("another horse entirely");
    let code = house.code(&known);
    let changed = house
        .people
        .change_password(&signed, &PASSWORD.into(), &code, (&new, &new))
        .await;
    changed.unwrap();
    let same = house.archive.signing_key(&known.id).await.unwrap().unwrap();
    assert_eq!(key.public_key, same.public_key);
    assert_ne!(key.seed, same.seed);
    let code = house.code(&known);
    let content = report(&known.id, house.now_ms());
    assert!(holds(
        &house,
        &house
            .people
            .sign(&signed, &new, Some(&code), &content)
            .await
            .unwrap()
    ));
}
