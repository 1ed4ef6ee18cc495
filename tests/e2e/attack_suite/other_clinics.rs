//! A clinic with a good certificate that wants what is another's.

use barefoot_domain::{
    Assessment, Call, CaseId, ClinicId, EngineUse, FindingCode, FindingResult, ModelVersion, QualityGrade,
    QualityVerdict, Reason, Score, Urgency,
};
use barefoot_wire::images::{
    ImageSet, Instance, ObjectId, ObjectRef, decode_result_of_images, encode_image_set,
};
use barefoot_wire::{MadeBy, StudyResult, result_envelope, topics};
use prost::Message;
use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::hall::{Hall, Visitor};
use super::http::{Answer, Request, exchange};
use super::ledger::{Attack, Ledger};
use super::mqtt_line::{
    CONNACK, Line, PUBACK, SUBACK, connect, connect_with_will, identity, publish, subscribe, tls,
};

/// An envelope with a result of this clinic, one case for each number.
pub(crate) fn made_up_result(clinic: &ClinicId, number: u32) -> Vec<u8> {
    let score = Score::new(0.93).unwrap();
    let pneumonia = FindingCode::new("pneumonia").unwrap();
    let result = StudyResult {
        case: CaseId::new(format!("2.25.2718281828{number:08}")).unwrap(),
        version: 1,
        modality: "DX".into(),
        instances: 1,
        received_at_ms: 1_000,
        assessed_at_ms: 2_000,
        clock_offset_ms: None,
        made_by: MadeBy::default(),
        assessment: Assessment {
            model: Some(ModelVersion {
                id: "cxr-pneumonia".into(),
                version: "0.1.0".into(),
                demonstration: true,
            }),
            engine: Some(EngineUse {
                engine: "tract".into(),
                precision: "int8".into(),
            }),
            findings: vec![FindingResult {
                code: pneumonia.clone(),
                score,
                call: Call::Positive,
                confidence: score,
            }],
            quality: QualityVerdict {
                grade: QualityGrade::A,
                problems: vec![],
            },
            urgency: Urgency::Critical,
            reasons: vec![Reason::UrgentFinding(pneumonia)],
            regions: Vec::new(),
            others: Vec::new(),
        },
    };
    result_envelope(format!("01ARZ3NDEKTSV4RRFF{number:08}"), clinic, &result).encode_to_vec()
}

async fn results(hall: &Hall, viewer: &Visitor) -> Vec<Value> {
    let answer = viewer.asks("GET", "/api/results").send(hall.page()).await;
    let all: Value = serde_json::from_slice(&answer.body).unwrap();
    all["results"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clinic_reaches_nothing_of_another() {
    let mut ledger = Ledger::default();
    let hall = Hall::open().await;
    on_the_line(&mut ledger, &hall).await;
    among_the_images(&mut ledger, &hall).await;
    ledger.settle();
}

async fn on_the_line(ledger: &mut Ledger, hall: &Hall) {
    let viewer = Visitor::program(&hall.token("viewer", "viewer"));
    let (own, victim) = (
        ClinicId::new("clinic-7").unwrap(),
        ClinicId::new("clinic-8").unwrap(),
    );
    let mut victims = Line::of(hall, "clinic-8").await;
    assert_eq!(victims.answer(&connect("clinic-8"), CONNACK).await, Some(0));
    let heard = victims
        .answer(&subscribe(&topics::down_filter(&victim), 1), SUBACK)
        .await;
    ledger.control(Attack::OtherClinics, "its own filter", heard == Some(1));
    let stored = victims
        .answer(
            &publish(&topics::up_result(&victim), 2, &made_up_result(&victim, 1)),
            PUBACK,
        )
        .await;
    ledger.control(Attack::OtherClinics, "its own result", stored == Some(0));

    let mut line = Line::of(hall, "clinic-7").await;
    assert_eq!(line.answer(&connect("clinic-7"), CONNACK).await, Some(0));
    for (number, topic) in [
        topics::up_result(&victim),
        topics::up_batch(&victim),
        topics::up_presence(&victim),
        topics::up_receipt(&victim),
        topics::down_hello(&victim),
        topics::down_receipts(&victim),
        topics::down_receipt(&victim),
        topics::down_correction(&victim),
        topics::down_case(&victim),
        topics::down_case(&own),
        topics::down_correction(&own),
        topics::region_alarm(),
        topics::up_result(&victim).to_uppercase(),
        format!("{}/", topics::up_result(&victim)),
        format!("/{}", topics::up_result(&victim)),
        "barefoot/v1/clinic-7/../clinic-8/up/result".to_owned(),
        "$SYS/broker".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let id = u16::try_from(number + 10).unwrap();
        for payload in [made_up_result(&victim, 100), made_up_result(&own, 101)] {
            let done = line.answer(&publish(&topic, id, &payload), PUBACK).await;
            ledger.tried(
                Attack::OtherClinics,
                &format!("says on {topic}: {done:?}"),
                done == Some(0),
            );
            if done.is_none() {
                line = Line::of(hall, "clinic-7").await;
                assert_eq!(line.answer(&connect("clinic-7"), CONNACK).await, Some(0));
            }
        }
    }
    for (number, filter) in [
        topics::down_filter(&victim),
        topics::down_case(&victim),
        topics::down_correction(&victim),
        topics::up_filter_of_all(),
        "#".to_owned(),
        "+/#".to_owned(),
        "barefoot/#".to_owned(),
        "barefoot/v1/+/down/#".to_owned(),
        "barefoot/v1/clinic-8/#".to_owned(),
        "barefoot/v1/+/+/case".to_owned(),
        format!("$share/g/{}", topics::down_filter(&victim)),
        format!("$share/g/{}", topics::down_filter(&own)),
        "$SYS/#".to_owned(),
        topics::region_alarm(),
    ]
    .into_iter()
    .enumerate()
    {
        let mut line = Line::of(hall, "clinic-7").await;
        assert_eq!(line.answer(&connect("clinic-7"), CONNACK).await, Some(0));
        let done = line
            .answer(&subscribe(&filter, u16::try_from(number + 100).unwrap()), SUBACK)
            .await;
        ledger.tried(
            Attack::OtherClinics,
            &format!("listens to {filter}: {done:?}"),
            done.is_some_and(|code| code < 0x80),
        );
    }
    for topic in [
        topics::up_result(&victim),
        topics::up_presence(&victim),
        topics::down_case(&victim),
        "elsewhere".to_owned(),
    ] {
        let done = Line::of(hall, "clinic-7")
            .await
            .answer(&connect_with_will("x", &topic), CONNACK)
            .await;
        ledger.tried(
            Attack::OtherClinics,
            &format!("a will on {topic}: {done:?}"),
            done == Some(0),
        );
    }
    // On its own topic, in the other's name.
    let mut line = Line::of(hall, "clinic-7").await;
    assert_eq!(line.answer(&connect("clinic-7"), CONNACK).await, Some(0));
    line.answer(
        &publish(&topics::up_result(&own), 200, &made_up_result(&victim, 200)),
        PUBACK,
    )
    .await;
    let all = results(hall, &viewer).await;
    ledger.tried(
        Attack::OtherClinics,
        &format!("a result in another's name: {all:?}"),
        all.len() != 1,
    );
    // Under the other's name of a session.
    let mut stolen = Line::of(hall, "clinic-7").await;
    stolen.answer(&connect("clinic-8"), CONNACK).await;
    let stored = victims
        .answer(
            &publish(&topics::up_result(&victim), 3, &made_up_result(&victim, 2)),
            PUBACK,
        )
        .await;
    ledger.tried(
        Attack::OtherClinics,
        "another's session is taken over by its name",
        stored != Some(0),
    );
    let all = results(hall, &viewer).await;
    let is_own = all.iter().all(|result| result["clinic"] == "clinic-8");
    ledger.control(
        Attack::OtherClinics,
        &format!("only the victim's own results are there: {all:?}"),
        all.len() == 2 && is_own,
    );
}

async fn call(hall: &Hall, clinic: &str, request: &Request) -> Answer {
    let stream = tls(&identity(hall, clinic), hall.hub.address("images").unwrap())
        .await
        .unwrap();
    exchange(stream, &request.bytes("hub")).await
}

async fn among_the_images(ledger: &mut Ledger, hall: &Hall) {
    let bytes = b"what only clinic-8 has".to_vec();
    let id = ObjectId(digest(&SHA256, &bytes).as_ref().try_into().unwrap());
    let range = format!("bytes 0-{}/{}", bytes.len() - 1, bytes.len());
    let object = format!("/v1/objects/{id}");
    let put = Request::new("PUT", &object)
        .header("content-range", &range)
        .body("x", bytes.clone());
    let answer = call(hall, "clinic-8", &put).await;
    ledger.control(
        Attack::OtherClinics,
        &format!("its own object: {}", answer.status),
        answer.status == 201,
    );
    let offset = |answer: &Answer| {
        answer
            .header("upload-offset")
            .and_then(|text| text.parse::<usize>().ok())
    };
    let head = Request::new("HEAD", &object);
    let answer = call(hall, "clinic-8", &head).await;
    ledger.control(
        Attack::OtherClinics,
        "its own object is known",
        answer.status == 200 || offset(&answer) == Some(bytes.len()),
    );
    let answer = call(hall, "clinic-7", &head).await;
    let is_known = answer.status == 200 || offset(&answer) != Some(0);
    ledger.tried(
        Attack::OtherClinics,
        &format!("whether another has an object: {}", answer.status),
        is_known,
    );
    for method in ["GET", "DELETE", "POST", "PATCH"] {
        let answer = call(hall, "clinic-7", &Request::new(method, &object)).await;
        ledger.tried(
            Attack::OtherClinics,
            &format!("{method} of another's object: {}", answer.status),
            (200..300).contains(&answer.status),
        );
    }
    let set = ImageSet {
        instances: vec![Instance {
            object: ObjectRef {
                id,
                bytes: bytes.len() as u64,
            },
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.1.1".into(),
            sop_instance_uid: "2.25.1".into(),
            transfer_syntax_uid: "1.2.840.10008.1.2.1".into(),
        }],
        withheld: Vec::new(),
    };
    let commit = Request::new("PUT", "/v1/cases/2.25.1/1").body("x", encode_image_set(&set));
    let answer = call(hall, "clinic-7", &commit).await;
    let said = decode_result_of_images(&answer.body).unwrap_or_default();
    ledger.tried(
        Attack::OtherClinics,
        &format!("a case of another's object: {}", answer.status),
        said.missing.len() != 1,
    );
    // The place of the other's files, asked for by name.
    for path in [
        "/v1/clinic-8/objects/x",
        &format!("/v1/objects/../../clinic-8/objects/{id}"),
        &format!("/v1/objects/clinic-8%2f{id}"),
    ] {
        let answer = call(hall, "clinic-7", &Request::new("HEAD", path)).await;
        ledger.tried(
            Attack::OtherClinics,
            &format!("{path}: {}", answer.status),
            (200..300).contains(&answer.status),
        );
    }
}
