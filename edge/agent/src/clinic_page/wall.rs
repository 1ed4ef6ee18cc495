//! The display on the wall: how much there is and what is urgent, for everybody who passes. No name, no number of a patient,
//! nothing anybody wrote.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use barefoot_domain::Urgency;

use super::Language;
use super::days::day_of;
use super::expert::ExpertLine;
use super::moment::Moment;
use super::pages::{self, Frame, WallFragment, WallPage};
use super::request_language::RequestLanguage;
use super::routes::wording;
use super::server::App;
use super::wording::Light;
use crate::case_index::CaseView;
use crate::clock;
use crate::identity_check::short_case;

/// Rows that a wall can show.
const SHOWN: usize = 12;
const LOOKED_AT: usize = 2000;

/// A number in big type.
#[derive(Debug)]
pub(super) struct Tile {
    pub(super) class: &'static str,
    pub(super) count: usize,
    pub(super) word: String,
}

/// A case somebody should know of.
#[derive(Debug)]
pub(super) struct Row {
    /// The end of the case's number at the hub.
    pub(super) case: String,
    pub(super) received: Option<Moment>,
    pub(super) light: Light,
    pub(super) expert: Option<ExpertLine>,
}

#[derive(Debug)]
pub(super) struct Wall {
    pub(super) tiles: Vec<Tile>,
    pub(super) rows: Vec<Row>,
    pub(super) connected: bool,
}

/// `GET /wall`.
pub(super) async fn page(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    let page = WallPage {
        frame: Frame::of(&app, asked.language),
        t: app.library.of(asked.language),
        wall: wall(&app, asked.language),
        live: format!("/wall/fragment?lang={}", asked.language.code()),
    };
    pages::page(&page, asked)
}

/// `GET /wall/fragment`.
pub(super) async fn fragment(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    pages::render(&WallFragment {
        t: app.library.of(asked.language),
        wall: wall(&app, asked.language),
    })
}

fn wall(app: &App, language: Language) -> Wall {
    let (wording, now_ms) = (wording(app, language), clock::now_ms());
    let t = &wording.texts.wall;
    let cases = app.sources.cases.newest(LOOKED_AT);
    let today = day_of(now_ms, app.utc_offset_minutes);
    let is_today = |case: &CaseView| day_of(case.received_at_ms, app.utc_offset_minutes) == today;
    let is = |case: &CaseView, urgency| case.assessment.as_ref().is_some_and(|it| it.urgency == urgency);
    let overdue = |case: &CaseView| wording.expert_line(case).is_some_and(|line| line.is_overdue);
    let unread = |case: &CaseView| case.reading.unread_reports().next().is_some();
    let count = |wanted: &dyn Fn(&CaseView) -> bool| cases.iter().filter(|case| wanted(case)).count();
    let tile = |class, count, word: &str| Tile {
        class,
        count,
        word: word.to_owned(),
    };
    let tiles = vec![
        tile("all", count(&is_today), &t.today),
        tile(
            "critical",
            count(&|case| is_today(case) && is(case, Urgency::Critical)),
            &t.critical,
        ),
        tile(
            "review",
            count(&|case| is_today(case) && is(case, Urgency::Review)),
            &t.review,
        ),
        tile("waiting", count(&|case| case.reading.is_under_way()), &t.waiting),
        tile("overdue", count(&overdue), &t.overdue),
        tile("arrived", count(&unread), &t.arrived),
    ];
    let mut shown: Vec<_> = cases
        .iter()
        .filter(|case| {
            case.reading.is_under_way()
                || unread(case)
                || is_today(case) && (is(case, Urgency::Critical) || is(case, Urgency::Review))
        })
        .collect();
    shown.sort_by_key(|case| !is(case, Urgency::Critical));
    Wall {
        tiles,
        rows: shown
            .into_iter()
            .take(SHOWN)
            .map(|case| Row {
                case: short_case(&case.case),
                received: Moment::here(case.received_at_ms, now_ms, app.utc_offset_minutes),
                light: wording.light(case.state, case.assessment.as_ref().map(|it| it.urgency)),
                expert: wording.expert_line(case),
            })
            .collect(),
        connected: app.sources.status.connected(),
    }
}
