//! Cases by the clinic's own days, and the search for a patient. What is searched for never stands in an address.

use std::sync::Arc;

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::card::Card;
use super::pages::{self, Frame, SearchPage};
use super::request_language::RequestLanguage;
use super::routes::wording;
use super::server::App;
use super::texts::{Texts, fill};
use crate::case_index::CaseView;

/// Cases looked through.
const LOOKED_AT: usize = 100_000;
const MOST_FOUND: usize = 100;

/// A day of the clinic's, `2026-11-22`; `None` for a time outside the calendar.
pub(super) fn day_of(unix_ms: i64, utc_offset_minutes: i32) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000)).ok()?;
    let here = time.checked_add(Duration::minutes(utc_offset_minutes.into()))?;
    let date = here.date();
    Some(format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    ))
}

/// How a day is headed on the list.
pub(super) fn heading(day: &str, now_ms: i64, utc_offset_minutes: i32, texts: &Texts) -> String {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let is = |at_ms: i64| day_of(at_ms, utc_offset_minutes).as_deref() == Some(day);
    if is(now_ms) {
        texts.days.today.clone()
    } else if is(now_ms.saturating_sub(DAY_MS)) {
        texts.days.yesterday.clone()
    } else {
        day.to_owned()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchForm {
    what: String,
}

/// `POST /search`: by name, patient's id or accession number, as typed or read by a barcode reader.
pub(super) async fn search(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Form(form): Form<SearchForm>,
) -> Response {
    let what = squeezed(&form.what);
    let looking = Arc::clone(&app);
    let wanted = what.clone();
    let found = tokio::task::spawn_blocking(move || {
        let mut found = looking.sources.cases.newest(LOOKED_AT);
        found.retain(|case| fits(case, &wanted));
        found
    })
    .await
    .unwrap_or_default();
    // A barcode names one study.
    if let [only] = found.as_slice()
        && is_number_of(only, &what)
    {
        return Redirect::to(&format!("/case/{}", only.study)).into_response();
    }
    let t = app.library.of(asked.language);
    let count = found.len();
    let page = SearchPage {
        frame: Frame::of(&app, asked.language),
        t,
        cards: found
            .iter()
            .take(MOST_FOUND)
            .map(|case| Card::of(case, wording(&app, asked.language)))
            .collect(),
        said: match count {
            0 => t.days.found_none.clone(),
            _ => fill(&t.days.found, &[("n", &count.to_string())]),
        },
        more: MOST_FOUND < count,
    };
    pages::page(&page, asked)
}

fn fits(case: &CaseView, wanted: &str) -> bool {
    if wanted.is_empty() {
        return false;
    }
    let patient = &case.patient;
    [
        &patient.name,
        &patient.other_names,
        &patient.id,
        &patient.accession,
    ]
    .into_iter()
    .any(|text| squeezed(text).contains(wanted))
}

fn is_number_of(case: &CaseView, wanted: &str) -> bool {
    let patient = &case.patient;
    [&patient.id, &patient.accession]
        .into_iter()
        .any(|text| squeezed(text) == wanted)
}

/// Without spaces, punctuation, accents, width and case.
fn squeezed(text: &str) -> String {
    text.nfkd()
        .filter(|c| c.is_alphanumeric() && !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case_index::samples::assessed;

    #[test]
    fn a_day_is_the_clinics_own() {
        // 2025-11-24 16:00 UTC is already the 25th in China.
        assert_eq!(day_of(1_764_000_000_000, 480).as_deref(), Some("2025-11-25"));
        assert_eq!(day_of(1_764_000_000_000, 0).as_deref(), Some("2025-11-24"));
        assert_eq!(day_of(i64::MAX, 480), None);
    }

    #[test]
    fn a_patient_is_found_by_part_of_the_name_and_by_numbers() {
        let mut case = assessed("1.2.3");
        case.patient.other_names = "Wáng Xiaodong".into();
        case.patient.accession = "A2026".into();
        for wanted in ["王小东", "小东", "wang x", "ＷＡＮＧ", "p0042", "P-0042", "a2026"] {
            assert!(fits(&case, &squeezed(wanted)), "{wanted}");
        }
        for wanted in ["", " ", "李", "9999"] {
            assert!(!fits(&case, &squeezed(wanted)), "{wanted}");
        }
        assert!(is_number_of(&case, &squeezed("P-0042")) && !is_number_of(&case, &squeezed("P-004")));
    }
}
