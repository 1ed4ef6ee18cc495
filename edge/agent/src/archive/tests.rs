use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use barefoot_domain::StudyUid;
use barefoot_imaging::data_set::{Coding, DataSet, write};
use barefoot_imaging::query::{Find, Model, Options, Retrieve};
use barefoot_imaging::tags::{self, Tag};
use tempfile::TempDir;

use super::*;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

struct Clinic {
    _directory: TempDir,
    state: StateDirectory,
}

impl Clinic {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(directory.path()).unwrap();
        Self {
            _directory: directory,
            state,
        }
    }

    fn open(&self) -> Archive {
        Archive::open(self.state.clone()).unwrap()
    }

    /// Keeps an image as the spool does, and makes it look old.
    fn keep(&self, study: &str, series: &str, image: &str, name: &str, coding: Coding) -> StudyKey {
        let key = key(study);
        let folder = self.state.instances(&key);
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join(format!("{image}.dcm")),
            file(study, series, image, name, coding),
        )
        .unwrap();
        age(&folder);
        key
    }
}

fn key(study: &str) -> StudyKey {
    StudyKey::of(&StudyUid::new(study).unwrap())
}

/// Long enough ago that the summary is written down.
fn age(folder: &Path) {
    let folder = fs::File::open(folder).unwrap();
    folder
        .set_modified(SystemTime::now() - Duration::from_secs(60))
        .unwrap();
}

fn file(study: &str, series: &str, image: &str, name: &str, coding: Coding) -> Vec<u8> {
    let mut meta = DataSet::default();
    meta.put_code(Tag(0x0002, 0x0010), EXPLICIT);
    let mut set = DataSet::default();
    for (tag, value) in [
        (tags::SOP_CLASS, CT),
        (tags::SOP_INSTANCE, image),
        (tags::STUDY_UID, study),
        (tags::SERIES_UID, series),
        (tags::STUDY_DATE, "20260102"),
        (tags::MODALITY, if series.ends_with('9') { "SR" } else { "CT" }),
        (tags::PATIENT_ID, name),
    ] {
        set.put_code(tag, value);
    }
    set.put_text(tags::PATIENT_NAME, name, coding);
    set.put_text(tags::PATIENT_ID, name, coding);
    set.put_u16(tags::ROWS, 512);
    set.declare(coding);
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    bytes.extend(write(&meta, EXPLICIT).unwrap());
    bytes.extend(write(&set, EXPLICIT).unwrap());
    bytes
}

fn ask(model: Model, level: &str, keys: &[(Tag, &str)]) -> Find {
    Find::read(model, &identifier(level, keys), Options::default()).unwrap()
}

fn identifier(level: &str, keys: &[(Tag, &str)]) -> DataSet {
    let mut set = DataSet::default();
    set.put_code(tags::QUERY_LEVEL, level);
    for (tag, value) in keys {
        set.put_text(*tag, value, Coding::Gb18030);
    }
    set.declare(Coding::Gb18030);
    set
}

/// One attribute of every answer, sorted.
fn found(archive: &Archive, find: Find, tag: Tag) -> Vec<String> {
    let answers = archive.find(find, "BAREFOOT");
    let mut texts: Vec<String> = answers
        .map(|answer| match answer.view().u16(tag) {
            Some(number) if tag == tags::ROWS => number.to_string(),
            _ => answer.view().string(tag).unwrap_or_default(),
        })
        .collect();
    texts.sort();
    texts
}

fn three_studies() -> Clinic {
    let here = Clinic::new();
    here.keep("1.1", "1.1.1", "1.1.1.1", "张三", Coding::Utf8);
    here.keep("1.1", "1.1.1", "1.1.1.2", "张三", Coding::Utf8);
    here.keep("1.1", "1.1.9", "1.1.9.1", "张三", Coding::Utf8);
    here.keep("1.2", "1.2.1", "1.2.1.1", "张三", Coding::Gb18030);
    here.keep("1.3", "1.3.1", "1.3.1.1", "Li^Si", Coding::Utf8);
    here
}

fn caught_up(here: &Clinic) -> Archive {
    let archive = here.open();
    assert!(!archive.catch_up(100));
    archive
}

#[test]
fn every_level_is_answered_whatever_set_the_file_is_in() {
    let here = three_studies();
    let archive = caught_up(&here);
    let name = (tags::PATIENT_NAME, "张*");
    let studies = ask(Model::StudyRoot, "STUDY", &[name, (tags::STUDY_UID, "")]);
    assert_eq!(found(&archive, studies, tags::STUDY_UID), ["1.1", "1.2"]);
    let counts = [
        (tags::STUDY_UID, "1.1"),
        (tags::STUDY_INSTANCES, ""),
        (tags::MODALITIES_IN_STUDY, "SR"),
    ];
    let find = ask(Model::StudyRoot, "STUDY", &counts);
    assert_eq!(found(&archive, find, tags::STUDY_INSTANCES), ["3"]);
    let find = ask(Model::StudyRoot, "STUDY", &counts);
    assert_eq!(found(&archive, find, tags::MODALITIES_IN_STUDY), ["CT\\SR"]);
    let series = [
        (tags::STUDY_UID, "1.1"),
        (tags::SERIES_UID, ""),
        (tags::SERIES_INSTANCES, "2"),
    ];
    let find = ask(Model::StudyRoot, "SERIES", &series);
    assert_eq!(found(&archive, find, tags::SERIES_UID), ["1.1.1"]);
    let images = [
        (tags::STUDY_UID, "1.1"),
        (tags::SERIES_UID, "1.1.1"),
        (tags::SOP_INSTANCE, ""),
    ];
    let find = ask(Model::StudyRoot, "IMAGE", &images);
    assert_eq!(found(&archive, find, tags::SOP_INSTANCE), ["1.1.1.1", "1.1.1.2"]);
    let patients = [
        (tags::PATIENT_NAME, ""),
        (tags::PATIENT_STUDIES, ""),
        (tags::PATIENT_INSTANCES, ""),
    ];
    for (tag, expected) in [
        (tags::PATIENT_STUDIES, ["1", "2"]),
        (tags::PATIENT_INSTANCES, ["1", "4"]),
    ] {
        let find = ask(Model::PatientRoot, "PATIENT", &patients);
        assert_eq!(found(&archive, find, tag), expected);
    }
}

#[test]
fn numbers_are_answered_as_numbers() {
    let here = three_studies();
    let archive = caught_up(&here);
    let mut set = identifier("IMAGE", &[(tags::STUDY_UID, "1.3"), (tags::SERIES_UID, "1.3.1")]);
    set.put_empty(tags::ROWS);
    let find = Find::read(Model::StudyRoot, &set, Options::default()).unwrap();
    assert_eq!(found(&archive, find, tags::ROWS), ["512"]);
}

#[test]
fn a_late_image_is_found_by_the_next_question() {
    let here = three_studies();
    let archive = caught_up(&here);
    let study = here.keep("1.3", "1.3.2", "1.3.2.1", "Li^Si", Coding::Utf8);
    let keys = [(tags::STUDY_UID, "1.3"), (tags::STUDY_SERIES, "")];
    archive.note(&study);
    assert_eq!(
        found(
            &archive,
            ask(Model::StudyRoot, "STUDY", &keys),
            tags::STUDY_SERIES
        ),
        ["2"]
    );
    fs::remove_dir_all(here.state.study(&study)).unwrap();
    archive.note(&study);
    assert!(
        found(
            &archive,
            ask(Model::StudyRoot, "STUDY", &keys),
            tags::STUDY_SERIES
        )
        .is_empty()
    );
}

#[test]
fn a_start_believes_summaries_that_are_level_and_no_others() {
    let here = three_studies();
    drop(caught_up(&here));
    let everything = || {
        ask(
            Model::StudyRoot,
            "STUDY",
            &[(tags::STUDY_UID, ""), (tags::STUDY_INSTANCES, "")],
        )
    };
    let reopened = here.open();
    assert_eq!(
        found(&reopened, everything(), tags::STUDY_INSTANCES),
        ["1", "1", "3"]
    );
    // One image more, one less, a damaged log, a missing one.
    here.keep("1.2", "1.2.1", "1.2.1.2", "张三", Coding::Gb18030);
    let gone = here.state.instances(&key("1.1"));
    fs::remove_file(gone.join("1.1.9.1.dcm")).unwrap();
    age(&gone);
    fs::write(
        here.state.study(&key("1.3")).join("instances.log"),
        b"damaged\nlines\n",
    )
    .unwrap();
    let reopened = here.open();
    assert!(found(&reopened, everything(), tags::STUDY_INSTANCES).is_empty());
    assert!(!reopened.catch_up(100));
    assert_eq!(
        found(&reopened, everything(), tags::STUDY_INSTANCES),
        ["1", "2", "2"]
    );
    assert_eq!(
        found(&here.open(), everything(), tags::STUDY_INSTANCES),
        ["1", "2", "2"]
    );
}

#[test]
fn a_folder_that_just_changed_is_looked_at_again() {
    let here = three_studies();
    let archive = caught_up(&here);
    let study = key("1.3");
    fs::write(
        here.state.instances(&study).join("new.dcm"),
        file("1.3", "1.3.1", "1.3.1.7", "Li^Si", Coding::Utf8),
    )
    .unwrap();
    archive.note(&study);
    archive.look_at_changed();
    assert!(
        lock(&archive.inner.changed).contains(&study),
        "its summary is not written down yet"
    );
    age(&here.state.instances(&study));
    archive.look_at_changed();
    assert!(!lock(&archive.inner.changed).contains(&study));
}

#[test]
fn a_retrieve_gives_the_files_asked_for() {
    let here = three_studies();
    let archive = caught_up(&here);
    let files = |level: &str, keys: &[(Tag, &str)]| {
        let retrieve = Retrieve::read(Model::StudyRoot, &identifier(level, keys)).unwrap();
        archive.files(&retrieve).unwrap()
    };
    assert_eq!(files("STUDY", &[(tags::STUDY_UID, "1.1\\1.3\\1.99")]).len(), 4);
    let one = files(
        "IMAGE",
        &[
            (tags::STUDY_UID, "1.1"),
            (tags::SERIES_UID, "1.1.1"),
            (tags::SOP_INSTANCE, "1.1.1.2"),
        ],
    );
    let [one] = one.as_slice() else {
        panic!("{} files", one.len());
    };
    assert_eq!(
        (one.sop_class_uid.as_str(), one.transfer_syntax.as_str()),
        (CT, EXPLICIT)
    );
    assert_eq!(one.length, fs::metadata(&one.path).unwrap().len());
    assert!(files("STUDY", &[(tags::STUDY_UID, "..")]).is_empty());
}

#[test]
fn what_is_no_image_is_left_out_and_conflicting_copies_do_not_answer() {
    let here = three_studies();
    let folder = here.state.instances(&key("1.3"));
    fs::write(folder.join("junk.dcm"), b"junk").unwrap();
    fs::write(
        folder.join("1.3.1.1.conflict-ab.dcm"),
        file("1.3", "1.3.1", "1.3.1.1", "Wang^Wu", Coding::Utf8),
    )
    .unwrap();
    age(&folder);
    let archive = caught_up(&here);
    let find = ask(
        Model::StudyRoot,
        "STUDY",
        &[(tags::STUDY_UID, "1.3"), (tags::STUDY_INSTANCES, "")],
    );
    assert_eq!(found(&archive, find, tags::STUDY_INSTANCES), ["1"]);
}
