//! What the list says about the box, and the one thing it lets people decide.

use barefoot_queue::Lane;

use super::{Clinic, squeezed, working_model};
use crate::clock;
use crate::status::{ModelStatus, Status};

#[tokio::test]
async fn an_empty_box_tells_how_to_send_the_first_image() {
    let clinic = Clinic::open().await;
    let en = clinic.list("en").await;
    for text in ["No image yet", "<code>BAREFOOT</code>", "<code>11112</code>"] {
        assert!(en.contains(text), "{text}");
    }
    assert!(clinic.list("zh").await.contains("尚未收到影像"));
    clinic.close().await;
}

#[tokio::test]
async fn line_queue_model_and_quarantine_are_told() {
    let mut clinic = Clinic::open().await;
    let en = clinic.list("en").await;
    for text in [
        "No line: results are kept and sent later",
        "Nothing waits",
        "No model: every study goes to review",
    ] {
        assert!(en.contains(text), "{text}");
    }
    clinic.sources.status.set_model(ModelStatus {
        problem: Some("bad <bundle>".into()),
        ..Default::default()
    });
    let en = clinic.list("en").await;
    assert!(en.contains("Reason: bad &#60;bundle&#62;"), "{en}");

    clinic.sources.status.set_connected(true);
    clinic.sources.status.set_model(working_model());
    clinic.sources.status.count_quarantined(3);
    let en = clinic.list("en").await;
    for text in [
        "Line to the hub: connected",
        "Model: cxr 0.1.0",
        "<strong>demonstration, not for clinical use</strong>",
        "3 received files could not be understood",
        "nothing was deleted",
    ] {
        assert!(en.contains(text), "{text}");
    }
    assert!(clinic.list("zh").await.contains("收到 3 个无法识别的文件"));

    let queue = barefoot_queue::Queue::open(&clinic.directory.path().join("q"), Default::default()).unwrap();
    let queued_at = u64::try_from(clock::now_ms() - 5 * 60_000).unwrap();
    queue.append(Lane::Results, "01A", b"x", queued_at).unwrap();
    clinic.shutdown.cancel();
    clinic.sources.status = Status::new(queue);
    let library = super::super::texts::Library::load().unwrap();
    let texts = library.of(super::Language::En);
    let bar = super::super::top_bar::TopBar::of(&clinic.sources, texts, clock::now_ms(), 480);
    assert_eq!(bar.queue, "Waiting to be sent: 1, the oldest for 5 min");
    clinic.close().await;
}

#[tokio::test]
async fn a_refused_scanner_is_let_in_by_one_click() {
    let clinic = Clinic::open().await;
    assert!(!clinic.knock("NEW ROOM"));
    let en = clinic.list("en").await;
    for text in [
        "Scanner NEW ROOM (192.168.1.9) tried to send and was refused",
        "<form class=\"alert stranger\" method=\"post\" action=\"/scanners/allow\">",
        "name=\"ae_title\" value=\"NEW ROOM\"",
        "Allow this scanner</button>",
    ] {
        assert!(en.contains(text), "{text}");
    }
    let origin = format!("Origin: http://{}", clinic.address);
    let answer = clinic
        .post(
            "/scanners/allow",
            &[&origin, "Sec-Fetch-Site: same-origin"],
            "ae_title=NEW+ROOM",
        )
        .await;
    assert_eq!(answer.status, 303);
    assert!(
        answer.head.contains("location: /?notice=allowed"),
        "{}",
        answer.head
    );
    assert!(clinic.knock("NEW ROOM"), "may send now");
    let after = squeezed(&clinic.get("/?notice=allowed&lang=en").await.body);
    assert!(
        after.contains("Send the image again at the scanner") && !after.contains("/scanners/allow"),
        "{after}"
    );
    clinic.close().await;
}

#[tokio::test]
async fn only_who_has_called_can_be_allowed() {
    let clinic = Clinic::open().await;
    let answer = clinic.post("/scanners/allow", &[], "ae_title=NEVER").await;
    assert_eq!(answer.status, 303);
    assert!(
        answer.head.ends_with("location: /") || answer.head.contains("location: /\r\n"),
        "{}",
        answer.head
    );
    assert!(!clinic.knock("NEVER"));
    assert_eq!(clinic.post("/scanners/allow", &[], "other=1").await.status, 422);
    let long = format!("ae_title={}", "A".repeat(10_000));
    assert_eq!(clinic.post("/scanners/allow", &[], &long).await.status, 413);
    clinic.close().await;
}

#[tokio::test]
async fn a_chosen_language_is_remembered() {
    let clinic = Clinic::open().await;
    assert!(
        clinic.get("/").await.body.contains("lang=\"zh-CN\""),
        "the site's language"
    );
    let chosen = clinic.get("/?lang=en").await;
    let cookie = chosen
        .head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let later = clinic
        .ask("GET /", &[&format!("Cookie: other=1; {cookie}")], "")
        .await;
    assert!(later.body.contains("<html lang=\"en\">"));
    assert!(!later.head.contains("set-cookie"));
    assert!(!clinic.get("/?lang=xx").await.head.contains("set-cookie"));
    clinic.close().await;
}
