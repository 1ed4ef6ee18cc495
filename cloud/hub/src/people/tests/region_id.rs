//! A sign-in provider over real HTTP whose every answer a test can bend, and a house that asks it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::people::oidc::tests::{Signer, settings};

pub(super) const ADDRESS: &str = "https://hub.example";

/// What the browser of somebody who signed in at the provider was given.
#[derive(Clone)]
struct Issued {
    nonce: String,
    challenge: String,
    subject: String,
}

/// How the provider behaves; it is right until a test changes something.
pub(super) struct Script {
    pub(super) signer: Signer,
    /// What its key set says, where not the signer's key.
    pub(super) keys: Option<String>,
    /// Put over the claims of each ID token.
    pub(super) claims: Value,
    /// The whole ID token instead.
    pub(super) token: Option<String>,
    /// Put over the discovery document.
    pub(super) discovery: Value,
    /// What every address answers instead.
    pub(super) broken: Option<(StatusCode, String)>,
    /// It does not look at the verifier, as providers that do not know PKCE.
    pub(super) forgets_pkce: bool,
    pub(super) secret: Option<&'static str>,
    pub(super) now_ms: i64,
    issued: BTreeMap<String, Issued>,
    visits: u32,
    /// How often each address was asked.
    pub(super) asked: BTreeMap<&'static str, u32>,
}

#[derive(Clone)]
pub(super) struct RegionId {
    pub(super) issuer: String,
    script: Arc<Mutex<Script>>,
}

/// What somebody brings back.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) code: String,
    pub(super) state: String,
}

impl Way {
    pub(super) fn back(&self) -> String {
        format!("/sign-in/oidc/return?code={}&state={}", self.code, self.state)
    }
}

impl RegionId {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let script = Script {
            signer: Signer::new("k1"),
            keys: None,
            claims: json!({}),
            token: None,
            discovery: json!({}),
            broken: None,
            forgets_pkce: false,
            secret: None,
            now_ms: 0,
            issued: BTreeMap::new(),
            visits: 0,
            asked: BTreeMap::new(),
        };
        let own = Self {
            issuer,
            script: Arc::new(Mutex::new(script)),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(own.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        own
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    pub(super) fn asked(&self, what: &str) -> u32 {
        self.script().asked.get(what).copied().unwrap_or_default()
    }

    /// A house that trusts it.
    pub(super) async fn house(&self) -> House {
        self.house_with(|_| {}).await
    }

    pub(super) async fn house_with(&self, change: impl FnOnce(&mut config::Oidc)) -> House {
        let mut oidc = settings(&self.issuer);
        oidc.second_factor_amr = vec!["otp".into()];
        change(&mut oidc);
        let settings = config::People {
            address: Some(ADDRESS.into()),
            oidc: Some(oidc),
            ..config::People::default()
        };
        House::with(settings, false).await
    }

    /// Somebody goes there from the hub's page and signs in.
    pub(super) async fn visit(&self, house: &House, browser: &mut Browser, subject: &str) -> Way {
        let left = browser.get(house, "/sign-in/oidc?next=/quick-look/a").await;
        assert_eq!(left.status, StatusCode::SEE_OTHER, "{}", left.body);
        let (page, query) = left.location().split_once('?').unwrap();
        assert_eq!(page, format!("{}/authorize", self.issuer));
        let asked: BTreeMap<String, String> = serde_urlencoded::from_str(query).unwrap();
        for (key, value) in [
            ("response_type", "code"),
            ("client_id", "hub"),
            ("redirect_uri", "https://hub.example/sign-in/oidc/return"),
            ("scope", "openid"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(asked[key], value);
        }
        let mut script = self.script();
        script.now_ms = house.now_ms();
        script.visits += 1;
        let code = format!("c{}", script.visits);
        let issued = Issued {
            nonce: asked["nonce"].clone(),
            challenge: asked["code_challenge"].clone(),
            subject: subject.to_owned(),
        };
        script.issued.insert(code.clone(), issued);
        Way {
            code,
            state: asked["state"].clone(),
        }
    }

    /// All the way, until the hub says something.
    pub(super) async fn come(&self, house: &House, browser: &mut Browser, subject: &str) -> Answer {
        let way = self.visit(house, browser, subject).await;
        browser.get(house, &way.back()).await
    }

    /// As [`Self::come`], with two factors shown there.
    pub(super) async fn come_with_two(&self, house: &House, browser: &mut Browser, subject: &str) -> Answer {
        self.script().claims = json!({ "amr": ["pwd", "otp"] });
        self.come(house, browser, subject).await
    }

    /// An account that is linked, and confirmed by its person.
    pub(super) async fn linked(&self, house: &House, name: &str, roles: &str, subject: &str) -> Known {
        let known = house.known(name, roles).await;
        house
            .people
            .link(Actor::Console, &known.id, subject)
            .await
            .unwrap();
        let mut browser = Browser::default();
        let halfway = self.come_with_two(house, &mut browser, subject).await;
        assert_eq!(halfway.location(), "/sign-in/oidc/second");
        let done = second_step(house, &mut browser, &known, PASSWORD).await;
        assert_eq!(done.location(), "/quick-look/a", "{}", done.body);
        known
    }
}

pub(super) async fn second_step(
    house: &House,
    browser: &mut Browser,
    known: &Known,
    password: &str,
) -> Answer {
    let page = browser.get(house, "/sign-in/oidc/second").await;
    let code = house.code(known);
    let fields = [("password", password), ("code", code.as_str())];
    browser
        .send(house, "/sign-in/oidc/second", &page.field("csrf"), &fields)
        .await
}

impl Script {
    fn answer(&mut self, what: &'static str, body: impl FnOnce(&Self) -> Response) -> Response {
        *self.asked.entry(what).or_default() += 1;
        match &self.broken {
            Some(broken) => broken.clone().into_response(),
            None => body(self),
        }
    }

    /// As the specification of ID tokens says.
    fn id_token(&self, issuer: &str, issued: &Issued) -> String {
        let now = self.now_ms / 1000;
        let mut claims = json!({
            "iss": issuer, "aud": "hub", "sub": issued.subject, "nonce": issued.nonce,
            "exp": now + 300, "iat": now, "sid": format!("session of {}", issued.subject),
        });
        over(&mut claims, &self.claims);
        self.signer.sign(&claims.to_string())
    }
}

fn over(value: &mut Value, changes: &Value) {
    for (key, change) in changes.as_object().unwrap() {
        value[key] = change.clone();
    }
}

async fn discovery(State(own): State<RegionId>) -> Response {
    let issuer = own.issuer.clone();
    own.script().answer("discovery", |script| {
        let mut said = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "end_session_endpoint": format!("{issuer}/out"),
        });
        over(&mut said, &script.discovery);
        Json(said).into_response()
    })
}

async fn keys(State(own): State<RegionId>) -> Response {
    own.script().answer("keys", |script| {
        script
            .keys
            .clone()
            .unwrap_or_else(|| script.signer.set())
            .into_response()
    })
}

async fn token(
    State(own): State<RegionId>,
    headers: HeaderMap,
    Form(asked): Form<BTreeMap<String, String>>,
) -> Response {
    let issuer = own.issuer.clone();
    let mut script = own.script();
    // A code is good once.
    let issued = script.issued.remove(&asked["code"]);
    script.answer("token", |script| {
        let refused = |word: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": word }))).into_response();
        let in_head = headers
            .get(header::AUTHORIZATION)
            .map(|head| head.to_str().unwrap());
        let (shown, wanted) = match script.secret {
            None => (asked.get("client_id").cloned(), Some("hub".to_owned())),
            Some(secret) => {
                let basic = format!("Basic {}", BASE64.encode(format!("hub:{secret}").as_bytes()));
                let posted = asked.get("client_secret").map(String::as_str);
                if posted == Some(secret) {
                    (Some(basic.clone()), Some(basic))
                } else {
                    (in_head.map(str::to_owned), Some(basic))
                }
            }
        };
        if shown != wanted {
            return refused("invalid_client");
        }
        assert_eq!(asked["redirect_uri"], format!("{ADDRESS}/sign-in/oidc/return"));
        let Some(issued) = issued else {
            return refused("invalid_grant");
        };
        let hash = digest(&SHA256, asked["code_verifier"].as_bytes());
        if !script.forgets_pkce && BASE64URL_NOPAD.encode(hash.as_ref()) != issued.challenge {
            return refused("invalid_grant");
        }
        let id_token = match &script.token {
            Some(token) => token.clone(),
            None => script.id_token(&issuer, &issued),
        };
        Json(json!({ "token_type": "Bearer", "access_token": "at-1", "id_token": id_token })).into_response()
    })
}
