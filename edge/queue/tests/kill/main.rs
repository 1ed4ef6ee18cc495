//! kill -9 at any moment: what was acknowledged is so.
//!
//! A test program of its own: between fork and exec a child holds its parent's file locks, and a test that opens a
//! store beside it would find it locked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's broken assumption must stop it"
)]

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use barefoot_queue::{Config, Lane, Queue, Record};

fn open(directory: &Path) -> Queue {
    Queue::open(directory, Config::default()).unwrap()
}

fn all(queue: &Queue) -> Vec<Record> {
    queue.pending(usize::MAX, |_| false).unwrap()
}

const CHILD_DIRECTORY: &str = "QUEUE_KILL_DIRECTORY";
const CHILD_ROUND: &str = "QUEUE_KILL_ROUND";
const ROUNDS: usize = 10;

/// Appends for ever, and receipts every third; says what was acknowledged. A test only in the child process.
#[test]
fn child_that_is_killed() {
    let (Ok(directory), Ok(round)) = (std::env::var(CHILD_DIRECTORY), std::env::var(CHILD_ROUND)) else {
        return;
    };
    let queue = open(Path::new(&directory));
    let mut out = std::io::stdout();
    for step in 0u32.. {
        let id = format!("{round}-{step}");
        let bytes = if step % 10 == 9 { 20_000 } else { 300 };
        let sequence = queue.append(Lane::Results, &id, &vec![1; bytes], 1).unwrap();
        writeln!(out, "\nstored {sequence} {id}").unwrap();
        out.flush().unwrap();
        if step % 3 == 0 {
            assert!(queue.receipt(&id).unwrap());
            writeln!(out, "\ndone {sequence} {id}").unwrap();
            out.flush().unwrap();
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kills() {
    let directory = tempfile::tempdir().unwrap();
    let mut stored: BTreeMap<u64, String> = BTreeMap::new();
    let mut done: HashSet<u64> = HashSet::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_is_killed", "--nocapture"])
            .env(CHILD_DIRECTORY, directory.path())
            .env(CHILD_ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        // The pipe is read to its end: what was said before the kill counts.
        let mut heard = 0;
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["stored", sequence, id] => {
                    let before = stored.insert(sequence.parse().unwrap(), id.to_owned());
                    assert_eq!(before, None, "a sequence was given twice");
                }
                ["done", sequence, _] => assert!(done.insert(sequence.parse().unwrap())),
                _ => continue,
            }
            heard += 1;
            if heard == 7 + 5 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(7 + 5 * round <= heard, "the child ended early");

        let queue = open(directory.path());
        assert!(queue.damage().is_none(), "{:?}", queue.damage());
        let there: Vec<_> = all(&queue)
            .into_iter()
            .map(|record| (record.sequence, record.id))
            .collect();
        let ids: HashSet<_> = there.iter().map(|(_, id)| id.clone()).collect();
        assert_eq!(ids.len(), there.len(), "an id is there twice");
        let there: BTreeMap<_, _> = there.into_iter().collect();
        for (sequence, id) in &stored {
            if done.contains(sequence) {
                assert!(!there.contains_key(sequence), "{id} came back");
            } else if there.get(sequence) != Some(id) {
                // Only the last one may have been receipted without our hearing of it.
                assert_eq!(Some(sequence), stored.keys().last(), "{id} is lost");
                done.insert(*sequence);
            }
        }
    }
}
