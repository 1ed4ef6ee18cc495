use std::path::Path;

use dicom_core::dictionary::DataDictionary as _;
use dicom_dictionary_std::StandardDataDictionary;
use proptest::prelude::*;

use super::*;
use crate::data_set::{Coding, Content, Element, Vr};
use crate::header::read_header;
use crate::tags::{self, Tag};

mod burned_in;
mod compressed;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
const US: &str = "1.2.840.10008.5.1.4.1.1.6.1";
const SC: &str = "1.2.840.10008.5.1.4.1.1.7";

/// Stands in every element of the data set under test; nothing else says it.
const MARKER: &str = "ZQXMARKER";
/// The same where only digits are allowed.
const MARKED_UID: &str = "1.2.99887766.5544332211";

/// Names that are certainly none of the input's.
pub(super) struct Names;

impl Pseudonyms for Names {
    fn uid(&self, uid: &str) -> String {
        let sum = uid.bytes().fold(7u64, |sum, byte| {
            sum.wrapping_mul(1_099_511_628_211) ^ u64::from(byte)
        });
        format!("2.25.{sum}")
    }

    fn patient(&self, identity: &str) -> String {
        let sum = identity
            .bytes()
            .fold(3u128, |sum, byte| sum.wrapping_mul(31) + u128::from(byte));
        format!("P{sum:032X}")
    }

    fn days(&self, _: &str) -> i64 {
        -100
    }
}

fn policy() -> Policy {
    Policy::care()
}

/// A picture of `class`, 64 by 64, of one 8-bit sample.
fn picture(class: &str, modality: &str) -> DataSet {
    let mut set = DataSet::default();
    set.put_code(tags::SOP_CLASS, class);
    set.put_code(tags::SOP_INSTANCE, "1.2.3.4");
    set.put_code(tags::STUDY_UID, "1.2.3");
    set.put_code(tags::SERIES_UID, "1.2.3.5");
    set.put_code(tags::MODALITY, modality);
    set.put_text(tags::PATIENT_NAME, "Zhang^San=张三", Coding::Utf8);
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
    set.put_code(tags::PHOTOMETRIC, "MONOCHROME2");
    put_pixels(&mut set, (0..64 * 64u32).map(|at| (at / 64 * 2) as u8).collect());
    set
}

fn put_pixels(set: &mut DataSet, bytes: Vec<u8>) {
    let content = Content::Value(bytes);
    set.put(tags::PIXEL_DATA, Element { vr: Vr::OB, content });
}

fn put_long(set: &mut DataSet, tag: Tag, value: u32) {
    let content = Content::Value(value.to_le_bytes().to_vec());
    set.put(tag, Element { vr: Vr::UL, content });
}

/// The file a scanner would have sent, with names in its preamble and meta information.
fn stored(set: &DataSet, syntax: &str, folder: &Path) -> std::path::PathBuf {
    let mut meta = DataSet::default();
    meta.put_code(tags::META_TRANSFER_SYNTAX, syntax);
    meta.put_code(tags::META_SOURCE_AE, MARKER);
    meta.put_code(Tag(0x0002, 0x0013), MARKER);
    meta.put_code(Tag(0x0002, 0x0100), MARKED_UID);
    let content = Content::Value(MARKER.as_bytes().to_vec());
    meta.put(Tag(0x0002, 0x0102), Element { vr: Vr::OB, content });
    let mut file = MARKER.as_bytes().to_vec();
    file.resize(128, 0);
    file.extend(b"DICM");
    file.extend(data_set::write(&meta, EXPLICIT).unwrap());
    file.extend(data_set::write(set, syntax).unwrap());
    let path = folder.join("stored.dcm");
    std::fs::write(&path, file).unwrap();
    path
}

fn deidentified(set: &DataSet, policy: &Policy) -> Result<Deidentified, Withheld> {
    deidentified_as(set, EXPLICIT, policy)
}

fn deidentified_as(set: &DataSet, syntax: &str, policy: &Policy) -> Result<Deidentified, Withheld> {
    let folder = tempfile::tempdir().unwrap();
    let path = stored(set, syntax, folder.path());
    let header = read_header(&path).unwrap();
    deidentify(&path, &header, &Names, policy)
}

/// The native pixels of what came out.
fn pixels_of(out: &Deidentified) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.dcm");
    std::fs::write(&path, &out.file).unwrap();
    let header = read_header(&path).unwrap();
    if out.transfer_syntax == EXPLICIT {
        let body = &out.file[header.data_set_offset() as usize..];
        let set = data_set::read(body, EXPLICIT, &Limits::default()).unwrap();
        return set.view().value(tags::PIXEL_DATA).unwrap().to_vec();
    }
    crate::pixels::decompress(&path, &header, 1 << 24).unwrap().bytes
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// A value that says the marker, in the form this value representation would be believed in.
pub(super) fn marked(tag: Tag, vr: Vr) -> Element {
    let text = match format!("{vr:?}").as_str() {
        "UI" => MARKED_UID.to_owned(),
        "SQ" => {
            let mut item = DataSet::default();
            item.put_text(tags::PATIENT_NAME, MARKER, Coding::Utf8);
            item.put_text(tags::CODE_VALUE, MARKER, Coding::Utf8);
            item.put_text(tags::CODING_SCHEME, "SCT", Coding::Utf8);
            item.put_text(tags::CODE_MEANING, MARKER, Coding::Utf8);
            item.put_text(Tag(0x0040, 0xA160), MARKER, Coding::Utf8);
            item.put_code(tags::REFERENCED_SOP_INSTANCE, MARKED_UID);
            let content = Content::Value(MARKER.repeat(4).into_bytes());
            item.put(Tag(0x0009, 0x1001), Element { vr: Vr::UN, content });
            let mut deep = DataSet::default();
            deep.put_text(tags::STUDY_DESCRIPTION, MARKER, Coding::Utf8);
            item.put_items(tags::REQUEST_ATTRIBUTES, vec![deep.clone()]);
            item.put_items(tags::SHARED_GROUPS, vec![deep]);
            return Element {
                vr: Vr::SQ,
                content: Content::Items(vec![item]),
            };
        }
        // A multiple of every word's length.
        _ => format!("{MARKER}{MARKER}{MARKER}{:04X}Z", tag.1),
    };
    Element {
        vr,
        content: Content::Value(text.into_bytes()),
    }
}

/// The groups of the standard that an object may have elements of.
const GROUPS: [u16; 55] = [
    0x0008, 0x0010, 0x0012, 0x0014, 0x0016, 0x0018, 0x0020, 0x0022, 0x0024, 0x0028, 0x0032, 0x0034, 0x0036,
    0x0038, 0x003A, 0x0040, 0x0042, 0x0044, 0x0046, 0x0048, 0x0050, 0x0052, 0x0054, 0x0060, 0x0062, 0x0064,
    0x0066, 0x0068, 0x006A, 0x0070, 0x0072, 0x0074, 0x0076, 0x0078, 0x0080, 0x0082, 0x0088, 0x0100, 0x0400,
    0x2000, 0x2010, 0x2020, 0x2030, 0x2040, 0x2050, 0x2100, 0x2200, 0x3002, 0x3006, 0x3008, 0x300A, 0x300C,
    0x3010, 0x4010, 0x5200,
];

/// Every element of the dictionary in them, by trying every number.
pub(super) static DICTIONARY: std::sync::LazyLock<Vec<Tag>> = std::sync::LazyLock::new(|| {
    let known = |tag: &Tag| {
        StandardDataDictionary
            .by_tag(dicom_core::Tag(tag.0, tag.1))
            .is_some()
    };
    let rest = [
        Tag(0x3004, 0x0001),
        Tag(0x300E, 0x0002),
        Tag(0x4000, 0x0010),
        Tag(0x4000, 0x4000),
        Tag(0x4008, 0x010B),
        Tag(0x4008, 0x0300),
        Tag(0xFFFA, 0xFFFA),
        Tag(0xFFFC, 0xFFFC),
    ];
    GROUPS
        .into_iter()
        .flat_map(|group| (1..=u16::MAX).map(move |element| Tag(group, element)))
        .chain(rest)
        .filter(known)
        .collect()
});

/// What an image cannot be without, and what says where its text is: these keep their right values.
fn is_needed(set: &DataSet, tag: Tag) -> bool {
    set.get(tag).is_some() && ![tags::PATIENT_NAME, tags::PATIENT_ID].contains(&tag)
}

#[test]
fn nothing_that_is_written_anywhere_leaves() {
    let mut set = picture(DX, "DX");
    set.put_code(tags::NUMBER_OF_FRAMES, "1");
    assert!(4000 < DICTIONARY.len(), "{}", DICTIONARY.len());
    for tag in DICTIONARY.iter().copied() {
        if !is_needed(&set, tag) {
            set.put(tag, marked(tag, Vr::of(tag)));
        }
    }
    // Private groups, curves and overlays, and what the dictionary does not know.
    for tag in [
        Tag(0x0009, 0x0010),
        Tag(0x0009, 0x1001),
        Tag(0x0029, 0x1010),
        Tag(0x7FE1, 0x1010),
        Tag(0x5000, 0x3000),
        Tag(0x5002, 0x2500),
        Tag(0x6000, 0x3000),
        Tag(0x6000, 0x0022),
        Tag(0x6002, 0x4000),
        Tag(0x0008, 0x9999),
        Tag(0x0028, 0xFFF0),
    ] {
        set.put(tag, marked(tag, Vr::UN));
    }
    set.put_code(tags::CHARACTER_SET, "ISO_IR 192");
    // What was converted may have text burned in: such a picture stays altogether.
    assert!(matches!(
        deidentified(&set, &policy()),
        Err(Withheld::BurnedInText)
    ));
    set.remove(tags::CONVERSION_TYPE);
    let out = deidentified(&set, &policy()).unwrap();
    assert!(!contains(&out.file, MARKER.as_bytes()), "a marker is left");
    assert!(!contains(&out.file, MARKED_UID.as_bytes()), "a UID is left");
    assert!(!contains(&out.file, b"99887766") && !contains(&out.file, "张三".as_bytes()));
    assert!(!contains(&out.file, b"4711") && !contains(&out.file, b"1.2.3.4"));
    let checked = check(&out.file).unwrap();
    assert_eq!(checked.study_uid, Names.uid("1.2.3"));
    let out = deidentified(&set, &Policy::research()).unwrap();
    assert!(!contains(&out.file, MARKER.as_bytes()) && !contains(&out.file, b"99887766"));
    check(&out.file).unwrap();
}

/// The same in one element at a time: nothing is saved by another element's fault.
#[test]
fn no_single_element_carries_a_marker_out() {
    let plain = picture(DX, "DX");
    for tag in DICTIONARY.iter().copied() {
        if is_needed(&plain, tag) {
            continue;
        }
        let mut set = plain.clone();
        set.remove(tags::PIXEL_DATA);
        set.put(tag, marked(tag, Vr::of(tag)));
        for policy in [policy(), Policy::research(), research_with_something()] {
            let clean = clean_attributes(&set, "id", &Names, &policy);
            let bytes = data_set::write(&clean, EXPLICIT).unwrap();
            let left = contains(&bytes, MARKER.as_bytes()) || contains(&bytes, b"99887766");
            assert!(!left, "{tag} {:?} carries its value out", Vr::of(tag));
            check_attributes(&clean).unwrap();
        }
    }
}

#[test]
fn the_patients_number_leaves_in_no_other_number_either() {
    let mut set = picture(DX, "DX");
    set.put_code(tags::PATIENT_ID, "123456");
    set.put_code(tags::SERIES_NUMBER, "123456");
    set.put_code(tags::INSTANCE_NUMBER, "7");
    let out = deidentified(&set, &policy()).unwrap();
    assert!(!contains(&out.file, b"123456"));
}

#[test]
fn text_in_chinese_character_sets_does_not_leave_either() {
    let mut set = picture(DX, "DX");
    for tag in [
        tags::PATIENT_NAME,
        tags::STUDY_DESCRIPTION,
        tags::PATIENT_COMMENTS,
    ] {
        set.put_text(tag, "张三胸部正位李四", Coding::Gb18030);
    }
    set.put_code(tags::CHARACTER_SET, "GB18030");
    let out = deidentified(&set, &policy()).unwrap();
    for name in ["张三", "李四"] {
        assert!(!contains(&out.file, name.as_bytes()));
        assert!(!contains(&out.file, &encoding_rs::GB18030.encode(name).0));
    }
    assert!(
        contains(&out.file, "胸部 正位".as_bytes()),
        "what says nothing of a person stays"
    );
}

#[test]
fn what_an_image_is_read_by_stays() {
    let mut set = picture(DX, "DX");
    set.put_code(tags::PATIENT_SEX, "F");
    set.put_code(tags::PATIENT_AGE, "045Y");
    set.put_code(tags::STUDY_DATE, "20240410");
    set.put_code(tags::BODY_PART, "CHEST");
    set.put_code(tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\ZHANG");
    set.put_code(Tag(0x0018, 0x1164), "0.15\\0.15");
    set.put_code(tags::WINDOW_CENTER, "128");
    let out = deidentified(&set, &policy()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.dcm");
    std::fs::write(&path, &out.file).unwrap();
    let header = read_header(&path).unwrap();
    let patient = header.patient();
    assert_eq!(
        (patient.sex.as_deref(), patient.age.as_deref()),
        (Some("F"), Some("045Y"))
    );
    assert_eq!(
        header.study_date().as_deref(),
        Some("20240101"),
        "100 days before"
    );
    assert_eq!(header.body_part().as_deref(), Some("CHEST"));
    assert!(contains(&out.file, b"ORIGINAL\\PRIMARY\\OTHER"));
    assert_eq!(header.study_uid().as_str(), Names.uid("1.2.3"));
    assert_eq!(patient.id.unwrap().value, Names.patient("id\x004711"));
    assert_eq!(pixels_of(&out), set.view().value(tags::PIXEL_DATA).unwrap());
    assert_eq!(out.pixels, Pixels::NotAtRisk);

    let strict = Policy {
        characteristics: Characteristics::Removed,
        dates: Dates::Kept,
        ..policy()
    };
    let out = deidentified(&set, &strict).unwrap();
    std::fs::write(&path, &out.file).unwrap();
    let header = read_header(&path).unwrap();
    assert_eq!(header.patient().age, None);
    assert_eq!(header.patient().sex, None);
    assert_eq!(header.study_date().as_deref(), Some("20240410"));
}

/// As much as a research policy can allow.
fn research_with_something() -> Policy {
    Policy {
        dates: Dates::Shifted,
        characteristics: Characteristics::SexAndAgeBand,
        ..Policy::research()
    }
}

#[test]
fn research_gets_no_word_no_date_and_of_the_patient_what_is_allowed() {
    let mut set = picture(DX, "DX");
    for (tag, value) in [
        (tags::PATIENT_SEX, "F"),
        (tags::PATIENT_AGE, "045Y"),
        (Tag(0x0010, 0x1030), "63.5"),
        (tags::STUDY_DATE, "20240410"),
        (tags::STUDY_TIME, "101500"),
        (Tag(0x0008, 0x002A), "20240410101500"),
        (Tag(0x0018, 0x9074), "20240410101500"),
        (tags::BODY_PART, "CHEST"),
        (tags::STUDY_DESCRIPTION, "CHEST PA"),
        (tags::MANUFACTURER, "CHEST"),
    ] {
        set.put_code(tag, value);
    }
    let cleaned = |policy: &Policy| {
        let out = deidentified(&set, policy).unwrap();
        check(&out.file).unwrap();
        let start = out.file.windows(4).position(|four| four == b"DICM").unwrap();
        let header = header::scan(std::io::Cursor::new(&out.file), out.file.len() as u64).unwrap();
        assert_eq!(start, 128);
        let body = &out.file[header.data_set_offset() as usize..];
        data_set::read(body, out.transfer_syntax, &Limits::default()).unwrap()
    };
    let strict = cleaned(&Policy::research());
    let said = |set: &DataSet, tag| set.view().string(tag).filter(|said| !said.is_empty());
    for tag in [
        tags::PATIENT_SEX,
        tags::PATIENT_AGE,
        Tag(0x0010, 0x1030),
        tags::STUDY_DATE,
        tags::STUDY_TIME,
        Tag(0x0008, 0x002A),
        tags::STUDY_DESCRIPTION,
        tags::MANUFACTURER,
    ] {
        assert_eq!(said(&strict, tag), None, "{tag}");
    }
    assert_eq!(said(&strict, tags::BODY_PART).as_deref(), Some("CHEST"));
    assert_eq!(
        said(&strict, Tag(0x0018, 0x9074)).as_deref(),
        Some("19000101000000")
    );
    assert_eq!(
        said(&strict, tags::LONGITUDINAL_MODIFIED).as_deref(),
        Some("REMOVED")
    );
    let some = cleaned(&research_with_something());
    assert_eq!(said(&some, tags::PATIENT_AGE).as_deref(), Some("040Y"));
    assert_eq!(said(&some, tags::PATIENT_SEX).as_deref(), Some("F"));
    assert_eq!(said(&some, Tag(0x0010, 0x1030)), None);
    assert_eq!(said(&some, tags::STUDY_DATE).as_deref(), Some("20240101"));
    assert_eq!(
        said(&some, tags::LONGITUDINAL_MODIFIED).as_deref(),
        Some("MODIFIED")
    );
    let codes = |set: &DataSet| -> Vec<String> {
        let items = set.view().items(tags::DEIDENTIFICATION_CODES);
        items.filter_map(|item| item.string(tags::CODE_VALUE)).collect()
    };
    assert_eq!(codes(&strict), ["113100"]);
    assert_eq!(codes(&some), ["113100", "113107", "113108"]);
    let mut head = picture("1.2.840.10008.5.1.4.1.1.2", "CT");
    head.put_code(tags::BODY_PART, "HEAD");
    assert!(matches!(
        deidentified(&head, &Policy::research()),
        Err(Withheld::Face)
    ));
}

#[test]
fn no_birth_leaves_by_whatever_policy_on_dates() {
    let mut born = DataSet::default();
    born.put_code(tags::PATIENT_BIRTH_DATE, "19700315");
    born.put_code(tags::PATIENT_BIRTH_TIME, "061742");
    let mut set = picture(DX, "DX");
    set.put_code(tags::PATIENT_BIRTH_DATE, "19700315");
    set.put_code(tags::PATIENT_BIRTH_TIME, "061742");
    set.put_code(tags::STUDY_DATE, "20240410");
    set.put_items(tags::REFERENCED_IMAGES, vec![born]);
    for (dates, studied) in [
        (Dates::Shifted, "20240101"),
        (Dates::Kept, "20240410"),
        (Dates::Removed, ""),
    ] {
        let policy = Policy { dates, ..policy() };
        let clean = clean_attributes(&set, "id", &Names, &policy);
        check_attributes(&clean).unwrap();
        let view = clean.view();
        assert_eq!(view.string(tags::STUDY_DATE).unwrap_or_default(), studied);
        assert_eq!(view.value(tags::PATIENT_BIRTH_DATE), Some(&[][..]), "Type 2");
        assert_eq!(view.value(tags::PATIENT_BIRTH_TIME), None);
        let bytes = data_set::write(&clean, EXPLICIT).unwrap();
        // 100 days before it too.
        for day in ["19700315", "19691205", "061742"] {
            assert!(!contains(&bytes, day.as_bytes()), "{day}");
        }
        for (tag, value) in [
            (tags::PATIENT_BIRTH_DATE, "19691205"),
            (tags::PATIENT_BIRTH_TIME, "061742"),
        ] {
            let mut filled = clean.clone();
            filled.put_code(tag, value);
            check_attributes(&filled).unwrap_err();
        }
    }
}

/// A scanner's maker that built UIDs of a patient's number below the standard's root.
#[test]
fn uids_that_only_begin_as_the_standards_do_are_replaced() {
    let pretended = "1.2.840.10008.19700315.4711";
    let palette = "1.2.840.10008.1.5.1";
    let mut set = picture(DX, "DX");
    set.put_code(tags::SERIES_UID, pretended);
    set.put_code(Tag(0x0020, 0x0052), "1.2.840.10008.1.4.1.1");
    let mut item = DataSet::default();
    item.put_code(tags::REFERENCED_SOP_CLASS, pretended);
    item.put_code(tags::REFERENCED_SOP_INSTANCE, palette);
    set.put_items(tags::REFERENCED_IMAGES, vec![item]);
    let out = deidentified(&set, &policy()).unwrap();
    assert!(!contains(&out.file, b"19700315"));
    assert!(contains(&out.file, Names.uid(pretended).as_bytes()));
    assert!(contains(&out.file, palette.as_bytes()) && contains(&out.file, b"1.2.840.10008.1.4.1.1"));
    check(&out.file).unwrap();
    let mut clean = clean_attributes(&set, "id", &Names, &policy());
    clean.put_code(tags::SERIES_UID, pretended);
    assert!(matches!(check_attributes(&clean), Err(Fault::Uid { .. })));
}

#[test]
fn reports_and_documents_stay() {
    for class in [
        "1.2.840.10008.5.1.4.1.1.88.33",
        "1.2.840.10008.5.1.4.1.1.104.1",
        "1.2.3.4",
    ] {
        let set = picture(class, "DX");
        assert!(
            matches!(deidentified(&set, &policy()), Err(Withheld::NotAnImage)),
            "{class}"
        );
    }
}

#[test]
fn bits_that_are_no_samples_and_bytes_behind_the_picture_are_gone() {
    let mut set = picture(DX, "DX");
    set.put_u16(tags::BITS_ALLOCATED, 16);
    set.put_u16(tags::BITS_STORED, 12);
    set.put_u16(tags::HIGH_BIT, 11);
    let samples: Vec<u16> = (0..64 * 64u16).map(|at| 0xA000 | (at / 4)).collect();
    let mut bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    bytes.extend(MARKER.as_bytes().repeat(2));
    let content = Content::Value(bytes);
    set.put(tags::PIXEL_DATA, Element { vr: Vr::OW, content });
    let out = deidentified(&set, &policy()).unwrap();
    assert_ne!(out.transfer_syntax, EXPLICIT, "a soft picture compresses");
    let wanted: Vec<u8> = samples
        .iter()
        .flat_map(|sample| (sample & 0x0FFF).to_le_bytes())
        .collect();
    assert_eq!(pixels_of(&out), wanted);
    assert!(!contains(&out.file, MARKER.as_bytes()));
}

#[test]
fn the_form_is_recognised_and_what_was_added_is_not() {
    let out = deidentified(&picture(DX, "DX"), &policy()).unwrap();
    check(&out.file).unwrap();
    let header = header::scan(std::io::Cursor::new(&out.file), out.file.len() as u64).unwrap();
    let start = header.data_set_offset() as usize;
    let limits = Limits::default();
    let set = data_set::read(&out.file[start..], out.transfer_syntax, &limits).unwrap();
    let changed = |change: &dyn Fn(&mut DataSet)| {
        let mut set = set.clone();
        change(&mut set);
        let mut file = out.file[..start].to_vec();
        file.extend(data_set::write(&set, out.transfer_syntax).unwrap());
        check(&file)
    };
    changed(&|_| {}).unwrap();
    assert!(matches!(
        changed(&|set| set.put_code(tags::IDENTITY_REMOVED, "NO")),
        Err(Fault::NotSaid)
    ));
    assert!(matches!(
        changed(&|set| set.put_code(tags::PATIENT_NAME, "Zhang^San")),
        Err(Fault::Identity)
    ));
    assert!(matches!(
        changed(&|set| set.put_code(tags::PATIENT_COMMENTS, "call")),
        Err(Fault::Left { .. })
    ));
    assert!(matches!(
        changed(&|set| set.put_code(tags::ACCESSION, "A1")),
        Err(Fault::Filled { .. })
    ));
    assert!(matches!(
        changed(&|set| set.put(Tag(0x0009, 0x0010), marked(Tag(0x0009, 0x0010), Vr::LO))),
        Err(Fault::Left { .. })
    ));
    let mut preamble = out.file.clone();
    preamble[5] = 1;
    assert!(matches!(check(&preamble), Err(Fault::Meta)));
    // A second patient's name behind the first, which a reader passes over.
    let mut doubled = out.file.clone();
    let name = b"\x10\x00\x10\x00PN\x04\x00LiSi";
    doubled.splice(start..start, name.iter().copied());
    assert!(check(&doubled).is_err());
}

proptest! {
    /// Whatever stands in a data set: cleaning does not panic, and what comes out has the form.
    #[test]
    fn any_data_set_comes_out_in_the_form(
        elements in proptest::collection::vec((any::<u16>(), any::<u16>(), any::<Vec<u8>>()), 0..40),
        known in proptest::collection::vec((0usize..5000, any::<Vec<u8>>()), 0..40),
        nested in proptest::collection::vec((0usize..5000, any::<Vec<u8>>()), 0..10),
    ) {
        let all = DICTIONARY.as_slice();
        let mut set = picture(DX, "DX");
        set.remove(tags::PIXEL_DATA);
        let put = |set: &mut DataSet, tag: Tag, bytes: Vec<u8>| {
            set.put(tag, Element { vr: Vr::of(tag), content: Content::Value(bytes) });
        };
        let mut item = DataSet::default();
        for (at, bytes) in nested {
            put(&mut item, all[at % all.len()], bytes);
        }
        for (group, element, bytes) in elements {
            put(&mut set, Tag(group, element), bytes);
        }
        for (at, bytes) in known {
            put(&mut set, all[at % all.len()], bytes);
        }
        set.put_items(tags::REFERENCED_IMAGES, vec![item]);
        for policy in [policy(), Policy::research(), research_with_something()] {
            let clean = clean_attributes(&set, "id", &Names, &policy);
            if let Err(fault) = check_attributes(&clean) {
                prop_assert!(false, "{fault}");
            }
        }
    }
}
