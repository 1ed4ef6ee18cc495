use std::fs;
use std::path::Path;

use barefoot_domain::{
    Assessment, ClinicId, FindingResult, ModelVersion, QualityGrade, QualityVerdict, Reason, Score, Urgency,
};
use barefoot_imaging::data_set::{self, Coding, Content, DataSet, Element, Vr};
use barefoot_imaging::tags;
use barefoot_trust::PseudonymKey;

use super::*;
use crate::case_book::Moment;
use crate::handoff::AssessedStudy;
use crate::mask_layers::MaskLayer;
use crate::study_folder::instance_stem;

const STUDY: &str = "1.2.3";

fn image(number: u32, patient: &str) -> Vec<u8> {
    let mut set = DataSet::default();
    for (tag, value) in [
        (tags::SOP_CLASS, "1.2.840.10008.5.1.4.1.1.1.1"),
        (tags::SOP_INSTANCE, &format!("1.2.3.4.{number}")),
        (tags::STUDY_UID, STUDY),
        (tags::SERIES_UID, "1.2.3.5"),
        (tags::MODALITY, "DX"),
        (tags::PHOTOMETRIC, "MONOCHROME2"),
    ] {
        set.put_code(tag, value);
    }
    set.put_text(tags::PATIENT_NAME, patient, Coding::Utf8);
    set.put_text(tags::PATIENT_ID, patient, Coding::Utf8);
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
    let content = Content::Value(vec![7; 64 * 32]);
    set.put(tags::PIXEL_DATA, Element { vr: Vr::OB, content });
    let mut file = vec![0; 128];
    file.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
    file.extend(data_set::write(&set, "1.2.840.10008.1.2.1").unwrap());
    file
}

fn assessment() -> Assessment {
    let score = Score::new(0.9).unwrap();
    Assessment {
        model: Some(ModelVersion {
            id: "cxr".into(),
            version: "1".into(),
            demonstration: false,
        }),
        engine: None,
        findings: vec![FindingResult {
            code: FindingCode::new("pneumonia").unwrap(),
            score,
            call: Call::Positive,
            confidence: score,
        }],
        quality: QualityVerdict {
            grade: QualityGrade::A,
            problems: Vec::new(),
        },
        urgency: Urgency::Routine,
        reasons: vec![Reason::Confident],
        regions: Vec::new(),
        others: Vec::new(),
    }
}

struct Clinic {
    writer: ResultsWriter,
    study: StudyKey,
}

impl Clinic {
    fn new(root: &Path) -> Self {
        let state = StateDirectory::open(root).unwrap();
        let key = PseudonymKey::load_or_create(&root.join("pseudonym.key")).unwrap();
        let (cases, character_sets) = (CaseIndex::default(), CharacterSets::default());
        let clinic = ClinicId::new("clinic-7").unwrap();
        let book = CaseBook::new(state.clone(), clinic, key, cases.clone(), character_sets.clone());
        let writer = ResultsWriter {
            // Pictures need fonts, which a machine that tests may lack.
            config: Config {
                secondary_capture: false,
                ..Config::default()
            },
            state,
            book: Arc::new(book),
            cases,
            character_sets,
            finding_names: FindingNames::default(),
            utc_offset: UtcOffset::UTC,
            font_files: FontFiles::default(),
            fonts: Mutex::default(),
        };
        let study = StudyKey::of(&StudyUid::new(STUDY).unwrap());
        Self { writer, study }
    }

    fn assess(&self, number: u32, patient: &str) -> u32 {
        let folder = self.writer.state.instances(&self.study);
        fs::create_dir_all(&folder).unwrap();
        let name = format!("{}.dcm", instance_stem(&format!("1.2.3.4.{number}")));
        fs::write(folder.join(name), image(number, patient)).unwrap();
        let settled = self.writer.book.settle(&self.study, 1).unwrap().unwrap();
        let assessed = AssessedStudy {
            assessment: assessment(),
            pictures: Vec::new(),
        };
        let at = Moment {
            at_ms: crate::clock::now_ms() + 1,
            clock_offset_ms: None,
        };
        let id = format!("01JD5Z000000000000000000{number:02}");
        self.writer
            .book
            .record_assessed(&settled, &assessed, &id, at)
            .unwrap();
        settled.version
    }

    fn objects(&self) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.writer.state.results(&self.study)) else {
            return Vec::new();
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        let objects = paths.filter(|path| path.extension().is_some_and(|ending| ending == "dcm"));
        objects.map(|path| fs::read(path).unwrap()).collect()
    }
}

fn says(object: &[u8], text: &str) -> bool {
    object.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn each_version_is_written_once_and_names_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    let this = Clinic::new(root.path());
    let first = this.assess(1, "Wang");
    this.writer.write(&this.study, first).unwrap();
    this.writer.write(&this.study, first).unwrap();
    let objects = this.objects();
    assert_eq!(objects.len(), 1);
    assert!(says(&objects[0], "Wang") && says(&objects[0], "1.2.3.4.1"));
    let second = this.assess(2, "Wang");
    this.writer.write(&this.study, second).unwrap();
    let mut objects = this.objects();
    assert_eq!(objects.len(), 2);
    let before = sop_instance_uid(Kind::StructuredReport, STUDY, first);
    objects.retain(|object| says(object, "replaces version 1"));
    assert!(says(&objects[0], &before));
}

#[test]
fn what_a_crash_left_out_is_found_and_only_since_results_are_wanted() {
    let root = tempfile::tempdir().unwrap();
    let this = Clinic::new(root.path());
    assert_eq!(this.writer.left_out(), [], "nothing yet");
    let version = this.assess(1, "Wang");
    assert_eq!(this.writer.left_out(), [(this.study.clone(), version)]);
    this.writer.write(&this.study, version).unwrap();
    assert_eq!(this.writer.left_out(), []);

    let other = tempfile::tempdir().unwrap();
    let this = Clinic::new(other.path());
    this.assess(1, "Wang");
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!(this.writer.left_out(), [], "what was before is not sent now");
}

#[test]
fn where_two_patients_are_in_a_study_nothing_is_written() {
    let root = tempfile::tempdir().unwrap();
    let this = Clinic::new(root.path());
    this.assess(1, "Wang");
    let version = this.assess(2, "Li");
    this.writer.write(&this.study, version).unwrap();
    assert_eq!(this.objects(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_bundle_lies_where_the_site_wants_it() {
    let (root, wanted) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut this = Clinic::new(root.path());
    this.writer.config.fhir = Some(wanted.path().join("fhir"));
    let version = this.assess(1, "Wang");
    this.writer.write(&this.study, version).unwrap();
    let path = wanted.path().join(format!("fhir/{}-v1.json", this.study));
    let bundle: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(bundle["entry"][0]["resource"]["status"], "preliminary");
}

#[test]
fn what_a_model_drew_is_the_segment() {
    let root = tempfile::tempdir().unwrap();
    let this = Clinic::new(root.path());
    let version = this.assess(1, "Wang");
    // The left half of a picture of 32 by 64, and a mask of something that was not found.
    let half = render::HeatMap {
        width: 2,
        height: 1,
        values: vec![1.0, 0.0],
    };
    let mask = |finding: &str| MaskLayer {
        finding: finding.to_owned(),
        png: render::mask_png(&half).unwrap(),
    };
    let layers = MaskLayers {
        masks: vec![mask("pneumonia"), mask("fracture")],
    };
    layers
        .save(&this.writer.state.pictures(&this.study, version))
        .unwrap();
    this.writer.write(&this.study, version).unwrap();
    let mut objects = this.objects();
    objects.retain(|object| says(object, "1.2.840.10008.5.1.4.1.1.66.4"));
    let [segments] = &objects[..] else {
        panic!("one segmentation");
    };
    // 32 pixels a row: four bytes, of which the first two are covered.
    let rows = [0xff, 0xff, 0, 0].repeat(64);
    assert!(segments.ends_with(&rows), "as drawn, and one segment alone");
}
