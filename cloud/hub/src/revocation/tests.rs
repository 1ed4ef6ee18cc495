use std::sync::LazyLock;
use std::time::Duration;

use barefoot_domain::ClinicId;
use barefoot_trust::{Authority, Role};
use rustls::pki_types::pem::PemObject;
use time::OffsetDateTime;
use tokio::time::timeout;

use super::*;

/// Some certificates, each of its own key; the first is what callers show.
static CERTIFICATES: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let now = OffsetDateTime::now_utc();
    let authority = Authority::create(folder.path(), "Test region", now).unwrap();
    let issued = |_| {
        let clinic = ClinicId::new("clinic-7").unwrap();
        let issued = authority
            .issue_clinic(&clinic, now, time::Duration::days(1))
            .unwrap();
        CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap()
    };
    (0..2).map(issued).collect()
});

fn clinic(name: &str) -> Peer {
    Peer::Clinic(ClinicId::new(name).unwrap())
}

fn operator() -> Person {
    Person::new(Role::Operator, "wang").unwrap()
}

fn admitted(revocations: &Revocations, who: &Peer) -> Result<Admission, Revoked> {
    revocations.admit(who, &CERTIFICATES[0])
}

async fn is_cut(admission: &Admission) -> bool {
    timeout(Duration::from_millis(1), admission.cut()).await.is_ok()
}

#[tokio::test]
async fn who_is_revoked_is_cut_and_stays_out_until_restored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("barefoot.db");
    let archive = Archive::open_with_keys(&path).await.unwrap();
    let revocations = Revocations::open(archive.clone()).await.unwrap();
    let (own, other) = (clinic("clinic-7"), clinic("clinic-8"));
    let open = admitted(&revocations, &own).unwrap();
    let others = revocations.admit(&other, &CERTIFICATES[1]).unwrap();

    let holder = Holder::of_peer(&own);
    assert!(
        revocations
            .revoke(holder.clone(), &operator(), "stolen")
            .await
            .unwrap()
    );
    assert!(is_cut(&open).await && !is_cut(&others).await);
    assert!(admitted(&revocations, &own).is_err() && admitted(&revocations, &other).is_ok());
    assert!(
        !revocations
            .revoke(holder.clone(), &operator(), "again")
            .await
            .unwrap()
    );
    assert_eq!(revocations.list().await.unwrap()[0].reason, "stolen");

    // It outlives the hub, and another process hears of what this one does.
    drop((open, others));
    let later = Revocations::open(archive.clone()).await.unwrap();
    assert!(admitted(&later, &own).is_err());
    assert!(revocations.restore(&holder, &operator()).await.unwrap());
    assert!(!revocations.restore(&holder, &operator()).await.unwrap());
    assert!(admitted(&revocations, &own).is_ok() && admitted(&later, &own).is_err());
    later.read().await.unwrap();
    assert!(admitted(&later, &own).is_ok());
    assert!(lock(&later.known).open.is_empty(), "what has ended is forgotten");
}

#[tokio::test]
async fn one_certificate_is_revoked_and_the_holders_next_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open_with_keys(&folder.path().join("barefoot.db"))
        .await
        .unwrap();
    let revocations = Revocations::open(archive).await.unwrap();
    let own = clinic("clinic-7");
    let open = admitted(&revocations, &own).unwrap();
    let holder = Holder::Certificate(Fingerprint::of(&CERTIFICATES[0]));
    revocations.revoke(holder, &operator(), "lost").await.unwrap();
    assert!(is_cut(&open).await && admitted(&revocations, &own).is_err());
    assert!(revocations.admit(&own, &CERTIFICATES[1]).is_ok());
    assert!(matches!(
        revocations.admit(&own, &CertificateDer::from_slice(b"none")),
        Err(Revoked::Unreadable)
    ));
}

#[test]
fn holders_are_read_back_as_they_were_written() {
    for holder in [
        Holder::of_peer(&clinic("clinic-7")),
        Holder::Person(operator()),
        Holder::Person(Person::new(Role::Listener, "clinic-7").unwrap()),
        Holder::Certificate(Fingerprint([7; 32])),
    ] {
        let (kind, name) = holder.words();
        assert_eq!(Holder::of_words(kind, &name), Some(holder.clone()));
        assert_eq!(Holder::of_message(Some(holder.to_message())).unwrap(), holder);
    }
    for (kind, name) in [
        ("clinic", "Clinic 7"),
        ("chief", "li"),
        ("expert", "a/b"),
        ("certificate", "00"),
    ] {
        assert_eq!(Holder::of_words(kind, name), None, "{kind} {name}");
    }
}
