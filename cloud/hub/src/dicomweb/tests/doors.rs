use super::*;

#[tokio::test]
async fn nothing_is_reachable_without_the_right() {
    let house = House::new().await;
    house.commit("c1", 1, &[Image::default()]).await;
    let image = Image::default().path();
    let paths = [
        (Method::GET, "/studies".to_owned()),
        (Method::GET, image.clone()),
        (Method::GET, format!("{image}/metadata")),
        (Method::GET, format!("{image}/frames/1")),
        (Method::GET, format!("{image}/rendered")),
        (
            Method::GET,
            format!("/instances/{}", Image::default().instance_uid()),
        ),
        (Method::GET, "/capabilities".to_owned()),
        (Method::OPTIONS, String::new()),
        (Method::POST, "/studies".to_owned()),
        (Method::GET, "/workitems".to_owned()),
        (Method::POST, "/workitems".to_owned()),
        (Method::PUT, "/workitems/1.2/state".to_owned()),
        (Method::POST, "/workitems/1.2/subscribers/A".to_owned()),
        (Method::GET, "/ws/subscribers/A".to_owned()),
    ];
    for (method, path) in &paths {
        for token in ["", "Basic all", "Bearer nobody"] {
            let headers = [("authorization", token)];
            let answer = house
                .ask(request(method.clone(), path, &headers, Body::empty()))
                .await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} {token}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    let status = async |method: Method, path: &str, token: &str| {
        let token = format!("Bearer {token}");
        house
            .ask(request(method, path, &[("authorization", &token)], Body::empty()))
            .await
            .status
    };
    assert_eq!(status(Method::GET, "/studies", "see").await, StatusCode::OK);
    assert_eq!(
        status(Method::GET, "/studies", "store").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(Method::POST, "/studies", "see").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(Method::POST, "/workitems", "see").await,
        StatusCode::FORBIDDEN
    );
    // A browser's session reads; what another site's page could make it do is refused.
    assert_eq!(status(Method::GET, "/studies", "session").await, StatusCode::OK);
    for (method, path) in [
        (Method::POST, "/studies"),
        (Method::POST, "/workitems"),
        (Method::POST, "/workitems/1.2/subscribers/A"),
        (Method::GET, "/ws/subscribers/A"),
    ] {
        assert_eq!(
            status(method, path, "session").await,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_retrieval_is_in_the_log_and_without_a_log_there_is_none() {
    let house = House::new().await;
    house.commit("c1", 1, &[Image::default()]).await;
    let image = Image::default();
    for path in ["/metadata", "/frames/1", "/rendered", "/thumbnail", ""] {
        let answer = house.get(&format!("{}{path}", image.path()), "*/*").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    let study = image.study_uid();
    let expected = [format!("all View c1 {study}"), format!("all Export c1 {study}")];
    assert_eq!(*house.log.lines.lock().unwrap(), expected);
    house.log.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    let headers = [("authorization", "Bearer see")];
    for path in ["/metadata", "/frames/1", "/rendered", "/bulkdata/7FE00010", ""] {
        let path = format!("{}{path}", image.path());
        let answer = house
            .ask(request(Method::GET, &path, &headers, Body::empty()))
            .await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
}

#[tokio::test]
async fn other_sites_are_let_in_by_the_settings_alone() {
    let origin = [("origin", "https://viewer.example")];
    let house = House::new().await;
    let answer = house
        .ask(request(Method::GET, "/capabilities", &origin, Body::empty()))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), "");

    let settings = Settings {
        public_url: None,
        allowed_origins: vec!["https://viewer.example".to_owned()],
    };
    let house = House::with(&settings).await;
    let answer = house
        .ask(request(Method::GET, "/capabilities", &origin, Body::empty()))
        .await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://viewer.example"
    );
    let other = [("origin", "https://evil.example")];
    let answer = house
        .ask(request(Method::GET, "/capabilities", &other, Body::empty()))
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    // A browser asks first, and brings no token then.
    let first = [
        ("authorization", ""),
        ("origin", "https://viewer.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let answer = house
        .ask(request(Method::OPTIONS, "/studies", &first, Body::empty()))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("authorization")
    );
}
