//! The JSON that tests and tools read.

use barefoot_domain::{Call, Reason, Urgency};
use serde_json::{Value, json};

use super::{Clinic, assess, finding, pneumonia, working_model};
use crate::case_index::{CaseState, Delivery};

async fn fetch(clinic: &Clinic, path: &str) -> Value {
    let answer = clinic.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("content-type: application/json"));
    assert!(answer.head.contains("cache-control: no-store"));
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_case_has_the_agreed_shape_and_no_identity_beyond_its_study() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| {
        assess(case, |it| {
            it.findings = vec![finding(Call::Positive, 0.93)];
            it.urgency = Urgency::Critical;
            it.reasons = vec![
                Reason::UrgentFinding(pneumonia()),
                Reason::LowConfidence(pneumonia()),
            ];
        });
    });
    let mut cases = fetch(&clinic, "/api/cases").await;
    let found = cases["cases"][0]["findings"][0].as_object_mut().unwrap();
    for number in ["score", "confidence"] {
        let value = found[number].as_f64().unwrap();
        assert!((value - 0.93).abs() < 1e-6);
        found.insert(number.to_owned(), json!(0.93));
    }
    assert_eq!(
        cases,
        json!({"cases": [{
            "study": key.as_str(),
            "study_uid": "1.2.3",
            "case_id": "2.25.77",
            "version": 1,
            "modality": "DX",
            "instances": 1,
            "state": "assessed",
            "delivery": "receipted",
            "envelope_id": "01ENVELOPE",
            "received_at_ms": 1_764_000_000_000_i64,
            "assessed_at_ms": 1_764_000_002_000_i64,
            "model": "cxr 0.1.0",
            "engine": "tract",
            "precision": "int8",
            "findings": [{"code": "pneumonia", "score": 0.93, "call": "positive", "confidence": 0.93}],
            "quality": "A",
            "urgency": "critical",
            "reasons": ["urgent_finding:pneumonia", "low_confidence:pneumonia"],
            "labels": [],
            "learning": null,
            "progress": null,
            "reports": [],
            "unread_reports": [],
            "messages": 0,
        }]})
    );
    clinic.close().await;
}

#[tokio::test]
async fn a_case_without_a_result_has_nulls() {
    let clinic = Clinic::open().await;
    clinic.put("1.2.3", |case| {
        case.state = CaseState::Receiving;
        case.assessment = None;
        case.assessed_at_ms = None;
        case.delivery = Delivery::None;
    });
    let cases = fetch(&clinic, "/api/cases").await;
    let case = &cases["cases"][0];
    for key in [
        "envelope_id",
        "assessed_at_ms",
        "model",
        "engine",
        "precision",
        "quality",
        "urgency",
    ] {
        assert_eq!(case[key], Value::Null, "{key}");
    }
    assert_eq!(
        (&case["state"], &case["delivery"]),
        (&json!("receiving"), &json!("none"))
    );
    assert_eq!((&case["findings"], &case["reasons"]), (&json!([]), &json!([])));
    clinic.close().await;
}

#[tokio::test]
async fn the_limit_is_kept() {
    let clinic = Clinic::open().await;
    for n in 0..5_i64 {
        clinic.put(&format!("1.2.{n}"), |case| case.received_at_ms += n);
    }
    let count = async |path| fetch(&clinic, path).await["cases"].as_array().unwrap().len();
    assert_eq!(count("/api/cases").await, 5);
    assert_eq!(count("/api/cases?limit=99999999").await, 5);
    assert_eq!(count("/api/cases?limit=2").await, 2);
    assert_eq!(
        fetch(&clinic, "/api/cases?limit=1").await["cases"][0]["study_uid"],
        "1.2.4"
    );
    assert_eq!(clinic.get("/api/cases?limit=many").await.status, 400);
    clinic.close().await;
}

#[tokio::test]
async fn the_status_has_the_agreed_shape() {
    let clinic = Clinic::open().await;
    let status = |stored: u64, link: &str, sessions: u64, model: Value| {
        let [engine, precision, model] = match model {
            Value::Null => [Value::Null, Value::Null, Value::Null],
            model => [json!("tract"), json!("int8"), model],
        };
        json!({
            "stored": stored, "quarantined": 0, "link": link, "space": "enough",
            "queue": {
                "pending": 0, "oldest_ms": null, "set_aside": 0,
                "lanes": {"critical": 0, "reports": 0, "results": 0, "images": 0, "telemetry": 0},
            },
            "line": {"sessions": sessions, "receipts": 0, "refusals": 0, "clock_offset_ms": null},
            "engine": engine, "precision": precision, "model": model,
            "on_trial": false, "beside": null, "coming": null, "ended": null, "trouble": null, "video_decoder": null,
            "learning": {
                "policy": false, "hub": false, "examples": 0, "pending": 0, "site_fits": [], "last_round": null,
                "epsilon": null, "epsilon_budget": null,
            },
            "audit_repository": null, "hub_talks": null, "reports_aside": 0,
            "identity": {
                "certificate_until_ms": null, "overdue": false, "confirmed": false, "authorities": 0, "refused": null,
                "clock_behind_s": 0,
            },
        })
    };
    assert_eq!(
        fetch(&clinic, "/api/status").await,
        status(0, "connecting", 0, Value::Null)
    );
    clinic.sources.status.set_connected(true);
    clinic.sources.status.set_model(working_model());
    clinic.sources.status.count_stored();
    assert_eq!(
        fetch(&clinic, "/api/status").await,
        status(1, "connected", 1, json!("cxr 0.1.0"))
    );
    clinic.close().await;
}
