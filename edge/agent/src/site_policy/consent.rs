//! Whether a study may be learnt from or given to research: what was said, by whom, and what the policy makes of it.
//!
//! A word is said on one study and is the patient's. A no counts for every study under that patient's ID, also where the ID
//! may be another's too; a yes only where name and birth date are the same as well. Of those that count the newest stands.
//! A study of a minor stays one: its guardian's yes is needed, silence and the patient's own yes are none.

use std::collections::HashMap;

use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::{Minors, SitePolicy, UnknownAge};
use crate::case_index::CaseView;
use crate::case_log::PatientText;
use crate::labels::{ConsentFor, Giver, Labels, Word};

/// Nobody gets older; what says so is a mistake.
const OLDEST: i32 = 130;

/// What is asked of a study.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Study<'a> {
    pub(crate) patient: &'a PatientText,
    pub(crate) labels: &'a Labels,
    pub(crate) received_at_ms: i64,
}

impl<'a> From<&'a CaseView> for Study<'a> {
    fn from(case: &'a CaseView) -> Self {
        Self {
            patient: &case.patient,
            labels: &case.labels,
            received_at_ms: case.received_at_ms,
        }
    }
}

/// What follows for one study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) because: Because,
    /// The word that stands, where there is one.
    pub(crate) word: Option<Word>,
    pub(crate) age: Age,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    /// The policy forbids it for everybody.
    Policy,
    /// Somebody said no.
    No,
    /// Somebody who may said yes.
    Yes,
    /// Nobody said anything, and that is enough.
    SilenceAllows,
    SilenceForbids,
    /// A minor, and no guardian said yes.
    GuardianNeeded,
}

impl Because {
    #[must_use]
    pub(crate) fn allows(self) -> bool {
        matches!(self, Self::Yes | Self::SilenceAllows)
    }

    /// For manifests and logs.
    #[must_use]
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::No => "said_no",
            Self::Yes => "said_yes",
            Self::SilenceAllows => "silence_allows",
            Self::SilenceForbids => "nothing_said",
            Self::GuardianNeeded => "guardian_needed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Adult,
    Minor,
    /// The images do not say it; taken as the policy says.
    Unknown {
        is_minor: bool,
    },
}

impl Age {
    #[must_use]
    pub(crate) fn is_minor(self) -> bool {
        matches!(self, Self::Minor | Self::Unknown { is_minor: true })
    }
}

/// Everything that was said, by patient.
#[derive(Debug, Default)]
pub(crate) struct Register {
    by_id: HashMap<String, Vec<Said>>,
}

#[derive(Debug)]
struct Said {
    name: String,
    birth_date: String,
    for_what: ConsentFor,
    word: Word,
}

impl Register {
    #[must_use]
    pub(crate) fn of<'a>(studies: impl IntoIterator<Item = Study<'a>>) -> Self {
        let mut register = Self::default();
        for case in studies {
            for for_what in [ConsentFor::Learning, ConsentFor::Research] {
                let patient = case.patient;
                if let Some(word) = case.labels.word(for_what).filter(|_| !patient.id.is_empty()) {
                    register.by_id.entry(patient.id.clone()).or_default().push(Said {
                        name: patient.name.clone(),
                        birth_date: patient.birth_date.clone(),
                        for_what,
                        word,
                    });
                }
            }
        }
        register
    }

    /// Of cases in memory.
    #[must_use]
    pub(crate) fn of_cases<'a>(cases: impl IntoIterator<Item = &'a std::sync::Arc<CaseView>>) -> Self {
        Self::of(cases.into_iter().map(|case| Study::from(&**case)))
    }

    fn standing(&self, case: Study<'_>, for_what: ConsentFor) -> Option<Word> {
        let patient = case.patient;
        let others = self.by_id.get(&patient.id).into_iter().flatten();
        let counts = |said: &&Said| {
            let is_same = said.name == patient.name && said.birth_date == patient.birth_date;
            said.for_what == for_what && (is_same || !said.word.allowed)
        };
        let words = others.filter(counts).map(|said| said.word);
        // Of two at one time the no.
        words
            .chain(case.labels.word(for_what))
            .max_by_key(|word| (word.at_ms, !word.allowed))
    }

    /// What holds for a study.
    #[must_use]
    pub(crate) fn answer<'a>(
        &self,
        policy: &SitePolicy,
        case: impl Into<Study<'a>>,
        for_what: ConsentFor,
    ) -> Answer {
        let case = case.into();
        let word = self.standing(case, for_what);
        let age = policy.minors.age_of(case);
        let silence = match for_what {
            ConsentFor::Learning => policy.learning.as_ref().map(|learning| learning.consents(None)),
            ConsentFor::Research => (!policy.research.is_empty()).then_some(false),
        };
        let because = match (silence, word) {
            (None, _) => Because::Policy,
            (Some(_), Some(word)) if !word.allowed => Because::No,
            (Some(_), Some(word)) if word.giver == Giver::Guardian || !age.is_minor() => Because::Yes,
            _ if age.is_minor() => Because::GuardianNeeded,
            (Some(true), _) => Because::SilenceAllows,
            (Some(false), _) => Because::SilenceForbids,
        };
        Answer { because, word, age }
    }
}

impl Minors {
    /// At the time of the study.
    fn age_of(self, case: Study<'_>) -> Age {
        match years(case.patient, case.received_at_ms) {
            Some(years) if years < self.age => Age::Minor,
            Some(_) => Age::Adult,
            None => Age::Unknown {
                is_minor: self.unknown_age == UnknownAge::Minor,
            },
        }
    }
}

/// By birth date and by the age that the image tells; the younger where they differ.
fn years(patient: &PatientText, received_at_ms: i64) -> Option<u32> {
    let day = |text: &str| {
        let text: String = text.chars().filter(char::is_ascii_digit).collect();
        Date::parse(&text, format_description!("[year][month][day]")).ok()
    };
    let received = OffsetDateTime::from_unix_timestamp(received_at_ms.div_euclid(1000)).ok()?;
    let studied = day(&patient.study_date).unwrap_or_else(|| received.date());
    let by_birth = day(&patient.birth_date).and_then(|born| {
        let had_birthday = (born.month() as u8, born.day()) <= (studied.month() as u8, studied.day());
        let years = studied.year() - born.year() - i32::from(!had_birthday);
        (0..=OLDEST)
            .contains(&years)
            .then(|| u32::try_from(years).unwrap_or_default())
    });
    let by_age = told(&patient.age);
    by_birth.into_iter().chain(by_age).min()
}

/// `045Y`, `011M`, …
fn told(age: &str) -> Option<u32> {
    let (digits, unit) = age.trim().split_at_checked(3)?;
    let number: u32 = digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())??;
    match unit {
        "Y" => Some(number),
        "M" => Some(number / 12),
        "W" => Some(number / 52),
        "D" => Some(number / 365),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
