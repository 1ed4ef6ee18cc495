//! What the list says about cases.

use barefoot_domain::{Call, QualityGrade, QualityProblem, QualityVerdict, Reason, Urgency};

use super::{Clinic, assess, finding, pneumonia};
use crate::case_index::{CaseState, Delivery};

fn check(html: &str, wanted: &[&str]) {
    for text in wanted {
        assert!(html.contains(text), "{text} is missing in {html}");
    }
}

#[tokio::test]
async fn a_routine_case_is_told_in_both_languages() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |_| {});
    let common = [
        "<bdi>王小东</bdi>",
        "<bdi>P-0042</bdi>",
        "1980-01-31",
        "datetime=\"2025-11-24T16:00:00Z\">2025-11-24 16:00 UTC</time>",
        &format!("href=\"/case/{key}\""),
        &format!("src=\"/case/{key}/preview.jpg?version=1\""),
        "lamp routine",
        "cxr 0.1.0",
    ];
    let zh = clinic.list("zh").await;
    check(&zh, &common);
    check(
        &zh,
        &[
            "<html lang=\"zh-CN\">",
            "<strong>肺炎：未见</strong> <span class=\"confidence\">置信度 97%</span>",
            "<strong>常规</strong>",
            "AI 辅助，结果由临床医生判定",
            "演示模型，不得用于临床",
            "X 线（DX）",
            "良好（A 级）",
            "中心已收到",
        ],
    );
    let en = clinic.list("en").await;
    check(&en, &common);
    check(
        &en,
        &[
            "<html lang=\"en\">",
            "<strong>Pneumonia: not seen</strong> <span class=\"confidence\">confidence 97 %</span>",
            "<strong>Routine</strong>",
            "AI-assisted, a clinician decides",
            "demonstration, not for clinical use",
            "X-ray (DX)",
            "Good (A)",
            "<span aria-hidden=\"true\">✓</span> At the hub",
        ],
    );
    clinic.close().await;
}

#[tokio::test]
async fn a_critical_case_says_so_by_colour_word_and_symbol() {
    let clinic = Clinic::open().await;
    clinic.put("1.2.3", |case| {
        assess(case, |it| {
            it.findings = vec![finding(Call::Positive, 0.93)];
            it.urgency = Urgency::Critical;
            it.reasons = vec![Reason::UrgentFinding(pneumonia())];
        });
    });
    let symbol = "lamp critical\"><span class=\"symbol\" aria-hidden=\"true\">!</span>";
    check(
        &clinic.list("en").await,
        &[
            symbol,
            "<strong>Critical</strong>",
            "Tell the doctor now",
            "Pneumonia: likely",
            "within ten minutes",
        ],
    );
    check(
        &clinic.list("zh").await,
        &[
            symbol,
            "<strong>危急</strong>",
            "请立即通知医生",
            "肺炎：疑似",
            "须在十分钟内由医生查看",
        ],
    );
    clinic.close().await;
}

#[tokio::test]
async fn an_unsure_case_of_poor_quality_names_threshold_and_retake_advice() {
    let clinic = Clinic::open().await;
    clinic.put("1.2.3", |case| {
        assess(case, |it| {
            it.findings = vec![finding(Call::Positive, 0.61)];
            it.quality = QualityVerdict {
                grade: QualityGrade::C,
                problems: vec![QualityProblem::Underexposed],
            };
            it.urgency = Urgency::Review;
            it.reasons = vec![Reason::LowConfidence(pneumonia()), Reason::PoorQuality];
        });
        case.delivery = Delivery::Queued {
            envelope_id: "01".into(),
        };
    });
    check(
        &clinic.list("en").await,
        &[
            "Pneumonia: possible, not certain",
            "not sure about “Pneumonia” (below 80 %)",
            "Poor (C)",
            "fully black",
            "retake if possible",
            "Waiting to be sent",
            "<strong>Review</strong>",
        ],
    );
    check(
        &clinic.list("zh").await,
        &[
            "可疑，把握不足",
            "低于 80%",
            "差（C 级）",
            "等待发送",
            "<strong>待复核</strong>",
        ],
    );
    clinic.close().await;
}

#[tokio::test]
async fn a_study_that_no_model_takes_says_why_and_who_looks() {
    let clinic = Clinic::open().await;
    clinic.put("1.2.3", |case| {
        case.modality = "US".into();
        case.has_preview = false;
        assess(case, |it| {
            it.model = None;
            it.engine = None;
            it.findings = vec![];
            it.urgency = Urgency::Review;
            it.reasons = vec![Reason::OutsideIntendedUse];
        });
    });
    let en = clinic.list("en").await;
    check(
        &en,
        &[
            "Not assessed by the model",
            "The model is not made for this kind of image. An expert looks at it.",
            "No picture",
            "AI-assisted, a clinician decides",
        ],
    );
    assert!(!en.contains("preview.jpg") && !en.contains("not seen"), "{en}");
    check(
        &clinic.list("zh").await,
        &[
            "模型未作评估",
            "不在模型适用范围内，由专家判读",
            "无图像",
            "超声（US）",
        ],
    );
    clinic.close().await;
}

#[tokio::test]
async fn a_case_that_is_worked_on_never_shows_a_traffic_light() {
    let clinic = Clinic::open().await;
    clinic.put("1.2.3", |case| {
        case.state = CaseState::Receiving;
        case.version = 0;
        case.assessment = None;
        case.has_preview = false;
        case.delivery = Delivery::None;
        case.instances = 2;
    });
    let en = clinic.list("en").await;
    check(
        &en,
        &["lamp pending", "Receiving…", "Picture follows", "2 images"],
    );
    assert!(!en.contains("delivery "), "there is nothing to deliver");
    check(&clinic.list("zh").await, &["接收中…", "2 幅影像"]);

    clinic.put("1.2.3", |case| {
        case.state = CaseState::Assessing;
        case.version = 2;
        assess(case, |it| it.urgency = Urgency::Critical);
    });
    let en = clinic.list("en").await;
    check(
        &en,
        &[
            "lamp pending",
            "Assessing…",
            "This is the result for the earlier ones",
        ],
    );
    assert!(!en.contains("lamp critical"));
    check(&clinic.list("zh").await, &["分析中…", "以下为此前影像的结果"]);
    clinic.close().await;
}

#[tokio::test]
async fn a_refused_delivery_and_a_conflict_are_not_hidden() {
    let clinic = Clinic::open().await;
    clinic.put("1.2.3", |case| {
        case.delivery = Delivery::Refused {
            envelope_id: "01".into(),
            reason: "schema 9".into(),
        };
        case.conflicts = 1;
        case.patient.guessed = true;
    });
    check(
        &clinic.list("en").await,
        &[
            "Refused by the hub: schema 9",
            "Two different images under one identifier",
            "character set guessed",
        ],
    );
    check(
        &clinic.list("zh").await,
        &["中心拒收：schema 9", "同一标识下有两幅不同的影像", "字符集为推测"],
    );
    clinic.close().await;
}

#[tokio::test]
async fn what_scanners_and_hub_send_is_text_and_never_markup() {
    let clinic = Clinic::open().await;
    let evil = "<script>alert(1)</script>\" onload='x'";
    let key = clinic.put("1.2.3", |case| {
        case.patient.name = evil.into();
        case.patient.id = evil.into();
        case.patient.sex = evil.into();
        case.patient.birth_date = evil.into();
        case.modality = evil.into();
        case.delivery = Delivery::Refused {
            envelope_id: "01".into(),
            reason: evil.into(),
        };
        assess(case, |it| it.model.as_mut().unwrap().id = evil.into());
    });
    assert!(!clinic.knock("<b>\"'x"));
    for path in [
        "/",
        "/cases/fragment",
        &format!("/case/{key}"),
        &format!("/case/{key}/fragment"),
    ] {
        let html = clinic.get(path).await.body;
        assert!(
            !html.contains("<script>alert") && !html.contains("<b>\"") && !html.contains("' onload"),
            "{html}"
        );
        assert!(html.contains("&#60;script&#62;alert(1)"), "{html}");
    }
    clinic.close().await;
}

#[tokio::test]
async fn the_newest_stands_first_and_filters_count() {
    let clinic = Clinic::open().await;
    for n in 0..60_i64 {
        clinic.put(&format!("1.2.{n}"), |case| {
            case.patient.name = format!("Patient-{n}");
            case.received_at_ms += n * 1000;
            if n == 3 {
                assess(case, |it| it.urgency = Urgency::Critical);
            }
        });
    }
    let all = clinic.list("en").await;
    assert_eq!(all.matches("<li id=\"case-").count(), 50);
    assert!(all.find("Patient-59").unwrap() < all.find("Patient-58").unwrap());
    check(
        &all,
        &[
            "All <b>60</b>",
            "Critical <b>1</b>",
            "To review <b>0</b>",
            "Showing the newest 50 of 60",
        ],
    );

    let more = clinic.get("/?show=all&limit=500").await.body;
    assert_eq!(more.matches("<li id=\"case-").count(), 60);
    let critical = clinic.get("/?show=critical").await.body;
    assert_eq!(critical.matches("<li id=\"case-").count(), 1);
    assert!(critical.contains("Patient-3"));
    assert!(
        clinic
            .get("/?show=review&lang=en")
            .await
            .body
            .contains("No image of this kind.")
    );
    clinic.close().await;
}
