use std::collections::BTreeSet;

use super::Error;
use super::answer::requested;
use super::key::{self, Demand, Key, Support};
use super::levels::{Level, Model, attributes};
use super::moment::{self, Kind, Range};
use super::pattern::Pattern;
use super::record::{Record, Value};
use crate::data_set::{Coding, DataSet};
use crate::tags::{self, Tag};

/// What was agreed for the association (PS3.4 section C.5.1.1).
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// A range of dates and one of times are one range of moments.
    pub combined_date_time: bool,
}

/// A C-FIND request of a Query/Retrieve model.
pub struct Find {
    level: Level,
    keys: Vec<Key>,
    moments: Vec<Moments>,
    left_out: bool,
    asks_availability: bool,
    coding: Coding,
}

/// A date and a time asked for together.
pub(super) struct Moments {
    date: Tag,
    time: Tag,
    range: Range,
}

/// Dates and the times that go with them.
const PAIRS: &[(Tag, Tag)] = &[
    (tags::STUDY_DATE, tags::STUDY_TIME),
    (tags::SERIES_DATE, tags::SERIES_TIME),
    (tags::ACQUISITION_DATE, tags::ACQUISITION_TIME),
    (tags::CONTENT_DATE, tags::CONTENT_TIME),
    (tags::PERFORMED_START_DATE, tags::PERFORMED_START_TIME),
];

impl std::fmt::Debug for Find {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Find")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl Find {
    /// # Errors
    /// When the level is not one of the model's, a unique key above it is missing, or a value cannot be searched for.
    pub fn read(model: Model, request: &DataSet, options: Options) -> Result<Self, Error> {
        let level = level_of(model, request)?;
        let supports = |parent: Option<Tag>, tag: Tag| {
            let known = attributes().iter().any(|row| {
                // Attributes of the levels above are answered too: the search knows them.
                row.tag == tag && row.level <= level && counts_at(model, level, tag)
            });
            (parent.is_none() && known).then_some(Support::Always)
        };
        let mut keys = key::read(request.view(), None, &supports)?;
        for above in levels_above(model, level) {
            let tag = above.unique_key();
            let asked = keys.keys.iter().find(|key| key.tag == tag);
            if asked.is_none_or(|key| !is_one(&key.demand)) {
                return Err(Error::Unique { tag });
            }
        }
        let moments = if options.combined_date_time {
            combine(&mut keys.keys)
        } else {
            Vec::new()
        };
        Ok(Self {
            level,
            moments,
            left_out: keys.left_out,
            keys: keys.keys,
            asks_availability: request.get(tags::INSTANCE_AVAILABILITY).is_some(),
            coding: Coding::for_answer(request),
        })
    }

    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Some keys asked for are not supported: pending answers are then 0xFF01, else 0xFF00 (PS3.4 table C.4-1).
    #[must_use]
    pub fn pending_status(&self) -> u16 {
        if self.left_out { 0xFF01 } else { 0xFF00 }
    }

    /// The UIDs asked for, where the search can be narrowed to them.
    #[must_use]
    pub fn uids(&self, tag: Tag) -> Option<&BTreeSet<String>> {
        match &self.keys.iter().find(|key| key.tag == tag)?.demand {
            Demand::Uids(uids) => Some(uids),
            _ => None,
        }
    }

    /// `chain` holds an entity of this level and those above it, in any order.
    #[must_use]
    pub fn matches(&self, chain: &[&Record]) -> bool {
        self.keys.iter().all(|key| key.matches(look_up(chain, key.tag)))
            && self.moments.iter().all(|wanted| wanted.matches(chain))
    }

    /// Whether the keys that `record` can answer, as an entity of `level`, all match: to pass over a study before its
    /// series are looked at.
    #[must_use]
    pub fn may_match(&self, level: Level, record: &Record) -> bool {
        let of_level = |tag| {
            attributes()
                .iter()
                .any(|row| row.tag == tag && row.level <= level)
        };
        let mut keys = self.keys.iter().filter(|key| of_level(key.tag));
        keys.all(|key| key.matches(record.get(key.tag)))
    }

    /// The identifier of one answer (PS3.4 section C.4.1.1.3.2); `retrieve_ae` is who can be asked to send it.
    #[must_use]
    pub fn answer(&self, chain: &[&Record], retrieve_ae: &str) -> DataSet {
        let mut answer = requested(&self.keys, &|tag| look_up(chain, tag), self.coding);
        answer.put_code(tags::QUERY_LEVEL, self.level.name());
        answer.put_code(tags::RETRIEVE_AE, retrieve_ae);
        if self.asks_availability {
            answer.put_code(tags::INSTANCE_AVAILABILITY, "ONLINE");
        }
        answer.declare(self.coding);
        answer
    }
}

pub(super) fn level_of(model: Model, request: &DataSet) -> Result<Level, Error> {
    let name = request.view().string(tags::QUERY_LEVEL).unwrap_or_default();
    Level::named(&name)
        .filter(|level| model.top() <= *level)
        .ok_or(Error::Level)
}

/// Levels of the model above `level`.
pub(super) fn levels_above(model: Model, level: Level) -> impl Iterator<Item = Level> {
    let all = Level::ALL.into_iter();
    all.filter(move |above| model.top() <= *above && *above < level)
}

/// Counts of what a patient or study has are known for that entity only where it is what is searched for.
fn counts_at(model: Model, level: Level, tag: Tag) -> bool {
    match tag {
        tags::PATIENT_STUDIES | tags::PATIENT_SERIES | tags::PATIENT_INSTANCES => {
            model == Model::PatientRoot && level == Level::Patient
        }
        _ => true,
    }
}

/// One UID, or for the patient one id without wild cards.
fn is_one(demand: &Demand) -> bool {
    match demand {
        Demand::Uids(uids) => uids.len() == 1,
        Demand::Texts(texts) => texts.len() == 1 && texts.iter().all(Pattern::is_plain),
        _ => false,
    }
}

fn look_up<'a>(chain: &[&'a Record], tag: Tag) -> Option<&'a Value> {
    chain.iter().find_map(|record| record.get(tag))
}

/// Takes the date's and the time's demand together where both are there (PS3.4 section C.2.2.2.5.4).
fn combine(keys: &mut [Key]) -> Vec<Moments> {
    let range_of = |keys: &[Key], tag: Tag, wanted: Kind| {
        keys.iter()
            .find(|key| key.tag == tag)
            .and_then(|key| match &key.demand {
                Demand::Moments(kind, range) if *kind == wanted => Some(*range),
                _ => None,
            })
    };
    let mut combined = Vec::new();
    for (date, time) in PAIRS.iter().copied() {
        let (Some(dates), Some(times)) = (range_of(keys, date, Kind::Date), range_of(keys, time, Kind::Time))
        else {
            continue;
        };
        combined.push(Moments {
            date,
            time,
            range: moment::moment(dates, Some(times)),
        });
        for key in keys.iter_mut().filter(|key| key.tag == date || key.tag == time) {
            key.demand = Demand::Nothing;
        }
    }
    combined
}

impl Moments {
    fn matches(&self, chain: &[&Record]) -> bool {
        let text = |tag| match look_up(chain, tag) {
            Some(Value::Text(text)) => Some(text.as_ref()),
            _ => None,
        };
        let Some(date) = text(self.date).and_then(moment::date) else {
            return false;
        };
        let time = text(self.time).and_then(moment::time);
        self.range.meets(moment::moment(date, time))
    }
}
