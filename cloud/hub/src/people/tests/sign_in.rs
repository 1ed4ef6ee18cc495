use axum::http::StatusCode;

use super::*;

#[tokio::test]
async fn it_takes_password_and_code_and_a_code_only_once() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let mut browser = Browser::default();
    let code = house.code(&known);
    let wrong = browser.sign_in(&house, "li.wei", PASSWORD, "000000").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let wrong = browser
        .sign_in(&house, "li.wei", "wrong horse battery", &code)
        .await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert!(!browser.cookies.contains_key("session"));

    let good = browser.sign_in(&house, " Li.Wei", PASSWORD, &code).await;
    assert_eq!((good.status, good.location()), (StatusCode::SEE_OTHER, "/"));
    assert_eq!(browser.get(&house, "/who").await.body, "li.wei");

    let replayed = Browser::default()
        .sign_in(&house, "li.wei", PASSWORD, &code)
        .await;
    assert_eq!(replayed.status, StatusCode::FORBIDDEN, "the code was used");
    let log = house.actions().await;
    assert_eq!(log.iter().filter(|action| *action == "sign_in").count(), 1);
    assert_eq!(log.iter().filter(|action| *action == "sign_in_failed").count(), 3);
}

#[tokio::test]
async fn nothing_tells_which_part_was_wrong() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let disabled = house.known("wu.min", "reader").await;
    let person = house.people.by_name("wu.min").await.unwrap();
    house.people.disable(Actor::Console, &person).await.unwrap();
    let (code, other) = (house.code(&known), house.code(&disabled));
    let mut said = Vec::new();
    for (name, password, code) in [
        ("nobody", PASSWORD, "123456"),
        ("li.wei", "wrong horse battery", code.as_str()),
        ("li.wei", PASSWORD, "123456"),
        ("wu.min", PASSWORD, other.as_str()),
        ("li.wei", &"x".repeat(5000), code.as_str()),
        ("", "", ""),
    ] {
        let answer = Browser::default().sign_in(&house, name, password, code).await;
        let csrf = answer.field("csrf");
        let typed = format!("name=\"name\" value=\"{name}\"");
        said.push((answer.status, answer.body.replace(&csrf, "").replace(&typed, "")));
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].1.contains("is not right"));
}

#[tokio::test]
async fn failures_lock_an_account_for_longer_and_longer_over_restarts() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    for _ in 0..5 {
        Browser::default()
            .sign_in(&house, "li.wei", "wrong horse battery", "123456")
            .await;
    }
    let locked = |house: &House| {
        let (archive, id, now) = (house.archive.clone(), known.id.clone(), house.now_ms());
        async move {
            now < archive
                .locked_until(&id, crate::archive::AtWhat::SignIn)
                .await
                .unwrap()
        }
    };
    // The database holds it; nothing in memory is asked.
    assert!(locked(&house).await);
    house.now.fetch_sub(29_000, Ordering::Relaxed);
    let code = house.code(&known);
    let refused = Browser::default()
        .sign_in(&house, "li.wei", PASSWORD, &code)
        .await;
    assert_eq!(
        refused.status,
        StatusCode::FORBIDDEN,
        "the right ones are refused too"
    );
    house.pass(60);
    assert!(!locked(&house).await);
    house.signed_in(&known).await;
    house.pass(60);
    Browser::default()
        .sign_in(&house, "li.wei", "wrong horse battery", "123456")
        .await;
    assert!(!locked(&house).await, "counted anew after a good one");
}

#[tokio::test]
async fn an_address_that_guesses_is_kept_waiting() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let mut last = StatusCode::OK;
    for number in 0..22 {
        let name = format!("guess{number}");
        last = Browser::default()
            .sign_in(&house, &name, PASSWORD, "123456")
            .await
            .status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    house.pass(120);
    house.signed_in(&known).await;
}

#[tokio::test]
async fn it_goes_on_to_local_paths_only() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    for (next, to) in [
        ("/quick-look/a?x=1", "/quick-look/a?x=1"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
    ] {
        let mut browser = Browser::default();
        let query = serde_urlencoded::to_string([("next", next)]).unwrap();
        let page = browser.get(&house, &format!("/sign-in?{query}")).await;
        assert!(!page.body.contains("evil"), "{}", page.body);
        let code = house.code(&known);
        let fields = [
            ("name", "li.wei"),
            ("password", PASSWORD),
            ("code", &code),
            ("next", next),
        ];
        let answer = browser
            .send(&house, "/sign-in", &page.field("csrf"), &fields)
            .await;
        assert_eq!(answer.location(), to, "{next}");
    }
}

#[tokio::test]
async fn whoever_is_not_known_is_asked_who() {
    let house = House::new().await;
    let mut browser = Browser::default();
    let page = browser.get(&house, "/quick-look/a?x=1&y=2").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.location(), "/sign-in?next=%2Fquick-look%2Fa%3Fx%3D1%26y%3D2");
    // DICOMweb asks at its own doors.
    for path in ["/api/results", "/list", "/nowhere"] {
        let request = Request::get(path)
            .header(header::ACCEPT, "*/*")
            .body(Body::empty())
            .unwrap();
        let answer = house.ask(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.headers.contains_key(header::WWW_AUTHENTICATE));
    }
    assert_eq!(browser.get(&house, "/assets/page.css").await.body, "style");
    for bad in ["session=", "session=x", "session=bft_x; session=y"] {
        let request = Request::get("/api/results")
            .header(header::COOKIE, bad)
            .body(Body::empty())
            .unwrap();
        assert_eq!(house.ask(request).await.status, StatusCode::UNAUTHORIZED, "{bad}");
    }
}
