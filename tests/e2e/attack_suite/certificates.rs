//! Certificates that are not what a port asks for, shown by OpenSSL to each port.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use barefoot_domain::ClinicId;
use barefoot_test_support::daemons::{Ctl, Region};
use barefoot_trust::Role;
use time::{Duration, OffsetDateTime};

use super::clinic::Clinic;
use super::hall::Hall;
use super::ledger::{Attack, Ledger};
use super::mqtt_line::{CONNACK, connect, reason};
use crate::nodes::script;
use crate::peers::{peer, python, run, text};

/// A port of the hub that asks for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Mqtt,
    Grpc,
    Images,
}

impl Port {
    fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Grpc => "grpc",
            Self::Images => "images",
        }
    }

    /// What one says there first.
    fn greeting(self) -> Vec<u8> {
        match self {
            Self::Mqtt => [connect("x"), b"\xE0\x00".to_vec()].concat(),
            Self::Grpc => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
            Self::Images => b"GET /nowhere HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n".to_vec(),
        }
    }

    /// Whether this is what somebody hears who was let in.
    fn is_open(self, said: &[u8]) -> bool {
        match self {
            Self::Mqtt => reason(said, CONNACK) == Some(0),
            Self::Grpc => 9 <= said.len(),
            Self::Images => said.starts_with(b"HTTP/1.1"),
        }
    }
}

/// Whether OpenSSL with this certificate (`<stem>.crt`, `<stem>.key`) is let in.
async fn is_let_in(hall: &Hall, port: Port, stem: Option<&Path>) -> bool {
    let address = hall.hub.address(port.name()).unwrap();
    // A let-in caller of HTTP/2 is kept; five seconds are for that one.
    let mut command = Command::new("timeout");
    command.args([
        "5",
        "openssl",
        "s_client",
        "-quiet",
        "-connect",
        address,
        "-servername",
        "localhost",
    ]);
    command
        .arg("-CAfile")
        .arg(hall.region.pki().join("authority.crt"));
    if port == Port::Grpc {
        command.args(["-alpn", "h2"]);
    }
    if let Some(stem) = stem {
        command
            .arg("-cert")
            .arg(with(stem, "crt"))
            .arg("-key")
            .arg(with(stem, "key"));
    }
    let output = run_with(command, port.greeting()).await;
    port.is_open(&output.stdout)
}

fn with(stem: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}.{ending}", stem.display()))
}

async fn run_with(mut command: Command, input: Vec<u8>) -> Output {
    let talk = tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = process.stdin.take().unwrap();
        // It may have been turned away already.
        let _ = stdin.write_all(&input);
        let output = process.wait_with_output().unwrap();
        drop(stdin);
        output
    });
    talk.await.unwrap()
}

/// A clinic's certificate that began and ends at other times than now.
fn dated(region: &Region, name: &str, begins: Duration) -> PathBuf {
    let id = ClinicId::new("clinic-7").unwrap();
    let begin = OffsetDateTime::now_utc() + begins;
    let issued = region
        .authority()
        .issue_clinic(&id, begin, Duration::days(2))
        .unwrap();
    issued.save(&region.pki(), name).unwrap();
    region.pki().join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_port_opens_to_a_certificate_it_should_not() {
    let mut ledger = Ledger::default();
    at_the_hub(&mut ledger).await;
    at_the_box(&mut ledger).await;
    ledger.settle();
}

async fn at_the_hub(ledger: &mut Ledger) {
    let hall = Hall::open().await;
    let region = &hall.region;
    let pki = region.pki();
    for clinic in ["clinic-7", "stolen", "lost"] {
        region.clinic(clinic).unwrap();
    }
    for (role, name) in [
        (Role::Operator, "wang"),
        (Role::Operator, "left"),
        (Role::Maintainer, "mara"),
        (Role::Expert, "erin"),
        (Role::Listener, "lamp"),
    ] {
        region.person(role, name).unwrap();
    }
    let good = pki.join("clinic-7");
    for port in [Port::Mqtt, Port::Grpc, Port::Images] {
        for name in ["clinic-7", "stolen", "lost"] {
            let works = is_let_in(&hall, port, Some(&pki.join(name))).await;
            ledger.control(Attack::Certificates, &format!("{name} at {}", port.name()), works);
        }
    }
    let hub = hall.hub.address("grpc").unwrap();
    let port_number = hub.rsplit_once(':').unwrap().1;
    let ctl = |name: &str| Ctl::new(region, name, &format!("localhost:{port_number}"));
    let lost = with(&pki.join("lost"), "crt").display().to_string();
    for holder in [
        ["--clinic", "stolen"],
        ["--certificate", lost.as_str()],
        ["--person", "operator/left"],
    ] {
        let said = ctl("wang").run(&[&["access", "revoke"][..], &holder, &["--reason", "stolen"]].concat());
        ledger.control(
            Attack::Certificates,
            &format!("revoking {holder:?}: {said:?}"),
            said.is_ok(),
        );
    }

    let elsewhere = Region::new().unwrap();
    elsewhere.clinic("clinic-7").unwrap();
    let own = tempfile::tempdir().unwrap();
    let mut make = Command::new(python());
    make.arg(script("certificates.py")).arg(own.path());
    let made = run(make).await;
    assert!(made.status.success(), "{}", text(&made));
    let shown: Vec<(&str, Option<PathBuf>)> = vec![
        ("no certificate", None),
        ("another region's", Some(elsewhere.pki().join("clinic-7"))),
        ("another region's hub's", Some(elsewhere.pki().join("hub"))),
        ("one signed by itself", Some(own.path().join("authority"))),
        ("one of an unknown authority", Some(own.path().join("scanner"))),
        (
            "an expired one",
            Some(dated(region, "expired", Duration::days(-9))),
        ),
        ("one of tomorrow", Some(dated(region, "early", Duration::days(2)))),
        ("a revoked clinic's", Some(pki.join("stolen"))),
        ("a revoked one", Some(pki.join("lost"))),
        ("the hub's own", Some(pki.join("hub"))),
        ("a maintainer's", Some(pki.join("mara"))),
        ("an expert's", Some(pki.join("erin"))),
        ("an operator's", Some(pki.join("wang"))),
        ("a listener's", Some(pki.join("lamp"))),
        ("a person's who left", Some(pki.join("left"))),
    ];
    for port in [Port::Mqtt, Port::Grpc, Port::Images] {
        for (what, stem) in &shown {
            // People call by gRPC; what they may there is asked below.
            let may = port == Port::Grpc
                && ["a maintainer's", "an expert's", "an operator's", "a listener's"].contains(what);
            if may {
                continue;
            }
            let got_in = is_let_in(&hall, port, stem.as_deref()).await;
            ledger.tried(
                Attack::Certificates,
                &format!("{what} at {}", port.name()),
                got_in,
            );
        }
        let works = is_let_in(&hall, port, Some(&good)).await;
        ledger.control(
            Attack::Certificates,
            &format!("the clinic's at {}", port.name()),
            works,
        );
    }

    // On the port where people of several roles call, each does its own work.
    let acts: [(&str, &[&str]); 7] = [
        ("operator", &["access", "list"]),
        (
            "operator",
            &["access", "revoke", "--clinic", "clinic-7", "--reason", "spite"],
        ),
        ("operator", &["access", "restore", "--clinic", "stolen"]),
        ("operator", &["site", "add", "clinic-9"]),
        ("operator", &["site", "list"]),
        ("maintainer", &["run", "list"]),
        ("maintainer", &["model", "list"]),
    ];
    for (role, arguments) in acts {
        for (name, of) in [
            ("wang", "operator"),
            ("mara", "maintainer"),
            ("erin", "expert"),
            ("lamp", "listener"),
            ("clinic-7", "clinic"),
            ("left", "revoked"),
        ] {
            if of == role {
                continue;
            }
            let what = format!("{arguments:?} by {name}");
            ledger.tried(Attack::Certificates, &what, ctl(name).run(arguments).is_ok());
        }
    }
    for (name, arguments) in [
        ("wang", ["access", "list"]),
        ("mara", ["run", "list"]),
        ("mara", ["model", "list"]),
    ] {
        let works = ctl(name).run(&arguments).is_ok();
        ledger.control(Attack::Certificates, &format!("{arguments:?} by {name}"), works);
    }
}

/// The DICOM port within TLS: a scanner's certificate, and a pinned one.
async fn at_the_box(ledger: &mut Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let mut make = Command::new(python());
    make.arg(script("certificates.py")).arg(folder.path());
    let made = run(make).await;
    assert!(made.status.success(), "{}", text(&made));
    let fingerprint = String::from_utf8(made.stdout).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let clinic = Clinic::open(&format!(
        "[[dicom.scanner]]\nae_title = \"PINNED\"\ncertificate_sha256 = \"{}\"\n\n[dicom.tls]\nlisten = \"127.0.0.1:0\"\n\
         certificate = \"{}\"\nkey = \"{}\"\nauthority = \"{}\"\nclient_certificates = \"required\"\n",
        fingerprint.trim(),
        path("box.crt"),
        path("box.key"),
        path("authority.crt"),
    ))
    .await;
    let port_of = |name: &str| {
        clinic
            .edge
            .address(name)
            .unwrap()
            .rsplit_once(':')
            .unwrap()
            .1
            .to_owned()
    };
    let (within, plain) = (port_of("dicom_tls"), port_of("dicom"));
    let echo = async |title: &str, shown: Option<&str>, port: &str| -> bool {
        let mut command = Command::new(peer("echoscu", "dcmtk"));
        command.args(["-aet", title, "-aec", "BAREFOOT", "-to", "20"]);
        match shown {
            Some("plain") => {}
            Some(name) => {
                command
                    .arg("+tls")
                    .arg(path(&format!("{name}.key")))
                    .arg(path(&format!("{name}.crt")));
                command.arg("+cf").arg(path("authority.crt"));
            }
            None => {
                command.args(["+tla", "+cf"]).arg(path("authority.crt"));
            }
        }
        command.args(["127.0.0.1", port]);
        run(command).await.status.success()
    };
    for (title, shown) in [("SIM_DR1", "scanner"), ("SIM_DR1", "pacs"), ("PINNED", "scanner")] {
        let works = echo(title, Some(shown), &within).await;
        ledger.control(
            Attack::Certificates,
            &format!("{title} with {shown} at the box"),
            works,
        );
    }
    for title in ["SIM_DR1", "PINNED", "STRANGER"] {
        for shown in [None, Some("foreign"), Some("expired"), Some("elsewhere")] {
            let got_in = echo(title, shown, &within).await;
            ledger.tried(
                Attack::Certificates,
                &format!("{title} with {shown:?} at the box"),
                got_in,
            );
        }
    }
    for (title, shown, port) in [
        ("PINNED", Some("pacs"), &within),
        ("STRANGER", Some("scanner"), &within),
        ("SIM_DR1", Some("plain"), &within),
        ("PINNED", Some("plain"), &plain),
        ("STRANGER", Some("plain"), &plain),
    ] {
        let got_in = echo(title, shown, port).await;
        ledger.tried(
            Attack::Certificates,
            &format!("{title} with {shown:?} at {port}"),
            got_in,
        );
    }
}
