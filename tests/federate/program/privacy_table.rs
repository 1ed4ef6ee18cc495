//! AUC against epsilon, without a hub: the box's trainer and the shared arithmetic, in this process, on all cores.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::bail;
use barefoot_edge::federated::{HeadLearner, Learner};
use barefoot_federation::aggregate::{MemoryModel, MemoryUpdates, aggregate};
use barefoot_federation::clip::clip;
use barefoot_federation::noise::{add_gaussian, share_of};
use barefoot_federation::privacy::spent;
use barefoot_federation::strategy::Strategy;
use barefoot_test_support::federation::learner;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;

use crate::baseline::{area, mean, order};
use crate::data::Pictures;
use crate::recipe::{CLIP_NORM, DELTA};
use crate::split::Split;

const CLINICS: [usize; 5] = [8, 20, 50, 100, 200];
/// Noise multipliers; 0 clips only.
pub(crate) const NOISE: [f64; 5] = [0.0, 0.5, 1.0, 2.0, 4.0];
/// Each with its own split and noise.
const SEEDS: [u64; 2] = [0, 1];
/// Clinics with fewer rows to train on stay out, as in a real run.
const LEAST_ROWS: u32 = 5;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) clinics: usize,
    /// Clinics with enough rows to contribute, mean over the seeds.
    pub(crate) contributing: f64,
    /// In the order of [`NOISE`], means over the seeds.
    pub(crate) auc: Vec<f64>,
}

pub(crate) fn epsilon(noise: f64, rounds: u32) -> f64 {
    spent(noise, rounds, DELTA).map_or(f64::INFINITY, |epsilon| epsilon.value())
}

pub(crate) fn compute(pictures: &Pictures, rounds: u32) -> anyhow::Result<Vec<Row>> {
    let jobs: Vec<(usize, u64)> = CLINICS
        .iter()
        .flat_map(|clinics| SEEDS.map(|seed| (*clinics, seed)))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || -> anyhow::Result<Vec<(usize, usize, Vec<f64>)>> {
        let mut done = Vec::new();
        while let Some((clinics, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let split = Split::new(&pictures.cases, *clinics, *seed);
            let learners: Vec<HeadLearner> = split
                .clinics
                .iter()
                .map(|own| learner(&pictures.trainable, own))
                .filter(|learner| LEAST_ROWS <= learner.examples())
                .collect();
            let mut areas = Vec::new();
            for noise in NOISE {
                let head = trained(pictures, &learners, noise, rounds, *seed)?;
                areas.push(area(&head, &split.validation)?);
            }
            eprintln!("  {clinics} clinics, seed {seed}: {areas:.4?}");
            done.push((*clinics, learners.len(), areas));
        }
        Ok(done)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join()).collect()
    });
    let mut done = Vec::new();
    for part in parts {
        match part {
            Ok(own) => done.extend(own?),
            Err(_) => bail!("a thread of the privacy table died"),
        }
    }
    let row = |clinics: usize| {
        let of = || done.iter().filter(move |(own, _, _)| *own == clinics);
        let contributing: Vec<f64> = of().map(|(_, count, _)| *count as f64).collect();
        let auc = (0..NOISE.len()).map(|place| {
            let areas: Vec<f64> = of()
                .filter_map(|(_, _, areas)| areas.get(place).copied())
                .collect();
            mean(&areas)
        });
        Row {
            clinics,
            contributing: mean(&contributing),
            auc: auc.collect(),
        }
    };
    Ok(CLINICS.into_iter().map(row).collect())
}

/// Federated averaging of clipped updates, each with its share of the noise, as under secure aggregation.
fn trained(
    pictures: &Pictures,
    learners: &[HeadLearner],
    noise: f64,
    rounds: u32,
    seed: u64,
) -> anyhow::Result<Vec<f32>> {
    let layout = pictures.trainable.layout()?;
    let mut model = MemoryModel::zeros(&layout);
    let mut dice = StdRng::seed_from_u64(seed);
    let contributors = u32::try_from(learners.len())?;
    let deviation = share_of(noise * CLIP_NORM, contributors);
    for round in 1..=rounds {
        let mut updates = MemoryUpdates::new();
        for learner in learners {
            let fitted = learner.fit(model.global(), &order(), &mut || ControlFlow::Continue(()))?;
            let mut delta = fitted.delta;
            clip(&mut delta, CLIP_NORM)?;
            add_gaussian(&mut delta, deviation, &mut dice)?;
            updates.push(1.0, delta);
        }
        aggregate(&Strategy::FedAvg, round, &layout, &mut updates, &mut model)?;
    }
    Ok(model.global().to_vec())
}
