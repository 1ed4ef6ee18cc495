//! The power goes at any moment of a load on the queue: what was acknowledged is there, what was receipted does not come
//! back, and it opens. A thousand cuts of one recording, under the strict model of
//! [`barefoot_test_support::power_cut`].

use std::path::{Path, PathBuf};
use std::process::Command;

use barefoot_test_support::power_cut::{Image, Recorder, Recording, Syncs};
use barefoot_test_support::queue_load::Answers;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

const CUTS: u64 = 1_000;

struct Recorded {
    folder: TempDir,
    recording: Recording,
    answers: Answers,
}

/// In memory where the system has such a folder: the recorder knows what was synced, the disk need not.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

impl Recorded {
    fn new(operations: usize) -> Self {
        let folder = folder();
        let (queue, answers) = (folder.path().join("queue"), folder.path().join("answers"));
        let recorder = Recorder::new(folder.path(), &queue).unwrap();
        let load = Command::new(env!("CARGO_BIN_EXE_barefoot-queue-load"))
            .args([&queue, &answers])
            .arg(operations.to_string())
            .envs(recorder.environment())
            .output()
            .unwrap();
        assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
        let recording = recorder.recording().unwrap();
        // Whatever went past the recorder would make every cut meaningless.
        let there = Image::read(&queue).unwrap();
        let missed = there.differences(&recording.whole());
        assert!(missed.is_empty(), "the recorder missed what became of {missed:?}");
        let answers = Answers::parse(&std::fs::read_to_string(answers).unwrap()).unwrap();
        Self {
            folder,
            recording,
            answers,
        }
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("after")
    }

    /// Half of the cuts fall where an answer was just given, half anywhere.
    fn moment(&self, random: &mut StdRng, moments: &[u64]) -> u64 {
        let (begin, end) = self.recording.span();
        match random.random_bool(0.5) {
            true => random.random_range(begin..=end),
            false => moments[random.random_range(0..moments.len())],
        }
    }

    fn after(&self, cut: u64, syncs: Syncs, seed: u64) -> Vec<String> {
        self.recording
            .image(cut, syncs, seed)
            .write(&self.place())
            .unwrap();
        self.answers.against(&self.place(), cut)
    }
}

#[test]
fn what_the_queue_acknowledged_survives_a_power_cut_at_any_moment() {
    let recorded = Recorded::new(450);
    let moments = recorded.answers.moments();
    println!(
        "{} answers, {:?} names, data, syncs of one, of all",
        moments.len(),
        recorded.recording.counts()
    );
    let mut random = StdRng::seed_from_u64(5);
    for seed in 0..CUTS {
        let cut = recorded.moment(&mut random, &moments);
        let problems = recorded.after(cut, Syncs::All, seed);
        assert!(
            problems.is_empty(),
            "cut {cut}, seed {seed}:\n{}",
            problems.join("\n")
        );
    }
    let twice = recorded.after(u64::MAX, Syncs::All, 0);
    assert!(twice.is_empty(), "at the end:\n{}", twice.join("\n"));
}

/// The check can fail: a queue that forgot its syncs, or those of its files or its folders only, would be found.
#[test]
fn a_queue_that_forgot_a_sync_would_be_found() {
    let recorded = Recorded::new(120);
    let last = recorded.answers.moments().into_iter().max().unwrap();
    for syncs in [Syncs::None, Syncs::OfFiles, Syncs::OfFolders] {
        let lossy = (0..20)
            .filter(|seed| {
                let problems = recorded.after(last, syncs, *seed);
                problems.iter().any(|problem| problem.contains("is lost"))
            })
            .count();
        println!("{lossy} of 20 cuts lost records with syncs: {syncs:?}");
        assert_ne!(lossy, 0, "{syncs:?}");
    }
}
