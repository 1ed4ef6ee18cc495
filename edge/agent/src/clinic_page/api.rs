//! What programs read: the cases and the state of the box as JSON. No patient's name or number, only the study.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use barefoot_domain::{Call, EngineUse, FindingResult, Progress, QualityGrade, Urgency};
use serde::{Deserialize, Serialize};

use super::own_certificate::OwnCertificate;
use super::server::App;
use super::top_bar::waited_ms;
use crate::at_rest;
use crate::case_index::{CaseState, CaseView, Delivery};
use crate::clock;
use crate::labels::{ConsentFor, Label, LabelSource};
use crate::learning_status::{LearningView, RoundOutcome};
use crate::membership::StandingView;
use crate::status::{LANES, Space, Status};

const DEFAULT_CASES: usize = 1000;
const MAX_CASES: usize = 10_000;

#[derive(Debug, Deserialize)]
pub(super) struct CasesQuery {
    /// Newest cases to answer with; more than the most is the most.
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct CasesAnswer {
    cases: Vec<CaseAnswer>,
}

#[derive(Debug, Serialize)]
struct CaseAnswer {
    study: String,
    study_uid: String,
    case_id: String,
    version: u32,
    modality: String,
    instances: usize,
    state: &'static str,
    delivery: &'static str,
    envelope_id: Option<String>,
    received_at_ms: i64,
    assessed_at_ms: Option<i64>,
    model: Option<String>,
    engine: Option<String>,
    precision: Option<String>,
    findings: Vec<FindingAnswer>,
    quality: Option<&'static str>,
    urgency: Option<&'static str>,
    reasons: Vec<String>,
    /// What people said: the standing word on each finding.
    labels: Vec<LabelAnswer>,
    /// The patient's word on learning, where there is one.
    learning: Option<bool>,
    /// Where it stands at the hub, where the hub has said so.
    progress: Option<&'static str>,
    /// Ids of its reports, and of those nobody has read.
    reports: Vec<String>,
    unread_reports: Vec<String>,
    /// Messages of both sides.
    messages: usize,
}

#[derive(Debug, Serialize)]
struct LabelAnswer {
    finding: String,
    present: bool,
    /// `expert` or `clinic`.
    source: &'static str,
}

#[derive(Debug, Serialize)]
struct FindingAnswer {
    code: String,
    score: f32,
    call: &'static str,
    confidence: f32,
}

#[derive(Debug, Serialize)]
pub(super) struct StatusAnswer {
    /// Instances stored since the start.
    stored: u64,
    /// Files in quarantine.
    quarantined: u64,
    queue: QueueAnswer,
    link: &'static str,
    line: LineAnswer,
    /// `enough`, `low` or `full`.
    space: &'static str,
    engine: Option<String>,
    precision: Option<String>,
    model: Option<String>,
    /// The version of the program that decodes films; none where there is no such program.
    video_decoder: Option<String>,
    /// The model that answers has not proven itself yet.
    on_trial: bool,
    /// The model that runs beside it.
    beside: Option<String>,
    /// The model that is being fetched or checked.
    coming: Option<String>,
    /// The last model that was refused or taken back.
    ended: Option<EndedAnswer>,
    /// Why the next model does not come: a stable code.
    trouble: Option<&'static str>,
    learning: LearningAnswer,
    /// Whether the hub takes messages, where it has said so.
    hub_talks: Option<bool>,
    /// Reports that could not be attached to a patient and nobody has seen to.
    reports_aside: usize,
    identity: IdentityAnswer,
    /// Where an audit record repository is told of the log.
    audit_repository: Option<RepositoryAnswer>,
    /// How what the box keeps is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_rest: Option<AtRestAnswer>,
    /// SHA-256 of the certificate that the box made for its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    page_certificate: Option<String>,
}

#[derive(Debug, Serialize)]
struct IdentityAnswer {
    /// Where the box was enrolled by a code.
    certificate_until_ms: Option<i64>,
    /// It should have been renewed by now.
    overdue: bool,
    /// The hub knows that the certificate is stored here.
    confirmed: bool,
    /// How many authorities the box trusts.
    authorities: usize,
    /// The hub's words, where it does not renew.
    refused: Option<String>,
    clock_behind_s: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct AtRestAnswer {
    cipher: &'static str,
    /// Where the key comes from.
    key: &'static str,
}

#[derive(Debug, Serialize)]
struct LearningAnswer {
    policy: bool,
    hub: bool,
    /// Labelled findings whose features are kept, and those still to be computed.
    examples: usize,
    pending: usize,
    /// Findings whose confidence follows this site's confirmed cases.
    site_fits: Vec<SiteFitAnswer>,
    /// `taking_part`, `contributed`, `declined` or `refused`.
    last_round: Option<&'static str>,
    epsilon: Option<f64>,
    epsilon_budget: Option<f64>,
}

#[derive(Debug, Serialize)]
struct EndedAnswer {
    model: String,
    /// It had answered here.
    rolled_back: bool,
    /// A stable code.
    problem: &'static str,
}

#[derive(Debug, Serialize)]
struct QueueAnswer {
    /// Without what this box tells of itself.
    pending: u64,
    /// How long the oldest has been waiting.
    oldest_ms: Option<i64>,
    lanes: BTreeMap<&'static str, u64>,
    /// What the hub will not take.
    set_aside: u64,
}

/// Since the start.
#[derive(Debug, Serialize)]
struct LineAnswer {
    sessions: u64,
    receipts: u64,
    refusals: u64,
    /// Hub's clock minus this box's, where it is known.
    clock_offset_ms: Option<i64>,
}

/// `GET /api/cases`, newest first.
pub(super) async fn cases(State(app): State<Arc<App>>, Query(query): Query<CasesQuery>) -> Json<CasesAnswer> {
    let limit = query.limit.unwrap_or(DEFAULT_CASES).min(MAX_CASES);
    let cases = app.sources.cases.newest(limit);
    Json(CasesAnswer {
        cases: cases.iter().map(|case| CaseAnswer::of(case)).collect(),
    })
}

/// `GET /api/status`.
pub(super) async fn status(State(app): State<Arc<App>>) -> Json<StatusAnswer> {
    Json(status_of(&app))
}

#[derive(Debug, Serialize)]
struct RepositoryAnswer {
    /// Entries that it lacks.
    behind: u64,
    /// How long the oldest of them has been waiting.
    oldest_ms: Option<i64>,
    sent: u64,
    failures: u64,
    /// Why the last attempt failed.
    trouble: Option<String>,
    /// The settings cannot be used.
    unusable: bool,
}

fn repository_of(status: &Status, now_ms: i64) -> Option<RepositoryAnswer> {
    let view = status.repository_view()?;
    Some(RepositoryAnswer {
        behind: view.behind,
        oldest_ms: view.oldest_ms.map(|at| now_ms.saturating_sub(at).max(0)),
        sent: view.sent,
        failures: view.failures,
        trouble: view.trouble,
        unusable: view.unusable,
    })
}

/// The state of the box: numbers and codes, no identity.
pub(super) fn status_of(app: &App) -> StatusAnswer {
    let status = &app.sources.status;
    let (depth, waiting) = (status.queue_depth(), status.waiting());
    let (now, counts) = (clock::now_ms(), status.line_counts());
    let model = status.model();
    let (engine, precision) = split(model.engine);
    let releases = status.releases();
    StatusAnswer {
        stored: status.stored(),
        quarantined: status.quarantined(),
        audit_repository: repository_of(status, now),
        queue: QueueAnswer {
            pending: waiting.records,
            oldest_ms: waited_ms(waiting.oldest_queued_at_ms, now),
            lanes: LANES.map(|(lane, name)| (name, depth.of(lane))).into(),
            set_aside: depth.set_aside,
        },
        line: LineAnswer {
            sessions: counts.sessions,
            receipts: counts.receipts,
            refusals: counts.refusals,
            clock_offset_ms: status.hub_clock().offset_ms(now),
        },
        space: match status.space() {
            Space::Enough => "enough",
            Space::Low => "low",
            Space::Full => "full",
        },
        link: if status.connected() {
            "connected"
        } else {
            "connecting"
        },
        engine,
        precision,
        model: model.model,
        video_decoder: status.video_decoder(),
        on_trial: releases.on_trial,
        beside: releases.beside,
        coming: releases.coming,
        ended: releases.ended.map(|(model, rolled_back, problem)| EndedAnswer {
            model,
            rolled_back,
            problem,
        }),
        trouble: releases.trouble.or(releases.stick_trouble),
        learning: LearningAnswer::of(&app.sources.learning.view()),
        hub_talks: status.hub_talks(),
        reports_aside: app.sources.aside.open_ones().len(),
        identity: IdentityAnswer::of(status.standing().view()),
        page_certificate: app.own_certificate.as_ref().map(OwnCertificate::fingerprint),
        at_rest: at_rest::of(app.sources.state.root()).map(|(vault, _)| AtRestAnswer {
            cipher: vault.cipher().word(),
            key: vault.key_place(),
        }),
    }
}

impl IdentityAnswer {
    fn of(view: StandingView) -> Self {
        Self {
            certificate_until_ms: view.certificate_until_ms,
            overdue: view.overdue,
            confirmed: view.confirmed,
            authorities: view.authorities,
            refused: view.refused,
            clock_behind_s: view.clock_behind_s,
        }
    }
}

#[derive(Debug, Serialize)]
struct SiteFitAnswer {
    finding: String,
    cases: usize,
    /// Expected calibration error with the model's own confidence, and with the site's on cases it was not fitted on.
    error_before: f32,
    error_after: f32,
}

impl LearningAnswer {
    fn of(view: &LearningView) -> Self {
        Self {
            policy: view.has_policy,
            hub: view.has_hub,
            examples: view.examples,
            pending: view.pending,
            site_fits: view
                .site_fits
                .iter()
                .map(|fit| SiteFitAnswer {
                    finding: fit.finding.as_str().to_owned(),
                    cases: fit.cases,
                    error_before: fit.error_before,
                    error_after: fit.error_after,
                })
                .collect(),
            last_round: view.last_round.as_ref().map(|note| match note.outcome {
                RoundOutcome::TakingPart => "taking_part",
                RoundOutcome::Contributed => "contributed",
                RoundOutcome::Declined(_) => "declined",
                RoundOutcome::Refused(_) => "refused",
            }),
            epsilon: view.privacy.map(|spent| spent.epsilon),
            epsilon_budget: view.privacy.and_then(|spent| spent.budget),
        }
    }
}

impl CaseAnswer {
    fn of(case: &CaseView) -> Self {
        let assessment = case.assessment.as_ref();
        let (delivery, envelope_id) = match &case.delivery {
            Delivery::None => ("none", None),
            Delivery::Queued { envelope_id } => ("queued", Some(envelope_id.clone())),
            Delivery::Receipted { envelope_id } => ("receipted", Some(envelope_id.clone())),
            Delivery::Refused { envelope_id, .. } => ("refused", Some(envelope_id.clone())),
        };
        let (engine, precision) = split(assessment.and_then(|it| it.engine.clone()));
        Self {
            study: case.study.to_string(),
            study_uid: case.study_uid.clone(),
            case_id: case.case.to_string(),
            version: case.version,
            modality: case.modality.clone(),
            instances: case.instances,
            state: match case.state {
                CaseState::Receiving => "receiving",
                CaseState::Assessing => "assessing",
                CaseState::Assessed => "assessed",
            },
            delivery,
            envelope_id,
            received_at_ms: case.received_at_ms,
            assessed_at_ms: case.assessed_at_ms,
            model: assessment
                .and_then(|it| it.model.as_ref())
                .map(ToString::to_string),
            engine,
            precision,
            findings: assessment
                .map(|it| it.findings.iter().map(finding).collect())
                .unwrap_or_default(),
            quality: assessment.map(|it| match it.quality.grade {
                QualityGrade::A => "A",
                QualityGrade::B => "B",
                QualityGrade::C => "C",
            }),
            urgency: assessment.map(|it| match it.urgency {
                Urgency::Routine => "routine",
                Urgency::Review => "review",
                Urgency::Critical => "critical",
            }),
            reasons: assessment
                .map(|it| it.reasons.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            labels: case.labels.standing().map(label).collect(),
            learning: case.labels.word(ConsentFor::Learning).map(|word| word.allowed),
            progress: case.reading.state().map(|state| match state.progress {
                Progress::NotRead => "not_read",
                Progress::Waiting => "waiting",
                Progress::BeingRead => "being_read",
                Progress::SecondRead => "second_read",
                Progress::ImagesWanted => "images_wanted",
                Progress::Reported => "reported",
                Progress::Withdrawn => "withdrawn",
            }),
            reports: case
                .reading
                .reports()
                .iter()
                .map(|kept| kept.report.id.clone())
                .collect(),
            unread_reports: case
                .reading
                .unread_reports()
                .map(|kept| kept.report.id.clone())
                .collect(),
            messages: case.reading.messages().len(),
        }
    }
}

fn finding(result: &FindingResult) -> FindingAnswer {
    FindingAnswer {
        code: result.code.to_string(),
        score: result.score.value(),
        call: match result.call {
            Call::Positive => "positive",
            Call::Negative => "negative",
        },
        confidence: result.confidence.value(),
    }
}

fn label(label: &Label) -> LabelAnswer {
    LabelAnswer {
        finding: label.finding.to_string(),
        present: label.present,
        source: match label.source {
            LabelSource::Expert => "expert",
            LabelSource::Clinic => "clinic",
        },
    }
}

fn split(used: Option<EngineUse>) -> (Option<String>, Option<String>) {
    used.map(|used| (used.engine, used.precision)).unzip()
}
