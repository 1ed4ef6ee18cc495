//! The model's card: what is new about this version stands first, what is known of the model stays.

use std::fmt::Write;

use super::CandidateFolder;
use super::report::Estimate;

const BEGIN: &str = "<!-- this version -->";
const END: &str = "<!-- what was known before -->";

/// The base's card with this version's chapter, which takes the place of the base's own.
pub(super) fn of(card: &str, candidate: &CandidateFolder) -> String {
    let (title, rest) = card.split_once('\n').unwrap_or((card, ""));
    let record = &candidate.record;
    let title = title.replace(
        &format!("({})", record.base_version),
        &format!("({})", record.version),
    );
    let rest = match (rest.find(BEGIN), rest.find(END)) {
        (Some(begin), Some(end)) if begin < end => {
            let before = rest.get(..begin).unwrap_or_default();
            let after = rest.get(end + END.len()..).unwrap_or_default();
            format!("{}{}", before.trim_end(), after)
        }
        _ => rest.to_owned(),
    };
    format!(
        "{title}\n\n{BEGIN}\n{}{END}\n\n{}",
        chapter(candidate),
        rest.trim_start()
    )
}

fn chapter(candidate: &CandidateFolder) -> String {
    let (record, report) = (&candidate.record, &candidate.report);
    let provenance = &report.provenance;
    let (fewest, most) = report.participants();
    let mut text = format!(
        "## Version {}\n\nThe head was trained in federated rounds, starting from version {}; the network before it is unchanged. What this card says further down of head, operating point, temperature and figures is about earlier versions.\n\n",
        record.version, record.base_version
    );
    let parameters: Vec<String> = provenance
        .strategy
        .parameters
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let strategy = [vec![provenance.strategy.name.clone()], parameters]
        .concat()
        .join(", ");
    let _ = writeln!(
        text,
        "- Run {}: {} rounds, {fewest} to {most} clinics in a round, {strategy}. Made by {}.",
        provenance.run,
        provenance.rounds.len(),
        provenance.code
    );
    let privacy = &provenance.privacy;
    let spent = match privacy.epsilon_spent {
        Some(epsilon) => format!("epsilon {epsilon:.3} at delta {:e}", privacy.delta),
        None => "no noise, so no figure bounds what an update tells".to_owned(),
    };
    let _ = writeln!(
        text,
        "- Privacy: {}, clip norm {}, noise multiplier {}; {spent}.",
        if privacy.secure_aggregation {
            "the hub saw sums only"
        } else {
            "the hub saw each clinic's update"
        },
        privacy.clip_norm,
        privacy.noise_multiplier
    );
    for setting in &record.findings {
        let fitted = report.recalibrated(&setting.code);
        let how = match fitted.and_then(|one| one.set.as_ref()) {
            Some(set) => format!("fitted on the set {set}"),
            None => "kept".to_owned(),
        };
        let _ = writeln!(
            text,
            "- {}: temperature {:.4}, operating point {:.4} on the calibrated score; {how}.",
            setting.code, setting.temperature, setting.operating_point
        );
    }
    let _ = writeln!(
        text,
        "- Gate: every bound of its plan was held. SHA-256 of the report: {}.\n",
        record.report_sha256
    );
    text.push_str("| set | finding | | AUC [95 %] | sensitivity | specificity | Brier | ECE |\n|---|---|---|---|---|---|---|---|\n");
    for set in &report.sets {
        for finding in &set.findings {
            for (name, measured) in [("before", &finding.base), ("now", &finding.candidate)] {
                let measures = &measured.measures;
                let _ = writeln!(
                    text,
                    "| {} ({}, {} cases, {} with) | {} | {name} | {} | {} | {} | {} | {} |",
                    set.name,
                    if set.gates { "judges" } else { "informs" },
                    set.cases,
                    finding.present,
                    finding.finding,
                    interval(measures.auc),
                    interval(measures.sensitivity),
                    interval(measures.specificity),
                    plain(measures.brier),
                    plain(measures.ece)
                );
            }
        }
    }
    text.push('\n');
    for set in &report.sets {
        let _ = writeln!(text, "- {}: {}", set.name, set.source);
    }
    for gap in &report.uncovered {
        let _ = writeln!(
            text,
            "- Not judged, too few cases: {} of {} in {}.",
            gap.subgroup, gap.finding, gap.set
        );
    }
    text.push('\n');
    text
}

fn interval(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(
        || "—".to_owned(),
        |Estimate { value, low, high }| format!("{value:.4} [{low:.4}–{high:.4}]"),
    )
}

fn plain(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "—".to_owned(), |estimate| format!("{:.4}", estimate.value))
}
