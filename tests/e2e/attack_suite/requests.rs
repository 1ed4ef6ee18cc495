//! Requests whose paths climb, or whose parts are too large.

use barefoot_trust::TlsIdentity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::clinic::Clinic;
use super::hall::{Hall, Visitor};
use super::http::{Answer, PATIENCE, Request, exchange, say};
use super::ledger::{Attack, Ledger};
use super::mqtt_line::{Line, PUBACK, connect, identity, reason, tls};
use super::slowness::everybody_is_served;

/// Ways out of a folder.
const CLIMBING: [&str; 15] = [
    "../../../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "..%252f..%252f..%252fetc%252fpasswd",
    "..\\..\\..\\etc\\passwd",
    "..%5c..%5c..%5cetc%5cpasswd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "....//....//....//etc/passwd",
    "%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "..;/..;/..;/etc/passwd",
    "page.css%00.dcm",
    "../config.toml",
    "..%2fstate%2faddresses.json",
    "file:%2f%2f%2fetc%2fpasswd",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_path_climbs_out() {
    let mut ledger = Ledger::default();
    let hall = Hall::open().await;
    let everything = hall
        .person("everything", &["chief", "operator", "maintainer", "auditor"])
        .await;
    for prefix in [
        "/assets/",
        "/viewer/",
        "/quick-look/clinic-7/2.25.1/",
        "/cases/clinic-7/2.25.1/instances/",
        "/cases/clinic-7/2.25.1/drawn/",
        "/reports/",
        "/people/",
        "/dicom-web/studies/",
        "/dicom-web/studies/2.25.1/series/2.25.2/instances/2.25.3/bulkdata/",
    ] {
        for way in CLIMBING {
            let path = format!("{prefix}{way}");
            let answer = everything.asks("GET", &path).send(hall.page()).await;
            ledger.tried(
                Attack::Traversal,
                &format!("{path}: {}", answer.status),
                (200..300).contains(&answer.status),
            );
        }
    }
    let answer = everything.asks("GET", "/assets/page.css").send(hall.page()).await;
    ledger.control(Attack::Traversal, "a file that is there", answer.status == 200);

    let own = identity(&hall, "clinic-7");
    for prefix in ["/v1/objects/", "/v1/cases/", "/v1/cases/2.25.1/"] {
        for way in CLIMBING {
            for method in ["HEAD", "PUT"] {
                let request = Request::new(method, &format!("{prefix}{way}"))
                    .header("content-range", "bytes 0-0/1")
                    .body("x", "x");
                let answer = images(&hall, &own, &request).await;
                let what = format!("{method} {prefix}{way} at the images' port: {}", answer.status);
                ledger.tried(Attack::Traversal, &what, (200..300).contains(&answer.status));
            }
        }
    }
    let request = Request::new("HEAD", &format!("/v1/objects/{}", "0".repeat(64)));
    let answer = images(&hall, &own, &request).await;
    ledger.control(
        Attack::Traversal,
        &format!("an object's name: {}", answer.status),
        answer.status == 204,
    );

    let clinic = Clinic::open("").await;
    clinic.add("Zhao", &["doctor", "technician", "manager"]);
    let cookie = clinic.signed_in("Zhao").await;
    for prefix in [
        "/assets/",
        "/case/",
        "/case/0123456789abcdef0123456789abcdef/report/",
    ] {
        for way in CLIMBING {
            let path = format!("{prefix}{way}");
            let answer = Request::new("GET", &path)
                .header("cookie", &cookie)
                .send(clinic.page())
                .await;
            ledger.tried(
                Attack::Traversal,
                &format!("{path} at the box: {}", answer.status),
                (200..300).contains(&answer.status),
            );
        }
    }
    ledger.settle();
}

pub(super) async fn images(hall: &Hall, own: &TlsIdentity, request: &Request) -> Answer {
    let stream = tls(own, hall.hub.address("images").unwrap()).await.unwrap();
    exchange(stream, &request.bytes("hub")).await
}

/// Requests to a page that no page takes.
fn too_large(visitor: &Visitor) -> Vec<(&'static str, Vec<u8>)> {
    const MIB: usize = 1 << 20;
    let long = "a".repeat(MIB);
    let form = visitor.asks("POST", "/verify");
    let many: String = (0..20_000).map(|number| format!("x-{number}: y\r\n")).collect();
    let raw = |head: &str, body: &[u8]| [head.as_bytes(), b"\r\n", body].concat();
    vec![
        (
            "an address of a mebibyte",
            visitor.asks("GET", &format!("/{long}")).bytes("hub"),
        ),
        (
            "a query of a mebibyte",
            visitor.asks("GET", &format!("/?{long}")).bytes("hub"),
        ),
        (
            "a header of a mebibyte",
            visitor.asks("GET", "/").header("x-long", &long).bytes("hub"),
        ),
        (
            "twenty thousand headers",
            raw(
                &format!("GET / HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n{many}"),
                b"",
            ),
        ),
        (
            "a form of 64 MiB",
            form.clone()
                .body("application/x-www-form-urlencoded", vec![b'a'; 64 * MIB])
                .bytes("hub"),
        ),
        (
            "a form of so many bytes as there are numbers",
            raw(
                "POST /verify HTTP/1.1\r\nhost: hub\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 18446744073709551615\r\n",
                b"report=x",
            ),
        ),
        (
            "a form of minus one byte",
            raw(
                "POST /verify HTTP/1.1\r\nhost: hub\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: -1\r\n",
                b"report=x",
            ),
        ),
        (
            "two lengths that differ",
            raw(
                "POST /verify HTTP/1.1\r\nhost: hub\r\nconnection: close\r\ncontent-length: 8\r\ncontent-length: 9\r\n",
                b"report=xx",
            ),
        ),
        (
            "a chunk of four gibibytes",
            raw(
                "POST /verify HTTP/1.1\r\nhost: hub\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n",
                b"FFFFFFFFF\r\nreport=x",
            ),
        ),
        (
            "a chunk whose length is none",
            raw(
                "POST /verify HTTP/1.1\r\nhost: hub\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n",
                b"zz\r\nreport=x\r\n0\r\n\r\n",
            ),
        ),
        ("a request line without an end", vec![b'G'; 4 * MIB]),
        (
            "no HTTP",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n".to_vec(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_that_is_too_large() {
    let mut ledger = Ledger::default();
    let mut hall = Hall::open().await;
    let nobody = Visitor::from("10.5.0.1");
    let mut clinic = Clinic::open("[metrics]\nlisten = \"127.0.0.1:0\"\n").await;
    for (name, address) in [
        ("the hub's pages", hall.page().to_owned()),
        (
            "the hub's figures",
            hall.hub.address("metrics").unwrap().to_owned(),
        ),
        ("the clinic page", clinic.page().to_owned()),
        (
            "the box's figures",
            clinic.edge.address("metrics").unwrap().to_owned(),
        ),
    ] {
        for (what, bytes) in too_large(&nobody) {
            let answer = say(&address, &bytes).await;
            // The sign-in, to which a browser is led, is no way in.
            let got_in = (200..300).contains(&answer.status);
            ledger.tried(
                Attack::Oversize,
                &format!("{what} at {name}: {}", answer.status),
                got_in,
            );
        }
    }
    let own = identity(&hall, "clinic-7");
    let object = format!("/v1/objects/{}", "1".repeat(64));
    for (what, request) in [
        (
            "an object of an exbibyte",
            Request::new("PUT", &object)
                .header("content-range", "bytes 0-0/1152921504606846976")
                .body("x", "x"),
        ),
        (
            "more than its range",
            Request::new("PUT", &object)
                .header("content-range", "bytes 0-0/4")
                .body("x", "xxxx"),
        ),
        (
            "a range that ends before it begins",
            Request::new("PUT", &object)
                .header("content-range", "bytes 9-1/99")
                .body("x", "xxxx"),
        ),
        (
            "a list of 64 MiB",
            Request::new("PUT", "/v1/cases/2.25.1/1").body("x", vec![0xFF; 64 << 20]),
        ),
        (
            "a header of a mebibyte",
            Request::new("HEAD", &object).header("x-long", &"a".repeat(1 << 20)),
        ),
    ] {
        let answer = images(&hall, &own, &request).await;
        let got_in = (200..300).contains(&answer.status);
        ledger.tried(
            Attack::Oversize,
            &format!("{what} at the images' port: {}", answer.status),
            got_in,
        );
    }
    for (what, packet) in [
        (
            "a CONNECT of 256 MiB",
            b"\x10\xff\xff\xff\x7f\x00\x04MQTT".to_vec(),
        ),
        (
            "a PUBLISH of 256 MiB",
            [connect("x"), b"\x32\xff\xff\xff\x7f\x00\x01a".to_vec()].concat(),
        ),
        (
            "a topic of 64 KiB",
            [
                connect("x"),
                b"\x32\x84\x80\x04\xff\xff".to_vec(),
                vec![b'a'; 65_600],
            ]
            .concat(),
        ),
    ] {
        let mut line = Line::of(&hall, "clinic-7").await;
        let said = line.heard_until_the_end(&packet).await;
        let got_in = reason(&said, PUBACK) == Some(0);
        ledger.tried(Attack::Oversize, &format!("{what} at the line"), got_in);
    }
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for (what, frame) in [
        (
            "a frame of 16 MiB",
            b"\xff\xff\xff\x00\x00\x00\x00\x00\x01".to_vec(),
        ),
        (
            "headers of a mebibyte",
            [
                b"\x10\x00\x00\x01\x04\x00\x00\x00\x01".to_vec(),
                vec![0x40; 1 << 20],
            ]
            .concat(),
        ),
    ] {
        // This client asks for no HTTP/2 in its greeting, so what it says is all there is.
        let ended = match tls(&own, hall.hub.address("grpc").unwrap()).await {
            None => true,
            Some(mut stream) => {
                let _ = stream.write_all(&[&preface[..], &frame].concat()).await;
                let mut said = Vec::new();
                timeout(PATIENCE, stream.read_to_end(&mut said)).await.is_ok()
            }
        };
        ledger.tried(Attack::Oversize, &format!("{what} at the services"), !ended);
    }
    let dicom = clinic.edge.address("dicom").unwrap().to_owned();
    for (what, bytes) in [
        (
            "an association of 4 GiB",
            [vec![1, 0, 0xFF, 0xFF, 0xFF, 0xFF], vec![0; 1 << 20]].concat(),
        ),
        (
            "a PDU of no kind, of 4 GiB",
            [vec![0x7F, 0, 0xFF, 0xFF, 0xFF, 0xFF], vec![0; 1 << 20]].concat(),
        ),
        ("items longer than their association", {
            let mut bytes = vec![1, 0, 0, 0, 0, 80, 0, 1, 0, 0];
            bytes.extend([b' '; 64]);
            bytes.extend([0x10, 0, 0xFF, 0xFF, 0, 0, 0, 0]);
            bytes
        }),
    ] {
        let mut socket = TcpStream::connect(&dicom).await.unwrap();
        let _ = socket.write_all(&bytes).await;
        let mut said = Vec::new();
        let ended = timeout(PATIENCE, socket.read_to_end(&mut said)).await.is_ok();
        // 2 accepts an association.
        ledger.tried(
            Attack::Oversize,
            &format!("{what} at the box"),
            !ended || said.first() == Some(&2),
        );
    }
    hall.hub.check().unwrap();
    clinic.edge.check().unwrap();
    everybody_is_served(&mut ledger, Attack::Oversize, &hall, &clinic).await;
    ledger.settle();
}
