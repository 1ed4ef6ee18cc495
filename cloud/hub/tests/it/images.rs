//! The port for images as boxes and strangers meet it: real sockets, real TLS, requests written by hand.

use std::path::Path;

use barefoot_domain::CaseId;
use barefoot_imaging::data_set::{self, Content, DataSet, Element, Limits, Vr};
use barefoot_imaging::deidentify::{Policy, Pseudonyms, deidentify};
use barefoot_imaging::header::read_header;
use barefoot_imaging::tags;
use barefoot_trust::{Role, TlsIdentity};
use barefoot_wire::images::{
    ImageSet, ImageSetResult, Instance, ObjectId, ObjectRef, decode_result_of_images, encode_image_set,
};
use ring::digest::{SHA256, digest};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{ClinicBox, Hub, Region, clinic as clinic_id, envelope, result, wait_for};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

struct Names;

impl Pseudonyms for Names {
    fn uid(&self, uid: &str) -> String {
        format!("2.25.{}", uid.replace('.', "0"))
    }

    fn patient(&self, _: &str) -> String {
        format!("P{:032X}", 77)
    }

    fn days(&self, _: &str) -> i64 {
        -100
    }
}

/// A DICOM object of `study`, as it lies in a clinic.
fn stored(folder: &Path, study: &str, instance: &str) -> std::path::PathBuf {
    let mut set = DataSet::default();
    set.put_code(tags::SOP_CLASS, "1.2.840.10008.5.1.4.1.1.1.1");
    set.put_code(tags::SOP_INSTANCE, instance);
    set.put_code(tags::STUDY_UID, study);
    set.put_code(tags::SERIES_UID, "1.2.5");
    set.put_code(tags::MODALITY, "DX");
    set.put_code(tags::PHOTOMETRIC, "MONOCHROME2");
    set.put_code(tags::PATIENT_NAME, "Zhang^San");
    set.put_code(tags::PATIENT_ID, "4711");
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, 64),
        (tags::COLUMNS, 64),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        set.put_u16(tag, value);
    }
    let content = Content::Value((0..64 * 64u32).map(|at| (at / 32) as u8).collect());
    set.put(tags::PIXEL_DATA, Element { vr: Vr::OB, content });
    let mut file = vec![0; 128];
    file.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
    file.extend(data_set::write(&set, EXPLICIT).unwrap());
    let path = folder.join("stored.dcm");
    std::fs::write(&path, file).unwrap();
    path
}

/// The same as it leaves, and what a set says of it.
fn image(instance: &str) -> (Vec<u8>, Instance) {
    let folder = tempfile::tempdir().unwrap();
    let path = stored(folder.path(), "1.2.3", instance);
    let policy = Policy::care();
    let out = deidentify(&path, &read_header(&path).unwrap(), &Names, &policy).unwrap();
    let named = Instance {
        object: reference(&out.file),
        sop_class_uid: out.sop_class_uid,
        sop_instance_uid: out.sop_instance_uid,
        transfer_syntax_uid: out.transfer_syntax.to_owned(),
    };
    (out.file, named)
}

fn reference(bytes: &[u8]) -> ObjectRef {
    ObjectRef {
        id: ObjectId(digest(&SHA256, bytes).as_ref().try_into().unwrap()),
        bytes: bytes.len() as u64,
    }
}

/// The name of the study outside.
fn case() -> String {
    Names.uid("1.2.3")
}

/// A clinic at the port.
struct Clinic<'a> {
    hub: &'a Hub,
    identity: &'a TlsIdentity,
}

/// Status, head and body of an answer; `None` where the connection was closed without one.
async fn call(hub: &Hub, identity: &TlsIdentity, head: &str, body: &[u8]) -> Option<(u16, String, Vec<u8>)> {
    let tls = TlsConnector::from(identity.client_config().unwrap());
    let socket = TcpStream::connect(("127.0.0.1", hub.images.unwrap()))
        .await
        .unwrap();
    let mut stream = tls
        .connect(ServerName::try_from("localhost").unwrap(), socket)
        .await
        .ok()?;
    let head = format!(
        "{head}\r\nHost: hub\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    // The hub may answer before it has heard all.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let said = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = said.split(' ').nth(1)?.parse().ok()?;
    Some((status, said, answer[end + 4..].to_vec()))
}

impl Clinic<'_> {
    async fn call(&self, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        call(self.hub, self.identity, head, body).await.unwrap()
    }

    async fn put(&self, bytes: &[u8]) -> u16 {
        let id = reference(bytes).id;
        let range = format!("bytes 0-{}/{}", bytes.len() - 1, bytes.len());
        let head = format!("PUT /v1/objects/{id} HTTP/1.1\r\nContent-Range: {range}");
        self.call(&head, bytes).await.0
    }

    async fn commit(&self, version: u32, instances: Vec<Instance>) -> (u16, ImageSetResult) {
        let set = ImageSet {
            instances,
            withheld: vec![("burned_in_text".to_owned(), 2)],
        };
        let head = format!("PUT /v1/cases/{}/{version} HTTP/1.1", case());
        let (status, _, body) = self.call(&head, &encode_image_set(&set)).await;
        (status, decode_result_of_images(&body).unwrap_or_default())
    }
}

async fn hub(region: &Region, more: &str) -> Hub {
    let text = region.config_text("endpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"\n");
    region
        .start_as(&format!("{text}\n[images]\nlisten = \"127.0.0.1:0\"\n{more}"))
        .await
}

#[tokio::test]
async fn a_version_is_committed_once_and_answered_alike_for_ever() {
    let region = Region::new();
    let identity = region.identity("c1");
    let hub = hub(&region, "").await;
    let clinic = Clinic {
        hub: &hub,
        identity: &identity,
    };
    let (bytes, instance) = image("1.2.3.4");
    let (status, missing) = clinic.commit(1, vec![instance.clone()]).await;
    assert_eq!((status, missing.missing), (424, vec![instance.object]));
    assert_eq!(clinic.put(&bytes).await, 201);
    assert_eq!(clinic.put(&bytes).await, 200, "again is no news");
    let (status, first) = clinic.commit(1, vec![instance.clone()]).await;
    assert_eq!((status, first.referenced.len(), first.failed.len()), (200, 1, 0));
    let (_, again) = clinic.commit(1, Vec::new()).await;
    assert_eq!(again, first, "the first word stands");
    // Another clinic has nothing of it, not even its name.
    let other = region.identity("c2");
    let head = format!("HEAD /v1/objects/{} HTTP/1.1", instance.object.id);
    let (status, said, _) = call(&hub, &other, &head, b"").await.unwrap();
    assert_eq!(status, 204);
    assert!(said.contains("upload-offset: 0"), "{said}");
    hub.stop().await;
}

#[tokio::test]
async fn an_image_with_a_name_in_it_is_refused_by_name_and_thrown_away() {
    let region = Region::new();
    let identity = region.identity("c1");
    let hub = hub(&region, "").await;
    let clinic = Clinic {
        hub: &hub,
        identity: &identity,
    };
    let (good, good_instance) = image("1.2.3.4");
    let (clean, instance) = image("1.2.3.5");
    // As it would be if a box had forgotten to change one element.
    let header = barefoot_imaging::header::scan(std::io::Cursor::new(&clean), clean.len() as u64).unwrap();
    let body = usize::try_from(header.data_set_offset()).unwrap();
    let mut set = data_set::read(&clean[body..], header.transfer_syntax(), &Limits::default()).unwrap();
    set.put_code(tags::PATIENT_NAME, "Zhang^San");
    let mut bad = clean[..body].to_vec();
    bad.extend(data_set::write(&set, header.transfer_syntax()).unwrap());
    let named = Instance {
        object: reference(&bad),
        ..instance
    };
    // And the file as it lies in the clinic.
    let folder = tempfile::tempdir().unwrap();
    let raw = std::fs::read(stored(folder.path(), "1.2.3", "1.2.3.6")).unwrap();
    let raw_instance = Instance {
        object: reference(&raw),
        sop_instance_uid: "1.2.3.6".to_owned(),
        transfer_syntax_uid: EXPLICIT.to_owned(),
        ..named.clone()
    };
    for bytes in [&good, &bad, &raw] {
        assert_eq!(clinic.put(bytes).await, 201);
    }
    let all = vec![good_instance, named.clone(), raw_instance];
    let (status, result) = clinic.commit(1, all).await;
    assert_eq!(
        (status, result.referenced.len(), result.failed.len()),
        (202, 1, 2)
    );
    assert_eq!(result.failed[0].sop_instance_uid, named.sop_instance_uid);
    assert!(
        result.failed[0].why.contains("pseudonym"),
        "{}",
        result.failed[0].why
    );
    let mut left = Vec::new();
    let folder = region.dir.path().join("state/images/c1/objects");
    for part in std::fs::read_dir(folder).unwrap() {
        left.extend(std::fs::read_dir(part.unwrap().path()).unwrap());
    }
    assert_eq!(left.len(), 1, "what was refused is gone");
    let (status, result) = clinic.commit(2, vec![named]).await;
    assert_eq!((status, result.missing.len()), (424, 1));
    hub.stop().await;
}

#[tokio::test]
async fn bounds_hold_and_only_clinics_come_in() {
    let region = Region::new();
    let identity = region.identity("c1");
    let hub = hub(
        &region,
        "max_object_mib = 1\nclinic_quota_mib = 2\nmax_open_uploads = 2\n",
    )
    .await;
    let clinic = Clinic {
        hub: &hub,
        identity: &identity,
    };
    let put = async |name: u8, range: &str, body: &[u8]| {
        let id = ObjectId([name; 32]);
        let head = format!("PUT /v1/objects/{id} HTTP/1.1\r\nContent-Range: {range}");
        clinic.call(&head, body).await
    };
    assert_eq!(put(1, "bytes 0-0/1048577", b"a").await.0, 413);
    assert_eq!(put(2, "bytes 0-0/1000000", b"a").await.0, 202);
    let (status, said, _) = put(2, "bytes 5-5/1000000", b"a").await;
    assert!(status == 409 && said.contains("upload-offset: 1"), "{said}");
    assert_eq!(put(2, "bytes 1-1/999", b"a").await.0, 416);
    assert_eq!(put(3, "bytes 0-0/1000000", b"a").await.0, 202);
    assert_eq!(put(4, "bytes 0-0/10", b"a").await.0, 429);
    assert_eq!(put(5, "bytes 0-3/4", b"four").await.0, 429);
    for range in [
        "",
        "bytes 3-1/9",
        "bytes 0-9/9",
        "bytes */9",
        "items 0-0/9",
        "bytes 0-0/*",
    ] {
        assert_eq!(put(6, range, b"a").await.0, 400, "{range}");
    }
    // More than the range says, and less.
    assert_eq!(put(3, "bytes 1-1/1000000", b"abc").await.0, 400);
    assert_eq!(put(3, "bytes 1-9/1000000", b"abc").await.0, 400);
    for path in [
        "/v1/objects/xyz",
        "/v1/cases/../1",
        "/v1/cases/2.25.1/0",
        "/other",
    ] {
        let (status, ..) = clinic.call(&format!("PUT {path} HTTP/1.1"), b"\xFF\xFF").await;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    let expert = region.person(Role::Expert, "dr-li");
    assert!(
        call(&hub, &expert, "HEAD /v1/objects/00 HTTP/1.1", b"")
            .await
            .is_none()
    );
    let stranger = Region::new().identity("c1");
    assert!(
        call(&hub, &stranger, "HEAD /v1/objects/00 HTTP/1.1", b"")
            .await
            .is_none()
    );
    hub.stop().await;
}

#[tokio::test]
async fn the_page_says_how_many_images_of_a_case_are_here() {
    let region = Region::new();
    let identity = region.identity("c1");
    let hub = hub(&region, "").await;
    let clinic = Clinic {
        hub: &hub,
        identity: &identity,
    };
    let mut said = result(1);
    said.case = CaseId::new(case()).unwrap();
    let mut edge = ClinicBox::connect(&region, "c1", hub.port()).await;
    edge.send_result(&envelope(&clinic_id("c1"), 1, &said)).await;
    let (bytes, instance) = image("1.2.3.4");
    assert_eq!(clinic.put(&bytes).await, 201);
    assert_eq!(clinic.commit(1, vec![instance]).await.0, 200);
    let images: Value = wait_for("the images", async || {
        let images = hub.results().await.first().map(|result| result["images"].clone());
        images.filter(|images| !images.is_null()).ok_or("none".to_owned())
    })
    .await;
    assert_eq!(
        (&images["instances"], &images["withheld"]),
        (&1.into(), &2.into())
    );
    assert!(
        hub.get("/?lang=en").await.body.contains("1 here") || hub.get("/").await.body.contains("已到 1 幅")
    );
    hub.stop().await;
}
