//! A run in which the hub and the clinics are killed, beside the same run left alone.

use barefoot_federation::strategy::Strategy;
use barefoot_test_support::federation::{ClinicProcess, Federation, Victim, run_with_kills};
use barefoot_wire::v1;
use serde::Serialize;

use crate::data::Pictures;
use crate::recipe::settings;
use crate::runs::{finished, last};
use crate::split::Split;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Killed {
    /// Kills that fell while the run was going on.
    pub(crate) hub: usize,
    pub(crate) clinics: usize,
    /// `round stage` of each kill, in order.
    pub(crate) at: Vec<String>,
    pub(crate) undisturbed: f64,
    pub(crate) disturbed: f64,
    /// Whether the global parameters measured the same, bit for bit, after every round.
    pub(crate) same_curve: bool,
    /// Accepted updates of each round.
    pub(crate) accepted: Vec<u32>,
    /// Rounds had one attempt each, and every clinic counted once.
    pub(crate) counted_once: bool,
}

/// Momentum at the server shows every step: an update counted twice, or a step taken twice, ends elsewhere.
const STRATEGY: Strategy = Strategy::FedAvgM {
    server_learning_rate: 0.5,
    server_momentum: 0.5,
};

pub(crate) async fn run(
    pictures: &Pictures,
    split: &Split,
    rounds: u32,
    kills: u32,
    seed: u64,
) -> anyhow::Result<Killed> {
    let count = split.clinics.len();
    let mut federation = Federation::begin(pictures.trainable.clone(), count, &split.validation).await?;
    let mut clinics = Vec::new();
    for (number, cases) in split.clinics.iter().enumerate() {
        clinics.push(ClinicProcess::start(&mut federation, number, cases)?);
    }
    let wanted = v1::RunSettings {
        quorum: u32::try_from(count)?,
        ..settings(&STRATEGY, rounds, count)
    };
    let (calm, _) = run_with_kills(&mut federation, &mut clinics, wanted.clone(), 0, seed).await?;
    let (view, done) = run_with_kills(&mut federation, &mut clinics, wanted, kills, seed).await?;
    let (undisturbed, disturbed) = (finished(&calm)?, finished(&view)?);
    let hub = done.iter().filter(|kill| kill.victim == Victim::Hub).count();
    let everyone = u32::try_from(count)?;
    Ok(Killed {
        hub,
        clinics: done.len() - hub,
        at: done
            .iter()
            .map(|kill| format!("{} {}", kill.round, kill.stage))
            .collect(),
        undisturbed: last(&undisturbed)?,
        disturbed: last(&disturbed)?,
        same_curve: undisturbed == disturbed,
        accepted: view.round.iter().map(|round| round.accepted).collect(),
        counted_once: view.round.len() == usize::try_from(rounds)?
            && view
                .round
                .iter()
                .all(|round| round.attempt == 1 && round.accepted == everyone && round.refused.is_empty()),
    })
}
