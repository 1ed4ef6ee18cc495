use askama::Template;
use barefoot_wire::v1::{self, SlotState};
use time::UtcOffset;

use super::view::{self, Shown};
use super::words::words;
use crate::config::Language;
use crate::model_registry::{
    Check, FigureSummary, GateSummary, Limit, ModelState, Quantity, VersionOverview,
};

fn metric(name: &str, value: f64) -> v1::Metric {
    v1::Metric {
        name: name.to_owned(),
        value,
    }
}

/// Round 3 of 5 of a private run is being fitted; one update was refused.
fn run() -> v1::RunView {
    let round = |round: u32, stage: &str, auc: f64| v1::RoundView {
        round,
        attempt: 1,
        stage: stage.to_owned(),
        accepted: 6,
        declined: 1,
        metric: vec![
            metric("auc", auc),
            metric("log_loss", 1.0 - auc),
            metric("auc/validation", 0.1234),
            metric("clinics.auc", auc - 0.01),
        ],
        started_at_ms: 1_763_740_800_000,
        ..v1::RoundView::default()
    };
    let mut last = round(3, "fitting", 0.0);
    last.metric.clear();
    last.attempt = 2;
    last.refused = vec![v1::RefusalView {
        clinic: "clinic-3".to_owned(),
        code: "norm_outlier".to_owned(),
        reason: "The update's norm is 40 times the median's.".to_owned(),
        at_ms: 0,
    }];
    v1::RunView {
        run: "01JD0000000000000000000001".to_owned(),
        settings: Some(v1::RunSettings {
            model_id: "cxr-pneumonia".to_owned(),
            base_version: "0.1.0".to_owned(),
            rounds: 5,
            strategy: "FedAvg".to_owned(),
            privacy: Some(v1::PrivacyTerms {
                clip_norm: 1.0,
                noise_multiplier: 4.0,
                secure_aggregation: true,
            }),
            delta: 1e-5,
            plan: "plan-1".to_owned(),
            ..v1::RunSettings::default()
        }),
        state: "running".to_owned(),
        round: vec![round(1, "finished", 0.82), round(2, "finished", 0.93), last],
        epsilon_spent: 1.25,
        started_at_ms: 1_763_740_800_000,
        ..v1::RunView::default()
    }
}

fn refused_version() -> VersionOverview {
    VersionOverview {
        id: "cxr-pneumonia".to_owned(),
        version: "0.3.0".to_owned(),
        state: ModelState::Refused,
        made_at_ms: 1_763_740_800_000,
        run: Some("01JD0000000000000000000000".to_owned()),
        base_version: Some("0.1.0".to_owned()),
        gate: Some(GateSummary {
            passed: false,
            held: 11,
            broken: vec![Check {
                quantity: Quantity::Auc,
                set: Some("validation".to_owned()),
                finding: Some("pneumonia".to_owned()),
                subgroup: None,
                subject: None,
                limit: Some(Limit::AtLeast(0.95)),
                judged_by: None,
                value: Some(0.8812),
                held: false,
            }],
            uncovered: 2,
            figures: vec![FigureSummary {
                set: "validation".to_owned(),
                finding: "pneumonia".to_owned(),
                base_auc: Some(0.9671),
                candidate_auc: None,
            }],
        }),
    }
}

fn rollout() -> v1::RolloutView {
    let one = |clinic: &str, ring, state: SlotState, active: &str, seen_at_ms| v1::BoxView {
        clinic: clinic.to_owned(),
        ring,
        active_version: active.to_owned(),
        candidate_state: state.into(),
        seen_at_ms,
        ..v1::BoxView::default()
    };
    let mut bad = one("clinic-2", 1, SlotState::RolledBack, "0.1.0", 1);
    bad.problem = "golden_test".to_owned();
    v1::RolloutView {
        model: Some(v1::ModelName {
            id: "cxr-pneumonia".to_owned(),
            version: "0.2.0".to_owned(),
        }),
        state: "ring".to_owned(),
        ring: 1,
        r#box: vec![
            one("clinic-1", 0, SlotState::Good, "0.2.0", 1),
            bad,
            one("clinic-4", 1, SlotState::Shadow, "0.1.0", 1),
            one("clinic-5", 2, SlotState::Unspecified, "0.1.0", 0),
        ],
        ..v1::RolloutView::default()
    }
}

fn page(language: Language, shown: &Shown<'_>) -> String {
    let words = words(language);
    let list = view::list(words, UtcOffset::from_hms(8, 0, 0).unwrap(), shown);
    view::PageView {
        words,
        accounts: false,
        list,
    }
    .render()
    .unwrap()
}

#[test]
fn a_run_shows_its_rounds_its_curve_and_what_privacy_costs() {
    let runs = [run()];
    let shown = Shown {
        runs: &runs,
        versions: &[],
        rollouts: &[],
        boxes: &[],
    };
    let en = page(Language::En, &shown);
    let whole = barefoot_federation::privacy::spent(4.0, 5, 1e-5).unwrap().value();
    let spent = format!("ε = 1.25 spent of {whole:.2} for the whole run (δ = 1e-5, noise multiplier 4)");
    for told in [
        spent.as_str(),
        "Federated runs",
        "2 of 5 rounds done",
        "<progress value=\"2\" max=\"5\"",
        "6 · 6 · 6",
        "Secure aggregation: the hub sees only the sum",
        "<td>3 (2)</td>",
        "<b>clinic-3</b> <code>norm out of line</code> <small>The update&#39;s norm",
        "the hub&#39;s test sets <b>0.0700</b>",
        "the hub&#39;s test sets <b>0.9300</b>",
        "in the clinics <b>0.9200</b>",
        "<polyline class=\"series-1\" points=\"0.0,",
        "details id=\"rounds-01JD0000000000000000000001\" open",
    ] {
        assert!(en.contains(told), "{told} is missing in {en}");
    }
    assert!(!en.contains("0.1234"), "one line for the metric, not one a set");
    let zh = page(Language::Zh, &shown);
    for told in [
        "联邦训练",
        "已完成 2 / 5 轮",
        "本地训练",
        "已消耗 ε = 1.25",
        "更新幅度异常",
        "不参加",
    ] {
        assert!(zh.contains(told), "{told} is missing in {zh}");
    }
}

#[test]
fn without_noise_nothing_is_promised_and_without_a_plan_nothing_can_be_released() {
    let mut run = run();
    let settings = run.settings.as_mut().unwrap();
    settings.privacy = None;
    settings.plan.clear();
    let runs = [run];
    let shown = Shown {
        runs: &runs,
        versions: &[],
        rollouts: &[],
        boxes: &[],
    };
    let en = page(Language::En, &shown);
    assert!(en.contains("No noise: no differential privacy is promised"));
    assert!(en.contains("No secure aggregation: the hub sees each update"));
    assert!(en.contains("No plan: the candidate cannot be released"));
}

#[test]
fn versions_tell_what_the_gate_found_and_boxes_what_they_run() {
    let versions = [refused_version()];
    let rollouts = [rollout()];
    let shown = Shown {
        runs: &[],
        versions: &versions,
        rollouts: &rollouts,
        boxes: &[("cxr-pneumonia".to_owned(), "0.3.0".to_owned(), 7)],
    };
    let en = page(Language::En, &shown);
    for told in [
        "Boxes <b>7</b>",
        "11 of 12 bounds held",
        "AUC · validation · pneumonia: 0.8812 (wanted ≥ 0.95)",
        "AUC 0.9671 → —",
        "/models/report?id=cxr-pneumonia&amp;version=0.3.0",
        "<h3>Canary</h3>",
        "<div class=\"round-of-boxes reached\">\n      <h3>Ring 1</h3>",
        "<div class=\"round-of-boxes\">\n      <h3>Ring 2</h3>",
        "<li class=\"good\"><b>clinic-1</b> <span>good</span>",
        "<li class=\"bad\"><b>clinic-2</b> <span>rolled back</span>",
        "golden_test",
        "<li class=\"under-way\"><b>clinic-4</b> <span>shadow</span>",
        "<li class=\"unseen\"><b>clinic-5</b> <span>not heard of yet</span>",
    ] {
        assert!(en.contains(told), "{told} is missing in {en}");
    }
    let zh = page(Language::Zh, &shown);
    for told in [
        "12 项范围中 11 项符合",
        "曲线下面积 · validation · pneumonia: 0.8812 (要求 ≥ 0.95)",
        "先行",
        "第 1 圈",
        "已退回",
        "尚未联系",
        "还没有训练任务",
    ] {
        assert!(zh.contains(told), "{told} is missing in {zh}");
    }
}

#[test]
fn what_others_wrote_stays_text() {
    let mut run = run();
    run.reason = "<script>alert(1)</script>".to_owned();
    run.round[2].refused[0].reason = "<img src=x>".to_owned();
    let runs = [run];
    let shown = Shown {
        runs: &runs,
        versions: &[],
        rollouts: &[],
        boxes: &[],
    };
    let page = page(Language::En, &shown);
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x"));
    assert!(!page.contains("style=") && !page.contains("onclick"));
}
