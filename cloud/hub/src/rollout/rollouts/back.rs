//! Versions that nobody should run any more, and the way back from them.

use barefoot_domain::ClinicId;
use barefoot_wire::v1::{Action, BoxReport, Desired};

use super::super::Error;
use super::super::desired::desired;
use super::super::member::Member;
use super::super::plan::Plan;
use super::Rollouts;
use crate::archive::RolloutRow;
use crate::model_registry::ModelState;

impl Rollouts {
    /// A rollout of it went back, or its maintainers took it back.
    pub(super) async fn is_gone_back(&self, model: &str, version: &str) -> Result<bool, Error> {
        let rollout = self.0.archive.rollout_of(model, version).await?;
        if rollout.is_some_and(|row| row.state.phase.goes_back()) {
            return Ok(true);
        }
        let known = self.0.archive.model(model, version).await?;
        Ok(known.is_some_and(|row| row.state == ModelState::Withdrawn))
    }

    /// Nobody is sent from one such version to another.
    pub(super) async fn without_gone_back(&self, model: &str, member: &mut Member) -> Result<(), Error> {
        if let Some(before) = &member.before_version
            && self.is_gone_back(model, before).await?
        {
            member.before_version = None;
        }
        Ok(())
    }

    /// What a box is told that comes late with a version whose rollout went back before `newest` began.
    pub(super) async fn back_from_earlier(
        &self,
        newest: &RolloutRow,
        clinic: &ClinicId,
        report: &BoxReport,
        now_ms: i64,
    ) -> Result<Option<Desired>, Error> {
        for version in [&report.active_version, &report.candidate_version] {
            if version.is_empty() || *version == newest.version {
                continue;
            }
            let Some(row) = self.0.archive.rollout_of(&newest.model_id, version).await? else {
                continue;
            };
            if !row.state.phase.goes_back() {
                continue;
            }
            let known = self.0.archive.rollout_member(row.number, clinic).await?;
            let mut member = known.unwrap_or_else(|| Member::new(clinic.clone(), 0));
            member.report = Some((report.clone(), now_ms));
            self.without_gone_back(&row.model_id, &mut member).await?;
            let plan = Plan::parse(&row.plan)?;
            let told = desired(
                &row.model_id,
                &row.version,
                &plan,
                &row.state,
                &member,
                row.started_at_ms,
            );
            if told.action() == Action::RollBack {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }
}
