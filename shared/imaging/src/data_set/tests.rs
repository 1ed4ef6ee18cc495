use proptest::prelude::*;

use super::*;
use crate::tags;

const IMPLICIT: &str = "1.2.840.10008.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const BIG: &str = "1.2.840.10008.1.2.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const ALL: [&str; 4] = [IMPLICIT, EXPLICIT, BIG, DEFLATED];

fn sample(coding: Coding) -> DataSet {
    let mut step = DataSet::default();
    step.put_code(tags::MODALITY, "CT");
    step.put_text(tags::STEP_DESCRIPTION, "头部平扫", coding);
    let mut set = DataSet::default();
    set.put_text(tags::PATIENT_NAME, "Zhang^San=张三^建国", coding);
    set.put_code(tags::STUDY_UID, "1.2.3");
    set.put_u16(tags::ROWS, 0x0102);
    set.put_items(tags::SCHEDULED_STEPS, vec![step, DataSet::default()]);
    set.put_empty(tags::ACCESSION);
    set.put_empty(tags::REFERENCED_STUDIES);
    set.declare(coding);
    set
}

#[test]
fn what_is_written_is_read_in_every_transfer_syntax() {
    for coding in [Coding::Utf8, Coding::Gb18030] {
        for syntax in ALL {
            let bytes = write(&sample(coding), syntax).unwrap();
            let set = read(&bytes, syntax, &Limits::default()).unwrap();
            assert!(set == sample(coding), "{syntax}");
            let view = set.view();
            assert_eq!(view.string(tags::PATIENT_NAME).unwrap(), "Zhang^San=张三^建国");
            assert_eq!(view.u16(tags::ROWS), Some(0x0102));
            let step = view.items(tags::SCHEDULED_STEPS).next().unwrap();
            assert_eq!(step.string(tags::STEP_DESCRIPTION).unwrap(), "头部平扫");
            assert_eq!(view.string(tags::ACCESSION), None);
        }
    }
}

#[test]
fn numbers_turn_round_in_big_endian() {
    let mut set = DataSet::default();
    set.put_u16(tags::ROWS, 0x0102);
    let bytes = write(&set, BIG).unwrap();
    assert_eq!(bytes, b"\x00\x28\x00\x10US\x00\x02\x01\x02");
}

#[test]
fn the_character_set_is_declared_where_it_is_needed() {
    assert_eq!(
        sample(Coding::Gb18030)
            .view()
            .string(tags::CHARACTER_SET)
            .unwrap(),
        "GB18030"
    );
    let mut plain = DataSet::default();
    plain.put_text(tags::PATIENT_NAME, "Zhang^San", Coding::Gb18030);
    plain.declare(Coding::Gb18030);
    assert!(plain.get(tags::CHARACTER_SET).is_none());
}

#[test]
fn the_answer_is_written_in_the_set_of_the_question() {
    for (declared, expected) in [
        ("GB18030", Coding::Gb18030),
        ("GBK", Coding::Gb18030),
        ("\\ISO 2022 IR 58", Coding::Gb18030),
        ("ISO_IR 192", Coding::Utf8),
        ("ISO_IR 100", Coding::Utf8),
        ("", Coding::Utf8),
    ] {
        let mut question = DataSet::default();
        question.put_code(tags::CHARACTER_SET, declared);
        assert_eq!(Coding::for_answer(&question), expected, "{declared}");
    }
}

#[test]
fn limits_hold() {
    let bytes = write(&sample(Coding::Utf8), EXPLICIT).unwrap();
    let limited = |bytes: &[u8], limits| read(bytes, EXPLICIT, &limits).unwrap_err();
    let all = Limits::default();
    let small = Limits { bytes: 20, ..all };
    assert!(matches!(limited(&bytes, small), Error::TooLarge { .. }));
    let few = Limits { elements: 5, ..all };
    assert!(matches!(limited(&bytes, few), Error::TooManyElements { .. }));
    let flat = Limits { depth: 0, ..all };
    assert!(matches!(limited(&bytes, flat), Error::TooDeep { .. }));
    assert!(matches!(
        limited(&bytes[..bytes.len() - 1], all),
        Error::Truncated { .. } | Error::Malformed { .. }
    ));
}

#[test]
fn a_deflated_bomb_stops_at_the_limit() {
    let mut set = DataSet::default();
    set.put(
        tags::PIXEL_DATA,
        Element {
            vr: Vr::UN,
            content: Content::Value(vec![0; 4 * 1024 * 1024]),
        },
    );
    let bytes = write(&set, DEFLATED).unwrap();
    assert!(bytes.len() < 16 * 1024);
    let limits = Limits {
        bytes: 64 * 1024,
        ..Limits::default()
    };
    assert!(read(&bytes, DEFLATED, &limits).is_err());
}

#[test]
fn fragments_and_unknown_sequences_are_read() {
    let mut bytes = b"\x09\x00\x10\x10UN\0\0\xFF\xFF\xFF\xFF".to_vec();
    bytes.extend(*b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF\x10\x00\x20\x00\x04\x00\x00\x00abcd");
    bytes.extend(*b"\xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0");
    bytes.extend(*b"\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0");
    bytes.extend(*b"\xFE\xFF\x00\xE0\x02\0\0\0ab\xFE\xFF\xDD\xE0\0\0\0\0");
    let set = read(&bytes, EXPLICIT, &Limits::default()).unwrap();
    let item = set.view().items(Tag(0x0009, 0x1010)).next().unwrap();
    assert_eq!(item.string(tags::PATIENT_ID).unwrap(), "abcd");
    let again = read(&write(&set, EXPLICIT).unwrap(), EXPLICIT, &Limits::default()).unwrap();
    assert!(again == set);
}

#[test]
fn identity_stays_out_of_debug() {
    let shown = format!("{:?} {:?}", sample(Coding::Utf8), sample(Coding::Utf8).view());
    assert!(!shown.contains("Zhang"), "{shown}");
}

fn any_tag() -> impl Strategy<Value = Tag> {
    prop::sample::select(vec![
        tags::PATIENT_NAME,
        tags::PATIENT_ID,
        tags::STUDY_UID,
        tags::STUDY_DATE,
        tags::ROWS,
        tags::RED_DATA,
        tags::STEP_DESCRIPTION,
        Tag(0x0009, 0x1001),
    ])
}

fn any_set() -> impl Strategy<Value = DataSet> {
    let value = (any_tag(), prop::collection::vec(any::<u8>(), 0..12)).prop_map(|(tag, mut value)| {
        value.truncate(value.len() & !1);
        let (vr, content) = (Vr::of(tag), Content::Value(value));
        (tag, Element { vr, content })
    });
    let flat = prop::collection::btree_map(any_tag(), value, 0..6).prop_map(|found| DataSet {
        elements: found.into_values().collect(),
    });
    flat.prop_recursive(4, 24, 4, |inner| {
        (inner.clone(), prop::collection::vec(inner, 0..4)).prop_map(|(mut set, items)| {
            set.put_items(tags::SCHEDULED_STEPS, items);
            set
        })
    })
}

proptest! {
    #[test]
    fn any_data_set_comes_back(set in any_set(), syntax in prop::sample::select(ALL.to_vec())) {
        let bytes = write(&set, syntax).unwrap();
        prop_assert_eq!(bytes.len() % 2, 0);
        prop_assert!(read(&bytes, syntax, &Limits::default()).unwrap() == set);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, syntax in prop::sample::select(ALL.to_vec())) {
        let _ = read(&bytes, syntax, &Limits::default());
    }

    #[test]
    fn changed_bytes_are_read_or_refused(
        changes in prop::collection::vec((0_usize..200, any::<u8>()), 1..6),
        syntax in prop::sample::select(ALL.to_vec()),
    ) {
        let mut bytes = write(&sample(Coding::Gb18030), syntax).unwrap();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if let Ok(set) = read(&bytes, syntax, &Limits::default()) {
            let _ = set.view().strings(tags::PATIENT_NAME);
            let _ = write(&set, EXPLICIT);
        }
    }
}

fn file(set: &DataSet) -> Vec<u8> {
    let mut file = vec![0; 128];
    file.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
    file.extend(write(set, EXPLICIT).unwrap());
    file
}

#[test]
fn attributes_are_read_without_the_pixels_and_within_their_own_bound() {
    let mut set = sample(Coding::Utf8);
    set.put_code(tags::SOP_CLASS, "1.2.840.10008.5.1.4.1.1.2");
    set.put_code(tags::SOP_INSTANCE, "1.2.3.4");
    let attributes = set.clone();
    let content = Content::Value(vec![7; 100_000]);
    set.put(tags::PIXEL_DATA, Element { vr: Vr::OW, content });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.dcm");
    std::fs::write(&path, file(&set)).unwrap();
    let header = crate::header::read_header(&path).unwrap();
    let within = |bytes| {
        let limits = Limits {
            bytes,
            ..Limits::default()
        };
        read_before_pixels(&path, &header, &limits)
    };
    // Pixels count for nothing, however many there are.
    assert!(within(2000).unwrap() == attributes);
    assert!(matches!(within(20), Err(Error::TooLarge { limit: 20 })));
}
