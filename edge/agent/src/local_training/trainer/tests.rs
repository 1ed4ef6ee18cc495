use proptest::prelude::*;

use super::*;

const SETTINGS: Settings = Settings {
    steps: 30,
    l2: 1e-3,
    proximal_mu: 0.0,
    class_weights: true,
};

const X: [[f32; 3]; 6] = [
    [1.0, 2.0, 0.0],
    [2.0, 1.0, 0.5],
    [0.0, 1.0, 1.0],
    [3.0, 0.0, 0.2],
    [1.0, 1.0, 3.0],
    [2.0, 2.0, 2.0],
];
const Y: [bool; 6] = [false, true, false, true, true, false];

fn samples<'a>(x: &'a [[f32; 3]], y: &[bool]) -> Vec<Sample<'a>> {
    let pairs = x.iter().zip(y);
    pairs
        .map(|(features, present)| Sample {
            features,
            present: *present,
        })
        .collect()
}

fn start() -> Row {
    Row {
        weight: vec![0.1, -0.2, 0.3],
        bias: 0.05,
    }
}

fn zero() -> Row {
    Row {
        weight: vec![0.0; 3],
        bias: 0.0,
    }
}

fn run(samples: &[Sample<'_>], start: &Row, settings: Settings) -> Row {
    train(samples, start, settings, &mut || ControlFlow::Continue(())).unwrap()
}

fn close(found: &Row, weight: [f64; 3], bias: f64) {
    let pairs = found.weight.iter().zip(&weight);
    let worst = pairs
        .map(|(a, b)| (a - b).abs())
        .fold((found.bias - bias).abs(), f64::max);
    // The reference had 0.2 as float64.
    assert!(worst < 1e-5, "{found:?}");
}

#[test]
fn the_reference_implementations_figures_come_out() {
    let all = samples(&X, &Y);
    close(
        &run(&all, &start(), SETTINGS),
        [4.163_834_985, -9.865_046_876, 1.670_856_280],
        4.410_503_998,
    );
    let held = Settings {
        proximal_mu: 0.1,
        ..SETTINGS
    };
    close(
        &run(&all, &start(), held),
        [0.838_196_660, -1.867_639_088, 0.450_900_472],
        0.587_240_334,
    );
    let lonely = samples(&X, &[false, true, false, false, false, false]);
    close(
        &run(&lonely, &zero(), SETTINGS),
        [0.976_063_532, 0.169_377_283, -1.139_610_359],
        -1.014_151_894,
    );
}

#[test]
fn the_same_examples_give_the_same_bits() {
    let all = samples(&X, &Y);
    assert_eq!(run(&all, &start(), SETTINGS), run(&all, &start(), SETTINGS));
}

#[test]
fn a_stronger_pull_stays_nearer_to_the_global_head() {
    let all = samples(&X, &Y);
    let distance = |mu: f64| {
        let settings = Settings {
            proximal_mu: mu,
            ..SETTINGS
        };
        let start = start();
        let row = run(&all, &start, settings);
        let pairs = row.weight.iter().zip(&start.weight);
        pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    };
    let distances = [0.0, 0.1, 1.0, 100.0].map(distance);
    assert!(distances.is_sorted_by(|one, other| one > other), "{distances:?}");
    assert!(distances[3] < 1e-3);
}

#[test]
fn class_weights_keep_the_rare_class_in_sight() {
    // One present of nine, and nothing in the features tells them apart.
    let x = [[1.0, 0.0, 0.0]; 9];
    let y: Vec<bool> = (0..9).map(|place| place == 0).collect();
    let all = samples(&x, &y);
    let weighed = run(&all, &zero(), SETTINGS);
    let plain = run(
        &all,
        &zero(),
        Settings {
            class_weights: false,
            ..SETTINGS
        },
    );
    let probability = |row: &Row| sigmoid(logit(row, &x[0]));
    assert!(
        (probability(&weighed) - 0.5).abs() < 0.1,
        "{}",
        probability(&weighed)
    );
    assert!(
        (probability(&plain) - 1.0 / 9.0).abs() < 0.05,
        "{}",
        probability(&plain)
    );
}

#[test]
fn little_to_learn_from_is_no_error() {
    assert_eq!(run(&[], &start(), SETTINGS), start());
    for present in [false, true] {
        let one = samples(&X[..1], &[present]);
        let row = run(&one, &zero(), SETTINGS);
        assert_eq!(0.0 < logit(&row, &X[0]), present);
    }
    let equal = [[0.0; 3]; 4];
    let row = run(&samples(&equal, &[true, true, false, true]), &zero(), SETTINGS);
    assert!(row.bias.is_finite());
}

#[test]
fn training_stops_when_told_and_refuses_other_shapes() {
    let all = samples(&X, &Y);
    let mut left = 40;
    let stopped = train(&all, &start(), SETTINGS, &mut || {
        left -= 1;
        if 0 < left {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    assert_eq!(stopped, Err(Error::Stopped));
    let narrow = Row {
        weight: vec![0.0; 2],
        bias: 0.0,
    };
    let refused = train(&all, &narrow, SETTINGS, &mut || ControlFlow::Continue(()));
    assert_eq!(refused, Err(Error::Shape));
}

proptest! {
    #[test]
    fn separable_examples_are_separated(
        scale in 0.01_f32..100.0,
        offset in -50.0_f32..50.0,
        seeds in proptest::collection::vec((0.1_f32..1.0, any::<bool>()), 8..40),
    ) {
        let x: Vec<[f32; 3]> = seeds
            .iter()
            .map(|(size, present)| {
                let side = if *present { *size } else { -*size };
                [offset + scale * side, offset, scale * size]
            })
            .collect();
        let y: Vec<bool> = seeds.iter().map(|(_, present)| *present).collect();
        prop_assume!(y.contains(&true) && y.contains(&false));
        let all = samples(&x, &y);
        let settings = Settings { steps: 200, ..SETTINGS };
        let row = run(&all, &zero(), settings);
        let scored: Vec<(f64, bool)> = all.iter().map(|s| (logit(&row, s.features), s.present)).collect();
        prop_assert_eq!(super::super::evaluation::auc(&scored), Some(1.0));
    }

    #[test]
    fn whatever_the_examples_a_finite_head_or_an_error_comes_out(
        x in proptest::collection::vec(any::<[f32; 3]>(), 1..12),
        y in any::<[bool; 12]>(),
    ) {
        let all = samples(&x, &y);
        if let Ok(row) = train(&all, &zero(), SETTINGS, &mut || ControlFlow::Continue(())) {
            prop_assert!(row.bias.is_finite() && row.weight.iter().all(|value| value.is_finite()));
        }
    }
}
