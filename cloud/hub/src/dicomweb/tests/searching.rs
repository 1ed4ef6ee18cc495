use super::fixture::{pseudonym, uid};
use super::*;

fn image(study: u32, series: u32, instance: u32) -> Image {
    Image {
        study,
        series,
        instance,
        patient: study,
        ..Image::default()
    }
}

/// Study 1: two series, one of CT with two images; study 2 a year later.
async fn house() -> House {
    let house = House::new().await;
    let ct = |instance| Image {
        modality: "CT",
        ..image(1, 2, instance)
    };
    house.commit("c1", 1, &[image(1, 1, 1), ct(2), ct(3)]).await;
    let later = Image {
        date: "20270105",
        ..image(2, 3, 4)
    };
    house.commit("c2", 1, &[later]).await;
    house
}

#[tokio::test]
async fn studies_series_and_instances_are_found_by_what_they_are() {
    let house = house().await;
    let studies = house.search("/studies").await;
    // The newest first.
    let uids: Vec<&Value> = studies.iter().map(|study| value(study, "0020000D")).collect();
    assert_eq!(uids, [uid(1, 2).as_str(), uid(1, 1).as_str()]);
    let study = &studies[1];
    assert_eq!(study["00080061"]["Value"], serde_json::json!(["CT", "DX"]));
    assert_eq!(value(study, "00100010")["Alphabetic"], pseudonym(1));
    assert_eq!(
        (value(study, "00201206"), value(study, "00201208")),
        (&2.into(), &3.into())
    );
    let place = format!("http://hub.example/dicom-web/studies/{}", uid(1, 1));
    assert_eq!(value(study, "00081190"), place.as_str());

    let found = async |query: &str| -> usize { house.search(query).await.len() };
    for (query, expected) in [
        (
            format!("/studies?StudyInstanceUID={},{}", uid(1, 1), uid(1, 2)),
            2,
        ),
        (format!("/studies?0020000D={}", uid(1, 1)), 1),
        (format!("/studies?PatientID={}", pseudonym(2)), 1),
        (
            format!("/studies?PatientName={}*", &pseudonym(2).to_lowercase()[..30]),
            2,
        ),
        ("/studies?PatientID=4711".to_owned(), 0),
        ("/studies?StudyDate=20260105".to_owned(), 1),
        ("/studies?StudyDate=20260101-20261231".to_owned(), 1),
        ("/studies?StudyDate=20270101-".to_owned(), 1),
        ("/studies?StudyDate=-20260105".to_owned(), 1),
        ("/studies?StudyTime=10-1030".to_owned(), 2),
        ("/studies?ModalitiesInStudy=CT".to_owned(), 1),
        ("/studies?ModalitiesInStudy=C".to_owned(), 0),
        ("/studies?limit=1".to_owned(), 1),
        ("/studies?offset=2".to_owned(), 0),
        (format!("/studies/{}/series", uid(1, 1)), 2),
        (format!("/studies/{}/series?Modality=CT", uid(1, 1)), 1),
        (format!("/series?SeriesInstanceUID={}", uid(2, 3)), 1),
        (format!("/studies/{}/instances", uid(1, 1)), 3),
        (
            format!("/studies/{}/series/{}/instances", uid(1, 1), uid(2, 2)),
            2,
        ),
        (format!("/instances?SOPInstanceUID={}", uid(3, 3)), 1),
        ("/instances?Modality=DX".to_owned(), 2),
        ("/studies/1.2.3/series".to_owned(), 0),
    ] {
        assert_eq!(found(&query).await, expected, "{query}");
    }
    let instances = house.search(&format!("/studies/{}/instances", uid(1, 1))).await;
    assert_eq!(value(&instances[0], "00280010"), 64);
    assert_eq!(value(&instances[2], "00200013"), 3);
}

/// What an OHIF viewer sends when it lists studies and opens one.
#[tokio::test]
async fn a_viewers_own_queries_are_answered() {
    let house = house().await;
    let list = "/studies?limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060&StudyDate=19521122-20301122";
    let studies = house.search(list).await;
    assert_eq!(studies.len(), 2);
    assert_eq!(value(&studies[0], "00081030"), "CHEST");
    let series = format!(
        "/studies/{}/series?includefield=0008103E&includefield=00080021&includefield=SeriesTime",
        uid(1, 1)
    );
    assert_eq!(house.search(&series).await.len(), 2);
    let fuzzy = house
        .get(
            "/studies?fuzzymatching=true",
            "application/dicom+json, application/json;q=0.5",
        )
        .await;
    assert!(
        fuzzy.header("warning").contains("fuzzymatching"),
        "{}",
        fuzzy.header("warning")
    );
    assert_eq!(fuzzy.header("content-type"), "application/dicom+json");
    let refused = house.get("/studies?PatientBirthDate=x", "*/*").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let refused = house.get("/studies?InstitutionName=x", "*/*").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let refused = house.get("/studies", "application/dicom+xml").await;
    assert_eq!(refused.status, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn the_newest_version_is_what_is_shown_in_whatever_order_they_come() {
    let house = House::new().await;
    house.commit("c1", 2, &[image(1, 1, 1), image(1, 1, 2)]).await;
    house.commit("c1", 1, &[image(1, 1, 1)]).await;
    let count = async || house.search("/instances").await.len();
    assert_eq!(count().await, 2);
    house.commit("c1", 3, &[image(1, 1, 2)]).await;
    assert_eq!(count().await, 1);
    // Removed, the version before it counts; with the last one goes the study.
    for (version, expected) in [(3, 2), (2, 1), (1, 0)] {
        house
            .archive
            .run_sql(&format!("DELETE FROM image_sets WHERE version = {version}"))
            .await;
        house.indexer.catch_up().await.unwrap();
        assert_eq!(count().await, expected, "after {version}");
    }
    assert_eq!(house.search("/studies").await.len(), 0);
}

#[tokio::test]
async fn a_study_of_two_clinics_stays_with_the_first() {
    let house = House::new().await;
    house.commit("c1", 1, &[image(1, 1, 1)]).await;
    let other = Image {
        patient: 9,
        ..image(1, 1, 2)
    };
    house.commit("c2", 1, &[other]).await;
    let studies = house.search("/studies").await;
    assert_eq!(studies.len(), 1);
    assert_eq!(value(&studies[0], "00100020"), pseudonym(1).as_str());
    assert_eq!(
        house.get(&other.path(), "*/*").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn an_index_is_made_for_what_was_there_before_it_and_in_the_background() {
    let house = House::new().await;
    house.commit("c1", 1, &[image(1, 1, 1)]).await;
    // As after an update of the program: images, and nothing indexed yet.
    house
        .archive
        .run_sql(
            "DELETE FROM dicom_studies; INSERT INTO dicom_pending SELECT DISTINCT clinic, case_id, 1 FROM image_sets",
        )
        .await;
    assert_eq!(house.search("/studies").await.len(), 0);
    let indexer = Indexer::new(house.archive.clone(), house.store.clone(), house.changes.clone());
    let running = tokio::spawn(indexer.run(house.shutdown.clone()));
    let until = async |expected: usize| {
        for _ in 0..1000 {
            if house.search("/studies").await.len() == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not within ten seconds");
    };
    until(1).await;
    let made = image(2, 2, 2).make();
    let case = CaseId::new(image(2, 2, 2).study_uid()).unwrap();
    commit_images(&house.store, &ClinicId::new("c1").unwrap(), &case, 1, &[made]).await;
    until(2).await;
    house.shutdown.trigger();
    running.await.unwrap();
}

#[tokio::test]
async fn an_image_that_is_damaged_hides_no_other() {
    let house = House::new().await;
    let (good, bad) = (image(1, 1, 1), image(1, 1, 2));
    house.commit("c1", 1, &[good, bad]).await;
    let (_, named) = bad.make();
    let kept = house.store.kept(&ClinicId::new("c1").unwrap(), named.object.id);
    std::fs::write(kept.path(), b"damaged").unwrap();
    house.archive.run_sql("UPDATE image_sets SET withheld = 0").await;
    house.indexer.catch_up().await.unwrap();
    assert_eq!(house.search("/instances").await.len(), 1);
}
