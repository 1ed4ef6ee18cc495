//! Requests as no browser sends them, and what came back.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For one answer; the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An answer; status 0 where the connection ended without one.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs
            .filter(move |(of, _)| of.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = pairs.filter(|(of, _)| of.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }

    /// Somebody who is known and may: neither turned away nor sent to the sign-in.
    pub(crate) fn is_let_in(&self) -> bool {
        let to_sign_in = self
            .header("location")
            .is_some_and(|to| to.starts_with("/sign-in"));
        self.status != 0 && !matches!(self.status, 401 | 403) && !(self.status == 303 && to_sign_in)
    }

    /// The value of a field of the page's forms.
    pub(crate) fn field(&self, name: &str) -> String {
        let text = self.text();
        let tag = text
            .split_once(&format!("name=\"{name}\""))
            .and_then(|(_, rest)| rest.split_once('>'));
        let value = tag.and_then(|(tag, _)| tag.split_once(" value=\""));
        let (_, rest) = value.unwrap_or_else(|| panic!("no {name} in {text}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

/// A request by hand.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut this = self.header("content-type", kind);
        this.body = body.into();
        this
    }

    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        self.body("application/x-www-form-urlencoded", pairs.join("&"))
    }

    pub(crate) fn bytes(&self, host: &str) -> Vec<u8> {
        let mut text = format!(
            "{} {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        let mut bytes = format!("{text}\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub(crate) async fn send(&self, address: &str) -> Answer {
        say(address, &self.bytes(address)).await
    }
}

pub(crate) fn escaped(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Says these bytes on a connection of their own.
pub(crate) async fn say(address: &str, bytes: &[u8]) -> Answer {
    let socket = TcpStream::connect(address).await.unwrap();
    exchange(socket, bytes).await
}

/// The same on a connection that is there. Who was cut in the middle may still have been answered.
pub(crate) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Answer {
    let (mut reading, mut writing) = tokio::io::split(&mut stream);
    let talk = async {
        let write = async {
            let _ = writing.write_all(bytes).await;
            let _ = writing.flush().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = read(&mut reading) => answer,
            () = write => Answer::default(),
        }
    };
    timeout(PATIENCE, talk).await.unwrap_or_default()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Answer {
    let mut said = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = stream.read(&mut piece).await.unwrap_or(0);
        said.extend_from_slice(&piece[..read]);
        let end = said.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else {
            if read == 0 {
                return Answer::default();
            }
            continue;
        };
        let head = String::from_utf8_lossy(&said[..end]).into_owned();
        let answer = Answer {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|word| word.parse().ok())
                .unwrap_or(0),
            head,
            body: said[end + 4..].to_vec(),
        };
        // What never ends is not waited for.
        let endless = answer.status == 101
            || answer
                .header("content-type")
                .is_some_and(|kind| kind.starts_with("text/event-stream"));
        if read == 0 || endless {
            return answer;
        }
    }
}
