use std::collections::HashMap;

use barefoot_domain::StudyUid;
use barefoot_imaging::data_set::{self, DataSet};
use barefoot_imaging::tags;

use super::*;
use crate::audit::tests_support::entries_in;
use crate::handoff::{InPlace, Receiving};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Keeps like the spool, in memory: by SOP Instance UID.
#[derive(Clone, Default)]
struct Archive(Arc<Mutex<HashMap<String, Vec<u8>>>>);

struct Arriving {
    archive: Archive,
    instance: String,
    bytes: Vec<u8>,
}

impl Receiving for Arriving {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn finish(self: Box<Self>) -> Verdict {
        let mut archive = self.archive.0.lock().unwrap();
        let outcome = match archive.get(&self.instance) {
            _ if self.instance.ends_with(".666") => Err(NotKept::OutOfSpace),
            Some(known) if *known == self.bytes => Ok(Kept::Duplicate),
            Some(_) => Ok(Kept::Conflict),
            None => {
                archive.insert(self.instance.clone(), self.bytes.clone());
                Ok(Kept::New)
            }
        };
        Box::pin(async move {
            outcome.map(|kept| InPlace {
                kept,
                study: StudyUid::new("1.2.3").unwrap(),
            })
        })
    }
}

fn data_set(instance: &str) -> Vec<u8> {
    let mut set = DataSet::default();
    set.put_code(tags::SOP_CLASS, "1.2.840.10008.5.1.4.1.1.2");
    set.put_code(tags::SOP_INSTANCE, instance);
    set.put_code(tags::STUDY_UID, "1.2.3");
    data_set::write(&set, EXPLICIT).unwrap()
}

fn file(instance: &str) -> Vec<u8> {
    let mut file = vec![0; 128];
    file.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
    file.extend(data_set(instance));
    file
}

struct Desk {
    media: tempfile::TempDir,
    archive: Archive,
    importer: Importer,
    log: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let media = tempfile::tempdir().unwrap();
        let archive = Archive::default();
        let keeper: Keeper = {
            let archive = archive.clone();
            Arc::new(move |incoming: Incoming| {
                assert_eq!(incoming.transfer_syntax, EXPLICIT);
                Box::new(Arriving {
                    archive: archive.clone(),
                    instance: incoming.sop_instance_uid,
                    bytes: Vec::new(),
                })
            })
        };
        let config = Config {
            directory: media.path().to_owned(),
            max_files: 1000,
            max_depth: 8,
        };
        let log = tempfile::tempdir().unwrap();
        let importer = Importer::new(
            config,
            keeper,
            PeerLog::for_tests(log.path()),
            CancellationToken::new(),
        );
        Self {
            media,
            archive,
            importer,
            log,
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.media.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    async fn run(&self, folder: Option<&str>) -> Progress {
        let mut progress = self.importer.inner.progress.subscribe();
        self.importer.start(folder).unwrap();
        let ended = progress.wait_for(|progress| !progress.stage.is_under_way()).await;
        ended.unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stick_is_imported_once_and_again_changes_nothing() {
    let desk = Desk::new();
    for number in 1..=100 {
        desk.write(
            &format!("stick/IMAGES/{number}"),
            &file(&format!("1.2.3.{number}")),
        );
    }
    desk.write("stick/VIEWER.EXE", b"MZ");
    desk.write("stick/DAMAGED", &file("1.2.3.1")[..160]);
    desk.write(
        "stick/OTHER",
        &[file("1.2.3.1"), b"\x08\x00\x60\x00CS\x02\x00CT".to_vec()].concat(),
    );
    desk.write("other/1", &file("1.2.9.1"));
    let first = desk.run(Some("stick")).await;
    assert_eq!(first.stage, Stage::Done, "{first:?}");
    assert_eq!((first.found, first.seen), (103, 103));
    assert_eq!(
        (first.kept, first.conflicts, first.others, first.refused),
        (100, 1, 1, 1)
    );
    let told = entries_in(desk.log.path());
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].action.as_str(), told[0].details.as_str()),
        ("imported", "100 images, 0 known before, 1 in conflict, 1 refused")
    );
    assert_eq!(first.refusals[0].file, "DAMAGED");
    let kept = desk.archive.0.lock().unwrap().clone();
    assert_eq!(
        kept["1.2.3.7"],
        data_set("1.2.3.7"),
        "the data set alone, byte for byte"
    );
    assert!(!kept.contains_key("1.2.9.1"), "another folder");
    let again = desk.run(Some("stick")).await;
    assert_eq!((again.kept, again.duplicates, again.conflicts), (0, 100, 1));
    let all = desk.run(None).await;
    assert_eq!((all.kept, all.duplicates), (1, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_folders_that_are_there_can_be_chosen() {
    let desk = Desk::new();
    desk.write("stick/1", &file("1.2.3.1"));
    std::os::unix::fs::symlink("/etc", desk.media.path().join("link")).unwrap();
    assert_eq!(desk.importer.folders().unwrap(), ["stick"]);
    for folder in ["..", "../..", "/etc", "link", "stick/..", ""] {
        assert!(
            matches!(desk.importer.start(Some(folder)), Err(NotStarted::NoSuchFolder)),
            "{folder}"
        );
    }
    assert_eq!(desk.importer.progress(), Progress::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_an_import_and_says_so() {
    let desk = Desk::new();
    desk.write("a/1", &file("1.2.3.666"));
    let progress = desk.run(None).await;
    assert_eq!(progress.stage, Stage::Failed);
    assert!(progress.trouble.unwrap().contains("space"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_import_keeps_what_it_has() {
    let desk = Desk::new();
    desk.write("a/1", &file("1.2.3.1"));
    desk.importer.inner.shutdown.cancel();
    let progress = desk.run(None).await;
    assert_eq!((progress.stage, progress.kept), (Stage::Cancelled, 0));
}
