//! The strategies with the parameters the head's updates call for, and the settings every run shares.

use barefoot_federation::strategy::{Adaptive, Strategy};
use barefoot_test_support::federation::fit_settings;
use barefoot_wire::v1;

/// Clip norm of private runs, in the units of the head's weights.
pub(crate) const CLIP_NORM: f64 = 0.5;
pub(crate) const DELTA: f64 = 1e-5;
/// Poisoned clinics of each attack: the last ones.
pub(crate) const POISONED: usize = 2;
const STAGE_MS: u64 = 120_000;

/// All eleven, or those named.
pub(crate) fn strategies(wanted: &[String]) -> anyhow::Result<Vec<Strategy>> {
    if wanted.is_empty() {
        return Ok(all());
    }
    let find = |name: &String| {
        let strategy = all().into_iter().find(|strategy| strategy.name() == name);
        strategy.ok_or_else(|| anyhow::anyhow!("there is no strategy called {name}"))
    };
    wanted.iter().map(find).collect()
}

fn all() -> Vec<Strategy> {
    let adaptive = |eta| Adaptive {
        eta,
        beta_1: 0.9,
        beta_2: 0.99,
        tau: 1e-3,
    };
    vec![
        Strategy::FedAvg,
        Strategy::FedAvgM {
            server_learning_rate: 0.5,
            server_momentum: 0.5,
        },
        Strategy::FedProx { proximal_mu: 0.1 },
        Strategy::FedAdam(adaptive(0.1)),
        Strategy::FedYogi(adaptive(0.03)),
        Strategy::FedAdagrad { eta: 0.3, tau: 1e-3 },
        Strategy::FedMedian,
        Strategy::FedTrimmedAvg { beta: 0.25 },
        Strategy::Krum {
            num_malicious_nodes: 2,
        },
        Strategy::MultiKrum {
            num_malicious_nodes: 2,
            num_nodes_to_select: 0,
        },
        Strategy::Bulyan {
            num_malicious_nodes: 1,
        },
    ]
}

/// What stands against two poisoned clinics of eight. The hub refuses what is loud (no numbers, absurd lengths) before
/// any strategy sees it, and six remain: too few for Krum to promise anything against two (it asks for seven), so
/// multi-Krum is set to one and averages the five best. What is quiet, it leaves out all the same.
pub(crate) fn robust() -> Vec<Strategy> {
    vec![
        Strategy::MultiKrum {
            num_malicious_nodes: 1,
            num_nodes_to_select: 5,
        },
        Strategy::FedMedian,
        Strategy::FedTrimmedAvg { beta: 0.25 },
    ]
}

/// A round does without two clinics where the strategy can: the hub may refuse an honest update that is far longer than
/// the others.
pub(crate) fn settings(strategy: &Strategy, rounds: u32, clinics: usize) -> v1::RunSettings {
    let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let quorum = small(strategy.minimum_clients().max(clinics.saturating_sub(POISONED)));
    let clinics = small(clinics);
    v1::RunSettings {
        rounds,
        strategy: strategy.name().into(),
        strategy_parameter: strategy
            .parameters()
            .into_iter()
            .map(|(name, value)| v1::Metric {
                name: name.into(),
                value,
            })
            .collect(),
        quorum,
        target: clinics,
        stage_ms: STAGE_MS,
        late: v1::LatePolicy::Drop.into(),
        delta: DELTA,
        // Far above what anybody sends: whom the others give away is measured.
        norm_limit: 1e12,
        fit: Some(fit_settings()),
        ..v1::RunSettings::default()
    }
}
