//! What keeps the page to its box and its readers.

use super::Clinic;

#[tokio::test]
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
    ];
    for path in paths {
        let head = clinic.get(path).await.head;
        for wanted in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
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
