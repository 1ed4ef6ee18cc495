use std::collections::HashMap;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use barefoot_domain::{ClinicId, Tier};
use serde::Deserialize;
use time::macros::format_description;
use time::{PrimitiveDateTime, UtcOffset};
use ulid::Ulid;

use super::list_page::Nav;
use super::words::Words;
use super::{Room, allow, failed, said};
use crate::archive::{Absence, Error, Group, Shift};
use crate::audit::{Action, Object};
use crate::clock::now_ms;
use crate::people::{PersonView, Right, Signed, Verified, parse_tier, tier_word};
use crate::web::{html, local_time};
use crate::worklist::roster::Roster;

const DAY_MINUTES: u32 = 24 * 60;

#[derive(Template)]
#[template(path = "roster.html")]
struct PageView {
    words: &'static Words,
    nav: Nav,
    people: Vec<(String, String)>,
    days: Vec<(u32, &'static str)>,
    tiers: Vec<(&'static str, &'static str)>,
    shifts: Vec<Line>,
    absences: Vec<Line>,
    groups: Vec<GroupLine>,
    on_duty: Vec<String>,
}

struct Line {
    id: String,
    person: String,
    text: String,
}

struct GroupLine {
    id: String,
    name: String,
    tier: &'static str,
    members: String,
    clinics: String,
}

pub(super) async fn page(State(room): State<Room>, signed: Signed) -> Response {
    if let Err(refusal) = allow(&signed, Right::KeepRoster) {
        return *refusal;
    }
    match view(&room, &signed).await {
        Ok(page) => html(&page),
        Err(error) => failed(&error, signed.person.language),
    }
}

async fn view(room: &Room, signed: &Signed) -> Result<PageView, Error> {
    let words = room.words(signed);
    let readers: Vec<PersonView> = room
        .people
        .list()
        .await
        .map_err(|_| Error::Stored { what: "account" })?
        .into_iter()
        .filter(|person| person.active && person.may(Right::SignReports))
        .collect();
    let names: HashMap<&str, &PersonView> = readers
        .iter()
        .map(|person| (person.id.as_str(), person))
        .collect();
    let name = |id: &str| {
        names
            .get(id)
            .map_or_else(|| id.to_owned(), |person| person.display_name.clone())
    };
    let now = now_ms();
    let roster = Roster {
        shifts: room.archive.shifts().await?,
        absences: room.archive.absences(now).await?,
        utc_offset_minutes: room.look.offset.whole_minutes().into(),
    };
    let groups = room.archive.groups().await?;
    Ok(PageView {
        words,
        nav: Nav::new(signed, "roster"),
        people: readers
            .iter()
            .map(|person| {
                let shown = format!("{} · {}", person.display_name, words.tier(person.tier));
                (person.id.clone(), shown)
            })
            .collect(),
        days: (0..7).map(|day| (day, words.weekday_name(day))).collect(),
        tiers: [Tier::County, Tier::City, Tier::Province]
            .map(|tier| (tier_word(tier), words.tier(tier)))
            .into(),
        shifts: roster
            .shifts
            .iter()
            .map(|shift| Line {
                id: shift.id.clone(),
                person: name(&shift.person),
                text: shift_text(words, shift),
            })
            .collect(),
        absences: roster
            .absences
            .iter()
            .map(|absence| Line {
                id: absence.id.clone(),
                person: name(&absence.person),
                text: format!(
                    "{} – {}",
                    local_time(absence.from_ms, room.look.offset),
                    local_time(absence.to_ms, room.look.offset)
                ),
            })
            .collect(),
        groups: groups
            .into_iter()
            .map(|group| GroupLine {
                id: group.id,
                name: group.name,
                tier: words.tier(group.tier),
                members: group
                    .members
                    .iter()
                    .map(|id| name(id))
                    .collect::<Vec<_>>()
                    .join(", "),
                clinics: group.clinics.join(", "),
            })
            .collect(),
        on_duty: readers
            .iter()
            .filter(|person| roster.on_duty(&person.id, now))
            .map(|person| person.display_name.clone())
            .collect(),
    })
}

fn shift_text(words: &Words, shift: &Shift) -> String {
    let end = (shift.from_minute + shift.minutes) % DAY_MINUTES;
    let clock = |minute: u32| format!("{:02}:{:02}", minute % DAY_MINUTES / 60, minute % 60);
    format!(
        "{} {} – {}",
        words.weekday_name(shift.from_minute / DAY_MINUTES),
        clock(shift.from_minute),
        clock(end)
    )
}

#[derive(Debug, Deserialize)]
pub(super) struct NewShift {
    person: String,
    day: u32,
    from: String,
    to: String,
}

/// `08:30` as minutes of a day.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.get(..2)?.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

pub(super) async fn add_shift(
    State(room): State<Room>,
    signed: Signed,
    Verified(Form(form)): Verified<Form<NewShift>>,
) -> Response {
    let (Some(from), Some(to)) = (minute(&form.from), minute(&form.to)) else {
        return unfit(&room, &signed);
    };
    // One that ends when it begins, or before, reaches into the next day.
    let minutes = (to + DAY_MINUTES - from - 1) % DAY_MINUTES + 1;
    if 6 < form.day || !reads(&room, &form.person).await {
        return unfit(&room, &signed);
    }
    let shift = Shift {
        id: Ulid::generate().to_string(),
        person: form.person,
        from_minute: form.day * DAY_MINUTES + from,
        minutes,
    };
    changed(&room, &signed, room.archive.put_shift(&shift), "shift").await
}

#[derive(Debug, Deserialize)]
pub(super) struct NewAbsence {
    person: String,
    from: String,
    to: String,
}

/// What a browser's `datetime-local` sends.
fn moment(text: &str, offset: UtcOffset) -> Option<i64> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]");
    let at = PrimitiveDateTime::parse(text.trim().get(..16)?, format).ok()?;
    at.assume_offset(offset).unix_timestamp().checked_mul(1000)
}

pub(super) async fn add_absence(
    State(room): State<Room>,
    signed: Signed,
    Verified(Form(form)): Verified<Form<NewAbsence>>,
) -> Response {
    let offset = room.look.offset;
    match (moment(&form.from, offset), moment(&form.to, offset)) {
        (Some(from_ms), Some(to_ms)) if from_ms < to_ms && reads(&room, &form.person).await => {
            let absence = Absence {
                id: Ulid::generate().to_string(),
                person: form.person,
                from_ms,
                to_ms,
            };
            changed(&room, &signed, room.archive.put_absence(&absence), "absence").await
        }
        _ => unfit(&room, &signed),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    id: String,
}

pub(super) async fn remove(
    State(room): State<Room>,
    signed: Signed,
    Verified(Form(form)): Verified<Form<Named>>,
) -> Response {
    let removing = async { room.archive.remove_from_roster(&form.id).await.map(|_| ()) };
    changed(&room, &signed, removing, "removed").await
}

#[derive(Debug, Deserialize)]
pub(super) struct NewGroup {
    name: String,
    tier: String,
    #[serde(default)]
    members: String,
    #[serde(default)]
    clinics: String,
}

pub(super) async fn put_group(
    State(room): State<Room>,
    signed: Signed,
    Verified(Form(form)): Verified<Form<NewGroup>>,
) -> Response {
    let name: String = form.name.chars().filter(|c| !c.is_control()).take(80).collect();
    let Some(tier) = parse_tier(&form.tier).filter(|_| !name.trim().is_empty()) else {
        return unfit(&room, &signed);
    };
    let parts = |text: &str| -> Vec<String> {
        text.split([',', '，', '、', ' '])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let clinics = parts(&form.clinics);
    if clinics
        .iter()
        .any(|clinic| ClinicId::new(clinic.as_str()).is_err())
    {
        return unfit(&room, &signed);
    }
    let mut members = Vec::new();
    for name in parts(&form.members) {
        match room.people.by_name(&name).await {
            Ok(person) => members.push(person.id),
            Err(_) => return unfit(&room, &signed),
        }
    }
    let group = Group {
        id: Ulid::generate().to_string(),
        name,
        tier,
        members,
        clinics,
    };
    changed(&room, &signed, room.archive.put_group(&group), "group").await
}

pub(super) async fn remove_group(
    State(room): State<Room>,
    signed: Signed,
    Verified(Form(form)): Verified<Form<Named>>,
) -> Response {
    let removing = async { room.archive.remove_group(&form.id).await.map(|_| ()) };
    changed(&room, &signed, removing, "group removed").await
}

async fn reads(room: &Room, person: &str) -> bool {
    let found = room.people.person(person).await;
    matches!(found, Ok(Some(person)) if person.active && person.may(Right::SignReports))
}

fn unfit(room: &Room, signed: &Signed) -> Response {
    let words = room.words(signed);
    said(StatusCode::UNPROCESSABLE_ENTITY, words, words.unfit, "/roster")
}

async fn changed(
    room: &Room,
    signed: &Signed,
    change: impl Future<Output = Result<(), Error>>,
    what: &str,
) -> Response {
    if let Err(refusal) = allow(signed, Right::KeepRoster) {
        return *refusal;
    }
    let done = async {
        change.await?;
        room.note(signed, Action::Roster, Object::none(), what).await
    };
    match done.await {
        Ok(()) => {
            room.worklist.look();
            Redirect::to("/roster").into_response()
        }
        Err(error) => failed(&error, signed.person.language),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_browsers_send_them() {
        assert_eq!(minute("08:30"), Some(510));
        assert_eq!(minute("23:59"), Some(1439));
        for bad in ["", "24:00", "8", "x:y", "12:6"] {
            assert_eq!(minute(bad), None, "{bad}");
        }
        let china = UtcOffset::from_hms(8, 0, 0).unwrap();
        assert_eq!(moment("2026-11-23T00:00", china), Some(1_795_363_200_000));
        assert_eq!(moment("2026-11-23", china), None);
        assert_eq!(moment("", china), None);
    }
}
