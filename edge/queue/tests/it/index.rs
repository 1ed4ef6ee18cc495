//! The index may be gone, old, damaged or another queue's: it never costs a record and never brings one back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use barefoot_queue::{Draft, Lane, Queue};

use crate::{copy, open};

const EACH: usize = 2_500;

/// Enough for several segments; every third is receipted.
fn fill(queue: &Queue, name: &str) {
    let ids: Vec<_> = (0..EACH).map(|number| format!("{name}-{number}")).collect();
    let payload = vec![1; 4_000];
    let drafts: Vec<_> = ids
        .iter()
        .map(|id| Draft {
            lane: Lane::Results,
            id,
            payload: &payload,
            now_ms: 1,
        })
        .collect();
    queue.append_many(&drafts).unwrap();
    let receipted: Vec<_> = ids.iter().step_by(3).map(String::as_str).collect();
    assert_eq!(queue.receipts(&receipted).unwrap(), receipted.len());
}

fn ids(queue: &Queue) -> BTreeSet<String> {
    let records = queue.pending(usize::MAX, |_| false).unwrap();
    records.into_iter().map(|record| record.id).collect()
}

fn index(directory: &Path) -> PathBuf {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found = entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("index."));
    let index = found.next().unwrap();
    assert_eq!(found.next(), None, "one is enough");
    index
}

/// Opened twice: the second time by the index that the first made.
fn check(directory: &Path, expected: &BTreeSet<String>) {
    for _ in 0..2 {
        let queue = open(directory);
        assert!(queue.damage().is_none(), "{:?}", queue.damage());
        assert_eq!(&ids(&queue), expected);
        assert_eq!(queue.depth().pending, expected.len() as u64);
    }
}

#[test]
fn a_missing_or_damaged_index_is_made_again() {
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("whole");
    let queue = open(&whole);
    fill(&queue, "a");
    let expected = ids(&queue);
    drop(queue);
    check(&whole, &expected);
    assert!(2 < fs::read_dir(whole.join("log")).unwrap().count());

    let harmed = place.path().join("harmed");
    let harms: [&dyn Fn(&Path); 5] = [
        &|index| fs::remove_dir_all(index).unwrap(),
        &|index| fs::write(index.join("db"), b"").unwrap(),
        &|index| fs::remove_file(index.join("db")).unwrap(),
        &|index| fs::write(index.join("conf"), b"nonsense").unwrap(),
        &|index| {
            fs::remove_dir_all(index).unwrap();
            fs::write(index, b"a file in its place").unwrap();
        },
    ];
    for harm in harms {
        copy(&whole, &harmed);
        harm(&index(&harmed));
        check(&harmed, &expected);
        fs::remove_dir_all(&harmed).unwrap();
    }
    for step in 0..12 {
        copy(&whole, &harmed);
        let db = index(&harmed).join("db");
        let mut bytes = fs::read(&db).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[used * step / 12 + 31] ^= 0x10;
        fs::write(&db, bytes).unwrap();
        check(&harmed, &expected);
        fs::remove_dir_all(&harmed).unwrap();
    }
}

#[test]
fn an_old_index_brings_nothing_back() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("queue");
    let queue = open(&directory);
    fill(&queue, "a");
    drop(queue);
    let kept = place.path().join("kept");
    copy(&index(&directory), &kept);

    let queue = open(&directory);
    let first: Vec<_> = ids(&queue).into_iter().take(EACH / 2).collect();
    let receipted: Vec<_> = first.iter().map(String::as_str).collect();
    assert_eq!(queue.receipts(&receipted).unwrap(), receipted.len());
    fill(&queue, "b");
    let expected = ids(&queue);
    drop(queue);
    let newer = index(&directory);
    fs::remove_dir_all(&newer).unwrap();
    copy(&kept, &newer);
    check(&directory, &expected);
}

#[test]
fn another_queues_index_is_not_believed() {
    let place = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| {
        let directory = place.path().join(name);
        let queue = open(&directory);
        fill(&queue, name);
        if name == "other" {
            fill(&queue, "more");
        }
        let expected = ids(&queue);
        drop(queue);
        (directory, expected)
    });
    let (of_one, of_other) = (index(&one.0), index(&other.0));
    fs::remove_dir_all(&of_one).unwrap();
    copy(&of_other, &of_one);
    check(&one.0, &one.1);
}
