//! The templates and how an answer is made from one.

use askama::Template;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::Language;
use super::aside::AsideLine;
use super::assets::Addresses;
use super::card::Card;
use super::exchange::{ImportCard, NodeCard};
use super::learning::LearningCard;
use super::orders::{Field, OrderCard};
use super::own_certificate::OwnCertificate;
use super::policy::{ChangeLine, PolicyForm, Stream};
use super::priors::PriorCard;
use super::quality::ScannerFigures;
use super::request_language::RequestLanguage;
use super::self_test::StepLine;
use super::server::App;
use super::sign_in::{self, Who};
use super::sources::DicomAddress;
use super::talk::TalkForm;
use super::texts::Texts;
use super::top_bar::TopBar;
use super::wall::Wall;
use crate::users::{Roles, User};

/// What stands around every page.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) language_tag: &'static str,
    pub(super) language_code: &'static str,
    pub(super) clinic: &'a str,
    pub(super) version: &'static str,
    pub(super) assets: &'a Addresses,
    /// Whoever signed in, and whether readers do at all.
    pub(super) reader: Option<String>,
    pub(super) signs_in: bool,
    pub(super) may: Roles,
    /// Of the certificate that the box made for its page, to be compared with what a browser shows.
    pub(super) certificate: Option<String>,
}

impl<'a> Frame<'a> {
    pub(super) fn of(app: &'a App, language: Language) -> Self {
        let who = sign_in::who();
        Self {
            reader: matches!(who, Who::User(_)).then(|| who.name()),
            signs_in: app.signed_in.is_wanted,
            may: who.may(),
            certificate: app.own_certificate.as_ref().map(OwnCertificate::fingerprint),
            language_tag: language.tag(),
            language_code: language.code(),
            clinic: app.sources.clinic.as_str(),
            version: env!("CARGO_PKG_VERSION"),
            assets: &app.assets,
        }
    }
}

/// The cases of the list and how to see others.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) cards: Vec<Card>,
    /// Cases on this box, whatever the filter.
    pub(super) total: usize,
    pub(super) choices: Vec<Choice>,
    pub(super) more: Option<More>,
    /// Where the script asks for the list again.
    pub(super) live: String,
    pub(super) dicom: &'a DicomAddress,
    pub(super) learning: LearningCard,
}

/// One filter.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) code: &'static str,
    pub(super) word: String,
    pub(super) count: usize,
    pub(super) href: String,
    pub(super) current: bool,
}

/// The link to older cases.
#[derive(Debug)]
pub(super) struct More {
    pub(super) href: String,
    pub(super) text: String,
}

#[derive(Debug, Template)]
#[template(path = "list.html")]
pub(super) struct ListPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) bar: TopBar,
    pub(super) list: List<'a>,
    /// A scanner has just been allowed.
    pub(super) allowed: bool,
    /// The stick is being looked at.
    pub(super) looked: bool,
    /// The one day that is shown; empty: all.
    pub(super) day: String,
}

#[derive(Debug, Template)]
#[template(path = "list_fragment.html")]
pub(super) struct ListFragment<'a> {
    pub(super) t: &'a Texts,
    pub(super) bar: TopBar,
    pub(super) list: List<'a>,
}

#[derive(Debug, Template)]
#[template(path = "case.html")]
pub(super) struct CasePage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) card: Card,
    pub(super) priors: Vec<PriorCard>,
    pub(super) live: String,
    pub(super) has_paper: bool,
}

#[derive(Debug, Template)]
#[template(path = "case_fragment.html")]
pub(super) struct CaseFragment<'a> {
    pub(super) t: &'a Texts,
    pub(super) card: Card,
    pub(super) priors: Vec<PriorCard>,
    pub(super) has_paper: bool,
}

#[derive(Debug, Template)]
#[template(path = "talk.html")]
pub(super) struct TalkPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    /// Whom it is about: shown here, never sent.
    pub(super) patient: String,
    pub(super) form: TalkForm,
}

#[derive(Debug, Template)]
#[template(path = "print.html")]
pub(super) struct PrintPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) card: Card,
    pub(super) accession: String,
    pub(super) other_names: String,
}

#[derive(Debug, Template)]
#[template(path = "search.html")]
pub(super) struct SearchPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) cards: Vec<Card>,
    pub(super) said: String,
    pub(super) more: bool,
}

#[derive(Debug, Template)]
#[template(path = "wall.html")]
pub(super) struct WallPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) wall: Wall,
    pub(super) live: String,
}

#[derive(Debug, Template)]
#[template(path = "wall_fragment.html")]
pub(super) struct WallFragment<'a> {
    pub(super) t: &'a Texts,
    pub(super) wall: Wall,
}

#[derive(Debug, Template)]
#[template(path = "aside.html")]
pub(super) struct AsidePage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) lines: Vec<AsideLine>,
}

#[derive(Debug, Template)]
#[template(path = "fault.html")]
pub(super) struct FaultPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) note: String,
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Template)]
#[template(path = "self_test.html")]
pub(super) struct SelfTestPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    /// When; none before a test.
    pub(super) done: Option<String>,
    pub(super) is_well: bool,
    pub(super) steps: Vec<StepLine>,
    pub(super) has_picture: bool,
}

#[derive(Debug, Template)]
#[template(path = "scanner_card.html")]
pub(super) struct ScannerCardPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) ae_title: &'a str,
    pub(super) addresses: Vec<String>,
    pub(super) port: Option<u16>,
    pub(super) tls_port: Option<u16>,
    /// No other machine reaches the box.
    pub(super) is_only_here: bool,
}

#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    /// Ids and names.
    pub(super) users: Vec<(String, String)>,
    /// There is nobody yet.
    pub(super) is_first: bool,
    /// The reader sits at the box itself.
    pub(super) is_here: bool,
    pub(super) problem: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "own_pin.html")]
pub(super) struct OwnPinPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
}

#[derive(Debug, Template)]
#[template(path = "people.html")]
pub(super) struct PeoplePage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) users: Vec<User>,
    /// The site asks nobody to sign in.
    pub(super) is_off: bool,
    pub(super) problem: Option<String>,
    pub(super) done: bool,
}

#[derive(Debug, Template)]
#[template(path = "policy.html")]
pub(super) struct PolicyPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) streams: Vec<Stream>,
    /// What a manager may change; `None` for others.
    pub(super) form: Option<PolicyForm>,
    pub(super) problem: Option<String>,
    pub(super) done: bool,
}

#[derive(Debug, Template)]
#[template(path = "policy_confirm.html")]
pub(super) struct PolicyConfirmPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) changes: Vec<ChangeLine>,
    /// The form again.
    pub(super) fields: Vec<(String, String)>,
    pub(super) confirm: String,
    pub(super) user: String,
    pub(super) problem: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "exchange.html")]
pub(super) struct ExchangePage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) import: Option<ImportCard>,
    pub(super) nodes: Vec<NodeCard>,
    pub(super) live: String,
}

#[derive(Debug, Template)]
#[template(path = "exchange_fragment.html")]
pub(super) struct ExchangeFragment<'a> {
    pub(super) t: &'a Texts,
    pub(super) import: Option<ImportCard>,
    pub(super) nodes: Vec<NodeCard>,
}

#[derive(Debug, Template)]
#[template(path = "orders.html")]
pub(super) struct OrdersPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) orders: Vec<OrderCard>,
    /// There are more than are shown.
    pub(super) more: bool,
    pub(super) fields: Vec<Field>,
    /// An order was just written down.
    pub(super) added: bool,
}

#[derive(Debug, Template)]
#[template(path = "quality.html")]
pub(super) struct QualityPage<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) t: &'a Texts,
    pub(super) scanners: Vec<ScannerFigures>,
}

#[derive(Debug, Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    frame: Frame<'a>,
    t: &'a Texts,
    heading: &'a str,
    text: &'a str,
}

/// A page with one thing to say.
pub(super) fn message(
    app: &App,
    language: Language,
    status: StatusCode,
    heading: &str,
    text: &str,
) -> Response {
    let page = MessagePage {
        frame: Frame::of(app, language),
        t: app.library.of(language),
        heading,
        text,
    };
    (status, render(&page)).into_response()
}

/// A whole page: remembers a language that was just chosen.
pub(super) fn page(template: &impl Template, asked: RequestLanguage) -> Response {
    let mut response = render(template);
    if let Some(cookie) = asked
        .cookie()
        .and_then(|cookie| HeaderValue::from_str(&cookie).ok())
    {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

pub(super) fn render(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "A page could not be written.");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
