//! From a report to what its template prints.

use askama::Template;
use time::OffsetDateTime;
use time::macros::format_description;

use super::super::gate::{Check, Estimate, FindingReport, Limit, Measures, Quantity, SetReport};
use super::super::plan::JudgedBy;
use super::super::provenance::ProvenanceRecord;
use super::charts::{self, Dot};
use super::words::{self, Label, origin};
use super::{PlanUsed, Report};

/// The HTML document.
#[derive(Template)]
#[template(path = "gate_report.html")]
pub(super) struct ReportView<'a> {
    report: &'a Report,
    verdict: Label,
    judged_at: String,
    failed: Vec<CheckView>,
    checks: Vec<CheckView>,
    sets: Vec<SetView<'a>>,
    recalibrated: Vec<RecalibratedView>,
    origin: Vec<(Label, String)>,
    plan: Option<&'a PlanUsed>,
}

struct CheckView {
    held: bool,
    label: Label,
    /// Set, finding, subgroup, tensor or reason.
    place: String,
    bound: String,
    value: String,
}

struct SetView<'a> {
    set: &'a SetReport,
    findings: Vec<FindingView<'a>>,
}

struct FindingView<'a> {
    finding: &'a FindingReport,
    rows: Vec<Row>,
    roc_base: String,
    roc_candidate: String,
    dots_base: Vec<Dot>,
    dots_candidate: Vec<Dot>,
    subgroups: Vec<SubgroupView>,
}

/// One figure of both versions.
struct Row {
    label: Label,
    base: String,
    candidate: String,
}

struct SubgroupView {
    name: String,
    cases: String,
    judged: bool,
    auc: String,
    sensitivity: String,
    specificity: String,
}

struct RecalibratedView {
    finding: String,
    temperature: String,
    operating_point: String,
    how: String,
}

impl<'a> ReportView<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let checks = report.checks.iter().map(check);
        Self {
            report,
            verdict: words::verdict(report.passed),
            judged_at: moment(report.judged_at_ms),
            failed: report
                .checks
                .iter()
                .filter(|check| !check.held)
                .map(check)
                .collect(),
            checks: checks.collect(),
            sets: report.sets.iter().map(|set| set_view(report, set)).collect(),
            recalibrated: report
                .recalibrated
                .iter()
                .map(|entry| RecalibratedView {
                    finding: entry.finding.clone(),
                    temperature: change(entry.temperature_before, entry.temperature),
                    operating_point: change(entry.operating_point_before, entry.operating_point),
                    how: match (&entry.set, entry.sensitivity) {
                        (None, _) => "保持 kept".to_owned(),
                        (Some(set), None) => format!("拟合于 fitted on {set}"),
                        (Some(set), Some(sensitivity)) => {
                            format!("拟合于 fitted on {set} · 灵敏度 sensitivity ≥ {sensitivity}")
                        }
                    },
                })
                .collect(),
            origin: origin_rows(&report.provenance),
            plan: report.plan.as_ref(),
        }
    }
}

fn check(check: &Check) -> CheckView {
    let places = [&check.set, &check.finding, &check.subgroup, &check.subject];
    let places: Vec<&str> = places.into_iter().flatten().map(String::as_str).collect();
    let counted = matches!(check.quantity, Quantity::Present | Quantity::Absent);
    let number = |value: f64| {
        if counted {
            format!("{value:.0}")
        } else {
            format!("{value:.4}")
        }
    };
    let judged_by = match check.judged_by {
        Some(JudgedBy::Interval) => " · 95 % CI",
        Some(JudgedBy::Point) | None => "",
    };
    CheckView {
        held: check.held,
        label: words::quantity(check.quantity),
        place: places.join(" · "),
        bound: match check.limit {
            Some(Limit::AtLeast(bound)) => format!("≥ {bound}{judged_by}"),
            Some(Limit::AtMost(bound)) => format!("≤ {bound}{judged_by}"),
            None => String::new(),
        },
        value: match (check.value, check.limit) {
            (Some(value), _) => number(value),
            (None, Some(_)) => "无法测量 not measurable".to_owned(),
            (None, None) => String::new(),
        },
    }
}

fn set_view<'a>(report: &Report, set: &'a SetReport) -> SetView<'a> {
    SetView {
        set,
        findings: set
            .findings
            .iter()
            .map(|finding| finding_view(report, set, finding))
            .collect(),
    }
}

fn finding_view<'a>(report: &Report, set: &SetReport, finding: &'a FindingReport) -> FindingView<'a> {
    let (base, candidate) = (&finding.base.measures, &finding.candidate.measures);
    let row = |quantity, of: fn(&Measures) -> Option<Estimate>| Row {
        label: words::quantity(quantity),
        base: with_interval(of(base)),
        candidate: with_interval(of(candidate)),
    };
    let plain = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |value| format!("{value:.4}"));
    let counts = |of: &Measures| {
        format!(
            "{} / {} / {} / {}",
            of.true_positive, of.false_positive, of.true_negative, of.false_negative
        )
    };
    FindingView {
        finding,
        rows: vec![
            row(Quantity::Auc, |measures| measures.auc),
            row(Quantity::Sensitivity, |measures| measures.sensitivity),
            row(Quantity::Specificity, |measures| measures.specificity),
            row(Quantity::Brier, |measures| measures.brier),
            row(Quantity::Ece, |measures| measures.ece),
            Row {
                label: words::LOG_LOSS,
                base: plain(base.log_loss),
                candidate: plain(candidate.log_loss),
            },
            Row {
                label: words::COUNTS,
                base: counts(base),
                candidate: counts(candidate),
            },
        ],
        roc_base: charts::polyline(&finding.base.roc),
        roc_candidate: charts::polyline(&finding.candidate.roc),
        dots_base: charts::dots(&finding.base.reliability),
        dots_candidate: charts::dots(&finding.candidate.reliability),
        subgroups: finding
            .subgroups
            .iter()
            .map(|subgroup| SubgroupView {
                name: subgroup.name.clone(),
                cases: format!("{} + {}", subgroup.present, subgroup.absent),
                judged: report.checks.iter().any(|check| {
                    check.quantity != Quantity::Covered
                        && check.set.as_ref() == Some(&set.name)
                        && check.finding.as_ref() == Some(&finding.finding)
                        && check.subgroup.as_ref() == Some(&subgroup.name)
                }),
                auc: beside(subgroup.base.auc, subgroup.candidate.auc),
                sensitivity: beside(subgroup.base.sensitivity, subgroup.candidate.sensitivity),
                specificity: beside(subgroup.base.specificity, subgroup.candidate.specificity),
            })
            .collect(),
    }
}

fn origin_rows(provenance: &ProvenanceRecord) -> Vec<(Label, String)> {
    let fit = &provenance.fit;
    let cohort = &provenance.cohort;
    let privacy = &provenance.privacy;
    let parameters: Vec<String> = provenance
        .strategy
        .parameters
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let start = if provenance.strategy.from_zero {
        " · from zero"
    } else {
        ""
    };
    let participants: Vec<String> = provenance
        .rounds
        .iter()
        .map(|round| round.participants.to_string())
        .collect();
    vec![
        (origin::RUN, provenance.run.clone()),
        (
            origin::TIME,
            format!(
                "{} – {}",
                moment(provenance.started_at_ms),
                moment(provenance.ended_at_ms)
            ),
        ),
        (origin::ROUNDS, provenance.rounds.len().to_string()),
        (origin::PARTICIPANTS, participants.join(" · ")),
        (
            origin::STRATEGY,
            format!("{} {}{start}", provenance.strategy.name, parameters.join(", ")),
        ),
        (
            origin::FIT,
            format!(
                "epochs {}, batch {}, lr {}, momentum {}, l2 {}, mu {}, class weights {}, {}, examples ≥ {}, \
                 counted up to {}",
                fit.epochs,
                fit.batch_size,
                fit.learning_rate,
                fit.momentum,
                fit.l2,
                fit.proximal_mu,
                fit.class_weights,
                fit.encoding,
                fit.minimum_examples,
                fit.example_cap
            ),
        ),
        (
            origin::COHORT,
            format!(
                "quorum {}, target {}, stage {} s, late: {}, norm limit {}, retries {}",
                cohort.quorum,
                cohort.target,
                cohort.stage_ms / 1000,
                cohort.late,
                cohort.norm_limit,
                cohort.retries
            ),
        ),
        (
            origin::TERMS,
            format!(
                "clip norm {}, noise multiplier {}, secure aggregation {}",
                privacy.clip_norm, privacy.noise_multiplier, privacy.secure_aggregation
            ),
        ),
        (
            origin::SPENT,
            privacy.epsilon_spent.map_or_else(
                || "未加噪声，不作隐私承诺 · no noise, nothing is promised".to_owned(),
                |epsilon| format!("ε = {epsilon:.3}, δ = {:e}", privacy.delta),
            ),
        ),
        (origin::CODE, provenance.code.clone()),
        (origin::BACKBONE, provenance.backbone.join(" ")),
        (origin::BASE_CHUNKS, listed(&provenance.base_chunks)),
        (origin::CHUNKS, listed(&provenance.chunks)),
        (
            origin::PLAN,
            provenance.plan.as_ref().map_or_else(
                || "—".to_owned(),
                |plan| format!("{} · {}", plan.name, plan.sha256),
            ),
        ),
    ]
}

/// A long list is in the JSON; here its beginning serves.
fn listed(hashes: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<&str> = hashes.iter().take(SHOWN).map(String::as_str).collect();
    if hashes.len() <= SHOWN {
        shown.join(" ")
    } else {
        format!("{} … ({})", shown.join(" "), hashes.len())
    }
}

fn with_interval(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(
        || "—".to_owned(),
        |Estimate { value, low, high }| format!("{value:.4} ({low:.4} – {high:.4})"),
    )
}

fn beside(base: Option<Estimate>, candidate: Option<Estimate>) -> String {
    let short = |estimate: Option<Estimate>| {
        estimate.map_or_else(|| "—".to_owned(), |estimate| format!("{:.3}", estimate.value))
    };
    format!("{} → {}", short(base), short(candidate))
}

fn change(before: f64, after: f64) -> String {
    format!("{before:.4} → {after:.4}")
}

/// UTC, for a document that is read anywhere.
fn moment(ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_default()
}
