use std::path::Path;

use barefoot_domain::{QualityGrade, QualityProblem, QualityVerdict, StudyUid};

use super::*;
use crate::case_index::CaseState;
use crate::picture_quality::Graded;

fn note(clinic: &Clinic, study_uid: &str, file: &str, scanner: &str, verdict: &QualityVerdict) {
    let study = StudyKey::of(&StudyUid::new(study_uid).unwrap());
    let graded = Graded {
        study: &study,
        path: Path::new(file),
        scanner,
        day: "2026-11-22".into(),
    };
    clinic.sources.picture_quality.note(&graded, verdict);
}

fn inverted() -> QualityVerdict {
    QualityVerdict {
        grade: QualityGrade::C,
        problems: vec![QualityProblem::Inverted],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_judged_on_the_page_before_its_study_is_assessed() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| {
        case.state = CaseState::Receiving;
        case.assessment = None;
    });
    let before = clinic.get("/cases/fragment?lang=en").await.body;
    assert!(!before.contains("Pictures so far"));
    note(&clinic, "1.2.3", "a", "DX1", &inverted());
    for path in [
        "/cases/fragment?lang=en".to_owned(),
        format!("/case/{key}/fragment?lang=en"),
    ] {
        let body = clinic.get(&path).await.body;
        assert!(
            body.contains("Pictures so far") && body.contains("Poor (C)"),
            "{body}"
        );
        assert!(body.contains("Black and white are swapped"), "{body}");
    }
    clinic.put("1.2.3", |_| {});
    let after = clinic.get("/cases/fragment?lang=en").await.body;
    assert!(!after.contains("Pictures so far"), "the assessment says it now");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_stand_by_scanner_and_day_without_a_patient() {
    let clinic = Clinic::open().await;
    assert!(
        clinic
            .get("/quality?lang=en")
            .await
            .body
            .contains("No picture has been graded yet.")
    );
    clinic.put("1.2.3", |_| {});
    note(&clinic, "1.2.3", "a", "DX1", &inverted());
    note(&clinic, "1.2.3", "b", "<US>", &inverted());
    let page = clinic.get("/quality?lang=en").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("2026-11-22") && page.body.contains("DX1"));
    assert!(!page.body.contains("<US>"), "an AE title is text, never a tag");
    assert!(
        page.body.contains("1 ×: Black and white are swapped"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("王小东") && !page.body.contains("P-0042"));
    let json = clinic.get("/api/quality").await.body;
    assert!(
        json.contains(
            r#""day":"2026-11-22","scanner":"DX1","pictures":1,"a":0,"b":0,"c":1,"problems":{"inverted":1}"#
        ),
        "{json}"
    );
}
