//! Who answers which address.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use barefoot_domain::Urgency;
use barefoot_trust::MAX_SEALED_BYTES;
use serde::Deserialize;

use super::card::Card;
use super::learning::{self, LearningCard};
use super::pages::{self, CaseFragment, CasePage, Choice, Frame, List, ListFragment, ListPage, More};
use super::priors::PriorCard;
use super::request_language::RequestLanguage;
use super::server::App;
use super::texts::{Texts, fill};
use super::top_bar::TopBar;
use super::wording::Wording;
use super::{
    Language, acts, api, assets, carried, changes, days, exchange, fault, guard, marks, orders, people,
    pictures, policy, print, quality, saying, scanner_card, self_test, sign_in, talk, wall,
};
use crate::case_index::CaseView;
use crate::clock;
use crate::priors::priors_of;
use crate::site_policy::consent::Register;
use crate::study_folder::StudyKey;

/// Cards on the list before "show more" is pressed, and after.
const SHOWN: usize = 50;
const MOST_SHOWN: usize = 500;

/// Cases looked at for the list and its counts.
const LOOKED_AT: usize = 10_000;

/// An AE title has 16 characters.
const FORM_BYTES: usize = 4096;
/// A policy with fifty nodes and recipients.
const POLICY_BYTES: usize = 64 * 1024;
/// Two thousand Chinese characters, as a form carries them.
const MESSAGE_BYTES: usize = 32 * 1024;

pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/cases/fragment", get(list_fragment))
        .route("/case/{key}", get(case))
        .route("/case/{key}/fragment", get(case_fragment))
        .route(
            "/case/{key}/finding",
            post(saying::finding).layer(DefaultBodyLimit::max(FORM_BYTES)),
        )
        .route(
            "/case/{key}/consent",
            post(saying::consent).layer(DefaultBodyLimit::max(FORM_BYTES)),
        )
        .route("/case/{key}/preview.jpg", get(pictures::preview))
        .route("/case/{key}/heat_map.jpg", get(pictures::heat_map))
        .route("/case/{key}/presented.jpg", get(pictures::presented))
        .route(
            "/scanners/allow",
            post(allow).layer(DefaultBodyLimit::max(FORM_BYTES)),
        )
        .route("/stick/look", post(look_at_stick))
        .route(
            "/orders",
            get(orders::page)
                .post(orders::add)
                .layer(DefaultBodyLimit::max(FORM_BYTES)),
        )
        .route(
            "/orders/take-back",
            post(orders::take_back).layer(DefaultBodyLimit::max(FORM_BYTES)),
        )
        .route("/quality", get(quality::page))
        .route("/api/quality", get(quality::figures))
        .route("/scanner-card", get(scanner_card::page))
        .route("/self-test", get(self_test::page).post(self_test::run))
        .route("/self-test/picture.jpg", get(self_test::picture))
        .route("/api/self-test", post(self_test::run_by_program))
        .route("/exchange", get(exchange::page))
        .route("/exchange/fragment", get(exchange::fragment))
        .route(
            "/import/start",
            post(exchange::start).layer(DefaultBodyLimit::max(FORM_BYTES)),
        )
        .route("/import/cancel", post(exchange::cancel))
        .route(
            "/nodes/again",
            post(exchange::again).layer(DefaultBodyLimit::max(FORM_BYTES)),
        )
        .route(
            "/api/import",
            get(exchange::progress).post(exchange::start_by_program),
        )
        .route("/api/import/cancel", post(exchange::cancel_by_program))
        .route("/api/nodes", get(exchange::nodes))
        .route("/api/queue/export", get(carried::export))
        .route(
            "/api/queue/receipts",
            post(carried::receipts).layer(DefaultBodyLimit::max(MAX_SEALED_BYTES)),
        )
        .route(
            "/case/{key}/message",
            post(talk::message).layer(DefaultBodyLimit::max(MESSAGE_BYTES)),
        )
        .route("/case/{key}/ask", get(talk::page))
        .route("/case/{key}/seen", post(talk::seen))
        .route("/case/{key}/report/{report}/read", post(talk::read))
        .route("/case/{key}/report/{report}/print", get(print::page))
        .route("/case/{key}/report/{report}/paper.pdf", get(print::pdf))
        .route(
            "/case/{key}/report/{report}/{number}/image.jpg",
            get(marks::image),
        )
        .route(
            "/case/{key}/report/{report}/{number}/marks.svg",
            get(marks::marks),
        )
        .route("/aside", get(talk::aside))
        .route("/aside/clear", post(talk::clear_aside))
        .route(
            "/search",
            post(days::search).layer(DefaultBodyLimit::max(FORM_BYTES)),
        )
        .route(
            "/policy",
            get(policy::page)
                .post(policy::change)
                .layer(DefaultBodyLimit::max(POLICY_BYTES)),
        )
        .route("/wall", get(wall::page))
        .route("/wall/fragment", get(wall::fragment))
        .route(
            "/fault",
            get(fault::page)
                .post(fault::make)
                .layer(DefaultBodyLimit::max(fault::MAX_BODY)),
        )
        .merge(people_routes())
        .route("/events", get(changes::events))
        .route("/api/cases", get(api::cases))
        .route("/api/status", get(api::status))
        .route("/assets/page.css", get(assets::style))
        .route("/assets/page.js", get(assets::script))
        .route("/assets/icon.svg", get(assets::icon))
        .fallback(missing)
        .layer(from_fn_with_state(Arc::clone(&app), acts::record))
        .layer(from_fn_with_state(Arc::clone(&app), sign_in::require))
        .layer(from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}

fn people_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-in/first", post(sign_in::first))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/people", get(people::page))
        .route("/people/add", post(people::add))
        .route("/people/pin", post(people::pin))
        .route("/people/own-pin", get(people::own_pin_page).post(people::own_pin))
        .route("/people/roles", post(people::set_roles))
        .route("/people/remove", post(people::remove))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
}

/// Which cases the list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Show {
    #[default]
    All,
    Critical,
    Review,
}

impl Show {
    const ALL: [Self; 3] = [Self::All, Self::Critical, Self::Review];

    fn code(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Critical => "critical",
            Self::Review => "review",
        }
    }

    fn takes(self, urgency: Option<Urgency>) -> bool {
        match self {
            Self::All => true,
            Self::Critical => urgency == Some(Urgency::Critical),
            Self::Review => urgency == Some(Urgency::Review),
        }
    }

    fn word(self, texts: &Texts) -> String {
        match self {
            Self::All => &texts.filter.all,
            Self::Critical => &texts.filter.critical,
            Self::Review => &texts.filter.review,
        }
        .clone()
    }
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    #[serde(default)]
    show: Show,
    limit: Option<usize>,
    notice: Option<String>,
    /// One day of the clinic's only, `2026-11-22`.
    #[serde(default)]
    day: String,
}

async fn list(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Query(query): Query<ListQuery>,
) -> Response {
    let t = app.library.of(asked.language);
    let page = ListPage {
        frame: Frame::of(&app, asked.language),
        t,
        bar: TopBar::of(&app.sources, t, clock::now_ms(), app.utc_offset_minutes),
        day: query.day.clone(),
        list: make_list(&app, asked.language, &query),
        allowed: query.notice.as_deref() == Some("allowed"),
        looked: query.notice.as_deref() == Some("looked"),
    };
    pages::page(&page, asked)
}

async fn list_fragment(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Query(query): Query<ListQuery>,
) -> Response {
    let t = app.library.of(asked.language);
    let bar = TopBar::of(&app.sources, t, clock::now_ms(), app.utc_offset_minutes);
    pages::render(&ListFragment {
        t,
        bar,
        list: make_list(&app, asked.language, &query),
    })
}

fn make_list<'a>(app: &'a App, language: Language, query: &ListQuery) -> List<'a> {
    let texts = app.library.of(language);
    let limit = query.limit.unwrap_or(SHOWN).clamp(1, MOST_SHOWN);
    let now_ms = clock::now_ms();
    let day_of = |case: &CaseView| days::day_of(case.received_at_ms, app.utc_offset_minutes);
    let total = app.sources.cases.all().len();
    let mut cases = app.sources.cases.newest(LOOKED_AT);
    let day = is_day(&query.day).then_some(query.day.as_str());
    cases.retain(|case| day.is_none_or(|day| day_of(case).as_deref() == Some(day)));
    let chosen_day = day.map(|day| format!("&day={day}")).unwrap_or_default();
    let urgency_of = |case: &CaseView| case.assessment.as_ref().map(|it| it.urgency);
    let choices: Vec<Choice> = Show::ALL
        .into_iter()
        .map(|show| Choice {
            code: show.code(),
            word: show.word(texts),
            count: cases.iter().filter(|case| show.takes(urgency_of(case))).count(),
            href: format!("/?show={}{chosen_day}", show.code()),
            current: show == query.show,
        })
        .collect();
    let all = choices
        .iter()
        .find(|choice| choice.current)
        .map_or(0, |choice| choice.count);
    let today = days::day_of(now_ms, app.utc_offset_minutes);
    let mut last_day = None;
    let cards: Vec<Card> = cases
        .iter()
        .filter(|case| query.show.takes(urgency_of(case)))
        .take(limit)
        .map(|case| {
            let mut card = Card::of(case, wording(app, language));
            let day = day_of(case);
            card.is_today = day.is_some() && day == today;
            if day != last_day {
                let headed = day.as_deref();
                card.day = headed.map(|day| days::heading(day, now_ms, app.utc_offset_minutes, texts));
                last_day = day;
            }
            card
        })
        .collect();
    let show = query.show.code();
    let more = (cards.len() < all && limit < MOST_SHOWN).then(|| More {
        href: format!("/?show={show}&limit={MOST_SHOWN}{chosen_day}"),
        text: fill(
            &texts.page.more,
            &[("shown", &cards.len().to_string()), ("all", &all.to_string())],
        ),
    });
    List {
        learning: LearningCard::of(&app.sources.learning.view(), wording(app, language)),
        total,
        cards,
        choices,
        more,
        live: format!(
            "/cases/fragment?lang={}&show={show}&limit={limit}{chosen_day}",
            language.code()
        ),
        dicom: &app.sources.dicom,
    }
}

/// As a date field says it.
fn is_day(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

pub(super) fn wording(app: &App, language: Language) -> Wording<'_> {
    let now_ms = clock::now_ms();
    let ahead_ms = app.sources.status.hub_clock().offset_ms(now_ms);
    Wording {
        may: sign_in::who().may(),
        utc_offset_minutes: app.utc_offset_minutes,
        now_hub_ms: now_ms.saturating_add(ahead_ms.unwrap_or_default()),
        hub_talks: app.sources.status.hub_talks(),
        texts: app.library.of(language),
        language,
        names: &app.sources.finding_names,
        pictures: &app.sources.picture_quality,
        review_below: app.sources.review_below,
    }
}

/// A case and what is known of the patient from before.
fn find_case(app: &App, key: &str, language: Language) -> Option<(Card, Vec<PriorCard>)> {
    let case = app.sources.cases.get(&StudyKey::parse(key)?)?;
    let wording = wording(app, language);
    let all = app.sources.cases.all();
    let priors = priors_of(&case, &all);
    let priors = priors.iter().map(|prior| PriorCard::of(prior, wording));
    let mut card = Card::of(&case, wording);
    let policy = app.sources.policy.handle.get();
    card.said.consents = learning::consents(&case, &policy, &Register::of_cases(&all), wording.texts);
    Some((card, priors.collect()))
}

async fn case(State(app): State<Arc<App>>, asked: RequestLanguage, Path(key): Path<String>) -> Response {
    let Some((card, priors)) = find_case(&app, &key, asked.language) else {
        return missing(State(app), asked).await;
    };
    let page = CasePage {
        frame: Frame::of(&app, asked.language),
        t: app.library.of(asked.language),
        live: format!("/case/{}/fragment?lang={}", card.key, asked.language.code()),
        has_paper: app.sources.paper.is_some(),
        card,
        priors,
    };
    pages::page(&page, asked)
}

async fn case_fragment(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Path(key): Path<String>,
) -> Response {
    match find_case(&app, &key, asked.language) {
        Some((card, priors)) => pages::render(&CaseFragment {
            t: app.library.of(asked.language),
            has_paper: app.sources.paper.is_some(),
            card,
            priors,
        }),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn missing(State(app): State<Arc<App>>, asked: RequestLanguage) -> Response {
    let texts = &app.library.of(asked.language).error;
    pages::message(
        &app,
        asked.language,
        StatusCode::NOT_FOUND,
        &texts.missing_heading,
        &texts.missing,
    )
}

/// Somebody has put a stick in and does not want to wait. What is on it is believed no more for that.
async fn look_at_stick(State(app): State<Arc<App>>) -> Response {
    app.sources.status.ask_for_stick();
    Redirect::to("/?notice=looked").into_response()
}

#[derive(Debug, Deserialize)]
struct AllowForm {
    ae_title: String,
}

/// Lets a scanner in that was turned away before, and nobody else: the form can name only who has called.
async fn allow(State(app): State<Arc<App>>, asked: RequestLanguage, Form(form): Form<AllowForm>) -> Response {
    let scanners = app.sources.scanners.clone();
    let written = tokio::task::spawn_blocking(move || {
        let allowed = scanners.allow(&form.ae_title)?;
        if allowed {
            tracing::info!(scanner = ?form.ae_title, "A scanner was allowed from the clinic page.");
        }
        Ok::<_, std::io::Error>(allowed)
    })
    .await;
    let error = match written {
        Ok(Ok(true)) => return Redirect::to("/?notice=allowed").into_response(),
        // Somebody else was faster, or the box has started anew; the list shows which.
        Ok(Ok(false)) => return Redirect::to("/").into_response(),
        Ok(Err(error)) => error,
        Err(error) => std::io::Error::other(error),
    };
    tracing::error!(%error, "A scanner could not be allowed: the decision cannot be written.");
    let texts = &app.library.of(asked.language).error;
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    pages::message(&app, asked.language, status, &texts.failed_heading, &texts.failed)
}
