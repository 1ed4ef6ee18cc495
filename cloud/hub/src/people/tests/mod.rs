//! People with a real archive, behind the guard, asked as a browser asks. Time passes when a test says so.

mod accounts;
mod addresses;
mod forms;
mod programs;
mod provider;
mod provider_faults;
mod region_id;
mod sessions;
mod sign_in;
mod signing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::routing::get;
use barefoot_trust::{Authority, TlsIdentity, TlsPaths};
use tempfile::TempDir;
use time::{OffsetDateTime, UtcOffset};
use tower::ServiceExt;

use super::{People, Role, Roles, Signed, TypedProfile, guard, router, totp};
use crate::archive::{Archive, AuditFilter};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::config::{self, Language, Page};
use crate::web::Look;

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) const LOOK: Look = Look {
    language: Language::En,
    offset: UtcOffset::UTC,
    accounts: true,
    cases: true,
};

/// A hub's people and its web server.
pub(crate) struct House {
    pub(crate) people: People,
    pub(crate) archive: Archive,
    pub(crate) dir: TempDir,
    now: Arc<AtomicI64>,
    router: Router,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// The same where it is no text.
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// The value of a field of the page's forms.
    pub(crate) fn field(&self, name: &str) -> String {
        let from = format!("name=\"{name}\"");
        let tag = self
            .body
            .split_once(&from)
            .and_then(|(_, rest)| rest.split_once('>'));
        let value = tag.and_then(|(tag, _)| tag.split_once(" value=\""));
        let (_, rest) = value.unwrap_or_else(|| panic!("no {name} in {}", self.body));
        rest.split('"').next().unwrap().to_owned()
    }

    fn cookies(&self) -> Vec<&str> {
        let set = self.headers.get_all(header::SET_COOKIE);
        set.iter().map(|value| value.to_str().unwrap()).collect()
    }
}

/// A browser with its cookies.
#[derive(Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
}

/// A person whose account is set up.
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: Vec<u8>,
}

fn page(behind_proxy: bool) -> Page {
    Page {
        listen: ([127, 0, 0, 1], 0).into(),
        language: Language::En,
        utc_offset_minutes: 0,
        behind_proxy,
        tls: None,
    }
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(config::People::default(), false).await
    }

    pub(super) async fn with(settings: config::People, behind_proxy: bool) -> Self {
        Self::of(
            settings,
            behind_proxy,
            OffsetDateTime::now_utc(),
            |people, _, _| {
                let said = |word: &'static str| get(move || async move { word });
                Router::new()
                    .route("/", said("results"))
                    .route("/list", said("list"))
                    .route("/api/results", said("results"))
                    .route("/api/status", said("status"))
                    .route("/quick-look/{image}", said("image"))
                    .route("/models", said("models"))
                    .route("/dicom-web/studies", said("studies"))
                    .route("/assets/page.css", said("style"))
                    .route(
                        "/who",
                        get(|signed: Signed| async move { signed.person.name.clone() }),
                    )
                    .merge(audit::router(people.audit().clone(), LOOK, None))
            },
        )
        .await
    }

    /// Accounts before the pages of another part, at a time of its own.
    pub(crate) async fn before(
        now: OffsetDateTime,
        pages: impl FnOnce(&People, &Archive, &Arc<TlsIdentity>) -> Router,
    ) -> Self {
        Self::of(config::People::default(), false, now, pages).await
    }

    async fn of(
        settings: config::People,
        behind_proxy: bool,
        now: OffsetDateTime,
        pages: impl FnOnce(&People, &Archive, &Arc<TlsIdentity>) -> Router,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(dir.path(), "Test region", now).unwrap();
        let hub = authority.issue_hub(&["localhost".into()], now, time::Duration::days(30));
        hub.unwrap().save(dir.path(), "hub").unwrap();
        let identity = TlsIdentity::load(&TlsPaths {
            authority: dir.path().join("authority.crt"),
            certificate: dir.path().join("hub.crt"),
            key: dir.path().join("hub.key"),
        })
        .unwrap();
        let identity = Arc::new(identity);
        let archive = Archive::open_with_keys(&dir.path().join("barefoot.db"))
            .await
            .unwrap();
        let now = Arc::new(AtomicI64::new(now.unix_timestamp() * 1000));
        let read = Arc::clone(&now);
        let clock = Clock::of(move || read.load(Ordering::Relaxed));
        let people = People::new(
            archive.clone(),
            Arc::clone(&identity),
            settings,
            &page(behind_proxy),
            clock,
        )
        .unwrap();
        let pages = pages(&people, &archive, &identity).merge(router(people.clone(), LOOK));
        Self {
            router: guard(pages, people.clone()),
            people,
            archive,
            dir,
            now,
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// The current code; each call is in a time step of its own.
    pub(crate) fn code(&self, known: &Known) -> String {
        self.pass(30);
        totp::code(&known.secret, self.now_ms())
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = to_bytes(body, 1 << 22).await.unwrap().to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        }
    }

    /// An account that was just made, and its one-time code.
    pub(super) async fn add(&self, name: &str, roles: &str) -> (String, String) {
        self.add_at(name, roles, "county").await
    }

    async fn add_at(&self, name: &str, roles: &str, tier: &str) -> (String, String) {
        let typed = TypedProfile {
            display_name: format!("Dr {name}"),
            title: "MD".into(),
            institution: "County hospital".into(),
            roles: roles.into(),
            tier: tier.into(),
            language: "en".into(),
            active: true,
            ..TypedProfile::default()
        };
        let made = self.people.add(Actor::Console, name, &typed).await.unwrap();
        (made.person.id, made.code)
    }

    /// An account, set up in a browser.
    pub(super) async fn known(&self, name: &str, roles: &str) -> Known {
        self.known_at(name, roles, "county").await
    }

    pub(crate) async fn known_at(&self, name: &str, roles: &str, tier: &str) -> Known {
        let (id, code) = self.add_at(name, roles, tier).await;
        let secret = self.set_up(&code).await;
        Known {
            id,
            name: name.to_owned(),
            secret,
        }
    }

    pub(super) async fn set_up(&self, code: &str) -> Vec<u8> {
        let mut browser = Browser::default();
        let page = browser.get(self, &format!("/set-up?code={code}")).await;
        let secret = page.field("secret");
        let raw = totp::read(&secret).unwrap();
        self.pass(30);
        let first = totp::code(&raw, self.now_ms());
        let fields = [
            ("set_up_code", code),
            ("secret", secret.as_str()),
            ("password", PASSWORD),
            ("repeated", PASSWORD),
            ("code", first.as_str()),
        ];
        let done = browser.send(self, "/set-up", &page.field("csrf"), &fields).await;
        assert_eq!(done.location(), "/sign-in?done=true", "{}", done.body);
        raw
    }

    /// A browser in which this person is signed in.
    pub(crate) async fn signed_in(&self, known: &Known) -> Browser {
        let mut browser = Browser::default();
        let code = self.code(known);
        let answer = browser.sign_in(self, &known.name, PASSWORD, &code).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        browser
    }

    /// Somebody who is signed in, without a browser.
    pub(super) async fn signed(&self, browser: &Browser) -> Signed {
        let token = &browser.cookies["session"];
        self.people.signed(token, false).await.unwrap().unwrap()
    }

    /// The log's actions, the newest first.
    pub(crate) async fn actions(&self) -> Vec<String> {
        let entries = self
            .archive
            .audit_entries(&AuditFilter::default(), 100)
            .await
            .unwrap();
        entries.into_iter().map(|stored| stored.entry.action).collect()
    }
}

impl Browser {
    pub(crate) fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, "text/html,*/*")
            .header(header::COOKIE, cookies.join("; "))
    }

    fn take(&mut self, answer: &Answer) {
        for cookie in answer.cookies() {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    pub(crate) async fn get(&mut self, house: &House, path: &str) -> Answer {
        let answer = house
            .ask(self.request("GET", path).body(Body::empty()).unwrap())
            .await;
        self.take(&answer);
        answer
    }

    /// A form's POST with its hidden token.
    pub(crate) async fn send(
        &mut self,
        house: &House,
        path: &str,
        csrf: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut all = vec![("csrf", csrf)];
        all.extend(fields);
        let body = serde_urlencoded::to_string(all).unwrap();
        let request = self
            .request("POST", path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        let answer = house.ask(request).await;
        self.take(&answer);
        answer
    }

    pub(super) async fn sign_in(&mut self, house: &House, name: &str, password: &str, code: &str) -> Answer {
        let page = self.get(house, "/sign-in").await;
        let fields = [
            ("name", name),
            ("password", password),
            ("code", code),
            ("next", ""),
        ];
        self.send(house, "/sign-in", &page.field("csrf"), &fields).await
    }
}
