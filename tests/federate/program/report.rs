//! The figures, what must hold of them, and both as a text.

use std::fmt::Write;

use serde::Serialize;

use crate::baseline::{Baseline, mean};
use crate::data::Pictures;
use crate::killed::Killed;
use crate::privacy_table::{self, NOISE};
use crate::recipe::{CLIP_NORM, DELTA};

/// The best strategy is at most this far below pooled training, and at least this far above a clinic alone.
const BELOW_POOLED: f64 = 0.005;
const ABOVE_LOCAL: f64 = 0.01;
/// The attack that no norm betrays: shown, not judged.
pub(crate) const QUIET: &str = "labels flipped";
/// What poison may cost the strategy that stands against it.
const POISON_COSTS: f64 = 0.01;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) clinics: usize,
    pub(crate) rounds: u32,
    pub(crate) seeds: Vec<u64>,
    pub(crate) pictures: usize,
    pub(crate) model: String,
    pub(crate) engine: String,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) privacy_table: Vec<privacy_table::Row>,
    pub(crate) killed: Option<Killed>,
    pub(crate) seconds: u64,
}

/// Of one split.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) baseline: Baseline,
    pub(crate) strategies: Vec<StrategyRun>,
    pub(crate) private: Vec<PrivateRun>,
    pub(crate) attacked: Vec<Attacked>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct StrategyRun {
    pub(crate) strategy: String,
    /// NaN when the run failed.
    pub(crate) auc: f64,
    pub(crate) by_round: Vec<f64>,
    /// Clinic, the hub's code, and how often: honest updates the hub would not take or the strategy left out.
    pub(crate) refused: Vec<(String, String, u32)>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct PrivateRun {
    pub(crate) noise_multiplier: f64,
    pub(crate) epsilon: f64,
    pub(crate) auc: f64,
    pub(crate) by_round: Vec<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Attacked {
    pub(crate) strategy: String,
    pub(crate) clean: f64,
    pub(crate) runs: Vec<AttackedRun>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct AttackedRun {
    pub(crate) attack: &'static str,
    pub(crate) auc: f64,
    /// Clinic, the hub's code, and how often, from the run's journal.
    pub(crate) refused: Vec<(String, String, u32)>,
}

impl Outcome {
    pub(crate) fn new(seed: u64, baseline: Baseline) -> Self {
        Self {
            seed,
            baseline,
            strategies: Vec::new(),
            private: Vec::new(),
            attacked: Vec::new(),
        }
    }

    fn best(&self) -> f64 {
        self.strategies.iter().map(|run| run.auc).fold(0.0, f64::max)
    }

    fn behind_pooled(&self) -> f64 {
        self.baseline.pooled - self.best()
    }

    fn ahead_of_local(&self) -> f64 {
        self.best() - self.baseline.mean_local()
    }
}

struct Verdict {
    text: String,
    holds: bool,
}

impl Report {
    pub(crate) fn new(clinics: usize, rounds: u32, seeds: &[u64], pictures: &Pictures) -> Self {
        Self {
            clinics,
            rounds,
            seeds: seeds.to_vec(),
            pictures: pictures.cases.len(),
            model: pictures.trainable.id.clone(),
            engine: pictures.engine.clone(),
            outcomes: Vec::new(),
            privacy_table: Vec::new(),
            killed: None,
            seconds: 0,
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.verdicts().iter().all(|verdict| verdict.holds)
    }

    fn over_seeds(&self, of: impl Fn(&Outcome) -> f64) -> f64 {
        let values: Vec<f64> = self.outcomes.iter().map(of).collect();
        mean(&values)
    }

    /// Judged by the means over all seeds that were run; single seeds stand beside them.
    fn verdicts(&self) -> Vec<Verdict> {
        let each = |of: &dyn Fn(&Outcome) -> f64| {
            let values: Vec<String> = self
                .outcomes
                .iter()
                .map(|one| format!("{:.4}", of(one)))
                .collect();
            values.join(", ")
        };
        let behind = self.over_seeds(Outcome::behind_pooled);
        let ahead = self.over_seeds(Outcome::ahead_of_local);
        let mut verdicts = vec![
            Verdict {
                text: format!(
                    "The best strategy lies {behind:.4} below pooled training, at most {BELOW_POOLED} wanted (by seed: {})",
                    each(&Outcome::behind_pooled)
                ),
                holds: behind <= BELOW_POOLED,
            },
            Verdict {
                text: format!(
                    "The best strategy lies {ahead:.4} above the mean clinic alone, at least {ABOVE_LOCAL} wanted (by seed: {})",
                    each(&Outcome::ahead_of_local)
                ),
                holds: ABOVE_LOCAL <= ahead,
            },
        ];
        verdicts.extend(self.poison_verdict());
        if let Some(killed) = &self.killed {
            verdicts.push(Verdict {
                text: format!(
                    "Killed {} times (hub {}, clinics {}), the run completed, every update counted once, and each round's \
                     global parameters measured as without kills",
                    killed.hub + killed.clinics,
                    killed.hub,
                    killed.clinics
                ),
                holds: killed.counted_once && killed.same_curve,
            });
        }
        verdicts
    }

    /// Of each strategy meant to stand against poison, the dearest of the loud attacks on any split.
    fn poison_verdict(&self) -> Option<Verdict> {
        let first = self.outcomes.first().filter(|one| !one.attacked.is_empty())?;
        let worst_of = |place: usize| {
            let costs = self.outcomes.iter().flat_map(|one| {
                let attacked = one.attacked.get(place);
                attacked.into_iter().flat_map(|attacked| {
                    let loud = attacked.runs.iter().filter(|run| run.attack != QUIET);
                    loud.map(|run| attacked.clean - run.auc)
                })
            });
            // A run that failed has no figure, and is no success.
            costs
                .map(|cost| if cost.is_nan() { f64::INFINITY } else { cost })
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let worst: Vec<f64> = (0..first.attacked.len()).map(worst_of).collect();
        let told: Vec<String> = first
            .attacked
            .iter()
            .zip(&worst)
            .map(|(attacked, cost)| match cost.is_finite() {
                true => format!("{} {cost:.4}", attacked.strategy),
                false => format!("{} a run that failed", attacked.strategy),
            })
            .collect();
        Some(Verdict {
            text: format!(
                "Two poisoned clinics (labels flipped ×10, huge norm, NaN; the worst on any split) cost {}; at most \
                 {POISON_COSTS} wanted of one",
                told.join(", ")
            ),
            holds: worst.iter().any(|cost| *cost <= POISON_COSTS),
        })
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { clinics, rounds, .. } = self;
        writeln!(
            text,
            "{clinics} clinics, {rounds} rounds, split seeds {:?}, {} pictures, features of `{}` ({}), {} s.\n",
            self.seeds, self.pictures, self.model, self.engine, self.seconds
        )?;
        self.write_strategies(text)?;
        self.write_private(text)?;
        self.write_attacked(text)?;
        self.write_privacy_table(text)?;
        if let Some(killed) = &self.killed {
            writeln!(
                text,
                "Kills: AUC {:.6} undisturbed, {:.6} killed; accepted by round {:?}; at (round stage) {}.\n",
                killed.undisturbed,
                killed.disturbed,
                killed.accepted,
                killed.at.join(", ")
            )?;
        }
        for verdict in self.verdicts() {
            let word = if verdict.holds { "HOLDS" } else { "FAILS" };
            writeln!(text, "- {word}: {}.", verdict.text)?;
        }
        Ok(())
    }

    fn write_row(&self, text: &mut String, name: &str, of: impl Fn(&Outcome) -> f64) -> std::fmt::Result {
        write!(text, "| {name} |")?;
        for one in &self.outcomes {
            write!(text, " {:.4} |", of(one))?;
        }
        writeln!(text, " {:.4} |", self.over_seeds(of))
    }

    fn write_head(&self, text: &mut String, first: &str) -> std::fmt::Result {
        write!(text, "| {first} |")?;
        for one in &self.outcomes {
            write!(text, " seed {} |", one.seed)?;
        }
        writeln!(text, " mean |")?;
        writeln!(text, "|---|{}", "---|".repeat(self.outcomes.len() + 1))
    }

    fn write_strategies(&self, text: &mut String) -> std::fmt::Result {
        let Some(first) = self.outcomes.first() else {
            return Ok(());
        };
        writeln!(text, "AUC on the validation patients after the last round:\n")?;
        self.write_head(text, "trained how")?;
        self.write_row(text, "pooled", |one| one.baseline.pooled)?;
        self.write_row(text, "one clinic alone, mean", |one| one.baseline.mean_local())?;
        self.write_row(text, "one clinic alone, mean of those with both classes", |one| {
            mean(&one.baseline.local_both_classes)
        })?;
        self.write_row(text, "one clinic alone, worst", |one| one.baseline.worst_local())?;
        for (place, run) in first.strategies.iter().enumerate() {
            self.write_row(text, &run.strategy, |one| {
                one.strategies.get(place).map_or(f64::NAN, |run| run.auc)
            })?;
        }
        writeln!(text)?;
        let outliers: u32 = self
            .outcomes
            .iter()
            .flat_map(|one| &one.strategies)
            .flat_map(|run| &run.refused)
            .filter(|(_, code, _)| code == "norm_outlier")
            .map(|(_, _, times)| times)
            .sum();
        writeln!(
            text,
            "In all these runs together the hub refused {outliers} honest updates as far longer than the others.\n"
        )
    }

    fn write_private(&self, text: &mut String) -> std::fmt::Result {
        let Some(first) = self.outcomes.first().filter(|first| !first.private.is_empty()) else {
            return Ok(());
        };
        writeln!(
            text,
            "FedAvg of secure sums with noise, clip norm {CLIP_NORM}, delta {DELTA:e}, every clinic needed:\n"
        )?;
        self.write_head(text, "noise multiplier, epsilon spent")?;
        for (place, run) in first.private.iter().enumerate() {
            let name = format!("z = {}, epsilon {:.1}", run.noise_multiplier, run.epsilon);
            self.write_row(text, &name, |one| {
                one.private.get(place).map_or(f64::NAN, |run| run.auc)
            })?;
        }
        writeln!(text)
    }

    fn write_attacked(&self, text: &mut String) -> std::fmt::Result {
        let Some(first) = self.outcomes.first().filter(|first| !first.attacked.is_empty()) else {
            return Ok(());
        };
        writeln!(
            text,
            "The last two clinics poisoned, AUC and what the hub's journal names (first seed):\n"
        )?;
        write!(text, "| strategy, attack |")?;
        for one in &self.outcomes {
            write!(text, " seed {} |", one.seed)?;
        }
        writeln!(text, " mean | cost | named by the hub |")?;
        writeln!(text, "|---|{}", "---|".repeat(self.outcomes.len() + 3))?;
        for (place, attacked) in first.attacked.iter().enumerate() {
            let of = |one: &Outcome| {
                one.attacked
                    .get(place)
                    .map_or(f64::NAN, |attacked| attacked.clean)
            };
            self.write_attack(text, &format!("{}, clean", attacked.strategy), of, None, "")?;
            for (number, run) in attacked.runs.iter().enumerate() {
                let auc = |one: &Outcome| {
                    let run = one
                        .attacked
                        .get(place)
                        .and_then(|attacked| attacked.runs.get(number));
                    run.map_or(f64::NAN, |run| run.auc)
                };
                let cost = self.over_seeds(of) - self.over_seeds(auc);
                let named: Vec<String> = run
                    .refused
                    .iter()
                    .map(|(clinic, code, times)| format!("{clinic} {code} {times}×"))
                    .collect();
                let name = format!("{}, {}", attacked.strategy, run.attack);
                self.write_attack(text, &name, auc, Some(cost), &named.join(", "))?;
            }
        }
        writeln!(text)
    }

    fn write_attack(
        &self,
        text: &mut String,
        name: &str,
        of: impl Fn(&Outcome) -> f64,
        cost: Option<f64>,
        named: &str,
    ) -> std::fmt::Result {
        write!(text, "| {name} |")?;
        for one in &self.outcomes {
            write!(text, " {:.4} |", of(one))?;
        }
        let cost = cost.map_or_else(String::new, |cost| format!("{cost:.4}"));
        writeln!(text, " {:.4} | {cost} | {named} |", self.over_seeds(of))
    }

    fn write_privacy_table(&self, text: &mut String) -> std::fmt::Result {
        if self.privacy_table.is_empty() {
            return Ok(());
        }
        writeln!(
            text,
            "AUC against noise and epsilon (FedAvg, {} rounds, clip norm {CLIP_NORM}, delta {DELTA:e}; means of two splits, \
             computed without a hub):\n",
            self.rounds
        )?;
        write!(text, "| clinics (contributing) |")?;
        for noise in NOISE {
            let epsilon = privacy_table::epsilon(noise, self.rounds);
            if noise == 0.0 {
                write!(text, " clipped only |")?;
            } else {
                write!(text, " z {noise}: epsilon {epsilon:.1} |")?;
            }
        }
        writeln!(text, "\n|---|{}", "---|".repeat(NOISE.len()))?;
        for row in &self.privacy_table {
            write!(text, "| {} ({:.1}) |", row.clinics, row.contributing)?;
            for auc in &row.auc {
                write!(text, " {auc:.4} |")?;
            }
            writeln!(text)?;
        }
        writeln!(text)
    }
}
