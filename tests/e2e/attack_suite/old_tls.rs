//! Greetings of TLS that no library would send any more, byte by byte, to each port within TLS.

use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::clinic::Clinic;
use super::hall::Hall;
use super::http::PATIENCE;
use super::ledger::{Attack, Ledger};
use crate::nodes::script;
use crate::peers::{python, run, text};

const SSL_3: u16 = 0x0300;
const TLS_1_0: u16 = 0x0301;
const TLS_1_1: u16 = 0x0302;
const TLS_1_2: u16 = 0x0303;
const TLS_1_3: u16 = 0x0304;

/// Suites of TLS 1.2 that BCP 195 recommends.
const GOOD_1_2: [u16; 6] = [0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9];
const GOOD_1_3: [u16; 3] = [0x1301, 0x1302, 0x1303];

/// Without encryption, without authentication, for export, RC4, DES, 3DES, CBC, RSA key exchange, finite-field DH, PSK, SRP.
const WEAK: [u16; 40] = [
    0x0000, 0x0001, 0x0002, 0x003B, 0xC006, 0xC010, 0xC015, 0x0003, 0x0006, 0x0008, 0x000B, 0x0014, 0x0017,
    0x0018, 0x001A, 0x001B, 0x0034, 0x006C, 0xC017, 0xC018, 0x0004, 0x0005, 0xC007, 0xC011, 0x0009, 0x000A,
    0x0016, 0xC008, 0xC012, 0x002F, 0x0035, 0x003C, 0x009C, 0x009D, 0x0033, 0x009E, 0xC013, 0xC014, 0xC027,
    0x008C,
];

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    [&kind.to_be_bytes()[..], &length.to_be_bytes(), body].concat()
}

/// A ClientHello of this version with these suites. `http2`: that protocol is asked for.
fn hello(version: u16, suites: &[u16], http2: bool) -> Vec<u8> {
    let mut body = version.min(TLS_1_2).to_be_bytes().to_vec();
    body.extend([0x5A; 32]);
    body.push(0);
    body.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.extend([1, 0]);
    if SSL_3 < version {
        let mut more = Vec::new();
        let name = b"localhost";
        let name_length = u8::try_from(name.len()).unwrap();
        more.extend(extension(
            0,
            &[&[0, name_length + 3, 0, 0, name_length][..], name].concat(),
        ));
        // x25519, P-256, P-384; uncompressed points.
        more.extend(extension(10, &[0, 6, 0, 29, 0, 23, 0, 24]));
        more.extend(extension(11, &[1, 0]));
        // ECDSA and RSA with SHA-256 and SHA-384, RSA-PSS, and the old ones with SHA-1.
        more.extend(extension(
            13,
            &[0, 16, 4, 3, 5, 3, 8, 4, 8, 5, 4, 1, 5, 1, 2, 1, 2, 3],
        ));
        if http2 {
            more.extend(extension(16, b"\x00\x03\x02h2"));
        }
        if TLS_1_3 <= version {
            more.extend(extension(43, &[2, 3, 4]));
            // Any 32 bytes are a point of x25519.
            more.extend(extension(51, &[&[0, 36, 0, 29, 0, 32][..], &[9; 32]].concat()));
        }
        body.extend(u16::try_from(more.len()).unwrap().to_be_bytes());
        body.extend(more);
    }
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let handshake = [&[1][..], &length[1..], &body].concat();
    let record = version.clamp(SSL_3, TLS_1_0).to_be_bytes();
    let length = u16::try_from(handshake.len()).unwrap().to_be_bytes();
    [&[22][..], &record, &length, &handshake].concat()
}

/// Whether the port goes on with such a greeting: it answers with a ServerHello.
async fn goes_on(address: &str, greeting: &[u8]) -> bool {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(greeting).await.unwrap();
    let mut first = [0; 6];
    let heard = timeout(PATIENCE, socket.read_exact(&mut first))
        .await
        .expect("an answer or the end");
    // A handshake record with a ServerHello; an alert is 21.
    heard.is_ok() && first[0] == 22 && first[5] == 2
}

async fn try_all(ledger: &mut Ledger, name: &str, address: &str, with_1_2: bool) {
    let http2 = matches!(name, "grpc" | "enrolment");
    let hello = |version, suites: &[u16]| hello(version, suites, http2);
    for (version, word) in [(SSL_3, "SSL 3"), (TLS_1_0, "TLS 1.0"), (TLS_1_1, "TLS 1.1")] {
        for suites in [
            &GOOD_1_2[..],
            &WEAK[..],
            &[0x002F, 0x0035, 0xC013, 0xC014, 0x000A],
        ] {
            let got_in = goes_on(address, &hello(version, suites)).await;
            ledger.tried(Attack::OldTls, &format!("{word} {suites:x?} at {name}"), got_in);
        }
    }
    for suite in WEAK {
        let got_in = goes_on(address, &hello(TLS_1_2, &[suite])).await;
        ledger.tried(Attack::OldTls, &format!("TLS 1.2 {suite:#06x} at {name}"), got_in);
    }
    let spoken = goes_on(address, &hello(TLS_1_2, &GOOD_1_2)).await;
    if with_1_2 {
        ledger.control(Attack::OldTls, &format!("TLS 1.2 at {name}"), spoken);
    } else {
        ledger.tried(Attack::OldTls, &format!("TLS 1.2 at {name}"), spoken);
    }
    // Only what TLS 1.3 does not have.
    let got_in = goes_on(address, &hello(TLS_1_3, &WEAK)).await;
    ledger.tried(
        Attack::OldTls,
        &format!("TLS 1.3 with weak suites at {name}"),
        got_in,
    );
    let works = goes_on(address, &hello(TLS_1_3, &GOOD_1_3)).await;
    ledger.control(Attack::OldTls, &format!("TLS 1.3 at {name}"), works);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_port_speaks_old_tls_or_weak_suites() {
    let mut ledger = Ledger::default();
    let folder = tempfile::tempdir().unwrap();
    let mut make = Command::new(python());
    make.arg(script("certificates.py")).arg(folder.path());
    let made = run(make).await;
    assert!(made.status.success(), "{}", text(&made));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let hall = Hall::with(&format!(
        "\n[page.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        path("box.crt"),
        path("box.key")
    ))
    .await;
    for port in ["mqtt", "grpc", "images", "enrolment", "page"] {
        try_all(&mut ledger, port, hall.hub.address(port).unwrap(), false).await;
    }
    let clinic = Clinic::open(&format!(
        "[dicom.tls]\nlisten = \"127.0.0.1:0\"\ncertificate = \"{}\"\nkey = \"{}\"\nauthority = \"{}\"\n\
         client_certificates = \"optional\"\n",
        path("box.crt"),
        path("box.key"),
        path("authority.crt"),
    ))
    .await;
    // Scanners of a certain age know no newer one.
    try_all(
        &mut ledger,
        "the box's DICOM",
        clinic.edge.address("dicom_tls").unwrap(),
        true,
    )
    .await;
    ledger.settle();
}
