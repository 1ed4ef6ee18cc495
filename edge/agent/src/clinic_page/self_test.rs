//! The page that tests the box with a phantom, and what programs get of it.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::pages::{self, Frame, SelfTestPage};
use super::request_language::RequestLanguage;
use super::routes::wording;
use super::server::App;
use super::texts::{SelfTestTexts, Texts};
use crate::self_test::{Outcome, Report, Step, Tried};

/// The last test's picture, until the next test or the daemon's end.
#[derive(Debug, Default)]
pub(super) struct LastPicture(Mutex<Option<Vec<u8>>>);

impl LastPicture {
    fn put(&self, picture: Option<Vec<u8>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = picture;
    }

    fn get(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One step in words.
#[derive(Debug)]
pub(super) struct StepLine {
    pub(super) step: String,
    pub(super) outcome: String,
    pub(super) class: &'static str,
    pub(super) detail: String,
    /// Where it did not pass.
    pub(super) advice: Option<String>,
}

/// `GET /self-test`.
pub(super) async fn page(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    show(&app, asked, None)
}

/// `POST /self-test`: answers when it is done.
pub(super) async fn run(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    let report = test(&app).await;
    show(&app, asked, Some(&report))
}

/// `POST /api/self-test`.
pub(super) async fn run_by_program(State(app): State<Arc<App>>) -> Response {
    Json(test(&app).await).into_response()
}

/// `GET /self-test/picture.jpg`.
pub(super) async fn picture(State(app): State<Arc<App>>) -> Response {
    match app.test_picture.get() {
        Some(bytes) => ([(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, "no-store")], bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn test(app: &App) -> Report {
    let report = app.sources.self_test.run().await;
    app.test_picture.put(report.picture.clone());
    report
}

fn show(app: &App, asked: RequestLanguage, report: Option<&Report>) -> Response {
    let t = app.library.of(asked.language);
    let at = report.and_then(|report| wording(app, asked.language).moment(report.at_ms));
    let page = SelfTestPage {
        frame: Frame::of(app, asked.language),
        t,
        steps: report.map_or_else(Vec::new, |report| lines(report, t)),
        is_well: report.is_some_and(Report::is_well),
        has_picture: report.is_some_and(|report| report.picture.is_some()),
        done: at.map(|at| at.text),
    };
    pages::page(&page, asked)
}

fn lines(report: &Report, t: &Texts) -> Vec<StepLine> {
    report
        .tried
        .iter()
        .map(|tried| line(tried, &t.self_test))
        .collect()
}

fn line(tried: &Tried, t: &SelfTestTexts) -> StepLine {
    let (step, advice) = match tried.step {
        Step::Door => (&t.door, &t.door_advice),
        Step::Picture => (&t.picture, &t.picture_advice),
        Step::Quality => (&t.quality, &t.quality_advice),
        Step::Model => (&t.model, &t.model_advice),
        Step::Disk => (&t.disk, &t.disk_advice),
        Step::Queue => (&t.queue, &t.queue_advice),
        Step::Hub => (&t.hub, &t.hub_advice),
        Step::Removed => (&t.removed, &t.removed_advice),
    };
    let (outcome, class) = match tried.outcome {
        Outcome::Passed => (&t.passed, "routine"),
        Outcome::Failed => (&t.failed, "critical"),
        Outcome::Left => (&t.left, "review"),
    };
    let left = match tried.step {
        Step::Door => Some(&t.door_left),
        Step::Model => Some(&t.model_left),
        Step::Hub => Some(advice),
        _ => None,
    };
    StepLine {
        step: step.clone(),
        outcome: outcome.clone(),
        class,
        detail: tried.detail.clone(),
        advice: match tried.outcome {
            Outcome::Passed => None,
            Outcome::Failed => Some(advice.clone()),
            Outcome::Left => left.cloned(),
        },
    }
}
