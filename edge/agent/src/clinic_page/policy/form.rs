//! The form's fields, from a policy and back to one.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as Wrong, StrDeserializer};

use crate::site_policy::{
    Consent, DailyHours, DatesWord, NodeGets, Policy, Recipient, SecureAggregation, SitePolicy, UnknownAge,
    UrgencyWord,
};

/// What a manager sees filled in.
#[derive(Debug)]
pub(crate) struct PolicyForm {
    pub(super) before: String,
    /// Id and name.
    pub(crate) managers: Vec<(String, String)>,
    pub(crate) critical: bool,
    pub(crate) review: bool,
    pub(crate) routine: bool,
    pub(crate) dates_kept: bool,
    pub(crate) characteristics: bool,
    pub(crate) trust_clean: bool,
    pub(crate) free_text: bool,
    pub(crate) stick: bool,
    pub(crate) nodes: Vec<NodeField>,
    pub(crate) unlisted: NodeGets,
    pub(crate) minor_age: u32,
    pub(crate) unknown_is_adult: bool,
    /// `None`: off.
    pub(crate) consent: Option<Consent>,
    pub(crate) learning: Policy,
    pub(crate) models: String,
    pub(crate) epsilon: String,
    /// Both empty: at any time.
    pub(crate) hours_from: String,
    pub(crate) hours_to: String,
    pub(crate) recipients: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct NodeField {
    pub(crate) name: String,
    pub(crate) gets: NodeGets,
}

impl PolicyForm {
    pub(super) fn of(
        policy: &SitePolicy,
        nodes: &[String],
        before: String,
        managers: Vec<(String, String)>,
    ) -> Self {
        let hub = &policy.hub;
        let names: BTreeSet<&String> = nodes.iter().chain(policy.nodes.by_name.keys()).collect();
        let learning = policy.learning.clone().unwrap_or_else(careful);
        let hour = |of: fn(DailyHours) -> u8| learning.daily_hours.map(of).map(|hour| hour.to_string());
        Self {
            before,
            managers,
            critical: hub.images_of.contains(&UrgencyWord::Critical),
            review: hub.images_of.contains(&UrgencyWord::Review),
            routine: hub.images_of.contains(&UrgencyWord::Routine),
            dates_kept: hub.dates == DatesWord::Kept,
            characteristics: hub.patient_characteristics,
            trust_clean: hub.trust_declared_clean,
            free_text: hub.free_text,
            stick: hub.stick,
            nodes: names
                .into_iter()
                .map(|name| NodeField {
                    name: name.clone(),
                    gets: policy.nodes.of(name),
                })
                .collect(),
            unlisted: policy.nodes.unlisted,
            minor_age: policy.minors.age,
            unknown_is_adult: policy.minors.unknown_age == UnknownAge::Adult,
            consent: policy.learning.as_ref().map(|learning| learning.consent),
            models: learning.models.clone().unwrap_or_default().join(" "),
            epsilon: learning
                .epsilon_budget
                .map(|budget| budget.to_string())
                .unwrap_or_default(),
            hours_from: hour(|hours| hours.from).unwrap_or_default(),
            hours_to: hour(|hours| hours.to).unwrap_or_default(),
            learning,
            recipients: policy
                .research
                .iter()
                .map(|recipient| recipient.name.clone())
                .collect(),
        }
    }

    pub(crate) fn before(&self) -> &str {
        &self.before
    }
}

/// What learning begins with where it is switched on.
fn careful() -> Policy {
    Policy {
        consent: Consent::OptIn,
        rounds: true,
        follow_site: true,
        models: None,
        minimum_cohort: 3,
        clip_norm: 0.5,
        noise_multiplier: 1.0,
        secure_aggregation: SecureAggregation::Required,
        epsilon_budget: Some(8.0),
        delta: 1e-5,
        minimum_examples: 20,
        daily_hours: None,
    }
}

pub(super) fn first<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    let found = fields.iter().find(|(field, _)| field == name);
    found.map_or("", |(_, value)| value.trim())
}

/// The policy that the fields say; what the form does not show stays as it is in `old`. Hours that are new are of a clock
/// `ahead_minutes` ahead of UTC.
///
/// # Errors
/// The field that is wrong.
pub(super) fn read(
    fields: &[(String, String)],
    old: &SitePolicy,
    ahead_minutes: i16,
) -> Result<SitePolicy, String> {
    let said = |name: &str| first(fields, name);
    let is_set = |name: &str| fields.iter().any(|(field, _)| field == name);
    let mut new = old.clone();
    new.hub.images_of = all(fields, "images_of")
        .map(|value| word("images_of", value))
        .collect::<Result<_, _>>()?;
    new.hub.dates = word("dates", said("dates"))?;
    new.hub.patient_characteristics = is_set("patient_characteristics");
    new.hub.trust_declared_clean = is_set("trust_declared_clean");
    new.hub.free_text = is_set("free_text");
    new.hub.stick = is_set("stick");
    new.nodes.unlisted = word("unlisted", said("unlisted"))?;
    for (field, value) in fields {
        if let Some(node) = field.strip_prefix("node:") {
            new.nodes
                .by_name
                .insert(node.to_owned(), word(field, value.trim())?);
        }
    }
    new.minors.age = number("minor_age", said("minor_age"))?;
    new.minors.unknown_age = word("unknown_age", said("unknown_age"))?;
    new.learning = learning(fields, old, ahead_minutes)?;
    let gone: BTreeSet<&str> = all(fields, "take_off").collect();
    new.research
        .retain(|recipient| !gone.contains(recipient.name.as_str()));
    if !said("r_name").is_empty() {
        new.research.push(Recipient {
            name: said("r_name").to_owned(),
            purpose: said("r_purpose").to_owned(),
            dates: word("r_dates", said("r_dates"))?,
            sex_and_age_band: is_set("r_sex_and_age_band"),
            names: word("r_names", said("r_names"))?,
            until: said("r_until").to_owned(),
        });
    }
    Ok(new)
}

fn learning(
    fields: &[(String, String)],
    old: &SitePolicy,
    ahead_minutes: i16,
) -> Result<Option<Policy>, String> {
    let said = |name: &str| first(fields, name);
    let is_set = |name: &str| fields.iter().any(|(field, _)| field == name);
    let consent = match said("learning") {
        "off" | "" => return Ok(None),
        consent => word("learning", consent)?,
    };
    let models: Vec<String> = said("models").split_whitespace().map(str::to_owned).collect();
    let epsilon = said("epsilon_budget");
    Ok(Some(Policy {
        consent,
        rounds: is_set("rounds"),
        follow_site: is_set("follow_site"),
        models: (!models.is_empty()).then_some(models),
        minimum_cohort: number("minimum_cohort", said("minimum_cohort"))?,
        clip_norm: number("clip_norm", said("clip_norm"))?,
        noise_multiplier: number("noise_multiplier", said("noise_multiplier"))?,
        secure_aggregation: word("secure_aggregation", said("secure_aggregation"))?,
        epsilon_budget: match epsilon {
            "" => None,
            epsilon => Some(number("epsilon_budget", epsilon)?),
        },
        delta: number("delta", said("delta"))?,
        minimum_examples: number("minimum_examples", said("minimum_examples"))?,
        daily_hours: daily_hours(fields, old, ahead_minutes)?,
    }))
}

fn daily_hours(
    fields: &[(String, String)],
    old: &SitePolicy,
    ahead_minutes: i16,
) -> Result<Option<DailyHours>, String> {
    let (from, to) = (first(fields, "hours_from"), first(fields, "hours_to"));
    if from.is_empty() && to.is_empty() {
        return Ok(None);
    }
    let before = old.learning.as_ref().and_then(|learning| learning.daily_hours);
    Ok(Some(DailyHours {
        from: number("hours_from", from)?,
        to: number("hours_to", to)?,
        utc_offset_minutes: before.map_or(ahead_minutes, |hours| hours.utc_offset_minutes),
    }))
}

fn all<'a>(fields: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    let found = fields.iter().filter(move |(field, _)| field == name);
    found.map(|(_, value)| value.trim())
}

/// One of a few words, as the file writes it.
fn word<'a, T: Deserialize<'a>>(name: &str, value: &'a str) -> Result<T, String> {
    let from: StrDeserializer<'a, Wrong> = value.into_deserializer();
    T::deserialize(from).map_err(|error| format!("{name}: {error}"))
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{name}: \"{value}\" is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    const CARE: &[(&str, &str)] = &[
        ("images_of", "critical"),
        ("images_of", "review"),
        ("dates", "shifted"),
        ("patient_characteristics", "yes"),
        ("free_text", "yes"),
        ("stick", "yes"),
        ("unlisted", "originals"),
        ("minor_age", "18"),
        ("unknown_age", "minor"),
        ("learning", "off"),
    ];

    #[test]
    fn what_the_form_shows_comes_back_unchanged() {
        let care = SitePolicy::care_only();
        assert_eq!(read(&pairs(CARE), &care, 480).unwrap(), care);
        let mut fields = pairs(CARE);
        fields.extend(pairs(&[
            ("node:pacs", "deidentified"),
            ("r_name", "university"),
            ("r_purpose", "Study of lungs"),
            ("r_dates", "removed"),
            ("r_names", "export"),
            ("r_until", "2027-12-31"),
        ]));
        let new = read(&fields, &care, 480).unwrap();
        assert_eq!(new.nodes.of("pacs"), NodeGets::Deidentified);
        new.check().unwrap();
        assert!(new.recipient("university").is_some());
        let gone = read(
            &[pairs(CARE), pairs(&[("take_off", "university")])].concat(),
            &new,
            480,
        )
        .unwrap();
        assert!(gone.research.is_empty());
    }

    #[test]
    fn learning_is_read_whole_or_refused() {
        let care = SitePolicy::care_only();
        let mut fields = pairs(CARE);
        fields.retain(|(name, _)| name != "learning");
        fields.extend(pairs(&[
            ("learning", "opt_in"),
            ("rounds", "yes"),
            ("models", "one two"),
            ("minimum_cohort", "3"),
            ("clip_norm", "0.5"),
            ("noise_multiplier", "1"),
            ("secure_aggregation", "required"),
            ("epsilon_budget", "8"),
            ("delta", "0.00001"),
            ("minimum_examples", "20"),
        ]));
        let learning = read(&fields, &care, 480).unwrap().learning.unwrap();
        assert_eq!((learning.check(), learning.daily_hours), (Ok(()), None));
        assert!(!learning.follow_site && learning.rounds && learning.takes_model("two"));
        for (name, bad) in [
            ("clip_norm", "much"),
            ("secure_aggregation", "sometimes"),
            ("learning", "always"),
        ] {
            let mut wrong = fields.clone();
            wrong
                .iter_mut()
                .filter(|(field, _)| field == name)
                .for_each(|field| field.1 = bad.to_owned());
            assert!(read(&wrong, &care, 480).unwrap_err().contains(name), "{name}");
        }
        // Hours as they are typed in; their clock stays the one they were first set by.
        let mut at_night = fields.clone();
        at_night.extend(pairs(&[("hours_from", "22"), ("hours_to", "6")]));
        let night = read(&at_night, &care, 480).unwrap();
        let hours = |from, to| DailyHours {
            from,
            to,
            utc_offset_minutes: 480,
        };
        assert_eq!(night.learning.as_ref().unwrap().daily_hours, Some(hours(22, 6)));
        let mut later = fields.clone();
        later.extend(pairs(&[("hours_from", "23"), ("hours_to", "5")]));
        let later = read(&later, &night, 0).unwrap();
        assert_eq!(later.learning.unwrap().daily_hours, Some(hours(23, 5)));
        assert_eq!(
            read(&fields, &night, 480).unwrap().learning.unwrap().daily_hours,
            None
        );
        for (from, to, what) in [
            ("22", "", "hours_to"),
            ("", "6", "hours_from"),
            ("300", "6", "hours_from"),
        ] {
            let mut half = fields.clone();
            half.extend(pairs(&[("hours_from", from), ("hours_to", to)]));
            assert!(read(&half, &care, 480).unwrap_err().contains(what));
        }
    }
}
