use std::path::Path;

use barefoot_domain::ClinicId;
use barefoot_queue::Lane;
use barefoot_trust::{Authority, Purpose, Signer, TlsPaths};
use barefoot_wire::{
    Receipt, ReceiptOutcome, Receipts, decode_batch, decode_carried_results, decode_envelope,
    encode_carried_receipts, v1,
};
use prost::Message;
use time::{Duration, OffsetDateTime};
use ulid::Ulid;

use super::receipts::Taken;
use super::*;
use crate::site_policy::SitePolicy;

fn identity(folder: &Path, name: &str) -> TlsIdentity {
    TlsIdentity::load(&TlsPaths {
        authority: folder.join("authority.crt"),
        certificate: folder.join(format!("{name}.crt")),
        key: folder.join(format!("{name}.key")),
    })
    .unwrap()
}

/// A box with its hub's identity, and where its receipts go.
fn prepare(folder: &Path) -> (Carrying, TlsIdentity, mpsc::Receiver<FromHub>) {
    let (now, day) = (OffsetDateTime::now_utc(), Duration::days(1));
    let authority = Authority::create(folder, "Test region", now).unwrap();
    let clinic = ClinicId::new("clinic-7").unwrap();
    let issued = authority.issue_clinic(&clinic, now, day).unwrap();
    issued.save(folder, "clinic-7").unwrap();
    let issued = authority.issue_hub(&["localhost".into()], now, day).unwrap();
    issued.save(folder, "hub").unwrap();
    let (from_hub, receipts) = mpsc::channel(8);
    let carrying = Carrying {
        queue: Queue::open(&folder.join("queue"), barefoot_queue::Config::default()).unwrap(),
        identity: Arc::new(identity(folder, "clinic-7")),
        from_hub: Some(from_hub),
        hub_clock: HubClock::default(),
        state: folder.to_owned(),
        policy: PolicyHandle::fixed(SitePolicy::care_only()),
    };
    (carrying, identity(folder, "hub"), receipts)
}

fn put(carrying: &Carrying, lane: Lane) -> String {
    let id = Ulid::generate().to_string();
    let envelope = v1::Envelope {
        schema: 1,
        id: id.clone(),
        clinic: "clinic-7".into(),
        kind: v1::Kind::Result.into(),
        body: vec![1; 100],
        ..v1::Envelope::default()
    };
    carrying
        .queue
        .append(lane, &id, &envelope.encode_to_vec(), 1)
        .unwrap();
    id
}

#[test]
fn everything_that_waits_goes_once_the_urgent_first_and_stays_in_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let (carrying, hub, _receipts) = prepare(folder.path());
    assert!(
        matches!(carrying.export(None), Err(Error::Hub { .. })),
        "no hub was met yet"
    );
    hub_certificate::remember(folder.path(), &carrying.identity, &hub.certificate()).unwrap();

    let mut expected = Vec::new();
    let results: Vec<String> = (0..7).map(|_| put(&carrying, Lane::Results)).collect();
    put(&carrying, Lane::Telemetry);
    put(&carrying, Lane::Images);
    expected.extend((0..4).map(|_| put(&carrying, Lane::Critical)));
    expected.extend(results);

    let (mut after, mut found, mut files) = (None, Vec::new(), 0);
    loop {
        let part = carrying.export(after).unwrap();
        let opened = hub
            .open(Purpose::Results, &part.file, OffsetDateTime::now_utc())
            .unwrap();
        assert_eq!(opened.writer, Signer::Clinic(ClinicId::new("clinic-7").unwrap()));
        let (frames, _) = decode_carried_results(&opened.content).unwrap();
        let envelopes: Vec<_> = frames
            .iter()
            .flat_map(|frame| decode_batch(frame).unwrap())
            .collect();
        assert_eq!(envelopes.len(), part.records);
        found.extend(
            envelopes
                .iter()
                .map(|envelope| decode_envelope(envelope).unwrap().id),
        );
        files += 1;
        let Some(next) = part.next else { break };
        assert_eq!(next.to_string().parse(), Ok(next), "as the next request names it");
        after = Some(next);
    }
    assert_eq!(found, expected);
    assert_eq!(files, 3);
    assert_eq!(carrying.queue.depth().pending, 13, "a stick can be lost");
    let mut closed = SitePolicy::care_only();
    closed.hub.stick = false;
    let carrying = Carrying {
        policy: PolicyHandle::fixed(closed),
        ..carrying
    };
    assert!(matches!(carrying.export(None), Err(Error::Policy)));
}

#[tokio::test]
async fn receipts_are_believed_from_the_hub_only() {
    let folder = tempfile::tempdir().unwrap();
    let (carrying, hub, mut handed_on) = prepare(folder.path());
    hub_certificate::remember(folder.path(), &carrying.identity, &hub.certificate()).unwrap();
    let id = put(&carrying, Lane::Results);
    let part = carrying.export(None).unwrap();
    let opened = hub
        .open(Purpose::Results, &part.file, OffsetDateTime::now_utc())
        .unwrap();
    let restored = v1::Restoration {
        id: vec![7; 16],
        since_ms: 5,
    };
    let content = encode_carried_receipts(
        &[Receipts {
            receipts: vec![Receipt {
                envelope_id: id.clone(),
                outcome: ReceiptOutcome::Stored,
                hub_time_ms: 9,
            }],
            hub_time_ms: 9,
            ..Receipts::default()
        }],
        vec![restored],
    );
    let good = hub.seal(Purpose::Receipts, &opened.answer_to, &content).unwrap();
    // A clinic may seal for itself; it is not the hub for that.
    let own = carrying
        .identity
        .seal(Purpose::Receipts, &opened.answer_to, &content)
        .unwrap();
    assert!(matches!(
        carrying.take_receipts(&own).await,
        Err(Error::NotTheHub)
    ));
    assert!(matches!(
        carrying.take_receipts(&part.file).await,
        Err(Error::Open { .. })
    ));
    assert!(handed_on.try_recv().is_err());
    let taken = carrying.take_receipts(&good).await.unwrap();
    assert_eq!(
        taken,
        Taken {
            stored: 1,
            refused: 0
        }
    );
    let Ok(FromHub::Restored(told)) = handed_on.try_recv() else {
        panic!("what the hub has lost is owed before anything is receipted");
    };
    assert_eq!((told[0].id, told[0].since_ms), ([7; 16], 5));
    let Ok(FromHub::Receipts(receipts)) = handed_on.try_recv() else {
        panic!("receipts go the way of the line's");
    };
    assert_eq!(receipts[0].envelope_id, id);
}
