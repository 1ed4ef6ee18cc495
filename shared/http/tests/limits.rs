//! Callers who are slow, silent or many, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test whose assumption breaks must stop"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use barefoot_http::{Limits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(20);

struct Port {
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Port {
    async fn open(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route(
                "/who",
                get(|ConnectInfo(remote): ConnectInfo<SocketAddr>| async move { remote.to_string() }),
            )
            .route(
                "/wait",
                get(async || {
                    sleep(Duration::from_secs(2)).await;
                    "waited"
                }),
            )
            .route(
                "/take",
                post(|body: String| async move { body.len().to_string() }),
            );
        let serving = tokio::spawn(serve(listener, router, limits, stop.clone()));
        Self {
            address,
            stop,
            serving,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ask(&self, request: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        rest(&mut socket).await
    }

    async fn close(self) {
        self.stop.cancel();
        timeout(DEADLINE, self.serving).await.unwrap().unwrap();
    }
}

/// All that comes until the other end closes.
async fn rest(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end too.
    let _ = timeout(DEADLINE, socket.read_to_end(&mut text)).await.unwrap();
    String::from_utf8(text).unwrap()
}

const HELLO: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn short() -> Limits {
    Limits {
        connections: 8,
        per_address: None,
        head: Duration::from_millis(500),
        quiet: Duration::from_secs(5),
        body: Duration::from_millis(500),
    }
}

#[tokio::test]
async fn who_calls_is_known_and_a_connection_is_used_again() {
    let port = Port::open(short()).await;
    let mut socket = port.connect().await;
    let own = socket.local_addr().unwrap().to_string();
    for _ in 0..3 {
        socket
            .write_all(b"GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 1024];
        let length = timeout(DEADLINE, socket.read(&mut answer))
            .await
            .unwrap()
            .unwrap();
        let text = std::str::from_utf8(&answer[..length]).unwrap();
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with(&own), "{text}");
    }
    port.close().await;
}

#[tokio::test]
async fn a_head_that_dribbles_ends_its_connection() {
    let port = Port::open(short()).await;
    let begun = Instant::now();
    let mut slow = port.connect().await;
    let (mut read, mut write) = slow.split();
    let dribble = async {
        for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb".iter() {
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let mut said = Vec::new();
    let listen = async { drop(timeout(DEADLINE, read.read_to_end(&mut said)).await.unwrap()) };
    tokio::select! { () = dribble => {}, () = listen => {} }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(!said.starts_with(b"HTTP/1.1 200"));
    assert!(port.ask(HELLO).await.ends_with("hello"));
    port.close().await;
}

#[tokio::test]
async fn a_body_that_dribbles_ends_its_request() {
    let port = Port::open(short()).await;
    let mut slow = port.connect().await;
    slow.write_all(b"POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
        .await
        .unwrap();
    let begun = Instant::now();
    let answer = rest(&mut slow).await;
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let whole = "POST /take HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
    assert!(port.ask(whole).await.ends_with('3'));
    port.close().await;
}

#[tokio::test]
async fn a_flood_of_idle_connections_keeps_no_new_caller_out() {
    let patient = Limits {
        head: DEADLINE,
        ..short()
    };
    let port = Port::open(patient).await;
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(port.connect().await);
        if flood.len() % 10 == 0 {
            let begun = Instant::now();
            assert!(port.ask(HELLO).await.ends_with("hello"));
            assert!(begun.elapsed() < Duration::from_secs(2), "{}", flood.len());
        }
    }
    // The oldest made room: their sockets are closed, the newest one's is open.
    assert_eq!(rest(&mut flood[0]).await, "");
    let newest = flood.last_mut().unwrap();
    newest.write_all(HELLO.as_bytes()).await.unwrap();
    assert!(rest(newest).await.ends_with("hello"));
    port.close().await;
}

#[tokio::test]
async fn where_every_place_is_at_work_a_new_caller_is_told_so() {
    let port = Port::open(short()).await;
    let mut busy = Vec::new();
    for _ in 0..8 {
        let mut socket = port.connect().await;
        socket
            .write_all(b"GET /wait HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        busy.push(socket);
    }
    sleep(Duration::from_millis(300)).await;
    let mut refused = port.connect().await;
    let answer = rest(&mut refused).await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 5"),
        "{answer}"
    );
    for socket in &mut busy {
        assert!(rest(socket).await.ends_with("waited"), "work is never cut");
    }
    assert!(port.ask(HELLO).await.ends_with("hello"));
    port.close().await;
}

#[tokio::test]
async fn what_is_no_http_ends_one_connection_only() {
    let port = Port::open(short()).await;
    for noise in [
        "\x00\x01\x02\x03\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        let answer = port.ask(noise).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert!(port.ask(HELLO).await.ends_with("hello"));
    port.close().await;
}
