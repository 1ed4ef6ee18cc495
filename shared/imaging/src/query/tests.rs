use proptest::prelude::*;

use super::*;
use crate::data_set::{Coding, DataSet, Vr};
use crate::tags;

fn record(values: &[(Tag, &str)]) -> Record {
    let mut record = Record::default();
    for (tag, text) in values {
        record.put(*tag, text);
    }
    record
}

fn request(level: &str, values: &[(Tag, &str)], coding: Coding) -> DataSet {
    let mut set = DataSet::default();
    set.put_code(tags::QUERY_LEVEL, level);
    for (tag, value) in values {
        set.put_text(*tag, value, coding);
    }
    set.declare(coding);
    set
}

fn study_find(values: &[(Tag, &str)], options: Options) -> Result<Find, Error> {
    let set = request("STUDY", values, Coding::Utf8);
    Find::read(Model::StudyRoot, &set, options)
}

fn check(tag: Tag, asked: &str, has: &str, expected: bool) {
    let find = study_find(&[(tag, asked)], Options::default()).unwrap();
    assert_eq!(
        find.matches(&[&record(&[(tag, has)])]),
        expected,
        "{tag}: {asked} of {has}"
    );
}

#[test]
fn values_match_as_the_standard_says() {
    for (tag, asked, has, expected) in [
        (tags::PATIENT_ID, "A1", "A1", true),
        (tags::PATIENT_ID, "a1", "A1", false),
        (tags::PATIENT_ID, "A?", "A1", true),
        (tags::PATIENT_ID, "A??", "A1", false),
        (tags::PATIENT_ID, "*1*", "A123", true),
        (tags::PATIENT_ID, "*2", "A123", false),
        (tags::PATIENT_ID, "", "A123", true),
        (tags::PATIENT_ID, "*", "", true),
        (tags::PATIENT_ID, "A", "", false),
        (tags::STUDY_UID, "1.2", "1.2", true),
        (tags::STUDY_UID, "1.2\\1.3", "1.3", true),
        (tags::STUDY_UID, "1.2", "1.23", false),
        (tags::MODALITIES_IN_STUDY, "CT", "DX\\CT", true),
        (tags::MODALITIES_IN_STUDY, "MR\\CT", "CT", true),
        (tags::MODALITIES_IN_STUDY, "MR", "DX\\CT", false),
        (tags::STUDY_INSTANCES, "007", "7", true),
    ] {
        check(tag, asked, has, expected);
    }
}

#[test]
fn dates_and_times_match_ranges() {
    for (tag, asked, has, expected) in [
        (tags::STUDY_DATE, "20260102", "20260102", true),
        (tags::STUDY_DATE, "20260102", "2026.01.02", true),
        (tags::STUDY_DATE, "20260101-20260131", "20260131", true),
        (tags::STUDY_DATE, "20260101-20260131", "20260201", false),
        (tags::STUDY_DATE, "-20260131", "19991231", true),
        (tags::STUDY_DATE, "20260101-", "20251231", false),
        (tags::STUDY_DATE, "20260101-", "nonsense", false),
        (tags::STUDY_TIME, "10", "105959.999", true),
        (tags::STUDY_TIME, "1000-1015", "101530", true),
        (tags::STUDY_TIME, "1000-1015", "101600", false),
        (tags::STUDY_TIME, "10:00:00-", "100000.5", true),
        (tags::STUDY_TIME, "-0959", "100000", false),
    ] {
        check(tag, asked, has, expected);
    }
    for wrong in ["2026", "20261301", "20260110-20260101", "-", "20260101-x", "*1"] {
        let found = study_find(&[(tags::STUDY_DATE, wrong)], Options::default());
        assert_eq!(
            found.unwrap_err(),
            Error::Value {
                tag: tags::STUDY_DATE
            },
            "{wrong}"
        );
    }
}

#[test]
fn a_date_and_a_time_are_one_range_where_that_was_agreed() {
    let asked = [
        (tags::STUDY_DATE, "20260101-20260102"),
        (tags::STUDY_TIME, "2200-0600"),
    ];
    let night = record(&[(tags::STUDY_DATE, "20260102"), (tags::STUDY_TIME, "0300")]);
    assert!(!study_find(&asked, Options::default()).unwrap().matches(&[&night]));
    let together = Options {
        combined_date_time: true,
    };
    assert!(study_find(&asked, together).unwrap().matches(&[&night]));
    let asked = [
        (tags::STUDY_DATE, "20260101-20260103"),
        (tags::STUDY_TIME, "1000-1200"),
    ];
    let apart = study_find(&asked, Options::default()).unwrap();
    let combined = Options {
        combined_date_time: true,
    };
    let together = study_find(&asked, combined).unwrap();
    for (date, time, in_both, in_one) in [
        ("20260102", "110000", true, true),
        ("20260102", "230000", false, true),
        ("20260101", "090000", false, false),
        ("20260103", "130000", false, false),
    ] {
        let record = record(&[(tags::STUDY_DATE, date), (tags::STUDY_TIME, time)]);
        assert_eq!(apart.matches(&[&record]), in_both, "{date} {time}");
        assert_eq!(together.matches(&[&record]), in_one, "{date} {time}");
    }
}

#[test]
fn names_match_by_any_group_without_case_or_width() {
    for (asked, has, expected) in [
        ("zhang^san", "Zhang^San=张三", true),
        ("ZHANG*", "Zhang^San=张三", true),
        ("Zhang", "Zhang^San", false),
        ("Zhang^San^^", "Zhang^San", true),
        ("张三", "Zhang^San=张三", true),
        ("张三", "Zhang^San=张^三", true),
        ("张^三", "张三", true),
        ("=张*", "张三", true),
        ("张?", "Zhang^San=张三", true),
        ("?三", "李三", true),
        ("李*", "Zhang^San=张三", false),
        ("Zhang*=张*", "Zhang^San=张三", true),
        ("Li*=张*", "Zhang^San=张三", false),
        ("Ｚｈａｎｇ*", "ZHANG^SAN", true),
        ("zhangsan", "Zhang^San", false),
        ("*=*", "", true),
    ] {
        check(tags::PATIENT_NAME, asked, has, expected);
    }
}

#[test]
fn a_name_asked_in_gb18030_is_found_and_answered_in_it() {
    let file = record(&[(tags::PATIENT_NAME, "张三^建国"), (tags::STUDY_UID, "1.2")]);
    for coding in [Coding::Gb18030, Coding::Utf8] {
        let keys = [(tags::PATIENT_NAME, "张三*"), (tags::STUDY_UID, "")];
        let find = Find::read(
            Model::StudyRoot,
            &request("STUDY", &keys, coding),
            Options::default(),
        )
        .unwrap();
        assert!(find.matches(&[&file]));
        let answer = find.answer(&[&file], "BAREFOOT");
        assert_eq!(Coding::for_answer(&answer), coding);
        assert_eq!(answer.view().string(tags::PATIENT_NAME).unwrap(), "张三^建国");
        assert_eq!(answer.view().string(tags::RETRIEVE_AE).unwrap(), "BAREFOOT");
    }
}

#[test]
fn an_answer_holds_what_was_asked_for_and_no_more() {
    let keys = [
        (tags::PATIENT_NAME, ""),
        (tags::ACCESSION, ""),
        (tags::INSTANCE_AVAILABILITY, ""),
        (tags::ALLERGIES, ""),
    ];
    let find = study_find(&keys, Options::default()).unwrap();
    assert_eq!(find.pending_status(), 0xFF01, "allergies are not kept");
    let study = record(&[(tags::PATIENT_NAME, "Li^Si"), (tags::PATIENT_ID, "7")]);
    let answer = find.answer(&[&study], "BAREFOOT");
    let tags: Vec<Tag> = answer.iter().map(|(tag, _)| tag).collect();
    assert_eq!(
        tags,
        [
            tags::ACCESSION,
            tags::QUERY_LEVEL,
            tags::RETRIEVE_AE,
            tags::INSTANCE_AVAILABILITY,
            tags::PATIENT_NAME
        ]
    );
    assert_eq!(answer.view().value(tags::ACCESSION), Some(&[][..]));
}

#[test]
fn levels_demand_the_keys_above_them() {
    let find = |model, level, values: &[(Tag, &str)]| {
        Find::read(model, &request(level, values, Coding::Utf8), Options::default()).map(|find| find.level())
    };
    let (study, series) = ((tags::STUDY_UID, "1.2"), (tags::SERIES_UID, "1.3"));
    let unique = |tag| Err(Error::Unique { tag });
    assert_eq!(find(Model::StudyRoot, "SERIES", &[study]), Ok(Level::Series));
    assert_eq!(
        find(Model::StudyRoot, "SERIES", &[series]),
        unique(tags::STUDY_UID)
    );
    assert_eq!(
        find(Model::StudyRoot, "IMAGE", &[study, (tags::SERIES_UID, "1\\2")]),
        unique(tags::SERIES_UID)
    );
    assert_eq!(find(Model::StudyRoot, "PATIENT", &[]), Err(Error::Level));
    assert_eq!(find(Model::StudyRoot, "", &[]), Err(Error::Level));
    assert_eq!(
        find(Model::PatientRoot, "STUDY", &[(tags::PATIENT_ID, "A*")]),
        unique(tags::PATIENT_ID)
    );
    assert_eq!(
        find(Model::PatientRoot, "STUDY", &[(tags::PATIENT_ID, "A")]),
        Ok(Level::Study)
    );
    assert_eq!(find(Model::PatientRoot, "PATIENT", &[]), Ok(Level::Patient));
}

#[test]
fn a_retrieve_names_what_it_wants() {
    let read = |level, values: &[(Tag, &str)]| {
        Retrieve::read(Model::StudyRoot, &request(level, values, Coding::Utf8))
    };
    let all = read("STUDY", &[(tags::STUDY_UID, "1.2\\1.3")]).unwrap();
    assert!(all.takes(Level::Study, "1.3") && !all.takes(Level::Study, "1.4"));
    assert!(all.takes(Level::Series, "anything"));
    assert!(read("STUDY", &[]).is_err());
    assert!(read("STUDY", &[(tags::STUDY_UID, "*")]).is_err());
    assert!(read("SERIES", &[(tags::STUDY_UID, "1\\2"), (tags::SERIES_UID, "3")]).is_err());
    assert!(read("SERIES", &[(tags::STUDY_UID, "1"), (tags::SERIES_UID, "3\\4")]).is_ok());
}

fn order() -> Record {
    let mut step = record(&[
        (tags::STATION_AE, "CT1"),
        (tags::STEP_START_DATE, "20260102"),
        (tags::STEP_START_TIME, "0930"),
        (tags::MODALITY, "CT"),
        (tags::STEP_DESCRIPTION, "头部平扫"),
    ]);
    let code = record(&[(tags::CODE_VALUE, "C1"), (tags::CODING_SCHEME, "99BF")]);
    step.put_items(tags::STEP_PROTOCOL_CODES, vec![code]);
    let mut order = record(&[
        (tags::PATIENT_NAME, "Zhang^San=张三"),
        (tags::PATIENT_ID, "7"),
        (tags::REQUESTED_PROCEDURE_ID, "R1"),
    ]);
    order.put_items(tags::SCHEDULED_STEPS, vec![step]);
    order
}

fn worklist(step: Option<&[(Tag, &str)]>, top: &[(Tag, &str)]) -> WorklistFind {
    let mut set = DataSet::default();
    for (tag, value) in top {
        set.put_text(*tag, value, Coding::Gb18030);
    }
    if let Some(values) = step {
        let mut item = DataSet::default();
        for (tag, value) in values {
            item.put_text(*tag, value, Coding::Gb18030);
        }
        set.put_items(tags::SCHEDULED_STEPS, vec![item]);
    }
    set.declare(Coding::Gb18030);
    WorklistFind::read(&set).unwrap()
}

#[test]
fn a_worklist_is_searched_inside_its_steps() {
    for (step, top, expected) in [
        (&[(tags::MODALITY, "CT")][..], &[][..], true),
        (&[(tags::MODALITY, "MR")], &[], false),
        (
            &[
                (tags::STATION_AE, "CT1"),
                (tags::STEP_START_DATE, "20260101-20260103"),
            ],
            &[],
            true,
        ),
        (&[(tags::STEP_START_DATE, "20260103")], &[], false),
        (&[(tags::MODALITY, "CT")], &[(tags::PATIENT_NAME, "张*")], true),
        (&[(tags::MODALITY, "CT")], &[(tags::PATIENT_NAME, "李*")], false),
        (&[], &[(tags::REQUESTED_PROCEDURE_ID, "R1")], true),
    ] {
        assert_eq!(worklist(Some(step), top).matches(&order()), expected, "{step:?}");
    }
}

#[test]
fn a_worklist_answers_with_the_keys_of_its_items() {
    let find = worklist(
        Some(&[
            (tags::MODALITY, ""),
            (tags::PREMEDICATION, ""),
            (tags::STEP_LOCATION, ""),
        ]),
        &[(tags::PATIENT_NAME, ""), (tags::ADMISSION_ID, "")],
    );
    let answer = find.answer(&order());
    let step = answer.view().items(tags::SCHEDULED_STEPS).next().unwrap();
    let tags: Vec<Tag> = step.data_set().iter().map(|(tag, _)| tag).collect();
    assert_eq!(tags, [tags::MODALITY, tags::STEP_LOCATION]);
    assert_eq!(answer.view().value(tags::ADMISSION_ID), Some(&[][..]));
    // Asked for as a whole: everything.
    let answer = worklist(Some(&[]), &[]).answer(&order());
    let step = answer.view().items(tags::SCHEDULED_STEPS).next().unwrap();
    assert_eq!(step.string(tags::STEP_DESCRIPTION).unwrap(), "头部平扫");
    assert_eq!(step.items(tags::STEP_PROTOCOL_CODES).count(), 1);
}

#[test]
fn the_tables_name_each_attribute_once_and_as_what_it_is() {
    let mut seen = std::collections::BTreeSet::new();
    for row in attributes() {
        assert!(seen.insert(row.tag), "{}", row.tag);
        assert!(
            Vr::of(row.tag) != Vr::UN && Vr::of(row.tag) != Vr::SQ,
            "{}",
            row.tag
        );
    }
    let mut seen = std::collections::BTreeSet::new();
    for row in worklist_attributes() {
        assert!(seen.insert((row.parent, row.tag)), "{}", row.tag);
        assert!(Vr::of(row.tag) != Vr::UN, "{}", row.tag);
        if let Some(parent) = row.parent {
            assert_eq!(Vr::of(parent), Vr::SQ, "{parent}");
        }
    }
}

/// The obvious way, exponential in the number of stars.
fn glob(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        Some((wanted, rest)) => text
            .split_first()
            .is_some_and(|(first, left)| (*wanted == '?' || wanted == first) && glob(rest, left)),
    }
}

proptest! {
    #[test]
    fn wild_cards_match_as_the_obvious_way_does(pattern in "[ab?*]{0,8}", text in "[ab]{0,10}") {
        let (wanted, characters): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        prop_assert_eq!(pattern::Pattern::new(&pattern).matches(&text), glob(&wanted, &characters));
    }

    #[test]
    fn a_name_is_found_by_itself_and_by_its_beginning(name in "[A-Za-z张三李四^= ]{1,20}") {
        prop_assert!(name::NamePattern::new(&name).matches(&name));
        let begin = name.split('=').next().unwrap_or_default().split('^').next().unwrap_or_default().to_owned();
        let begin = name::NamePattern::new(&format!("{}*", begin.trim()));
        prop_assert!(begin.is_universal() || begin.matches(&name));
    }

    #[test]
    fn a_day_lies_in_the_ranges_around_it(day in 1_u64..=28, month in 1_u64..=12, year in 1900_u64..2100) {
        let text = format!("{year:04}{month:02}{day:02}");
        let day = moment::date(&text).unwrap();
        for range in [format!("{text}-"), format!("-{text}"), format!("{text}-{text}")] {
            prop_assert!(moment::range(&range, moment::Kind::Date).unwrap().meets(day));
        }
    }

    #[test]
    fn any_request_is_read_or_refused(bytes: Vec<u8>, tag in prop::sample::select(vec![
        tags::STUDY_DATE, tags::STUDY_TIME, tags::PATIENT_NAME, tags::STUDY_UID, tags::STUDY_INSTANCES,
    ])) {
        let mut set = request("STUDY", &[], Coding::Utf8);
        set.put(tag, crate::data_set::Element {
            vr: Vr::of(tag),
            content: crate::data_set::Content::Value(bytes),
        });
        if let Ok(find) = Find::read(Model::StudyRoot, &set, Options::default()) {
            let study = record(&[(tag, "20260101")]);
            let _ = find.matches(&[&study]);
        }
    }
}
