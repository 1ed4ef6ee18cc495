//! Strategies as text and as named parameters: `FedAdam(eta=0.1, beta_1=0.9, beta_2=0.99, tau=0.001)`.
//!
//! A name alone takes the defaults. What is displayed parses back to the same strategy, so journals and provenance
//! hold one line.

use std::fmt;
use std::str::FromStr;

use super::{Adaptive, MAX_ROBUST_CLIENTS, Strategy};

const ADAPTIVE: Adaptive = Adaptive {
    eta: 0.1,
    beta_1: 0.9,
    beta_2: 0.99,
    tau: 0.001,
};

/// Why a text or a set of parameters is no strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    /// No strategy has this name.
    #[error("There is no strategy of this name.")]
    Name,
    /// Not `Name` or `Name(parameter=value, ...)`.
    #[error("A strategy is written as Name or Name(parameter=value, ...).")]
    Syntax,
    /// The strategy has no such parameter.
    #[error("The strategy has no parameter of this name.")]
    Parameter,
    /// A parameter outside its range.
    #[error("{parameter} is outside its range.")]
    Value {
        /// The parameter's name.
        parameter: &'static str,
    },
}

impl Strategy {
    /// Every strategy with its default parameters.
    pub const ALL: [Self; 11] = [
        Self::FedAvg,
        Self::FedAvgM {
            server_learning_rate: 1.0,
            server_momentum: 0.9,
        },
        Self::FedProx { proximal_mu: 0.01 },
        Self::FedAdam(ADAPTIVE),
        Self::FedYogi(ADAPTIVE),
        Self::FedAdagrad { eta: 0.1, tau: 0.001 },
        Self::FedMedian,
        Self::FedTrimmedAvg { beta: 0.2 },
        Self::Krum {
            num_malicious_nodes: 1,
        },
        Self::MultiKrum {
            num_malicious_nodes: 1,
            num_nodes_to_select: 0,
        },
        Self::Bulyan {
            num_malicious_nodes: 1,
        },
    ];

    /// The strategy of that name (Flower's spelling) with its default parameters.
    ///
    /// # Errors
    /// [`StrategyError::Name`].
    pub fn named(name: &str) -> Result<Self, StrategyError> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name)
            .ok_or(StrategyError::Name)
    }

    /// The parameters by name, in a fixed order.
    pub fn parameters(&self) -> Vec<(&'static str, f64)> {
        match *self {
            Self::FedAvg | Self::FedMedian => Vec::new(),
            Self::FedAvgM {
                server_learning_rate,
                server_momentum,
            } => {
                vec![
                    ("server_learning_rate", server_learning_rate),
                    ("server_momentum", server_momentum),
                ]
            }
            Self::FedProx { proximal_mu } => vec![("proximal_mu", proximal_mu)],
            Self::FedAdam(a) | Self::FedYogi(a) => {
                vec![
                    ("eta", a.eta),
                    ("beta_1", a.beta_1),
                    ("beta_2", a.beta_2),
                    ("tau", a.tau),
                ]
            }
            Self::FedAdagrad { eta, tau } => vec![("eta", eta), ("tau", tau)],
            Self::FedTrimmedAvg { beta } => vec![("beta", beta)],
            Self::Krum {
                num_malicious_nodes: f,
            }
            | Self::Bulyan {
                num_malicious_nodes: f,
            } => {
                vec![("num_malicious_nodes", f64::from(f))]
            }
            Self::MultiKrum {
                num_malicious_nodes: f,
                num_nodes_to_select: keep,
            } => {
                vec![
                    ("num_malicious_nodes", f64::from(f)),
                    ("num_nodes_to_select", f64::from(keep)),
                ]
            }
        }
    }

    /// The strategy with one parameter changed.
    ///
    /// # Errors
    /// [`StrategyError::Parameter`] for an unknown one, [`StrategyError::Value`] for one outside its range.
    pub fn with(mut self, parameter: &str, value: f64) -> Result<Self, StrategyError> {
        match (&mut self, parameter) {
            (
                Self::FedAvgM {
                    server_learning_rate, ..
                },
                "server_learning_rate",
            ) => *server_learning_rate = value,
            (Self::FedAvgM { server_momentum, .. }, "server_momentum") => *server_momentum = value,
            (Self::FedProx { proximal_mu }, "proximal_mu") => *proximal_mu = value,
            (Self::FedAdam(a) | Self::FedYogi(a), "eta") => a.eta = value,
            (Self::FedAdam(a) | Self::FedYogi(a), "beta_1") => a.beta_1 = value,
            (Self::FedAdam(a) | Self::FedYogi(a), "beta_2") => a.beta_2 = value,
            (Self::FedAdam(a) | Self::FedYogi(a), "tau") => a.tau = value,
            (Self::FedAdagrad { eta, .. }, "eta") => *eta = value,
            (Self::FedAdagrad { tau, .. }, "tau") => *tau = value,
            (Self::FedTrimmedAvg { beta }, "beta") => *beta = value,
            (
                Self::Krum {
                    num_malicious_nodes: f,
                }
                | Self::MultiKrum {
                    num_malicious_nodes: f,
                    ..
                }
                | Self::Bulyan {
                    num_malicious_nodes: f,
                },
                "num_malicious_nodes",
            ) => *f = whole("num_malicious_nodes", value)?,
            (
                Self::MultiKrum {
                    num_nodes_to_select: keep,
                    ..
                },
                "num_nodes_to_select",
            ) => {
                *keep = whole("num_nodes_to_select", value)?;
            }
            _ => return Err(StrategyError::Parameter),
        }
        self.validated()
    }

    /// The strategy itself when every parameter is in its range.
    ///
    /// # Errors
    /// [`StrategyError::Value`] names the first that is not.
    pub fn validated(self) -> Result<Self, StrategyError> {
        for (parameter, value) in self.parameters() {
            let in_range = match parameter {
                "server_learning_rate" | "eta" | "tau" => value.is_finite() && value > 0.0,
                "server_momentum" | "beta_1" | "beta_2" => (0.0..1.0).contains(&value),
                "beta" => (0.0..0.5).contains(&value) && self.minimum_clients() < MAX_ROBUST_CLIENTS,
                "num_malicious_nodes" | "num_nodes_to_select" => self.minimum_clients() <= MAX_ROBUST_CLIENTS,
                _ => value.is_finite() && value >= 0.0,
            };
            if !in_range {
                return Err(StrategyError::Value { parameter });
            }
        }
        Ok(self)
    }
}

fn whole(parameter: &'static str, value: f64) -> Result<u32, StrategyError> {
    let whole = value as u32;
    if f64::from(whole) == value {
        Ok(whole)
    } else {
        Err(StrategyError::Value { parameter })
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        for (index, (parameter, value)) in self.parameters().into_iter().enumerate() {
            write!(f, "{}{parameter}={value}", if index == 0 { "(" } else { ", " })?;
        }
        if self.parameters().is_empty() {
            Ok(())
        } else {
            f.write_str(")")
        }
    }
}

impl FromStr for Strategy {
    type Err = StrategyError;

    fn from_str(text: &str) -> Result<Self, StrategyError> {
        let Some((name, parameters)) = text.split_once('(') else {
            return Self::named(text.trim());
        };
        let parameters = parameters
            .trim_end()
            .strip_suffix(')')
            .ok_or(StrategyError::Syntax)?;
        parameters
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .try_fold(Self::named(name.trim())?, |strategy, part| {
                let (parameter, value) = part.split_once('=').ok_or(StrategyError::Syntax)?;
                strategy.with(
                    parameter.trim(),
                    value.trim().parse().map_err(|_| StrategyError::Syntax)?,
                )
            })
    }
}
