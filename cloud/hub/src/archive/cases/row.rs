use barefoot_domain::{CaseId, Tier, Urgency};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::Case;
use crate::archive::Error;
use crate::archive::read::{clinic_id, query};
use crate::worklist::life::{Lease, Life, Stage, State};

/// What a query must select for [`case`].
pub(super) const COLUMNS: &str = "number, clinic, case_id, version, modality, quality, reasons, urgency, state, stage, \
     tier, floor, holder, lease_until_ms, offered_to, offer_until_ms, due_ms, overdue, second_wanted, readers, change, \
     asked, unseen, teaching, detected_at_ms, opened_at_ms, signed_at_ms";

const STATES: [(State, &str); 8] = [
    (State::Waiting, "waiting"),
    (State::Claimed, "claimed"),
    (State::Drafted, "drafted"),
    (State::ImagesWanted, "images_wanted"),
    (State::Signed, "signed"),
    (State::Delivered, "delivered"),
    (State::Read, "read"),
    (State::Withdrawn, "withdrawn"),
];

const STAGES: [(Stage, &str); 3] = [
    (Stage::First, "first"),
    (Stage::Second, "second"),
    (Stage::Adjudication, "adjudication"),
];

pub(super) fn state_word(state: State) -> &'static str {
    word(&STATES, state)
}

pub(super) fn stage_word(stage: Stage) -> &'static str {
    word(&STAGES, stage)
}

fn word<T: PartialEq + Copy>(words: &[(T, &'static str)], value: T) -> &'static str {
    words
        .iter()
        .find(|(one, _)| *one == value)
        .map_or("", |(_, word)| word)
}

fn value<T: Copy>(words: &[(T, &'static str)], text: &str) -> Result<T, Error> {
    words
        .iter()
        .find(|(_, word)| *word == text)
        .map(|(value, _)| *value)
        .ok_or(Error::Stored { what: "case" })
}

pub(in crate::archive) fn tier_number(tier: Tier) -> i64 {
    match tier {
        Tier::County => 1,
        Tier::City => 2,
        Tier::Province => 3,
    }
}

pub(in crate::archive) fn tier(number: i64) -> Result<Tier, Error> {
    match number {
        1 => Ok(Tier::County),
        2 => Ok(Tier::City),
        3 => Ok(Tier::Province),
        _ => Err(Error::Stored { what: "tier" }),
    }
}

pub(in crate::archive) fn urgency_number(urgency: Urgency) -> i64 {
    match urgency {
        Urgency::Routine => 0,
        Urgency::Review => 1,
        Urgency::Critical => 2,
    }
}

pub(in crate::archive) fn urgency(number: i64) -> Result<Urgency, Error> {
    match number {
        0 => Ok(Urgency::Routine),
        1 => Ok(Urgency::Review),
        2 => Ok(Urgency::Critical),
        _ => Err(Error::Stored { what: "urgency" }),
    }
}

pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

pub(super) fn case(row: &SqliteRow) -> Result<Case, Error> {
    let lease = |person: &str, until: &str| -> Result<Option<Lease>, Error> {
        let person: Option<String> = row.try_get(person).map_err(query)?;
        let until_ms: Option<i64> = row.try_get(until).map_err(query)?;
        Ok(person
            .zip(until_ms)
            .map(|(person, until_ms)| Lease { person, until_ms }))
    };
    let text = |name: &str| row.try_get::<String, _>(name).map_err(query);
    let number = |name: &str| row.try_get::<i64, _>(name).map_err(query);
    let flag = |name: &str| row.try_get::<bool, _>(name).map_err(query);
    Ok(Case {
        number: number("number")?,
        clinic: clinic_id(text("clinic")?)?,
        case: CaseId::new(text("case_id")?).map_err(|_| Error::Stored { what: "case id" })?,
        modality: text("modality")?,
        quality: text("quality")?,
        reasons: lines(&text("reasons")?),
        asked: flag("asked")?,
        unseen: u32::try_from(number("unseen")?).unwrap_or_default(),
        teaching: flag("teaching")?,
        detected_at_ms: number("detected_at_ms")?,
        opened_at_ms: number("opened_at_ms")?,
        signed_at_ms: row.try_get("signed_at_ms").map_err(query)?,
        life: Life {
            state: value(&STATES, &text("state")?)?,
            stage: value(&STAGES, &text("stage")?)?,
            tier: tier(number("tier")?)?,
            floor: tier(number("floor")?)?,
            urgency: urgency(number("urgency")?)?,
            version: row.try_get("version").map_err(query)?,
            lease: lease("holder", "lease_until_ms")?,
            offer: lease("offered_to", "offer_until_ms")?,
            due_ms: number("due_ms")?,
            overdue: flag("overdue")?,
            second_wanted: flag("second_wanted")?,
            readers: lines(&text("readers")?),
            change: u64::try_from(number("change")?).unwrap_or_default(),
        },
    })
}
