//! Orders as a person fills them in.

use std::fmt;

use barefoot_imaging::query::is_date;
use serde::Deserialize;

use super::order::{Order, Patient, Wish};

/// The order form of the clinic's page. Identity: `Debug` says nothing.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OrderForm {
    /// As people write it, Chinese mostly. Required.
    pub name: String,
    /// In Latin letters, for scanners that show no others.
    pub latin_name: String,
    /// Required.
    pub patient_id: String,
    /// `YYYY-MM-DD` or `YYYYMMDD`.
    pub birth_date: String,
    /// `M`, `F`, `O` or empty.
    pub sex: String,
    /// For instance `DX`. Required.
    pub modality: String,
    /// The scanner's AE title; empty: whichever asks.
    pub station_ae: String,
    /// As the birth date. Required.
    pub date: String,
    /// `HH:MM`.
    pub time: String,
    /// What is to be examined.
    pub description: String,
    pub referring_physician: String,
    /// Empty: we give one.
    pub accession: String,
}

impl fmt::Debug for OrderForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrderForm(redacted)")
    }
}

/// A field that cannot stay as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// The field's name in [`OrderForm`].
    pub field: &'static str,
    pub problem: Problem,
}

/// What is wrong with a field; the page says it in the reader's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    Missing,
    TooLong,
    /// A character DICOM gives another meaning: `\`, `^`, `=`, or one that cannot be seen.
    Character,
    NotADate,
    NotATime,
    /// None of the values the field may have.
    NotAChoice,
}

impl OrderForm {
    /// # Errors
    /// Every field that cannot stay as it is.
    pub(crate) fn order(&self, now_ms: i64) -> Result<Order, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut check = |field, problem: Option<Problem>| {
            errors.extend(problem.map(|problem| FieldError { field, problem }));
        };
        for (field, value, longest, required) in [
            ("name", &self.name, 64, true),
            ("latin_name", &self.latin_name, 64, false),
            ("patient_id", &self.patient_id, 64, true),
            ("description", &self.description, 64, false),
            ("referring_physician", &self.referring_physician, 64, false),
            ("accession", &self.accession, 16, false),
        ] {
            check(field, text_problem(value, longest, required));
        }
        if !self.latin_name.is_ascii() {
            check("latin_name", Some(Problem::Character));
        }
        check("birth_date", date_problem(&self.birth_date, false));
        check("date", date_problem(&self.date, true));
        check("time", time_problem(&self.time));
        let sex = matches!(self.sex.as_str(), "" | "M" | "F" | "O");
        check("sex", (!sex).then_some(Problem::NotAChoice));
        check("modality", modality_problem(&self.modality));
        let station = self.station_ae.trim();
        let is_station = station.is_empty() || crate::upper_layer::is_ae_title(station);
        check("station_ae", (!is_station).then_some(Problem::NotAChoice));
        if errors.is_empty() {
            Ok(Order::new(self.wish(), now_ms))
        } else {
            Err(errors)
        }
    }

    fn wish(&self) -> Wish {
        let (name, latin) = (one_space(&self.name), components(&self.latin_name));
        Wish {
            accession: self.accession.trim().to_owned(),
            patient: Patient {
                name: if latin.is_empty() {
                    components(&name)
                } else {
                    format!("{latin}={}", components(&name))
                },
                id: self.patient_id.trim().to_owned(),
                birth_date: digits(&self.birth_date),
                sex: self.sex.clone(),
                ..Patient::default()
            },
            referring_physician: components(&self.referring_physician),
            description: one_space(&self.description),
            modality: self.modality.trim().to_owned(),
            station_ae: self.station_ae.trim().to_owned(),
            date: digits(&self.date),
            time: digits(&self.time),
            ..Wish::default()
        }
    }
}

fn text_problem(value: &str, longest: usize, required: bool) -> Option<Problem> {
    let value = value.trim();
    if value.is_empty() {
        return required.then_some(Problem::Missing);
    }
    if longest < value.chars().count() {
        return Some(Problem::TooLong);
    }
    let forbidden = |c: char| c.is_control() || matches!(c, '\\' | '^' | '=');
    value.contains(forbidden).then_some(Problem::Character)
}

fn date_problem(value: &str, required: bool) -> Option<Problem> {
    if value.trim().is_empty() {
        return required.then_some(Problem::Missing);
    }
    (!is_date(&digits(value))).then_some(Problem::NotADate)
}

fn time_problem(value: &str) -> Option<Problem> {
    let digits = digits(value);
    let number = |range| digits.get(range).and_then(|text: &str| text.parse::<u8>().ok());
    let (hours, minutes) = (number(0..2), number(2..4));
    let right = digits.len() == 4
        && hours.is_some_and(|hours| hours < 24)
        && minutes.is_some_and(|minutes| minutes < 60);
    (!value.trim().is_empty() && !right).then_some(Problem::NotATime)
}

fn modality_problem(value: &str) -> Option<Problem> {
    let value = value.trim();
    if value.is_empty() {
        return Some(Problem::Missing);
    }
    let is_code = value.len() <= 16
        && value
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    (!is_code).then_some(Problem::NotAChoice)
}

/// A date or time without what parts its numbers.
fn digits(value: &str) -> String {
    value
        .trim()
        .chars()
        .filter(|c| !matches!(c, '-' | ':' | '/' | '.'))
        .collect()
}

fn one_space(value: &str) -> String {
    let words: Vec<&str> = value.split_whitespace().collect();
    words.join(" ")
}

/// `Zhang San` is a family and a given name; Chinese characters are left together, as they are written.
fn components(value: &str) -> String {
    let spaced = one_space(value);
    match spaced.split_once(' ') {
        Some((family, given)) => format!("{family}^{given}"),
        None => spaced,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn filled_in() -> OrderForm {
        OrderForm {
            name: "张三".into(),
            latin_name: "Zhang San".into(),
            patient_id: "P7".into(),
            birth_date: "1980-02-29".into(),
            sex: "M".into(),
            modality: "DX".into(),
            date: "2026-01-02".into(),
            time: "09:30".into(),
            description: "胸部正位".into(),
            ..OrderForm::default()
        }
    }

    #[test]
    fn a_form_becomes_an_order() {
        let order = filled_in().order(1).unwrap();
        assert_eq!(order.wish.patient.name, "Zhang^San=张三");
        assert_eq!(
            (order.wish.date.as_str(), order.wish.time.as_str()),
            ("20260102", "0930")
        );
        assert!(order.study_uid.starts_with("2.25.") && order.study_uid.len() <= 64);
        assert!((1..=16).contains(&order.wish.accession.len()));
        assert!(!format!("{order:?} {:?}", filled_in()).contains("张三"));
    }

    #[test]
    fn every_wrong_field_is_named() {
        type Change = fn(&mut OrderForm);
        let cases: [(Change, &str, Problem); 12] = [
            (|form| form.name.clear(), "name", Problem::Missing),
            (|form| form.name = "字".repeat(65), "name", Problem::TooLong),
            (|form| form.name = "张\\三".into(), "name", Problem::Character),
            (
                |form| form.latin_name = "张三".into(),
                "latin_name",
                Problem::Character,
            ),
            (
                |form| form.patient_id = " ".into(),
                "patient_id",
                Problem::Missing,
            ),
            (
                |form| form.birth_date = "29.2.80".into(),
                "birth_date",
                Problem::NotADate,
            ),
            (|form| form.date = "20261301".into(), "date", Problem::NotADate),
            (|form| form.time = "24:00".into(), "time", Problem::NotATime),
            (|form| form.sex = "m".into(), "sex", Problem::NotAChoice),
            (
                |form| form.modality = "chest".into(),
                "modality",
                Problem::NotAChoice,
            ),
            (
                |form| form.station_ae = "A\\B".into(),
                "station_ae",
                Problem::NotAChoice,
            ),
            (
                |form| form.accession = "1".repeat(17),
                "accession",
                Problem::TooLong,
            ),
        ];
        for (change, field, problem) in cases {
            let mut form = filled_in();
            change(&mut form);
            assert_eq!(
                form.order(1).unwrap_err(),
                [FieldError { field, problem }],
                "{field}"
            );
        }
    }
}
