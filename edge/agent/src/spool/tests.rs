use std::fs;
use std::path::Path;

use barefoot_imaging::header::read_header;
use barefoot_queue::Queue;
use tempfile::TempDir;

use super::*;
use crate::at_rest;
use crate::handoff::{Kept, StudyInput};
use crate::study_folder::instance_stem;
use crate::test_instances::{EXPLICIT_LITTLE_ENDIAN, IMAGE_CLASS, TestInstance};

struct Site {
    folder: TempDir,
    spool: Spool,
    recovered: Recovered,
    stored: mpsc::Receiver<StudyInput>,
}

impl Site {
    fn open(folder: TempDir, min_free_mib: u64) -> Self {
        let config = Config {
            directory: folder.path().to_owned(),
            min_free_mib,
            warn_free_mib: 0,
        };
        let queue = Queue::open_or_set_aside(&folder.path().join("queue"), barefoot_queue::Config::default());
        let (sender, stored) = mpsc::channel(64);
        let state = StateDirectory::open(folder.path()).unwrap();
        let status = Status::new(queue.unwrap().into_queue());
        let (spool, recovered) = Spool::open(&config, state, sender, status).unwrap();
        Self {
            folder,
            spool,
            recovered,
            stored,
        }
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        at_rest::unlock(folder.path(), &at_rest::Config::default()).unwrap();
        Self::open(folder, 0)
    }

    /// As a box was before anything was sealed.
    fn plain() -> Self {
        Self::open(tempfile::tempdir().unwrap(), 0)
    }

    fn reopened(self) -> Self {
        let Self {
            folder,
            spool,
            stored,
            ..
        } = self;
        drop((spool, stored));
        Self::open(folder, 0)
    }

    async fn keep(&self, announced: &str, data_set: &[u8]) -> Result<Kept, NotKept> {
        let mut receiving = (self.spool.keeper())(incoming(announced));
        for piece in data_set.chunks(100_000) {
            receiving.write(piece);
        }
        receiving.finish().await.map(|placed| placed.kept)
    }

    async fn keep_one(&self, instance: &TestInstance) -> Result<Kept, NotKept> {
        self.keep(&instance.sop_instance_uid, &instance.data_set).await
    }

    fn files(&self, below: &str) -> Vec<String> {
        names(&self.folder.path().join(below))
    }

    fn place_of(&self, instance: &TestInstance) -> PathBuf {
        let name = format!("{}.dcm", instance_stem(&instance.sop_instance_uid));
        self.spool.state.instances(&instance.study()).join(name)
    }
}

fn incoming(announced: &str) -> Incoming {
    Incoming {
        association: None,
        source_ae: "CT_1".to_owned(),
        sop_class_uid: IMAGE_CLASS.to_owned(),
        sop_instance_uid: announced.to_owned(),
        transfer_syntax: EXPLICIT_LITTLE_ENDIAN.to_owned(),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_set_is_kept_byte_for_byte_under_a_hashed_name() {
    let mut site = Site::new();
    let pixels: Vec<u8> = (0..700_000u32).map(|n| n.to_le_bytes()[1]).collect();
    let image = TestInstance::with_pixels("1.2.3", "1.2.3.4", &pixels);
    assert_eq!(site.keep_one(&image).await.unwrap(), Kept::New);
    let place = site.place_of(&image);
    let offset = read_header(&at_rest::stored(&place)).unwrap().data_set_offset();
    let stored = at_rest::read(&place).unwrap();
    assert!(stored[usize::try_from(offset).unwrap()..] == image.data_set[..]);
    assert_eq!(whole(&place).unwrap(), Some(true));
    assert!(site.files("intake").is_empty());
    let Some(StudyInput::Stored(told)) = site.stored.recv().await else {
        panic!("the study stage is told");
    };
    assert_eq!((told.study, told.modality.as_str()), (image.study(), "DX"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_again_is_one_copy_and_other_content_is_kept_apart() {
    let site = Site::new();
    let image = TestInstance::new("1.2.3", "1.2.3.4");
    let other = TestInstance::with_pixels("1.2.3", "1.2.3.4", &[7; 64]);
    let mut outcomes = Vec::new();
    for instance in [&image, &image, &other, &other] {
        outcomes.push(site.keep_one(instance).await.unwrap());
    }
    assert_eq!(
        outcomes,
        [Kept::New, Kept::Duplicate, Kept::Conflict, Kept::Duplicate]
    );
    let kept = names(&site.spool.state.instances(&image.study()));
    assert_eq!(kept.len(), 2);
    assert!(site.files("intake").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_share_the_disk_and_none_overwrites_another() {
    let site = Arc::new(Site::new());
    let tasks: Vec<_> = (0..40u8)
        .map(|n| {
            let site = Arc::clone(&site);
            let image = TestInstance::with_pixels("1.2.3", "1.2.3.4", &[n; 64]);
            tokio::spawn(async move { site.keep_one(&image).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        new += usize::from(task.await.unwrap() == Kept::New);
    }
    assert_eq!(new, 1);
    let study = TestInstance::new("1.2.3", "1").study();
    assert_eq!(names(&site.spool.state.instances(&study)).len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_finishes_or_nobody_announced_leaves_nothing() {
    let site = Site::new();
    let image = TestInstance::new("1.2.3", "1.2.3.4");
    let mut receiving = (site.spool.keeper())(incoming("1.2.3.4"));
    receiving.write(&image.data_set[..100]);
    drop(receiving);
    let mismatch = site.keep("1.2.3.5", &image.data_set).await;
    assert!(matches!(mismatch, Err(NotKept::Mismatch { .. })));
    assert!(site.files("intake").is_empty() && site.files("studies").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_understood_is_kept_once_in_quarantine() {
    let site = Site::new();
    for _ in 0..2 {
        let outcome = site.keep("1.2.3.4", &[0xAA; 5000]).await;
        assert!(matches!(outcome, Err(NotKept::Quarantined)));
    }
    assert_eq!(site.files("quarantine").len(), 1);
    assert!(site.files("intake").is_empty() && site.files("studies").is_empty());
    assert_eq!(site.spool.status.quarantined(), 1);
    assert_eq!(site.reopened().spool.status.quarantined(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_says_so() {
    let site = Site::open(tempfile::tempdir().unwrap(), u64::MAX / (1024 * 1024));
    let outcome = site.keep_one(&TestInstance::new("1.2.3", "1.2.3.4")).await;
    assert!(matches!(outcome, Err(NotKept::OutOfSpace)));
    assert_eq!(site.spool.status.space(), Space::Full);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_places_what_is_whole_and_clears_the_rest() {
    clears_its_intake(Site::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_the_start_of_a_box_that_sealed_nothing() {
    clears_its_intake(Site::plain()).await;
}

async fn clears_its_intake(site: Site) {
    let images = ["1.2.3.4", "1.2.3.5"].map(|uid| TestInstance::new("1.2.3", uid));
    for image in &images {
        site.keep_one(image).await.unwrap();
    }
    let _ = site.keep("1.2.3.6", &[0xAA; 5000]).await;
    let intake = site.spool.state.intake();
    // As a power cut leaves it: renames taken back, one file torn, one begun.
    fs::rename(site.place_of(&images[0]), intake.join("a.part")).unwrap();
    fs::copy(site.place_of(&images[1]), intake.join("again.part")).unwrap();
    let quarantined = site.files("quarantine").remove(0);
    fs::rename(
        site.folder.path().join("quarantine").join(quarantined),
        intake.join("q.part"),
    )
    .unwrap();
    let mut torn = fs::read(intake.join("a.part")).unwrap();
    let last = torn.len() - 1;
    torn[last] ^= 1;
    fs::write(intake.join("torn.part"), &torn).unwrap();
    fs::write(intake.join("begun.part"), &torn[..300]).unwrap();
    fs::write(intake.join("empty.part"), b"").unwrap();
    let site = site.reopened();
    assert_eq!((site.recovered.placed, site.recovered.cleared), (3, 3));
    assert!(site.files("intake").is_empty());
    assert_eq!(site.files("quarantine").len(), 1);
    for image in &images {
        assert_eq!(whole(&site.place_of(image)).unwrap(), Some(true));
    }
}
