//! Reference values: scikit-learn 1.9.1 (AUC, Brier, log loss, confusion), SciPy 1.17.1 (Wilson, minimisation), numpy by
//! the defining double sum (DeLong) and by the definition (calibration error).

use proptest::prelude::*;

use super::*;

const SCORES: [f64; 40] = [
    0.18, 0.23, 0.23, 0.3, 0.82, 0.77, 0.18, 0.54, 0.23, 0.07, 0.99, 0.94, 0.3, 0.23, 0.42, 0.15, 0.5, 0.18,
    0.46, 0.8, 0.54, 0.85, 0.1, 0.82, 0.3, 0.08, 0.15, 0.58, 0.7, 0.02, 0.05, 0.93, 0.08, 0.62, 0.18, 0.98,
    0.94, 0.66, 0.12, 0.7,
];
const LOGITS: [f64; 40] = [
    -0.9, -0.7, -0.7, -0.5, 0.9, 0.7, -0.9, 0.1, -0.7, -1.5, 3.0, 1.6, -0.5, -0.7, -0.2, -1.0, -0.0, -0.9,
    -0.1, 0.8, 0.1, 1.0, -1.3, 0.9, -0.5, -1.4, -1.0, 0.2, 0.5, -2.3, -1.7, 1.5, -1.4, 0.3, -0.9, 2.2, 1.6,
    0.4, -1.2, 0.5,
];
const TRUTH: [u8; 40] = [
    0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0,
    1, 1, 1, 0, 1,
];

fn truth() -> Vec<bool> {
    TRUTH.iter().map(|truth| *truth == 1).collect()
}

fn close(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-9, "{got}, reference {want}");
}

fn close_interval(got: Interval, want: (f64, f64)) {
    close(got.low, want.0);
    close(got.high, want.1);
}

#[test]
fn discrimination_agrees_with_the_reference() {
    let auc = auc(&SCORES, &truth()).unwrap();
    close(auc.value, 0.820_971_867_007_672_8);
    close(auc.standard_error, 0.069_608_253_660_681_06);
    close_interval(
        auc.wald.unwrap(),
        (0.684_542_196_806_009_5, 0.957_401_537_209_335_9),
    );
    close_interval(
        auc.logit.unwrap(),
        (0.644_444_656_822_954_3, 0.920_647_971_439_634_1),
    );
    assert_eq!(auc.estimate().interval, auc.logit.unwrap());
}

#[test]
fn classes_that_do_not_overlap_still_have_an_interval() {
    let scores: Vec<f64> = (0..50).map(f64::from).collect();
    let present: Vec<bool> = (0..50).map(|case| 30 <= case).collect();
    let perfect = auc(&scores, &present).unwrap();
    assert_eq!(
        (perfect.value, perfect.standard_error, perfect.logit),
        (1.0, 0.0, None)
    );
    close_interval(perfect.estimate().interval, (0.915_938_927_934_729_4, 1.0));
    let inverted: Vec<bool> = present.iter().map(|present| !present).collect();
    let worst = auc(&scores, &inverted).unwrap().estimate();
    assert_eq!((worst.value, worst.interval.low), (0.0, 0.0));
    close(worst.interval.high, 1.0 - 0.915_938_927_934_729_4);
    // One case of a class has no variance.
    let single = auc(&[0.1, 0.9, 0.4], &[false, true, false]).unwrap();
    assert!(single.standard_error.is_nan() && single.logit.is_none() && single.score.low < 0.6);
    // All tied: no order at all.
    let flat = auc(&[0.5; 6], &[true, false, true, false, true, false]).unwrap();
    assert_eq!(flat.value, 0.5);
}

#[test]
fn the_confusion_agrees_with_the_reference() {
    let at = |threshold| {
        let counts = Confusion::at(&SCORES, &truth(), threshold).unwrap();
        (
            counts.true_positive,
            counts.false_positive,
            counts.true_negative,
            counts.false_negative,
        )
    };
    assert_eq!(at(0.5), (12, 6, 17, 5));
    assert_eq!(at(0.37), (12, 8, 15, 5));
    let counts = Confusion::at(&SCORES, &truth(), 0.5).unwrap();
    let sensitivity = counts.sensitivity().unwrap();
    close(sensitivity.value, 0.705_882_352_941_176_5);
    close_interval(
        sensitivity.interval,
        (0.468_668_899_334_601_54, 0.867_200_103_897_047_6),
    );
    close_interval(
        counts.specificity().unwrap().interval,
        (0.535_299_951_625_746_4, 0.874_513_839_550_136_6),
    );
    close_interval(wilson(0, 10).unwrap().interval, (0.0, 0.277_532_799_862_889_2));
    close_interval(wilson(10, 10).unwrap().interval, (0.722_467_200_137_110_7, 1.0));
    assert_eq!(wilson(0, 0), None);
    assert_eq!(wilson(3, 2), None);
}

#[test]
fn calibration_agrees_with_the_reference() {
    let brier = brier(&SCORES, &truth(), 1).unwrap();
    close(brier.value, 0.175_79);
    close(log_loss(&SCORES, &truth()).unwrap(), 0.517_813_040_645_845_8);
    let gap = expected_calibration_error(&SCORES, &truth(), 10, 1).unwrap();
    close(gap.value, 0.21);
    // numpy with 200 000 resamples; the error of 2000 is about a fiftieth of the width.
    for (estimate, low, high) in [(brier, 0.108_9, 0.250_4), (gap, 0.154_8, 0.338)] {
        let off = (estimate.interval.low - low)
            .abs()
            .max((estimate.interval.high - high).abs());
        assert!(off < 0.06 * (high - low), "{estimate:?}");
    }
    let bins = reliability(&SCORES, &truth(), 10).unwrap();
    let cases: usize = bins.iter().flatten().map(|bin| bin.cases).sum();
    assert_eq!(cases, 40);
    let weighted: f64 = bins
        .iter()
        .flatten()
        .map(|bin| bin.cases as f64 * (bin.mean_score - bin.present).abs())
        .sum();
    close(weighted / 40.0, gap.value);
    // The ends of the scale, and a surer score than a double can hold apart from 0.
    assert_eq!(log_loss(&[1.0, 0.0], &[true, false]).unwrap(), 0.0);
    close(log_loss(&[0.0], &[true]).unwrap(), -f64::EPSILON.ln());
    let ends = reliability(&[0.0, 1.0], &[false, true], 10).unwrap();
    assert!(ends[0].is_some() && ends[9].is_some() && ends[5].is_none());
}

#[test]
fn the_bootstrap_is_right_and_the_same_everywhere() {
    let mean = |sample: &[usize]| sample.iter().sum::<usize>() as f64 / sample.len() as f64;
    let interval = bootstrap(1000, 7, mean).unwrap();
    // Uniform on 0..1000: the mean's standard error is 1000 / sqrt(12 · 1000).
    let reach = Z95 * 1000.0 / 12_000.0_f64.sqrt();
    assert!(
        (interval.low - (499.5 - reach)).abs() < 2.5 && (interval.high - (499.5 + reach)).abs() < 2.5,
        "{interval:?}"
    );
    assert_eq!(bootstrap(1000, 7, mean), Some(interval));
    assert_ne!(bootstrap(1000, 8, mean), Some(interval));
    // Pinned: a candidate judged again is judged by the same draws.
    close_interval(interval, (481.307_025, 517.798_625));
    assert_eq!(bootstrap(0, 1, mean), None);
    assert_eq!(bootstrap(3, 1, |_| f64::NAN), None);
}

#[test]
fn the_temperature_agrees_with_the_reference() {
    let temperature = fit_temperature(&LOGITS, &truth()).unwrap();
    assert!((temperature - 0.717_710_795).abs() < 1e-6, "{temperature}");
    let scores: Vec<f64> = LOGITS
        .iter()
        .map(|logit| 1.0 / (1.0 + (-logit / temperature).exp()))
        .collect();
    close(log_loss(&scores, &truth()).unwrap(), 0.511_231_786_062_625_2);
    let separated = fit_temperature(&[-1.0, -2.0, 1.0, 3.0], &[false, false, true, true]);
    assert_eq!(separated, Err(Error::NoTemperature));
    let wrong_way = fit_temperature(&[1.0, 2.0, -1.0, 3.0], &[false, false, true, false]);
    assert_eq!(wrong_way, Err(Error::NoTemperature));
    assert_eq!(
        fit_temperature(&[0.0, 0.0], &[false, true]),
        Err(Error::NoTemperature)
    );
}

#[test]
fn thresholds_agree_with_the_reference() {
    for (sensitivity, want) in [(0.8, 0.3), (0.9, 0.18), (0.95, 0.08), (1.0, 0.08)] {
        assert_eq!(
            threshold_for_sensitivity(&SCORES, &truth(), sensitivity).unwrap(),
            want
        );
    }
    // 19 of 20, although 0.95 * 20 is a little more than 19 in binary.
    let scores: Vec<f64> = (0..20).map(f64::from).collect();
    assert_eq!(
        threshold_for_sensitivity(&scores, &[true; 20], 0.95).unwrap(),
        1.0
    );
}

#[test]
fn what_cannot_be_measured_is_an_error() {
    assert_eq!(auc(&[], &[]), Err(Error::Empty));
    assert_eq!(auc(&[0.1], &[true, false]), Err(Error::Lengths));
    assert_eq!(auc(&[0.1, f64::NAN], &[true, false]), Err(Error::NotFinite));
    assert_eq!(auc(&[0.1, 0.2], &[true, true]), Err(Error::NoneAbsent));
    assert_eq!(auc(&[0.1, 0.2], &[false, false]), Err(Error::NonePresent));
    assert_eq!(brier(&[1.5], &[true], 1), Err(Error::NoProbability));
    assert_eq!(log_loss(&[], &[]), Err(Error::Empty));
    assert_eq!(
        expected_calibration_error(&[0.5], &[true], 0, 1),
        Err(Error::NoBins)
    );
    assert_eq!(reliability(&[0.5], &[true], 0), Err(Error::NoBins));
    assert_eq!(Confusion::at(&[0.5], &[true], f64::NAN), Err(Error::NotFinite));
    let one_class = Confusion::at(&[0.5], &[true], 0.5).unwrap();
    assert_eq!(one_class.specificity(), Err(Error::NoneAbsent));
    assert_eq!(Confusion::default().sensitivity(), Err(Error::NonePresent));
    assert_eq!(fit_temperature(&[1.0], &[true]), Err(Error::NoneAbsent));
    for sensitivity in [0.0, 1.1, f64::NAN] {
        assert_eq!(
            threshold_for_sensitivity(&[0.5], &[true], sensitivity),
            Err(Error::Sensitivity)
        );
    }
    assert_eq!(
        threshold_for_sensitivity(&[0.5], &[false], 0.9),
        Err(Error::NonePresent)
    );
}

#[test]
fn subgroups_are_measured_as_far_as_they_can_be() {
    let groups: Vec<Option<&str>> = (0..40)
        .map(|case| [Some("f"), Some("m"), None][case % 3])
        .collect();
    let cases = subgroups(&SCORES, &truth(), &groups).unwrap();
    assert_eq!(cases.keys().copied().collect::<Vec<_>>(), ["f", "m"]);
    assert_eq!(cases.values().map(|cases| cases.scores.len()).sum::<usize>(), 27);
    let Cases { scores, present } = &cases["f"];
    let figures = evaluate(scores, present, 0.5, 3).unwrap();
    assert_eq!(figures.present + figures.absent, 14);
    assert_eq!(figures.auc, Some(auc(scores, present).unwrap().estimate()));
    let healthy = evaluate(&[0.1, 0.2], &[false, false], 0.5, 3).unwrap();
    assert_eq!((healthy.auc, healthy.sensitivity), (None, None));
    assert_eq!(healthy.specificity.unwrap().value, 1.0);
    assert_eq!(
        subgroups(&SCORES, &truth(), &groups[1..]).unwrap_err(),
        Error::Lengths
    );
}

fn cases() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    prop::collection::vec((0..20_u8, any::<bool>()), 2..60).prop_map(|cases| {
        cases
            .into_iter()
            .map(|(score, present)| (f64::from(score) / 20.0, present))
            .unzip()
    })
}

proptest! {
    #[test]
    fn the_area_is_the_share_of_ordered_pairs((scores, present) in cases()) {
        let Ok(auc) = auc(&scores, &present) else {
            prop_assume!(false);
            return Ok(());
        };
        let of = |class: bool| scores.iter().zip(&present).filter(move |(_, p)| **p == class).map(|(s, _)| *s);
        let (mut won, mut pairs) = (0.0, 0.0);
        for positive in of(true) {
            for negative in of(false) {
                pairs += 1.0;
                won += if negative < positive { 1.0 } else if negative == positive { 0.5 } else { 0.0 };
            }
        }
        prop_assert!((auc.value - won / pairs).abs() < 1e-12);
        for interval in [auc.wald, auc.logit, Some(auc.score)].into_iter().flatten() {
            prop_assert!(0.0 <= interval.low && interval.low <= auc.value);
            prop_assert!(auc.value <= interval.high && interval.high <= 1.0);
        }
    }

    #[test]
    fn the_threshold_keeps_the_sensitivity_and_a_higher_one_does_not((scores, present) in cases(), wanted in 0.01..=1.0_f64) {
        let Ok(threshold) = threshold_for_sensitivity(&scores, &present, wanted) else {
            prop_assume!(false);
            return Ok(());
        };
        let at = |threshold| Confusion::at(&scores, &present, threshold).unwrap().sensitivity().unwrap().value;
        prop_assert!(wanted <= at(threshold));
        prop_assert!(at(threshold + 0.001) < wanted);
    }

    #[test]
    fn no_temperature_nearby_fits_better(
        (logits, present) in prop::collection::vec((-4.0..4.0_f64, any::<bool>()), 4..40)
            .prop_map(|cases| cases.into_iter().unzip::<_, _, Vec<_>, Vec<_>>()),
    ) {
        let Ok(best) = fit_temperature(&logits, &present) else { return Ok(()) };
        let loss = |temperature: f64| {
            let scores: Vec<f64> = logits.iter().map(|logit| 1.0 / (1.0 + (-logit / temperature).exp())).collect();
            log_loss(&scores, &present).unwrap()
        };
        for factor in [0.9, 0.99, 1.01, 1.1] {
            prop_assert!(loss(best) <= loss(best * factor) + 1e-12);
        }
    }
}
