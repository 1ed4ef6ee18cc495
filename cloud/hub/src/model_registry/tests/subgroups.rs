use super::super::gate::Quantity;
use super::super::plan::Plan;
use super::gate::broken;
use super::*;

#[tokio::test]
async fn a_gain_for_most_does_not_pay_for_a_loss_of_few() {
    let house = House::new().await;
    // In one case of ten, from an old device, the finding shows in the second channel only.
    let old_device = |place: usize, case: &mut v1::TestCase| {
        let old = place % 10 < 1 || place % 10 == 9;
        let device = if old { "device=old" } else { "device=new" };
        case.subgroup.push(device.to_owned());
        if old {
            case.feature.swap(0, 1);
            case.feature[1] *= 2.0;
        }
    };
    house
        .lock(&set("validation", "evaluation", cases(1, 1000, old_device)))
        .await
        .unwrap();
    house
        .lock(&set("calibration", "calibration", cases(2, 1000, old_device)))
        .await
        .unwrap();
    house
        .registry
        .register_plan(&PLAN.replace("at_least = 0.9,", "at_least = 0.8,"))
        .await
        .unwrap();
    let (_, report) = house.run("run-1", &GOOD).await;
    let lost: Vec<_> = report.checks.iter().filter(|check| !check.held).collect();
    assert!(
        lost.iter().any(|check| check.quantity == Quantity::AucDrop
            && check.subgroup.as_deref() == Some("device=old")
            && check.value.unwrap() > 0.1),
        "{lost:?}"
    );
    assert!(
        !lost
            .iter()
            .any(|check| check.subgroup.as_deref() == Some("device=new"))
    );
    assert!(!report.passed);
}

#[tokio::test]
async fn a_subgroup_too_small_is_named_or_refused_as_the_plan_says() {
    let few = |place: usize, case: &mut v1::TestCase| {
        if place < 10 {
            case.subgroup.push("age=0-17".to_owned());
        }
    };
    let outcome = async |plan: String| {
        let house = House::new().await;
        house
            .lock(&set("validation", "evaluation", cases(1, 600, few)))
            .await
            .unwrap();
        house.lock(&calibration_set()).await.unwrap();
        house.registry.register_plan(&plan).await.unwrap();
        house.run("run-1", &GOOD).await.1
    };

    let reported = outcome(PLAN.to_owned()).await;
    assert!(reported.passed, "{:?}", reported.failed());
    let small = &reported.uncovered[0];
    assert_eq!(
        (small.subgroup.as_str(), small.present, small.absent),
        ("age=0-17", 4, 6)
    );
    assert_eq!(reported.uncovered.len(), 1);

    let refused = outcome(PLAN.replace("not_covered = \"report\"", "not_covered = \"refuse\"")).await;
    assert_eq!(broken(&refused), [Quantity::Covered]);

    for required in ["age=0-17", "age=75-"] {
        let plan = PLAN.replace(
            "[subgroups]",
            &format!("[subgroups]\nrequired = [\"{required}\"]"),
        );
        let missing = outcome(plan).await;
        assert_eq!(broken(&missing), [Quantity::Covered], "{required}");
    }
}

#[tokio::test]
async fn a_floor_of_the_subgroups_holds_where_the_whole_set_hides_it() {
    // One case of ten is from an old device, on which the finding hardly shows, for base and candidate alike.
    let old_device = |place: usize, case: &mut v1::TestCase| {
        let old = place % 10 < 1 || place % 10 == 9;
        case.subgroup
            .push(if old { "device=old" } else { "device=new" }.to_owned());
        if old && case.present[0] {
            case.feature[0] -= 1.2;
        }
    };
    let outcome = async |subgroups: &str| {
        let house = House::with_base(&GOOD).await;
        house
            .lock(&set("validation", "evaluation", cases(1, 1000, old_device)))
            .await
            .unwrap();
        house.lock(&calibration_set()).await.unwrap();
        let plan = PLAN
            .replace("at_least = 0.9,", "at_least = 0.8,")
            .replace("not_covered", &format!("{subgroups}\nnot_covered"));
        house.registry.register_plan(&plan).await.unwrap();
        let (version, report) = house.run("run-1", &GOOD.map(|value| value * 1.1)).await;
        let html = house
            .archive
            .gate_report(MODEL, &version)
            .await
            .unwrap()
            .unwrap()
            .html;
        assert!(html.contains("Subgroups are held to the bounds of the plan's [subgroups]"));
        report
    };
    let without = outcome("").await;
    assert!(without.passed, "{:?}", without.failed());

    let report = outcome("sensitivity = { at_least = 0.7, judged_by = \"point\" }").await;
    let broken: Vec<_> = report.checks.iter().filter(|check| !check.held).collect();
    let [floor] = broken.as_slice() else {
        panic!("{broken:?}");
    };
    assert_eq!(floor.quantity, Quantity::Sensitivity);
    assert_eq!(floor.subgroup.as_deref(), Some("device=old"));
    assert!(floor.value.unwrap() < 0.7, "{floor:?}");
    // The other four are held as well.
    for (bound, expected) in [
        (
            "auc = { at_least = 0.99, judged_by = \"interval\" }",
            Quantity::Auc,
        ),
        (
            "specificity = { at_least = 0.99, judged_by = \"point\" }",
            Quantity::Specificity,
        ),
        (
            "brier = { at_most = 0.01, judged_by = \"point\" }",
            Quantity::Brier,
        ),
        (
            "ece = { at_most = 0.001, judged_by = \"interval\" }",
            Quantity::Ece,
        ),
    ] {
        let report = outcome(bound).await;
        let broken: Vec<_> = report.checks.iter().filter(|check| !check.held).collect();
        assert_eq!(broken.len(), 4, "{broken:?}");
        let all = broken
            .iter()
            .all(|check| check.quantity == expected && check.subgroup.is_some());
        assert!(all, "{broken:?}");
    }
}

#[tokio::test]
async fn a_plan_of_earlier_rules_starts_no_run_and_lets_nothing_pass() {
    let house = House::furnished().await;
    let pin = house.provenance("run-1").await;
    let row = house.archive.plan("plan-1").await.unwrap().unwrap();
    let earlier = row.toml.replace("{ auc = 0.03, sensitivity = 0.2 }", "{}");
    assert_ne!(earlier, row.toml);
    let row = crate::archive::PlanRow {
        name: "earlier".to_owned(),
        sha256: Plan::sha256(&earlier),
        toml: earlier,
        ..row
    };
    assert!(house.archive.insert_plan(&row).await.unwrap());
    let refused = house.registry.pin_plan("earlier", MODEL).await.unwrap_err();
    assert!(refused.to_string().contains("earlier rules"), "{refused}");
    let started = Provenance {
        plan: Some(PlanPin {
            name: row.name,
            sha256: row.sha256,
        }),
        ..pin
    };
    let (_, report) = house.run_with(started, &GOOD).await;
    assert_eq!(broken(&report), [Quantity::Plan]);
}
