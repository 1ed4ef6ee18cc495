//! Commits of whole versions, by boxes that do not wait for them.

use std::path::Path;

use barefoot_domain::CaseId;
use barefoot_domain::FindingCode;
use barefoot_imaging::data_set::{self, Content, DataSet, Element, Vr};
use barefoot_imaging::deidentify::{Policy, Pseudonyms, deidentify};
use barefoot_imaging::header::read_header;
use barefoot_imaging::render::{HeatMap, heat_layer};
use barefoot_imaging::tags;
use barefoot_wire::images::{
    HeatMapPicture, ImageSet, Instance, MAX_HEAT_MAP_BYTES, ObjectRef, Picture, QuickLook, decode_quick_look,
};

use super::*;
use crate::at_rest::Vault;

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

/// An image as it leaves a clinic, and what a set says of it.
pub(super) fn image(instance: &str) -> (Vec<u8>, Instance) {
    let folder = tempfile::tempdir().unwrap();
    let mut set = DataSet::default();
    for (tag, value) in [
        (tags::SOP_CLASS, "1.2.840.10008.5.1.4.1.1.1.1"),
        (tags::SOP_INSTANCE, instance),
        (tags::STUDY_UID, "1.2.3"),
        (tags::SERIES_UID, "1.2.5"),
        (tags::MODALITY, "DX"),
        (tags::PHOTOMETRIC, "MONOCHROME2"),
        (tags::PATIENT_ID, "4711"),
    ] {
        set.put_code(tag, value);
    }
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
    let path = folder.path().join("stored.dcm");
    std::fs::write(&path, file).unwrap();
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

/// Something that is no image, named as one.
fn no_image(content: &[u8]) -> Instance {
    let (_, named) = image("1.2.3.9");
    Instance {
        object: reference(content),
        ..named
    }
}

fn reference(bytes: &[u8]) -> ObjectRef {
    ObjectRef {
        id: id_of(bytes),
        bytes: bytes.len() as u64,
    }
}

pub(super) fn case() -> CaseId {
    CaseId::new(Names.uid("1.2.3")).unwrap()
}

pub(super) fn of(instances: Vec<Instance>) -> ImageSet {
    ImageSet {
        instances,
        withheld: Vec::new(),
    }
}

pub(super) async fn store(dir: &Path) -> ImageStore {
    let config: Images = toml::from_str("listen = \"127.0.0.1:0\"").unwrap();
    let archive = Archive::open_with_keys(&dir.join("hub.sqlite")).await.unwrap();
    ImageStore::open(
        &config,
        dir.join("images"),
        Vault::for_tests(dir),
        archive,
        Changes::new(),
    )
    .unwrap()
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within ten seconds");
}

#[tokio::test]
async fn a_commit_goes_on_when_its_box_hangs_up_and_answers_the_next_call() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let (file, named) = image("1.2.3.4");
    put(&store.0.objects, &file, 0, file.len()).await;
    // Nothing is looked at until these are given back.
    let permits = u32::try_from(CHECKS_AT_ONCE).unwrap();
    let checks = store.0.checks.acquire_many(permits).await.unwrap();
    let ask = || {
        let (store, set) = (store.clone(), of(vec![named.clone()]));
        tokio::spawn(async move { store.commit(&clinic("c1"), &case(), 1, set).await })
    };
    let first = ask();
    tokio::time::sleep(Duration::from_millis(50)).await;
    first.abort();
    let (second, third) = (ask(), ask());
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(checks);
    let (second, third) = (second.await.unwrap(), third.await.unwrap());
    assert!(Arc::ptr_eq(&second, &third), "both joined the one that ran");
    let result = second.as_ref().as_ref().unwrap().clone().unwrap();
    assert_eq!(result.referenced.len(), 1);
    let later = ask().await.unwrap();
    assert_eq!(later.as_ref().as_ref().unwrap().as_ref(), Some(&result));
}

#[tokio::test]
async fn a_commit_nobody_waits_for_any_more_reaches_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let (file, named) = image("1.2.3.4");
    put(&store.0.objects, &file, 0, file.len()).await;
    let permits = u32::try_from(CHECKS_AT_ONCE).unwrap();
    let checks = store.0.checks.acquire_many(permits).await.unwrap();
    let (asking, set) = (store.clone(), of(vec![named]));
    let call = tokio::spawn(async move { asking.commit(&clinic("c1"), &case(), 1, set).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    call.abort();
    drop(checks);
    until("the commit", async || {
        let stored = store.0.archive.image_set(&clinic("c1"), &case(), 1).await;
        stored.unwrap().is_some()
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_heard_by_a_box_that_hung_up_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    put(&store.0.objects, b"no image", 0, 8).await;
    let set = of(vec![no_image(b"no image")]);
    for _ in 0..2 {
        let outcome = store.commit(&clinic("c1"), &case(), 1, set.clone()).await;
        let result = outcome.as_ref().as_ref().unwrap().clone().unwrap();
        assert_eq!((result.failed.len(), result.missing.len()), (1, 0));
    }
    assert!(!store.0.objects.is_whole(&clinic("c1"), id_of(b"no image"), 8));
    // Another set of the same version is judged for itself.
    let (file, named) = image("1.2.3.4");
    put(&store.0.objects, &file, 0, file.len()).await;
    let outcome = store.commit(&clinic("c1"), &case(), 1, of(vec![named])).await;
    let result = outcome.as_ref().as_ref().unwrap().clone().unwrap();
    assert_eq!(result.referenced.len(), 1);
}

#[tokio::test]
async fn a_refused_picture_of_a_quick_look_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let picture = |content: &[u8]| Picture {
        object: reference(content),
        sop_instance_uid: Names.uid("1.2.3.4"),
    };
    let bare = b"\xFF\xD8\xFF\xDB\0\x04\x01\x02\xFF\xD9".as_slice();
    let tailed = b"\xFF\xD8\xFF\xDB\0\x04\x01\x02\xFF\xD9ZHANG".as_slice();
    for content in [bare, tailed] {
        put(&store.0.objects, content, 0, content.len()).await;
    }
    let look = QuickLook {
        pictures: vec![picture(bare), picture(tailed)],
        heat_maps: Vec::new(),
    };
    let result = store
        .commit_quick_look(&clinic("c1"), &case(), 1, &look)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((result.referenced.len(), result.failed.len()), (1, 1));
    let is_here = |content: &[u8]| {
        let reference = reference(content);
        store
            .0
            .objects
            .is_whole(&clinic("c1"), reference.id, reference.bytes)
    };
    assert!(is_here(bare) && !is_here(tailed));
}

#[tokio::test]
async fn heat_maps_are_asked_for_looked_at_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let map = HeatMap {
        width: 2,
        height: 1,
        values: vec![0.0, 1.0],
    };
    let good = heat_layer((64, 48), &map, 64).unwrap();
    let mut tailed = good.clone();
    tailed.extend(b"ZHANG");
    let heat_map = |object: ObjectRef| HeatMapPicture {
        object,
        sop_instance_uid: Names.uid("1.2.3.4"),
        frame: 1,
        finding: FindingCode::new("pneumonia").unwrap(),
    };
    let huge = ObjectRef {
        bytes: MAX_HEAT_MAP_BYTES + 1,
        ..reference(b"huge")
    };
    let look = QuickLook {
        pictures: Vec::new(),
        heat_maps: [reference(&good), reference(&tailed), huge]
            .map(heat_map)
            .to_vec(),
    };
    let commit = async || {
        let result = store.commit_quick_look(&clinic("c1"), &case(), 1, &look).await;
        result.unwrap().unwrap()
    };
    let missing: Vec<ObjectRef> = commit().await.missing;
    assert_eq!(
        missing,
        [reference(&good), reference(&tailed)],
        "one too large is not asked for"
    );
    for content in [&good, &tailed] {
        put(&store.0.objects, content, 0, content.len()).await;
    }
    let result = commit().await;
    assert_eq!((result.missing.len(), result.failed.len()), (0, 1));
    let kept = store.0.archive.quick_look(&clinic("c1"), &case(), 1).await;
    let kept = decode_quick_look(&kept.unwrap().unwrap()).unwrap();
    assert_eq!(kept.heat_maps, [heat_map(reference(&good))]);
    let is_here = |content: &[u8]| {
        let length = content.len() as u64;
        store.0.objects.is_whole(&clinic("c1"), id_of(content), length)
    };
    assert!(is_here(&good) && !is_here(&tailed));
    assert!(
        store
            .0
            .archive
            .is_needed(&clinic("c1"), id_of(&good))
            .await
            .unwrap()
    );
}

/// Refused under one name, kept under another: what is acknowledged stays, whichever is judged first.
#[tokio::test]
async fn an_object_named_twice_stays_for_the_name_that_is_right() {
    let (file, right) = image("1.2.3.4");
    let wrong = Instance {
        sop_instance_uid: Names.uid("1.2.3.5"),
        ..right.clone()
    };
    for set in [[right.clone(), wrong.clone()], [wrong, right]] {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path()).await;
        put(&store.0.objects, &file, 0, file.len()).await;
        let outcome = store.commit(&clinic("c1"), &case(), 1, of(set.to_vec())).await;
        let result = outcome.as_ref().as_ref().unwrap().clone().unwrap();
        assert_eq!((result.referenced.len(), result.failed.len()), (1, 1));
        let here = store
            .0
            .objects
            .is_whole(&clinic("c1"), id_of(&file), file.len() as u64);
        assert!(here);
    }
}
