//! Runs of one split over a real hub.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, ensure};
use barefoot_edge::federated::{Learner, Policy};
use barefoot_federation::strategy::Strategy;
use barefoot_test_support::federation::{
    Case, Federation, Member, Poison, Poisoned, Rogue, auc_by_round, learner, open_policy, private_policy,
};
use barefoot_wire::v1;

use crate::data::Pictures;
use crate::recipe::{CLIP_NORM, POISONED, settings};
use crate::report::{Attacked, AttackedRun, PrivateRun, QUIET, StrategyRun};
use crate::split::Split;

/// More than any run here spends; what a site would set is its own decision.
const BUDGET: f64 = 1000.0;
/// A stage of an attacked run ends at its deadline where a refused clinic is waited for.
const ATTACKED_STAGE_MS: u64 = 60_000;

pub(crate) struct Scene<'a> {
    federation: Federation,
    clinics: &'a [Vec<Case>],
    rounds: u32,
}

impl<'a> Scene<'a> {
    pub(crate) async fn begin(pictures: &Pictures, split: &'a Split, rounds: u32) -> anyhow::Result<Self> {
        let clinics = &split.clinics;
        let federation =
            Federation::begin(pictures.trainable.clone(), clinics.len(), &split.validation).await?;
        Ok(Self {
            federation,
            clinics,
            rounds,
        })
    }

    fn honest(&self, number: usize) -> Arc<dyn Learner> {
        let cases = self.clinics.get(number).map_or(&[][..], Vec::as_slice);
        Arc::new(learner(&self.federation.trainable, cases))
    }

    /// All clinics, honest, in the open.
    pub(crate) async fn strategy(&mut self, strategy: &Strategy) -> anyhow::Result<StrategyRun> {
        let learners = (0..self.clinics.len())
            .map(|number| self.honest(number))
            .collect();
        let settings = settings(strategy, self.rounds, self.clinics.len());
        let view = self.play(learners, &open_policy(), settings).await?;
        let by_round = auc_by_round(&view);
        let auc = reached(&view)?;
        Ok(StrategyRun {
            strategy: strategy.to_string(),
            auc,
            by_round,
            refused: refusals(&view),
        })
    }

    /// Federated averaging of secure sums with noise. Everybody is needed, so the noise is exactly what is stated.
    pub(crate) async fn private(&mut self, noise: f64) -> anyhow::Result<PrivateRun> {
        let learners = (0..self.clinics.len())
            .map(|number| self.honest(number))
            .collect();
        let settings = v1::RunSettings {
            privacy: Some(v1::PrivacyTerms {
                clip_norm: CLIP_NORM,
                noise_multiplier: noise,
                secure_aggregation: true,
            }),
            quorum: u32::try_from(self.clinics.len())?,
            ..settings(&Strategy::FedAvg, self.rounds, self.clinics.len())
        };
        let policy = private_policy(CLIP_NORM, noise, BUDGET);
        let view = self.play(learners, &policy, settings).await?;
        let by_round = finished(&view)?;
        Ok(PrivateRun {
            noise_multiplier: noise,
            epsilon: view.epsilon_spent,
            auc: last(&by_round)?,
            by_round,
        })
    }

    /// The strategy clean, and against each attack by the last clinics.
    pub(crate) async fn attacked(&mut self, strategy: &Strategy) -> anyhow::Result<Attacked> {
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let settings = v1::RunSettings {
            // The poisoned refused, and one honest clinic besides.
            quorum: small(
                strategy
                    .minimum_clients()
                    .max(self.clinics.len().saturating_sub(POISONED + 1)),
            ),
            stage_ms: ATTACKED_STAGE_MS,
            ..settings(strategy, self.rounds, self.clinics.len())
        };
        let honest: Vec<Arc<dyn Learner>> = (0..self.clinics.len())
            .map(|number| self.honest(number))
            .collect();
        let view = self
            .play(honest.clone(), &open_policy(), settings.clone())
            .await?;
        let clean = reached(&view)?;
        let mut runs = Vec::new();
        for (attack, poison) in [
            ("labels flipped, ×10", Poison::FlipTenfold),
            (QUIET, Poison::Flip),
            ("huge norm", Poison::Huge),
        ] {
            let mut learners = honest.clone();
            for number in self.poisoned() {
                let cases = self.clinics.get(number).map_or(&[][..], Vec::as_slice);
                if let Some(learner) = learners.get_mut(number) {
                    *learner = Poisoned::new(&self.federation.trainable, cases, poison);
                }
            }
            let view = self.play(learners, &open_policy(), settings.clone()).await?;
            runs.push(attacked_run(attack, &view)?);
        }
        runs.push(self.against_nan(&honest, settings).await?);
        Ok(Attacked {
            strategy: strategy.to_string(),
            clean,
            runs,
        })
    }

    fn poisoned(&self) -> std::ops::Range<usize> {
        self.clinics.len() - POISONED..self.clinics.len()
    }

    /// No box sends NaN: the clinics speak the protocol without one.
    async fn against_nan(
        &mut self,
        honest: &[Arc<dyn Learner>],
        settings: v1::RunSettings,
    ) -> anyhow::Result<AttackedRun> {
        let settings = v1::RunSettings {
            // The refused never count, so nobody needs to wait for them.
            target: u32::try_from(self.clinics.len() - POISONED)?,
            ..settings
        };
        let mut rogues = Vec::new();
        for number in self.poisoned() {
            let hub = self.federation.line.address.to_string();
            let trainable = self.federation.trainable.clone();
            rogues.push(Rogue::start(&hub, &self.federation.tls(number), trainable)?);
        }
        let others = honest
            .iter()
            .take(self.clinics.len() - POISONED)
            .cloned()
            .collect();
        let view = self.play(others, &open_policy(), settings).await?;
        drop(rogues);
        attacked_run("NaN", &view)
    }

    async fn play(
        &mut self,
        learners: Vec<Arc<dyn Learner>>,
        policy: &Policy,
        settings: v1::RunSettings,
    ) -> anyhow::Result<v1::RunView> {
        let run = self.federation.start(settings).await?;
        let mut members: Vec<Member> = Vec::new();
        for (number, learner) in learners.into_iter().enumerate() {
            members.push(self.federation.join(number, learner, policy.clone())?);
        }
        let view = self.federation.ended(&run).await;
        for member in members {
            member.leave().await;
        }
        Ok(view?)
    }
}

fn attacked_run(attack: &'static str, view: &v1::RunView) -> anyhow::Result<AttackedRun> {
    Ok(AttackedRun {
        attack,
        auc: reached(view)?,
        refused: refusals(view),
    })
}

/// Who was refused or left out, by which of the hub's codes, and how often.
fn refusals(view: &v1::RunView) -> Vec<(String, String, u32)> {
    let mut times: BTreeMap<(String, String), u32> = BTreeMap::new();
    for refusal in view.round.iter().flat_map(|round| &round.refused) {
        *times
            .entry((refusal.clinic.clone(), refusal.code.clone()))
            .or_default() += 1;
    }
    times
        .into_iter()
        .map(|((clinic, code), times)| (clinic, code, times))
        .collect()
}

/// Where a run got to; NaN when it failed, and the others go on.
fn reached(view: &v1::RunView) -> anyhow::Result<f64> {
    match finished(view) {
        Ok(by_round) => last(&by_round),
        Err(error) => {
            eprintln!("  {error}");
            Ok(f64::NAN)
        }
    }
}

/// The curve of a run that went to its end.
pub(crate) fn finished(view: &v1::RunView) -> anyhow::Result<Vec<f64>> {
    let last = view.round.last();
    ensure!(
        view.state == "finished",
        "a run ended as {}: {} ({:?})",
        view.state,
        view.reason,
        last.map(|round| (&round.reason, round.accepted, round.declined, &round.refused))
    );
    Ok(auc_by_round(view))
}

pub(crate) fn last(by_round: &[f64]) -> anyhow::Result<f64> {
    by_round.last().copied().context("the hub measured nothing")
}
