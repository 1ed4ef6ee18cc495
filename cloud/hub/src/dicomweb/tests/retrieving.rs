use super::*;
use barefoot_imaging::deidentify;

const J2K: &str = "1.2.840.10008.1.2.4.90";
const OHIF: &str = "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*";

fn image(instance: u32) -> Image {
    Image {
        instance,
        ..Image::default()
    }
}

async fn house(images: &[Image]) -> House {
    let house = House::new().await;
    house.commit("c1", 1, images).await;
    house
}

#[tokio::test]
async fn objects_come_as_they_are_stored_alone_or_together() {
    let house = house(&[image(1), image(2)]).await;
    let (file, named) = image(1).make();
    let study = format!("/studies/{}", image(1).study_uid());
    let answer = house
        .get(&study, "multipart/related; type=\"application/dicom\"")
        .await;
    let all = parts(&answer).await;
    assert_eq!(all.len(), 2);
    assert_eq!(
        all[0],
        (format!("application/dicom; transfer-syntax={J2K}"), file.clone())
    );

    let one = house.get(&image(1).path(), "application/dicom").await;
    assert_eq!((one.status, &one.body), (StatusCode::OK, &file));
    assert_eq!(
        one.header("content-type"),
        format!("application/dicom; transfer-syntax={J2K}")
    );
    let tag = format!("\"{}\"", named.object.id);
    assert_eq!(one.header("etag"), tag);
    let by_name = format!("/instances/{}", image(1).instance_uid());
    let headers = [("range", "bytes=128-131"), ("if-range", tag.as_str())];
    let part = house
        .ask(request(Method::GET, &by_name, &headers, Body::empty()))
        .await;
    assert_eq!(
        (part.status, part.body.as_slice()),
        (StatusCode::PARTIAL_CONTENT, b"DICM".as_slice())
    );
    assert_eq!(
        part.header("content-range"),
        format!("bytes 128-131/{}", file.len())
    );
    let beyond = [("range", "bytes=9999999-")];
    let beyond = house
        .ask(request(Method::GET, &by_name, &beyond, Body::empty()))
        .await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    let other = [("range", "bytes=0-3"), ("if-range", "\"another\"")];
    let whole = house
        .ask(request(Method::GET, &by_name, &other, Body::empty()))
        .await;
    assert_eq!(whole.body, file);
    let known = [("if-none-match", tag.as_str())];
    let known = house
        .ask(request(Method::GET, &by_name, &known, Body::empty()))
        .await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    assert_eq!(
        house.get("/studies/1.2.3", "*/*").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn objects_are_decoded_where_that_is_asked_for_and_possible() {
    let house = house(&[image(1)]).await;
    let explicit = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1";
    let answer = house.get(&image(1).path(), explicit).await;
    assert_eq!(answer.header("content-type"), explicit);
    // Still an object without identity, with the same picture.
    let checked = deidentify::check(&answer.body).unwrap();
    assert_eq!(checked.transfer_syntax, "1.2.840.10008.1.2.1");
    assert!(answer.body.ends_with(&image(1).pixels(0)));
    let several = "multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.840.10008.1.2.1";
    let all = parts(&house.get(&image(1).path(), several).await).await;
    assert_eq!(all[0].1, answer.body);
    let lossy = "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50";
    assert_eq!(
        house.get(&image(1).path(), lossy).await.status,
        StatusCode::NOT_ACCEPTABLE
    );
}

#[tokio::test]
async fn attributes_come_as_json_with_large_values_by_address() {
    let house = house(&[image(1), image(2)]).await;
    let study = format!("/studies/{}/metadata", image(1).study_uid());
    let answer = house.get(&study, "application/dicom+json").await;
    let all = answer.json();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let first = &all[0];
    assert_eq!(value(first, "00080018"), image(1).instance_uid().as_str());
    assert_eq!(value(first, "00280010"), 64);
    assert_eq!(value(first, "00083002"), J2K);
    assert!(first.get("00020010").is_none());
    let uri = first["7FE00010"]["BulkDataURI"].as_str().unwrap();
    let path = uri.strip_prefix("http://hub.example/dicom-web").unwrap();
    let pixels = parts(&house.get(path, OHIF).await).await;
    assert_eq!(pixels[0].0, format!("image/jp2; transfer-syntax={J2K}"));
    let one = house
        .get(&format!("{}/metadata", image(2).path()), "*/*")
        .await
        .json();
    assert_eq!(value(&one[0], "00080018"), image(2).instance_uid().as_str());
    let code = format!("{}/bulkdata/00280010", image(1).path());
    assert_eq!(house.get(&code, "application/octet-stream").await.body, [64, 0]);
    for wrong in ["bulkdata/00281201", "bulkdata/00120064/9/00080100"] {
        let path = format!("{}/{wrong}", image(1).path());
        assert_eq!(
            house.get(&path, "*/*").await.status,
            StatusCode::NOT_FOUND,
            "{wrong}"
        );
    }
    let path = format!("{}/bulkdata/xyz", image(1).path());
    assert_eq!(house.get(&path, "*/*").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn frames_come_decoded_or_as_they_are_stored() {
    let several = Image {
        frames: 3,
        ..image(1)
    };
    let house = house(&[several]).await;
    let frames = format!("{}/frames", several.path());
    let octets = "multipart/related; type=\"application/octet-stream\"";
    let decoded = parts(&house.get(&format!("{frames}/1,3"), octets).await).await;
    let kind = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1";
    assert_eq!(decoded[0], (kind.to_owned(), several.pixels(0)));
    assert_eq!(decoded[1].1, several.pixels(2));
    let stored = parts(&house.get(&format!("{frames}/2"), OHIF).await).await;
    assert_eq!(stored[0].0, format!("image/jp2; transfer-syntax={J2K}"));
    assert!(stored[0].1.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]));
    let alone = house
        .get(&format!("{frames}/2"), "application/octet-stream")
        .await;
    assert_eq!(alone.body, several.pixels(1));
    for (list, expected) in [
        ("4", StatusCode::NOT_FOUND),
        ("0", StatusCode::BAD_REQUEST),
        ("x", StatusCode::BAD_REQUEST),
        ("1,,2", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(
            house.get(&format!("{frames}/{list}"), octets).await.status,
            expected,
            "{list}"
        );
    }
    let jpeg = "multipart/related; type=image/jpeg";
    assert_eq!(
        house.get(&format!("{frames}/1"), jpeg).await.status,
        StatusCode::NOT_ACCEPTABLE
    );
}

#[tokio::test]
async fn pictures_are_drawn_as_asked() {
    let colour = Image {
        colour: true,
        ..image(2)
    };
    let house = house(&[image(1), colour]).await;
    let drawn = async |image: &Image, more: &str, accept: &str| {
        let answer = house.get(&format!("{}/{more}", image.path()), accept).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{more}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        image::load_from_memory(&answer.body).unwrap()
    };
    let plain = drawn(&image(1), "rendered", "image/png").await;
    assert_eq!((plain.width(), plain.height()), (64, 64));
    assert_eq!(plain.to_luma8().into_raw(), image(1).pixels(0));
    let bright = drawn(&image(1), "rendered?window=0.5,1,linear", "image/png").await;
    assert_eq!(bright.to_luma8().get_pixel(0, 63).0, [255]);
    let small = drawn(
        &image(1),
        "frames/1/rendered?viewport=32,16&quality=50",
        "image/jpeg",
    )
    .await;
    assert_eq!((small.width(), small.height()), (16, 16));
    let shown = drawn(&colour, "rendered", "image/png").await;
    assert_eq!(shown.color().channel_count(), 3);
    assert_eq!(shown.to_rgb8().into_raw(), colour.pixels(0));
    let thumbnail = drawn(&colour, "thumbnail", "*/*").await;
    assert_eq!((thumbnail.width(), thumbnail.height()), (256, 256));
    for path in [
        format!("/studies/{}/thumbnail", image(1).study_uid()),
        format!(
            "/studies/{}/series/{}/thumbnail",
            image(1).study_uid(),
            image(1).series_uid()
        ),
    ] {
        assert_eq!(house.get(&path, "image/jpeg").await.status, StatusCode::OK);
    }
    for (more, expected) in [
        ("rendered?window=1", StatusCode::BAD_REQUEST),
        ("rendered?viewport=10,10,60,60,10,10", StatusCode::BAD_REQUEST),
        ("frames/2/rendered", StatusCode::NOT_FOUND),
    ] {
        let answer = house.get(&format!("{}/{more}", image(1).path()), "*/*").await;
        assert_eq!(answer.status, expected, "{more}");
    }
    let gif = house
        .get(&format!("{}/rendered", image(1).path()), "image/gif")
        .await;
    assert_eq!(gif.status, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn what_can_be_done_is_told() {
    let house = House::new().await;
    for (method, path) in [(Method::OPTIONS, ""), (Method::GET, "/capabilities")] {
        let answer = house.ask(request(method, path, &[], Body::empty())).await;
        assert!(answer.json()["services"]["UPS-RS"].is_object());
    }
}
