use std::path::Path;

use barefoot_domain::ClinicId;
use barefoot_trust::{Authority, Error, Purpose, Role, SealError, Signer, TlsIdentity, TlsPaths, sealed_for};
use proptest::prelude::*;
use time::{Duration, OffsetDateTime};

fn identity(folder: &Path, name: &str) -> TlsIdentity {
    TlsIdentity::load(&TlsPaths {
        authority: folder.join("authority.crt"),
        certificate: folder.join(format!("{name}.crt")),
        key: folder.join(format!("{name}.key")),
    })
    .unwrap()
}

fn region(folder: &Path, now: OffsetDateTime) -> Authority {
    let authority = Authority::create(folder, "Test region", now).unwrap();
    let month = Duration::days(30);
    for name in ["clinic-a", "clinic-b"] {
        let clinic = ClinicId::new(name).unwrap();
        let issued = authority.issue_clinic(&clinic, now, month).unwrap();
        issued.save(folder, name).unwrap();
    }
    for name in ["hub", "hub-2"] {
        let issued = authority.issue_hub(&["localhost".into()], now, month).unwrap();
        issued.save(folder, name).unwrap();
    }
    authority
}

fn clinic_and_hub(now: OffsetDateTime) -> (TlsIdentity, TlsIdentity) {
    let folder = tempfile::tempdir().unwrap();
    region(folder.path(), now);
    (
        identity(folder.path(), "clinic-a"),
        identity(folder.path(), "hub"),
    )
}

#[test]
fn only_its_reader_opens_a_file_and_knows_who_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let now = OffsetDateTime::now_utc();
    region(folder.path(), now);
    let [a, b, hub, hub_2] =
        ["clinic-a", "clinic-b", "hub", "hub-2"].map(|name| identity(folder.path(), name));
    let reader = a.hub_reader(&hub.certificate(), now).unwrap();
    let content = b"results nobody else may read".repeat(100);
    let file = a.seal(Purpose::Results, &reader, &content).unwrap();
    assert!(
        !file.windows(12).any(|window| window == b"nobody else "),
        "it is sealed"
    );
    assert!(
        !file.windows(8).any(|window| window == b"clinic-a"),
        "nobody else learns from whom it is"
    );
    assert!(sealed_for(&file, Purpose::Results, &reader));

    let opened = hub.open(Purpose::Results, &file, now).unwrap();
    assert_eq!(opened.writer, Signer::Clinic(ClinicId::new("clinic-a").unwrap()));
    assert_eq!(opened.content, content);
    assert!(matches!(
        hub.open(Purpose::Receipts, &file, now),
        Err(SealError::OtherPurpose)
    ));
    for other in [&hub_2, &b, &a] {
        assert!(matches!(
            other.open(Purpose::Results, &file, now),
            Err(SealError::OtherReader { .. })
        ));
    }

    let answer = hub.seal(Purpose::Receipts, &opened.answer_to, b"stored").unwrap();
    let read = a.open(Purpose::Receipts, &answer, now).unwrap();
    assert_eq!(
        (read.writer, read.content.as_slice()),
        (Signer::Hub, &b"stored"[..])
    );
    assert!(b.open(Purpose::Receipts, &answer, now).is_err());
}

#[test]
fn a_box_seals_for_nobody_but_its_own_regions_hub() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let now = OffsetDateTime::now_utc();
    let authority = region(here.path(), now);
    region(there.path(), now);
    authority
        .issue_person(Role::Maintainer, "p", now, Duration::days(1))
        .unwrap()
        .save(here.path(), "p")
        .unwrap();
    let a = identity(here.path(), "clinic-a");
    for (folder, name) in [
        (here.path(), "clinic-b"),
        (here.path(), "p"),
        (there.path(), "hub"),
    ] {
        assert!(
            a.hub_reader(&identity(folder, name).certificate(), now).is_err(),
            "{name}"
        );
    }
    let hub = identity(here.path(), "hub");
    assert!(
        a.hub_reader(&hub.certificate(), now + Duration::days(31 + 120))
            .is_err()
    );
    assert!(a.hub_reader(b"", now).is_err());

    let stranger = identity(there.path(), "clinic-a");
    let file = stranger
        .seal(
            Purpose::Results,
            &a.hub_reader(&hub.certificate(), now).unwrap(),
            b"x",
        )
        .unwrap();
    assert!(matches!(
        hub.open(Purpose::Results, &file, now),
        Err(SealError::Writer {
            source: Error::Untrusted { .. }
        })
    ));
}

#[test]
fn a_certificate_that_ran_out_on_the_way_is_believed_for_a_while() {
    let now = OffsetDateTime::now_utc();
    let (a, hub) = clinic_and_hub(now);
    let file = a
        .seal(
            Purpose::Results,
            &a.hub_reader(&hub.certificate(), now).unwrap(),
            b"x",
        )
        .unwrap();
    assert!(
        hub.open(Purpose::Results, &file, now + Duration::days(31 + 60))
            .is_ok()
    );
    assert!(
        hub.open(Purpose::Results, &file, now + Duration::days(31 + 120))
            .is_err()
    );
}

#[test]
fn what_is_cut_changed_or_not_ours_says_so() {
    let now = OffsetDateTime::now_utc();
    let (a, hub) = clinic_and_hub(now);
    let reader = a.hub_reader(&hub.certificate(), now).unwrap();
    let file = a.seal(Purpose::Results, &reader, b"some results").unwrap();
    let open = |bytes: &[u8]| hub.open(Purpose::Results, bytes, now).unwrap_err();
    assert!(matches!(open(b"a shopping list"), SealError::NotSealed));
    for length in [8, 40, 60, file.len() - 1] {
        assert!(matches!(open(&file[..length]), SealError::Damaged), "{length}");
        assert!(!sealed_for(&file[..length], Purpose::Results, &reader));
    }
    // Somebody who changes it also makes the sum anew.
    for at in [8, 50, 120, file.len() - 40] {
        let mut changed = file[..file.len() - 32].to_vec();
        changed[at] ^= 1;
        let sum = ring::digest::digest(&ring::digest::SHA256, &changed);
        changed.extend(sum.as_ref());
        assert!(!matches!(open(&changed), SealError::NotSealed), "{at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_answered_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), whole in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(folder.path(), "Test region", now).unwrap();
        authority.issue_hub(&["localhost".into()], now, Duration::days(1)).unwrap().save(folder.path(), "hub").unwrap();
        let hub = identity(folder.path(), "hub");
        let mut file = if whole { b"BFSEAL\x00\x01".to_vec() } else { Vec::new() };
        file.extend(bytes);
        prop_assert!(hub.open(Purpose::Results, &file, now).is_err());
    }
}
