use serde_json::Value;

use super::*;

impl Reader {
    async fn described(&mut self, hospital: &Hospital) -> Value {
        let answer = self.get(hospital, &at("viewer.json")).await;
        assert_eq!(answer.status, StatusCode::OK);
        serde_json::from_slice(&answer.bytes).unwrap()
    }
}

#[tokio::test]
async fn who_wants_to_look_first_hears_nothing_of_the_model_before() {
    let hospital = Hospital::with_case().await;
    let mut first = hospital.reader("li.wei", "reader", "county").await;
    let mut other = hospital.reader("zhang.min", "reader", "county").await;
    let chosen = first.post(&hospital, "/worklist/hide-ai", &[("on", "yes")]).await;
    assert_eq!(chosen.status, StatusCode::SEE_OTHER);
    assert_eq!(
        first.act(&hospital, "claim", &[]).await.status,
        StatusCode::SEE_OTHER
    );

    // Neither the list, nor the case's page, nor the viewer, nor the picture's own address.
    for at in ["/worklist", "/worklist/list"] {
        let list = first.get(&hospital, at).await;
        assert!(
            list.body.contains("Case 1") && !list.body.contains("low confidence"),
            "{}",
            list.body
        );
    }
    let page = first.page(&hospital).await;
    assert!(page.body.contains("You chose to look first"));
    for told in ["positive", "low confidence", "pick called", "cxr 3"] {
        assert!(!page.body.contains(told), "{told}: {}", page.body);
    }
    let study = first.described(&hospital).await;
    assert_eq!(study["heatMaps"], serde_json::json!([]));
    assert_eq!(study["instances"][0]["instance"], IMAGE.instance_uid());
    let heat = first.get(&hospital, &at("heat/0")).await;
    assert_eq!(heat.status, StatusCode::NOT_FOUND);
    assert_eq!(
        other.get(&hospital, &at("heat/0")).await.status,
        StatusCode::OK,
        "it is each reader's own choice"
    );
    assert!(hospital.logged("reveal_assessment").await.is_empty());

    let shown = first.act(&hospital, "reveal", &[]).await;
    assert_eq!(shown.status, StatusCode::SEE_OTHER);
    let by_first = (first.known.id.clone(), String::new());
    assert_eq!(hospital.logged("reveal_assessment").await, [by_first]);
    let page = first.page(&hospital).await;
    for told in ["positive", "low confidence: Pneumonia", "pick called", "cxr 3"] {
        assert!(page.body.contains(told), "{told}: {}", page.body);
    }
    let study = first.described(&hospital).await;
    assert_eq!(study["heatMaps"][0]["finding"], "pneumonia");
    assert_eq!(study["heatMaps"][0]["instance"], IMAGE.instance_uid());
    let heat = first
        .get(&hospital, study["heatMaps"][0]["url"].as_str().unwrap())
        .await;
    assert_eq!(heat.status, StatusCode::OK);
    assert_eq!(heat.headers["content-type"], "image/png");
    assert!(heat.bytes.starts_with(b"\x89PNG"));
    let chosen: Vec<_> = hospital
        .house
        .archive
        .audit_entries(&AuditFilter::default(), 100)
        .await
        .unwrap()
        .into_iter()
        .filter(|line| line.entry.action == "settings")
        .map(|line| (line.entry.actor, line.entry.details))
        .collect();
    assert_eq!(
        chosen,
        [(first.known.id.clone(), "hides the AI".to_owned())],
        "the choice stands in the log"
    );
}

#[tokio::test]
async fn no_image_is_given_out_before_that_is_in_the_log() {
    let hospital = Hospital::with_case().await;
    let uid = IMAGE.instance_uid();
    let places = [
        format!("instances/{uid}"),
        format!("drawn/{uid}"),
        "quick/0".to_owned(),
        "heat/0".to_owned(),
        "viewer.json".to_owned(),
    ];
    let kinds = [
        "application/dicom",
        "image/jpeg",
        "image/jpeg",
        "image/png",
        "application/json",
    ];
    let mut readers = Vec::new();
    for (number, (place, kind)) in places.iter().zip(kinds).enumerate() {
        let mut reader = hospital
            .reader(&format!("reader.{number}"), "reader", "county")
            .await;
        let answer = reader.get(&hospital, &at(place)).await;
        assert_eq!(answer.status, StatusCode::OK, "{place}");
        assert_eq!(answer.headers["content-type"], kind, "{place}");
        // The next images are of the same look.
        reader.get(&hospital, &at(place)).await;
        readers.push((reader.known.id, String::new()));
    }
    assert_eq!(hospital.logged("view_images").await, readers);

    let mut reader = hospital.reader("li.wei", "reader", "county").await;
    for nothing in ["instances/2.25.9", "drawn/2.25.9", "quick/7", "heat/7", "quick/x"] {
        let answer = reader.get(&hospital, &at(nothing)).await;
        assert!(answer.status.is_client_error(), "{nothing}: {}", answer.status);
    }
    let elsewhere = reader
        .get(
            &hospital,
            &format!("/cases/clinic-8/{}/instances/{uid}", key().case),
        )
        .await;
    assert_eq!(
        elsewhere.status,
        StatusCode::NOT_FOUND,
        "an image is of its own clinic's case"
    );
}

#[tokio::test]
async fn a_drawn_picture_follows_the_window() {
    let hospital = Hospital::with_case().await;
    let mut reader = hospital.reader("li.wei", "reader", "county").await;
    let drawn = at(&format!("drawn/{}", IMAGE.instance_uid()));
    let plain = reader.get(&hospital, &drawn).await;
    let narrow = reader.get(&hospital, &format!("{drawn}?centre=32&width=8")).await;
    assert!(plain.bytes.starts_with(b"\xFF\xD8") && narrow.bytes.starts_with(b"\xFF\xD8"));
    assert!(plain.bytes != narrow.bytes);
    // Fields that were left empty are not said.
    let empty = reader.get(&hospital, &format!("{drawn}?centre=&width=")).await;
    assert_eq!(empty.status, StatusCode::OK, "{}", empty.body);
    assert!(empty.bytes == plain.bytes);
    let none = reader.get(&hospital, &format!("{drawn}?frame=7")).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
}
