//! A clinic's line to the hub, packet by packet: MQTT 5 as a library would write it, and as none would.

use barefoot_trust::TlsIdentity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::hall::Hall;
use super::http::PATIENCE;

pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const SUBACK: u8 = 0x90;
pub(crate) const CONNACK: u8 = 0x20;

/// A connection within TLS.
pub(crate) struct Line(TlsStream<TcpStream>);

/// Type and flags, then what follows.
pub(crate) fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = rest.len();
    loop {
        let low = u8::try_from(length % 128).unwrap();
        length /= 128;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// A string of MQTT.
pub(crate) fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

pub(crate) fn connect(client: &str) -> Vec<u8> {
    packet(
        0x10,
        &[b"\x00\x04MQTT\x05\x02\x00\x1e\x00", string(client).as_slice()].concat(),
    )
}

/// With a will.
pub(crate) fn connect_with_will(client: &str, topic: &str) -> Vec<u8> {
    let rest = [
        b"\x00\x04MQTT\x05\x0e\x00\x1e\x00".to_vec(),
        string(client),
        vec![0],
        string(topic),
        string("gone"),
    ];
    packet(0x10, &rest.concat())
}

/// QoS 1.
pub(crate) fn publish(topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let rest = [
        string(topic),
        id.to_be_bytes().to_vec(),
        vec![0],
        payload.to_vec(),
    ];
    packet(0x32, &rest.concat())
}

pub(crate) fn subscribe(filter: &str, id: u16) -> Vec<u8> {
    packet(
        0x82,
        &[id.to_be_bytes().to_vec(), vec![0], string(filter), vec![1]].concat(),
    )
}

/// The packets in these bytes: type and flags, and the rest of each.
fn packets(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [first, rest @ ..] = bytes {
        let (mut length, mut shift, mut used) = (0_usize, 0, 0);
        for byte in rest.iter().take(4) {
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            used += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let Some(body) = rest.get(used..used + length) else {
            break;
        };
        found.push((*first, body.to_vec()));
        bytes = &rest[used + length..];
    }
    found
}

/// The reason in an acknowledgement of this type; `None` where there was none.
pub(crate) fn reason(said: &[u8], kind: u8) -> Option<u8> {
    let (_, body) = packets(said)
        .into_iter()
        .find(|(first, _)| first & 0xf0 == kind)?;
    Some(match kind {
        CONNACK => *body.get(1)?,
        SUBACK => *body.last()?,
        // Left out, it is success.
        _ => body.get(2).copied().unwrap_or(0),
    })
}

pub(crate) fn identity(hall: &Hall, name: &str) -> TlsIdentity {
    let paths = hall.region.tls_paths(name);
    if !paths.certificate.exists() {
        hall.region.clinic(name).unwrap();
    }
    TlsIdentity::load(&paths).unwrap()
}

/// A TLS connection of this identity; `None` where the handshake itself fails.
pub(crate) async fn tls(identity: &TlsIdentity, address: &str) -> Option<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(identity.client_config().unwrap());
    let socket = TcpStream::connect(address).await.unwrap();
    let host = ServerName::try_from("localhost").unwrap();
    timeout(PATIENCE, connector.connect(host, socket))
        .await
        .ok()?
        .ok()
}

impl Line {
    pub(crate) async fn of(hall: &Hall, clinic: &str) -> Self {
        let address = hall.hub.address("mqtt").unwrap();
        Self(tls(&identity(hall, clinic), address).await.unwrap())
    }

    /// Says it and hangs up; all that came back.
    pub(crate) async fn heard_until_the_end(&mut self, bytes: &[u8]) -> Vec<u8> {
        // The hub may have heard enough before the end.
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.shutdown().await;
        let mut said = Vec::new();
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut said))
            .await
            .expect("the hub keeps the line open");
        said
    }

    /// Says it; the reason in the answer of this type, `None` where the line ends first.
    pub(crate) async fn answer(&mut self, bytes: &[u8], kind: u8) -> Option<u8> {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
        let mut said = Vec::new();
        let mut piece = [0; 4096];
        loop {
            if let Some(reason) = reason(&said, kind) {
                return Some(reason);
            }
            match timeout(PATIENCE, self.0.read(&mut piece)).await {
                Err(_) | Ok(Ok(0) | Err(_)) => return None,
                Ok(Ok(read)) => said.extend_from_slice(&piece[..read]),
            }
        }
    }
}
