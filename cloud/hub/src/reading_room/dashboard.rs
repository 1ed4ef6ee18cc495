use askama::Template;
use axum::extract::State;
use axum::response::Response;
use barefoot_domain::{Tier, Urgency};

use super::list_page::Nav;
use super::words::Words;
use super::{Room, allow, failed, findings};
use crate::archive::{Agreement, Error, Turnaround};
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
    quality: Vec<[String; 6]>,
}

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
    Ok(PageView {
        words,
        nav: Nav::new(signed, "dashboard"),
        turnaround: turnaround.iter().map(|one| turnaround_row(words, one)).collect(),
        agreement: agreement.iter().map(|one| agreement_row(words, one)).collect(),
        ways: ways
            .into_iter()
            .map(|(event, cases)| (words.event(&event), cases))
            .collect(),
        quality: quality
            .into_iter()
            .map(|one| {
                let [a, b, c] = one.grades;
                let all = a.saturating_add(b).saturating_add(c);
                [
                    one.clinic,
                    one.modality,
                    all.to_string(),
                    a.to_string(),
                    b.to_string(),
                    c.to_string(),
                ]
            })
            .collect(),
    })
}

fn turnaround_row(words: &Words, one: &Turnaround) -> [String; 6] {
    let tier = match one.tier {
        1 => Tier::County,
        2 => Tier::City,
        _ => Tier::Province,
    };
    let urgency = match one.urgency {
        2 => Urgency::Critical,
        1 => Urgency::Review,
        _ => Urgency::Routine,
    };
    let cases = one.took_ms.len();
    [
        words.tier(tier).to_owned(),
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
