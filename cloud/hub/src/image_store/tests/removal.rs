//! What goes by itself, and what must not.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use super::commits::{case, image, of, store};
use super::*;

const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// Makes every file below `folder` so old.
fn age(folder: &Path, by: Duration) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path, by);
        } else {
            let file = File::options().append(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - by).unwrap();
        }
    }
}

fn is_here(store: &ImageStore, content: &[u8]) -> bool {
    let length = content.len() as u64;
    store.0.objects.is_whole(&clinic("c1"), id_of(content), length)
}

#[tokio::test]
async fn what_nobody_names_goes_and_what_is_named_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let (needed, named) = image("1.2.3.4");
    put(&store.0.objects, &needed, 0, needed.len()).await;
    put(&store.0.objects, b"unneeded", 0, 8).await;
    put(&store.0.objects, b"unfinished", 0, 3).await;
    let _ = store.commit(&clinic("c1"), &case(), 1, of(vec![named])).await;
    store.sweep(Duration::from_secs(3600)).await;
    assert!(is_here(&store, b"unneeded"), "too young");
    store.sweep(Duration::ZERO).await;
    assert!(is_here(&store, &needed));
    assert!(!is_here(&store, b"unneeded"));
    let held = store.0.objects.held(&clinic("c1"), id_of(b"unfinished")).unwrap();
    assert_eq!(held.offset, 0);
}

/// The parts of a large study come over weeks.
#[tokio::test]
async fn while_a_clinic_sends_its_first_parts_wait_for_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images");
    let store = store(dir.path()).await;
    put(&store.0.objects, b"first part", 0, 10).await;
    age(&images, KEEP + Duration::from_secs(1));
    put(&store.0.objects, b"next part", 0, 9).await;
    store.sweep(KEEP).await;
    assert!(is_here(&store, b"first part"));
    // Not for ever: nothing may grow without an end.
    age(&images, KEEP * 5);
    store.sweep(KEEP).await;
    assert!(!is_here(&store, b"first part"));
}

#[tokio::test]
async fn what_a_silent_clinic_never_committed_goes_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = store(dir.path()).await;
    put(&first.0.objects, b"first part", 0, 10).await;
    drop(first);
    age(&dir.path().join("images"), KEEP + Duration::from_secs(1));
    let store = store(dir.path()).await;
    store.sweep(KEEP).await;
    assert!(!is_here(&store, b"first part"));
}

#[tokio::test]
async fn what_a_commit_under_way_names_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let (file, named) = image("1.2.3.4");
    put(&store.0.objects, &file, 0, file.len()).await;
    let permits = u32::try_from(CHECKS_AT_ONCE).unwrap();
    let checks = store.0.checks.acquire_many(permits).await.unwrap();
    let (asking, set) = (store.clone(), of(vec![named]));
    let call = tokio::spawn(async move { asking.commit(&clinic("c1"), &case(), 1, set).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    store.sweep(Duration::ZERO).await;
    drop(checks);
    let outcome = call.await.unwrap();
    let result = outcome.as_ref().as_ref().unwrap().clone().unwrap();
    assert_eq!(result.referenced.len(), 1);
    store.sweep(Duration::ZERO).await;
    assert!(is_here(&store, &file), "what was acknowledged is here");
}

#[tokio::test]
async fn a_commit_does_not_find_what_is_about_to_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    put(&store.0.objects, b"old", 0, 3).await;
    let id = id_of(b"old");
    let going = store.0.objects.going(&clinic("c1"), id).unwrap();
    let named = store.0.objects.name(&clinic("c1"), vec![id]);
    assert!(!is_here(&store, b"old"));
    drop(going);
    assert!(is_here(&store, b"old"), "it was needed after all");
    assert!(store.0.objects.going(&clinic("c1"), id).is_none());
    drop(named);
    assert!(store.remove_unneeded(&clinic("c1"), id).await.unwrap());
    assert!(!is_here(&store, b"old"));
}
