use super::fixture::uid;
use super::*;

fn body(objects: &[&[u8]]) -> Body {
    let mut body = Vec::new();
    for object in objects {
        body.extend(b"\r\n--here\r\nContent-Type: application/dicom\r\n\r\n");
        body.extend(*object);
    }
    body.extend(b"\r\n--here--");
    Body::from(body)
}

async fn store(house: &House, path: &str, objects: &[&[u8]]) -> Answer {
    let kind = "multipart/related; type=\"application/dicom\"; boundary=here";
    let headers = [("content-type", kind), ("authorization", "Bearer store")];
    let answer = house
        .ask(request(Method::POST, path, &headers, body(objects)))
        .await;
    house.indexer.catch_up().await.unwrap();
    answer
}

fn image(study: u32, instance: u32) -> Image {
    Image {
        study,
        instance,
        series: study,
        ..Image::default()
    }
}

fn reasons(answer: &Answer) -> Vec<u64> {
    let mut all = Vec::new();
    for tag in ["00081198", "0008119A"] {
        if let Some(items) = answer.json()[tag]["Value"].as_array() {
            all.extend(items.iter().map(|item| value(item, "00081197").as_u64().unwrap()));
        }
    }
    all
}

#[tokio::test]
async fn a_prior_is_stored_shown_and_stored_again_without_a_second_copy() {
    let house = House::new().await;
    let (one, two) = (image(7, 1).make().0, image(7, 2).make().0);
    let answer = store(&house, "/studies", &[&one]).await;
    assert_eq!(
        answer.status,
        StatusCode::OK,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    let stored = answer.json();
    let place = format!("http://hub.example/dicom-web{}", image(7, 1).path());
    assert_eq!(value(value(&stored, "00081199"), "00081190"), place.as_str());
    assert_eq!(
        house.get(&image(7, 1).path(), "application/dicom").await.body,
        one
    );
    // More of the study, and the same again.
    let path = format!("/studies/{}", uid(1, 7));
    let answer = store(&house, &path, &[&one, &two]).await;
    assert_eq!((answer.status, reasons(&answer)), (StatusCode::OK, vec![]));
    assert_eq!(house.search("/instances").await.len(), 2);
    // Alone, without parts.
    let headers = [("content-type", "application/dicom")];
    let alone = image(8, 3).make().0;
    let answer = house
        .ask(request(Method::POST, "/studies", &headers, Body::from(alone)))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let lines = house.log.lines.lock().unwrap().clone();
    let expected = format!("store Store brought-by-others {}", uid(1, 7));
    assert!(lines.contains(&expected), "{lines:?}");
    // Nothing is left behind of what came.
    let clinic = ImageStore::brought().unwrap();
    let kept = house.store.kept(&clinic, image(7, 1).make().1.object.id);
    let incoming = kept.path().ancestors().nth(3).unwrap().join("incoming");
    assert_eq!(std::fs::read_dir(incoming).unwrap().count(), 0);
}

#[tokio::test]
async fn what_may_not_be_stored_is_named_with_its_reason_and_gone() {
    let house = House::new().await;
    house.commit("c1", 1, &[image(1, 1)]).await;
    let good = image(7, 11).make().0;
    let named = image(7, 2).identified();
    let answer = store(&house, "/studies", &[&good, &named, b"no image"]).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(reasons(&answer), [0xC000, 0xC000]);
    assert_eq!(value(value(&answer.json(), "00081198"), "00081155"), "1.3.2");
    assert!(!String::from_utf8_lossy(&answer.body).contains("Zhang"));
    // Another picture under a UID that is here: stored by others, and by a clinic.
    let shaded = Image {
        shade: 9,
        ..image(7, 11)
    };
    let answer = store(&house, "/studies", &[&shaded.make().0]).await;
    assert_eq!(
        (answer.status, reasons(&answer)),
        (StatusCode::CONFLICT, vec![0x0111])
    );
    let moved = Image {
        study: 9,
        ..image(1, 1)
    };
    let answer = store(&house, "/studies", &[&moved.make().0]).await;
    assert_eq!(reasons(&answer), [0x0111]);
    // Into a clinic's case, and into another study than the address names.
    let answer = store(&house, "/studies", &[&image(1, 5).make().0]).await;
    assert_eq!(reasons(&answer), [0x0124]);
    let answer = store(&house, "/studies/2.25.1", &[&image(7, 6).make().0]).await;
    assert_eq!(reasons(&answer), [0xA900]);
    let answer = store(
        &house,
        "/studies",
        &[&vec![0; 9 * 1024 * 1024], &image(7, 3).make().0],
    )
    .await;
    assert_eq!(
        (answer.status, reasons(&answer)),
        (StatusCode::ACCEPTED, vec![0xA700])
    );
    assert_eq!(house.search("/instances").await.len(), 3);
    assert_eq!(
        house.get(&image(7, 11).path(), "application/dicom").await.body,
        good
    );
}

#[tokio::test]
async fn a_clinics_own_case_comes_before_what_others_brought() {
    let house = House::new().await;
    let foreign = image(3, 9);
    assert_eq!(
        store(&house, "/studies", &[&foreign.make().0]).await.status,
        StatusCode::OK
    );
    house.commit("c1", 1, &[image(3, 1)]).await;
    assert_eq!(house.get(&image(3, 1).path(), "*/*").await.status, StatusCode::OK);
    assert_eq!(
        house.get(&foreign.path(), "*/*").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let house = House::new().await;
    let status = async |headers: &[(&str, &str)], body: &'static str| {
        house
            .ask(request(Method::POST, "/studies", headers, Body::from(body)))
            .await
            .status
    };
    let multipart = (
        "content-type",
        "multipart/related; type=\"application/dicom\"; boundary=here",
    );
    assert_eq!(
        status(&[("content-type", "text/plain")], "x").await,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(status(&[], "x").await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(status(&[multipart], "--here--").await, StatusCode::BAD_REQUEST);
    assert_eq!(
        status(&[multipart], "--here\r\n\r\ncut").await,
        StatusCode::BAD_REQUEST
    );
    let xml = ("accept", "application/dicom+xml");
    assert_eq!(
        status(&[multipart, xml], "--here--").await,
        StatusCode::NOT_ACCEPTABLE
    );
}
