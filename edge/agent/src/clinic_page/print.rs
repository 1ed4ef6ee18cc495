//! A report on paper: joined to the patient here, where the patient is known.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::card::Card;
use super::pages::{self, Frame, PrintPage};
use super::request_language::RequestLanguage;
use super::routes::wording;
use super::server::App;
use super::sources::{NoPaper, PaperWish};
use crate::error_chain::chain;
use crate::study_folder::StudyKey;

/// `GET /case/{key}/report/{report}/print`: the report and what was added to it.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Path((key, report)): Path<(String, String)>,
) -> Response {
    let case = StudyKey::parse(&key).and_then(|key| app.sources.cases.get(&key));
    let Some(case) = case.filter(|case| case.reading.report(&report).is_some()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut card = Card::of(&case, wording(&app, asked.language));
    // What adds to a report stands on its paper; an addendum opened by itself stands alone.
    let belongs: Vec<String> = case
        .reading
        .reports()
        .iter()
        .filter(|kept| {
            kept.report.id == report || kept.report.addendum_to.as_deref() == Some(report.as_str())
        })
        .map(|kept| kept.report.id.clone())
        .collect();
    card.reading.reports.retain(|one| belongs.contains(&one.id));
    let page = PrintPage {
        frame: Frame::of(&app, asked.language),
        t: app.library.of(asked.language),
        accession: case.patient.accession.clone(),
        other_names: case.patient.other_names.clone(),
        card,
    };
    pages::page(&page, asked)
}

/// `GET /case/{key}/report/{report}/paper.pdf`.
pub(super) async fn pdf(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Path((key, report)): Path<(String, String)>,
) -> Response {
    let Some(paper) = app.sources.paper.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let case = StudyKey::parse(&key).and_then(|key| app.sources.cases.get(&key));
    let wish = case.and_then(|case| {
        let kept = case.reading.report(&report)?;
        Some(PaperWish {
            study: case.study.clone(),
            report: Arc::clone(&kept.report),
            patient: case.patient.clone(),
            language: asked.language.tag(),
        })
    });
    let Some(wish) = wish else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match tokio::task::spawn_blocking(move || paper.pdf(&wish)).await {
        Ok(Ok(bytes)) => {
            let mut answer = ([(CONTENT_TYPE, "application/pdf")], bytes).into_response();
            let name = HeaderValue::from_static("inline; filename=\"report.pdf\"");
            answer.headers_mut().insert(CONTENT_DISPOSITION, name);
            answer
        }
        Ok(Err(error)) => no_pdf(&app, asked, &error),
        Err(error) => {
            let source = std::io::Error::other(error);
            no_pdf(&app, asked, &NoPaper::Failed { source })
        }
    }
}

/// The print view needs neither fonts nor images.
fn no_pdf(app: &App, asked: RequestLanguage, error: &NoPaper) -> Response {
    tracing::error!(error = chain(error), "A report could not be written as PDF.");
    let texts = &app.library.of(asked.language).error;
    let (status, text) = match error {
        NoPaper::Fonts { .. } => (StatusCode::SERVICE_UNAVAILABLE, &texts.no_fonts),
        NoPaper::Failed { .. } => (StatusCode::INTERNAL_SERVER_ERROR, &texts.no_pdf),
    };
    pages::message(app, asked.language, status, &texts.failed_heading, text)
}
