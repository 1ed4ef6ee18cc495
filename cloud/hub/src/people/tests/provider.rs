//! Sign-in by the region's provider: who comes in, what they may, and how they go.

use barefoot_domain::Report;
use serde_json::json;

use super::region_id::{RegionId, second_step};
use super::*;
use crate::people::{AccountError, Password, SignError};

async fn who(house: &House, browser: &mut Browser) -> String {
    browser.get(house, "/who").await.body
}

#[tokio::test]
async fn a_linked_person_confirms_once_and_then_comes_in_by_the_provider() {
    let id = RegionId::open().await;
    let house = id.house().await;
    let known = house.known("li.wei", "reader").await;
    house.people.link(Actor::Console, &known.id, "s-1").await.unwrap();
    let mut browser = Browser::default();
    let page = browser.get(&house, "/sign-in?next=/quick-look/a").await;
    assert!(
        page.body.contains("Sign in with Region ID")
            && page.body.contains("/sign-in/oidc?next=%2Fquick-look%2Fa"),
        "{}",
        page.body
    );
    let halfway = id.come_with_two(&house, &mut browser, "s-1").await;
    assert_eq!(halfway.location(), "/sign-in/oidc/second");
    assert!(!browser.cookies.contains_key("session"), "not in yet");
    let wrong = second_step(&house, &mut browser, &known, "wrong horse battery").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let done = second_step(&house, &mut browser, &known, PASSWORD).await;
    assert_eq!(done.location(), "/quick-look/a");
    assert_eq!(who(&house, &mut browser).await, "li.wei");
    let first = browser.cookies["session"].clone();
    assert!(!browser.cookies.contains_key("provider"));

    // From now on the provider's word is enough; each time with a new session.
    let answer = id.come_with_two(&house, &mut browser, "s-1").await;
    assert_eq!(answer.location(), "/quick-look/a");
    assert_ne!(browser.cookies["session"], first);
    assert_eq!(who(&house, &mut browser).await, "li.wei");
    assert!(
        browser
            .get(&house, "/account")
            .await
            .body
            .contains("<dd>Linked</dd>")
    );
    let entries = house
        .archive
        .audit_entries(&AuditFilter::default(), 100)
        .await
        .unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|stored| stored.entry.details.as_str())
        .filter(|details| details.contains("by the provider"))
        .collect();
    assert_eq!(
        told,
        [
            "0.0.0.0 by the provider",
            "0.0.0.0 by the provider, password and code"
        ]
    );
}

#[tokio::test]
async fn without_a_second_factor_there_the_hub_asks_for_its_own() {
    let id = RegionId::open().await;
    let house = id.house().await;
    let known = id.linked(&house, "li.wei", "reader", "s-1").await;
    for claims in [
        json!({}),
        json!({ "amr": ["pwd"] }),
        json!({ "acr": "gold" }),
        json!({ "amr": ["OTP"] }),
    ] {
        id.script().claims = claims.clone();
        let mut browser = Browser::default();
        let halfway = id.come(&house, &mut browser, "s-1").await;
        assert_eq!(halfway.location(), "/sign-in/oidc/second", "{claims}");
        assert_eq!(browser.get(&house, "/").await.status, StatusCode::SEE_OTHER);
        let done = second_step(&house, &mut browser, &known, PASSWORD).await;
        assert_eq!(done.location(), "/quick-look/a");
        assert_eq!(who(&house, &mut browser).await, "li.wei");
    }
    // The half-way cookie is nobody's session, and wrong passwords lock as everywhere.
    id.script().claims = json!({});
    let mut browser = Browser::default();
    id.come(&house, &mut browser, "s-1").await;
    let token = browser.cookies["provider"].clone();
    browser.cookies.insert("session".into(), token);
    assert_eq!(browser.get(&house, "/").await.status, StatusCode::SEE_OTHER);
    for _ in 0..5 {
        second_step(&house, &mut browser, &known, "wrong horse battery").await;
    }
    house.now.fetch_sub(29_000, Ordering::Relaxed);
    let locked = second_step(&house, &mut browser, &known, PASSWORD).await;
    assert_eq!(locked.status, StatusCode::FORBIDDEN, "locked");
    house.pass(600);
    let over = browser.get(&house, "/sign-in/oidc/second").await;
    assert_eq!(over.status, StatusCode::FORBIDDEN, "ten minutes are over");
}

#[tokio::test]
async fn who_is_not_linked_gets_a_number_and_no_account() {
    let id = RegionId::open().await;
    let house = id.house().await;
    let known = house.known("li.wei", "reader").await;
    let mut browser = Browser::default();
    // The provider's names and roles are none of the hub's.
    id.script().claims = json!({
        "amr": ["otp"], "preferred_username": "li.wei", "email": "li.wei@hub.example", "roles": ["operator"],
    });
    let refused = id.come(&house, &mut browser, "<s>-9").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("&#60;s&#62;-9"), "{}", refused.body);
    assert!(!browser.cookies.contains_key("session"));
    assert_eq!(house.people.list().await.unwrap().len(), 1, "no account was made");

    let operator = house.known("op.one", "operator").await;
    let mut desk = house.signed_in(&operator).await;
    let path = format!("/people/{}/link", known.id);
    let page = desk.get(&house, &path).await;
    assert!(page.body.contains("Not linked"), "{}", page.body);
    let csrf = page.field("csrf");
    let linked = desk.send(&house, &path, &csrf, &[("subject", " <s>-9 ")]).await;
    assert_eq!(linked.location(), path);
    let page = desk.get(&house, &path).await;
    assert!(page.body.contains("not confirmed by the person yet"));
    for (subject, wanted) in [("", "1 to 255"), (&"x".repeat(256), "1 to 255")] {
        let refused = desk.send(&house, &path, &csrf, &[("subject", subject)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.body.contains(wanted));
    }
    let other = format!("/people/{}/link", operator.id);
    let taken = desk.send(&house, &other, &csrf, &[("subject", "<s>-9")]).await;
    assert!(taken.body.contains("another account"), "{}", taken.body);
    assert!(house.people.identity_of(&operator.id).await.unwrap().is_none());

    id.come(&house, &mut browser, "<s>-9").await;
    second_step(&house, &mut browser, &known, PASSWORD).await;
    assert_eq!(who(&house, &mut browser).await, "li.wei");
    assert_eq!(
        browser.get(&house, "/people").await.status,
        StatusCode::FORBIDDEN,
        "a claim gives no role"
    );
    // Unlinked: out at once, and a stranger again.
    let unlink = format!("/people/{}/unlink", known.id);
    desk.send(&house, &unlink, &csrf, &[]).await;
    assert_eq!(browser.get(&house, "/").await.status, StatusCode::SEE_OTHER);
    let refused = id.come(&house, &mut browser, "<s>-9").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    house.signed_in(&known).await;
}

#[tokio::test]
async fn a_disabled_account_is_as_one_that_is_not_linked() {
    let id = RegionId::open().await;
    let house = id.house().await;
    let known = id.linked(&house, "li.wei", "reader", "s-1").await;
    let mut browser = Browser::default();
    id.come_with_two(&house, &mut browser, "s-1").await;
    let mut halfway = Browser::default();
    id.script().claims = json!({});
    id.come(&house, &mut halfway, "s-1").await;
    let person = house.people.by_name("li.wei").await.unwrap();
    house.people.disable(Actor::Console, &person).await.unwrap();
    assert_eq!(browser.get(&house, "/").await.status, StatusCode::SEE_OTHER);
    let refused = id.come_with_two(&house, &mut browser, "s-1").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("No active account here is linked"));
    let refused = second_step(&house, &mut halfway, &known, PASSWORD).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_account_without_a_password_lives_by_the_provider_alone() {
    let id = RegionId::open().await;
    let house = id.house().await;
    let (person, _) = house.add("chen.yu", "reader").await;
    house.people.link(Actor::Console, &person, "s-2").await.unwrap();
    let mut browser = Browser::default();
    id.script().claims = json!({});
    let halfway = id.come(&house, &mut browser, "s-2").await;
    assert_eq!(
        halfway.location(),
        "/sign-in/oidc/second",
        "one factor is not enough"
    );
    let answer = id.come_with_two(&house, &mut browser, "s-2").await;
    assert_eq!(answer.location(), "/quick-look/a");
    assert_eq!(who(&house, &mut browser).await, "chen.yu");
    assert!(
        browser
            .get(&house, "/account")
            .await
            .body
            .contains("has no password")
    );
    // It reads and signs nothing: there is no key, and nothing to open one with.
    let signed = house.signed(&browser).await;
    let content = signing::report(&person, house.now_ms());
    let refused = house
        .people
        .sign(&signed, &Password::from(PASSWORD), Some("123456"), &content)
        .await;
    assert!(matches!(refused, Err(SignError::NoKey)), "{refused:?}");
}

#[tokio::test]
async fn who_came_by_the_provider_signs_only_with_password_and_code() {
    let id = RegionId::open().await;
    let house = id.house().await;
    let known = id.linked(&house, "li.wei", "maintainer", "s-1").await;
    // Became a reader after the password was set.
    house.archive.run_sql("UPDATE people SET roles = 'reader'").await;
    let mut browser = Browser::default();
    id.come_with_two(&house, &mut browser, "s-1").await;
    let signed = house.signed(&browser).await;
    let people = &house.people;
    assert!(people.needs_code(&signed), "the provider's factors sign nothing");
    let content = signing::report(&known.id, house.now_ms());
    let content: &[u8] = &content;
    assert!(barefoot_wire::decode_report(content).is_ok_and(|report: Report| report.readers.len() == 1));
    let password = Password::from(PASSWORD);
    let none = people.sign(&signed, &password, None, content).await;
    assert!(matches!(none, Err(SignError::CodeNeeded)));
    let code = house.code(&known);
    let wrong = people
        .sign(&signed, &"wrong horse battery".into(), Some(&code), content)
        .await;
    assert!(matches!(wrong, Err(SignError::Code)));
    let code = house.code(&known);
    people
        .sign(&signed, &password, Some(&code), content)
        .await
        .unwrap();
}

#[tokio::test]
async fn where_the_provider_is_the_only_way_operators_keep_another() {
    let id = RegionId::open().await;
    let house = id.house_with(|oidc| oidc.only = true).await;
    let known = id.linked(&house, "li.wei", "reader", "s-1").await;
    let operator = id.linked(&house, "op.one", "reader operator", "s-2").await;
    let unlinked = house.known("wu.min", "reader").await;
    // What is wrong is said as ever; only who is right hears more.
    let said = |password: &'static str| {
        let (house, known) = (&house, &known);
        async move {
            let code = house.code(known);
            Browser::default().sign_in(house, "li.wei", password, &code).await
        }
    };
    let wrong = said("wrong horse battery").await;
    assert!(wrong.body.contains("is not right"));
    let right = said(PASSWORD).await;
    assert_eq!(right.status, StatusCode::FORBIDDEN);
    assert!(right.body.contains("signs in by the provider"), "{}", right.body);
    // The provider is away.
    id.script().broken = Some((StatusCode::SERVICE_UNAVAILABLE, String::new()));
    house.signed_in(&operator).await;
    house.signed_in(&unlinked).await;
    house.people.unlink(Actor::Console, &known.id).await.unwrap();
    house.signed_in(&known).await;
    let again = house.people.unlink(Actor::Console, &known.id).await;
    assert!(matches!(again, Err(AccountError::Unknown)));
}

#[tokio::test]
async fn signing_out_shows_the_way_out_of_the_provider_too() {
    let id = RegionId::open().await;
    let house = id.house().await;
    id.linked(&house, "li.wei", "reader", "s-1").await;
    let mut browser = Browser::default();
    id.come_with_two(&house, &mut browser, "s-1").await;
    let page = browser.get(&house, "/account").await;
    let out = browser.send(&house, "/sign-out", &page.field("csrf"), &[]).await;
    assert_eq!(out.location(), "/sign-in?out=true");
    let page = browser.get(&house, "/sign-in?out=true").await;
    assert!(page.body.contains("Sign out of Region ID too"), "{}", page.body);
    let there = browser.get(&house, "/sign-in/oidc/sign-out").await;
    assert_eq!(
        there.location(),
        format!(
            "{}/out?client_id=hub&post_logout_redirect_uri=https%3A%2F%2Fhub.example%2Fsign-in",
            id.issuer
        )
    );
    id.script().discovery = json!({ "end_session_endpoint": null });
    house.pass(3601);
    let there = browser.get(&house, "/sign-in/oidc/sign-out").await;
    assert_eq!(there.location(), "/sign-in");
}

#[tokio::test]
async fn the_provider_tells_who_signed_out_there_and_nobody_else_does() {
    const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
    let id = RegionId::open().await;
    let house = id.house().await;
    let known = id.linked(&house, "li.wei", "reader", "s-1").await;
    let mut by_password = house.signed_in(&known).await;
    let tell = |claims: serde_json::Value, forged: bool| {
        let (id, house) = (&id, &house);
        async move {
            let now = house.now_ms() / 1000;
            let mut all = json!({
                "iss": id.issuer, "aud": "hub", "iat": now, "exp": now + 60, "jti": "1", "events": { EVENT: {} },
            });
            for (key, value) in claims.as_object().unwrap() {
                all[key] = value.clone();
            }
            let token = if forged {
                crate::people::oidc::tests::Signer::new("k1").sign(&all.to_string())
            } else {
                id.script().signer.sign(&all.to_string())
            };
            let body = serde_urlencoded::to_string([("logout_token", token)]).unwrap();
            let request = Request::post("/sign-in/oidc/signed-out")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(body))
                .unwrap();
            house.ask(request).await.status
        }
    };
    let mut browser = Browser::default();
    id.come_with_two(&house, &mut browser, "s-1").await;
    assert_eq!(tell(json!({ "sub": "s-1" }), true).await, StatusCode::BAD_REQUEST);
    let with_nonce = json!({ "sub": "s-1", "nonce": "n" });
    assert_eq!(tell(with_nonce, false).await, StatusCode::BAD_REQUEST);
    for claims in [
        json!({ "sub": "s-7" }),
        json!({ "sub": "s-1", "sid": "another" }),
        json!({ "sid": "another" }),
    ] {
        assert_eq!(tell(claims, false).await, StatusCode::OK);
    }
    assert_eq!(who(&house, &mut browser).await, "li.wei", "still in");
    for claims in [
        json!({ "sub": "s-1" }),
        json!({ "sid": "session of s-1" }),
        json!({ "sub": "s-1", "sid": "session of s-1" }),
    ] {
        id.come_with_two(&house, &mut browser, "s-1").await;
        assert_eq!(who(&house, &mut browser).await, "li.wei");
        assert_eq!(tell(claims.clone(), false).await, StatusCode::OK);
        assert_eq!(
            browser.get(&house, "/").await.status,
            StatusCode::SEE_OTHER,
            "{claims}"
        );
    }
    assert_eq!(
        who(&house, &mut by_password).await,
        "li.wei",
        "what began here goes on"
    );
}
