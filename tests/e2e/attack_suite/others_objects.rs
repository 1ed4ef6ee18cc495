//! Things of somebody else, asked for by who may have such things of their own.

use barefoot_domain::ClinicId;
use barefoot_test_support::wait::wait_for;
use barefoot_wire::topics;

use super::hall::{Hall, PASSWORD, Visitor};
use super::http::Answer;
use super::ledger::{Attack, Ledger};
use super::mqtt_line::{CONNACK, Line, PUBACK, connect, publish};
use super::other_clinics::made_up_result;
use crate::story::SOON;

const CASE: &str = "/cases/clinic-7/2.25.271828182800000001";

/// A hub with one case that waits to be read.
async fn with_a_case(hall: &Hall, reader: &Visitor) {
    let clinic = ClinicId::new("clinic-7").unwrap();
    let mut line = Line::of(hall, "clinic-7").await;
    assert_eq!(line.answer(&connect("clinic-7"), CONNACK).await, Some(0));
    let sent = publish(&topics::up_result(&clinic), 1, &made_up_result(&clinic, 1));
    assert_eq!(line.answer(&sent, PUBACK).await, Some(0));
    let listed = wait_for("the case to be on the list", SOON, async || {
        let page = reader.asks("GET", "/worklist").send(hall.page()).await.text();
        if page.contains(CASE) { Ok(()) } else { Err(page) }
    });
    listed.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebody_elses_stays_theirs() {
    let mut ledger = Ledger::default();
    let hall = Hall::open().await;
    let mut owner = hall.person("owner", &["reader"]).await;
    let mut thief = hall.person("thief", &["reader"]).await;
    with_a_case(&hall, &owner).await;
    cases(&mut ledger, &hall, &mut owner, &mut thief).await;
    workitems(&mut ledger, &hall).await;
    accounts(&mut ledger, &hall, &mut thief).await;
    ledger.settle();
}

/// Something changed: the browser is led on.
fn is_done(answer: &Answer) -> bool {
    matches!(answer.status, 200..=399)
}

async fn cases(ledger: &mut Ledger, hall: &Hall, owner: &mut Visitor, thief: &mut Visitor) {
    let at = |act: &str| format!("{CASE}/{act}");
    let written = [
        ("description", "of the owner"),
        ("impression", "healthy"),
        ("finding-pneumonia", "absent"),
    ];
    let claimed = owner.post(hall, &at("claim"), &[]).await;
    ledger.control(
        Attack::OthersObjects,
        &format!("claiming: {}", claimed.status),
        claimed.status == 303,
    );
    let kept = owner.post(hall, &at("draft"), &written).await;
    ledger.control(
        Attack::OthersObjects,
        &format!("drafting: {}", kept.status),
        kept.status == 303,
    );
    for (act, fields) in [
        ("claim", &[][..]),
        ("release", &[]),
        ("renew", &[]),
        ("draft", &[("description", "of the thief")]),
        (
            "sign",
            &[
                ("description", "x"),
                ("impression", "x"),
                ("finding-pneumonia", "present"),
                ("password", PASSWORD),
            ],
        ),
        ("second", &[]),
        ("refer", &[("why", "spite")]),
        ("addendum", &[("impression", "x"), ("password", PASSWORD)]),
        ("withdraw", &[("why", "spite")]),
        ("teaching", &[("on", "yes")]),
    ] {
        let answer = thief.post(hall, &at(act), fields).await;
        ledger.tried(
            Attack::OthersObjects,
            &format!("{act} in another's case: {}", answer.status),
            is_done(&answer),
        );
    }
    // The draft is nobody's but its writer's.
    let seen = thief.get(hall, CASE).await.text();
    ledger.tried(
        Attack::OthersObjects,
        "another's draft is read",
        seen.contains("of the owner"),
    );
    let own = owner.get(hall, CASE).await.text();
    ledger.control(
        Attack::OthersObjects,
        "one's own draft is as it was",
        own.contains("of the owner") && !own.contains("of the thief"),
    );
    // Cases and reports that are not there, or stand below another clinic.
    for path in [
        "/cases/clinic-8/2.25.271828182800000001",
        "/cases/clinic-7/2.25.271828182800000002",
        "/reports/01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "/reports/01ARZ3NDEKTSV4RRFFQ69G5FAV/file?form=signed",
        "/cases/clinic-8/2.25.271828182800000001/viewer.json",
        "/quick-look/clinic-8/2.25.271828182800000001/1",
    ] {
        let answer = thief.get(hall, path).await;
        ledger.tried(
            Attack::OthersObjects,
            &format!("{path}: {}", answer.status),
            is_done(&answer),
        );
    }
}

async fn workitems(ledger: &mut Ledger, hall: &Hall) {
    const KIND: &str = "application/dicom+json";
    let owner = Visitor::program(&hall.token("a RIS", "reader"));
    let thief = Visitor::program(&hall.token("another RIS", "reader"));
    let follow = |who: &Visitor, method: &str, rest: &str| {
        who.asks(
            method,
            &format!("/dicom-web/workitems/1.2.840.10008.5.1.4.34.5/subscribers/OWN{rest}"),
        )
    };
    let answer = follow(&owner, "POST", "").send(hall.page()).await;
    ledger.control(
        Attack::OthersObjects,
        &format!("following: {}", answer.status),
        answer.status == 201,
    );
    for (method, rest) in [("POST", ""), ("DELETE", ""), ("POST", "/suspend")] {
        let answer = follow(&thief, method, rest).send(hall.page()).await;
        let what = format!("{method} of another's subscription {rest}: {}", answer.status);
        ledger.tried(Attack::OthersObjects, &what, is_done(&answer));
    }
    let socket = thief
        .asks("GET", "/dicom-web/ws/subscribers/OWN")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = socket.send(hall.page()).await;
    ledger.tried(
        Attack::OthersObjects,
        &format!("another's events: {}", answer.status),
        answer.status == 101,
    );

    // A case is a workitem too; who claims it holds its transaction.
    let found = owner.asks("GET", "/dicom-web/workitems").send(hall.page()).await;
    let all: serde_json::Value = serde_json::from_slice(&found.body).unwrap();
    let uid = all[0]["00080018"]["Value"][0].as_str().unwrap().to_owned();
    let state = |who: &Visitor, to: &str, transaction: &str| {
        let body = format!(
            "{{\"00741000\":{{\"vr\":\"CS\",\"Value\":[\"{to}\"]}},\"00081195\":{{\"vr\":\"UI\",\"Value\":[\"{transaction}\"]}}}}"
        );
        who.asks("PUT", &format!("/dicom-web/workitems/{uid}/state"))
            .body(KIND, body)
    };
    for (to, transaction) in [
        ("COMPLETED", "2.25.666"),
        ("CANCELED", "2.25.666"),
        ("IN PROGRESS", "2.25.666"),
    ] {
        let answer = state(&thief, to, transaction).send(hall.page()).await;
        ledger.tried(
            Attack::OthersObjects,
            &format!("a person's case {to} by a program: {}", answer.status),
            is_done(&answer),
        );
    }
}

async fn accounts(ledger: &mut Ledger, hall: &Hall, thief: &mut Visitor) {
    let mut operator = hall.person("operator", &["operator"]).await;
    let page = operator.get(hall, "/people").await.text();
    let ids: Vec<&str> = page
        .split("href=\"/people/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|id| *id != "new")
        .collect();
    ledger.control(
        Attack::OthersObjects,
        &format!("accounts: {ids:?}"),
        3 <= ids.len(),
    );
    let fields = [
        ("display_name", "X"),
        ("title", ""),
        ("institution", ""),
        ("role_operator", "yes"),
        ("tier", "city"),
        ("subspecialties", ""),
        ("language", "en"),
        ("active", "yes"),
    ];
    for id in ids.iter().take(3) {
        let answer = thief.get(hall, &format!("/people/{id}")).await;
        ledger.tried(
            Attack::OthersObjects,
            &format!("an account is read: {}", answer.status),
            is_done(&answer),
        );
        for path in [format!("/people/{id}"), format!("/people/{id}/reset")] {
            let answer = thief.post(hall, &path, &fields).await;
            ledger.tried(
                Attack::OthersObjects,
                &format!("{path}: {}", answer.status),
                is_done(&answer),
            );
        }
    }
    let answer = thief.get(hall, "/people").await;
    ledger.tried(
        Attack::OthersObjects,
        &format!("accounts are listed: {}", answer.status),
        is_done(&answer),
    );
}
