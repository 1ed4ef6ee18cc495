use bytes::Bytes;
use proptest::prelude::*;
use ring::digest::{SHA256, digest};

use super::objects::{Held, Received, Receiving, Refusal};
use super::*;
use crate::at_rest::Vault;
use barefoot_wire::images::ContentRange;

mod commits;
mod removal;

fn limits() -> Limits {
    Limits {
        object_bytes: 1000,
        clinic_bytes: 2000,
        open_uploads: 3,
    }
}

fn clinic(name: &str) -> ClinicId {
    ClinicId::new(name).unwrap()
}

fn id_of(content: &[u8]) -> ObjectId {
    ObjectId(digest(&SHA256, content).as_ref().try_into().unwrap())
}

fn range(first: usize, end: usize, length: usize) -> ContentRange {
    ContentRange {
        first: first as u64,
        end: end as u64,
        length: length as u64,
    }
}

fn begin(objects: &Objects, content: &[u8], first: usize, end: usize) -> Result<Receiving, Refusal> {
    objects
        .receive(&clinic("c1"), id_of(content), range(first, end, content.len()))
        .unwrap()
}

async fn put(objects: &Objects, content: &[u8], first: usize, end: usize) -> Received {
    let mut receiving = begin(objects, content, first, end).unwrap();
    receiving
        .append(Bytes::copy_from_slice(&content[first..end]))
        .await
        .unwrap();
    receiving.finish().await.unwrap()
}

/// A version's images committed, as by a clinic's box: for tests of other parts.
pub(crate) async fn commit_images(
    store: &ImageStore,
    clinic: &ClinicId,
    case: &barefoot_domain::CaseId,
    version: u32,
    images: &[(Vec<u8>, barefoot_wire::images::Instance)],
) {
    for (file, _) in images {
        put_of(&store.0.objects, clinic, file).await;
    }
    let set = barefoot_wire::images::ImageSet {
        instances: images.iter().map(|(_, named)| named.clone()).collect(),
        withheld: Vec::new(),
    };
    let outcome = store.commit(clinic, case, version, set).await;
    let result = outcome.as_ref().as_ref().unwrap().clone().unwrap();
    assert_eq!((result.failed.len(), result.missing.len()), (0, 0), "{result:?}");
}

/// A version's small picture and where the model looked in it, as by a clinic's box: for tests of other parts. Both are
/// returned.
pub(crate) async fn commit_look(
    store: &ImageStore,
    clinic: &ClinicId,
    (case, version): (&barefoot_domain::CaseId, u32),
    instance: &str,
    finding: &str,
) -> (Vec<u8>, Vec<u8>) {
    let picture = b"\xFF\xD8\xFF\xDB\0\x04\x01\x02\xFF\xD9".to_vec();
    let map = barefoot_imaging::render::HeatMap {
        width: 2,
        height: 1,
        values: vec![0.0, 1.0],
    };
    let layer = barefoot_imaging::render::heat_layer((64, 64), &map, 64).unwrap();
    for content in [&picture, &layer] {
        put_of(&store.0.objects, clinic, content).await;
    }
    let object = |content: &[u8]| barefoot_wire::images::ObjectRef {
        id: id_of(content),
        bytes: content.len() as u64,
    };
    let look = barefoot_wire::images::QuickLook {
        pictures: vec![barefoot_wire::images::Picture {
            object: object(&picture),
            sop_instance_uid: instance.to_owned(),
        }],
        heat_maps: vec![barefoot_wire::images::HeatMapPicture {
            object: object(&layer),
            sop_instance_uid: instance.to_owned(),
            frame: 1,
            finding: barefoot_domain::FindingCode::new(finding).unwrap(),
        }],
    };
    let result = store.commit_quick_look(clinic, case, version, &look).await;
    let result = result.unwrap().unwrap();
    assert_eq!((result.failed.len(), result.missing.len()), (0, 0), "{result:?}");
    (picture, layer)
}

/// An object whole, unless it is here.
async fn put_of(objects: &Objects, clinic: &ClinicId, file: &[u8]) {
    let whole = range(0, file.len(), file.len());
    if let Ok(mut receiving) = objects.receive(clinic, id_of(file), whole).unwrap() {
        receiving.append(Bytes::copy_from_slice(file)).await.unwrap();
        assert_eq!(receiving.finish().await.unwrap(), Received::Whole);
    }
}

#[tokio::test]
async fn an_object_arrives_in_ranges_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let content = b"a picture in two ranges".as_slice();
    let objects = Objects::open(dir.path().join("images"), limits(), Vault::for_tests(dir.path())).unwrap();
    assert_eq!(
        put(&objects, content, 0, 10).await,
        Received::Partly { offset: 10 }
    );
    // Cut in the middle of the second: what was appended counts.
    let mut cut = begin(&objects, content, 10, 23).unwrap();
    cut.append(Bytes::from_static(b"in ")).await.unwrap();
    assert!(matches!(begin(&objects, content, 13, 23), Err(Refusal::Busy)));
    drop(cut);
    drop(objects);
    let objects = Objects::open(dir.path().join("images"), limits(), Vault::for_tests(dir.path())).unwrap();
    let held = objects.held(&clinic("c1"), id_of(content)).unwrap();
    assert_eq!(
        held,
        Held {
            offset: 13,
            complete: false
        }
    );
    assert!(matches!(
        begin(&objects, content, 10, 23),
        Err(Refusal::Offset(13))
    ));
    assert_eq!(put(&objects, content, 13, content.len()).await, Received::Whole);
    assert_eq!(
        objects.read(&clinic("c1"), id_of(content)).await.unwrap(),
        content
    );
    assert!(matches!(
        begin(&objects, content, 0, 5),
        Err(Refusal::Complete { length: 23 })
    ));
    // Another clinic sees nothing of it.
    let held = objects.held(&clinic("c2"), id_of(content)).unwrap();
    assert_eq!(
        held,
        Held {
            offset: 0,
            complete: false
        }
    );
}

#[tokio::test]
async fn another_content_than_the_name_says_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let objects = Objects::open(dir.path().join("images"), limits(), Vault::for_tests(dir.path())).unwrap();
    let mut receiving = begin(&objects, b"right", 0, 5).unwrap();
    receiving.append(Bytes::from_static(b"wrong")).await.unwrap();
    assert_eq!(receiving.finish().await.unwrap(), Received::WrongHash);
    assert_eq!(put(&objects, b"right", 0, 5).await, Received::Whole);
}

#[tokio::test]
async fn a_clinic_has_its_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let objects = Objects::open(dir.path().join("images"), limits(), Vault::for_tests(dir.path())).unwrap();
    assert!(matches!(
        begin(&objects, &[0; 1001], 0, 1),
        Err(Refusal::TooLarge)
    ));
    for number in 0..2u8 {
        put(&objects, &[number; 900], 0, 1).await;
    }
    assert!(matches!(
        begin(&objects, &[7; 900], 0, 1),
        Err(Refusal::QuotaUsed)
    ));
    put(&objects, &[8; 100], 0, 1).await;
    assert!(matches!(
        begin(&objects, &[9; 10], 0, 1),
        Err(Refusal::TooManyOpen)
    ));
    let other = ContentRange {
        length: 800,
        ..range(1, 2, 900)
    };
    assert!(matches!(
        objects.receive(&clinic("c1"), id_of(&[0; 900]), other).unwrap(),
        Err(Refusal::OtherLength)
    ));
}

#[tokio::test]
async fn a_clinic_at_its_quota_still_sends_quick_looks_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mib = 1024 * 1024;
    let limits = Limits {
        object_bytes: 16 * mib,
        clinic_bytes: 16 * mib,
        open_uploads: 300,
    };
    let objects = Objects::open(dir.path().join("images"), limits, Vault::for_tests(dir.path())).unwrap();
    let ask = |name: u64, length: u64| {
        let range = ContentRange {
            first: 0,
            end: 1,
            length,
        };
        let id = id_of(&name.to_le_bytes());
        objects.receive(&clinic("c1"), id, range).unwrap().map(drop)
    };
    ask(0, 16 * mib).unwrap();
    assert_eq!(ask(1, mib), Err(Refusal::QuotaUsed));
    assert_eq!(objects.over_quota(), [(clinic("c1"), 1)]);
    for picture in 2..6 {
        ask(picture, mib / 4).unwrap();
    }
    assert_eq!(ask(6, mib / 4), Err(Refusal::QuotaUsed), "not without an end");
}

#[tokio::test]
async fn neither_what_arrives_nor_what_is_whole_lies_there_plainly() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::for_tests(dir.path());
    let objects = Objects::open(dir.path().join("images"), limits(), vault).unwrap();
    let content = b"a picture in two ranges".as_slice();
    put(&objects, content, 0, 10).await;
    let found = || {
        let mut folders = vec![dir.path().join("images")];
        let mut plain = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(path).unwrap();
                    plain += usize::from(bytes.windows(9).any(|window| window == &content[..9]));
                }
            }
        }
        plain
    };
    assert_eq!(found(), 0);
    put(&objects, content, 10, content.len()).await;
    assert_eq!(found(), 0);
    let id = id_of(content);
    assert_eq!(objects.read(&clinic("c1"), id).await.unwrap(), content);
}

#[tokio::test]
async fn a_torn_end_of_what_arrives_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::for_tests(dir.path());
    let objects = Objects::open(dir.path().join("images"), limits(), vault).unwrap();
    let content = b"a picture in two ranges".as_slice();
    put(&objects, content, 0, 6).await;
    put(&objects, content, 6, 10).await;
    let open = dir.path().join("images/c1/open");
    let path = std::fs::read_dir(open).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::metadata(&path).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for torn in 1..30 {
        file.set_len(whole - torn).unwrap();
        let held = objects.held(&clinic("c1"), id_of(content)).unwrap();
        assert_eq!(held.offset, 6, "{torn} bytes torn off");
    }
    assert_eq!(put(&objects, content, 6, content.len()).await, Received::Whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// However it is cut, restarted and asked again: an upload that follows the offsets ends whole, and no byte is stored
    /// that was not sent for it.
    #[test]
    fn any_upload_that_follows_the_offsets_ends_whole(
        content in proptest::collection::vec(any::<u8>(), 1..200),
        cuts in proptest::collection::vec((1usize..60, any::<bool>(), any::<bool>()), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let mut objects = Objects::open(dir.path().join("images"), limits(), Vault::for_tests(dir.path())).unwrap();
            let id = id_of(&content);
            for (piece, finish, restart) in cuts {
                let held = objects.held(&clinic("c1"), id).unwrap();
                if held.complete {
                    break;
                }
                let first = usize::try_from(held.offset).unwrap();
                let end = content.len().min(first + piece);
                let mut receiving = begin(&objects, &content, first, content.len()).unwrap();
                receiving.append(Bytes::copy_from_slice(&content[first..end])).await.unwrap();
                if finish && end == content.len() {
                    assert_eq!(receiving.finish().await.unwrap(), Received::Whole);
                } else {
                    drop(receiving);
                }
                if restart {
                    objects = Objects::open(dir.path().join("images"), limits(), Vault::for_tests(dir.path())).unwrap();
                }
            }
            let held = objects.held(&clinic("c1"), id).unwrap();
            if !held.complete {
                let first = usize::try_from(held.offset).unwrap();
                assert_eq!(put(&objects, &content, first, content.len()).await, Received::Whole);
            }
            assert_eq!(objects.read(&clinic("c1"), id).await.unwrap(), content);
        });
    }
}
