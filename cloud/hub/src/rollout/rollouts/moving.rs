//! Moves rollouts on by themselves: reads, asks the decision, writes down.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::Error;
use super::super::decision::{Rollout, State, decide};
use super::super::plan::Plan;
use super::super::state::Phase;
use super::Rollouts;
use crate::archive::RolloutRow;
use crate::audit::Actor;
use crate::clock::now_ms;
use crate::model_registry;
use crate::shutdown::Shutdown;

/// Deadlines are looked at this often; reports wake the look sooner.
const TICK: Duration = Duration::from_secs(5);
/// Reports that come together are looked at together.
const TOGETHER: Duration = Duration::from_millis(100);
/// How often it is written down that the hub lives, and from when on it did not. Milliseconds.
const ALIVE_MS: i64 = 10_000;
const GONE_MS: i64 = 60_000;

impl Rollouts {
    /// Moves rollouts on until `shutdown`. A hub that was killed goes on with the first look.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        loop {
            if let Err(error) = self.look().await {
                tracing::error!(%error, "Rollouts stand still; looked at again soon.");
            }
            tokio::select! {
                () = shutdown.triggered() => return,
                () = tokio::time::sleep(TICK) => {}
                () = self.0.heard.notified() => tokio::time::sleep(TOGETHER).await,
            }
        }
    }

    /// Every rollout as far as it can go now.
    pub(in super::super) async fn look(&self) -> Result<(), Error> {
        let _turn = self.0.turn.lock().await;
        self.0.releases.tell_the_registry_again().await;
        let now = now_ms();
        if self.0.archive.keep_rollouts_alive(now, ALIVE_MS, GONE_MS).await? {
            self.0.awake_ms.store(now, Ordering::Relaxed);
            tracing::info!("The hub was away; that time counts for no rollout.");
        }
        for row in self.0.archive.newest_rollouts().await? {
            let (model, version) = (row.model_id.clone(), row.version.clone());
            // One that cannot go on is no reason for the others not to.
            if let Err(error) = self.look_at(row).await {
                tracing::error!(model, version, %error, "A rollout stands still; looked at again soon.");
            }
        }
        self.withdraw().await
    }

    async fn look_at(&self, mut row: RolloutRow) -> Result<(), Error> {
        let plan = Plan::parse(&row.plan)?;
        while row.state.phase.is_under_way() {
            let members = self.0.archive.rollout_members(row.number).await?;
            let rollout = Rollout {
                plan: &plan,
                target: &row.version,
                began_ms: row.started_at_ms,
                awake_ms: self.0.awake_ms.load(Ordering::Relaxed),
                taken_back: self.0.releases.is_taken_back(&row.model_id, &row.version),
            };
            let Some(to) = decide(rollout, &row.state, &members, now_ms()) else {
                break;
            };
            self.move_to(&row, &to, &Actor::Hub("rollouts")).await?;
            row.state = to;
        }
        Ok(())
    }

    pub(super) async fn move_to(&self, row: &RolloutRow, to: &State, by: &Actor) -> Result<(), Error> {
        if !self.0.archive.move_rollout(row, to, by).await? {
            return Err(Error::NotNow {
                reason: "The rollout has just changed; look again.".to_owned(),
            });
        }
        let (model, version, state, stage) = (&row.model_id, &row.version, to.phase, to.stage);
        if to.reason.is_empty() {
            tracing::info!(model, version, %state, stage, "A rollout goes on.");
        } else {
            tracing::warn!(model, version, %state, stage, reason = to.reason, "A rollout does not go on.");
        }
        if to.phase == Phase::RollingBack
            && let Err(error) = self.withdraw().await
        {
            tracing::error!(model, version, %error, "The registry was not told that a version goes back; told again soon.");
        }
        self.0.changes.announce();
        self.0.heard.notify_one();
        Ok(())
    }

    /// No run may start any more from what goes back. A base cannot be taken back and stays. Done again with every look,
    /// for a hub that was killed between going back and saying so.
    async fn withdraw(&self) -> Result<(), Error> {
        for (model, version) in self.0.archive.gone_back_and_released().await? {
            match self.0.registry.withdrawn(&model, &version).await {
                Err(model_registry::Error::State { state, .. }) => {
                    tracing::info!(
                        model,
                        version,
                        state,
                        "A version that goes back stays in the registry as it is."
                    );
                }
                withdrawn => withdrawn?,
            }
        }
        Ok(())
    }
}
