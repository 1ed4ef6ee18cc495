//! A data set's attributes, one after the other, sequences to their ends.

use super::annex_e::{self, Action};
use super::dates::{self, Shift};
use super::kept::{self, Rule};
use super::{Characteristics, Dates, Policy, Pseudonyms, registry, value, words};
use crate::data_set::{Coding, Content, DataSet, Element, View, Vr};
use crate::tags::{self, Tag};

/// What stands where the profile wants a text and there is none to give.
const DUMMY: &str = "REMOVED";

/// What stands for a value of Image Type that is not known.
const OTHER: &str = "OTHER";

const METHOD: &str = concat!("Barefoot ", env!("CARGO_PKG_VERSION"), " PS3.15 E.1");

/// PS3.16 CID 7050: what was done, as (0012,0064) says it.
const BASIC: (&str, &str) = ("113100", "Basic Application Confidentiality Profile");
pub(super) const CLEAN_PIXELS: (&str, &str) = ("113101", "Clean Pixel Data Option");
const CLEAN_DESCRIPTORS: (&str, &str) = ("113105", "Clean Descriptors Option");
const FULL_DATES: (&str, &str) = (
    "113106",
    "Retain Longitudinal Temporal Information Full Dates Option",
);
const MODIFIED_DATES: (&str, &str) = (
    "113107",
    "Retain Longitudinal Temporal Information Modified Dates Option",
);
const PATIENT: (&str, &str) = ("113108", "Retain Patient Characteristics Option");

/// What becomes of an attribute, whatever its value: by the tables and the policy alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Remove,
    Empty,
    Dummy,
    /// Stays, if its value has this shape.
    Keep(Rule),
}

pub(super) fn fate(tag: Tag, policy: &Policy) -> Fate {
    let row = annex_e::row(tag);
    let basic = match row.map(|row| row.basic) {
        Some(Action::Remove) | None => Fate::Remove,
        Some(Action::Empty) => Fate::Empty,
        Some(Action::Dummy) => Fate::Dummy,
        Some(Action::RemapUid) => Fate::Keep(Rule::Uid),
    };
    let is_date_or_time = Vr::of(tag).is_date_or_time();
    if policy.dates == Dates::Removed && is_date_or_time {
        return basic;
    }
    let rule = kept::rule(tag);
    if let Some(rule) = rule.filter(|_| row.is_some_and(|row| row.patient)) {
        return match (policy.characteristics, rule) {
            (Characteristics::Kept, _) => Fate::Keep(rule),
            (Characteristics::SexAndAgeBand, Rule::Age) => Fate::Keep(Rule::AgeBand),
            (Characteristics::SexAndAgeBand, Rule::Code(_)) => Fate::Keep(rule),
            (Characteristics::SexAndAgeBand | Characteristics::Removed, _) => basic,
        };
    }
    match rule {
        // The maker of a scanner stands in a Type 2 attribute: it stays, without a word.
        Some(Rule::Words) if !policy.descriptors && row.is_none() => Fate::Empty,
        Some(Rule::Words) if !policy.descriptors => basic,
        Some(rule) => Fate::Keep(rule),
        None if row.is_some_and(|row| row.temporal) && is_date_or_time => Fate::Keep(match Vr::of(tag) {
            Vr::DA => Rule::Date,
            Vr::TM => Rule::Time,
            _ => Rule::DateTime,
        }),
        None => basic,
    }
}

/// Present without a value in every image, whether or not the scanner wrote them: Type 2 of the patient and study modules.
pub(super) const TYPE_2: [Tag; 7] = [
    tags::STUDY_DATE,
    tags::ACCESSION,
    tags::REFERRING_PHYSICIAN,
    tags::PATIENT_BIRTH_DATE,
    tags::STUDY_ID,
    tags::PATIENT_SEX,
    tags::STUDY_TIME,
];

pub(super) fn clean(set: &DataSet, identity: &str, names: &dyn Pseudonyms, policy: &Policy) -> DataSet {
    let days = match policy.dates {
        Dates::Shifted => names.days(identity),
        Dates::Kept | Dates::Removed => 0,
    };
    let cleaning = Cleaning {
        // A shorter one is found among any image's numbers.
        patient_id: identity.strip_prefix("id\0").filter(|id| 4 <= id.len()),
        names,
        policy,
        shift: Shift { days },
    };
    let mut clean = cleaning.set(set.view());
    for tag in TYPE_2 {
        if clean.get(tag).is_none() {
            clean.put_empty(tag);
        }
    }
    let pseudonym = names.patient(identity);
    clean.put_code(tags::PATIENT_NAME, &pseudonym);
    clean.put_code(tags::PATIENT_ID, &pseudonym);
    say_what_was_done(&mut clean, policy);
    // Always, so that nobody has to guess; what is written is UTF-8.
    clean.put_code(tags::CHARACTER_SET, "ISO_IR 192");
    clean
}

fn say_what_was_done(clean: &mut DataSet, policy: &Policy) {
    clean.put_code(tags::IDENTITY_REMOVED, "YES");
    clean.put_code(tags::DEIDENTIFICATION_METHOD, METHOD);
    let (dates, longitudinal) = match policy.dates {
        Dates::Shifted => (Some(MODIFIED_DATES), "MODIFIED"),
        Dates::Kept => (Some(FULL_DATES), "UNMODIFIED"),
        Dates::Removed => (None, "REMOVED"),
    };
    clean.put_code(tags::LONGITUDINAL_MODIFIED, longitudinal);
    let mut done = vec![BASIC];
    done.extend(policy.descriptors.then_some(CLEAN_DESCRIPTORS));
    done.extend(dates);
    // Said also where less of it stays: whoever gets it must know that something does.
    done.extend((policy.characteristics != Characteristics::Removed).then_some(PATIENT));
    let items = done.into_iter().map(coded).collect();
    clean.put_items(tags::DEIDENTIFICATION_CODES, items);
}

/// A code of DCM as an item of a code sequence.
pub(super) fn coded((code, meaning): (&str, &str)) -> DataSet {
    let mut item = DataSet::default();
    item.put_code(tags::CODE_VALUE, code);
    item.put_code(tags::CODING_SCHEME, "DCM");
    item.put_code(tags::CODE_MEANING, meaning);
    item
}

struct Cleaning<'a> {
    /// A number that is the patient's is none of the image's, whatever field it stands in.
    patient_id: Option<&'a str>,
    names: &'a dyn Pseudonyms,
    policy: &'a Policy,
    shift: Shift,
}

impl Cleaning<'_> {
    fn set(&self, view: View<'_>) -> DataSet {
        let mut clean = DataSet::default();
        for (tag, element) in view.data_set().iter() {
            if let Some(element) = self.element(view, tag, element) {
                clean.put(tag, element);
            }
        }
        clean
    }

    fn element(&self, view: View<'_>, tag: Tag, element: &Element) -> Option<Element> {
        match fate(tag, self.policy) {
            Fate::Remove => None,
            Fate::Empty => empty(tag),
            Fate::Dummy => dummy(tag),
            Fate::Keep(rule) => self.kept(view, tag, element, rule),
        }
    }

    fn kept(&self, view: View<'_>, tag: Tag, element: &Element, rule: Rule) -> Option<Element> {
        // A value without its shape goes, its element stays: an image may not be one without it.
        let text = |most, one: &dyn Fn(&str) -> Option<String>| {
            let said = view.string(tag).unwrap_or_default();
            match value::each(&said, most, one) {
                Some(clean) => written(tag, &clean),
                None => empty(tag),
            }
        };
        match rule {
            Rule::Date => text(64, &|value| self.shift.date(value)),
            Rule::Time => text(64, &dates::time),
            Rule::DateTime => text(64, &|value| self.shift.date_time(value)),
            Rule::Age => text(1, &value::age),
            Rule::AgeBand => text(1, &value::age_band),
            Rule::Class => text(1, &value::class),
            Rule::Uid => text(64, &|one| value::uid(one).map(|uid| self.uid(uid))),
            // Its values have places: what stands in the third must stay the third.
            Rule::Code(list) if tag == tags::IMAGE_TYPE => text(16, &|one| {
                Some(value::code(one, list).unwrap_or_else(|| OTHER.to_owned()))
            }),
            Rule::Code(list) => text(16, &|one| value::code(one, list)),
            Rule::Orientation => text(2, &value::orientation),
            Rule::Number(most) if Vr::of(tag).is_number_text() => text(most, &|one| {
                value::number(one).filter(|number| Some(number.as_str()) != self.patient_id.map(str::trim))
            }),
            Rule::Number(most) => numbers(tag, element, most),
            Rule::Words => match words::cleaned(&view.string(tag).unwrap_or_default()) {
                Some(clean) => written(tag, &clean),
                None => empty(tag),
            },
            Rule::TagValue => {
                let bytes = bytes_of(element).filter(|bytes| value::are_kept_tags(bytes))?;
                Some(binary(Vr::of(tag), bytes))
            }
            Rule::Table => table(view, tag, element),
            Rule::Coded => self.codes(view, tag),
            Rule::Items => {
                let items = view.items(tag).map(|item| self.set(item)).collect();
                Some(sequence(items))
            }
            // Put back by `pixel_data`.
            Rule::Pixels => None,
        }
    }

    /// The standard's own stay: a class says nothing of anybody, and readers must know it.
    fn uid(&self, uid: &str) -> String {
        if registry::is_listed(uid) {
            return uid.to_owned();
        }
        self.names.uid(uid)
    }

    /// Coded concepts of public schemes, their free text replaced by the code itself; with what modifies them.
    fn codes(&self, view: View<'_>, tag: Tag) -> Option<Element> {
        let items: Vec<DataSet> = view
            .items(tag)
            .filter_map(|item| {
                let code = item.string(tags::CODE_VALUE)?;
                let scheme = item.string(tags::CODING_SCHEME)?;
                if !value::is_public_code(&scheme, &code) {
                    return None;
                }
                let mut clean = DataSet::default();
                clean.put_code(tags::CODE_VALUE, &code);
                clean.put_code(tags::CODING_SCHEME, &scheme);
                clean.put_code(tags::CODE_MEANING, &code);
                for (inner, _) in item.data_set().iter() {
                    if kept::rule(inner) == Some(Rule::Coded)
                        && let Some(modifiers) = self.codes(item, inner)
                    {
                        clean.put(inner, modifiers);
                    }
                }
                Some(clean)
            })
            .collect();
        (!items.is_empty()).then(|| sequence(items))
    }
}

fn numbers(tag: Tag, element: &Element, most: usize) -> Option<Element> {
    let bytes = bytes_of(element)?;
    // The dictionary's choice, but for numbers that are signed as the pixels are.
    let vr = match (Vr::of(tag), element.vr) {
        (Vr::US, Vr::SS) => Vr::SS,
        (vr, _) => vr,
    };
    value::are_numbers(vr, bytes, most).then(|| binary(vr, bytes))
}

/// The descriptor stands beside the table: three numbers.
fn table(view: View<'_>, tag: Tag, element: &Element) -> Option<Element> {
    let descriptor = match tag {
        tags::RED_DATA => tags::RED_DESCRIPTOR,
        tags::GREEN_DATA => tags::GREEN_DESCRIPTOR,
        tags::BLUE_DATA => tags::BLUE_DESCRIPTOR,
        tags::LUT_DATA => tags::LUT_DESCRIPTOR,
        _ => return None,
    };
    let (numbers, _) = view.value(descriptor)?.as_chunks::<2>();
    let [entries, first, bits] = numbers else {
        return None;
    };
    let descriptor = [entries, first, bits].map(|number| u16::from_le_bytes(*number));
    let bytes = bytes_of(element)?;
    value::is_table(bytes, descriptor, tag == tags::LUT_DATA).then(|| binary(Vr::OW, bytes))
}

fn bytes_of(element: &Element) -> Option<&[u8]> {
    match &element.content {
        Content::Value(bytes) => Some(bytes),
        Content::Items(_) | Content::Fragments(_) => None,
    }
}

fn binary(vr: Vr, bytes: &[u8]) -> Element {
    Element {
        vr,
        content: Content::Value(bytes.to_vec()),
    }
}

fn sequence(items: Vec<DataSet>) -> Element {
    Element {
        vr: Vr::SQ,
        content: Content::Items(items),
    }
}

/// The element, or none where its text came to nothing.
fn written(tag: Tag, text: &str) -> Option<Element> {
    let mut set = DataSet::default();
    set.put_text(tag, text, Coding::Utf8);
    set.remove(tag)
}

fn empty(tag: Tag) -> Option<Element> {
    let mut set = DataSet::default();
    set.put_empty(tag);
    set.remove(tag)
}

/// A value that is certainly none of the patient's. Where no text can be one, the attribute goes.
fn dummy(tag: Tag) -> Option<Element> {
    match Vr::of(tag) {
        vr if vr.is_prose() => written(tag, DUMMY),
        Vr::DA => written(tag, "19000101"),
        Vr::TM => written(tag, "000000"),
        Vr::DT => written(tag, "19000101000000"),
        _ => None,
    }
}
