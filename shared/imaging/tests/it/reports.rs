//! Documents of signed reports: what holds whatever is in a report. Other people's readers are in the workspace's
//! `tests/interop`.

#[path = "../../examples/report_documents/made.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod made;

use std::sync::OnceLock;

use barefoot_domain::{CaseId, FindingCode, Presence, Region, Report, Shape, Side, Statement, Urgency};
use barefoot_imaging::data_set::{self, Limits};
use barefoot_imaging::report::{
    Document, Error, FontFiles, Fonts, Language, Pdf, Sheet, Who, encapsulated_pdf, fhir_bundle, pdf,
    sop_instance_uid, structured_report,
};
use barefoot_imaging::tags::{self, Tag};
use proptest::prelude::*;

/// `None`, said aloud, where the fonts are not on this machine.
fn fonts() -> Option<&'static Fonts> {
    static FONTS: OnceLock<Option<Fonts>> = OnceLock::new();
    FONTS
        .get_or_init(|| match Fonts::load(&FontFiles::default()) {
            Ok(fonts) => Some(fonts),
            Err(error) => {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "the fonts must be there in CI: `cargo xtask test` installs fonts-noto-cjk; {error}"
                );
                eprintln!("SKIPPED: {error}");
                None
            }
        })
        .as_ref()
}

fn page(sheet: &Sheet<'_>) -> Option<Pdf> {
    Some(pdf(sheet, fonts()?).unwrap())
}

/// A file's data set, behind preamble and meta information.
fn data_set(file: &[u8]) -> data_set::DataSet {
    assert_eq!(&file[128..132], b"DICM");
    let length = u32::from_le_bytes(file[140..144].try_into().unwrap());
    let start = 144 + usize::try_from(length).unwrap();
    data_set::read(&file[start..], "1.2.840.10008.1.2.1", &Limits::default()).unwrap()
}

#[test]
fn the_same_sheet_makes_the_same_documents() {
    let (report, subject) = (made::report(Language::Zh), made::patient());
    let sheet = made::sheet(&report, &subject, Language::Zh);
    assert_eq!(
        structured_report(&sheet).unwrap(),
        structured_report(&sheet).unwrap()
    );
    assert_eq!(
        fhir_bundle(&sheet, None).unwrap(),
        fhir_bundle(&sheet, None).unwrap()
    );
    if let Some(first) = page(&sheet) {
        assert!(first.bytes == page(&sheet).unwrap().bytes);
    }
}

#[test]
fn a_page_is_archivable_and_says_its_language() {
    for language in [Language::Zh, Language::En] {
        let (report, subject) = (made::report(language), made::patient());
        let jpeg = made::chest().unwrap();
        let mut sheet = made::sheet(&report, &subject, language);
        sheet.key_image = Some(made::key_image(&jpeg));
        let Some(page) = page(&sheet) else {
            return;
        };
        let said = String::from_utf8_lossy(&page.bytes);
        assert!(said.contains("<pdfaid:part>2</pdfaid:part>"));
        assert!(said.contains("<pdfaid:conformance>A</pdfaid:conformance>"));
        assert!(said.contains(&format!("<rdf:li>{}</rdf:li>", language.tag())));
        assert!(page.missing.is_empty(), "{:?}", page.missing);
        // The JPEG travels as it came.
        assert!(
            page.bytes
                .windows(64)
                .any(|window| window == &jpeg[jpeg.len() - 64..])
        );
        assert!(page.bytes.len() < jpeg.len() + 150_000, "{}", page.bytes.len());
    }
}

#[test]
fn long_text_flows_over_pages_and_a_long_word_is_broken() {
    let subject = made::patient();
    let report = made::long(Language::Zh);
    assert!(4000 <= report.description.chars().count());
    let Some(long) = page(&made::sheet(&report, &subject, Language::Zh)) else {
        return;
    };
    assert!((4..=6).contains(&long.pages), "{}", long.pages);

    let mut report = made::plain(Language::En);
    report.description = "x".repeat(9000);
    report.statements = vec![Statement {
        finding: FindingCode::new("mass").unwrap(),
        presence: Presence::Possible,
        side: Some(Side::Both),
        note: "说明。".repeat(2000),
        regions: Vec::new(),
    }];
    let pages = page(&made::sheet(&report, &subject, Language::En)).unwrap().pages;
    assert!((5..=14).contains(&pages), "{pages}");
}

#[test]
fn a_character_no_font_has_is_reported() {
    let (mut report, subject) = (made::plain(Language::Zh), made::patient());
    report.impression = "未见异常 \u{1f9e0}\u{e123}\u{7}".into();
    if let Some(page) = page(&made::sheet(&report, &subject, Language::Zh)) {
        let missing: Vec<char> = page.missing.into_iter().collect();
        assert_eq!(missing, ['\u{7}', '\u{e123}', '\u{1f9e0}']);
    }
}

#[test]
fn a_key_image_that_is_none_is_refused() {
    let (report, subject) = (made::report(Language::Zh), made::case());
    let mut sheet = made::sheet(&report, &subject, Language::Zh);
    sheet.key_image = Some(made::key_image(b"no picture"));
    if let Some(fonts) = fonts() {
        assert!(matches!(pdf(&sheet, fonts), Err(Error::KeyImage)));
        // A picture that breaks off behind its header is still no reason to panic.
        let jpeg = made::chest().unwrap();
        sheet.key_image = Some(made::key_image(&jpeg[..700]));
        let _ = pdf(&sheet, fonts);
    }
}

#[test]
fn a_structured_report_is_verified_and_names_what_it_adds_to() {
    let (report, subject) = (made::addendum(Language::Zh), made::patient());
    let sheet = made::sheet(&report, &subject, Language::Zh);
    let object = structured_report(&sheet).unwrap();
    let set = data_set(&object.file);
    let view = set.view();
    assert_eq!(view.string(tags::CHARACTER_SET).unwrap(), "ISO_IR 192");
    assert_eq!(view.string(Tag(0x0040, 0xA493)).unwrap(), "VERIFIED");
    assert_eq!(view.string(tags::SOP_INSTANCE).unwrap(), object.sop_instance_uid);
    assert_eq!(view.string(tags::PATIENT_NAME).unwrap(), "Zhang^Xiuying=张^秀英");
    let predecessor = view.items(Tag(0x0040, 0xA360)).next().unwrap();
    let series = predecessor.items(tags::REFERENCED_SERIES).next().unwrap();
    let referenced = series.items(tags::REFERENCED_SOP_SEQUENCE).next().unwrap();
    let first = sop_instance_uid(Document::StructuredReport, made::FIRST, &subject.study.uid);
    assert_eq!(referenced.string(tags::REFERENCED_SOP_INSTANCE).unwrap(), first);

    let first_report = made::report(Language::Zh);
    let first_object = structured_report(&made::sheet(&first_report, &subject, Language::Zh)).unwrap();
    assert_eq!(first_object.sop_instance_uid, first);
}

#[test]
fn nothing_of_a_case_names_a_patient() {
    let (report, subject) = (made::report(Language::Zh), made::case());
    let sheet = made::sheet(&report, &subject, Language::Zh);
    let set = data_set(&structured_report(&sheet).unwrap().file);
    let Who::Case { pseudonym } = &subject.who else {
        panic!("a case");
    };
    assert_eq!(&set.view().string(tags::PATIENT_ID).unwrap(), pseudonym);
    assert_eq!(set.view().string(tags::IDENTITY_REMOVED).unwrap(), "YES");
    let encapsulated = data_set(&encapsulated_pdf(&sheet, b"%PDF").unwrap().file);
    assert_eq!(encapsulated.view().string(tags::BURNED_IN).unwrap(), "NO");
    let bundle: serde_json::Value = serde_json::from_slice(&fhir_bundle(&sheet, None).unwrap()).unwrap();
    let patient = &bundle["entry"][1]["resource"];
    assert_eq!(patient["meta"]["security"][0]["code"], "PSEUDED");
    assert!(patient.get("name").is_none() && patient.get("birthDate").is_none());

    let sheet = format!("{sheet:?} {subject:?} {:?}", made::patient());
    assert!(
        !sheet.contains("秀英") && !sheet.contains("AX20260117"),
        "{sheet}"
    );
}

#[test]
fn what_is_no_uid_is_refused_and_not_repeated() {
    let (report, mut subject) = (made::report(Language::Zh), made::patient());
    subject.study.uid = "ZHANG".into();
    let sheet = made::sheet(&report, &subject, Language::Zh);
    for error in [
        structured_report(&sheet).unwrap_err(),
        encapsulated_pdf(&sheet, b"%PDF").unwrap_err(),
        fhir_bundle(&sheet, None).unwrap_err(),
    ] {
        assert!(!error.to_string().contains("ZHANG"));
    }
}

#[test]
fn every_reference_in_a_bundle_is_to_something_in_it() {
    let (report, subject) = (made::report(Language::En), made::patient());
    let mut sheet = made::sheet(&report, &subject, Language::En);
    sheet.signature = Some(b"signed");
    let bundle: serde_json::Value =
        serde_json::from_slice(&fhir_bundle(&sheet, Some(b"%PDF")).unwrap()).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    let names: Vec<&str> = entries
        .iter()
        .map(|entry| entry["fullUrl"].as_str().unwrap())
        .collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), names.len());
    let mut references = Vec::new();
    collect(&bundle, &mut references);
    assert!(20 < references.len());
    for reference in references {
        assert!(names.contains(&reference.as_str()), "{reference}");
    }
    let of = |kind: &str| {
        let resources = entries.iter().map(|entry| &entry["resource"]);
        resources
            .filter(|resource| resource["resourceType"] == kind)
            .cloned()
            .collect::<Vec<_>>()
    };
    let diagnostic = &of("DiagnosticReport")[0];
    assert_eq!(diagnostic["status"], "final");
    assert_eq!(diagnostic["category"][0]["coding"][0]["code"], "LP29684-5");
    assert_eq!(of("Provenance")[0]["signature"][0]["data"], "c2lnbmVk");
    let pneumonia = &of("Observation")[0];
    assert_eq!(pneumonia["code"]["coding"][0]["code"], "233604007");
    assert_eq!(pneumonia["component"][2]["valueQuantity"]["value"], 0.87);
    assert_eq!(of("Device").len(), 1);
}

fn collect(value: &serde_json::Value, references: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            references.extend(
                fields
                    .get("reference")
                    .and_then(|it| it.as_str())
                    .map(str::to_owned),
            );
            fields.values().for_each(|value| collect(value, references));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => (),
    }
}

/// Text as people and programs may send it: any script, marks of direction, controls, line ends.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[影像所见，。（）“”、；0-9 a-z\\n]{0,200}",
        "[\u{5d0}-\u{5ea}\u{627}-\u{64a}\u{200e}\u{200f}\u{202a}-\u{202e} ]{0,60}",
        "[\u{1f300}-\u{1faff}\u{200d}\u{fe0f}\u{e000}-\u{e010}\u{0}-\u{1f}]{0,40}",
        "[。，、）】》]{0,120}",
    ]
}

prop_compose! {
    fn any_region()(
        named in any::<bool>(),
        frame in 0_u32..4,
        shape in prop_oneof![Just(Shape::Rectangle), Just(Shape::Ellipse), Just(Shape::Polygon)],
        points in prop::collection::vec((any::<f32>(), any::<f32>()), 0..6),
    ) -> Region {
        let instance = if named { made::NAMED.into() } else { "1.2".into() };
        Region { instance, frame, shape, points }
    }
}

prop_compose! {
    fn any_statement()(
        finding in "[a-z0-9_-]{1,64}",
        presence in prop_oneof![Just(Presence::Present), Just(Presence::Absent), Just(Presence::Possible)],
        side in prop::option::of(prop_oneof![Just(Side::Left), Just(Side::Right), Just(Side::Both)]),
        note in any_text(),
        regions in prop::collection::vec(any_region(), 0..4),
    ) -> Statement {
        Statement { finding: FindingCode::new(finding).unwrap(), presence, side, note, regions }
    }
}

prop_compose! {
    fn any_report()(
        texts in prop::array::uniform10(any_text()),
        statements in prop::collection::vec(any_statement(), 0..16),
        urgency in prop_oneof![Just(Urgency::Routine), Just(Urgency::Critical)],
        signed_at_ms in any::<i64>(),
        readers in 0_usize..3,
        has_ai in any::<bool>(),
        is_addendum in any::<bool>(),
        case in "2\\.25\\.[1-9][0-9]{0,38}",
    ) -> Report {
        let [id, first, modality, description, impression, advice, name, title, institution, language] = texts;
        let mut report = made::report(Language::Zh);
        report.readers.truncate(readers);
        for reader in &mut report.readers {
            reader.name.clone_from(&name);
            reader.title.clone_from(&title);
            reader.institution.clone_from(&institution);
            reader.person.clone_from(&id);
        }
        if !has_ai {
            report.assessment = None;
        }
        let addendum_to = is_addendum.then_some(first);
        let case = CaseId::new(case).unwrap();
        Report {
            id, case, addendum_to, modality, statements, description, impression, advice, language, signed_at_ms, urgency,
            ..report
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_report_becomes_every_document(report in any_report(), is_chinese in any::<bool>(), words in any_text()) {
        let language = if is_chinese { Language::Zh } else { Language::En };
        let mut subject = made::patient();
        if let Who::Patient(identity) = &mut subject.who {
            identity.name = format!("{words}^x={words}");
            identity.id.clone_from(&words);
            identity.age.clone_from(&words);
            identity.birth_date.clone_from(&words);
        }
        subject.study.date.clone_from(&words);
        subject.study.time.clone_from(&words);
        subject.study.description.clone_from(&words);
        let jpeg = made::chest_of(64).unwrap();
        let mut sheet = made::sheet(&report, &subject, language);
        sheet.key_image = Some(made::key_image(&jpeg));
        let set = data_set(&structured_report(&sheet).unwrap().file);
        prop_assert!(!set.is_empty());
        let bundle = fhir_bundle(&sheet, None).unwrap();
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&bundle).is_ok());
        if let Some(fonts) = fonts() {
            let page = pdf(&sheet, fonts).unwrap();
            prop_assert!(page.bytes.starts_with(b"%PDF-1.7"));
            prop_assert!(encapsulated_pdf(&sheet, &page.bytes).is_ok());
        }
    }
}
