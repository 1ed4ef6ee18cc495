//! The stream that says "changed", and stopping while it is open.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Clinic, DEADLINE};
use crate::clinic_page::changes::MAX_STREAMS;

async fn listen(clinic: &Clinic) -> TcpStream {
    let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", clinic.address);
    let mut stream = clinic.connect(&request).await;
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.contains("text/event-stream"), "{head}");
    stream
}

async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let read = async {
        while !text.contains(wanted) {
            let mut piece = [0; 512];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(0 < count, "the stream ended before {wanted:?}: {text}");
            text.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    };
    timeout(DEADLINE, read).await.unwrap();
    text
}

#[tokio::test]
async fn cases_scanners_and_the_line_announce_themselves() {
    let clinic = Clinic::open().await;
    let mut stream = listen(&clinic).await;
    let key = clinic.put("1.2.3", |_| {});
    let event = read_until(&mut stream, "data: changed").await;
    assert!(!event.contains(key.as_str()), "an event carries no content");
    assert!(!clinic.knock("NEW"));
    read_until(&mut stream, "data: changed").await;
    clinic.sources.status.set_connected(true);
    read_until(&mut stream, "data: changed").await;
    clinic.close().await;
}

#[tokio::test]
async fn a_burst_of_changes_is_a_few_events() {
    let clinic = Clinic::open().await;
    let mut stream = listen(&clinic).await;
    let started = Instant::now();
    let mut rounds = 0_u32;
    while rounds < 500 {
        clinic.put("1.2.3", |_| {});
        tokio::task::yield_now().await;
        rounds += 1;
    }
    let took = started.elapsed();
    // The end of the stream is the end of what could be sent.
    clinic.close().await;
    let mut rest = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    let events = u128::try_from(String::from_utf8_lossy(&rest).matches("data: changed").count()).unwrap();
    assert!(
        events <= took.as_millis() / 250 + 2,
        "{events} events in {took:?}"
    );
}

#[tokio::test]
async fn open_streams_are_bounded_and_do_not_hold_up_the_end() {
    let clinic = Clinic::open().await;
    let mut streams = Vec::new();
    for _ in 0..MAX_STREAMS {
        streams.push(listen(&clinic).await);
    }
    assert_eq!(clinic.get("/events").await.status, 503);
    assert_eq!(clinic.get("/").await.status, 200, "the page itself still answers");
    clinic.close().await;
}
