//! Little that unfolds into much: what takes it must know how much before, or stop in time.

use std::io::Write;

use barefoot_domain::ClinicId;
use barefoot_test_support::CT_IMAGE;
use barefoot_test_support::processes::memory_mib;
use barefoot_test_support::scanner::raw::{Proposal, RawAssociation};
use barefoot_wire::images::{ImageSet, Instance, ObjectId, ObjectRef, encode_image_set};
use barefoot_wire::{topics, v1};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use prost::Message;
use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::clinic::Clinic;
use super::hall::{Hall, Visitor};
use super::http::{Request, exchange};
use super::ledger::{Attack, Ledger};
use super::mqtt_line::{CONNACK, Line, PUBACK, connect, identity, publish, tls};
use super::other_clinics::made_up_result;

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const UID: &str = "2.25.31415926";

/// What it unfolds into; nothing here may cost half of it.
const UNFOLDED_MIB: u32 = 256;

/// Explicit VR, little endian.
fn element(group: u16, number: u16, vr: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = [&group.to_le_bytes()[..], &number.to_le_bytes(), vr.as_bytes()].concat();
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(0);
    }
    bytes.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
    bytes.extend(value);
    bytes
}

/// A value of this length, of which nothing is written yet.
fn opened(group: u16, number: u16, vr: &str, length: u32) -> Vec<u8> {
    let length = length.to_le_bytes();
    [
        &group.to_le_bytes()[..],
        &number.to_le_bytes(),
        vr.as_bytes(),
        &[0, 0],
        &length,
    ]
    .concat()
}

fn beginning() -> Vec<u8> {
    [
        element(0x0008, 0x0016, "UI", CT_IMAGE.as_bytes()),
        element(0x0008, 0x0018, "UI", UID.as_bytes()),
        element(0x0008, 0x0060, "CS", b"CT"),
        element(0x0020, 0x000D, "UI", b"2.25.2"),
        element(0x0020, 0x000E, "UI", b"2.25.3"),
        element(0x0028, 0x0010, "US", &0xFFFF_u16.to_le_bytes()),
        element(0x0028, 0x0011, "US", &0xFFFF_u16.to_le_bytes()),
    ]
    .concat()
}

/// Zeros without end, deflated, after a beginning.
fn deflated(beginning: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(beginning).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..UNFOLDED_MIB {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

/// Data sets that unfold: into pixels, into a comment, into a sequence without end.
fn data_sets() -> Vec<(&'static str, Vec<u8>)> {
    let length = UNFOLDED_MIB << 20;
    let pixels = [beginning(), opened(0x7FE0, 0x0010, "OW", length)].concat();
    let comment = [beginning(), opened(0x0040, 0xA160, "UT", length)].concat();
    let before_everything = [opened(0x0008, 0x0001, "UN", length), beginning()].concat();
    vec![
        ("pixels", deflated(&pixels)),
        ("a comment", deflated(&comment)),
        ("an element before all others", deflated(&before_everything)),
    ]
}

/// A file (PS3.10) of a deflated data set.
fn file(data_set: &[u8]) -> Vec<u8> {
    let meta = [
        [&[2, 0, 1, 0][..], b"OB\0\0", &2_u32.to_le_bytes(), &[0, 1]].concat(),
        element(2, 2, "UI", CT_IMAGE.as_bytes()),
        element(2, 3, "UI", UID.as_bytes()),
        element(2, 0x10, "UI", DEFLATED.as_bytes()),
    ]
    .concat();
    let length = element(2, 0, "UL", &u32::try_from(meta.len()).unwrap().to_le_bytes());
    [&[0; 128][..], b"DICM", &length, &meta, data_set].concat()
}

/// Zstandard (RFC 8878): blocks that repeat one byte 128 KiB long.
fn zstandard(blocks: usize) -> Vec<u8> {
    let mut frame = b"\x28\xB5\x2F\xFD\x00\x58".to_vec();
    for block in 0..blocks {
        let is_last = u32::from(block + 1 == blocks);
        let header: u32 = (128 * 1024) << 3 | 1 << 1 | is_last;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

fn peak(pid: Option<u32>) -> f64 {
    memory_mib(pid.unwrap(), "VmHWM").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bomb_goes_off() {
    let mut ledger = Ledger::default();
    let mut hall = Hall::open().await;
    let mut clinic = Clinic::open("").await;
    let most = |before: f64| before + f64::from(UNFOLDED_MIB) / 2.0;

    // Batches on the line.
    let own = ClinicId::new("clinic-7").unwrap();
    let monitor = Visitor::program(&hall.token("monitor", "monitor"));
    let before = peak(hall.hub.pid());
    for (what, plain_bytes, content) in [
        ("a batch that declares it all", u32::MAX, zstandard(4096)),
        ("a batch that declares a little", 64, zstandard(4096)),
        (
            "a batch that declares what is allowed",
            256 * 1024,
            zstandard(4096),
        ),
        ("a batch just above the ratio", 200_000, zstandard(2)),
        ("a batch of nothing", 0, zstandard(4096)),
    ] {
        let frame = v1::BatchFrame {
            version: 1,
            compression: v1::Compression::Zstd.into(),
            dictionary: 0,
            plain_bytes,
            content,
        };
        let mut line = Line::of(&hall, "clinic-7").await;
        assert_eq!(line.answer(&connect("clinic-7"), CONNACK).await, Some(0));
        line.answer(
            &publish(&topics::up_batch(&own), 1, &frame.encode_to_vec()),
            PUBACK,
        )
        .await;
        let peak = peak(hall.hub.pid());
        println!("{what}: {peak:.0} MiB");
        ledger.tried(
            Attack::Bombs,
            &format!("{what}: {peak:.0} MiB"),
            most(before) < peak,
        );
    }
    let answer = monitor.asks("GET", "/api/status").send(hall.page()).await;
    let status: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(status["envelopes"], 0);

    // Bodies that say they are packed.
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..64 {
        packed.write_all(&vec![b'a'; 1 << 20]).unwrap();
    }
    let packed = packed.finish().unwrap();
    let nobody = Visitor::from("10.6.0.1");
    let form = nobody.asks("POST", "/verify").header("content-encoding", "gzip");
    let answer = form
        .body("application/x-www-form-urlencoded", packed)
        .send(hall.page())
        .await;
    let what = format!("a packed form: {}", answer.status);
    ledger.tried(
        Attack::Bombs,
        &what,
        (200..300).contains(&answer.status) || most(before) < peak(hall.hub.pid()),
    );

    // Objects: by another system, by a clinic, by a scanner.
    let sender = Visitor::program(&hall.token("sender", "sender"));
    let images = identity(&hall, "clinic-7");
    for (what, data_set) in data_sets() {
        let object = file(&data_set);
        let before = peak(hall.hub.pid());
        let request = sender
            .asks("POST", "/dicom-web/studies")
            .body("application/dicom", object.clone());
        let answer = request.send(hall.page()).await;
        let now = peak(hall.hub.pid());
        println!("{what} by STOW-RS: {} {now:.0} MiB", answer.status);
        let got_in = (200..300).contains(&answer.status) || most(before) < now;
        ledger.tried(
            Attack::Bombs,
            &format!("{what} by STOW-RS: {} {now:.0} MiB", answer.status),
            got_in,
        );

        let id = ObjectId(digest(&SHA256, &object).as_ref().try_into().unwrap());
        let range = format!("bytes 0-{}/{}", object.len() - 1, object.len());
        let put = Request::new("PUT", &format!("/v1/objects/{id}"))
            .header("content-range", &range)
            .body("x", object.clone());
        let address = hall.hub.address("images").unwrap();
        let answer = exchange(tls(&images, address).await.unwrap(), &put.bytes("hub")).await;
        assert!(
            (200..300).contains(&answer.status),
            "{} {}",
            answer.status,
            answer.text()
        );
        let set = ImageSet {
            instances: vec![Instance {
                object: ObjectRef {
                    id,
                    bytes: object.len() as u64,
                },
                sop_class_uid: CT_IMAGE.into(),
                sop_instance_uid: UID.into(),
                transfer_syntax_uid: DEFLATED.into(),
            }],
            withheld: Vec::new(),
        };
        let commit = Request::new("PUT", "/v1/cases/2.25.2/1").body("x", encode_image_set(&set));
        let answer = exchange(tls(&images, address).await.unwrap(), &commit.bytes("hub")).await;
        let now = peak(hall.hub.pid());
        println!("{what} by a clinic: {} {now:.0} MiB", answer.status);
        ledger.tried(
            Attack::Bombs,
            &format!("{what} by a clinic: {} {now:.0} MiB", answer.status),
            most(before) < now,
        );

        let before = peak(clinic.edge.pid());
        let dicom = clinic.edge.address("dicom").unwrap().to_owned();
        let stored = tokio::task::spawn_blocking(move || {
            let proposal = Proposal::new("BAREFOOT", "SIM_DR1").with(CT_IMAGE, DEFLATED);
            let mut association = RawAssociation::open(&dicom, &proposal)?;
            association
                .store(0, CT_IMAGE, UID, &data_set)
                .map(|answer| answer.status)
        });
        let heard = stored.await.unwrap();
        // What the box took it looks at in its own time: until it has answered for the next thing.
        let answer = Request::new("GET", "/sign-in").send(clinic.page()).await;
        assert_eq!(answer.status, 200);
        let now = peak(clinic.edge.pid());
        println!("{what} by a scanner: {heard:?} {now:.0} MiB");
        ledger.tried(
            Attack::Bombs,
            &format!("{what} by a scanner: {heard:?} {now:.0} MiB"),
            most(before) < now,
        );
    }
    hall.hub.check().unwrap();
    clinic.edge.check().unwrap();
    let mut line = Line::of(&hall, "clinic-7").await;
    assert_eq!(line.answer(&connect("clinic-7"), CONNACK).await, Some(0));
    let stored = line
        .answer(
            &publish(&topics::up_result(&own), 2, &made_up_result(&own, 1)),
            PUBACK,
        )
        .await;
    ledger.control(
        Attack::Bombs,
        "an honest result after all of it",
        stored == Some(0),
    );
    ledger.settle();
}
