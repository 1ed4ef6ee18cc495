use std::path::Path;

use barefoot_domain::{Presence, Region, Shape, Statement};
use barefoot_imaging::data_set::{self, Coding, Content, DataSet, Element, Vr};
use barefoot_imaging::report::FontFile;
use barefoot_imaging::tags;
use barefoot_trust::PseudonymKey;

use super::*;
use crate::case_book::Heard;
use crate::case_index::CaseIndex;
use crate::reading::tests::{report, signed};
use crate::report_check::tests::unsigned;
use barefoot_domain::{ClinicId, StudyUid};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const STUDY: &str = "1.2.3";
const IMAGE: &str = "1.2.3.4";

fn image() -> Vec<u8> {
    let mut set = DataSet::default();
    set.put_code(tags::SOP_CLASS, "1.2.840.10008.5.1.4.1.1.1.1");
    set.put_code(tags::SOP_INSTANCE, IMAGE);
    set.put_code(tags::STUDY_UID, STUDY);
    set.put_code(tags::SERIES_UID, "1.2.3.5");
    set.put_code(tags::MODALITY, "DX");
    set.put_code(tags::STUDY_DATE, "20261122");
    set.put_code(tags::PHOTOMETRIC, "MONOCHROME2");
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, 64),
        (tags::COLUMNS, 32),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        set.put_u16(tag, value);
    }
    set.put_text(tags::PATIENT_NAME, "Wang^Xiaodong", Coding::Utf8);
    set.put_text(tags::PATIENT_ID, "P-0042", Coding::Utf8);
    let content = Content::Value((0..64 * 32u32).map(|at| (at % 251) as u8).collect());
    set.put(tags::PIXEL_DATA, Element { vr: Vr::OB, content });
    let mut file = vec![0; 128];
    file.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
    file.extend(data_set::write(&set, EXPLICIT).unwrap());
    file
}

/// A writer with one study whose report has come, and the wish to print it.
fn writer(root: &Path, font_files: FontFiles) -> (PaperWriter, PaperWish) {
    let state = StateDirectory::open(root).unwrap();
    let study = StudyKey::of(&StudyUid::new(STUDY).unwrap());
    let folder = state.instances(&study);
    fs::create_dir_all(&folder).unwrap();
    let name = crate::study_folder::instance_stem(IMAGE);
    fs::write(folder.join(format!("{name}.dcm")), image()).unwrap();
    let key = || PseudonymKey::load_or_create(&root.join("pseudonym.key")).unwrap();
    let index = CaseIndex::default();
    let clinic = ClinicId::new("clinic-7").unwrap();
    let sets = CharacterSets::default();
    let book = CaseBook::new(state.clone(), clinic, key(), index.clone(), sets.clone());
    book.settle(&study, 1).unwrap().unwrap();
    let mut marked = report("01JD5Z0000000000000000000R", None);
    marked.case = book.case_number(&study).unwrap();
    marked.statements.push(Statement {
        finding: FindingCode::new("pneumonia").unwrap(),
        presence: Presence::Present,
        side: None,
        note: String::new(),
        regions: vec![Region {
            instance: key().uid_of(IMAGE),
            frame: 1,
            shape: Shape::Rectangle,
            points: vec![(2.0, 3.0), (20.0, 40.0)],
        }],
    });
    let report = Arc::new(marked);
    let heard = Heard::Report(Arc::clone(&report), signed((*report).clone()).signer);
    book.record_heard(&study, &heard, "E", &unsigned(&report), 5)
        .unwrap();
    let wish = PaperWish {
        patient: index.get(&study).unwrap().patient.clone(),
        study,
        report,
        language: "zh-CN",
    };
    let names = key();
    let writer = PaperWriter {
        state,
        book: Arc::new(book),
        hub_names: HubNames::new(move |uid| names.uid_of(uid)),
        character_sets: sets,
        finding_names: FindingNames::default(),
        utc_offset: UtcOffset::UTC,
        font_files,
        fonts: Mutex::default(),
    };
    (writer, wish)
}

#[test]
fn a_report_stands_beside_its_patient_and_the_clinics_own_image() {
    let root = tempfile::tempdir().unwrap();
    let (writer, wish) = writer(root.path(), FontFiles::default());
    let images = writer.images(&wish.study).unwrap();
    let of = subject(&wish, &images);
    let Who::Patient(identity) = &of.who else {
        panic!("a patient is known here");
    };
    assert_eq!(
        (identity.name.as_str(), identity.id.as_str()),
        ("Wang Xiaodong", "P-0042")
    );
    assert_eq!(
        (of.study.uid.as_str(), of.study.date.as_str()),
        (STUDY, "20261122")
    );
    assert_eq!(of.images[0].sop_instance, IMAGE);
    let drawn = drawn(&wish.report, &images).unwrap();
    assert_eq!(drawn.named, of.images[0].named);
    assert_eq!((drawn.frame, drawn.columns, drawn.rows), (1, 32, 64));
    assert!(drawn.jpeg.starts_with(&[0xff, 0xd8]));

    // No fonts on the machine that tests: what is said then has its own test.
    let Ok(pdf) = writer.pdf(&wish) else {
        assert!(Fonts::load(&FontFiles::default()).is_err());
        return;
    };
    assert!(pdf.starts_with(b"%PDF-"));
    let tail = &drawn.jpeg[drawn.jpeg.len() - 64..];
    assert!(
        pdf.windows(64).any(|window| window == tail),
        "the picture is in it"
    );
    assert_eq!(
        writer.pdf(&wish).unwrap(),
        pdf,
        "the same report is the same page"
    );
}

#[test]
fn without_its_images_a_report_is_printed_all_the_same() {
    let root = tempfile::tempdir().unwrap();
    let (writer, wish) = writer(root.path(), FontFiles::default());
    fs::remove_dir_all(writer.state.instances(&wish.study)).unwrap();
    match writer.pdf(&wish) {
        Ok(pdf) => assert!(pdf.starts_with(b"%PDF-")),
        Err(error) => assert!(matches!(error, NoPaper::Fonts { .. }), "{error}"),
    }
}

#[test]
fn missing_fonts_are_said_and_looked_for_again() {
    let root = tempfile::tempdir().unwrap();
    let regular = vec![FontFile {
        path: root.path().join("none.ttf"),
        face: 0,
    }];
    let nowhere = FontFiles {
        regular,
        bold: Vec::new(),
    };
    let (mut writer, wish) = writer(root.path(), nowhere);
    let error = writer.pdf(&wish).unwrap_err();
    assert!(matches!(error, NoPaper::Fonts { .. }), "{error}");
    let said = crate::error_chain::chain(&error);
    assert!(said.contains("fonts-noto-cjk"), "{said}");
    writer.font_files = FontFiles::default();
    if Fonts::load(&writer.font_files).is_ok() {
        assert!(writer.pdf(&wish).is_ok());
    }
}

#[test]
fn a_report_whose_signatures_are_not_here_is_not_printed() {
    let root = tempfile::tempdir().unwrap();
    let (writer, mut wish) = writer(root.path(), FontFiles::default());
    let mut other = (*wish.report).clone();
    other.id = "01JD5Z0000000000000000000S".into();
    wish.report = Arc::new(other);
    assert!(writer.pdf(&wish).is_err());
}
