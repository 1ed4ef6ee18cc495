use axum::http::StatusCode;

use super::*;

#[tokio::test]
async fn a_session_ends_when_nobody_does_anything_and_after_half_a_day() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let mut browser = house.signed_in(&known).await;
    for _ in 0..3 {
        house.pass(29 * 60);
        assert_eq!(browser.get(&house, "/").await.status, StatusCode::OK);
    }
    for _ in 0..3 {
        // A page that follows by itself keeps nothing alive.
        house.pass(10 * 60);
        browser.get(&house, "/list").await;
    }
    assert_eq!(
        browser.get(&house, "/").await.status,
        StatusCode::SEE_OTHER,
        "idle"
    );

    let mut browser = house.signed_in(&known).await;
    for _ in 0..12 * 3 - 1 {
        house.pass(20 * 60);
        assert_eq!(browser.get(&house, "/").await.status, StatusCode::OK);
    }
    house.pass(20 * 60);
    assert_eq!(
        browser.get(&house, "/").await.status,
        StatusCode::SEE_OTHER,
        "twelve hours"
    );
}

#[tokio::test]
async fn cookies_are_for_this_hub_alone() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let code = house.code(&known);
    let answer = Browser::default()
        .sign_in(&house, "li.wei", PASSWORD, &code)
        .await;
    let cookie = answer.cookies()[0].to_owned();
    assert!(
        cookie.starts_with("session=") && !cookie.contains("Secure"),
        "{cookie}"
    );
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");

    let house = House::with(config::People::default(), true).await;
    let mut browser = Browser::default();
    let page = browser.get(&house, "/sign-in").await;
    let form = page.cookies()[0];
    assert!(
        form.starts_with("__Host-form=") && form.ends_with("; HttpOnly; SameSite=Strict; Secure"),
        "{form}"
    );
    let known = house.known("li.wei", "reader").await;
    let code = house.code(&known);
    let answer = browser.sign_in(&house, "li.wei", PASSWORD, &code).await;
    let cookie = answer.cookies()[0];
    assert!(
        cookie.starts_with("__Host-session=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure")
    );
    // The database holds no token, only its hash.
    let token = cookie.split(['=', ';']).nth(1).unwrap().as_bytes();
    let mut stored = std::fs::read(house.dir.path().join("barefoot.db")).unwrap();
    stored.extend(std::fs::read(house.dir.path().join("barefoot.db-wal")).unwrap());
    for secret in [token, PASSWORD.as_bytes(), &known.secret] {
        assert!(!stored.windows(secret.len()).any(|window| window == secret));
    }
}

#[tokio::test]
async fn signing_in_always_makes_a_new_session() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let mut browser = Browser::default();
    // Somebody put a session of their own choice into the browser.
    browser.cookies.insert("session".into(), "A".repeat(43));
    let code = house.code(&known);
    browser.sign_in(&house, "li.wei", PASSWORD, &code).await;
    assert_ne!(browser.cookies["session"], "A".repeat(43));
    let first = browser.cookies["session"].clone();
    browser.cookies.remove("session");
    let code = house.code(&known);
    browser.sign_in(&house, "li.wei", PASSWORD, &code).await;
    assert_ne!(browser.cookies["session"], first);
}

#[tokio::test]
async fn signing_out_ends_one_session_or_all() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let mut browsers = [house.signed_in(&known).await, house.signed_in(&known).await];
    let mut first = house.signed_in(&known).await;
    let page = first.get(&house, "/account").await;
    assert_eq!(page.body.matches("<tr><td>").count(), 3);
    assert_eq!(page.body.matches("(this one)").count(), 1);
    let token = first.cookies["session"].clone();
    let out = first.send(&house, "/sign-out", &page.field("csrf"), &[]).await;
    assert_eq!(out.location(), "/sign-in");
    assert!(!first.cookies.contains_key("session"));
    first.cookies.insert("session".into(), token);
    assert_eq!(
        first.get(&house, "/").await.status,
        StatusCode::SEE_OTHER,
        "the old cookie opens nothing"
    );

    let page = browsers[0].get(&house, "/account").await;
    let csrf = page.field("csrf");
    browsers[0].send(&house, "/sign-out/everywhere", &csrf, &[]).await;
    assert_eq!(browsers[1].get(&house, "/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(
        house
            .actions()
            .await
            .iter()
            .filter(|action| *action == "sign_out")
            .count(),
        2
    );
}

#[tokio::test]
async fn a_disabled_account_loses_its_sessions_at_once() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let mut browser = house.signed_in(&known).await;
    let operator = house.known("op.one", "operator").await;
    let mut desk = house.signed_in(&operator).await;
    let page = desk.get(&house, &format!("/people/{}", known.id)).await;
    assert!(page.body.contains("Dr li.wei"), "{}", page.body);
    let fields = [
        ("display_name", "Dr li.wei"),
        ("title", ""),
        ("institution", ""),
        ("role_reader", "on"),
        ("tier", "city"),
        ("subspecialties", "ct"),
        ("language", "zh"),
    ];
    let path = format!("/people/{}", known.id);
    let changed = desk.send(&house, &path, &page.field("csrf"), &fields).await;
    assert_eq!(changed.location(), "/people");
    assert_eq!(browser.get(&house, "/").await.status, StatusCode::SEE_OTHER);
    let code = house.code(&known);
    let refused = Browser::default()
        .sign_in(&house, "li.wei", PASSWORD, &code)
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(desk.get(&house, "/people").await.body.contains("disabled"));
}

#[tokio::test]
async fn an_account_shows_where_its_sessions_began() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let mut browser = house.signed_in(&known).await;
    let page = browser.get(&house, "/account").await;
    assert!(
        page.body.contains("</td><td>0.0.0.0</td><td></td>"),
        "{}",
        page.body
    );
}
