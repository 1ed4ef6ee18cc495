//! The page of one case and its pictures.

use barefoot_domain::{FindingRegion, Score, Side};

use super::{Clinic, assess};

#[tokio::test]
async fn one_case_shows_every_field_and_both_pictures() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |_| {});
    let zh = clinic.get(&format!("/case/{key}?lang=zh")).await;
    assert_eq!(zh.status, 200);
    for text in [
        "王小东",
        "P-0042",
        "肺炎：未见",
        "AI 辅助，结果由临床医生判定",
        "演示模型，不得用于临床",
        "<code>1.2.3</code>",
        "<code>2.25.77</code>",
        "tract, int8",
        "显示模型关注区域（热力图）",
        &format!("/case/{key}/preview.jpg?version=1"),
        &format!("/case/{key}/heat_map.jpg?version=1"),
        "type=\"checkbox\"",
    ] {
        assert!(zh.body.contains(text), "{text}");
    }
    let en = clinic.get(&format!("/case/{key}/fragment?lang=en")).await;
    assert!(
        en.body.contains("Pneumonia: not seen") && !en.body.contains("<html"),
        "{}",
        en.body
    );
    clinic.close().await;
}

#[tokio::test]
async fn where_a_finding_was_seen_is_said_by_the_patients_side() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| {
        assess(case, |it| {
            it.regions = vec![FindingRegion {
                finding: it.findings[0].code.clone(),
                left: 0.1,
                top: 0.4,
                width: 0.2,
                height: 0.3,
                side: Some(Side::Right),
                extent: 0.125,
            }];
        });
    });
    let zh = clinic.get(&format!("/case/{key}?lang=zh")).await.body;
    assert!(zh.contains("肺炎：见于患者右侧，约占观察范围的 12%"), "{zh}");
    clinic.close().await;
}

#[tokio::test]
async fn an_earlier_study_of_the_patient_stands_beside() {
    let clinic = Clinic::open().await;
    let earlier = clinic.put("1.2.2", |case| {
        case.patient.study_date = "20251224".into();
        assess(case, |it| it.findings[0].score = Score::new(0.75).unwrap());
    });
    let stranger = clinic.put("1.2.4", |case| {
        case.patient.study_date = "20251225".into();
        case.patient.id = "P-0043".into();
    });
    let key = clinic.put("1.2.3", |case| {
        case.patient.study_date = "20260301".into();
        assess(case, |it| it.findings[0].score = Score::new(0.25).unwrap());
    });
    let zh = clinic.get(&format!("/case/{key}?lang=zh")).await.body;
    for text in [
        "该患者的既往检查",
        "2025-12-24",
        "肺炎：当时 75%，现在 25%",
        "▼ 下降 50 个百分点",
        &format!("/case/{earlier}"),
    ] {
        assert!(zh.contains(text), "{text} in {zh}");
    }
    assert!(!zh.contains(&stranger.to_string()), "another patient's study");
    let first = clinic.get(&format!("/case/{earlier}?lang=en")).await.body;
    assert!(!first.contains("Earlier studies"), "nothing came before it");
    clinic.close().await;
}

#[tokio::test]
async fn a_picture_shown_by_a_presentation_state_says_so_and_can_be_seen_without() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| case.has_presented = true);
    let html = clinic.get(&format!("/case/{key}?lang=en")).await.body;
    for part in [
        "presented.jpg",
        "preview.jpg",
        "id=\"as-stored\"",
        "Shown as the presentation state",
        "Models see the image without it.",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    let list = clinic.get("/?lang=en").await.body;
    assert!(list.contains("presented.jpg"), "{list}");
    let plain = clinic.put("1.2.4", |_| {});
    let html = clinic.get(&format!("/case/{plain}?lang=en")).await.body;
    assert!(!html.contains("presented.jpg") && !html.contains("as-stored"));
    assert_eq!(
        clinic.get(&format!("/case/{plain}/presented.jpg")).await.status,
        404
    );
    clinic.close().await;
}

#[tokio::test]
async fn without_a_heat_map_there_is_no_switch_for_it() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| {
        case.has_heat_map = false;
        assess(case, |it| it.findings.clear());
    });
    let html = clinic.get(&format!("/case/{key}")).await.body;
    assert!(html.contains("preview.jpg") && !html.contains("heat_map.jpg") && !html.contains("checkbox"));
    clinic.close().await;
}

#[tokio::test]
async fn an_unknown_case_is_a_friendly_page() {
    let clinic = Clinic::open().await;
    for path in [
        "/case/0123456789abcdef0123456789abcdef",
        "/case/%2e%2e%2fetc",
        "/case/x",
        "/nowhere",
    ] {
        let answer = clinic.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("本机上没有该检查"), "{}", answer.body);
    }
    assert_eq!(clinic.get("/case/x/fragment").await.status, 404);
    clinic.close().await;
}

#[tokio::test]
async fn a_picture_is_served_by_key_and_version_and_revalidated() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| case.version = 2);
    for (version, content) in [(1, "old"), (2, "new")] {
        let folder = clinic.sources.state.pictures(&key, version);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("preview.jpg"), content).unwrap();
    }
    let path = format!("/case/{key}/preview.jpg");
    let answer = clinic.get(&path).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "new"));
    assert!(answer.head.contains("content-type: image/jpeg"));
    assert!(answer.head.contains("cache-control: private, no-cache"));
    let tag = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap()
        .to_owned();
    let again = clinic
        .ask(&format!("GET {path}"), &[&format!("If-None-Match: {tag}")], "")
        .await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));

    let missing = clinic.get(&format!("/case/{key}/heat_map.jpg")).await;
    assert_eq!(missing.status, 404, "promised by the index, gone from the disk");
    clinic.close().await;
}

#[tokio::test]
async fn a_picture_address_reaches_nothing_but_pictures_of_known_cases() {
    let clinic = Clinic::open().await;
    let key = clinic.put("1.2.3", |case| case.has_preview = false);
    let folder = clinic.sources.state.pictures(&key, 1);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("preview.jpg"), "secret").unwrap();
    std::fs::write(clinic.directory.path().join("preview.jpg"), "secret").unwrap();
    for path in [
        format!("/case/{key}/preview.jpg"),
        "/case/../preview.jpg".to_owned(),
        "/case/%2e%2e/preview.jpg".to_owned(),
        "/case/..%2f..%2f/preview.jpg".to_owned(),
        format!("/case/{}/preview.jpg", key.as_str().to_uppercase()),
        "/case/ffffffffffffffffffffffffffffffff/heat_map.jpg".to_owned(),
        format!("/case/{key}/case.log"),
    ] {
        let answer = clinic.get(&path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains("secret"), "{path}");
    }
    clinic.close().await;
}
