use axum::http::StatusCode;

use super::*;

#[tokio::test]
async fn a_form_without_its_sessions_token_changes_nothing() {
    let house = House::new().await;
    let operator = house.known("op.one", "operator").await;
    let other = house.known("op.two", "operator").await;
    let mut browser = house.signed_in(&operator).await;
    let mut others = house.signed_in(&other).await;
    let stolen = others.get(&house, "/account").await.field("csrf");
    for csrf in ["", "x", stolen.as_str()] {
        for path in [
            "/sign-out",
            "/people/new",
            "/account/password",
            "/account/authenticator",
        ] {
            let answer = browser.send(&house, path, csrf, &[("name", "evil")]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {csrf}");
        }
    }
    assert_eq!(browser.get(&house, "/people").await.status, StatusCode::OK);
    assert_eq!(house.people.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_whatever_it_holds() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let mut browser = house.signed_in(&known).await;
    let csrf = browser.get(&house, "/account").await.field("csrf");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ] {
        let request = browser
            .request("POST", "/sign-out")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::HOST, "hub.example")
            .header(name, value)
            .body(Body::from(format!("csrf={csrf}")))
            .unwrap();
        assert_eq!(house.ask(request).await.status, StatusCode::FORBIDDEN, "{name}");
    }
    assert_eq!(browser.get(&house, "/who").await.body, "li.wei");
    // A script of ours puts it into a header.
    let request = browser
        .request("POST", "/sign-out")
        .header("x-csrf-token", &csrf)
        .header("sec-fetch-site", "same-origin")
        .body(Body::empty())
        .unwrap();
    assert_eq!(house.ask(request).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn signing_in_needs_a_form_that_this_browser_was_shown() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let code = house.code(&known);
    let fields = [
        ("name", "li.wei"),
        ("password", PASSWORD),
        ("code", code.as_str()),
    ];
    let shown = Browser::default().get(&house, "/sign-in").await.field("csrf");
    for csrf in ["", shown.as_str()] {
        let answer = Browser::default().send(&house, "/sign-in", csrf, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.cookies().is_empty());
    }
}
