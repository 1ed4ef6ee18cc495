//! How the clients' updates become the next global model: strategies by Flower's names, with their parameters.
//!
//! Two families. The *mean* family adds weighted updates and may take a server step with moments. The *robust*
//! family compares single updates, counts every client once, and so cannot go with secure aggregation.

mod text;

use std::fmt;

pub use self::text::StrategyError;

/// Parameters of an adaptive server step: Reddi et al. 2021 (arXiv 2003.00295), algorithm 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adaptive {
    /// Server learning rate, positive. Default 0.1.
    pub eta: f64,
    /// Decay of the first moment, 0 to below 1. Default 0.9.
    pub beta_1: f64,
    /// Decay of the second moment, 0 to below 1. Default 0.99.
    pub beta_2: f64,
    /// Degree of adaptivity, positive: added to the root of the second moment. Default 0.001.
    pub tau: f64,
}

/// A rule for one round, with its parameters. Made by [`Strategy::named`] and [`Strategy::with`], or parsed; an
/// instance written out by hand is checked by [`Strategy::validated`] before it is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strategy {
    /// Weighted mean: McMahan et al. 2017 (arXiv 1602.05629).
    FedAvg,
    /// Weighted mean with momentum at the server: Hsu et al. 2019 (arXiv 1909.06335).
    FedAvgM {
        /// Step along the momentum, positive. Default 1.
        server_learning_rate: f64,
        /// Decay of the momentum, 0 to below 1. Default 0.9.
        server_momentum: f64,
    },
    /// Weighted mean; the clients add `mu/2 * ||w - w_global||^2` to their loss: Li et al. 2020 (arXiv 1812.06127).
    FedProx {
        /// `mu`, 0 or more. Default 0.01. At 0 this is FedAvg.
        proximal_mu: f64,
    },
    /// Adam at the server.
    FedAdam(Adaptive),
    /// Yogi at the server.
    FedYogi(Adaptive),
    /// Adagrad at the server, without a first moment.
    FedAdagrad {
        /// Server learning rate, positive. Default 0.1.
        eta: f64,
        /// Degree of adaptivity, positive. Default 0.001.
        tau: f64,
    },
    /// Median of every coordinate: Yin et al. 2018 (arXiv 1803.01498), definition 1.
    FedMedian,
    /// Mean of every coordinate without its extremes: Yin et al. 2018, definition 2.
    FedTrimmedAvg {
        /// Part cut off at each end, 0 to below 0.5. Default 0.2.
        beta: f64,
    },
    /// The one update nearest to its neighbours: Blanchard et al. 2017 (arXiv 1703.02757).
    Krum {
        /// `f`: bad clients to withstand. Default 1.
        num_malicious_nodes: u32,
    },
    /// Mean of the updates with the best Krum scores.
    MultiKrum {
        /// `f`: bad clients to withstand. Default 1.
        num_malicious_nodes: u32,
        /// Updates to keep; 0, the default, keeps all but `f`.
        num_nodes_to_select: u32,
    },
    /// Repeated Krum, then a mean near the median of every coordinate: El Mhamdi et al. 2018 (arXiv 1802.07927).
    Bulyan {
        /// `f`: bad clients to withstand. Default 1.
        num_malicious_nodes: u32,
    },
}

/// A vector the server keeps beside the model from round to round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Momentum, or the running mean of updates.
    First,
    /// The running mean, or sum, of squared updates.
    Second,
}

impl Strategy {
    /// Flower's name of the strategy.
    pub fn name(&self) -> &'static str {
        match self {
            Self::FedAvg => "FedAvg",
            Self::FedAvgM { .. } => "FedAvgM",
            Self::FedProx { .. } => "FedProx",
            Self::FedAdam(_) => "FedAdam",
            Self::FedYogi(_) => "FedYogi",
            Self::FedAdagrad { .. } => "FedAdagrad",
            Self::FedMedian => "FedMedian",
            Self::FedTrimmedAvg { .. } => "FedTrimmedAvg",
            Self::Krum { .. } => "Krum",
            Self::MultiKrum { .. } => "MultiKrum",
            Self::Bulyan { .. } => "Bulyan",
        }
    }

    /// Whether single updates must be readable. Such a strategy cannot go with secure aggregation.
    pub fn needs_plain_updates(&self) -> bool {
        matches!(
            self,
            Self::FedMedian
                | Self::FedTrimmedAvg { .. }
                | Self::Krum { .. }
                | Self::MultiKrum { .. }
                | Self::Bulyan { .. }
        )
    }

    /// Fewest updates for which the strategy keeps what it promises. A run's quorum must not be lower.
    pub fn minimum_clients(&self) -> usize {
        match *self {
            Self::FedMedian => 3,
            // Below this number nothing at all would be cut off.
            Self::FedTrimmedAvg { beta } if beta > 0.0 => (1..=MAX_ROBUST_CLIENTS)
                .find(|clients| trimmed_each_end(*clients, beta) > 0)
                .unwrap_or(MAX_ROBUST_CLIENTS),
            Self::Krum {
                num_malicious_nodes: f,
            } => 2 * count(f) + 3,
            Self::MultiKrum {
                num_malicious_nodes: f,
                num_nodes_to_select: keep,
            } => (2 * count(f) + 3).max(count(f) + count(keep)),
            Self::Bulyan {
                num_malicious_nodes: f,
            } => 4 * count(f) + 3,
            _ => 1,
        }
    }

    /// Most updates the strategy takes at once, which bounds its memory. `None`: any number.
    pub fn maximum_clients(&self) -> Option<usize> {
        self.needs_plain_updates().then_some(MAX_ROBUST_CLIENTS)
    }

    /// `mu` of the clients' proximal term; 0 for all but FedProx.
    pub fn proximal_mu(&self) -> f64 {
        if let Self::FedProx { proximal_mu } = self {
            *proximal_mu
        } else {
            0.0
        }
    }

    /// The vectors the server must keep between rounds.
    pub fn moments(&self) -> &'static [Moment] {
        match self {
            Self::FedAvgM { .. } => &[Moment::First],
            Self::FedAdam(_) | Self::FedYogi(_) => &[Moment::First, Moment::Second],
            Self::FedAdagrad { .. } => &[Moment::Second],
            _ => &[],
        }
    }
}

/// Most clients of a robust strategy: 4 MiB hold 1024 values of each, and their distances are 8 MiB.
pub const MAX_ROBUST_CLIENTS: usize = 1024;

/// Values a trimmed mean of `clients` values leaves out at each end.
pub(crate) fn trimmed_each_end(clients: usize, beta: f64) -> usize {
    // 0.29 * 100 is just below 29 in binary; a person who wrote 0.29 means 29.
    (beta * clients as f64 + 1e-9) as usize
}

pub(crate) fn count(clients: u32) -> usize {
    usize::try_from(clients).unwrap_or(usize::MAX / 8)
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}
