use std::collections::{BTreeMap, BTreeSet};

use barefoot_domain::Urgency;
use barefoot_imaging::deidentify::{self, Banner, Characteristics, Dates};
use serde::{Deserialize, Serialize};
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::Policy;

/// Research recipients of one clinic; more is a mistake.
const MOST_RECIPIENTS: usize = 50;
const LONGEST_PURPOSE: usize = 200;

/// Everything a clinic decides about what leaves it. Results always go to the hub: that is what a box is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SitePolicy {
    /// What goes to the hub, for care.
    #[serde(default)]
    pub hub: Hub,
    /// What the clinic's own DICOM nodes get.
    #[serde(default)]
    pub nodes: Nodes,
    /// Whose learning and research needs a guardian's word.
    #[serde(default)]
    pub minors: Minors,
    /// What is learnt here. Default: nothing, and no round is joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning: Option<Policy>,
    /// Who may be given images for research. Default: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub research: Vec<Recipient>,
}

/// The `[hub]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hub {
    /// Images of studies of these urgencies, de-identified, where the site file has `[images]`: `critical`, `review`, `routine`.
    /// Empty: no image. Default `["critical", "review"]`.
    pub images_of: BTreeSet<UrgencyWord>,
    /// Their dates. `shifted`: each patient's move back by a number of days of their own; or `kept`. Default `shifted`.
    pub dates: DatesWord,
    /// Whether sex, age, size and weight stay. Default true: who reads an image needs them.
    pub patient_characteristics: bool,
    /// Whether a picture of a kind that carries burned-in text is believed that says it has none. Default false.
    pub trust_declared_clean: bool,
    /// Whether messages to experts leave. What names the patient never does. Default true.
    pub free_text: bool,
    /// Whether results may go by stick, sealed for the hub. Default true.
    pub stick: bool,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            images_of: BTreeSet::from([UrgencyWord::Critical, UrgencyWord::Review]),
            dates: DatesWord::Shifted,
            patient_characteristics: true,
            trust_declared_clean: false,
            free_text: true,
            stick: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UrgencyWord {
    Critical,
    Review,
    Routine,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DatesWord {
    #[default]
    Shifted,
    Kept,
}

impl From<Urgency> for UrgencyWord {
    fn from(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Critical => Self::Critical,
            Urgency::Review => Self::Review,
            Urgency::Routine => Self::Routine,
        }
    }
}

/// The `[nodes]` table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Nodes {
    /// What a node gets that stands below not. Default `nothing`.
    pub unlisted: NodeGets,
    /// By the name of its `[[deliver]]` in the site file.
    pub by_name: BTreeMap<String, NodeGets>,
}

/// The most a node is given of what its `[[deliver]]` asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NodeGets {
    #[default]
    Nothing,
    /// Images without identity, under names of the node's own.
    Deidentified,
    /// Images as scanners sent them, and results.
    Originals,
}

/// The `[minors]` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Minors {
    /// Years from which a patient decides alone, 14 to 25. Default 18.
    pub age: u32,
    /// Whether a patient whose age the images do not say is taken for a `minor` or an `adult`. Default `minor`.
    pub unknown_age: UnknownAge,
}

impl Default for Minors {
    fn default() -> Self {
        Self {
            age: 18,
            unknown_age: UnknownAge::Minor,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnknownAge {
    Minor,
    Adult,
}

/// A `[[research]]` table: somebody who may be given images of patients that agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipient {
    /// Our name for it: 1 to 32 of a-z, 0-9, `-`. Required.
    pub name: String,
    /// Who it is and what for, in words for people. Required.
    pub purpose: String,
    /// `removed`, or `shifted` by a number of days of the patient's own for this recipient. Default `removed`.
    #[serde(default)]
    pub dates: ResearchDates,
    /// Whether sex and the ten years of the age stay. Default false.
    #[serde(default)]
    pub sex_and_age_band: bool,
    /// `recipient`: a patient has one name in all exports for it; `export`: another one in each. Default `recipient`.
    #[serde(default)]
    pub names: ResearchNames,
    /// The last day on which something is exported, `2027-12-31`. Required.
    pub until: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResearchDates {
    #[default]
    Removed,
    Shifted,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResearchNames {
    #[default]
    Recipient,
    Export,
}

impl SitePolicy {
    /// Where there is no file: care as it needs to be, nothing is learnt, nothing goes to research. The clinic's own nodes get
    /// what its site file says: an archive that is fed no more would be noticed when it is needed.
    #[must_use]
    pub(crate) fn care_only() -> Self {
        Self {
            hub: Hub::default(),
            nodes: Nodes {
                unlisted: NodeGets::Originals,
                by_name: BTreeMap::new(),
            },
            minors: Minors::default(),
            learning: None,
            research: Vec::new(),
        }
    }

    /// Where there is a file that cannot be read, or was taken away: results alone leave, until somebody has looked.
    #[must_use]
    pub(crate) fn results_only() -> Self {
        Self {
            hub: Hub {
                images_of: BTreeSet::new(),
                free_text: false,
                stick: false,
                ..Hub::default()
            },
            nodes: Nodes::default(),
            ..Self::care_only()
        }
    }

    /// # Errors
    /// A sentence naming the key and what to do.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(14..=25).contains(&self.minors.age) {
            return Err("[minors] age must lie between 14 and 25".to_owned());
        }
        if let Some(name) = self.nodes.by_name.keys().find(|name| !is_name(name)) {
            return Err(format!(
                "[nodes.by_name] \"{name}\" must be 1 to 32 of a-z, 0-9, '-'"
            ));
        }
        if let Some(learning) = &self.learning {
            learning.check()?;
        }
        if MOST_RECIPIENTS < self.research.len() {
            return Err(format!("[[research]] has more than {MOST_RECIPIENTS} recipients"));
        }
        let mut names = BTreeSet::new();
        for recipient in &self.research {
            let name = &recipient.name;
            recipient
                .check()
                .map_err(|why| format!("[[research]] \"{name}\": {why}"))?;
            if !names.insert(name) {
                return Err(format!("[[research]] \"{name}\" stands there twice"));
            }
        }
        Ok(())
    }

    #[must_use]
    pub(crate) fn recipient(&self, name: &str) -> Option<&Recipient> {
        self.research.iter().find(|recipient| recipient.name == name)
    }
}

impl Hub {
    #[must_use]
    pub(crate) fn sends(&self, urgency: Urgency) -> bool {
        self.images_of.contains(&urgency.into())
    }

    /// How an image is made ready for who reads it; `banners` are the site's scanners'.
    #[must_use]
    pub(crate) fn deidentification(&self, banners: Vec<Banner>) -> deidentify::Policy {
        deidentify::Policy {
            dates: match self.dates {
                DatesWord::Shifted => Dates::Shifted,
                DatesWord::Kept => Dates::Kept,
            },
            characteristics: if self.patient_characteristics {
                Characteristics::Kept
            } else {
                Characteristics::Removed
            },
            trust_declared_clean: self.trust_declared_clean,
            banners,
            ..deidentify::Policy::care()
        }
    }
}

impl Nodes {
    #[must_use]
    pub(crate) fn of(&self, node: &str) -> NodeGets {
        self.by_name.get(node).copied().unwrap_or(self.unlisted)
    }
}

impl Recipient {
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err("name must be 1 to 32 of a-z, 0-9, '-'".to_owned());
        }
        let length = self.purpose.trim().chars().count();
        if !(1..=LONGEST_PURPOSE).contains(&length) || self.purpose.chars().any(char::is_control) {
            return Err(format!(
                "purpose says in 1 to {LONGEST_PURPOSE} characters who it is and what for"
            ));
        }
        match self.last_day() {
            Some(_) => Ok(()),
            None => Err("until is a day, as 2027-12-31".to_owned()),
        }
    }

    fn last_day(&self) -> Option<Date> {
        Date::parse(&self.until, format_description!("[year]-[month]-[day]")).ok()
    }

    /// Whether something may still be exported; by UTC.
    #[must_use]
    pub(crate) fn is_open_at(&self, now_ms: i64) -> bool {
        let today = OffsetDateTime::from_unix_timestamp(now_ms.div_euclid(1000)).map(OffsetDateTime::date);
        today
            .ok()
            .zip(self.last_day())
            .is_some_and(|(today, last)| today <= last)
    }

    #[must_use]
    pub(crate) fn deidentification(&self, banners: Vec<Banner>) -> deidentify::Policy {
        deidentify::Policy {
            dates: match self.dates {
                ResearchDates::Removed => Dates::Removed,
                ResearchDates::Shifted => Dates::Shifted,
            },
            characteristics: if self.sex_and_age_band {
                Characteristics::SexAndAgeBand
            } else {
                Characteristics::Removed
            },
            banners,
            ..deidentify::Policy::research()
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
