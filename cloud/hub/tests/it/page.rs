use std::time::{Duration, Instant};

use barefoot_domain::{Reason, Urgency};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{ClinicBox, DEADLINE, Region, clinic, envelope, result};

#[tokio::test]
async fn the_page_shows_results_in_both_languages() {
    let region = Region::new();
    let hub = region.hub().await;
    let empty = hub.get("/").await.body;
    assert!(
        empty.contains("lang=\"zh-CN\"") && empty.contains("还没有收到结果"),
        "{empty}"
    );
    assert!(hub.get("/?lang=en").await.body.contains("No results yet"));

    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    edge.send_result(&envelope(&clinic("clinic-7"), 1, &result(1)))
        .await;
    let mut unknown = result(2);
    unknown.assessment.model = None;
    unknown.assessment.findings.clear();
    unknown.assessment.urgency = Urgency::Review;
    unknown.assessment.reasons = vec![Reason::NoModel];
    edge.send_result(&envelope(&clinic("clinic-7"), 2, &unknown))
        .await;

    let zh = hub.get("/").await.body;
    for word in [
        "肺炎",
        "阳性",
        "危急",
        "需复核",
        "评分 0.93 · 置信度 93%",
        "人工智能辅助，最终由医生判断",
        "演示模型，不得用于临床",
        "发现危急征象：肺炎",
        "cxr-pneumonia 0.1.0",
        "clinic-7",
        "在线",
        "没有可用的模型",
        "…00000001",
        "第1版",
        "X线",
    ] {
        assert!(zh.contains(word), "{word} is missing in {zh}");
    }
    let en = hub.get("/?lang=en").await.body;
    for word in [
        "Pneumonia",
        "positive",
        "Critical",
        "Review",
        "score 0.93 · confidence 93%",
        "AI-assisted, a clinician decides",
        "Demonstration, not for clinical use",
        "Urgent finding: Pneumonia",
        "No usable model",
        "online",
    ] {
        assert!(en.contains(word), "{word} is missing in {en}");
    }
    assert_eq!(
        en.matches("AI-assisted, a clinician decides").count(),
        3,
        "on the page and on both results"
    );
    assert_eq!(
        en.matches("Demonstration, not for clinical use").count(),
        1,
        "only where the model says so"
    );
    hub.stop().await;
}

#[tokio::test]
async fn the_choice_of_language_is_remembered() {
    let region = Region::new();
    let hub = region.hub().await;
    let chosen = hub.get("/?lang=en").await;
    assert!(chosen.head.contains("set-cookie: lang=en;"), "{}", chosen.head);
    let later = hub.get_with("/list", "Cookie: other=1; lang=en\r\n").await;
    assert!(later.body.contains("No results yet"));
    assert!(!hub.get("/?lang=xx").await.head.contains("set-cookie"));
    hub.stop().await;
}

#[tokio::test]
async fn every_answer_is_locked_down_and_self_contained() {
    let region = Region::new();
    let hub = region.hub().await;
    for path in [
        "/",
        "/list",
        "/models",
        "/models/list",
        "/api/results",
        "/api/status",
        "/api/runs",
        "/api/models",
        "/assets/models.css",
        "/assets/page.css",
        "/assets/page.js",
        "/nowhere",
        "/api/results?limit=x",
        "/models/../../etc/passwd",
        "/case/1",
        "/sign-in",
        "/verify",
    ] {
        let head = hub.get(path).await.head;
        assert!(
            head.contains("content-security-policy: default-src 'none'; script-src 'self';"),
            "{path}: {head}"
        );
        assert!(!head.contains("unsafe"), "{path}: {head}");
        for wanted in [
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "permissions-policy: accelerometer=(), camera=()",
        ] {
            assert!(head.contains(wanted), "{path} lacks {wanted}: {head}");
        }
        assert!(!head.contains("strict-transport-security"), "plain HTTP: {head}");
    }
    for path in [
        "/",
        "/models",
        "/assets/page.css",
        "/assets/models.css",
        "/assets/page.js",
    ] {
        let body = hub.get(path).await.body;
        let outside = body.replace("http://www.w3.org/", "");
        assert!(
            !outside.contains("http://") && !outside.contains("https://"),
            "{path} asks elsewhere"
        );
        assert!(
            !body.contains("style=") && !body.contains("onclick"),
            "{path} has inline code"
        );
    }
    assert!(hub.get("/nowhere").await.head.starts_with("http/1.1 404"));
    assert!(
        hub.get("/api/results?limit=x")
            .await
            .head
            .starts_with("http/1.1 400")
    );
    hub.stop().await;
}

#[tokio::test]
async fn an_open_page_hears_of_a_new_result() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut edge = ClinicBox::connect(&region, "clinic-7", hub.port()).await;
    let mut socket = TcpStream::connect(("127.0.0.1", hub.page)).await.unwrap();
    socket
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut lines = BufReader::new(socket).lines();
    let mut changed = async || {
        let line = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the stream goes on");
                if line == "event: changed" {
                    return;
                }
            }
        };
        timeout(DEADLINE, line).await.expect("no event came");
    };
    changed().await;
    edge.send_result(&envelope(&clinic("clinic-7"), 1, &result(1)))
        .await;
    changed().await;
    // With a page still following, the hub stops in time.
    hub.stop().await;
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_and_a_thousand_silent_callers_stop_nobody() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut slow = TcpStream::connect(("127.0.0.1", hub.page)).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        .await
        .unwrap();
    let begun = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..1000 {
        // The backlog of a busy machine may be full for a moment.
        if let Ok(Ok(socket)) = timeout(DEADLINE, TcpStream::connect(("127.0.0.1", hub.page))).await {
            silent.push(socket);
        }
    }
    let asked = Instant::now();
    assert!(hub.get("/").await.head.starts_with("http/1.1 200"));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let mut said = String::new();
    let _ = timeout(DEADLINE, slow.read_to_string(&mut said)).await.unwrap();
    assert_eq!(said, "");
    assert!(begun.elapsed() < Duration::from_secs(15));
    hub.stop().await;
}
