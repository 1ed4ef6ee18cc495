use std::sync::Arc;

use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConfig, ServerConnection};
use tempfile::TempDir;

use super::*;
use crate::{Authority, Pem, TlsIdentity, TlsPaths};
use barefoot_domain::ClinicId;
use time::{Duration, OffsetDateTime};

struct Region {
    folder: TempDir,
    authority: Authority,
}

impl Region {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(folder.path(), "Test region", now()).unwrap();
        Self { folder, authority }
    }

    fn hub(&self, authority: &Authority, trusted: &str) -> TlsIdentity {
        let dir = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        authority
            .issue_hub(&["localhost".into()], now(), Duration::days(30))
            .unwrap()
            .save(&dir, "hub")
            .unwrap();
        std::fs::write(dir.join("authority.crt"), trusted).unwrap();
        identity(&dir, "hub")
    }

    /// A box that came with its key and has what the authority answered.
    fn enrolled(authority: &Authority, trusted: &str, valid: Duration) -> TlsIdentity {
        let key = BoxKey::generate().unwrap();
        let request = Request::parse(&key.request().unwrap()).unwrap();
        let clinic = ClinicId::new("clinic-7").unwrap();
        let certified = authority.enrol(&clinic, &request, now(), valid).unwrap();
        assert_eq!(key_of(&certified.certificate).unwrap(), request.key());
        TlsIdentity::parse(&Pem {
            authorities: trusted,
            chain: &certified.chain_pem,
            key: &BoxKey::parse(&key.pem()).unwrap().pem(),
        })
        .unwrap()
    }
}

fn identity(dir: &std::path::Path, name: &str) -> TlsIdentity {
    TlsIdentity::load(&TlsPaths {
        authority: dir.join("authority.crt"),
        certificate: dir.join(format!("{name}.crt")),
        key: dir.join(format!("{name}.key")),
    })
    .unwrap()
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Both ends of a connection after its handshake.
fn connect(
    client: Arc<rustls::ClientConfig>,
    server: Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap())?;
    let mut server = ServerConnection::new(server)?;
    for _ in 0..8 {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

#[test]
fn a_code_is_the_same_however_it_is_typed() {
    let code = Code::generate().unwrap();
    let shown = code.to_string();
    assert_eq!((shown.len(), shown.matches('-').count()), (24, 4), "{shown}");
    assert_eq!(
        Code::parse(&format!(" {} ", shown.to_lowercase().replace('-', " "))),
        Some(code.clone())
    );
    assert_eq!(
        Code::parse(&shown.replace('O', "0").replace('I', "1")),
        Some(code.clone())
    );
    assert_ne!(code.id(), code.secret().0);
    assert_ne!(Code::generate().unwrap(), code);
    for wrong in [
        "",
        "ABCD",
        "ABCD-EFGH-IJKL-MNOP-QRS8",
        "ABCD-EFGH-IJKL-MNOP-QRST-U",
    ] {
        assert_eq!(Code::parse(wrong), None, "{wrong}");
    }
    assert!(!format!("{code:?} {:?}", code.secret()).contains(&shown[..4]));
}

#[test]
fn both_sides_prove_the_code_on_their_own_connection_only() {
    let region = Region::new();
    let hub = region.hub(&region.authority, region.authority.trusted_pem());
    let open = hub.open_http2_server_config().unwrap();
    let line = || connect(first_client_config().unwrap(), Arc::clone(&open)).unwrap();
    let (client, server) = line();
    let (here, there) = (
        Binding::of_client(&client).unwrap(),
        Binding::of_server(&server).unwrap(),
    );
    let secret = Code::generate().unwrap().secret();
    let proof = secret.prove_box(&here, b"request");
    assert!(secret.is_of_box(&there, b"request", &proof));
    let answer = secret.prove_hub(&there, b"answer");
    assert!(secret.is_of_hub(&here, b"answer", &answer));

    assert!(!secret.is_of_box(&there, b"another request", &proof));
    assert!(
        !secret.is_of_hub(&here, b"request", &proof),
        "one side's proof is not the other's"
    );
    let other = Code::generate().unwrap().secret();
    assert!(!other.is_of_box(&there, b"request", &proof));
    let (_, elsewhere) = line();
    let elsewhere = Binding::of_server(&elsewhere).unwrap();
    assert!(
        !secret.is_of_box(&elsewhere, b"request", &proof),
        "what was overheard is worth nothing"
    );
}

#[test]
fn a_box_renews_by_its_key_also_after_the_end_and_within_the_grace_only() {
    let region = Region::new();
    let hub = region.hub(&region.authority, region.authority.trusted_pem());
    let boxed = Region::enrolled(
        &region.authority,
        region.authority.trusted_pem(),
        Duration::days(30),
    );
    let open = hub.open_http2_server_config().unwrap();
    let (client, server) = connect(boxed.returning_client_config().unwrap(), open).unwrap();
    let (here, there) = (
        Binding::of_client(&client).unwrap(),
        Binding::of_server(&server).unwrap(),
    );
    let certificate = boxed.certificate();
    let proof = boxed.prove_renewal(&here, &certificate).unwrap();
    let grace = Duration::days(60);
    let check = |binding: &Binding, proof: &[u8], at: OffsetDateTime| {
        hub.renewing_clinic(&certificate, (binding, &certificate), proof, (at, grace))
    };
    for days in [0, 29, 31, 89] {
        assert_eq!(
            check(&there, &proof, now() + Duration::days(days))
                .unwrap()
                .as_str(),
            "clinic-7"
        );
    }
    assert!(check(&there, &proof, now() + Duration::days(91)).is_err());
    assert!(check(&there, b"no signature", now()).is_err());
    let (_, elsewhere) = connect(
        first_client_config().unwrap(),
        hub.open_http2_server_config().unwrap(),
    )
    .unwrap();
    assert!(check(&Binding::of_server(&elsewhere).unwrap(), &proof, now()).is_err());

    let next = region
        .authority
        .renew(&certificate, now(), Duration::days(30))
        .unwrap();
    assert_eq!(key_of(&next.certificate).unwrap(), key_of(&certificate).unwrap());
    let foreign = Region::new();
    let stranger = Region::enrolled(
        &foreign.authority,
        foreign.authority.trusted_pem(),
        Duration::days(30),
    );
    let shown = stranger.certificate();
    let proof = stranger.prove_renewal(&here, &shown).unwrap();
    assert!(
        hub.renewing_clinic(&shown, (&there, &shown), &proof, (now(), grace))
            .is_err()
    );
}

#[test]
fn a_returning_box_knows_its_hub_whatever_its_clock_says_and_no_other() {
    let region = Region::new();
    let boxed = Region::enrolled(
        &region.authority,
        region.authority.trusted_pem(),
        Duration::days(30),
    );
    let hub = region.hub(&region.authority, region.authority.trusted_pem());
    connect(
        boxed.returning_client_config().unwrap(),
        hub.open_http2_server_config().unwrap(),
    )
    .unwrap();
    let foreign = Region::new();
    let stranger = foreign.hub(&foreign.authority, foreign.authority.trusted_pem());
    assert!(
        connect(
            boxed.returning_client_config().unwrap(),
            stranger.open_http2_server_config().unwrap()
        )
        .is_err()
    );
    // A box whose clock lacks forty years finds the hub by the time it was told.
    let line = || {
        connect(
            boxed.http2_client_config().unwrap(),
            hub.http2_server_config().unwrap(),
        )
    };
    line().unwrap();
    boxed.set_clock_behind(-40 * 366 * 86_400);
    assert!(line().is_err());
    boxed.set_clock_behind(0);
    line().unwrap();
}

#[test]
fn the_root_can_stay_offline_and_be_replaced_while_boxes_are_away() {
    let region = Region::new();
    let root = region.authority.trusted_pem();
    let below = |authority: &Authority, name: &str| {
        let dir = region.folder.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        authority.create_below(&dir, name, now()).unwrap();
        Authority::load(&dir).unwrap()
    };
    let issuing = below(&region.authority, "issuing");
    let boxed = Region::enrolled(&issuing, issuing.trusted_pem(), Duration::days(30));
    // Whoever knows the root only sees a chain up to it.
    let hub = region.hub(&issuing, root);
    connect(boxed.client_config().unwrap(), hub.server_config().unwrap()).unwrap();

    let dir = region.folder.path().join("second");
    std::fs::create_dir(&dir).unwrap();
    region
        .authority
        .create_successor(&dir, "Second root", now())
        .unwrap();
    let second = Authority::load(&dir).unwrap();
    let next = below(&second, "next");
    let renewed = next
        .renew(&boxed.certificate(), now(), Duration::days(30))
        .unwrap();
    let known = issuing.trusted_pem().as_bytes();
    let accepted = successors(known, next.trusted_pem().as_bytes(), renewed.chain_pem.as_bytes()).unwrap();
    check_first(accepted.as_bytes(), renewed.chain_pem.as_bytes()).unwrap();
    // The old root leaves: what the second one is, is known by now.
    let last: String = accepted
        .split_inclusive("-----END CERTIFICATE-----\n")
        .take(2)
        .collect();
    let again = successors(accepted.as_bytes(), last.as_bytes(), renewed.chain_pem.as_bytes()).unwrap();
    assert_eq!(again, last);

    let stranger = Region::new();
    let foreign = stranger.authority.trusted_pem();
    for offered in [foreign.to_owned(), format!("{}{foreign}", issuing.trusted_pem())] {
        assert!(successors(known, offered.as_bytes(), renewed.chain_pem.as_bytes()).is_err());
    }
    let foreign = stranger
        .authority
        .renew(&boxed.certificate(), now(), Duration::days(30))
        .unwrap();
    assert!(successors(known, known, foreign.chain_pem.as_bytes()).is_err());
}

#[test]
fn a_renewed_identity_holds_for_the_next_handshake() {
    let region = Region::new();
    let hub = region.hub(&region.authority, region.authority.trusted_pem());
    let boxed = Region::enrolled(
        &region.authority,
        region.authority.trusted_pem(),
        Duration::days(30),
    );
    let (client, server) = (boxed.client_config().unwrap(), hub.server_config().unwrap());
    let shown = || {
        let (_, server) = connect(Arc::clone(&client), Arc::clone(&server)).unwrap();
        server.peer_certificates().unwrap()[0].to_vec()
    };
    assert_eq!(shown(), boxed.certificate());
    let dir = tempfile::tempdir().unwrap();
    let next = region
        .authority
        .issue_clinic(&ClinicId::new("clinic-7").unwrap(), now(), Duration::days(30))
        .unwrap();
    next.save(dir.path(), "next").unwrap();
    std::fs::write(dir.path().join("authority.crt"), region.authority.trusted_pem()).unwrap();
    let paths = TlsPaths {
        authority: dir.path().join("authority.crt"),
        certificate: dir.path().join("next.crt"),
        key: dir.path().join("next.key"),
    };
    let before = boxed.certificate();
    boxed.reload(&paths).unwrap();
    assert_ne!(shown(), before);
    std::fs::write(&paths.certificate, b"cut").unwrap();
    let held = boxed.certificate();
    assert!(boxed.reload(&paths).is_err());
    assert_eq!(shown(), held, "what cannot be used changes nothing");
}

proptest! {
    #[test]
    fn requests_and_codes_from_anywhere_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,40}") {
        prop_assert!(Request::parse(&bytes).is_err());
        let _ = Code::parse(&text);
        let _ = key_of(&bytes);
        let _ = successors(&bytes, &bytes, &bytes);
    }
}
