//! A file that travels by hand between a box and its hub: as it lies on the stick, and behind a seal that is right.

use std::sync::OnceLock;

use barefoot_domain::ClinicId;
use barefoot_trust::{Authority, Purpose, Reader, TlsIdentity, TlsPaths};
use barefoot_wire::{decode_batch, decode_carried_receipts, decode_carried_results};
use time::{Duration, OffsetDateTime};

struct Ends {
    clinic: TlsIdentity,
    hub: TlsIdentity,
    reader: Reader,
}

impl Ends {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (now, day) = (OffsetDateTime::now_utc(), Duration::days(1));
        let authority = Authority::create(folder.path(), "Fuzzed region", now).unwrap();
        let clinic = ClinicId::new("clinic-7").unwrap();
        let issued = authority.issue_clinic(&clinic, now, day).unwrap();
        issued.save(folder.path(), "clinic").unwrap();
        let issued = authority.issue_hub(&["localhost".to_owned()], now, day).unwrap();
        issued.save(folder.path(), "hub").unwrap();
        let identity = |name: &str| {
            TlsIdentity::load(&TlsPaths {
                authority: folder.path().join("authority.crt"),
                certificate: folder.path().join(format!("{name}.crt")),
                key: folder.path().join(format!("{name}.key")),
            })
            .unwrap()
        };
        let (clinic, hub) = (identity("clinic"), identity("hub"));
        let reader = clinic.hub_reader(&hub.certificate(), now).unwrap();
        Self { clinic, hub, reader }
    }
}

pub(crate) fn check(bytes: &[u8]) {
    static ENDS: OnceLock<Ends> = OnceLock::new();
    let ends = ENDS.get_or_init(Ends::new);
    let now = OffsetDateTime::now_utc();
    assert!(
        ends.hub.open(Purpose::Results, bytes, now).is_err(),
        "nobody sealed it"
    );

    // Somebody with a certificate of the region may seal whatever it likes.
    let sealed = ends.clinic.seal(Purpose::Results, &ends.reader, bytes).unwrap();
    let opened = ends.hub.open(Purpose::Results, &sealed, now).unwrap();
    assert_eq!(opened.content, bytes);
    if let Ok((frames, _)) = decode_carried_results(&opened.content) {
        for frame in frames {
            let _ = decode_batch(&frame);
        }
    }
    let _ = decode_carried_receipts(bytes);

    // The same file with a piece of it replaced is nobody's.
    let mut changed = sealed;
    let at = 9 + bytes.len() % (changed.len() - 9);
    if let Some(byte) = changed.get_mut(at) {
        *byte ^= 1;
    }
    assert!(ends.hub.open(Purpose::Results, &changed, now).is_err());
}
