mod back;
mod moving;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use barefoot_domain::ClinicId;
use barefoot_trust::Person;
use barefoot_wire::v1::{self, Action, BoxReport, Desired};
use tokio::sync::{Mutex, Notify};

use super::decision::State;
use super::desired::{desired, keep};
use super::member::Member;
use super::plan::Plan;
use super::rings::assign;
use super::state::{Event, Phase};
use super::{Error, Releases, report};
use crate::archive::{Archive, RolloutRow};
use crate::audit::Actor;
use crate::changes::Changes;
use crate::clock::now_ms;
use crate::model_registry::{ModelState, Registry};

/// All rollouts; a handle, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Rollouts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    archive: Archive,
    registry: Registry,
    releases: Releases,
    changes: Changes,
    /// One change of rollouts or reports at a time: what is decided on is what is there.
    turn: Mutex<()>,
    heard: Notify,
    /// Since when boxes are heard without a break.
    awake_ms: AtomicI64,
}

impl Rollouts {
    pub(crate) fn new(archive: Archive, registry: Registry, releases: Releases, changes: Changes) -> Self {
        Self(Arc::new(Inner {
            archive,
            registry,
            releases,
            changes,
            turn: Mutex::new(()),
            heard: Notify::new(),
            awake_ms: AtomicI64::new(now_ms()),
        }))
    }

    pub(crate) fn releases(&self) -> &Releases {
        &self.0.releases
    }

    /// Keeps what a box tells and answers what it should run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a report that cannot be one, or when the archive fails.
    pub(crate) async fn report(&self, clinic: &ClinicId, report: BoxReport) -> Result<Desired, Error> {
        report::check(&report).map_err(Error::invalid)?;
        let _turn = self.0.turn.lock().await;
        let now = now_ms();
        let newest = self.0.archive.newest_rollouts().await?;
        // A box where nothing answers says no model; with one model in the region there is no doubt which is meant.
        let of_its_model = match newest.as_slice() {
            [only] if report.model_id.is_empty() => Some(only),
            _ => newest.iter().find(|row| row.model_id == report.model_id),
        };
        let Some(row) = of_its_model else {
            self.0.archive.keep_report(clinic, &report, None, now).await?;
            return Ok(keep());
        };
        let plan = Plan::parse(&row.plan)?;
        let known = self.0.archive.rollout_member(row.number, clinic).await?;
        let joins = row.state.phase.is_under_way() || row.state.phase == Phase::Finished;
        let belongs = known.is_some() || joins;
        // One that comes later belongs to the fleet.
        let mut member = known.unwrap_or_else(|| Member::new(clinic.clone(), plan.last_stage()));
        let earlier = member.report.as_ref().map(|(earlier, _)| shown(earlier));
        let sound = !self.is_gone_back(&row.model_id, &report.active_version).await?;
        member.heard(&row.version, &report, sound, now);
        let kept = belongs.then_some((row.number, &member));
        self.0.archive.keep_report(clinic, &report, kept, now).await?;
        self.0.heard.notify_one();
        if earlier.as_ref() != Some(&shown(&report)) {
            self.0.changes.announce();
        }
        if let Some(back) = self.back_from_earlier(row, clinic, &report, now).await? {
            return Ok(back);
        }
        self.without_gone_back(&row.model_id, &mut member).await?;
        let (model, version) = (&row.model_id, &row.version);
        let told = desired(model, version, &plan, &row.state, &member, row.started_at_ms);
        if told.action() == Action::Install && self.0.releases.is_taken_back(model, version) {
            return Ok(keep());
        }
        Ok(told)
    }

    /// Begins to send a published release out.
    ///
    /// # Errors
    /// When it is not published or proven, the plan cannot be, or another rollout of the model is on its way.
    pub(crate) async fn start(&self, request: v1::StartRolloutRequest, by: &Person) -> Result<(), Error> {
        let plan = Plan::parse(&request.plan_toml)?;
        let name = request
            .model
            .ok_or_else(|| Error::invalid("A rollout is of a model's version."))?;
        self.0.releases.is_offered(&name.id, &name.version)?;
        let proof = self.0.registry.proof(&name.id, &name.version).await?;
        if !matches!(proof.state, ModelState::Base | ModelState::Released) {
            return Err(Error::NotNow {
                reason: format!(
                    "The registry says {}: only what is released goes out.",
                    proof.state
                ),
            });
        }
        let _turn = self.0.turn.lock().await;
        let boxes = self.0.archive.boxes().await?;
        let of_it = boxes
            .into_iter()
            .filter(|(_, report, _)| report.model_id == name.id);
        let boxes: Vec<_> = of_it.collect();
        let clinics: Vec<ClinicId> = boxes.iter().map(|(clinic, ..)| clinic.clone()).collect();
        let mut members = assign(&plan, &clinics, &format!("{} {}", name.id, name.version));
        if !members.iter().any(|member| member.ring == 0) {
            return Err(Error::NotNow {
                reason: "No box of this model has reported yet, so none can be the canary.".to_owned(),
            });
        }
        let mut sound = BTreeMap::new();
        for (_, report, _) in &boxes {
            let version = report.active_version.as_str();
            if !sound.contains_key(version) {
                sound.insert(version, !self.is_gone_back(&name.id, version).await?);
            }
        }
        for member in &mut members {
            if let Some((_, report, seen)) = boxes.iter().find(|(clinic, ..)| *clinic == member.clinic) {
                let sound = sound.get(report.active_version.as_str()) == Some(&true);
                member.heard(&name.version, report, sound, *seen);
            }
        }
        let state = State::begun(now_ms());
        let begun = self
            .0
            .archive
            .begin_rollout(
                &name.id,
                &name.version,
                &request.plan_toml,
                &state,
                &members,
                &Actor::certified(by),
            )
            .await?;
        if !begun {
            return Err(Error::NotNow {
                reason: "Another rollout of this model is on its way: halt it or roll it back first."
                    .to_owned(),
            });
        }
        tracing::info!(
            model = name.id,
            version = name.version,
            boxes = members.len(),
            by = by.name,
            "A rollout begins."
        );
        self.0.changes.announce();
        self.0.heard.notify_one();
        Ok(())
    }

    /// Nobody else gets it; boxes keep what they run.
    ///
    /// # Errors
    /// When there is no such rollout, or it is not going out.
    pub(crate) async fn halt(&self, name: &v1::ModelName, by: &Person) -> Result<(), Error> {
        let reason = format!("halted by {}", by.name);
        self.command(name, Event::Halt, Phase::Halted, reason, by).await
    }

    /// Every box goes back to what it had marked good before.
    ///
    /// # Errors
    /// When there is no such rollout.
    pub(crate) async fn roll_back(&self, name: &v1::ModelName, by: &Person) -> Result<(), Error> {
        self.command(
            name,
            Event::RollBack,
            Phase::RollingBack,
            format!("rolled back by {}", by.name),
            by,
        )
        .await
    }

    async fn command(
        &self,
        name: &v1::ModelName,
        event: Event,
        wanted: Phase,
        reason: String,
        by: &Person,
    ) -> Result<(), Error> {
        let _turn = self.0.turn.lock().await;
        let row = self.newest(name).await?;
        let phase = row.state.phase;
        if phase == wanted || (wanted == Phase::RollingBack && phase == Phase::RolledBack) {
            return Ok(());
        }
        let Some(to) = row.state.after(event, reason, now_ms()) else {
            return Err(Error::NotNow {
                reason: format!("The rollout is {phase}: that cannot happen to it any more."),
            });
        };
        self.move_to(&row, &to, &Actor::certified(by)).await
    }

    /// The newest rollout of this version, or of the model where no version is named. An older one that another has
    /// followed cannot be commanded: what boxes run is the newer one's matter.
    async fn newest(&self, name: &v1::ModelName) -> Result<RolloutRow, Error> {
        let newest = self.0.archive.newest_rollouts().await?;
        newest
            .into_iter()
            .find(|row| row.model_id == name.id && (name.version.is_empty() || row.version == name.version))
            .ok_or(Error::Unknown { what: "rollout" })
    }

    /// # Errors
    /// When there is no such rollout, or the archive fails.
    pub(crate) async fn view(&self, name: &v1::ModelName) -> Result<v1::RolloutView, Error> {
        let row = if name.version.is_empty() {
            self.newest(name).await?
        } else {
            let row = self.0.archive.rollout_of(&name.id, &name.version).await?;
            row.ok_or(Error::Unknown { what: "rollout" })?
        };
        self.view_of(row).await
    }

    /// The newest of each model.
    ///
    /// # Errors
    /// When the archive fails.
    pub(crate) async fn views(&self) -> Result<Vec<v1::RolloutView>, Error> {
        let mut views = Vec::new();
        for row in self.0.archive.newest_rollouts().await? {
            views.push(self.view_of(row).await?);
        }
        Ok(views)
    }

    /// How many boxes run which version: model, version, boxes.
    ///
    /// # Errors
    /// When the archive fails.
    pub(crate) async fn boxes_per_version(&self) -> Result<Vec<(String, String, u32)>, Error> {
        Ok(self.0.archive.boxes_per_version().await?)
    }

    async fn view_of(&self, row: RolloutRow) -> Result<v1::RolloutView, Error> {
        let members = self.0.archive.rollout_members(row.number).await?;
        let boxes = members.into_iter().map(|member| {
            let (report, seen_at_ms) = member.report.unwrap_or_default();
            v1::BoxView {
                clinic: member.clinic.to_string(),
                ring: member.ring,
                candidate_state: report.candidate_state,
                active_version: report.active_version,
                problem: report.problem,
                seen_at_ms,
            }
        });
        Ok(v1::RolloutView {
            r#box: boxes.collect(),
            model: Some(v1::ModelName {
                id: row.model_id,
                version: row.version,
            }),
            state: row.state.phase.name().to_owned(),
            reason: row.state.reason,
            ring: row.state.stage,
        })
    }
}

/// What a page shows of a report.
fn shown(report: &BoxReport) -> (String, String, i32, String) {
    (
        report.active_version.clone(),
        report.candidate_version.clone(),
        report.candidate_state,
        report.problem.clone(),
    )
}
