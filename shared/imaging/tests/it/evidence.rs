//! Objects of assessments: what holds whatever a model says. Other people's readers are in the workspace's
//! `tests/interop`.

#[path = "../../examples/result_objects/made.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod made;

use std::sync::OnceLock;

use barefoot_imaging::data_set::{self, DataSet, Limits};
use barefoot_imaging::evidence::{
    Error, Kind, fhir_bundle, presentation_state, secondary_capture, segmentation, sop_instance_uid,
    structured_report,
};
use barefoot_imaging::report::{FontFiles, Fonts, Object};
use barefoot_imaging::tags::{self, Tag};
use made::Case;

fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| made::cases(tempfile::tempdir().unwrap().path()).unwrap())
}

fn case(name: &str) -> &'static Case {
    cases().iter().find(|case| case.name == name).unwrap()
}

/// `None`, said aloud, where the fonts are not on this machine.
fn fonts() -> Option<&'static Fonts> {
    static FONTS: OnceLock<Option<Fonts>> = OnceLock::new();
    FONTS
        .get_or_init(|| match Fonts::load(&FontFiles::default()) {
            Ok(fonts) => Some(fonts),
            Err(error) => {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "the fonts must be there in CI: {error}"
                );
                eprintln!("SKIPPED: {error}");
                None
            }
        })
        .as_ref()
}

/// A file's data set, behind preamble and meta information.
fn data_set(file: &[u8]) -> DataSet {
    assert_eq!(&file[128..132], b"DICM");
    let length = u32::from_le_bytes(file[140..144].try_into().unwrap());
    let start = 144 + usize::try_from(length).unwrap();
    data_set::read(&file[start..], "1.2.840.10008.1.2.1", &Limits::default()).unwrap()
}

fn objects(case: &Case) -> Vec<Object> {
    let evidence = case.evidence();
    let mut objects = vec![structured_report(&evidence).unwrap()];
    objects.extend(presentation_state(&evidence).unwrap());
    objects.extend(segmentation(&evidence, &case.segments()).unwrap());
    objects.extend(fonts().and_then(|fonts| secondary_capture(&evidence, fonts).unwrap()));
    objects
}

#[test]
fn the_same_evidence_makes_the_same_objects_and_another_version_others() {
    let (first, second) = (objects(case("positive")), objects(case("again")));
    assert!(first == objects(case("positive")));
    for (first, second) in first.iter().zip(&second) {
        assert_eq!(first.sop_class_uid, second.sop_class_uid);
        assert_ne!(first.sop_instance_uid, second.sop_instance_uid);
        assert_ne!(first.series_uid, second.series_uid);
    }
    assert_eq!(
        fhir_bundle(&case("positive").evidence()).unwrap(),
        fhir_bundle(&case("positive").evidence()).unwrap()
    );
}

#[test]
fn every_object_is_of_the_patient_and_the_study() {
    for case in cases() {
        for object in objects(case) {
            let set = data_set(&object.file);
            let view = set.view();
            assert_eq!(view.string(tags::STUDY_UID).unwrap(), made::STUDY);
            let name = view.string(tags::PATIENT_NAME).unwrap();
            let is_pseudonymous = case.name == "inverted";
            assert_eq!(name.contains("张^秀英"), !is_pseudonymous, "{}", case.name);
            assert!(
                view.string(tags::SERIES_DESCRIPTION)
                    .unwrap()
                    .contains("AI result")
            );
        }
    }
}

#[test]
fn what_a_model_did_not_say_is_not_drawn() {
    let kinds = |name: &str| -> Vec<&str> {
        objects(case(name))
            .iter()
            .map(|object| object.sop_class_uid)
            .collect()
    };
    let report = "1.2.840.10008.5.1.4.1.1.88.33";
    assert_eq!(kinds("silent"), [report]);
    assert!(!kinds("negative").contains(&"1.2.840.10008.5.1.4.1.1.66.4"));
    let silent = structured_report(&case("silent").evidence()).unwrap();
    let said = String::from_utf8_lossy(&silent.file).into_owned();
    for wanted in [
        "AI-assisted, not a diagnosis",
        "The model gave no answer.",
        "outside_intended_use",
        "UNVERIFIED",
        "PARTIAL",
    ] {
        assert!(said.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_later_version_names_the_one_it_replaces() {
    let again = structured_report(&case("again").evidence()).unwrap();
    let set = data_set(&again.file);
    let before = sop_instance_uid(Kind::StructuredReport, made::STUDY, 1);
    let view = set.view();
    let study = view.items(Tag(0x0040, 0xA360)).next().unwrap();
    let series = study.items(tags::REFERENCED_SERIES).next().unwrap();
    let object = series.items(tags::REFERENCED_SOP_SEQUENCE).next().unwrap();
    assert_eq!(object.string(tags::REFERENCED_SOP_INSTANCE).unwrap(), before);
}

#[test]
fn words_stand_below_the_picture_and_only_marks_on_it() {
    let Some(fonts) = fonts() else {
        return;
    };
    for name in ["negative", "positive"] {
        let case = case(name);
        let object = secondary_capture(&case.evidence(), fonts).unwrap().unwrap();
        let set = data_set(&object.file);
        let view = set.view();
        let (rows, columns) = (view.u16(tags::ROWS).unwrap(), view.u16(tags::COLUMNS).unwrap());
        let pixels: Vec<[u8; 3]> = view.value(tags::PIXEL_DATA).unwrap().as_chunks().0.to_vec();
        let height = case.source.rows as usize * usize::from(columns);
        assert!(u32::from(rows) > case.source.rows, "{rows}");
        let (picture, band) = pixels.split_at(height);
        let coloured = |pixel: &&[u8; 3]| pixel[0] != pixel[1] || pixel[1] != pixel[2];
        let marks = picture.iter().filter(coloured).count();
        assert_eq!(marks == 0, name == "negative", "{marks}");
        assert!(marks < height / 20, "{marks}");
        assert!(band.iter().any(|pixel| 200 < pixel[0]), "words");
        assert_eq!(
            band.iter().filter(coloured).count(),
            0,
            "no mark reaches the band"
        );
        assert_eq!(view.string(tags::BURNED_IN).unwrap(), "NO");
    }
}

#[test]
fn a_presentation_state_shows_the_image_as_it_is() {
    let state = |name: &str| {
        let object = presentation_state(&case(name).evidence()).unwrap().unwrap();
        data_set(&object.file)
    };
    let shape = |set: &DataSet| set.view().string(tags::PRESENTATION_SHAPE).unwrap();
    assert_eq!(shape(&state("positive")), "IDENTITY");
    assert_eq!(shape(&state("inverted")), "INVERSE");
    let slice = state("slice");
    let window = slice.view().items(Tag(0x0028, 0x3110)).next().unwrap();
    assert_eq!(window.string(tags::WINDOW_CENTER).unwrap(), "-900");
    assert_eq!(slice.view().string(tags::RESCALE_INTERCEPT).unwrap(), "-1024");
}

#[test]
fn a_mask_of_another_size_is_refused() {
    let case = case("positive");
    let mut segments = case.segments();
    segments[0].mask.width -= 1;
    let refused = segmentation(&case.evidence(), &segments);
    assert!(matches!(refused, Err(Error::MaskSize)));
}
