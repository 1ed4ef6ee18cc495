//! What comes from the expert, and what goes there.

use barefoot_domain::{Author, FindingCode, Presence, Progress, Region, Shape, Side, Statement, Subject};

use super::{Answer, Clinic, squeezed};
use crate::case_index::samples::assessed;
use crate::clock::now_ms;
use crate::reading::tests::{message, report, said, signed, state};
use crate::study_folder::StudyKey;
use crate::test_instances::TestInstance;

async fn case_page(clinic: &Clinic, key: &StudyKey, language: &str) -> String {
    squeezed(&clinic.get(&format!("/case/{key}?lang={language}")).await.body)
}

async fn write(clinic: &Clinic, key: &StudyKey, text: &str, kind: &str) -> Answer {
    let body = format!("id=01JD5Z0000000000000000000M&kind={kind}&text={text}");
    clinic.post(&format!("/case/{key}/message"), &[], &body).await
}

#[tokio::test]
async fn the_list_says_where_a_case_stands_and_when_it_is_due() {
    let clinic = Clinic::open().await;
    let due = |minutes: i64| now_ms() + minutes * 60_000;
    clinic.put("1.2.3", |case| {
        let mut waits = state(1, Progress::Waiting);
        waits.deadline_ms = Some(due(30));
        case.reading.set_state(waits);
    });
    let html = clinic.list("en").await;
    assert!(
        html.contains("Waiting for an expert") && html.contains("(county)"),
        "{html}"
    );
    assert!(!html.contains("Overdue"));
    let key = clinic.put("1.2.3", |case| {
        let mut late = state(2, Progress::SecondRead);
        late.deadline_ms = Some(due(-1));
        case.reading.set_state(late);
    });
    assert!(clinic.list("zh").await.contains("已超时"));
    clinic.sources.cases.update(&key, |case| {
        case.reading.set_state(state(3, Progress::ImagesWanted));
        let mut wish = message("01", Author::Expert, "lateral view please", 5);
        wish.subject = Subject::WantImages;
        case.reading.add_message(said(wish));
    });
    let html = clinic.list("en").await;
    assert!(
        html.contains("asks for more images</strong>: lateral view please"),
        "{html}"
    );
    assert!(
        html.contains("A message from the expert"),
        "announced above the list"
    );
    clinic.close().await;
}

#[tokio::test]
async fn a_report_is_announced_shown_with_its_signer_and_read_once() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| {
        let mut first = report("01JD5Z0000000000000000000A", None);
        first.statements.push(Statement {
            finding: FindingCode::new("pneumonia").unwrap(),
            presence: Presence::Absent,
            side: Some(Side::Left),
            note: "clear".into(),
            regions: Vec::new(),
        });
        first.assessment = assessed("1.2.3").assessment;
        case.reading.add_report(signed(first));
        case.reading.add_report(signed(report(
            "01JD5Z0000000000000000000B",
            Some("01JD5Z0000000000000000000A"),
        )));
    });
    let list = clinic.list("en").await;
    assert!(
        list.contains("A report has arrived") && list.contains("data-arrivals=\"01JD5Z0000000000000000000B")
    );
    let html = case_page(&clinic, &key, "en").await;
    for text in [
        "王小东",
        "Pneumonia: not present · left",
        "No pneumonia.",
        "Clear lungs.",
        "Signed by",
        "Li Ming (Radiologist, County hospital)",
        "Signature checked",
        "AI-assisted: cxr 0.1.0",
        "a clinician decides",
        "Read without AI",
        "I have read it",
        "paper.pdf",
    ] {
        assert!(html.contains(text), "{text}: {html}");
    }
    assert!(html.find(">Report<").unwrap() < html.find(">Addendum<").unwrap());
    for id in ["A", "B"] {
        let read = format!("/case/{key}/report/01JD5Z0000000000000000000{id}/read");
        assert_eq!(clinic.post(&read, &[], "").await.status, 303);
    }
    let html = case_page(&clinic, &key, "zh").await;
    assert!(html.contains("已阅：") && !html.contains("id=\"read-01JD5Z0000000000000000000A\""));
    assert!(!clinic.list("en").await.contains("A report has arrived"));

    let print = clinic
        .get(&format!(
            "/case/{key}/report/01JD5Z0000000000000000000A/print?lang=zh"
        ))
        .await;
    for text in [
        "影像诊断报告",
        "王小东",
        "P-0042",
        "1980-01-31",
        "No pneumonia.",
        "补充报告",
        "签名已验证",
    ] {
        assert!(print.body.contains(text), "{text}");
    }
    let pdf = clinic
        .get(&format!(
            "/case/{key}/report/01JD5Z0000000000000000000A/paper.pdf"
        ))
        .await;
    assert!(pdf.head.contains("application/pdf") && pdf.body.contains("%PDF 王小东"));
    assert_eq!(
        clinic.get(&format!("/case/{key}/report/01/print")).await.status,
        404
    );
    clinic.close().await;
}

#[tokio::test]
async fn marks_lie_over_the_clinics_own_picture() {
    let clinic = Clinic::open().await;
    let image = TestInstance::new("1.2.3", "1.2.3.4");
    image.lay_into(&clinic.sources.state);
    let region = |instance: &str| Region {
        instance: instance.into(),
        frame: 1,
        shape: Shape::Rectangle,
        points: vec![(1.0, 2.0), (5.0, 6.0)],
    };
    let key = clinic.put("1.2.3", |case| {
        let mut marked = report("01JD5Z0000000000000000000A", None);
        marked.statements.push(Statement {
            finding: FindingCode::new("pneumonia").unwrap(),
            presence: Presence::Present,
            side: None,
            note: String::new(),
            // The page in these tests calls an image at the hub by the length of its UID.
            regions: vec![region("2.25.7"), region("2.25.999")],
        });
        case.reading.add_report(signed(marked));
    });
    let place = format!("/case/{key}/report/01JD5Z0000000000000000000A");
    let html = case_page(&clinic, &key, "en").await;
    assert!(
        html.contains("/1/marks.svg") && html.contains("Marked by the expert, picture 1"),
        "{html}"
    );
    for number in 0..2 {
        let svg = clinic.get(&format!("{place}/{number}/marks.svg")).await;
        assert!(svg.head.contains("image/svg+xml") && svg.body.contains("x=\"1.0\" y=\"2.0\" width=\"4.0\""));
    }
    assert_eq!(
        clinic.get(&format!("{place}/1/image.jpg")).await.status,
        404,
        "not an image of ours"
    );
    assert_eq!(clinic.get(&format!("{place}/2/marks.svg")).await.status, 404);
    clinic.close().await;
}

#[tokio::test]
async fn a_question_goes_and_one_that_names_the_patient_does_not() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |_| {});
    let form = squeezed(&clinic.get(&format!("/case/{key}/ask?lang=en")).await.body);
    assert!(form.contains("王小东") && form.contains("id=\"ask\"") && !form.contains("http-equiv"));
    let refused = write(
        &clinic,
        &key,
        "%E8%AF%B7%E7%9C%8B%E7%8E%8B%E5%B0%8F%E4%B8%9C%20P-0042",
        "ask",
    )
    .await;
    assert_eq!(refused.status, 422);
    for text in [
        "患者姓名或其中一部分",
        "患者编号",
        "请看王小东 P-0042",
        "name=\"id\" value=\"01JD5Z0000000000000000000M\"",
    ] {
        assert!(refused.body.contains(text), "{text}: {}", refused.body);
    }
    assert!(
        clinic
            .sources
            .cases
            .get(&key)
            .unwrap()
            .reading
            .messages()
            .is_empty()
    );
    assert_eq!(write(&clinic, &key, "", "ask").await.status, 422);
    for _ in 0..2 {
        assert_eq!(write(&clinic, &key, "is+it+pneumonia", "ask").await.status, 303);
    }
    let html = case_page(&clinic, &key, "en").await;
    for text in [
        "is it pneumonia",
        "asks for an expert",
        "Waits to be sent",
        "Your question waits to be sent",
    ] {
        assert!(html.contains(text), "{text}: {html}");
    }
    assert_eq!(
        clinic.sources.cases.get(&key).unwrap().reading.messages().len(),
        1
    );
    clinic.sources.status.set_hub_talks(Some(false));
    assert!(
        case_page(&clinic, &key, "en")
            .await
            .contains("does not take messages yet")
    );
    assert!(clinic.list("en").await.contains("does not take messages yet"));
    let forged = clinic
        .post(
            &format!("/case/{key}/message"),
            &["Sec-Fetch-Site: cross-site"],
            "id=x&kind=ask&text=x",
        )
        .await;
    assert_eq!(forged.status, 403);
    clinic.close().await;
}

#[tokio::test]
async fn experts_messages_are_new_until_somebody_has_seen_them() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| {
        case.reading
            .add_message(said(message("01", Author::Expert, "<b>look</b>\nagain", 5)));
    });
    let html = case_page(&clinic, &key, "en").await;
    assert!(
        html.contains("&#60;b&#62;look") || html.contains("&lt;b&gt;look"),
        "{html}"
    );
    assert!(html.contains("Expert Dr. Li") && html.contains("id=\"seen\""));
    assert_eq!(
        clinic.post(&format!("/case/{key}/seen"), &[], "").await.status,
        303
    );
    assert!(!clinic.list("en").await.contains("A message from the expert"));
    clinic.close().await;
}

#[tokio::test]
async fn a_refused_report_is_shown_to_a_person_and_beside_no_patient() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |_| {});
    let aside = &clinic.sources.aside;
    aside
        .keep("01E", "2.25.9", "this clinic has no such case", b"body", 5)
        .unwrap();
    assert!(
        clinic
            .list("en")
            .await
            .contains("could not be attached to a patient: 1")
    );
    let html = squeezed(&clinic.get("/aside?lang=en").await.body);
    assert!(html.contains("this clinic has no such case") && html.contains("2.25.9"));
    assert!(!case_page(&clinic, &key, "en").await.contains("id=\"reports\""));
    assert_eq!(clinic.post("/aside/clear", &[], "").await.status, 303);
    assert!(!clinic.list("en").await.contains("could not be attached"));
    clinic.close().await;
}

#[tokio::test]
async fn a_patient_is_found_and_no_name_stands_in_an_address() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| case.patient.accession = "A2026".into());
    clinic.put("1.2.4", |case| case.patient.name = "李四".into());
    let found = clinic.post("/search", &[], "what=%E5%B0%8F%E4%B8%9C").await;
    assert!(found.status == 200 && found.body.contains("王小东") && !found.body.contains("李四"));
    let barcode = clinic.post("/search", &[], "what=A2026").await;
    assert_eq!(barcode.status, 303);
    assert!(barcode.head.contains(&format!("location: /case/{key}")));
    assert!(
        clinic
            .post("/search", &[], "what=nobody")
            .await
            .body
            .contains("未找到")
    );
    let day = squeezed(&clinic.get("/?day=2025-11-25&lang=en").await.body);
    assert!(day.contains("王小东") && day.contains("<h2>2025-11-25</h2>"));
    assert!(!clinic.get("/?day=2025-11-24").await.body.contains("王小东"));
    clinic.close().await;
}
