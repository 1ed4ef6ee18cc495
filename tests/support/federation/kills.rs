use std::time::Duration;

use barefoot_wire::v1;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{ClinicProcess, Error, Federation};

/// A kill falls within this many milliseconds after its turn has come.
const WITHIN_MS: u64 = 150;
/// How often the run is looked at in between.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Hub,
    /// By number, from 0.
    Clinic(usize),
}

/// One `kill -9`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    pub victim: Victim,
    /// Where the run stood just before.
    pub round: u32,
    pub stage: String,
}

/// Starts the run and kills the hub and clinics in turn, at moments drawn from `seed` and spread over all rounds, until
/// `kills` are done or the run has ended. Everything killed comes back at once.
///
/// # Errors
/// When something does not come back, or the run does not end.
pub async fn run_with_kills(
    federation: &mut Federation,
    clinics: &mut [ClinicProcess],
    settings: v1::RunSettings,
    kills: u32,
    seed: u64,
) -> Result<(v1::RunView, Vec<Kill>), Error> {
    let mut dice = StdRng::seed_from_u64(seed);
    let rounds = settings.rounds;
    let run = federation.start(settings).await?;
    let mut done = Vec::new();
    for turn in 0..kills {
        let from = 1 + turn * rounds / kills;
        if reached(federation, &run, from).await?.is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..WITHIN_MS))).await;
        let view = federation.view(&run).await?;
        if view.state != "running" {
            break;
        }
        let victim = if turn.is_multiple_of(2) {
            Victim::Hub
        } else {
            Victim::Clinic(dice.random_range(0..clinics.len().max(1)))
        };
        let at = view.round.last();
        done.push(Kill {
            victim,
            round: at.map_or(0, |round| round.round),
            stage: at.map_or_else(String::new, |round| round.stage.clone()),
        });
        match victim {
            Victim::Hub => federation.kill_hub().await?,
            Victim::Clinic(number) => {
                if let Some(clinic) = clinics.get_mut(number) {
                    clinic.restart()?;
                }
            }
        }
    }
    let view = federation.ended(&run).await?;
    for clinic in clinics {
        clinic.check()?;
    }
    Ok((view, done))
}

/// The run in this round or a later one; `None` when it ended before.
async fn reached(federation: &mut Federation, run: &str, round: u32) -> Result<Option<v1::RunView>, Error> {
    loop {
        let view = federation.view(run).await?;
        if view.state != "running" {
            return Ok(None);
        }
        if view.round.last().is_some_and(|last| round <= last.round) {
            return Ok(Some(view));
        }
        tokio::time::sleep(LOOK).await;
    }
}
