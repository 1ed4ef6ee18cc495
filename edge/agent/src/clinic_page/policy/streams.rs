//! Everything that may leave, in words: what, to whom, what is removed before, and how much did so far.

use crate::case_index::Delivery;
use crate::research::ExportLine;
use crate::site_policy::{
    Consent, DatesWord, NodeGets, Origin, Recipient, ResearchDates, ResearchNames, SitePolicy, UnknownAge,
    UrgencyWord,
};

use super::super::server::App;
use super::super::texts::{Texts, fill};

/// One kind of thing that leaves, or does not.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) heading: String,
    pub(crate) lines: Vec<String>,
}

pub(super) fn of(app: &App, policy: &SitePolicy, exports: &[ExportLine], t: &Texts) -> Vec<Stream> {
    let p = &t.policy;
    let mut streams = Vec::new();
    let origin = match app.sources.policy.handle.origin() {
        Origin::Kept => None,
        Origin::Absent => Some(&p.absent),
        Origin::Lost => Some(&p.lost),
        Origin::Older => Some(&p.older),
    };
    let stream = |heading: &str, lines: Vec<String>| Stream {
        heading: heading.to_owned(),
        lines,
    };
    streams.extend(origin.map(|text| stream("", vec![text.clone()])));
    let cases = app.sources.cases.all();
    let results = cases
        .iter()
        .filter(|case| matches!(case.delivery, Delivery::Receipted { .. }));
    let n = results.count().to_string();
    streams.push(stream(&p.results, vec![fill(&p.results_text, &[("n", &n)])]));
    streams.push(stream(&p.images, images(app, policy, t)));
    let either = |is: bool, yes: &String, no: &String| vec![if is { yes } else { no }.clone()];
    streams.push(stream(
        &p.messages,
        either(policy.hub.free_text, &p.messages_yes, &p.messages_no),
    ));
    streams.push(stream(
        &p.stick,
        either(policy.hub.stick, &p.stick_yes, &p.stick_no),
    ));
    for node in app.sources.deliveries.view() {
        let gets = match node.gets {
            NodeGets::Originals => &p.node_originals,
            NodeGets::Deidentified => &p.node_deidentified,
            NodeGets::Nothing => &p.node_nothing,
        };
        let sent = fill(
            &p.so_far_node,
            &[
                ("n", &node.sent.to_string()),
                ("waiting", &node.pending.to_string()),
            ],
        );
        let heading = fill(&p.node, &[("name", &node.name)]);
        streams.push(stream(&heading, vec![gets.clone(), sent]));
    }
    streams.push(stream(&p.learning, learning(app, policy, t)));
    if policy.research.is_empty() {
        streams.push(stream(&p.research_nobody, vec![p.research_none.clone()]));
    }
    for recipient in &policy.research {
        let heading = fill(&p.research, &[("name", &recipient.name)]);
        streams.push(stream(&heading, research(recipient, exports, t)));
    }
    let unknown = match policy.minors.unknown_age {
        UnknownAge::Minor => &p.minors_unknown_minor,
        UnknownAge::Adult => &p.minors_unknown_adult,
    };
    let age = fill(&p.minors_text, &[("age", &policy.minors.age.to_string())]);
    streams.push(stream(&p.minors, vec![age, unknown.clone()]));
    streams.push(stream(&p.never, vec![p.never_text.clone()]));
    streams
}

fn images(app: &App, policy: &SitePolicy, t: &Texts) -> Vec<String> {
    let (p, hub) = (&t.policy, &policy.hub);
    if !app.sources.policy.sends_images {
        return vec![p.images_off.clone()];
    }
    let (studies, images) = (app.sources.policy.images_so_far)();
    let so_far = fill(
        &p.so_far_images,
        &[("studies", &studies.to_string()), ("images", &images.to_string())],
    );
    if hub.images_of.is_empty() {
        return vec![p.images_none.clone(), so_far];
    }
    let urgencies: Vec<&str> = hub
        .images_of
        .iter()
        .map(|urgency| match urgency {
            UrgencyWord::Critical => p.critical.as_str(),
            UrgencyWord::Review => p.review.as_str(),
            UrgencyWord::Routine => p.routine.as_str(),
        })
        .collect();
    let dates = match hub.dates {
        DatesWord::Shifted => &p.dates_shifted,
        DatesWord::Kept => &p.dates_kept,
    };
    let characteristics = if hub.patient_characteristics {
        &p.characteristics_kept
    } else {
        &p.characteristics_removed
    };
    vec![
        fill(&p.images_text, &[("urgencies", &urgencies.join(", "))]),
        dates.clone(),
        characteristics.clone(),
        so_far,
    ]
}

fn learning(app: &App, policy: &SitePolicy, t: &Texts) -> Vec<String> {
    let p = &t.policy;
    let Some(learning) = &policy.learning else {
        return vec![p.learning_none.clone()];
    };
    let view = app.sources.learning.view();
    let mut lines = vec![
        p.learning_text.clone(),
        match learning.consent {
            Consent::OptIn => p.learning_opt_in.clone(),
            Consent::OptOut => p.learning_opt_out.clone(),
        },
    ];
    if learning.rounds {
        let budget = learning
            .epsilon_budget
            .map_or_else(|| "∞".to_owned(), |budget| budget.to_string());
        lines.push(fill(
            &p.learning_rounds,
            &[
                ("cohort", &learning.minimum_cohort.to_string()),
                ("budget", &budget),
            ],
        ));
    } else {
        lines.push(p.learning_no_rounds.clone());
    }
    if let Some(hours) = learning.daily_hours {
        let (from, to) = (format!("{:02}", hours.from), format!("{:02}", hours.to));
        lines.push(fill(&p.learning_hours, &[("from", &from), ("to", &to)]));
    }
    if let Some(models) = &learning.models {
        lines.push(fill(&p.learning_models, &[("models", &models.join(", "))]));
    }
    lines.push(fill(&p.so_far_learning, &[("n", &view.examples.to_string())]));
    lines
}

fn research(recipient: &Recipient, exports: &[ExportLine], t: &Texts) -> Vec<String> {
    let p = &t.policy;
    let own: Vec<&ExportLine> = exports
        .iter()
        .filter(|line| line.recipient == recipient.name)
        .collect();
    let images: usize = own.iter().map(|line| line.images).sum();
    let mut lines = vec![fill(
        &p.research_text,
        &[("purpose", &recipient.purpose), ("until", &recipient.until)],
    )];
    lines.push(match recipient.dates {
        ResearchDates::Removed => p.research_removed.clone(),
        ResearchDates::Shifted => p.research_shifted.clone(),
    });
    if recipient.sex_and_age_band {
        lines.push(p.research_sex_age.clone());
    }
    lines.push(match recipient.names {
        ResearchNames::Recipient => p.research_names_recipient.clone(),
        ResearchNames::Export => p.research_names_export.clone(),
    });
    lines.push(fill(
        &p.so_far_research,
        &[("n", &own.len().to_string()), ("images", &images.to_string())],
    ));
    lines
}
