//! What keeps the page to its box and its readers.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Clinic, DEADLINE};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_policy_and_pages_are_not_kept() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |_| {});
    let paths = [
        "/",
        "/cases/fragment",
        &format!("/case/{key}"),
        "/nowhere",
        "/api/cases",
        "/assets/page.css",
        "/api/cases?limit=x",
        "/scanners/allow",
        "/case/../../etc/passwd",
        "/sign-in",
        "/people",
        "/fault",
        "/wall",
        "/quality",
        "/scanner-card",
        "/self-test",
        "/exchange",
        "/orders",
        "/aside",
        "/api/status",
        "/api/nodes",
    ];
    for path in paths {
        let head = clinic.get(path).await.head;
        for wanted in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
            "permissions-policy: microphone=(self), accelerometer=(), camera=()",
        ] {
            assert!(head.contains(wanted), "{path} lacks {wanted}: {head}");
        }
        let kept = path.starts_with("/assets");
        assert_eq!(head.contains("cache-control: no-store"), !kept, "{path}");
    }
    clinic.close().await;
}

#[tokio::test]
async fn pages_have_no_inline_code_and_name_no_other_host() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |_| {});
    assert!(!clinic.knock("NEW"));
    for path in ["/", &format!("/case/{key}"), "/nowhere"] {
        let html = clinic.get(path).await.body;
        for inline in [
            "style=\"",
            "<style",
            "onclick",
            "javascript:",
            "http://",
            "https://",
            "<script>",
        ] {
            assert!(!html.contains(inline), "{inline} in {path}");
        }
    }
    for asset in ["/assets/page.css", "/assets/page.js"] {
        let answer = clinic.get(asset).await;
        assert_eq!(answer.status, 200);
        assert!(
            !answer.body.contains("http://")
                && !answer.body.contains("https://")
                && !answer.body.contains("@import")
        );
    }
    clinic.close().await;
}

#[tokio::test]
async fn a_forged_form_of_another_site_lets_nobody_in() {
    let clinic = Clinic::open().await;
    assert!(!clinic.knock("NEW"));
    for forged in [
        &["Sec-Fetch-Site: cross-site", "Origin: http://evil.example"][..],
        &["Sec-Fetch-Site: same-site"],
        &["Origin: http://evil.example"],
        &["Origin: null"],
    ] {
        let answer = clinic.post("/scanners/allow", forged, "ae_title=NEW").await;
        assert_eq!(answer.status, 403, "{forged:?}");
        assert!(
            answer.body.contains("该请求不是从本页面发出的"),
            "{}",
            answer.body
        );
        assert!(answer.head.contains("content-security-policy"));
    }
    assert!(!clinic.knock("NEW"));
    clinic.close().await;
}

#[tokio::test]
async fn a_foreign_name_that_points_here_reads_nothing() {
    let clinic = Clinic::open().await;
    clinic.put("1.2.3", |_| {});
    for path in ["/", "/api/cases", "/events"] {
        let answer = clinic
            .ask(&format!("GET {path}"), &["Host: evil.example:8080"], "")
            .await;
        assert_eq!(answer.status, 421, "{path}");
        assert!(!answer.body.contains("王小东") && !answer.body.contains("1.2.3"));
    }
    let port = clinic.address.port();
    assert_eq!(
        clinic
            .ask("GET /", &[&format!("Host: localhost:{port}")], "")
            .await
            .status,
        200
    );
    clinic.close().await;
}

#[tokio::test]
async fn reading_never_changes_anything() {
    let clinic = Clinic::open().await;
    assert!(!clinic.knock("NEW"));
    assert_eq!(clinic.get("/scanners/allow?ae_title=NEW").await.status, 405);
    assert!(!clinic.knock("NEW"));
    clinic.close().await;
}

#[tokio::test]
async fn a_caller_who_never_ends_a_request_is_cut_and_a_thousand_silent_ones_stop_nobody() {
    let clinic = Clinic::open().await;
    let mut slow = TcpStream::connect(clinic.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        .await
        .unwrap();
    let begun = Instant::now();

    let mut silent = Vec::new();
    for _ in 0..1000 {
        // The backlog of a busy machine may be full for a moment.
        if let Ok(Ok(socket)) = timeout(DEADLINE, TcpStream::connect(clinic.address)).await {
            silent.push(socket);
        }
    }
    let asked = Instant::now();
    assert_eq!(clinic.get("/").await.status, 200);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());

    let mut said = String::new();
    let _ = timeout(DEADLINE, slow.read_to_string(&mut said)).await.unwrap();
    assert_eq!(said, "");
    assert!(begun.elapsed() < Duration::from_secs(15));
    clinic.close().await;
}
