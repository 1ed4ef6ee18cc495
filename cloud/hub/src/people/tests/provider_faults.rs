//! What goes wrong between hub, browser and provider, by accident or by somebody's will: nobody comes in.

use serde_json::json;

use super::region_id::{RegionId, second_step};
use super::*;
use crate::people::oidc::tests::Signer;

/// Refused, and nobody is in.
fn is_refused(answer: &Answer, browser: &Browser, wanted: &str) {
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
    assert!(answer.body.contains(wanted), "{}", answer.body);
    assert!(!browser.cookies.contains_key("session"));
}

#[tokio::test]
async fn an_answer_is_for_the_browser_that_began_and_only_once() {
    let id = RegionId::open().await;
    let house = id.house().await;
    id.linked(&house, "li.wei", "reader", "s-1").await;
    let asked = id.asked("token");
    // Somebody else's way back, brought to a browser that began nothing, or something else.
    let mut attacker = Browser::default();
    let way = id.visit(&house, &mut attacker, "s-1").await;
    let mut victim = Browser::default();
    let answer = victim.get(&house, &way.back()).await;
    is_refused(&answer, &victim, "not begun in this browser");
    id.visit(&house, &mut victim, "s-1").await;
    let answer = victim.get(&house, &way.back()).await;
    is_refused(&answer, &victim, "not begun in this browser");
    for bad in [
        "/sign-in/oidc/return",
        "/sign-in/oidc/return?code=c1",
        "/sign-in/oidc/return?error=x",
    ] {
        let mut browser = Browser::default();
        id.visit(&house, &mut browser, "s-1").await;
        let answer = browser.get(&house, bad).await;
        is_refused(&answer, &browser, "not begun in this browser");
    }
    // Ten minutes.
    let mut late = Browser::default();
    let slow = id.visit(&house, &mut late, "s-1").await;
    house.pass(600);
    let answer = late.get(&house, &slow.back()).await;
    is_refused(&answer, &late, "has run out");
    assert_eq!(id.asked("token"), asked, "the provider was not even asked");

    // Once: whoever sees address and cookie later comes too late.
    let mut browser = Browser::default();
    id.script().claims = json!({ "amr": ["otp"] });
    let way = id.visit(&house, &mut browser, "s-1").await;
    let kept = browser.cookies["provider"].clone();
    assert_eq!(
        browser.get(&house, &way.back()).await.status,
        StatusCode::SEE_OTHER
    );
    let mut thief = Browser::default();
    thief.cookies.insert("provider".into(), kept);
    let answer = thief.get(&house, &way.back()).await;
    is_refused(&answer, &thief, "not begun in this browser");
}

#[tokio::test]
async fn a_code_of_somebody_else_is_of_no_use() {
    let id = RegionId::open().await;
    let house = id.house().await;
    id.linked(&house, "li.wei", "reader", "s-1").await;
    id.script().claims = json!({ "amr": ["otp"] });
    for (forgets_pkce, wanted) in [(false, "did not let you in"), (true, "did not stand the checks")] {
        id.script().forgets_pkce = forgets_pkce;
        let (mut victim, mut attacker) = (Browser::default(), Browser::default());
        let stolen = id.visit(&house, &mut victim, "s-1").await;
        let mut own = id.visit(&house, &mut attacker, "s-2").await;
        // A code from the victim's address bar, put into a sign-in of one's own.
        own.code = stolen.code;
        let answer = attacker.get(&house, &own.back()).await;
        is_refused(&answer, &attacker, wanted);
    }
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_refused_before_its_code_is_used() {
    let id = RegionId::open().await;
    let house = id.house().await;
    id.linked(&house, "li.wei", "reader", "s-1").await;
    id.script().claims = json!({ "amr": ["otp"] });
    let asked = id.asked("token");
    let mut browser = Browser::default();
    let way = id.visit(&house, &mut browser, "s-1").await;
    let mixed = format!("{}&iss=https%3A%2F%2Fevil.example", way.back());
    let answer = browser.get(&house, &mixed).await;
    is_refused(&answer, &browser, "did not stand the checks");
    id.script().discovery = json!({ "authorization_response_iss_parameter_supported": true });
    house.pass(3601);
    let way = id.visit(&house, &mut browser, "s-1").await;
    let answer = browser.get(&house, &way.back()).await;
    is_refused(&answer, &browser, "did not stand the checks");
    assert_eq!(id.asked("token"), asked);
    let way = id.visit(&house, &mut browser, "s-1").await;
    let named = serde_urlencoded::to_string([("iss", id.issuer.as_str())]).unwrap();
    let answer = browser.get(&house, &format!("{}&{named}", way.back())).await;
    assert_eq!(answer.location(), "/quick-look/a");
}

#[tokio::test]
async fn a_token_that_is_not_right_lets_nobody_in() {
    let id = RegionId::open().await;
    let house = id.house().await;
    id.linked(&house, "li.wei", "reader", "s-1").await;
    let now = house.now_ms() / 1000;
    let claims = |changes: serde_json::Value| {
        let mut all = json!({ "amr": ["otp"] });
        for (key, value) in changes.as_object().unwrap() {
            all[key] = value.clone();
        }
        all
    };
    for changes in [
        json!({ "iss": "https://evil.example" }),
        json!({ "aud": "another" }),
        json!({ "aud": ["hub", "another"] }),
        json!({ "azp": "another" }),
        json!({ "exp": now - 3600 }),
        json!({ "iat": now - 3600 }),
        json!({ "iat": now + 7200 }),
        json!({ "nonce": "of another sign-in" }),
        json!({ "nonce": null }),
        json!({ "at_hash": "AAAA" }),
        json!({ "sub": null }),
    ] {
        id.script().claims = claims(changes.clone());
        // Nobody is kept waiting for the failures of this test.
        house.pass(1800);
        let mut browser = Browser::default();
        let answer = id.come(&house, &mut browser, "s-1").await;
        is_refused(&answer, &browser, "did not stand the checks");
    }
    id.script().claims = claims(json!({}));
    let good = id.script().signer.sign("{}");
    let forged = Signer::new("k1").sign(r#"{"sub":"s-1"}"#);
    let mut parts = good.split('.');
    let unsigned = format!(
        "{}.{}.",
        super::super::oidc::tests::encoded(br#"{"alg":"none"}"#),
        parts.nth(1).unwrap()
    );
    for token in [unsigned, forged, good, "no token".to_owned(), String::new()] {
        id.script().token = Some(token);
        house.pass(1800);
        let mut browser = Browser::default();
        let answer = id.come(&house, &mut browser, "s-1").await;
        is_refused(&answer, &browser, "did not stand the checks");
    }
    let entries = house
        .archive
        .audit_entries(&AuditFilter::default(), 100)
        .await
        .unwrap();
    let told: Vec<_> = entries.iter().map(|stored| &stored.entry.details).collect();
    assert!(
        told.iter().any(|details| details.contains("(nonce)")),
        "the log says what was wrong: {told:?}"
    );
    assert!(
        told.iter().all(|details| !details.contains("eyJ")),
        "and tells no token"
    );
}

#[tokio::test]
async fn keys_are_changed_while_people_sign_in_and_strangers_cannot_make_the_hub_ask() {
    let id = RegionId::open().await;
    let house = id.house().await;
    id.linked(&house, "li.wei", "reader", "s-1").await;
    assert_eq!((id.asked("keys"), id.asked("discovery")), (1, 1));
    // A key that nobody knows is looked for once a minute at most.
    id.script().token = Some(Signer::new("k9").sign("{}"));
    house.pass(120);
    for _ in 0..5 {
        id.come_with_two(&house, &mut Browser::default(), "s-1").await;
    }
    assert_eq!(id.asked("keys"), 2);
    id.script().token = None;
    id.script().signer = Signer::new("k2");
    house.pass(120);
    let mut browser = Browser::default();
    let answer = id.come_with_two(&house, &mut browser, "s-1").await;
    assert_eq!(answer.location(), "/quick-look/a");
    assert_eq!(id.asked("keys"), 3);
    house.pass(3600);
    id.come_with_two(&house, &mut browser, "s-1").await;
    assert_eq!((id.asked("keys"), id.asked("discovery")), (4, 2));
}

#[tokio::test]
async fn a_provider_that_does_not_answer_rightly_is_said_to_be_away() {
    let id = RegionId::open().await;
    let huge = " ".repeat(300 * 1024);
    let other = json!({ "issuer": "https://evil.example", "authorization_endpoint": "https://evil.example/a",
        "token_endpoint": "https://evil.example/t", "jwks_uri": "https://evil.example/k" });
    for (status, body) in [
        (StatusCode::SERVICE_UNAVAILABLE, "{}"),
        (StatusCode::FOUND, ""),
        (StatusCode::OK, "no JSON"),
        (StatusCode::OK, &huge),
        (StatusCode::OK, &other.to_string()),
    ] {
        let house = id.house().await;
        let known = house.known("li.wei", "reader").await;
        id.script().broken = Some((status, body.to_owned()));
        let mut browser = Browser::default();
        let answer = browser.get(&house, "/sign-in/oidc").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.body.contains("cannot be reached"), "{}", answer.body);
        // Passwords do not depend on it.
        house.signed_in(&known).await;
    }
    // Between the way there and the way back.
    id.script().broken = None;
    let house = id.house().await;
    let mut browser = Browser::default();
    let way = id.visit(&house, &mut browser, "s-1").await;
    id.script().broken = Some((StatusCode::BAD_GATEWAY, String::new()));
    let answer = browser.get(&house, &way.back()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    // For five seconds nobody waits for another failure.
    id.script().broken = Some((StatusCode::BAD_GATEWAY, String::new()));
    let house = id.house().await;
    let before = id.asked("discovery");
    for _ in 0..3 {
        browser.get(&house, "/sign-in/oidc").await;
    }
    assert_eq!(id.asked("discovery"), before + 1);
    id.script().broken = None;
    house.pass(5);
    assert_eq!(
        browser.get(&house, "/sign-in/oidc").await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn what_the_provider_refuses_is_said_and_an_address_that_tries_on_is_kept_waiting() {
    let id = RegionId::open().await;
    let house = id.house().await;
    let mut last = StatusCode::OK;
    for _ in 0..25 {
        let mut browser = Browser::default();
        let page = browser.get(&house, "/sign-in/oidc").await;
        if page.status != StatusCode::SEE_OTHER {
            last = page.status;
            break;
        }
        let query = page.location().split_once('?').unwrap().1.to_owned();
        let asked: BTreeMap<String, String> = serde_urlencoded::from_str(&query).unwrap();
        let refused = format!(
            "/sign-in/oidc/return?error=access_denied&error_description=x&state={}",
            asked["state"]
        );
        let answer = browser.get(&house, &refused).await;
        is_refused(&answer, &browser, "did not let you in");
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(id.asked("token"), 0);
}

#[tokio::test]
async fn the_clients_secret_is_shown_to_the_provider_alone() {
    let id = RegionId::open().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "s3cr3t\n").unwrap();
    let place = file.clone();
    let house = id
        .house_with(move |oidc| oidc.client_secret_file = Some(place))
        .await;
    house.people.check_provider().unwrap();
    id.script().secret = Some("s3cr3t");
    id.linked(&house, "li.wei", "reader", "s-1").await;
    id.script().discovery = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
    house.pass(3601);
    let mut browser = Browser::default();
    let answer = id.come_with_two(&house, &mut browser, "s-1").await;
    assert_eq!(answer.location(), "/quick-look/a");
    // It is changed while the hub runs.
    id.script().secret = Some("n3w");
    browser.cookies.remove("session");
    let answer = id.come_with_two(&house, &mut browser, "s-1").await;
    is_refused(&answer, &browser, "did not let you in");
    std::fs::write(&file, "n3w").unwrap();
    let answer = id.come_with_two(&house, &mut browser, "s-1").await;
    assert_eq!(answer.location(), "/quick-look/a");
    std::fs::write(&file, "\n").unwrap();
    assert!(house.people.check_provider().is_err());
    let answer = id.come_with_two(&house, &mut Browser::default(), "s-1").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn nobody_is_sent_to_the_provider_by_another_sites_page() {
    let id = RegionId::open().await;
    let house = id.house().await;
    let request = Request::get("/sign-in/oidc")
        .header("sec-fetch-site", "cross-site")
        .body(Body::empty())
        .unwrap();
    let answer = house.ask(request).await;
    assert_eq!(answer.location(), "/sign-in");
    assert!(!answer.headers.contains_key(header::SET_COOKIE));
    // Without a provider there is no way to one.
    let house = House::new().await;
    let mut browser = Browser::default();
    for path in ["/sign-in/oidc", "/sign-in/oidc/return?code=a&state=b"] {
        assert_eq!(browser.get(&house, path).await.status, StatusCode::NOT_FOUND);
    }
    assert!(!browser.get(&house, "/sign-in").await.body.contains("oidc"));
    // A form of nobody's is refused on the second step as everywhere.
    let house = id.house().await;
    let known = house.known("li.wei", "reader").await;
    house.people.link(Actor::Console, &known.id, "s-1").await.unwrap();
    id.come(&house, &mut browser, "s-1").await;
    let code = house.code(&known);
    let fields = [("password", PASSWORD), ("code", code.as_str())];
    let answer = browser.send(&house, "/sign-in/oidc/second", "", &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let done = second_step(&house, &mut browser, &known, PASSWORD).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
}
