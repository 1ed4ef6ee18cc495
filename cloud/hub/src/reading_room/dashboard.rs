use askama::Template;
use axum::extract::State;
use axum::response::Response;
use barefoot_domain::{Tier, Urgency};

use super::list_page::Nav;
use super::words::Words;
use super::{Room, allow, drafting, failed, findings};
use crate::archive::{Agreement, Days, Device, End, Error, Turnaround, WentUp};
use crate::clock::now_ms;
use crate::people::{Right, Signed};
use crate::web::html;

const MONTH_MS: i64 = 30 * 24 * 60 * 60 * 1000;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct PageView {
    words: &'static Words,
    nav: Nav,
    turnaround: Vec<[String; 6]>,
    agreement: Vec<[String; 6]>,
    ways: Vec<(String, u32)>,
    referrals: Vec<[String; 8]>,
    quality: Vec<[String; 6]>,
    operators: Vec<[String; 6]>,
    devices: Vec<DeviceRow>,
}

struct DeviceRow {
    /// The whole box.
    whole: bool,
    /// Nothing came for a week: somebody should ask.
    silent: bool,
    cells: [String; 9],
}

const SILENT_DAYS: u32 = 7;

pub(super) async fn page(State(room): State<Room>, signed: Signed) -> Response {
    if let Err(refusal) = allow(&signed, Right::SeeCases) {
        return *refusal;
    }
    match view(&room, &signed).await {
        Ok(page) => html(&page),
        Err(error) => failed(&error, signed.person.language),
    }
}

async fn view(room: &Room, signed: &Signed) -> Result<PageView, Error> {
    let words = room.words(signed);
    let since = now_ms() - MONTH_MS;
    let turnaround = room.archive.turnaround(since).await?;
    let agreement = room.archive.agreement(since).await?;
    let ways = room.archive.ways(since).await?;
    let quality = room.archive.quality_by_clinic(since).await?;
    let days = Days {
        since_ms: since,
        now_ms: now_ms(),
        utc_offset_minutes: room.look.offset.whole_minutes().into(),
    };
    let devices = room.archive.devices(days).await?;
    let operators = room.archive.quality_by_operator(since).await?;
    Ok(PageView {
        words,
        nav: Nav::new(signed, "dashboard"),
        turnaround: turnaround.iter().map(|one| turnaround_row(words, one)).collect(),
        agreement: agreement.iter().map(|one| agreement_row(words, one)).collect(),
        ways: ways
            .into_iter()
            .map(|(event, cases)| (words.event(&event), cases))
            .collect(),
        referrals: referral_rows(words, &room.archive.went_up(since).await?),
        quality: quality
            .into_iter()
            .map(|one| quality_row(one.clinic, one.modality, one.grades))
            .collect(),
        operators: operators
            .into_iter()
            .map(|one| {
                quality_row(
                    format!("{} · {}", one.clinic, one.operator),
                    one.modality,
                    one.grades,
                )
            })
            .collect(),
        devices: devices.iter().map(|one| device_row(words, one)).collect(),
    })
}

fn quality_row(who: String, modality: String, grades: [u32; 3]) -> [String; 6] {
    let [a, b, c] = grades;
    let all = a.saturating_add(b).saturating_add(c);
    [
        who,
        modality,
        all.to_string(),
        a.to_string(),
        b.to_string(),
        c.to_string(),
    ]
}

fn device_row(words: &Words, one: &Device) -> DeviceRow {
    let [a, b, c] = one.grades.map(|cases| cases.to_string());
    let scanner = match one.scanner.as_deref() {
        None => words.whole_box,
        Some("") => words.unknown_scanner,
        Some(scanner) => scanner,
    };
    let per_day = if one.days == 0 {
        "–".to_owned()
    } else {
        format!("{:.1}", f64::from(one.studies) / f64::from(one.days))
    };
    DeviceRow {
        whole: one.scanner.is_none(),
        silent: SILENT_DAYS <= one.silent_days,
        cells: [
            one.clinic.clone(),
            scanner.to_owned(),
            one.modality.clone(),
            one.studies.to_string(),
            per_day,
            one.silent_days.to_string(),
            a,
            b,
            c,
        ],
    }
}

/// One row for each way up.
fn referral_rows(words: &Words, all: &[WentUp]) -> Vec<[String; 8]> {
    // All of them; agreed, changed, nothing picked below, read below after all, withdrawn, open.
    let mut rows: Vec<((i64, i64), [u32; 7])> = Vec::new();
    for one in all {
        let way = (one.from, one.to);
        let place = match rows.iter().position(|(known, _)| *known == way) {
            Some(place) => place,
            None => {
                rows.push((way, [0; 7]));
                rows.len() - 1
            }
        };
        let end = match &one.end {
            End::Read {
                said,
                below: Some(below),
            } if drafting::agree(below, said) => 1,
            End::Read { below: Some(_), .. } => 2,
            End::Read { below: None, .. } => 3,
            End::ReadBelow => 4,
            End::Withdrawn => 5,
            End::Open => 6,
        };
        if let Some((_, counted)) = rows.get_mut(place) {
            for (column, cases) in counted.iter_mut().enumerate() {
                *cases += u32::from(column == 0 || column == end);
            }
        }
    }
    rows.into_iter()
        .map(|((from, to), counted)| {
            let [cases, agreed, changed, nothing, below, withdrawn, open] =
                counted.map(|cases: u32| cases.to_string());
            let way = format!("{} → {}", words.tier(tier(from)), words.tier(tier(to)));
            [way, cases, agreed, changed, nothing, below, withdrawn, open]
        })
        .collect()
}

fn tier(number: i64) -> Tier {
    match number {
        1 => Tier::County,
        2 => Tier::City,
        _ => Tier::Province,
    }
}

fn turnaround_row(words: &Words, one: &Turnaround) -> [String; 6] {
    let urgency = match one.urgency {
        2 => Urgency::Critical,
        1 => Urgency::Review,
        _ => Urgency::Routine,
    };
    let cases = one.took_ms.len();
    [
        words.tier(tier(one.tier)).to_owned(),
        words.urgency(urgency).to_owned(),
        cases.to_string(),
        quantile(&one.took_ms, 50).map_or_else(String::new, |ms| words.span(ms)),
        quantile(&one.took_ms, 90).map_or_else(String::new, |ms| words.span(ms)),
        percent(one.in_time, u32::try_from(cases).unwrap_or(u32::MAX)),
    ]
}

/// Of sorted values, the one that `hundredths` of them do not exceed.
fn quantile(sorted: &[i64], hundredths: usize) -> Option<i64> {
    let place = (sorted.len() * hundredths).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied()
}

fn percent(part: u32, whole: u32) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    format!("{:.0} %", f64::from(part) / f64::from(whole) * 100.0)
}

fn agreement_row(words: &Words, one: &Agreement) -> [String; 6] {
    let agree = one.both_positive + one.both_negative;
    let all = agree + one.only_model + one.only_expert;
    [
        if one.model.is_empty() {
            words.no_model.to_owned()
        } else {
            one.model.clone()
        },
        findings::name(&one.finding, words.language),
        all.to_string(),
        percent(agree, all),
        percent(one.both_positive, one.both_positive + one.only_expert),
        percent(one.both_negative, one.both_negative + one.only_model),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        assert_eq!(quantile(&values, 50), Some(5));
        assert_eq!(quantile(&values, 90), Some(9));
        assert_eq!(quantile(&values[..1], 90), Some(1));
        assert_eq!(quantile(&[], 50), None);
        assert_eq!(
            (percent(1, 3), percent(0, 0)),
            ("33 %".to_owned(), "–".to_owned())
        );
    }
}
