//! Speaks to the daemon that runs on this machine, over its page's port on loopback, for the commands that need it.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use barefoot_trust::MAX_SEALED_BYTES;
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer is a sealed file.
const MAX_ANSWER: u64 = MAX_SEALED_BYTES as u64 + 64 * 1024;

/// Why the daemon said nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the daemon does not run: start it first (no readable {path})")]
    NotRunning { path: String },
    #[error("the daemon does not answer")]
    Connection { source: io::Error },
    #[error("the daemon answered something that is not understood")]
    Answer,
}

/// The daemon's page, one connection a request (RFC 9112).
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageClient(SocketAddr);

/// What it answered.
#[derive(Debug)]
pub(crate) struct PageAnswer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl PageAnswer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// `Null` where the body is no JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl PageClient {
    /// Where the page of the daemon with this state directory listens; one that listens on every address does so on
    /// loopback too.
    ///
    /// # Errors
    /// When no daemon has written down where it listens.
    pub(crate) fn of(state: &Path) -> Result<Self, Error> {
        let path = state.join("addresses.json");
        let read = || -> Option<SocketAddr> {
            let value: Value = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
            value.get("addresses")?.get("page")?.as_str()?.parse().ok()
        };
        let mut address = read().ok_or_else(|| Error::NotRunning {
            path: path.display().to_string(),
        })?;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        Ok(Self(address))
    }

    pub(crate) fn get(&self, path: &str) -> Result<PageAnswer, Error> {
        self.ask("GET", path, "text/plain", b"")
    }

    pub(crate) fn get_json(&self, path: &str) -> Result<(u16, Value), Error> {
        let answer = self.get(path)?;
        Ok((answer.status, answer.json()))
    }

    pub(crate) fn post_form(&self, path: &str, form: &str) -> Result<u16, Error> {
        let kind = "application/x-www-form-urlencoded";
        Ok(self.ask("POST", path, kind, form.as_bytes())?.status)
    }

    pub(crate) fn post_bytes(&self, path: &str, bytes: &[u8]) -> Result<PageAnswer, Error> {
        self.ask("POST", path, "application/octet-stream", bytes)
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<PageAnswer, Error> {
        let connection = |source| Error::Connection { source };
        let page = self.0;
        let mut stream = TcpStream::connect_timeout(&page, TIMEOUT).map_err(connection)?;
        stream.set_read_timeout(Some(TIMEOUT)).map_err(connection)?;
        stream.set_write_timeout(Some(TIMEOUT)).map_err(connection)?;
        // HTTP/1.0: the answer ends with the connection, and is never cut into chunks.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {page}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).map_err(connection)?;
        stream.write_all(body).map_err(connection)?;
        let mut answer = Vec::new();
        stream
            .take(MAX_ANSWER)
            .read_to_end(&mut answer)
            .map_err(connection)?;
        let end = answer
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .ok_or(Error::Answer)?;
        let body = answer.split_off(end + 4);
        let head = String::from_utf8_lossy(&answer).into_owned();
        let status = head
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5)?.parse().ok())
            .ok_or(Error::Answer)?;
        Ok(PageAnswer { status, head, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_asked_over_loopback() {
        let folder = tempfile::tempdir().unwrap();
        let missing = PageClient::of(folder.path()).unwrap_err().to_string();
        assert!(missing.contains("start it first"), "{missing}");
        for (written, expected) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            let text = format!("{{\"pid\":1,\"addresses\":{{\"page\":\"{written}\"}}}}");
            fs::write(folder.path().join("addresses.json"), text).unwrap();
            assert_eq!(PageClient::of(folder.path()).unwrap().0.to_string(), expected);
        }
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let answer = PageAnswer {
            status: 200,
            head: "HTTP/1.1 200 OK\r\nbarefoot-records: 7\r\n\r\n".into(),
            body: b"{}".to_vec(),
        };
        assert_eq!(answer.header("Barefoot-Records"), Some("7"));
        assert_eq!(answer.header("other"), None);
    }
}
