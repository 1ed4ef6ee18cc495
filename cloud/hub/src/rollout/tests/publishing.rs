use barefoot_trust::release::{DirectorySource, TrustedState, verify_repository};
use futures_util::StreamExt;

use super::*;

async fn read(house: &House, path: &str, offset: u64) -> Result<(Vec<u8>, u64), Error> {
    let mut parts = house.rollouts.releases().read(path.to_owned(), offset).await?;
    let (mut bytes, mut total) = (Vec::new(), None);
    while let Some(part) = parts.next().await {
        let part = part.unwrap();
        total.get_or_insert(part.total);
        bytes.extend_from_slice(&part.content);
    }
    Ok((bytes, total.unwrap()))
}

fn unproven(error: Error) -> String {
    match error {
        Error::Unproven { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_passed_is_published_served_and_called_released() {
    let mut house = House::new().await;
    assert!(matches!(
        read(&house, "metadata/timestamp.json", 0).await,
        Err(Error::Unknown { .. })
    ));
    house.maintainers.release("0.1.0", 0.1, |manifest| manifest);
    house.maintainers.release("0.2.0", 0.2, |manifest| manifest);
    house.publish_all().await.unwrap();
    assert_eq!(house.state("0.2.0").await, ModelState::Released);
    assert_eq!(house.state("0.1.0").await, ModelState::Base);
    house.rollouts.releases().is_offered(MODEL, "0.2.0").unwrap();
    for (path, bytes) in house.maintainers.files() {
        let length = bytes.len() as u64;
        assert_eq!(
            read(&house, &path, 0).await.unwrap(),
            (bytes.clone(), length),
            "{path}"
        );
        let (rest, total) = read(&house, &path, length - 3).await.unwrap();
        assert_eq!((rest.as_slice(), total), (&bytes[bytes.len() - 3..], length));
        assert_eq!(read(&house, &path, length).await.unwrap(), (vec![], length));
        assert!(matches!(
            read(&house, &path, length + 1).await,
            Err(Error::Invalid { .. })
        ));
    }
    // The same again, also after a restart, changes nothing.
    house.publish_all().await.unwrap();
    house.restart().await;
    house.rollouts.releases().is_offered(MODEL, "0.2.0").unwrap();
    house.publish_all().await.unwrap();
    assert!(read(&house, "metadata/timestamp.json", 0).await.is_ok());
}

#[tokio::test]
async fn nothing_beside_the_repository_is_served() {
    let house = House::new().await;
    house.maintainers.release("0.1.0", 0.1, |manifest| manifest);
    house.publish_all().await.unwrap();
    for path in [
        "",
        "metadata/../../trusted/root.json",
        "targets/../../../barefoot.db",
        "../barefoot.db",
        "/etc/passwd",
        "metadata",
        "targets/cxr",
        "targets/cxr/0.1.0",
        "staging/x",
    ] {
        let refused = read(&house, path, 0).await;
        assert!(matches!(refused, Err(Error::Unknown { .. })), "{path}");
    }
}

#[tokio::test]
async fn a_signature_over_what_was_not_proven_is_worth_nothing() {
    let keep = |manifest: String| manifest;
    type Change = Box<dyn Fn(String) -> String>;
    let change = |from: &'static str, to: &'static str| -> Change {
        Box::new(move |manifest: String| {
            assert!(manifest.contains(from));
            manifest.replacen(from, to, 1)
        })
    };
    let cases: Vec<(&str, f32, Change, &str)> = vec![
        ("0.9.0", 0.2, Box::new(keep), "the registry does not know it"),
        ("0.3.0", 0.2, Box::new(keep), "did not pass its gate"),
        ("0.2.0", 0.21, Box::new(keep), "other values"),
        (
            "0.2.0",
            0.2,
            change("operating_point = 0.68", "operating_point = 0.5"),
            "operating points",
        ),
        (
            "0.2.0",
            0.2,
            change("temperature = 0.5400", "temperature = 1.0"),
            "temperatures",
        ),
        (
            "0.2.0",
            0.2,
            change("sha256 = \"", "sha256 = \"00"),
            "another backbone",
        ),
        (
            "0.2.0",
            0.2,
            change("version = \"0.2.0\"", "version = \"0.2.1\""),
            "another model or version",
        ),
        (
            "0.2.0",
            0.2,
            change("head.safetensors", "other.safetensors"),
            "is missing",
        ),
        ("0.2.0", 0.2, change("[head]", "[heads]"), "cannot be read"),
    ];
    for (version, value, change, expected) in cases {
        let house = House::new().await;
        house.maintainers.release("0.1.0", 0.1, keep);
        house.publish_all().await.unwrap();
        house.maintainers.release(version, value, change);
        let reason = unproven(house.publish_all().await.unwrap_err());
        assert!(reason.contains(expected), "{reason}");
        // What was offered before still is.
        house.rollouts.releases().is_offered(MODEL, "0.1.0").unwrap();
        assert!(house.rollouts.releases().is_offered(MODEL, version).is_err());
        let staging = house.dir.path().join("releases/staging");
        assert_eq!(fs::read_dir(staging).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn an_upload_that_was_refused_is_forgotten() {
    let mut house = House::new().await;
    house.maintainers.release("0.1.0", 0.1, |manifest| manifest);
    let served = house.maintainers.files();
    house.publish_all().await.unwrap();
    // Unproven, not whole, cut off before it was swapped: each is signed, and newer than what is served.
    house.maintainers.release("0.3.0", 0.2, |manifest| manifest);
    unproven(house.publish_all().await.unwrap_err());
    let whole = house.maintainers.files();
    let without_heads = whole
        .iter()
        .filter(|(path, _)| !path.contains("0.3.0/") || !path.ends_with("head.safetensors"));
    house.publish(without_heads.cloned().collect()).await.unwrap_err();
    house.restart().await;
    house.rollouts.releases().is_offered(MODEL, "0.1.0").unwrap();
    house.publish(served.clone()).await.unwrap();
    // What is published is remembered all the same.
    house
        .maintainers
        .editor()
        .withdraw(MODEL, "0.3.0", now())
        .unwrap();
    house.maintainers.sign();
    house.publish_all().await.unwrap();
    for _ in 0..2 {
        match house.publish(served.clone()).await.unwrap_err() {
            Error::Release { source } => assert_eq!(source.code(), "rollback"),
            other => panic!("{other}"),
        }
        house.restart().await;
    }
}

#[tokio::test]
async fn what_was_published_is_served_though_something_newer_was_seen() {
    let mut house = House::new().await;
    house.maintainers.release("0.1.0", 0.1, |manifest| manifest);
    house.maintainers.release("0.2.0", 0.2, |manifest| manifest);
    house.publish_all().await.unwrap();
    house.registry.withdrawn(MODEL, "0.2.0").await.unwrap();
    house.maintainers.release("0.3.0", 0.2, |manifest| manifest);
    // As hubs did that remembered refused uploads.
    let given = fs::read(house.maintainers.folder.join("root.json")).unwrap();
    let mut trusted = TrustedState::open(&house.dir.path().join("releases/trusted"), &given).unwrap();
    let seen = DirectorySource::new(&house.maintainers.repository());
    verify_repository(&mut trusted, &seen, now()).unwrap();
    house.restart().await;
    house.rollouts.releases().is_offered(MODEL, "0.1.0").unwrap();
    assert!(house.rollouts.releases().is_offered(MODEL, "0.3.0").is_err());
    // A version that went back meanwhile is still listed, and stops no other change.
    house
        .maintainers
        .editor()
        .withdraw(MODEL, "0.3.0", now())
        .unwrap();
    house.maintainers.sign();
    house.publish_all().await.unwrap();
    assert_eq!(house.state("0.2.0").await, ModelState::Withdrawn);
}

#[tokio::test]
async fn an_upload_may_leave_out_what_is_here_and_nothing_else() {
    let house = House::new().await;
    house.maintainers.release("0.1.0", 0.1, |manifest| manifest);
    let before = house.maintainers.files();
    house.publish_all().await.unwrap();
    house.maintainers.release("0.2.0", 0.2, |manifest| manifest);
    let only_new: Vec<_> = house
        .maintainers
        .files()
        .into_iter()
        .filter(|(path, _)| !before.iter().any(|(known, _)| known == path))
        .chain([("metadata/timestamp.json".to_owned(), vec![])])
        .map(|(path, _)| {
            let bytes = fs::read(house.maintainers.repository().join(&path)).unwrap();
            (path, bytes)
        })
        .collect();
    assert!(only_new.len() < house.maintainers.files().len());
    let without_head = only_new
        .iter()
        .filter(|(path, _)| !path.ends_with("head.safetensors"))
        .cloned()
        .collect();
    let error = house.publish(without_head).await.unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
    house.publish(only_new).await.unwrap();
    for (path, bytes) in house.maintainers.files() {
        assert_eq!(read(&house, &path, 0).await.unwrap().0, bytes, "{path}");
    }
}

#[tokio::test]
async fn hostile_uploads_are_refused_and_leave_nothing() {
    let house = House::new().await;
    house.maintainers.release("0.1.0", 0.1, |manifest| manifest);
    let old = house.maintainers.files();
    house.maintainers.release("0.2.0", 0.2, |manifest| manifest);
    let good = house.maintainers.files();
    let with = |path: &str, bytes: &[u8]| {
        let mut files = good.clone();
        files.push((path.to_owned(), bytes.to_vec()));
        files
    };
    let altered = good
        .iter()
        .map(|(path, bytes)| match path.ends_with("head.safetensors") {
            true => (path.clone(), bytes.iter().map(|byte| byte ^ 1).collect()),
            false => (path.clone(), bytes.clone()),
        })
        .collect();
    for (files, expected) in [
        (with("../evil", b"x"), "no path of a repository"),
        (with("targets/../../evil", b"x"), "no path of a repository"),
        (with("targets/cxr/0.2.0/evil", b"x"), "No signed release lists"),
        (with("metadata/1.root.json", b"x"), "comes twice"),
        (altered, "not believed"),
        (vec![], "not believed"),
    ] {
        let error = house.publish(files).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(!house.dir.path().join("evil").exists());
    house.publish(good).await.unwrap();
    // An older state of the same repository, signed as well as ever.
    match house.publish(old).await.unwrap_err() {
        Error::Release { source } => assert_eq!(source.code(), "rollback"),
        other => panic!("{other}"),
    }
    house.rollouts.releases().is_offered(MODEL, "0.2.0").unwrap();
}

#[tokio::test]
async fn without_a_root_nothing_is_published_and_boxes_find_nothing() {
    let house = House::new().await;
    let releases = Releases::open(None, house.dir.path().join("none"), house.registry.clone())
        .await
        .unwrap();
    let published = releases
        .publish(stream::iter(parts(house.maintainers.files())), &ada())
        .await;
    assert!(matches!(published, Err(Error::NoRoot)));
    let found = releases.read("metadata/timestamp.json".into(), 0).await;
    assert!(matches!(found, Err(Error::Unknown { .. })));
}
