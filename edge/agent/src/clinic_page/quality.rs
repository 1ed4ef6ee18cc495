//! Picture quality by scanner and day, for whoever teaches and services: as a page and for programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::pages::{self, Frame, QualityPage};
use super::request_language::RequestLanguage;
use super::routes::wording;
use super::server::App;
use super::texts::fill;
use super::wording::Wording;
use crate::picture_quality::{self, DayFigures, Figures};

/// Days a page shows of each scanner.
const DAYS: usize = 30;
/// What comes most often is what can be changed; more would not be read.
const COMMONEST: usize = 3;

/// One scanner's part of the page.
#[derive(Debug)]
pub(super) struct ScannerFigures {
    pub(super) name: String,
    /// Newest first.
    pub(super) days: Vec<DayRow>,
    /// The most frequent problems of these days with their advice.
    pub(super) commonest: Vec<String>,
}

#[derive(Debug)]
pub(super) struct DayRow {
    pub(super) day: String,
    pub(super) pictures: u64,
    pub(super) a: u64,
    pub(super) b: u64,
    pub(super) c: u64,
}

/// `GET /quality`.
pub(super) async fn page(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    let page = QualityPage {
        frame: Frame::of(&app, asked.language),
        t: app.library.of(asked.language),
        scanners: by_scanner(
            &app.sources.picture_quality.figures(),
            wording(&app, asked.language),
        ),
    };
    pages::page(&page, asked)
}

fn by_scanner(figures: &Figures, wording: Wording<'_>) -> Vec<ScannerFigures> {
    let mut scanners: BTreeMap<&str, Vec<(&str, &DayFigures)>> = BTreeMap::new();
    for ((day, scanner), figures) in figures.iter().rev() {
        let days = scanners.entry(scanner).or_default();
        if days.len() < DAYS {
            days.push((day, figures));
        }
    }
    scanners
        .into_iter()
        .map(|(name, days)| ScannerFigures {
            name: if name.is_empty() {
                wording.texts.quality.no_scanner.clone()
            } else {
                name.to_owned()
            },
            commonest: commonest(&days, wording),
            days: days
                .into_iter()
                .map(|(day, figures)| DayRow {
                    day: day.to_owned(),
                    pictures: figures.pictures(),
                    a: figures.a,
                    b: figures.b,
                    c: figures.c,
                })
                .collect(),
        })
        .collect()
}

fn commonest(days: &[(&str, &DayFigures)], wording: Wording<'_>) -> Vec<String> {
    let mut all = DayFigures::default();
    for (_, figures) in days {
        all.add(figures);
    }
    let mut problems: Vec<(String, u64)> = all.problems.into_iter().collect();
    problems.sort_by_key(|(_, pictures)| std::cmp::Reverse(*pictures));
    problems
        .into_iter()
        .filter_map(|(code, pictures)| {
            let advice = wording.advice(picture_quality::problem(&code)?);
            let places = [("count", pictures.to_string()), ("advice", advice)];
            let places = places.each_ref().map(|(name, value)| (*name, value.as_str()));
            Some(fill(&wording.texts.quality.count, &places))
        })
        .take(COMMONEST)
        .collect()
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    days: Vec<DayAnswer>,
}

#[derive(Debug, Serialize)]
struct DayAnswer {
    day: String,
    scanner: String,
    pictures: u64,
    a: u64,
    b: u64,
    c: u64,
    /// How many pictures have each problem.
    problems: BTreeMap<String, u64>,
}

/// `GET /api/quality`.
pub(super) async fn figures(State(app): State<Arc<App>>) -> Json<Answer> {
    let figures = app.sources.picture_quality.figures();
    let days = figures.into_iter().map(|((day, scanner), figures)| DayAnswer {
        pictures: figures.pictures(),
        day,
        scanner,
        a: figures.a,
        b: figures.b,
        c: figures.c,
        problems: figures.problems,
    });
    Json(Answer { days: days.collect() })
}
