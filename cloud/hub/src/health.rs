//! `barefoot-hub health`: whether the hub that runs with this configuration answers, for containers and watchers.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::config::Config;

/// A hub that takes longer has something else to do than to serve.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why it cannot be said to be well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the hub does not run here: {path} cannot be read")]
    NotRunning { path: String, source: io::Error },
    #[error("{path} is not understood")]
    Unreadable { path: String },
    #[error("the port \"{port}\" at {address} does not answer")]
    Silent {
        port: String,
        address: SocketAddr,
        source: io::Error,
    },
    #[error("the page at {address} answers, but not as a page does")]
    NoPage { address: SocketAddr },
}

#[derive(Deserialize)]
struct Announced {
    addresses: std::collections::BTreeMap<String, SocketAddr>,
}

/// Every port that the hub has opened takes connections, and the page answers. The ports that are open, by name.
///
/// # Errors
/// When one does not.
pub fn check(config: &Config) -> Result<Vec<String>, Error> {
    let announced = read(&config.directory.join("addresses.json"))?;
    for (port, address) in &announced.addresses {
        let address = from_here(*address);
        let silent = |source| Error::Silent {
            port: port.clone(),
            address,
            source,
        };
        let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(silent)?;
        // Within TLS the handshake is the page's first word, and nobody here has a reason to trust it.
        if port == "page" && config.page.tls.is_none() {
            let said = ask(stream, address).map_err(silent)?;
            if !said.starts_with(b"HTTP/1.1 ") && !said.starts_with(b"HTTP/1.0 ") {
                return Err(Error::NoPage { address });
            }
        }
    }
    Ok(announced.addresses.into_keys().collect())
}

fn read(path: &Path) -> Result<Announced, Error> {
    let shown = || path.display().to_string();
    let text = fs::read(path).map_err(|source| Error::NotRunning {
        path: shown(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|_| Error::Unreadable { path: shown() })
}

/// The first bytes of the answer.
fn ask(mut stream: TcpStream, address: SocketAddr) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let question = format!("GET /sign-in HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes())?;
    let mut first = [0; 9];
    stream.read_exact(&mut first)?;
    Ok(first.to_vec())
}

/// One that listens on all addresses does so on loopback too.
fn from_here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn a_hub_is_well_when_its_ports_take_connections_and_its_page_answers() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[storage]\ndirectory = {:?}\n[mqtt]\nendpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"\n[tls]\nauthority = \"a\"\ncertificate = \"b\"\n\
             key = \"c\"\n[page]\nlisten = \"127.0.0.1:0\"\nlanguage = \"en\"\n",
            folder.path()
        );
        let config = Config::parse(&text, "hub.toml", Path::new("/")).unwrap();
        let file = folder.path().join("addresses.json");
        let announce = |page: SocketAddr, mqtt: SocketAddr| {
            let text = serde_json::json!({"pid": 1, "addresses": {"page": page, "mqtt": mqtt}});
            fs::write(&file, text.to_string()).unwrap();
        };
        assert!(matches!(check(&config), Err(Error::NotRunning { .. })));
        let mqtt = TcpListener::bind("127.0.0.1:0").unwrap();
        let page = TcpListener::bind("127.0.0.1:0").unwrap();
        announce(page.local_addr().unwrap(), mqtt.local_addr().unwrap());
        let address = page.local_addr().unwrap();
        let answering = thread::spawn(move || {
            for said in ["HTTP/1.1 200 OK\r\n\r\n", "no page at all"] {
                let (mut stream, _) = page.accept().unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    let mut more = [0; 256];
                    let read = stream.read(&mut more).unwrap();
                    assert!(0 < read);
                    asked.extend_from_slice(&more[..read]);
                }
                assert!(asked.starts_with(b"GET /sign-in "));
                stream.write_all(said.as_bytes()).unwrap();
            }
        });
        assert_eq!(check(&config).unwrap(), ["mqtt", "page"]);
        assert!(matches!(check(&config), Err(Error::NoPage { .. })));
        answering.join().unwrap();
        // A port that nobody is given: one that was free a moment ago may be another test's by now.
        announce(address, "127.0.0.1:1".parse().unwrap());
        assert!(matches!(check(&config), Err(Error::Silent { port, .. }) if port == "mqtt"));
    }
}
