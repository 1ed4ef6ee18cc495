//! Reference values: hand-computed ones, and flwr 1.41's for the adaptive strategies.

use barefoot_federation::aggregate::{MemoryModel, aggregate};

use crate::support::{close, equal_weights, layout, once, strategy, updates};

/// Two rounds from `[1, 2]` in which the clients' mean model is always `[0.5, 2.5]`.
fn two_rounds(text: &str) -> [Vec<f32>; 2] {
    let layout = layout(2);
    let mut model = MemoryModel::new(vec![1.0, 2.0]);
    [1, 2].map(|round| {
        let delta: Vec<f32> = model
            .global()
            .iter()
            .zip([0.5, 2.5])
            .map(|(global, mean)| mean - global)
            .collect();
        aggregate(
            &strategy(text),
            round,
            &layout,
            &mut updates(&[(7.0, delta)]),
            &mut model,
        )
        .unwrap();
        model.global().to_vec()
    })
}

/// Four honest updates and one that is not.
fn poisoned() -> Vec<(f64, Vec<f32>)> {
    equal_weights(&[
        vec![1.0, 10.0, -5.0],
        vec![2.0, 20.0, -4.0],
        vec![3.0, 30.0, -3.0],
        vec![4.0, 40.0, -2.0],
        vec![100.0, -1000.0, 1e6],
    ])
}

fn bulyan_rows() -> Vec<(f64, Vec<f32>)> {
    let rows: Vec<Vec<f32>> = [1.0, 1.1, 0.9, 1.05, 0.95, 50.0, -70.0]
        .iter()
        .map(|v: &f32| vec![*v, 2.0 * v])
        .collect();
    equal_weights(&rows)
}

#[test]
fn fed_avg_is_the_weighted_mean() {
    let rows = [
        (10.0, vec![1.0, 2.0, 3.0, 4.0]),
        (30.0, vec![2.0, 4.0, 6.0, 8.0]),
        (60.0, vec![-1.0, 0.0, 1.0, 100.0]),
    ];
    let (model, summary) = once("FedAvg", &rows).unwrap();
    close(&model, &[0.1, 1.4, 2.7, 62.8], 4e-6);
    assert_eq!(summary.used, [0, 1, 2]);
    assert!(summary.left_out.is_empty());
    assert!((summary.total_weight - 100.0).abs() < 1e-12);
    let norm = (0.01_f64 + 1.96 + 7.29 + 3943.84).sqrt();
    assert!((summary.update_norm - norm).abs() < 1e-9 && (summary.step_norm - norm).abs() < 1e-5);
    assert_eq!(once("FedProx(proximal_mu=0.5)", &rows).unwrap().0, model);
}

#[test]
fn fed_avg_m_keeps_momentum() {
    let [first, second] = two_rounds("FedAvgM(server_learning_rate=1, server_momentum=0.9)");
    close(&first, &[0.5, 2.5], 1e-7);
    close(&second, &[0.05, 2.95], 3e-7);
}

#[test]
fn fed_adam_steps_as_flwr_does() {
    let [first, second] = two_rounds("FedAdam(eta=0.1, beta_1=0.9, beta_2=0.99, tau=0.001)");
    close(&first, &[0.9272098, 2.0727902], 3e-7);
    close(&second, &[0.8434167, 2.1565833], 3e-7);
}

#[test]
fn fed_yogi_steps_as_flwr_does() {
    let [first, second] = two_rounds("FedYogi");
    close(&first, &[0.9019608, 2.0980391], 3e-7);
    close(&second, &[0.7711995, 2.2288003], 3e-7);
}

#[test]
fn fed_adagrad_steps_as_flwr_does() {
    let [first, second] = two_rounds("FedAdagrad");
    close(&first, &[0.9001996, 2.0998003], 3e-7);
    close(&second, &[0.8378085, 2.1621914], 3e-7);
}

#[test]
fn median_and_trimmed_mean_ignore_the_extremes() {
    for text in ["FedMedian", "FedTrimmedAvg(beta=0.2)"] {
        let (model, summary) = once(text, &poisoned()).unwrap();
        assert_eq!(model, [3.0, 20.0, -3.0], "{text}");
        assert_eq!(summary.used.len(), 5);
    }
}

#[test]
fn krum_takes_the_update_nearest_to_its_neighbours() {
    let (model, summary) = once("Krum(num_malicious_nodes=1)", &poisoned()).unwrap();
    assert_eq!(model, [2.0, 20.0, -4.0]);
    assert_eq!((summary.used, summary.left_out), (vec![1], vec![0, 2, 3, 4]));
}

#[test]
fn multi_krum_averages_the_best() {
    let (model, summary) = once(
        "MultiKrum(num_malicious_nodes=1, num_nodes_to_select=3)",
        &poisoned(),
    )
    .unwrap();
    assert_eq!(model, [2.0, 20.0, -4.0]);
    assert_eq!((summary.used, summary.left_out), (vec![0, 1, 2], vec![3, 4]));
    let (_, all_but_one) = once("MultiKrum(num_malicious_nodes=1)", &poisoned()).unwrap();
    assert_eq!(all_but_one.left_out, [4]);
}

#[test]
fn bulyan_leaves_out_both_extremes() {
    let (model, summary) = once("Bulyan(num_malicious_nodes=1)", &bulyan_rows()).unwrap();
    close(&model, &[1.0, 2.0], 3e-7);
    assert_eq!(summary.left_out, [5, 6]);
}
