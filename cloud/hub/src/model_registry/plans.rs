//! Plans are registered before the runs they judge.

use std::collections::BTreeMap;
use std::sync::Arc;

use barefoot_wire::v1;

use super::candidate::on_a_core;
use super::plan::{Plan, PlanError};
use super::record::{TestSetRecord, from_json, to_json};
use super::registry::Registry;
use super::test_set::{Purpose, TestSet};
use super::{Error, PlanPin};
use crate::archive::PlanRow;
use crate::clock::now_ms;

impl Registry {
    /// Checks a plan, binds it to the test sets it names as they are now, and locks it under its name.
    ///
    /// # Errors
    /// [`Error::Invalid`] says what is wrong with it, [`Error::Locked`] that its name has another content.
    pub(crate) async fn register_plan(&self, toml: &str) -> Result<v1::RegisterPlanReply, Error> {
        let plan = Plan::parse(toml).map_err(|error| match error {
            PlanError::Toml(source) => Error::invalid(format!("The plan is not understood: {source}")),
            other => Error::invalid(other.to_string()),
        })?;
        let sha256 = Plan::sha256(toml);
        if let Some(earlier) = self.archive.plan(&plan.name).await? {
            return reply_if_same(&earlier, sha256);
        }
        let mut sets = BTreeMap::new();
        for name in plan.sets() {
            sets.insert(name.to_owned(), self.set_for_plan(&plan, name).await?);
        }
        self.check_apart(&plan).await?;
        let row = PlanRow {
            name: plan.name,
            model_id: plan.model,
            toml: toml.to_owned(),
            sha256: sha256.clone(),
            registered_at_ms: now_ms(),
            sets: to_json(&sets, "plan")?,
        };
        if !self.archive.insert_plan(&row).await? {
            let earlier = self.archive.plan(&row.name).await?;
            return reply_if_same(&earlier.ok_or(Error::Stored { what: "plan" })?, sha256);
        }
        tracing::info!(
            plan = row.name,
            sha256,
            "A plan of allowed changes was registered."
        );
        self.changes.announce();
        Ok(v1::RegisterPlanReply {
            name: row.name,
            sha256,
        })
    }

    /// The plan a run is to be judged by, to be written down with the run before it starts.
    ///
    /// # Errors
    /// [`Error::Unknown`], or [`Error::Invalid`] for a plan of another model, or one that would not be taken today.
    pub(crate) async fn pin_plan(&self, name: &str, model_id: &str) -> Result<PlanPin, Error> {
        let row = self
            .archive
            .plan(name)
            .await?
            .ok_or(Error::Unknown { what: "plan" })?;
        if row.model_id != model_id {
            return Err(Error::invalid("The plan is for another model."));
        }
        if let Err(error) = Plan::parse(&row.toml) {
            return Err(Error::invalid(format!(
                "The plan was registered under earlier rules; register another: {error}"
            )));
        }
        Ok(PlanPin {
            name: row.name,
            sha256: row.sha256,
        })
    }

    /// The plan that counts for a run: the one it was started with, registered before.
    pub(super) async fn plan_of_run(
        &self,
        pin: Option<&PlanPin>,
        model_id: &str,
        started_at_ms: i64,
    ) -> Result<Result<(Plan, PlanRow), &'static str>, Error> {
        let Some(pin) = pin else {
            return Ok(Err("the run was started without a plan"));
        };
        let Some(row) = self.archive.plan(&pin.name).await? else {
            return Ok(Err("no such plan is registered"));
        };
        if row.sha256 != pin.sha256 || Plan::sha256(&row.toml) != row.sha256 {
            return Ok(Err("the plan is not the one the run was started with"));
        }
        if row.model_id != model_id {
            return Ok(Err("the plan is for another model"));
        }
        if started_at_ms < row.registered_at_ms {
            return Ok(Err("the plan was registered after the run had started"));
        }
        let Ok(plan) = Plan::parse(&row.toml) else {
            return Ok(Err("the plan was registered under earlier rules"));
        };
        Ok(Ok((plan, row)))
    }

    /// What something is fitted to must not judge: no case of the calibration set stands in a set that gates.
    async fn check_apart(&self, plan: &Plan) -> Result<(), Error> {
        let Some(name) = &plan.recalibration.set else {
            return Ok(());
        };
        let calibration = Arc::new(self.named_set(name).await?);
        for gating in plan.sets().into_iter().filter(|set| set != name) {
            let (calibration, judging) = (Arc::clone(&calibration), self.named_set(gating).await?);
            let shared = on_a_core(move || calibration.shared_cases(&judging)).await?;
            if shared != 0 {
                return Err(Error::invalid(format!(
                    "{shared} cases of calibration set {name} stand in evaluation set {gating} too: what is fitted \
                     to a case cannot be judged on it."
                )));
            }
        }
        Ok(())
    }

    async fn named_set(&self, name: &str) -> Result<TestSet, Error> {
        let row = self.archive.test_set(name).await?;
        self.read_test_set(&row.ok_or(Error::Stored { what: "test set" })?)
            .await
    }

    /// SHA-256 of a set the plan names, if the set can do what the plan wants of it.
    async fn set_for_plan(&self, plan: &Plan, name: &str) -> Result<String, Error> {
        let row = self.archive.test_set(name).await?.ok_or_else(|| {
            Error::invalid(format!(
                "Test set {name} is not registered; register it before the plan."
            ))
        })?;
        if row.model_id != plan.model {
            return Err(Error::invalid(format!("Test set {name} is for another model.")));
        }
        let record: TestSetRecord = from_json(&row.record, "test set record")?;
        let gates: Vec<_> = plan.gates.iter().filter(|gate| gate.set == name).collect();
        let purpose = Purpose::named(&row.purpose);
        let calibrates = plan.recalibration.set.as_deref() == Some(name);
        if !gates.is_empty() && purpose != Some(Purpose::Evaluation) {
            return Err(Error::invalid(format!(
                "Test set {name} is no evaluation set: it cannot gate."
            )));
        }
        if calibrates && purpose != Some(Purpose::Calibration) {
            return Err(Error::invalid(format!(
                "Test set {name} is no calibration set: nothing may be fitted to it."
            )));
        }
        let fitted = plan.recalibration.sensitivity.keys().filter(|_| calibrates);
        let judged = gates.iter().filter_map(|gate| gate.finding.as_ref());
        // A set labels only findings of its model.
        for finding in judged.chain(fitted) {
            if !record.findings.contains(finding) {
                return Err(Error::invalid(format!(
                    "Test set {name} does not label {finding}."
                )));
            }
        }
        Ok(row.sha256)
    }
}

fn reply_if_same(earlier: &PlanRow, sha256: String) -> Result<v1::RegisterPlanReply, Error> {
    if earlier.sha256 == sha256 {
        Ok(v1::RegisterPlanReply {
            name: earlier.name.clone(),
            sha256,
        })
    } else {
        Err(Error::Locked { what: "plan" })
    }
}
