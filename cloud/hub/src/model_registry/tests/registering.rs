use proptest::prelude::*;

use super::super::plan::Plan;
use super::super::test_set::TestSet;
use super::*;

#[tokio::test]
async fn a_base_is_registered_once_and_never_changes() {
    let house = House::new().await;
    let again = house
        .registry
        .register_model(base_request("0.1.0", &BASE))
        .await
        .unwrap();
    assert!(again.known_before);
    let other = house.registry.register_model(base_request("0.1.0", &GOOD)).await;
    assert!(matches!(other, Err(Error::Locked { .. })), "{other:?}");
    let base = house.registry.base(MODEL, "0.1.0").await.unwrap();
    assert_eq!(base.chunks, [ChunkId::of(&chunk(&BASE))]);
    assert_eq!(base.layout, layout());
    assert!(matches!(
        house.registry.base(MODEL, "9.9.9").await,
        Err(Error::Unknown { .. })
    ));
    assert!(
        house
            .registry
            .needed_chunks()
            .await
            .unwrap()
            .contains(&base.chunks[0])
    );
    let list = house.registry.list_models(|_, _| 7).await.unwrap();
    assert_eq!((list.model[0].state.as_str(), list.model[0].boxes), ("base", 7));
}

#[tokio::test]
async fn a_base_that_does_not_fit_together_is_refused() {
    let house = House::new().await;
    let refused = async |bend: fn(&mut v1::RegisterModelRequest), why: &str| {
        let mut request = base_request("0.2.0", &GOOD);
        bend(&mut request);
        let error = house.registry.register_model(request).await.unwrap_err();
        assert!(
            matches!(error, Error::Invalid { .. }) && error.to_string().contains(why),
            "{error}"
        );
    };
    refused(|r| r.id = "../../etc".to_owned(), "id").await;
    refused(|r| r.version = "1.0".to_owned(), "MAJOR.MINOR.PATCH").await;
    refused(|r| r.backbone.clear(), "backbone").await;
    refused(|r| r.backbone[0].push('0'), "SHA-256").await;
    refused(|r| r.finding.clear(), "findings").await;
    refused(|r| r.finding[0].temperature = 0.0, "temperature").await;
    refused(|r| r.finding[0].operating_point = f64::NAN, "operating point").await;
    refused(|r| r.finding.push(r.finding[0].clone()), "twice").await;
    refused(|r| r.parameters = None, "parameters").await;
    refused(|r| r.parameters.as_mut().unwrap().encoding = 2, "F32").await;
    refused(|r| r.parameters.as_mut().unwrap().tensors.clear(), "tensors").await;
    refused(|r| r.content[0][0] ^= 1, "name says").await;
    refused(|r| r.content.push(vec![]), "as many").await;
    refused(
        |r| {
            let wrong = f32::INFINITY.to_le_bytes().repeat(3);
            r.parameters.as_mut().unwrap().chunk = vec![ChunkId::of(&wrong).0.to_vec()];
            r.content = vec![wrong];
        },
        "F32 chunk",
    )
    .await;
}

#[tokio::test]
async fn a_test_set_is_locked() {
    let house = House::new().await;
    let set = evaluation_set();
    let first = house.lock(&set).await.unwrap();
    assert_eq!(first.cases, 600);
    assert_eq!(first.sha256, ChunkId::of(&set.encode_to_vec()).to_string());
    assert_eq!(
        house.lock(&set).await.unwrap(),
        first,
        "the same again changes nothing"
    );
    let mut other = set.clone();
    other.case[0].present[0] = !other.case[0].present[0];
    assert!(matches!(house.lock(&other).await, Err(Error::Locked { .. })));
    let needed = house.registry.needed_chunks().await.unwrap();
    assert_eq!(needed.len(), 2, "the base's chunk and the set's");
}

#[tokio::test]
async fn a_test_set_that_cannot_judge_is_refused() {
    let house = House::new().await;
    let refused = async |bend: fn(&mut v1::TestSet), why: &str| {
        let mut set = evaluation_set();
        bend(&mut set);
        let error = house.lock(&set).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    };
    refused(|s| s.name = "a/b".to_owned(), "name").await;
    refused(|s| s.purpose = "training".to_owned(), "purpose").await;
    refused(|s| s.model_id = "other".to_owned(), "no model").await;
    refused(|s| s.backbone = ChunkId::of(b"other").to_string(), "backbone").await;
    refused(|s| s.finding = vec!["fracture".to_owned()], "findings").await;
    refused(|s| s.finding.push("pneumonia".to_owned()), "findings").await;
    refused(|s| s.channels = 3, "channels").await;
    refused(|s| s.case.clear(), "cases").await;
    refused(|s| s.source = "a\nb".to_owned(), "where it comes from").await;
    refused(|s| s.case[3].feature[0] = f32::NAN, "finite").await;
    refused(|s| s.case[3].feature.push(1.0), "channels").await;
    refused(|s| s.case[3].present.clear(), "label").await;
    refused(|s| s.case[3].subgroup = vec!["F".to_owned()], "key=value").await;
    refused(|s| s.case[3].subgroup = vec!["sex=F".to_owned(); 2], "once").await;
    refused(
        |s| s.case[3].subgroup = vec!["sex=<\u{7}>".to_owned()],
        "key=value",
    )
    .await;
    refused(
        |s| {
            for (place, case) in s.case.iter_mut().enumerate() {
                case.subgroup = vec![format!("clinic=c{place}")];
            }
        },
        "256 subgroups",
    )
    .await;
    // Nothing of it was kept.
    assert!(house.archive.test_sets().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_and_the_next_one_is_taken() {
    let house = House::new().await;
    let pieces = stream::iter([
        Ok(v1::Chunk {
            content: vec![1; 10].into(),
        }),
        Err(()),
    ]);
    let broken = house.registry.register_test_set(pieces).await;
    assert!(matches!(broken, Err(Error::Upload)), "{broken:?}");
    let endless = stream::repeat_with(|| {
        Ok::<_, ()>(v1::Chunk {
            content: vec![0; 1 << 20].into(),
        })
    });
    let error = house.registry.register_test_set(endless).await.unwrap_err();
    assert!(error.to_string().contains("128 MiB"), "{error}");
    house.lock(&evaluation_set()).await.unwrap();
}

#[tokio::test]
async fn a_plan_is_bound_to_sets_that_are_there_and_can_do_what_it_wants() {
    let house = House::new().await;
    let refused = async |plan: &str, why: &str| {
        let error = house.registry.register_plan(plan).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    };
    refused(PLAN, "calibration is not registered").await;
    house.lock(&calibration_set()).await.unwrap();
    refused(PLAN, "validation is not registered").await;
    house.lock(&evaluation_set()).await.unwrap();
    refused(
        &PLAN.replace("set = \"validation\"", "set = \"calibration\""),
        "cannot gate",
    )
    .await;
    refused(
        &PLAN.replace("set = \"calibration\"", "set = \"validation\""),
        "nothing may be fitted",
    )
    .await;
    refused(
        &PLAN.replace(
            "set = \"validation\"",
            "set = \"validation\"\nfinding = \"fracture\"",
        ),
        "does not label",
    )
    .await;
    refused(
        &PLAN.replace("model = \"cxr\"", "model = \"other\""),
        "another model",
    )
    .await;

    // A finding that the calibration set does not label would silently keep its operating point.
    refused(
        &PLAN.replace("{ pneumonia = 0.9 }", "{ fracture = 0.9 }"),
        "calibration does not label fracture",
    )
    .await;

    // One case of the calibration set judges as well.
    let mut leak = set("leak", "evaluation", cases(9, 300, |_, _| {}));
    leak.case.push(calibration_set().case[0].clone());
    house.lock(&leak).await.unwrap();
    refused(
        &PLAN.replace("set = \"validation\"", "set = \"leak\""),
        "1 cases of calibration set calibration stand in evaluation set leak",
    )
    .await;

    let first = house.registry.register_plan(PLAN).await.unwrap();
    assert_eq!(house.registry.register_plan(PLAN).await.unwrap(), first);
    let milder = PLAN.replace("at_least = 0.9,", "at_least = 0.5,");
    assert!(matches!(
        house.registry.register_plan(&milder).await,
        Err(Error::Locked { .. })
    ));
    assert!(house.registry.pin_plan("plan-1", "other").await.is_err());
}

#[test]
fn the_example_plan_is_a_plan() {
    let example = include_str!("../../../../../provisioning/plans/example.toml");
    let plan = Plan::parse(example).unwrap();
    assert_eq!(plan.sets().len(), 2);
    // Every key behind a `#` is one, with the default it shows.
    let all = example.replace("# required = []", "required = []");
    assert_eq!(Plan::parse(&all).unwrap(), plan);
    for bound in ["auc", "specificity", "brier", "ece"] {
        let given = all.replace(&format!("# {bound} = {{"), &format!("{bound} = {{"));
        assert_ne!(given, all, "{bound}");
        Plan::parse(&given).unwrap();
    }
}

#[test]
fn a_plan_with_a_hole_in_it_is_no_plan() {
    Plan::parse(PLAN).unwrap();
    for (from, to, why) in [
        ("schema = 1", "schema = 2", "schema"),
        ("schema = 1", "schema = 1\nmore = 1", "unknown field"),
        ("name = \"plan-1\"", "name = \"../plan\"", "name"),
        (
            "rationale = \"The head may be retrained.\"",
            "rationale = \" \"",
            "rationale",
        ),
        ("tensors = [\"weight\", \"bias\"]", "tensors = []", "tensors"),
        ("distance = 2.0", "distance = nan", "positive"),
        ("distance = 2.0", "distance = -1", "positive"),
        (
            "temperature = \"fit\"",
            "temperature = \"guess\"",
            "unknown variant",
        ),
        ("set = \"calibration\"", "", "exactly when something is fitted"),
        ("sensitivity = { pneumonia = 0.9 }", "", "at_sensitivity"),
        ("pneumonia = 0.9", "pneumonia = 1.1", "above 0, up to 1"),
        ("at_least = 0.9,", "at_least = 1.9,", "within 0 and 1"),
        ("at_least = 0.9,", "at_least = nan,", "within 0 and 1"),
        ("{ auc = 0.01 }", "{ auc = -0.01 }", "within 0 and 1"),
        (
            "minimum_present = 100",
            "minimum_present = 0",
            "at least one case",
        ),
        ("minimum_present = 20", "minimum_present = 0", "at least one case"),
        (
            "judged_by = \"interval\"",
            "judged_by = \"luck\"",
            "unknown variant",
        ),
        ("not_covered = \"report\"", "", "not_covered"),
        (
            "{ auc = 0.03, sensitivity = 0.2 }",
            "{}",
            "subgroups.largest_drop",
        ),
        (
            "not_covered",
            "auc = { at_least = 1.1, judged_by = \"point\" }\nnot_covered",
            "within 0 and 1",
        ),
    ] {
        let text = PLAN.replacen(from, to, 1);
        assert_ne!(text, PLAN, "{from}");
        let error = Plan::parse(&text).unwrap_err();
        let told = format!("{error}");
        assert!(told.contains(why), "{to}: {told}");
    }
    assert!(Plan::parse(&"#".repeat(65 * 1024)).is_err());
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader_of_test_sets(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = TestSet::decode(&bytes);
    }

    #[test]
    fn a_damaged_set_is_another_or_none(place in 0_usize..20_000, flip in 1_u8..) {
        let mut bytes = set("validation", "evaluation", cases(1, 40, |_, _| {})).encode_to_vec();
        let whole = TestSet::decode(&bytes).unwrap();
        let place = place % bytes.len();
        bytes[place] ^= flip;
        if let Ok(other) = TestSet::decode(&bytes) {
            prop_assert_ne!(other.sha256, whole.sha256);
        }
    }

    #[test]
    fn no_text_breaks_the_reader_of_plans(text in ".{0,300}") {
        let _ = Plan::parse(&text);
    }
}
