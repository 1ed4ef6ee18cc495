use barefoot_wire::MadeBy;

use super::*;
use crate::archive::Days;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The cells of a row of the page, by what its first cells say.
fn row(page: &Answer, first: &[&str]) -> Vec<String> {
    let rows = page.body.split("<tr").skip(1);
    let cells = |row: &str| -> Vec<String> {
        let cells = row.split("<td>").skip(1);
        cells
            .map(|cell| {
                let text = cell.split("</td>").next().unwrap();
                text.replace("<b>", "").replace("</b>", "")
            })
            .collect()
    };
    rows.map(cells)
        .find(|cells| {
            cells.iter().zip(first).all(|(cell, wanted)| cell == wanted) && first.len() <= cells.len()
        })
        .unwrap_or_else(|| panic!("no row {first:?}: {}", page.body))
}

impl Hospital {
    /// A result of some case, assessed at a moment.
    async fn study(&self, number: u32, clinic: &str, made_by: MadeBy, grade: QualityGrade, at_ms: i64) {
        let key = CaseKey {
            clinic: ClinicId::new(clinic).unwrap(),
            case: CaseId::new(format!("2.25.77{number}")).unwrap(),
        };
        let mut arrival = arrival(&key, 1);
        arrival.detected.at_ms = at_ms;
        arrival.result.made_by = made_by;
        arrival.result.assessment.quality.grade = grade;
        arrival.result.assessment.urgency = Urgency::Routine;
        self.arrive(arrival).await;
    }
}

#[tokio::test]
async fn each_scanner_and_operator_is_counted_and_who_is_silent_stands_out() {
    let hospital = Hospital::new().await;
    let made = |scanner: &str, operator: &str| MadeBy::new(scanner, operator);
    let (busy, silent) = (made("DR1", "O0000000A"), made("US1", "O0000000B"));
    for (number, (made_by, grade, days_ago)) in (1..).zip([
        (&busy, QualityGrade::A, 0),
        (&busy, QualityGrade::A, 0),
        (&busy, QualityGrade::C, 2),
        (&busy, QualityGrade::B, 2),
        // Before the month, within the year.
        (&silent, QualityGrade::B, 40),
        // Forgotten.
        (&made("OLD", ""), QualityGrade::A, 400),
        (&MadeBy::default(), QualityGrade::A, 1),
    ]) {
        let at_ms = now_ms() - days_ago * DAY_MS;
        hospital
            .study(number, CLINIC, made_by.clone(), grade, at_ms)
            .await;
    }
    hospital
        .study(
            20,
            "clinic-8",
            made("DR1", "O0000000A"),
            QualityGrade::C,
            now_ms() - 3 * DAY_MS,
        )
        .await;

    let mut reader = hospital.reader("li.wei", "reader", "county").await;
    let page = reader.get(&hospital, "/dashboard").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let rest = |first: &[&str]| row(&page, first)[first.len()..].join(" ");
    // Modality; studies, each day of use, days silent, A, B, C.
    assert_eq!(rest(&[CLINIC, "all scanners", ""]), "5 1.7 0 3 1 1");
    assert_eq!(rest(&[CLINIC, "DR1", "DX"]), "4 2.0 0 2 1 1");
    assert_eq!(rest(&[CLINIC, "US1", "DX"]), "0 – 40 0 0 0");
    assert_eq!(rest(&[CLINIC, "unknown", "DX"]), "1 1.0 1 1 0 0");
    assert_eq!(rest(&["clinic-8", "DR1", "DX"]), "1 1.0 3 0 0 1");
    assert!(!page.body.contains("OLD"));
    assert_eq!(
        page.body.matches("class=\"late\"").count(),
        1,
        "only the silent one"
    );
    // Operators: results, A, B, C; the same pseudonym of another clinic is another person.
    assert_eq!(rest(&["clinic-7 · O0000000A", "DX"]), "4 2 1 1");
    assert_eq!(rest(&["clinic-8 · O0000000A", "DX"]), "1 0 0 1");
    assert!(!page.body.contains("O0000000B"), "not in this month");
}

#[tokio::test]
async fn a_day_begins_at_the_pages_midnight() {
    const HOUR_MS: i64 = 60 * 60 * 1000;
    let hospital = Hospital::new().await;
    let noon = now_ms() - now_ms().rem_euclid(DAY_MS) - 10 * DAY_MS + 12 * HOUR_MS;
    hospital
        .study(1, CLINIC, MadeBy::new("DR1", ""), QualityGrade::A, noon)
        .await;
    for (utc_offset_minutes, now_ms, silent_days) in [
        (0, noon + 11 * HOUR_MS, 0),
        (120, noon + 11 * HOUR_MS, 1),
        (0, noon + 13 * HOUR_MS, 1),
        (-120, noon + 13 * HOUR_MS, 0),
    ] {
        let days = Days {
            since_ms: 0,
            now_ms,
            utc_offset_minutes,
        };
        let devices = hospital.house.archive.devices(days).await.unwrap();
        assert_eq!(devices[0].silent_days, silent_days, "{days:?}");
    }
}

#[tokio::test]
async fn what_the_next_tier_made_of_a_case_is_told() {
    let hospital = Hospital::with_case().await;
    let mut county = hospital.holder("li.wei").await;
    let mut city = hospital.reader("chen.jie", "reader", "city").await;
    let figures = async |reader: &mut Reader| {
        let page = reader.get(&hospital, "/dashboard").await;
        row(&page, &["county → city"])[1..].join(" ")
    };
    let read = async |reader: &mut Reader, presence: &str| {
        let fields = [("impression", "Read."), ("finding-pneumonia", presence)];
        let signed = reader.sign(&hospital, &fields).await;
        assert_eq!(signed.status, StatusCode::SEE_OTHER, "{}", signed.body);
    };
    let draft = [
        ("revision", "0"),
        ("impression", "A nodule?"),
        ("finding-pneumonia", "present"),
    ];
    county.act(&hospital, "draft", &draft).await;
    county
        .act(&hospital, "refer", &[("to", ""), ("why", "not sure")])
        .await;
    // Cases; agreed, changed, nothing picked below, read below, withdrawn, open.
    assert_eq!(figures(&mut city).await, "1 0 0 0 0 0 1");
    city.act(&hospital, "claim", &[]).await;
    read(&mut city, "present").await;
    assert_eq!(figures(&mut city).await, "1 1 0 0 0 0 0");

    // Once more, and this time the county had said something else.
    hospital.result(2).await;
    county.act(&hospital, "claim", &[]).await;
    let revision = county.page(&hospital).await.field("revision");
    let draft = [
        ("revision", revision.as_str()),
        ("impression", "Pneumonia."),
        ("finding-pneumonia", "present"),
    ];
    county.act(&hospital, "draft", &draft).await;
    county
        .act(&hospital, "refer", &[("to", ""), ("why", "not sure")])
        .await;
    city.act(&hospital, "claim", &[]).await;
    read(&mut city, "absent").await;
    assert_eq!(figures(&mut city).await, "1 0 1 0 0 0 0");

    // A case that stays where it is is none of them.
    hospital.result(3).await;
    county.act(&hospital, "claim", &[]).await;
    read(&mut county, "present").await;
    let page = city.get(&hospital, "/dashboard").await;
    assert!(!page.body.contains("county → city"), "{}", page.body);

    // Nobody in the county reads it in time, and the city does.
    hospital.result(4).await;
    let rules = rules::Worklist::default().rules().unwrap();
    let late = now_ms() + 5 * 60 * 60 * 1000;
    hospital.house.archive.tick(&rules, late, 10).await.unwrap();
    city.act(&hospital, "claim", &[]).await;
    read(&mut city, "absent").await;
    assert_eq!(
        figures(&mut city).await,
        "1 0 0 1 0 0 0",
        "what the county wrote was of an older version"
    );
}
