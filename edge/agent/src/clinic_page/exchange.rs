//! What comes from sticks and what goes to other nodes: the page, its buttons, and the same for programs.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use super::moment::{Moment, age};
use super::pages::{self, ExchangeFragment, ExchangePage, Frame};
use super::request_language::RequestLanguage;
use super::server::App;
use super::texts::{Texts, fill};
use crate::clock;
use crate::import_desk::{NotStarted, Progress, Stage};
use crate::node_status::NodeView;

/// Where script asks for the changing part again.
const LIVE: &str = "/exchange/fragment";

/// The import's part of the page; `None` on a box that takes no sticks.
#[derive(Debug)]
pub(super) struct ImportCard {
    /// What can be chosen now.
    pub(super) folders: Vec<String>,
    pub(super) trouble: Option<String>,
    pub(super) under_way: bool,
    /// How far it is, or how the last one ended.
    pub(super) lines: Vec<String>,
    pub(super) refusals: Vec<(String, String)>,
}

/// A node's part of the page.
#[derive(Debug)]
pub(super) struct NodeCard {
    pub(super) name: String,
    pub(super) ae_title: String,
    pub(super) waiting: String,
    pub(super) last: Option<Moment>,
    pub(super) trouble: Option<String>,
    /// Each with its study's address.
    pub(super) aside: Vec<(String, String)>,
    pub(super) aside_text: Option<String>,
}

/// Refused files are named up to this many; the number is told in any case.
const NAMED: usize = 20;

fn import_card(app: &App, texts: &Texts) -> Option<ImportCard> {
    let importer = app.sources.importer.as_ref()?;
    let t = &texts.exchange;
    let progress = importer.progress();
    let (folders, trouble) = match importer.folders() {
        Ok(folders) => (folders, None),
        Err(_) => (Vec::new(), Some(t.no_medium.clone())),
    };
    Some(ImportCard {
        trouble,
        under_way: progress.stage.is_under_way(),
        lines: import_lines(&progress, texts),
        refusals: progress
            .refusals
            .iter()
            .take(NAMED)
            .map(|refusal| (refusal.file.clone(), refusal.reason.clone()))
            .collect(),
        folders,
    })
}

fn import_lines(progress: &Progress, texts: &Texts) -> Vec<String> {
    let t = &texts.exchange;
    let head = match progress.stage {
        Stage::None => return Vec::new(),
        Stage::Listing => return vec![t.listing.clone()],
        Stage::Running => &t.running,
        Stage::Done => &t.done,
        Stage::Cancelled => &t.cancelled,
        Stage::Failed => &t.failed,
    };
    let seen = [
        ("seen", progress.seen.to_string()),
        ("found", progress.found.to_string()),
    ];
    let seen: Vec<(&str, &str)> = seen.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let mut lines = vec![fill(head, &seen)];
    for (text, count) in [
        (&t.kept, progress.kept),
        (&t.duplicates, progress.duplicates),
        (&t.conflicts, progress.conflicts),
        (&t.others, progress.others),
        (&t.refused, progress.refused),
        (&t.missing, progress.missing),
    ] {
        if count != 0 {
            lines.push(fill(text, &[("n", &count.to_string())]));
        }
    }
    if progress.cut {
        lines.push(t.cut.clone());
    }
    lines.extend(
        progress
            .trouble
            .iter()
            .map(|why| fill(&t.trouble, &[("problem", why)])),
    );
    lines
}

fn node_card(node: NodeView, texts: &Texts, now_ms: i64) -> NodeCard {
    let t = &texts.exchange;
    let waiting = match node.oldest_ms {
        None => t.nothing_waits.clone(),
        Some(oldest) => fill(
            &t.waiting,
            &[
                ("n", &node.pending.to_string()),
                ("age", &age(now_ms - oldest, texts)),
            ],
        ),
    };
    let count = node.aside.len();
    NodeCard {
        name: node.name,
        ae_title: node.ae_title,
        waiting,
        last: node.last_sent_ms.and_then(Moment::of),
        trouble: node.trouble.map(|why| fill(&t.trouble, &[("problem", &why)])),
        aside: node
            .aside
            .iter()
            .take(NAMED)
            .map(|aside| (aside.study.to_string(), aside.reason.clone()))
            .collect(),
        aside_text: (count != 0).then(|| fill(&t.aside, &[("n", &count.to_string())])),
    }
}

fn node_cards(app: &App, texts: &Texts) -> Vec<NodeCard> {
    let now_ms = clock::now_ms();
    let nodes = app.sources.deliveries.view();
    nodes
        .into_iter()
        .map(|node| node_card(node, texts, now_ms))
        .collect()
}

/// `GET /exchange`.
pub(super) async fn page(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    let t = app.library.of(asked.language);
    let page = ExchangePage {
        frame: Frame::of(&app, asked.language),
        t,
        import: import_card(&app, t),
        nodes: node_cards(&app, t),
        live: format!("{LIVE}?lang={}", asked.language.code()),
    };
    pages::page(&page, asked)
}

/// `GET /exchange/fragment`.
pub(super) async fn fragment(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    let t = app.library.of(asked.language);
    pages::render(&ExchangeFragment {
        t,
        import: import_card(&app, t),
        nodes: node_cards(&app, t),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportForm {
    /// One of the folders that are there; empty or missing: all of them.
    #[serde(default)]
    folder: String,
}

fn begin(app: &App, form: &ImportForm) -> Result<(), StatusCode> {
    let importer = app.sources.importer.as_ref().ok_or(StatusCode::NOT_FOUND)?;
    let folder = Some(form.folder.as_str()).filter(|folder| !folder.is_empty());
    let started = tokio::task::block_in_place(|| importer.start(folder));
    started.map_err(|error| {
        tracing::warn!(reason = %error, "An import was not started.");
        match error {
            NotStarted::UnderWay => StatusCode::CONFLICT,
            NotStarted::NoSuchFolder | NotStarted::Read { .. } => StatusCode::NOT_FOUND,
        }
    })
}

/// `POST /import/start`. What cannot be started is seen on the page.
pub(super) async fn start(State(app): State<Arc<App>>, Form(form): Form<ImportForm>) -> Response {
    let _ = begin(&app, &form);
    Redirect::to("/exchange").into_response()
}

/// `POST /import/cancel`.
pub(super) async fn cancel(State(app): State<Arc<App>>) -> Response {
    if let Some(importer) = &app.sources.importer {
        importer.cancel();
    }
    Redirect::to("/exchange").into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgainForm {
    /// The node's name.
    node: String,
}

/// `POST /nodes/again`: what a node would not take is sent once more.
pub(super) async fn again(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Form(form): Form<AgainForm>,
) -> Response {
    let nodes = app.sources.deliveries.clone();
    let tried = tokio::task::spawn_blocking(move || nodes.try_again(&form.node)).await;
    match tried {
        Ok(None | Some(Ok(_))) => Redirect::to("/exchange").into_response(),
        Ok(Some(Err(_))) | Err(_) => {
            tracing::error!("The wish to send again cannot be written.");
            let texts = &app.library.of(asked.language).error;
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            pages::message(&app, asked.language, status, &texts.failed_heading, &texts.failed)
        }
    }
}

/// What `GET /api/import` answers.
#[derive(Debug, Serialize)]
struct ImportAnswer {
    folders: Vec<String>,
    progress: Progress,
}

/// `GET /api/import`.
pub(super) async fn progress(State(app): State<Arc<App>>) -> Response {
    let Some(importer) = &app.sources.importer else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let folders = importer.folders().unwrap_or_default();
    let progress = importer.progress();
    Json(ImportAnswer { folders, progress }).into_response()
}

/// `POST /api/import`: 202, or 409 while one is under way, or 404 where there is no such folder.
pub(super) async fn start_by_program(
    State(app): State<Arc<App>>,
    Form(form): Form<ImportForm>,
) -> StatusCode {
    match begin(&app, &form) {
        Ok(()) => StatusCode::ACCEPTED,
        Err(status) => status,
    }
}

/// `POST /api/import/cancel`.
pub(super) async fn cancel_by_program(State(app): State<Arc<App>>) -> StatusCode {
    match &app.sources.importer {
        Some(importer) => {
            importer.cancel();
            StatusCode::ACCEPTED
        }
        None => StatusCode::NOT_FOUND,
    }
}

#[derive(Debug, Serialize)]
struct NodeAnswer {
    name: String,
    ae_title: String,
    pending: usize,
    /// How long the oldest has been waiting.
    oldest_ms: Option<i64>,
    last_sent_ms: Option<i64>,
    trouble: Option<String>,
    aside: Vec<AsideAnswer>,
}

#[derive(Debug, Serialize)]
struct AsideAnswer {
    study: String,
    at_ms: i64,
    reason: String,
}

/// `GET /api/nodes`.
pub(super) async fn nodes(State(app): State<Arc<App>>) -> Response {
    let now_ms = clock::now_ms();
    let answer = |node: NodeView| NodeAnswer {
        name: node.name,
        ae_title: node.ae_title,
        pending: node.pending,
        oldest_ms: node.oldest_ms.map(|oldest| now_ms - oldest),
        last_sent_ms: node.last_sent_ms,
        trouble: node.trouble,
        aside: node
            .aside
            .into_iter()
            .map(|aside| AsideAnswer {
                study: aside.study.to_string(),
                at_ms: aside.at_ms,
                reason: aside.reason,
            })
            .collect(),
    };
    let nodes: Vec<NodeAnswer> = app.sources.deliveries.view().into_iter().map(answer).collect();
    Json(nodes).into_response()
}
