//! Orders: what is on the worklist, and the form that puts more on it.

use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::pages::{self, Frame, OrdersPage};
use super::request_language::RequestLanguage;
use super::server::App;
use super::texts::Texts;
use crate::clock;
use crate::orders::{FieldError, Order, OrderForm, OrderState, Problem};

/// Orders shown; the next ones come up as these are carried out.
const SHOWN: usize = 200;

/// What such a clinic's scanners are, in DICOM's codes (PS3.3 section C.7.3.1.1.1); nothing is chosen beforehand.
const MODALITIES: [&str; 11] = ["", "DX", "CR", "US", "CT", "MR", "MG", "ES", "ECG", "XA", "OT"];

/// One order of the list.
#[derive(Debug)]
pub(super) struct OrderCard {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) patient_id: String,
    pub(super) what: String,
    pub(super) when: String,
    /// Empty: whichever scanner asks.
    pub(super) scanner: String,
    pub(super) accession: String,
    pub(super) started: bool,
}

/// One field of the form, with what was typed and what is wrong with it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) value: String,
    pub(super) kind: &'static str,
    /// What can be chosen: the code, and what it is called. Empty: anything can be typed.
    pub(super) choices: Vec<(&'static str, String)>,
    pub(super) required: bool,
    pub(super) problem: Option<String>,
}

fn card(order: Order) -> OrderCard {
    let wish = order.wish;
    let date = match (wish.date.get(..4), wish.date.get(4..6), wish.date.get(6..)) {
        (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        _ => wish.date.clone(),
    };
    let time = match (wish.time.get(..2), wish.time.get(2..4)) {
        (Some(hours), Some(minutes)) => format!(" {hours}:{minutes}"),
        _ => String::new(),
    };
    OrderCard {
        id: order.id,
        name: wish.patient.name.replace(['^', '='], " "),
        patient_id: wish.patient.id,
        what: format!("{} {}", wish.modality, wish.description)
            .trim()
            .to_owned(),
        when: date + &time,
        scanner: wish.station_ae,
        accession: wish.accession,
        started: order.state == OrderState::Started,
    }
}

fn fields(form: &OrderForm, errors: &[FieldError], texts: &Texts) -> Vec<Field> {
    let t = &texts.orders;
    let field = |name, label: &str, value: &str, kind, required| Field {
        name,
        label: label.to_owned(),
        value: value.to_owned(),
        kind,
        choices: Vec::new(),
        required,
        problem: errors
            .iter()
            .find(|error| error.field == name)
            .map(|error| said(error.problem, texts)),
    };
    let chosen = |field: Field, choices: Vec<(&'static str, String)>| Field { choices, ..field };
    let p = &texts.patient;
    let sexes = [
        ("", ""),
        ("F", p.female.as_str()),
        ("M", &p.male),
        ("O", &p.other),
    ];
    let named = sexes.map(|(code, name)| (code, name.to_owned())).to_vec();
    let codes = MODALITIES.map(|code| (code, code.to_owned())).to_vec();
    vec![
        field("name", &t.name, &form.name, "text", true),
        field("latin_name", &t.latin_name, &form.latin_name, "text", false),
        field("patient_id", &t.patient_id, &form.patient_id, "text", true),
        field("birth_date", &t.birth_date, &form.birth_date, "date", false),
        chosen(field("sex", &t.sex, &form.sex, "text", false), named),
        chosen(
            field("modality", &t.modality, &form.modality, "text", true),
            codes,
        ),
        field("description", &t.description, &form.description, "text", false),
        field("date", &t.date, &form.date, "date", true),
        field("time", &t.time, &form.time, "time", false),
        field("station_ae", &t.scanner, &form.station_ae, "text", false),
        field(
            "referring_physician",
            &t.referring_physician,
            &form.referring_physician,
            "text",
            false,
        ),
        field("accession", &t.accession, &form.accession, "text", false),
    ]
}

fn said(problem: Problem, texts: &Texts) -> String {
    let t = &texts.orders;
    match problem {
        Problem::Missing => &t.missing,
        Problem::TooLong => &t.too_long,
        Problem::Character => &t.character,
        Problem::NotADate => &t.not_a_date,
        Problem::NotATime => &t.not_a_time,
        Problem::NotAChoice => &t.not_a_choice,
    }
    .clone()
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    notice: Option<String>,
}

/// `GET /orders`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Query(query): Query<Asked>,
) -> Response {
    let added = query.notice.as_deref() == Some("added");
    show(&app, asked, &OrderForm::default(), &[], added)
}

fn show(app: &App, asked: RequestLanguage, form: &OrderForm, errors: &[FieldError], added: bool) -> Response {
    let t = app.library.of(asked.language);
    let listed = tokio::task::block_in_place(|| app.sources.orders.listed());
    let page = OrdersPage {
        frame: Frame::of(app, asked.language),
        t,
        more: SHOWN < listed.len(),
        orders: listed.into_iter().take(SHOWN).map(card).collect(),
        fields: fields(form, errors, t),
        added,
    };
    pages::page(&page, asked)
}

/// `POST /orders`.
pub(super) async fn add(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Form(form): Form<OrderForm>,
) -> Response {
    let order = match form.order(clock::now_ms()) {
        Ok(order) => order,
        Err(errors) => {
            let page = show(&app, asked, &form, &errors, false);
            return (StatusCode::UNPROCESSABLE_ENTITY, page).into_response();
        }
    };
    let orders = app.sources.orders.clone();
    let written = tokio::task::spawn_blocking(move || orders.add(order)).await;
    done(&app, asked, written.unwrap_or(false), "/orders?notice=added")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeBackForm {
    /// The order's id.
    order: String,
}

/// `POST /orders/take-back`.
pub(super) async fn take_back(
    State(app): State<Arc<App>>,
    asked: RequestLanguage,
    Form(form): Form<TakeBackForm>,
) -> Response {
    let orders = app.sources.orders.clone();
    let written = tokio::task::spawn_blocking(move || orders.take_back(&form.order)).await;
    done(&app, asked, written.unwrap_or(false), "/orders")
}

fn done(app: &App, asked: RequestLanguage, written: bool, next: &str) -> Response {
    if written {
        return Redirect::to(next).into_response();
    }
    let texts = &app.library.of(asked.language).error;
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    pages::message(app, asked.language, status, &texts.failed_heading, &texts.failed)
}
