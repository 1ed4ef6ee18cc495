use super::*;

#[tokio::test]
async fn a_report_tells_everything_and_needs_nothing() {
    let house = House::furnished().await;
    let (version, _) = house.run("01JD0000000000000000000001", &GOOD).await;
    let stored = house.archive.gate_report(MODEL, &version).await.unwrap().unwrap();
    assert_eq!(
        stored.html_sha256,
        ChunkId::of(stored.html.as_bytes()).to_string()
    );
    let html = &stored.html;
    for told in [
        "通过 <small>Passed</small>",
        "cxr 0.2.0",
        "灵敏度 <small>Sensitivity</small>",
        "validation",
        "600 例 cases",
        "FedAdam eta = 0.1",
        "5 · 5",
        "ε = 1.530, δ = 1e-5",
        "secure aggregation true",
        "01JD0000000000000000000001",
        "sex=F",
        "The head may be retrained.",
        "at_sensitivity",
        &backbone(),
        &ChunkId::of(&chunk(&GOOD)).to_string(),
        &ChunkId::of(PLAN.as_bytes()).to_string(),
        "<polyline class=\"candidate\" points=\"0.0,240.0 ",
        "<circle class=\"base\"",
    ] {
        assert!(html.contains(told), "{told} is missing in {html}");
    }
    for foreign in [
        "<script", "http://", "https://", "href=", "src=", "NaN", "@import", "url(",
    ] {
        assert!(!html.contains(foreign), "{foreign} is in the report");
    }

    let json: serde_json::Value = serde_json::from_str(&stored.json).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["passed"], true);
    assert_eq!(json["provenance"]["rounds"][1]["participants"], 5);
    assert_eq!(json["provenance"]["privacy"]["epsilon_spent"], 1.53);
    assert_eq!(json["plan"]["name"], "plan-1");
    assert!(
        json["provenance"]["code"]
            .as_str()
            .unwrap()
            .starts_with("barefoot-hub ")
    );
    let auc = &json["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["quantity"] == "auc")
        .unwrap();
    assert_eq!(auc["limit"]["at_least"], 0.9);
    assert_eq!(auc["judged_by"], "interval");
    assert_eq!(auc["held"], true);
}

#[tokio::test]
async fn what_was_written_by_others_stays_text() {
    let house = House::new().await;
    let mut bad = evaluation_set();
    bad.source = "<script>alert(1)</script>".to_owned();
    for case in &mut bad.case {
        case.subgroup.push("device=<img src=x>\"'".to_owned());
    }
    house.lock(&bad).await.unwrap();
    house.lock(&calibration_set()).await.unwrap();
    let plan = PLAN.replace("The head may be retrained.", "<b onclick=x>&");
    house.registry.register_plan(&plan).await.unwrap();
    let (version, _) = house.run("run-1", &GOOD).await;
    let html = house.registry.report(&name(&version)).await.unwrap().html;
    for hostile in ["<script", "<img", "<b onclick"] {
        assert!(!html.contains(hostile), "{hostile} came through");
    }
}

#[tokio::test]
async fn a_refused_candidate_says_so_on_top_and_no_noise_promises_nothing() {
    let house = House::furnished().await;
    let mut provenance = house.provenance("run-1").await;
    provenance.epsilon_spent = None;
    let (version, _) = house.run_with(provenance, &WRONG).await;
    let report = house.registry.report(&name(&version)).await.unwrap();
    assert!(!report.passed);
    let broken = report.html.find("Bounds not held").unwrap();
    assert!(broken < report.html.find("All bounds").unwrap());
    assert!(report.html.contains("no noise, nothing is promised"));

    let overview = house.registry.overview().await.unwrap();
    let newest = overview[0].gate.as_ref().unwrap();
    assert!(!newest.passed && newest.broken.iter().any(|check| check.quantity == Quantity::Auc));
    assert_eq!(overview[0].base_version.as_deref(), Some("0.1.0"));
    assert!(overview[1].gate.is_none());
}
