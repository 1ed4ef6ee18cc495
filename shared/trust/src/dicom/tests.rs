use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConnection, ProtocolVersion, ServerConnection};
use time::Duration;

use super::*;

/// A folder of PEM files made by an authority of its own.
struct Maker {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Maker {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "A maker of scanners");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path().join("authority.crt"), authority.pem()).unwrap();
        Self { folder, authority }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Valid between the two days from now.
    fn issue(&self, name: &str, days: (i64, i64)) -> OwnCertificate {
        let mut params = CertificateParams::new(vec!["pacs.clinic".to_owned()]).unwrap();
        params.not_before = now() + Duration::days(days.0);
        params.not_after = now() + Duration::days(days.1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let own = OwnCertificate {
            certificate: self.path(&format!("{name}.crt")),
            key: self.path(&format!("{name}.key")),
        };
        fs::write(&own.certificate, certificate.pem()).unwrap();
        fs::write(&own.key, key.serialize_pem()).unwrap();
        own
    }

    fn trusted(&self) -> Trusted {
        Trusted {
            authority: Some(self.path("authority.crt")),
            pinned: Vec::new(),
        }
    }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn fingerprint(path: &Path) -> Fingerprint {
    Fingerprint::of(&CertificateDer::from_pem_file(path).unwrap())
}

fn pinned(own: &OwnCertificate) -> Trusted {
    Trusted {
        authority: None,
        pinned: vec![fingerprint(&own.certificate)],
    }
}

/// Runs the handshake in memory; what the server then knows of the client.
fn shake(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    called: &str,
) -> Result<(Option<Fingerprint>, ProtocolVersion), rustls::Error> {
    let name = ServerName::try_from(called.to_owned()).unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write() {
        wire.clear();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok((
        peer_fingerprint(server.peer_certificates()),
        server.protocol_version().unwrap(),
    ))
}

#[test]
fn a_caller_is_known_by_its_authority_or_its_fingerprint_or_not_at_all() {
    let (ours, foreign) = (Maker::new(), Maker::new());
    let own = ours.issue("box", (-1, 30));
    let scanner = ours.issue("scanner", (-1, 30));
    let expired = ours.issue("expired", (-30, -1));
    let early = ours.issue("early", (1, 30));
    let stranger = foreign.issue("stranger", (-1, 30));
    let both = Trusted {
        pinned: vec![
            fingerprint(&stranger.certificate),
            fingerprint(&expired.certificate),
        ],
        ..ours.trusted()
    };
    let optional = || ClientCertificates::Optional(ours.trusted());
    let required = || ClientCertificates::Required(ours.trusted());
    let cases: [(ClientCertificates, Option<&OwnCertificate>, bool, &str); 11] = [
        (ClientCertificates::Off, None, true, "nobody is asked"),
        (
            ClientCertificates::Off,
            Some(&scanner),
            true,
            "and nobody answers",
        ),
        (optional(), None, true, "need not be shown"),
        (optional(), Some(&scanner), true, "shown"),
        (optional(), Some(&stranger), false, "shown and foreign"),
        (required(), None, false, "not shown"),
        (required(), Some(&scanner), true, "of the authority"),
        (required(), Some(&stranger), false, "foreign"),
        (required(), Some(&early), false, "not valid yet"),
        (
            ClientCertificates::Required(both.clone()),
            Some(&stranger),
            true,
            "foreign but pinned",
        ),
        (
            ClientCertificates::Required(both),
            Some(&expired),
            false,
            "pinned but expired",
        ),
    ];
    for (clients, shown, taken, case) in cases {
        let known = !matches!(clients, ClientCertificates::Off);
        let server = server_config(&own, &clients, now()).unwrap();
        let client = client_with(&ours.trusted(), shown);
        let outcome = shake(server, client, "pacs.clinic");
        assert_eq!(outcome.is_ok(), taken, "{case}: {outcome:?}");
        if let Ok((fingerprint_seen, _)) = outcome {
            let expected = shown.filter(|_| known).map(|own| fingerprint(&own.certificate));
            assert_eq!(fingerprint_seen, expected, "{case}");
        }
    }
}

/// A scanner does not look whether its own certificate is still good.
fn client_with(trusted: &Trusted, own: Option<&OwnCertificate>) -> Arc<ClientConfig> {
    let then = own.map(|own| own.valid_until().unwrap() - Duration::hours(1));
    client_config(trusted, own, then.unwrap_or_else(now)).unwrap()
}

#[test]
fn an_archive_is_known_by_its_authority_and_name_or_by_its_fingerprint() {
    let (ours, foreign) = (Maker::new(), Maker::new());
    let good = ours.issue("good", (-1, 30));
    let expired = ours.issue("expired", (-30, -1));
    let other = foreign.issue("other", (-1, 30));
    for (shown, trusted, called, taken) in [
        (&good, ours.trusted(), "pacs.clinic", true),
        (&good, ours.trusted(), "other.clinic", false),
        (&good, foreign.trusted(), "pacs.clinic", false),
        (&good, pinned(&good), "192.0.2.7", true),
        (&other, pinned(&good), "pacs.clinic", false),
        (&expired, ours.trusted(), "pacs.clinic", false),
        (&expired, pinned(&expired), "pacs.clinic", false),
    ] {
        let before = shown.valid_until().unwrap() - Duration::hours(1);
        let server = server_config(shown, &ClientCertificates::Off, before).unwrap();
        let client = client_config(&trusted, None, now()).unwrap();
        assert_eq!(
            shake(server, client, called).is_ok(),
            taken,
            "{shown:?} {trusted:?} {called}"
        );
    }
}

#[test]
fn tls_1_3_is_preferred_and_1_2_is_taken() {
    let ours = Maker::new();
    let own = ours.issue("box", (-1, 30));
    let server = server_config(&own, &ClientCertificates::Off, now()).unwrap();
    let client = client_config(&ours.trusted(), None, now()).unwrap();
    let (_, version) = shake(Arc::clone(&server), client, "pacs.clinic").unwrap();
    assert_eq!(version, ProtocolVersion::TLSv1_3);
    let mut roots = RootCertStore::empty();
    roots.add(ours.authority.der().clone()).unwrap();
    let old = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (_, version) = shake(server, Arc::new(old), "pacs.clinic").unwrap();
    assert_eq!(version, ProtocolVersion::TLSv1_2);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let ours = Maker::new();
    let good = ours.issue("good", (-1, 30));
    let other = ours.issue("other", (-1, 30));
    fs::write(ours.path("empty.crt"), "").unwrap();
    fs::write(
        ours.path("locked.key"),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    let with = |certificate: &str, key: &str| OwnCertificate {
        certificate: ours.path(certificate),
        key: ours.path(key),
    };
    for (own, at, expected) in [
        (with("missing.crt", "good.key"), 0, "missing.crt"),
        (with("empty.crt", "good.key"), 0, "empty.crt holds no certificate"),
        (with("good.crt", "empty.crt"), 0, "empty.crt holds no private key"),
        (with("good.crt", "locked.key"), 0, "passphrase"),
        (with("good.crt", "other.key"), 0, "does not belong"),
        (with("good.crt", "good.key"), 40, "expired on"),
        (with("good.crt", "good.key"), -40, "clock"),
    ] {
        let at = now() + Duration::days(at);
        let error = server_config(&own, &ClientCertificates::Off, at).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        let error = client_config(&ours.trusted(), Some(&own), at).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(server_config(&good, &ClientCertificates::Off, now()).is_ok());
    assert!(other.valid_until().unwrap() < now() + Duration::days(31));
    let nobody = ClientCertificates::Required(Trusted::default());
    let error = server_config(&good, &nobody, now()).unwrap_err();
    assert!(
        error.to_string().contains("authority or a fingerprint"),
        "{error}"
    );
}
