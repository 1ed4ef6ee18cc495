//! Matching keys against workitems (PS3.18 section 11.9, PS3.4 section C.2.2.2). Pure.

use serde_json::{Map, Value};

use super::attributes::{Attributes, first, items, values};
use super::requirements::STATE;
use super::state::State;
use super::workitems::Workitem;

/// Keys by keyword, each the path to its element; the last tells how it is compared.
const KEYS: &[(&str, &[&str], Kind)] = &[
    ("SOPInstanceUID", &["00080018"], Kind::Uid),
    ("ProcedureStepState", &["00741000"], Kind::Code),
    ("ScheduledProcedureStepPriority", &["00741200"], Kind::Code),
    ("ProcedureStepLabel", &["00741204"], Kind::Text),
    ("WorklistLabel", &["00741202"], Kind::Text),
    ("InputReadinessState", &["00404041"], Kind::Code),
    (
        "ScheduledProcedureStepStartDateTime",
        &["00404005"],
        Kind::DateTime,
    ),
    ("ExpectedCompletionDateTime", &["00404011"], Kind::DateTime),
    (
        "ScheduledProcedureStepModificationDateTime",
        &["00404010"],
        Kind::DateTime,
    ),
    ("PatientID", &["00100020"], Kind::Text),
    ("PatientName", &["00100010"], Kind::Text),
    ("StudyInstanceUID", &["0020000D"], Kind::Uid),
    (
        "ScheduledStationNameCodeSequence",
        &["00404025", "00080100"],
        Kind::Code,
    ),
    (
        "ScheduledStationNameCodeSequence.CodeValue",
        &["00404025", "00080100"],
        Kind::Code,
    ),
    (
        "ScheduledStationClassCodeSequence.CodeValue",
        &["00404026", "00080100"],
        Kind::Code,
    ),
    (
        "ScheduledWorkitemCodeSequence.CodeValue",
        &["00404018", "00080100"],
        Kind::Code,
    ),
    (
        "ReferencedRequestSequence.StudyInstanceUID",
        &["0040A370", "0020000D"],
        Kind::Uid,
    ),
    (
        "InputInformationSequence.StudyInstanceUID",
        &["00404021", "0020000D"],
        Kind::Uid,
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Uid,
    Code,
    Text,
    DateTime,
}

/// Answers at once.
const MOST: usize = 1_000;

/// A search for workitems.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Search {
    keys: Vec<Key>,
    /// `None`: all of them.
    fields: Option<Vec<String>>,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    pub(crate) accept: Option<String>,
    pub(crate) fuzzy: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Key {
    path: &'static [&'static str],
    kind: Kind,
    values: Vec<String>,
}

impl Search {
    /// The parameters of an address, or the keys of a filter. The error names the parameter.
    pub(crate) fn parse<'a>(parameters: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let mut search = Self {
            keys: Vec::new(),
            fields: None,
            limit: MOST,
            offset: 0,
            accept: None,
            fuzzy: false,
        };
        for (name, value) in parameters {
            let number = || value.parse::<usize>().map_err(|_| format!("{name} is no number"));
            match name {
                "limit" => search.limit = number()?.min(MOST),
                "offset" => search.offset = number()?,
                "fuzzymatching" => search.fuzzy = value == "true",
                "accept" => search.accept = Some(value.to_owned()),
                "charset" => {}
                "includefield" if value == "all" => search.fields = None,
                "includefield" => {
                    let wanted = value.split(',').map(|field| tag_of(field.trim()));
                    search.fields.get_or_insert_default().extend(wanted.flatten());
                }
                _ => search.keys.extend(key(name, value)?),
            }
        }
        Ok(search)
    }

    pub(crate) fn matches(&self, workitem: &Workitem) -> bool {
        self.matches_attributes(&workitem.shown())
    }

    pub(crate) fn matches_attributes(&self, attributes: &Attributes) -> bool {
        self.keys.iter().all(|key| key.matches(attributes.object()))
    }

    /// The states that can match: what a store needs to read.
    pub(crate) fn states(&self) -> Vec<State> {
        let mut states = State::ALL.to_vec();
        for key in self.keys.iter().filter(|key| key.path == [STATE]) {
            states.retain(|state| {
                key.values
                    .iter()
                    .any(|wanted| State::named(wanted) == Some(*state))
            });
        }
        states
    }

    /// What of a workitem is answered.
    pub(crate) fn shown(&self, workitem: &Workitem) -> Value {
        let shown = workitem.shown().into_value();
        match (&self.fields, shown) {
            (Some(fields), Value::Object(mut object)) => {
                object.retain(|tag, _| {
                    let always = ALWAYS.contains(&tag.as_str());
                    always
                        || fields.contains(tag)
                        || self
                            .keys
                            .iter()
                            .any(|key| key.path.first() == Some(&tag.as_str()))
                });
                Value::Object(object)
            }
            (_, shown) => shown,
        }
    }
}

/// Answered whatever is asked for.
const ALWAYS: [&str; 9] = [
    "00080016", "00080018", "00741000", "00741200", "00741204", "00404005", "00404041", "00100010",
    "00100020",
];

fn tag_of(field: &str) -> Option<String> {
    let digits = field.len() == 8 && field.bytes().all(|b| b.is_ascii_hexdigit());
    if digits {
        return Some(field.to_ascii_uppercase());
    }
    let found = KEYS.iter().find(|(keyword, _, _)| *keyword == field)?;
    found.1.first().map(|tag| (*tag).to_owned())
}

/// `None` for what matches everything.
fn key(name: &str, value: &str) -> Result<Option<Key>, String> {
    let by_tags = |path: &[&str]| name.split('.').eq(path.iter().copied());
    let found = KEYS
        .iter()
        .find(|(keyword, path, _)| *keyword == name || by_tags(path));
    let Some((_, path, kind)) = found else {
        let shown: String = name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
            .take(64)
            .collect();
        return Err(format!("nothing can be matched by this parameter: {shown}"));
    };
    let value = value.trim();
    if value.is_empty() || value == "*" {
        return Ok(None);
    }
    let values: Vec<String> = match kind {
        Kind::Uid | Kind::Code => value
            .split([',', '\\'])
            .map(|one| one.trim().to_owned())
            .collect(),
        Kind::Text | Kind::DateTime => vec![value.to_owned()],
    };
    if 500 < values.len() || 64 * 1024 < value.len() {
        return Err(format!("{name} has too many values"));
    }
    Ok(Some(Key {
        path,
        kind: *kind,
        values,
    }))
}

impl Key {
    fn matches(&self, object: &Map<String, Value>) -> bool {
        match self.path {
            [tag] => self.matches_element(object, tag),
            [sequence, tag] => items(object, sequence).any(|item| self.matches_element(item, tag)),
            _ => false,
        }
    }

    fn matches_element(&self, object: &Map<String, Value>, tag: &str) -> bool {
        if self.kind == Kind::DateTime {
            return first(object, tag)
                .is_some_and(|found| self.values.iter().any(|wanted| within(found, wanted)));
        }
        let found = values(object, tag);
        let texts = found.iter().filter_map(|value| {
            value
                .as_str()
                .or_else(|| value.get("Alphabetic").and_then(Value::as_str))
        });
        texts.into_iter().any(|text| {
            self.values.iter().any(|wanted| match self.kind {
                Kind::Uid => text == wanted,
                _ => fits(wanted, text),
            })
        })
    }
}

/// DICOM's wildcards, without regard to case.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (
        pattern.to_lowercase().chars().collect(),
        text.to_lowercase().chars().collect(),
    );
    let (mut at, mut from) = (0, 0);
    // The last star, and where in the text it began.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(letter) if *letter == '?' || text.get(from) == Some(letter) => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((place, begun)) => {
                    at = place + 1;
                    from = begun + 1;
                    star = Some((place, begun + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|letter| *letter == '*')
}

/// `20260101`, `20260101-20260102`, `-2026`, `2026010108-`: the shorter one stands for all it may mean.
fn within(found: &str, wanted: &str) -> bool {
    // Beyond the digits an offset from UTC may follow; it is not reckoned with.
    let digits = |text: &str| -> String { text.chars().take_while(char::is_ascii_digit).collect() };
    let found = digits(found);
    let after = |from: &str| found.get(..from.len()).unwrap_or(&found) >= from;
    let before = |to: &str| found.get(..to.len()).unwrap_or(&found) <= to;
    match wanted.split_once('-') {
        None => {
            let wanted = digits(wanted);
            !wanted.is_empty() && found.starts_with(&wanted)
        }
        Some((from, to)) => {
            let (from, to) = (digits(from.trim()), digits(to.trim()));
            (from.is_empty() || after(&from))
                && (to.is_empty() || before(&to))
                && !(from.is_empty() && to.is_empty())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &[(&str, &str)]) -> Result<Search, String> {
        Search::parse(text.iter().copied())
    }

    #[test]
    fn keys_match_at_the_top_and_in_items() {
        let mut set = Attributes::default();
        set.put(STATE, "CS", "SCHEDULED");
        set.put("00741204", "LO", "Read chest");
        set.put("00404005", "DT", "20260102083000+0800");
        let mut code = Attributes::default();
        code.put("00080100", "SH", "110005");
        set.put_items("00404018", vec![code.into_value()]);
        let yes = |text: &[(&str, &str)]| of(text).unwrap().matches_attributes(&set);
        for key in [
            ("ProcedureStepState", "SCHEDULED"),
            ("00741000", "COMPLETED,SCHEDULED"),
            ("ProcedureStepLabel", "read*"),
            ("ScheduledProcedureStepStartDateTime", "20260101-20260102"),
            ("00404005", "20260102"),
            ("00404005", "2026010208-"),
            ("00404018.00080100", "110005"),
            ("ScheduledWorkitemCodeSequence.CodeValue", "110005"),
            ("PatientID", ""),
        ] {
            assert!(yes(&[key]), "{key:?}");
        }
        for key in [
            ("ProcedureStepState", "COMPLETED"),
            ("ProcedureStepLabel", "read"),
            ("00404005", "20260103-"),
            ("00404005", "-20260101"),
            ("PatientID", "P1"),
            ("00404018.00080100", "1"),
        ] {
            assert!(!yes(&[key]), "{key:?}");
        }
        assert!(
            of(&[("PatientBirthDate", "19700101")])
                .unwrap_err()
                .contains("PatientBirthDate")
        );
        let states = of(&[("ProcedureStepState", "SCHEDULED,IN PROGRESS")])
            .unwrap()
            .states();
        assert_eq!(states, [State::Scheduled, State::InProgress]);
    }

    #[test]
    fn wildcards_are_stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("**", "", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_found_by_a_part_of_itself(text in "[a-cA-C]{0,12}", from in 0..12_usize, to in 0..12_usize) {
            let (from, to) = (from.min(text.len()), to.min(text.len()));
            let part = text.get(from..to).unwrap_or_default();
            let pattern = format!("*{part}*");
            prop_assert!(fits(&pattern, &text));
            prop_assert!(fits(&text, &text));
            let (longer, mask) = (format!("{text}x"), "?".repeat(text.len()));
            prop_assert!(!fits(&longer, &text));
            prop_assert!(fits(&mask, &text));
        }
    }
}
