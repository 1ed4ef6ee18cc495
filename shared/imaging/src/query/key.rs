use std::collections::BTreeSet;

use super::Error;
use super::moment::{self, Kind, Range};
use super::name::NamePattern;
use super::pattern::Pattern;
use super::record::{Record, Value};
use crate::data_set::{Content, View, Vr};
use crate::tags::{self, Tag};

/// Characters of one value asked for; the longest text a key may hold has 64.
const LONGEST: usize = 1024;

/// One element of an identifier: what it demands, and that it is wanted in the answer.
pub(super) struct Key {
    pub(super) tag: Tag,
    pub(super) demand: Demand,
    /// Left out of the answer where the record has nothing; the others are then there without a value.
    pub(super) conditional: bool,
}

pub(super) enum Demand {
    /// Universal matching: nothing.
    Nothing,
    Uids(BTreeSet<String>),
    Texts(Vec<Pattern>),
    Names(Vec<NamePattern>),
    Numbers(Vec<String>),
    Moments(Kind, Range),
    /// Some item of the sequence answers to all of these.
    Items(Vec<Key>),
}

/// An identifier's keys.
pub(super) struct Keys {
    pub(super) keys: Vec<Key>,
    /// Keys were left out because they are not supported.
    pub(super) left_out: bool,
}

/// How a supported key is answered where there is nothing to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    Always,
    Conditional,
}

/// Takes the identifier's elements that `supports` knows, given the sequence they stand in.
pub(super) fn read(
    view: View<'_>,
    parent: Option<Tag>,
    supports: &dyn Fn(Option<Tag>, Tag) -> Option<Support>,
) -> Result<Keys, Error> {
    let mut keys = Vec::new();
    let mut left_out = false;
    for (tag, element) in view.data_set().iter() {
        if says_how(tag) {
            continue;
        }
        let Some(support) = supports(parent, tag) else {
            left_out = true;
            continue;
        };
        let demand = if let Content::Items(_) = element.content {
            let inner = match view.items(tag).next() {
                Some(item) => read(item, Some(tag), supports)?,
                None => Keys {
                    keys: Vec::new(),
                    left_out: false,
                },
            };
            left_out |= inner.left_out;
            Demand::Items(inner.keys)
        } else {
            demand(view, tag)?
        };
        keys.push(Key {
            tag,
            demand,
            conditional: support == Support::Conditional,
        });
    }
    Ok(Keys { keys, left_out })
}

/// Elements that say how to ask, and are no keys.
fn says_how(tag: Tag) -> bool {
    matches!(
        tag,
        tags::CHARACTER_SET
            | tags::UTC_OFFSET
            | tags::QUERY_LEVEL
            | tags::QUERY_VIEW
            | tags::RETRIEVE_AE
            | tags::INSTANCE_AVAILABILITY
            | tags::TRAILING_PADDING
    )
}

fn demand(view: View<'_>, tag: Tag) -> Result<Demand, Error> {
    let vr = Vr::of(tag);
    if vr == Vr::US {
        let number = view.u16(tag).map(|number| number.to_string());
        return Ok(number.map_or(Demand::Nothing, |number| Demand::Numbers(vec![number])));
    }
    let values: Vec<String> = view.strings(tag);
    let values: Vec<String> = values.into_iter().filter(|value| !value.is_empty()).collect();
    if values.iter().any(|value| LONGEST < value.len()) {
        return Err(Error::TooLong { tag });
    }
    if values.is_empty() || values.iter().any(|value| value.bytes().all(|byte| byte == b'*')) {
        return Ok(Demand::Nothing);
    }
    Ok(match vr {
        Vr::UI => Demand::Uids(values.into_iter().collect()),
        Vr::DA | Vr::TM => {
            let kind = if vr == Vr::DA { Kind::Date } else { Kind::Time };
            let [value] = values.as_slice() else {
                return Err(Error::Value { tag });
            };
            let range = moment::range(value, kind).ok_or(Error::Value { tag })?;
            Demand::Moments(kind, range)
        }
        Vr::PN => {
            let names: Vec<NamePattern> = values.iter().map(|value| NamePattern::new(value)).collect();
            if names.iter().any(NamePattern::is_universal) {
                return Ok(Demand::Nothing);
            }
            Demand::Names(names)
        }
        _ if vr.is_number_text() => Demand::Numbers(values),
        // Several values are any of them, as for UIDs: modalities are asked for so.
        _ => Demand::Texts(values.iter().map(|value| Pattern::new(value)).collect()),
    })
}

impl Key {
    /// `value` is the record's; of several values one is enough (PS3.4 section C.2.2.2).
    pub(super) fn matches(&self, value: Option<&Value>) -> bool {
        match (&self.demand, value) {
            (Demand::Nothing, _) => true,
            (Demand::Items(keys), value) => match value {
                _ if keys.iter().all(Self::demands_nothing) => true,
                Some(Value::Items(items)) => items.iter().any(|item| all_match(keys, item)),
                _ => false,
            },
            (_, Some(Value::Text(text))) => text.split('\\').any(|value| self.takes(value.trim())),
            (_, Some(Value::Items(_)) | None) => false,
        }
    }

    fn takes(&self, value: &str) -> bool {
        match &self.demand {
            Demand::Nothing => true,
            Demand::Uids(uids) => uids.contains(value),
            Demand::Texts(patterns) => patterns.iter().any(|pattern| pattern.matches(value)),
            Demand::Names(names) => names.iter().any(|name| name.matches(value)),
            Demand::Numbers(numbers) => numbers.iter().any(|number| same_number(number, value)),
            Demand::Moments(kind, range) => {
                moment::range(value, *kind).is_some_and(|value| range.meets(value))
            }
            Demand::Items(_) => false,
        }
    }

    pub(super) fn demands_nothing(&self) -> bool {
        match &self.demand {
            Demand::Nothing => true,
            Demand::Items(keys) => keys.iter().all(Self::demands_nothing),
            _ => false,
        }
    }
}

pub(super) fn all_match(keys: &[Key], record: &Record) -> bool {
    keys.iter().all(|key| key.matches(record.get(key.tag)))
}

/// `007` is `7`.
fn same_number(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.total_cmp(&other).is_eq(),
        _ => false,
    }
}
