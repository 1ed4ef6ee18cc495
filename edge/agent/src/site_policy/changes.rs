use std::collections::BTreeSet;
use std::fmt::{Debug, Display};

use super::{
    Consent, DatesWord, Policy, Recipient, ResearchDates, ResearchNames, SecureAggregation, SitePolicy,
    UnknownAge,
};

/// One thing in which two policies differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// As it stands in the file, `hub.dates`; of nodes and recipients without their name.
    pub(crate) key: &'static str,
    /// The node or the recipient.
    pub(crate) name: String,
    pub(crate) before: String,
    pub(crate) after: String,
    /// More leaves, or is learnt, or with less protection.
    pub(crate) loosens: bool,
}

impl Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            key,
            name,
            before,
            after,
            loosens,
        } = self;
        let more = if *loosens { " (loosens)" } else { "" };
        let space = if name.is_empty() { "" } else { " " };
        write!(f, "{key}{space}{name}: {before} -> {after}{more}")
    }
}

/// What differs, in the order of the file. `nodes`: the site file's nodes, beside those that the policies name.
#[must_use]
pub(crate) fn changes(old: &SitePolicy, new: &SitePolicy, nodes: &[String]) -> Vec<Change> {
    let mut found = Found(Vec::new());
    let (before, after) = (&old.hub, &new.hub);
    found.note(
        "hub.images_of",
        words(&before.images_of),
        words(&after.images_of),
        !after.images_of.is_subset(&before.images_of),
    );
    found.note(
        "hub.dates",
        word(before.dates),
        word(after.dates),
        after.dates == DatesWord::Kept,
    );
    for (key, before, after) in [
        (
            "hub.patient_characteristics",
            before.patient_characteristics,
            after.patient_characteristics,
        ),
        (
            "hub.trust_declared_clean",
            before.trust_declared_clean,
            after.trust_declared_clean,
        ),
        ("hub.free_text", before.free_text, after.free_text),
        ("hub.stick", before.stick, after.stick),
    ] {
        found.note(key, before, after, after);
    }
    let (before, after) = (&old.nodes, &new.nodes);
    found.note(
        "nodes.unlisted",
        word(before.unlisted),
        word(after.unlisted),
        before.unlisted < after.unlisted,
    );
    let named: BTreeSet<&String> = before
        .by_name
        .keys()
        .chain(after.by_name.keys())
        .chain(nodes)
        .collect();
    for name in named {
        let (was, is) = (before.of(name), after.of(name));
        found.of(name, "nodes.by_name", word(was), word(is), was < is);
    }
    let (before, after) = (old.minors, new.minors);
    found.note("minors.age", before.age, after.age, after.age < before.age);
    found.note(
        "minors.unknown_age",
        word(before.unknown_age),
        word(after.unknown_age),
        after.unknown_age == UnknownAge::Adult,
    );
    match (&old.learning, &new.learning) {
        (Some(before), Some(after)) => found.learning(before, after),
        (before, after) => found.note("learning", is_there(before), is_there(after), after.is_some()),
    }
    for before in &old.research {
        match new.recipient(&before.name) {
            Some(after) => found.recipient(before, after),
            None => found.of(&before.name, "research", "yes".to_owned(), "no".to_owned(), false),
        }
    }
    for after in new
        .research
        .iter()
        .filter(|one| old.recipient(&one.name).is_none())
    {
        found.of(&after.name, "research", "no".to_owned(), "yes".to_owned(), true);
    }
    found.0
}

struct Found(Vec<Change>);

impl Found {
    fn note<T: Display + PartialEq>(&mut self, key: &'static str, before: T, after: T, loosens: bool) {
        self.of("", key, before, after, loosens);
    }

    fn of<T: Display + PartialEq>(
        &mut self,
        name: &str,
        key: &'static str,
        before: T,
        after: T,
        loosens: bool,
    ) {
        if before != after {
            self.0.push(Change {
                key,
                name: name.to_owned(),
                before: before.to_string(),
                after: after.to_string(),
                loosens,
            });
        }
    }

    fn learning(&mut self, before: &Policy, after: &Policy) {
        self.note(
            "learning.consent",
            word(before.consent),
            word(after.consent),
            after.consent == Consent::OptOut,
        );
        self.note("learning.rounds", before.rounds, after.rounds, after.rounds);
        self.note(
            "learning.follow_site",
            before.follow_site,
            after.follow_site,
            after.follow_site,
        );
        let fewer = match (&before.models, &after.models) {
            (Some(before), Some(after)) => after.iter().all(|model| before.contains(model)),
            (_, after) => after.is_some(),
        };
        self.note("learning.models", models(before), models(after), !fewer);
        self.note(
            "learning.minimum_cohort",
            before.minimum_cohort,
            after.minimum_cohort,
            after.minimum_cohort < before.minimum_cohort,
        );
        self.note(
            "learning.clip_norm",
            before.clip_norm,
            after.clip_norm,
            before.clip_norm < after.clip_norm,
        );
        self.note(
            "learning.noise_multiplier",
            before.noise_multiplier,
            after.noise_multiplier,
            after.noise_multiplier < before.noise_multiplier,
        );
        self.note(
            "learning.secure_aggregation",
            word(before.secure_aggregation),
            word(after.secure_aggregation),
            after.secure_aggregation != SecureAggregation::Required,
        );
        let budget = |policy: &Policy| policy.epsilon_budget.unwrap_or(f64::INFINITY);
        self.note(
            "learning.epsilon_budget",
            budget(before),
            budget(after),
            budget(before) < budget(after),
        );
        self.note(
            "learning.delta",
            before.delta,
            after.delta,
            before.delta < after.delta,
        );
        self.note(
            "learning.minimum_examples",
            before.minimum_examples,
            after.minimum_examples,
            after.minimum_examples < before.minimum_examples,
        );
        let hours = |policy: &Policy| match policy.daily_hours {
            None => "always".to_owned(),
            Some(hours) => format!("{}-{} h", hours.from, hours.to),
        };
        self.note("learning.daily_hours", hours(before), hours(after), false);
    }

    fn recipient(&mut self, before: &Recipient, after: &Recipient) {
        let name = &before.name;
        // Another purpose is another thing than was agreed to.
        self.of(
            name,
            "research.purpose",
            before.purpose.clone(),
            after.purpose.clone(),
            true,
        );
        self.of(
            name,
            "research.dates",
            word(before.dates),
            word(after.dates),
            after.dates == ResearchDates::Shifted,
        );
        self.of(
            name,
            "research.sex_and_age_band",
            before.sex_and_age_band,
            after.sex_and_age_band,
            after.sex_and_age_band,
        );
        self.of(
            name,
            "research.names",
            word(before.names),
            word(after.names),
            after.names == ResearchNames::Recipient,
        );
        self.of(
            name,
            "research.until",
            before.until.clone(),
            after.until.clone(),
            before.until < after.until,
        );
    }
}

fn is_there<T>(one: &Option<T>) -> String {
    if one.is_some() { "yes" } else { "no" }.to_owned()
}

fn models(policy: &Policy) -> String {
    policy
        .models
        .as_ref()
        .map_or_else(|| "all".to_owned(), |models| models.join(" "))
}

fn words<T: Debug + Copy>(all: &BTreeSet<T>) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    all.iter().map(|one| word(*one)).collect::<Vec<_>>().join(" ")
}

/// A variant as the file writes it.
pub(crate) fn word(one: impl Debug) -> String {
    let mut word = String::new();
    for letter in format!("{one:?}").chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(letter.to_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::super::NodeGets;
    use super::*;

    fn example() -> SitePolicy {
        toml::from_str(include_str!("../../../../provisioning/sites/policy.example.toml")).unwrap()
    }

    fn loosened(change: impl Fn(&mut SitePolicy)) -> Vec<(String, bool)> {
        let mut after = example();
        change(&mut after);
        let there: Vec<_> = changes(&example(), &after, &[]);
        let back = changes(&after, &example(), &[]);
        assert_eq!(there.len(), back.len());
        there
            .iter()
            .map(|change| (change.key.to_owned(), change.loosens))
            .collect()
    }

    #[test]
    fn nothing_differs_from_itself_and_everything_that_lets_more_out_is_said() {
        assert_eq!(changes(&example(), &example(), &["pacs".into()]), []);
        let one = |key: &str, loosens| vec![(key.to_owned(), loosens)];
        assert_eq!(
            loosened(|policy| policy.hub.images_of.clear()),
            one("hub.images_of", false)
        );
        assert_eq!(
            loosened(|policy| policy.hub.dates = DatesWord::Kept),
            one("hub.dates", true)
        );
        assert_eq!(
            loosened(|policy| policy.hub.trust_declared_clean = true),
            one("hub.trust_declared_clean", true)
        );
        assert_eq!(
            loosened(|policy| policy.hub.stick = false),
            one("hub.stick", false)
        );
        assert_eq!(
            loosened(|policy| {
                policy.nodes.by_name.insert("new".into(), NodeGets::Deidentified);
            }),
            one("nodes.by_name", true)
        );
        assert_eq!(
            loosened(|policy| {
                policy.nodes.by_name.remove("pacs");
            }),
            one("nodes.by_name", false)
        );
        assert_eq!(loosened(|policy| policy.minors.age = 16), one("minors.age", true));
        assert_eq!(loosened(|policy| policy.learning = None), one("learning", false));
        assert_eq!(loosened(|policy| policy.research.clear()), one("research", false));
        for (change, key) in [
            (
                Box::new(|policy: &mut Policy| policy.minimum_cohort += 1) as Box<dyn Fn(&mut Policy)>,
                "minimum_cohort",
            ),
            (
                Box::new(|policy| policy.noise_multiplier += 1.0),
                "noise_multiplier",
            ),
            (Box::new(|policy| policy.clip_norm /= 2.0), "clip_norm"),
            (
                Box::new(|policy| policy.epsilon_budget = Some(0.5)),
                "epsilon_budget",
            ),
            (Box::new(|policy| policy.rounds = false), "rounds"),
            (
                Box::new(|policy| policy.models = Some(vec!["cxr-pneumonia".into()])),
                "models",
            ),
        ] {
            let key = format!("learning.{key}");
            let stricter = loosened(|policy| change(policy.learning.as_mut().unwrap()));
            assert_eq!(stricter, [(key.clone(), false)]);
            let mut after = example();
            change(after.learning.as_mut().unwrap());
            let back = changes(&after, &example(), &[]);
            assert!(
                back.iter().any(|change| change.key == key && change.loosens),
                "{key}"
            );
        }
    }

    #[test]
    fn a_change_reads_as_a_line() {
        let mut after = example();
        after.nodes.by_name.insert("pacs".into(), NodeGets::Nothing);
        let found = changes(&example(), &after, &[]);
        assert_eq!(found[0].to_string(), "nodes.by_name pacs: originals -> nothing");
        assert_eq!(word(Consent::OptOut), "opt_out");
    }
}
