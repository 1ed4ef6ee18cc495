use super::super::gate::Quantity;
use super::super::plan::Plan;
use super::super::test_set::TestSet;
use super::*;

pub(super) fn broken(report: &Report) -> Vec<Quantity> {
    let broken = report.checks.iter().filter(|check| !check.held);
    broken.map(|check| check.quantity).collect()
}

#[tokio::test]
async fn a_better_head_passes_and_is_handed_out_for_signing() {
    let house = House::furnished().await;
    let (version, report) = house.run("run-1", &GOOD).await;
    assert_eq!(version, "0.2.0");
    assert!(report.passed, "{:?}", report.failed());
    assert_eq!(house.state(&version).await, ModelState::Passed);
    let auc = |measured: &super::super::gate::Measures| measured.auc.unwrap();
    let found = &report.sets[0].findings[0];
    let (before, after) = (auc(&found.base.measures), auc(&found.candidate.measures));
    assert!(before.value < after.value, "{before:?} {after:?}");
    assert!(after.low < after.value && after.value < after.high);

    let candidate = house.registry.candidate(&name(&version)).await.unwrap();
    let asked = v1::ChunkIds {
        id: candidate.parameters.unwrap().chunk,
    };
    let ids = house.registry.candidate_chunks(&asked).await.unwrap();
    assert_eq!(house.registry.chunk(ids[0]).await.unwrap(), chunk(&GOOD));
    assert_eq!(candidate.base_version, "0.1.0");
    assert!(candidate.provenance_json.contains("\"epsilon_spent\":1.53"));

    let other = v1::ChunkIds {
        id: vec![ChunkId::of(&chunk(&BASE)).0.to_vec()],
    };
    let refused = house.registry.candidate_chunks(&other).await;
    assert!(matches!(refused, Err(Error::Unknown { .. })), "{refused:?}");

    house.registry.published(MODEL, &version).await.unwrap();
    house.registry.published(MODEL, &version).await.unwrap();
    house.registry.base(MODEL, &version).await.unwrap();
    house.registry.withdrawn(MODEL, &version).await.unwrap();
    assert_eq!(house.state(&version).await, ModelState::Withdrawn);
    assert!(house.registry.base(MODEL, &version).await.is_err());
}

#[tokio::test]
async fn a_worse_head_is_stopped_with_every_bound_it_breaks() {
    let house = House::furnished().await;
    let (version, report) = house.run("run-1", &WRONG).await;
    assert!(!report.passed);
    assert_eq!(house.state(&version).await, ModelState::Refused);
    let broken = broken(&report);
    assert!(
        broken.contains(&Quantity::Auc) && broken.contains(&Quantity::AucDrop),
        "{broken:?}"
    );

    let Err(Error::OutsideBounds { failed }) = house.registry.candidate(&name(&version)).await else {
        panic!("a refused candidate was handed out");
    };
    assert!(
        failed.iter().any(|line| line.starts_with("AUC [validation] [pneumonia]: 0.") && line.contains("at least 0.9")),
        "{failed:?}"
    );
    let asked = v1::ChunkIds {
        id: vec![ChunkId::of(&chunk(&WRONG)).0.to_vec()],
    };
    assert!(house.registry.candidate_chunks(&asked).await.is_err());
    assert!(house.registry.published(MODEL, &version).await.is_err());
    assert!(house.registry.base(MODEL, &version).await.is_err());
    // Its number is not given again.
    assert_eq!(house.run("run-2", &GOOD).await.0, "0.3.0");
}

#[tokio::test]
async fn temperature_and_operating_point_are_fitted_on_the_calibration_set() {
    let house = House::furnished().await;
    // Five times as sure of itself as it may be.
    let loud = GOOD.map(|value| value * 5.0);
    let plan = PLAN.replace("plan-1", "plan-2").replace(
        "largest_relative_distance = 2.0",
        "largest_relative_distance = inf",
    );
    house.registry.register_plan(&plan).await.unwrap();
    let provenance = Provenance {
        plan: Some(house.registry.pin_plan("plan-2", MODEL).await.unwrap()),
        ..provenance("run-1")
    };
    let (version, report) = house.run_with(provenance, &loud).await;
    assert!(report.passed, "{:?}", report.failed());
    let fitted = &report.recalibrated[0];
    assert!((2.5..5.0).contains(&fitted.temperature), "{fitted:?}");
    assert_eq!(fitted.set.as_deref(), Some("calibration"));

    // On the calibration set nine in ten are found, and with any higher threshold fewer.
    let set = calibration_set();
    let mut scores: Vec<f32> = set
        .case
        .iter()
        .filter(|case| case.present[0])
        .map(|case| {
            let logit = f64::from(loud[0]) * f64::from(case.feature[0])
                + f64::from(loud[1]) * f64::from(case.feature[1]);
            head::score(logit, fitted.temperature)
        })
        .collect();
    scores.sort_by(|one, other| other.total_cmp(one));
    let found = |threshold: f64| {
        scores
            .iter()
            .filter(|score| threshold <= f64::from(**score))
            .count()
    };
    assert!(scores.len() * 9 <= found(fitted.operating_point) * 10);
    assert!(found(fitted.operating_point + 1e-6) * 10 < scores.len() * 9);

    let candidate = house.registry.candidate(&name(&version)).await.unwrap();
    assert_eq!(candidate.finding[0].temperature, fitted.temperature);
    assert_eq!(candidate.finding[0].operating_point, fitted.operating_point);
}

#[test]
fn a_wanted_sensitivity_that_cannot_be_fitted_is_not_passed_over() {
    let setting = |code: &str| FindingSetting {
        code: code.to_owned(),
        temperature: 1.0,
        operating_point: 0.5,
    };
    let head = head::Head::new(&layout(), 1, &GOOD).unwrap();
    let set = TestSet::decode(&calibration_set().encode_to_vec()).unwrap();
    let fit = |wanted: &str, of: &str| {
        let plan = Plan::parse(&PLAN.replace("{ pneumonia = 0.9 }", wanted)).unwrap();
        super::super::gate::recalibrate(&plan, &[setting(of)], &head, Some(&set))
    };
    let fitted = fit("{ pneumonia = 0.9 }", "pneumonia").unwrap();
    assert_eq!(fitted[0].sensitivity, Some(0.9));
    let foreign = fit("{ fracture = 0.9 }", "pneumonia").unwrap_err();
    assert!(
        foreign.contains("fracture: ") && foreign.contains("no such finding"),
        "{foreign}"
    );
    let unlabelled = fit("{ nodule = 0.9 }", "nodule").unwrap_err();
    assert!(unlabelled.contains("does not label"), "{unlabelled}");
}

#[tokio::test]
async fn a_plan_that_came_after_the_run_or_is_another_does_not_count() {
    let house = House::furnished().await;
    let good = house.provenance("run-1").await;
    let registered = house
        .archive
        .plan("plan-1")
        .await
        .unwrap()
        .unwrap()
        .registered_at_ms;
    let pin = good.plan.clone().unwrap();
    let refused = [
        (
            Provenance {
                started_at_ms: registered - 1,
                ..good.clone()
            },
            "registered after the run",
        ),
        (
            Provenance {
                plan: None,
                ..good.clone()
            },
            "without a plan",
        ),
        (
            Provenance {
                plan: Some(PlanPin {
                    sha256: ChunkId::of(b"").to_string(),
                    ..pin.clone()
                }),
                ..good.clone()
            },
            "not the one",
        ),
        (
            Provenance {
                plan: Some(PlanPin {
                    name: "none".to_owned(),
                    ..pin
                }),
                ..good.clone()
            },
            "no such plan",
        ),
    ];
    for (number, (provenance, why)) in refused.into_iter().enumerate() {
        let provenance = Provenance {
            run: format!("late-{number}"),
            ..provenance
        };
        let (version, report) = house.run_with(provenance, &GOOD).await;
        assert!(!report.passed && report.plan.is_none());
        assert!(report.failed()[0].contains(why), "{:?}", report.failed());
        assert!(!report.sets.is_empty(), "it is measured all the same");
        assert!(house.registry.candidate(&name(&version)).await.is_err());
    }
    assert!(house.run_with(good, &GOOD).await.1.passed);
}

#[tokio::test]
async fn a_change_the_plan_does_not_allow_is_refused_however_good_it_is() {
    let house = House::furnished().await;
    let far = GOOD.map(|value| value * 50.0);
    assert_eq!(
        broken(&house.run("far", &far).await.1),
        [Quantity::RelativeDistance]
    );

    let plan = PLAN
        .replace("plan-1", "plan-2")
        .replace("[\"weight\", \"bias\"]", "[\"bias\"]");
    house.registry.register_plan(&plan).await.unwrap();
    let provenance = Provenance {
        plan: Some(house.registry.pin_plan("plan-2", MODEL).await.unwrap()),
        ..provenance("other tensor")
    };
    let (_, report) = house.run_with(provenance, &GOOD).await;
    assert_eq!(broken(&report), [Quantity::TensorUnchanged]);
    assert!(report.failed()[0].contains("[weight]"));
}

#[tokio::test]
async fn parameters_that_are_no_numbers_are_refused() {
    let house = House::furnished().await;
    let bytes: Vec<u8> = [f32::NAN, 1.0, 0.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let chunks = house.registry.store(vec![bytes.into()]).await.unwrap();
    let provenance = house.provenance("run-1").await;
    let version = house.registry.add_candidate(provenance, chunks).await.unwrap();
    assert_eq!(house.state(&version).await, ModelState::Refused);
    let Err(Error::OutsideBounds { failed }) = house.registry.candidate(&name(&version)).await else {
        panic!("handed out");
    };
    assert!(failed[0].contains("finite"), "{failed:?}");
}

#[tokio::test]
async fn a_run_has_one_outcome_and_a_judgement_that_was_cut_off_is_made_later() {
    let house = House::furnished().await;
    let provenance = house.provenance("run-1").await;
    let chunks = house.store(&GOOD).await;
    let add = async |provenance: &Provenance, chunks: &[ChunkId]| {
        house
            .registry
            .add_candidate(provenance.clone(), chunks.to_vec())
            .await
    };
    assert_eq!(add(&provenance, &chunks).await.unwrap(), "0.2.0");
    let first = house.archive.gate_report(MODEL, "0.2.0").await.unwrap();
    assert_eq!(add(&provenance, &chunks).await.unwrap(), "0.2.0");
    assert_eq!(house.archive.gate_report(MODEL, "0.2.0").await.unwrap(), first);
    let other = house.store(&WRONG).await;
    assert!(matches!(
        add(&provenance, &other).await,
        Err(Error::Locked { .. })
    ));

    // As if the hub had been killed between the number and the judgement.
    let row = house.archive.model(MODEL, "0.2.0").await.unwrap().unwrap();
    let waiting = crate::archive::ModelRow {
        version: "0.3.0".to_owned(),
        state: ModelState::Candidate,
        run: Some("run-2".to_owned()),
        ..row
    };
    assert!(house.archive.insert_model(&waiting).await.unwrap());
    house.registry.judge_waiting().await;
    assert_eq!(house.state("0.3.0").await, ModelState::Passed);
}

#[tokio::test]
async fn a_round_is_measured_on_every_evaluation_set() {
    let house = House::furnished().await;
    let measure = async |head: &[f32; 3]| {
        let chunks = house.store(head).await;
        house.registry.progress(MODEL, "0.1.0", &chunks).await
    };
    let good = measure(&GOOD).await;
    let names: Vec<&str> = good.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["auc", "log_loss", "auc/validation", "log_loss/validation"]
    );
    let wrong = measure(&WRONG).await;
    assert!(wrong[0].1 < 0.5 && 0.9 < good[0].1);
    assert!(good[1].1 < wrong[1].1);
    // From zero: no order at all, and the loss of a coin.
    let zero = measure(&[0.0; 3]).await;
    assert_eq!(zero[0].1, 0.5);
    assert!((zero[1].1 - std::f64::consts::LN_2).abs() < 1e-6);
    assert!(house.registry.progress("nothing", "0.1.0", &[]).await.is_empty());
}
