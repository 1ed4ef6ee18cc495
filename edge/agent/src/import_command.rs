//! `barefoot-edge import`: asks the daemon that runs on this machine to import, and tells how far it is.
//!
//! The daemon alone writes the archive, so this speaks to its page over loopback, by what the daemon has written into
//! `addresses.json`.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How often the daemon is asked how far it is.
const PERIOD: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(30);
/// An answer names at most two hundred files.
const MAX_ANSWER: u64 = 1024 * 1024;

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the daemon does not run: start it first (no readable {path})")]
    NotRunning { path: String },
    #[error("the daemon does not answer")]
    Connection { source: io::Error },
    #[error("the daemon answered something that is not understood")]
    Answer,
    #[error("the site file names no [import] directory")]
    Off,
    #[error("there is no such folder; there are: {folders}")]
    NoSuchFolder { folders: String },
    #[error("an import is under way")]
    UnderWay,
    #[error("the import ended early: {why}")]
    Ended { why: String },
}

/// Imports `folder`, or all that is plugged in, and waits for the end; `tell` hears how far it is.
///
/// # Errors
/// When the daemon cannot be reached, cannot import, or the import ends early.
pub fn run(state: &Path, folder: Option<&str>, mut tell: impl FnMut(&str)) -> Result<(), Error> {
    let page = page_address(state)?;
    let (status, before) = ask(page, "GET", "/api/import", "")?;
    if status == 404 {
        return Err(Error::Off);
    }
    let form = folder.map_or_else(String::new, |folder| {
        format!("folder={}", percent_encoded(folder))
    });
    match ask(page, "POST", "/api/import", &form)?.0 {
        202 => {}
        404 => {
            let names = before.get("folders").and_then(Value::as_array).cloned();
            let names: Vec<String> = names
                .unwrap_or_default()
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect();
            return Err(Error::NoSuchFolder {
                folders: names.join(", "),
            });
        }
        409 => return Err(Error::UnderWay),
        _ => return Err(Error::Answer),
    }
    let mut told = String::new();
    loop {
        let (_, answer) = ask(page, "GET", "/api/import", "")?;
        let progress = answer.get("progress").ok_or(Error::Answer)?;
        let line = line_of(progress);
        if line != told {
            tell(&line);
            told = line;
        }
        let word = |name: &str| progress.get(name).and_then(Value::as_str);
        match word("stage") {
            Some("done") => return Ok(()),
            Some("cancelled") => {
                let why = "it was cancelled".to_owned();
                return Err(Error::Ended { why });
            }
            Some("failed") => {
                let why = word("trouble").unwrap_or("unknown").to_owned();
                return Err(Error::Ended { why });
            }
            Some(_) => thread::sleep(PERIOD),
            None => return Err(Error::Answer),
        }
    }
}

fn line_of(progress: &Value) -> String {
    let names = [
        "found",
        "seen",
        "kept",
        "duplicates",
        "conflicts",
        "others",
        "refused",
        "missing",
    ];
    let counts = names.map(|name| {
        let count = progress.get(name).and_then(Value::as_u64).unwrap_or(0);
        format!("{name} {count}")
    });
    counts.join(", ")
}

/// Where the page listens; one that listens on every address does so on loopback too.
fn page_address(state: &Path) -> Result<SocketAddr, Error> {
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
    Ok(address)
}

/// One request on a connection of its own (RFC 9112); the answer's status, and its body where that is JSON.
fn ask(page: SocketAddr, method: &str, path: &str, form: &str) -> Result<(u16, Value), Error> {
    let connection = |source| Error::Connection { source };
    let mut stream = TcpStream::connect_timeout(&page, TIMEOUT).map_err(connection)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(connection)?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).map_err(connection)?;
    let mut answer = Vec::new();
    stream
        .take(MAX_ANSWER)
        .read_to_end(&mut answer)
        .map_err(connection)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(Error::Answer)?;
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or(Error::Answer)?;
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

fn percent_encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_asked_over_loopback() {
        let folder = tempfile::tempdir().unwrap();
        let missing = page_address(folder.path()).unwrap_err().to_string();
        assert!(missing.contains("start it first"), "{missing}");
        for (written, expected) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            let text = format!("{{\"pid\":1,\"addresses\":{{\"page\":\"{written}\"}}}}");
            fs::write(folder.path().join("addresses.json"), text).unwrap();
            assert_eq!(page_address(folder.path()).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn names_travel_as_forms_do() {
        assert_eq!(percent_encoded("usb stick&张"), "usb%20stick%26%E5%BC%A0");
    }
}
