//! The hub's own list as workitems: programs and people at the same cases.

use barefoot_domain::{
    Assessment, Call, FindingCode, FindingResult, QualityGrade, QualityVerdict, Score, Tier, Urgency,
};
use barefoot_wire::{MadeBy, StudyResult};
use serde_json::json;
use tokio::net::TcpListener;

use super::fixture::pseudonym;
use super::working::{ALL, listen, next, to};
use super::*;
use crate::archive::{Arrival, AuditFilter, By as Doer, CaseKey, Detected, DetectedBy};
use crate::worklist::ReaderView;
use crate::worklist::life::{Event, State};

impl House {
    /// A result that a person must read comes onto the list.
    async fn arrive(&self, study: &str, urgency: Urgency) -> CaseKey {
        let key = CaseKey {
            clinic: ClinicId::new("clinic-1").unwrap(),
            case: CaseId::new(study).unwrap(),
        };
        let now = now_ms();
        let arrival = Arrival {
            clinic: key.clinic.clone(),
            envelope_id: ulid::Ulid::generate().to_string(),
            sequence: 1,
            sent_at_ms: now,
            clock_offset_ms: None,
            detected: Detected {
                at_ms: now,
                by: DetectedBy::Sending,
            },
            result: StudyResult {
                case: key.case.clone(),
                version: 1,
                modality: "DX".into(),
                instances: 1,
                received_at_ms: now,
                assessed_at_ms: now,
                clock_offset_ms: None,
                made_by: MadeBy::default(),
                assessment: Assessment {
                    model: None,
                    engine: None,
                    findings: vec![FindingResult {
                        code: FindingCode::new("pneumonia").unwrap(),
                        score: Score::new(0.7).unwrap(),
                        call: Call::Positive,
                        confidence: Score::new(0.7).unwrap(),
                    }],
                    quality: QualityVerdict {
                        grade: QualityGrade::A,
                        problems: vec![],
                    },
                    urgency,
                    reasons: vec![],
                    regions: Vec::new(),
                    others: Vec::new(),
                },
            },
        };
        self.archive.commit(&[arrival], 0, now).await.unwrap();
        self.archive.triage(&self.rules(), now, 100).await.unwrap();
        key
    }

    fn rules(&self) -> rules::Rules {
        rules::Worklist::default().rules().unwrap()
    }

    async fn uid(&self, study: &str) -> String {
        let found = self.search(&format!("/workitems?StudyInstanceUID={study}")).await;
        assert_eq!(found.len(), 1);
        value(&found[0], "00080018").as_str().unwrap().to_owned()
    }

    async fn change_as(&self, token: &str, uid: &str, state: &str, transaction: &str) -> Answer {
        let path = format!("/workitems/{uid}/state");
        self.send(token, Method::PUT, &path, &to(state, transaction))
            .await
    }

    async fn life(&self, key: &CaseKey) -> crate::worklist::life::Life {
        self.archive.case(key).await.unwrap().unwrap().life
    }

    async fn do_event(&self, key: &CaseKey, event: Event) {
        let by = Doer::person("dr-li", "tested");
        let acted = self.archive.act(key, &event, by, &self.rules(), now_ms()).await;
        acted.unwrap();
        self.changes.announce();
    }
}

fn person() -> ReaderView {
    ReaderView {
        person: "dr-li".into(),
        name: "Li".into(),
        tier: Tier::County,
        chief: true,
        subspecialties: vec![],
    }
}

#[tokio::test]
async fn what_waits_to_be_read_is_scheduled_without_anybodys_name() {
    let house = House::new().await;
    let image = Image::default();
    let study = image.study_uid();
    house.arrive(&study, Urgency::Critical).await;
    let uid = house.uid(&study).await;
    assert!(uid.starts_with("2.25."));
    let before = house.get(&format!("/workitems/{uid}"), "*/*").await.json();
    assert_eq!(value(&before[0], "00404041"), "INCOMPLETE");
    assert_eq!(before[0]["00100020"], json!({ "vr": "LO" }));

    house.commit("clinic-1", 1, &[image]).await;
    let found = house
        .search(
            "/workitems?ProcedureStepState=SCHEDULED&WorklistLabel=county&ScheduledProcedureStepPriority=HIGH",
        )
        .await;
    let shown = &found[0];
    assert_eq!(value(shown, "00080018"), uid.as_str());
    assert_eq!(value(shown, "00741204"), "Read DX");
    assert_eq!(value(shown, "00404041"), "READY");
    assert_eq!(
        value(value(shown, "00404021"), "0020000D"),
        study.as_str(),
        "{shown}"
    );
    assert_eq!(value(shown, "00100020"), pseudonym(1).as_str());
    assert!(value(shown, "00404005").as_str() < value(shown, "00404011").as_str());
    assert!(!shown.to_string().contains("Zhang"));
    // A client's workitem cannot take its place.
    let taken = json!({
        "00741200": { "vr": "CS", "Value": ["LOW"] },
        "00741204": { "vr": "LO", "Value": ["Mine"] },
        "00404005": { "vr": "DT", "Value": ["20260105080000"] },
        "00404041": { "vr": "CS", "Value": ["READY"] },
    });
    let taken = house
        .send("all", Method::POST, &format!("/workitems?{uid}"), &taken)
        .await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn of_two_programs_that_claim_at_once_one_has_the_case() {
    let house = House::new().await;
    let key = house.arrive("2.25.900", Urgency::Review).await;
    let uid = house.uid("2.25.900").await;
    let (one, two) = tokio::join!(
        house.change_as("all", &uid, "IN PROGRESS", "1.2.1"),
        house.change_as("all-2", &uid, "IN PROGRESS", "1.2.2"),
    );
    let mut told = [one.status, two.status];
    told.sort();
    assert_eq!(told, [StatusCode::OK, StatusCode::CONFLICT]);
    let (winner, loser, won, lost) = if one.status == StatusCode::OK {
        ("all", "all-2", "1.2.1", "1.2.2")
    } else {
        ("all-2", "all", "1.2.2", "1.2.1")
    };
    let refused = if one.status == StatusCode::OK { &two } else { &one };
    assert!(refused.header("warning").starts_with("299 "));
    let life = house.life(&key).await;
    assert!(life.state == State::Claimed && life.is_held_by(winner));
    assert_eq!(house.state(&uid).await, "IN PROGRESS");

    // Neither the loser's lock nor the winner's in the loser's hands opens anything.
    let path = |transaction: &str| format!("/workitems/{uid}?{transaction}");
    let half =
        json!({ "00741002": { "vr": "SQ", "Value": [{ "00741004": { "vr": "DS", "Value": [50] } }] } });
    for transaction in [won, lost] {
        let update = house.send(loser, Method::POST, &path(transaction), &half).await;
        assert_eq!(update.status, StatusCode::BAD_REQUEST);
        let cancel = house.change_as(loser, &uid, "CANCELED", transaction).await;
        assert_eq!(cancel.status, StatusCode::BAD_REQUEST);
    }
    let update = house.send(winner, Method::POST, &path(won), &half).await;
    assert_eq!(update.status, StatusCode::OK);
    let shown = house.get(&format!("/workitems/{uid}"), "*/*").await.json();
    assert_eq!(value(value(&shown[0], "00741002"), "00741004"), 50);
    assert!(shown[0].get("00081195").is_none(), "the lock is told to nobody");
    let other = json!({ "00741200": { "vr": "CS", "Value": ["LOW"] } });
    let other = house.send(winner, Method::POST, &path(won), &other).await;
    assert_eq!(
        other.status,
        StatusCode::BAD_REQUEST,
        "the list sets its priority"
    );

    // Only a person's signature completes it.
    let completed = house.change_as(winner, &uid, "COMPLETED", won).await;
    assert_eq!(completed.status, StatusCode::CONFLICT);
    let why = String::from_utf8(completed.body.clone()).unwrap();
    assert!(why.contains("signs") && completed.header("warning").starts_with("299 "));
    // Given back, it is on the list again and the old lock is worth nothing.
    let given_back = house.change_as(winner, &uid, "CANCELED", won).await;
    assert_eq!(given_back.status, StatusCode::OK);
    assert_eq!(house.state(&uid).await, "SCHEDULED");
    assert_eq!(house.life(&key).await.state, State::Waiting);
    let late = house.change_as(winner, &uid, "CANCELED", won).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    let entries = house.archive.audit_entries(&AuditFilter::default(), 10).await;
    let entries: Vec<_> = entries
        .unwrap()
        .into_iter()
        .map(|one| (one.entry.actor_kind, one.entry.actor, one.entry.action))
        .collect();
    let line = |action: &str| ("program".to_owned(), winner.to_owned(), action.to_owned());
    assert_eq!(entries, [line("release"), line("claim")]);
}

#[tokio::test]
async fn a_person_at_a_case_is_left_to_it() {
    let house = House::new().await;
    let key = house.arrive("2.25.901", Urgency::Review).await;
    let uid = house.uid("2.25.901").await;
    // Nobody has it: a program does not take it off the list.
    let cancel = format!("/workitems/{uid}/cancelrequest");
    let refused = house.send("all", Method::POST, &cancel, &Value::Null).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(house.life(&key).await.state, State::Waiting);

    house.worklist.claim(&key, &person()).await.unwrap();
    assert_eq!(house.state(&uid).await, "IN PROGRESS");
    let claimed = house.change_as("all", &uid, "IN PROGRESS", "1.2.3").await;
    assert_eq!(claimed.status, StatusCode::CONFLICT);
    for (method, path, body, expected) in [
        (Method::POST, cancel.clone(), Value::Null, StatusCode::CONFLICT),
        (
            Method::POST,
            format!("/workitems/{uid}?1.2.3"),
            json!({}),
            StatusCode::BAD_REQUEST,
        ),
        (
            Method::PUT,
            format!("/workitems/{uid}/state"),
            to("CANCELED", "1.2.3"),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let answer = house.send("all", method, &path, &body).await;
        assert_eq!(answer.status, expected, "{path}");
    }
    assert!(house.life(&key).await.is_held_by("dr-li"));
    let sign = Event::Sign {
        by: "dr-li".into(),
        agrees: None,
    };
    house.do_event(&key, sign).await;
    assert_eq!(house.state(&uid).await, "COMPLETED");
    let done = house.search("/workitems?ProcedureStepState=COMPLETED").await;
    assert_eq!(value(&done[0], "00080018"), uid.as_str());
    assert!(done[0]["00404011"].is_null(), "nothing is due any more");

    let other = house.arrive("2.25.902", Urgency::Review).await;
    let uid = house.uid("2.25.902").await;
    house
        .worklist
        .withdraw(&other, &person(), "taken twice")
        .await
        .unwrap();
    assert_eq!(house.state(&uid).await, "CANCELED");
}

#[tokio::test]
async fn who_follows_the_worklist_hears_of_cases() {
    let house = House::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, house.router.clone()).into_future());
    let path = format!("/workitems/{ALL}/subscribers/WATCHER");
    let begun = house.send("all", Method::POST, &path, &Value::Null).await;
    assert_eq!(begun.status, StatusCode::CREATED);
    let mut watcher = listen(address, "WATCHER", "all").await;
    let key = house.arrive("2.25.903", Urgency::Critical).await;
    // As after triage: nobody asks for the workitem.
    house.changes.announce();
    let event = next(&mut watcher).await;
    assert_eq!(value(&event, "00741000"), "SCHEDULED");
    let uid = value(&event, "00001000").as_str().unwrap().to_owned();
    house.worklist.claim(&key, &person()).await.unwrap();
    let event = next(&mut watcher).await;
    assert_eq!(
        (value(&event, "00001000"), value(&event, "00741000")),
        (&uid.clone().into(), &"IN PROGRESS".into())
    );
    house.worklist.release(&key, &person()).await.unwrap();
    assert_eq!(value(&next(&mut watcher).await, "00741000"), "SCHEDULED");
    house.change_as("all-2", &uid, "IN PROGRESS", "1.2.9").await;
    assert_eq!(value(&next(&mut watcher).await, "00741000"), "IN PROGRESS");
    // Who has it is asked.
    let cancel = format!("/workitems/{uid}/cancelrequest");
    let asked = house.send("all", Method::POST, &cancel, &Value::Null).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED);
    assert_eq!(value(&next(&mut watcher).await, "00001002"), 2);
    house.shutdown.trigger();
    server.abort();
}
