//! What a finished run made: numbered, judged, and handed out only when it passed.

use std::collections::BTreeMap;

use barefoot_federation::chunk::ChunkId;

use super::gate::{self, Check, Quantity, SetReport};
use super::head::{Head, channels};
use super::plan::Plan;
use super::provenance::{Provenance, ProvenanceRecord};
use super::record::{ModelRecord, TestSetRecord, from_json, to_json};
use super::registry::{Registry, record};
use super::report::{PlanUsed, Report};
use super::test_set::{Purpose, TestSet};
use super::{BaseModel, Error, FindingSetting, ModelEvent, ModelState, PlanPin, version};
use crate::archive::{ModelRow, PlanRow, TestSetRow};
use crate::clock::now_ms;

impl Registry {
    /// Gives the run's outcome the next version number, judges it, and returns the number. The same run again gives
    /// the same number. A candidate that could not be judged has its number all the same, and waits for
    /// [`Self::judge_waiting`].
    ///
    /// # Errors
    /// [`Error::Unknown`] when the base is not registered, [`Error::Locked`] when the run brought other parameters
    /// before; else what kept the registry from giving a number.
    pub(crate) async fn add_candidate(
        &self,
        provenance: Provenance,
        chunks: Vec<ChunkId>,
    ) -> Result<String, Error> {
        let settings = &provenance.settings;
        let base_row = self.row(&settings.model_id, &settings.base_version).await?;
        let base = record(&base_row)?.model()?;
        if chunks.len() != base.layout.chunks() {
            return Err(Error::invalid(
                "The parameters' chunks are not as many as their layout has.",
            ));
        }
        let model = BaseModel {
            chunks,
            ..base.clone()
        };
        let hashes = |model: &BaseModel| model.chunks.iter().map(ToString::to_string).collect::<Vec<_>>();
        let origin =
            ProvenanceRecord::new(&provenance, hashes(&base), hashes(&model), model.backbone.clone());
        let draft = ModelRow {
            id: settings.model_id.clone(),
            version: String::new(),
            state: ModelState::Candidate,
            made_at_ms: now_ms(),
            run: Some(provenance.run.clone()),
            record: to_json(&ModelRecord::new(&model, Some(origin)), "model")?,
        };
        let row = self
            .archive
            .candidate_of_run(&draft, &provenance.run, |versions| {
                version::next(versions)
                    .map(|next| next.to_string())
                    .ok_or_else(|| Error::invalid("The version numbers of this model are used up."))
            })
            .await?;
        if record(&row)?.chunks != hashes(&model) {
            return Err(Error::Locked {
                what: "run's outcome",
            });
        }
        self.changes.announce();
        self.try_judge(&row).await;
        Ok(row.version)
    }

    /// Judges candidates whose judgement failed or was cut off. Whether none waits any more.
    pub(crate) async fn judge_waiting(&self) -> bool {
        let rows = match self.archive.models().await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "The waiting candidates could not be read; it is tried again.");
                return false;
            }
        };
        let mut all = true;
        for row in rows.iter().filter(|row| row.state == ModelState::Candidate) {
            all &= self.try_judge(row).await;
        }
        all
    }

    /// Whether the candidate is judged now.
    async fn try_judge(&self, row: &ModelRow) -> bool {
        let judged = self.judge(row).await;
        if let Err(error) = &judged {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            let (model, version) = (&row.id, &row.version);
            tracing::error!(model, version, %error, cause, "A candidate could not be judged; it is tried again.");
        }
        judged.is_ok()
    }

    async fn judge(&self, row: &ModelRow) -> Result<(), Error> {
        if row.state != ModelState::Candidate {
            return Ok(());
        }
        let mut record = record(row)?;
        let report = self.examine(row, &record).await?;
        let event = if report.passed {
            ModelEvent::GatePassed
        } else {
            ModelEvent::GateRefused
        };
        for (finding, recalibrated) in record.findings.iter_mut().zip(&report.recalibrated) {
            finding.temperature = recalibrated.temperature;
            finding.operating_point = recalibrated.operating_point;
        }
        let judged = ModelRow {
            state: row
                .state
                .after(event)
                .ok_or(Error::Stored { what: "model state" })?,
            record: to_json(&record, "model")?,
            ..row.clone()
        };
        if self.archive.judge_model(&judged, &report.documents()?).await? {
            let (model, version) = (&row.id, &row.version);
            if report.passed {
                tracing::info!(model, version, "A candidate passed its gate.");
            } else {
                let failed = report.failed().join("; ");
                tracing::warn!(model, version, failed, "A candidate was refused by its gate.");
            }
        }
        self.changes.announce();
        Ok(())
    }

    /// Measures a candidate beside its base and holds it against its plan.
    async fn examine(&self, row: &ModelRow, candidate: &ModelRecord) -> Result<Report, Error> {
        let origin = candidate
            .provenance
            .clone()
            .ok_or(Error::Stored { what: "provenance" })?;
        let base_row = self.row(&row.id, &origin.base_version).await?;
        let base = record(&base_row)?.model()?;
        let plan = self
            .plan_of_run(origin.plan.as_ref(), &row.id, origin.started_at_ms)
            .await?;
        let mut report = Report {
            schema: 1,
            model_id: row.id.clone(),
            version: row.version.clone(),
            base_version: origin.base_version.clone(),
            judged_at_ms: now_ms(),
            passed: false,
            checks: Vec::new(),
            uncovered: Vec::new(),
            recalibrated: Vec::new(),
            sets: Vec::new(),
            plan: plan.as_ref().ok().map(|(plan, row)| plan_used(plan, row)),
            provenance: origin,
        };
        let planned = Check::whole(Quantity::Plan, None, None, plan.is_ok());
        report.checks.push(match &plan {
            Ok((_, row)) => planned.about(&row.name),
            Err(reason) => planned.about(*reason),
        });
        let plan = plan.ok();
        if let Some(mut heads) = self.heads(&base, candidate, plan.as_ref(), &mut report).await? {
            self.calibrate(plan.as_ref(), &base, &mut heads, &mut report)
                .await?;
            self.measure_all(row, &base, plan.as_ref(), &heads, &mut report)
                .await?;
            if let Some((plan, _)) = &plan {
                let findings: Vec<&str> = base
                    .findings
                    .iter()
                    .map(|finding| finding.code.as_str())
                    .collect();
                let (checks, uncovered) = gate::judge(plan, &findings, &report.sets);
                report.checks.extend(checks);
                report.uncovered = uncovered;
            }
        }
        report.passed = report.checks.iter().all(|check| check.held);
        Ok(report)
    }

    /// Both heads, when the candidate's parameters are sound; what is wrong with them goes into the report.
    async fn heads(
        &self,
        base: &BaseModel,
        candidate: &ModelRecord,
        plan: Option<&(Plan, PlanRow)>,
        report: &mut Report,
    ) -> Result<Option<Heads>, Error> {
        let before = self.values(base).await?;
        let after = match self.values(&candidate.model()?).await {
            Ok(after) => after,
            Err(Error::Stored { .. }) => {
                let finite = Check::whole(Quantity::Finite, None, None, false);
                report
                    .checks
                    .push(finite.about("a chunk is no list of finite numbers"));
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        if let Some((plan, _)) = plan {
            report
                .checks
                .extend(gate::check_structure(&base.layout, &before, &after, &plan.change));
        }
        let rows = base.findings.len();
        match (
            Head::new(&base.layout, rows, &before),
            Head::new(&base.layout, rows, &after),
        ) {
            (Ok(base_head), Ok(candidate_head)) => Ok(Some(Heads {
                base: base_head,
                candidate: candidate_head,
                base_findings: base.findings.clone(),
                candidate_findings: base.findings.clone(),
            })),
            (Err(error), _) | (_, Err(error)) => {
                let layout = Check::whole(Quantity::Layout, None, None, false);
                report.checks.push(layout.about(error.to_string()));
                Ok(None)
            }
        }
    }

    async fn calibrate(
        &self,
        plan: Option<&(Plan, PlanRow)>,
        base: &BaseModel,
        heads: &mut Heads,
        report: &mut Report,
    ) -> Result<(), Error> {
        let Some((plan, plan_row)) = plan else {
            return Ok(());
        };
        let set = match &plan.recalibration.set {
            None => None,
            Some(name) => {
                let row = self.archive.test_set(name).await?;
                let row = row.ok_or(Error::Stored { what: "test set" })?;
                report.checks.extend(set_checks(plan_row, &row, base)?);
                Some(self.read_test_set(&row).await?)
            }
        };
        let (plan, head, settings) = (plan.clone(), heads.candidate.clone(), base.findings.clone());
        let fitted = on_a_core(move || gate::recalibrate(&plan, &settings, &head, set.as_ref())).await?;
        let check = Check::whole(Quantity::Recalibration, None, None, fitted.is_ok());
        match fitted {
            Ok(recalibrated) => {
                report.checks.push(check);
                for (finding, new) in heads.candidate_findings.iter_mut().zip(&recalibrated) {
                    finding.temperature = new.temperature;
                    finding.operating_point = new.operating_point;
                }
                report.recalibrated = recalibrated;
            }
            Err(reason) => report.checks.push(check.about(reason)),
        }
        Ok(())
    }

    /// Every evaluation set the base's features fit; those the plan does not name only inform. One set is in memory
    /// at a time.
    async fn measure_all(
        &self,
        candidate: &ModelRow,
        base: &BaseModel,
        plan: Option<&(Plan, PlanRow)>,
        heads: &Heads,
        report: &mut Report,
    ) -> Result<(), Error> {
        for row in self.archive.test_sets().await? {
            let gates = plan.is_some_and(|(plan, _)| plan.gates.iter().any(|gate| gate.set == row.name));
            if row.model_id != candidate.id || Purpose::named(&row.purpose) != Some(Purpose::Evaluation) {
                continue;
            }
            if let (true, Some((_, plan_row))) = (gates, plan) {
                report.checks.extend(set_checks(plan_row, &row, base)?);
            }
            if !fits(&row, base)? {
                continue;
            }
            let set = self.read_test_set(&row).await?;
            let heads = heads.clone();
            report
                .sets
                .push(on_a_core(move || heads.measure(&set, gates)).await?);
        }
        Ok(())
    }
}

/// Base and candidate, ready to be measured.
#[derive(Debug, Clone)]
pub(super) struct Heads {
    base: Head,
    candidate: Head,
    base_findings: Vec<FindingSetting>,
    candidate_findings: Vec<FindingSetting>,
}

impl Heads {
    fn measure(&self, set: &TestSet, gates: bool) -> SetReport {
        gate::measure(
            set,
            gates,
            (&self.base, &self.base_findings),
            (&self.candidate, &self.candidate_findings),
        )
    }
}

/// A set the plan names is the one it was registered with, and its features are the base's.
fn set_checks(plan: &PlanRow, row: &TestSetRow, base: &BaseModel) -> Result<[Check; 2], Error> {
    let pinned: BTreeMap<String, String> = from_json(&plan.sets, "plan")?;
    let locked = pinned.get(&row.name) == Some(&row.sha256);
    let check = |quantity, held| Check::whole(quantity, None, None, held).on_set(&row.name);
    Ok([
        check(Quantity::Locked, locked),
        check(Quantity::Backbone, fits(row, base)?),
    ])
}

/// The set's features can be fed to the base's head.
pub(super) fn fits(row: &TestSetRow, base: &BaseModel) -> Result<bool, Error> {
    let record: TestSetRecord = from_json(&row.record, "test set record")?;
    Ok(base.backbone.contains(&record.backbone)
        && channels(&base.layout, base.findings.len()) == usize::try_from(record.channels).ok())
}

fn plan_used(plan: &Plan, row: &PlanRow) -> PlanUsed {
    PlanUsed {
        pin: PlanPin {
            name: row.name.clone(),
            sha256: row.sha256.clone(),
        },
        registered_at_ms: row.registered_at_ms,
        rationale: plan.rationale.clone(),
        toml: row.toml.clone(),
    }
}

/// Arithmetic that would keep other work of the runtime waiting.
pub(super) async fn on_a_core<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Stored { what: "measurement" })
}
