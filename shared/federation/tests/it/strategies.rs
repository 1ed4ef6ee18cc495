use barefoot_federation::strategy::{Strategy, StrategyError};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use crate::support::strategy;

#[test]
fn names_are_flowers_and_read_back() {
    let names: Vec<&str> = Strategy::ALL.iter().map(Strategy::name).collect();
    assert_eq!(
        names,
        [
            "FedAvg",
            "FedAvgM",
            "FedProx",
            "FedAdam",
            "FedYogi",
            "FedAdagrad",
            "FedMedian",
            "FedTrimmedAvg",
            "Krum",
            "MultiKrum",
            "Bulyan"
        ]
    );
    for strategy in Strategy::ALL {
        assert_eq!(Strategy::named(strategy.name()), Ok(strategy));
        assert_eq!(strategy.to_string().parse(), Ok(strategy));
        assert_eq!(strategy.validated(), Ok(strategy));
    }
    assert_eq!(
        strategy("FedAdam").to_string(),
        "FedAdam(eta=0.1, beta_1=0.9, beta_2=0.99, tau=0.001)"
    );
    assert_eq!(
        strategy(" Krum ( num_malicious_nodes = 2 ) "),
        Strategy::Krum {
            num_malicious_nodes: 2
        }
    );
}

#[test]
fn what_is_no_strategy_is_refused() {
    for (text, expected) in [
        ("fedavg", StrategyError::Name),
        ("", StrategyError::Name),
        ("FedAvg(eta=1)", StrategyError::Parameter),
        ("FedAdam(eta=1", StrategyError::Syntax),
        ("FedAdam(eta)", StrategyError::Syntax),
        ("FedAdam(eta=x)", StrategyError::Syntax),
        ("FedAdam(eta=0)", StrategyError::Value { parameter: "eta" }),
        ("FedAdam(eta=NaN)", StrategyError::Value { parameter: "eta" }),
        ("FedAdam(beta_1=1)", StrategyError::Value { parameter: "beta_1" }),
        (
            "FedYogi(beta_2=-0.1)",
            StrategyError::Value { parameter: "beta_2" },
        ),
        ("FedAdagrad(tau=inf)", StrategyError::Value { parameter: "tau" }),
        (
            "FedProx(proximal_mu=-1)",
            StrategyError::Value {
                parameter: "proximal_mu",
            },
        ),
        (
            "FedTrimmedAvg(beta=0.5)",
            StrategyError::Value { parameter: "beta" },
        ),
        (
            "FedTrimmedAvg(beta=0.00001)",
            StrategyError::Value { parameter: "beta" },
        ),
        (
            "Krum(num_malicious_nodes=1.5)",
            StrategyError::Value {
                parameter: "num_malicious_nodes",
            },
        ),
        (
            "Krum(num_malicious_nodes=-1)",
            StrategyError::Value {
                parameter: "num_malicious_nodes",
            },
        ),
        (
            "Bulyan(num_malicious_nodes=4294967295)",
            StrategyError::Value {
                parameter: "num_malicious_nodes",
            },
        ),
        (
            "MultiKrum(num_nodes_to_select=2000)",
            StrategyError::Value {
                parameter: "num_malicious_nodes",
            },
        ),
    ] {
        assert_eq!(text.parse::<Strategy>(), Err(expected), "{text}");
    }
}

#[test]
fn robust_strategies_say_what_they_need() {
    for (text, minimum) in [
        ("FedAvg", 1),
        ("FedMedian", 3),
        ("FedTrimmedAvg(beta=0.2)", 5),
        ("FedTrimmedAvg(beta=0.1)", 10),
        ("FedTrimmedAvg(beta=0)", 1),
        ("Krum(num_malicious_nodes=2)", 7),
        ("MultiKrum(num_malicious_nodes=1, num_nodes_to_select=3)", 5),
        ("MultiKrum(num_malicious_nodes=1, num_nodes_to_select=6)", 7),
        ("Bulyan(num_malicious_nodes=1)", 7),
    ] {
        assert_eq!(strategy(text).minimum_clients(), minimum, "{text}");
    }
    for strategy in Strategy::ALL {
        assert_eq!(
            strategy.needs_plain_updates(),
            strategy.maximum_clients().is_some()
        );
        assert!(strategy.moments().is_empty() || !strategy.needs_plain_updates());
    }
    assert_eq!(strategy("FedProx(proximal_mu=0.3)").proximal_mu(), 0.3);
    assert_eq!(strategy("FedAvg").proximal_mu(), 0.0);
}

proptest! {
    #[test]
    fn any_usable_parameters_read_back(eta in 1e-9_f64..1e3, beta in 0.0_f64..1.0, tau in 1e-12_f64..1.0, f in 0_u32..200) {
        for built in [
            strategy("FedYogi").with("eta", eta).unwrap().with("beta_1", beta).unwrap().with("tau", tau).unwrap(),
            strategy("Bulyan").with("num_malicious_nodes", f64::from(f)).unwrap(),
            strategy("MultiKrum").with("num_nodes_to_select", f64::from(f)).unwrap(),
        ] {
            prop_assert_eq!(built.to_string().parse(), Ok(built));
        }
    }

    #[test]
    fn no_text_makes_parsing_panic(text in "(Fed|Krum|Multi|Avg|[a-z(),=0-9.e+-]){0,12}") {
        if let Ok(parsed) = text.parse::<Strategy>() {
            prop_assert!(parsed.validated().is_ok());
        }
    }
}
