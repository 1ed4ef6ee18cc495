//! The power goes at any moment of a load: what was acknowledged is there, whole; nothing half-written shows.
//!
//! The real daemon's file operations are recorded once for each load, then cut at many points under the strict model of
//! [`barefoot_test_support::power_cut`]; every cut is brought in order by the real daemon.

use barefoot_test_support::daemons::{Edge, EdgeOptions, Region};
use barefoot_test_support::power_cut::{Image, Recorder, Recording, Syncs};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::intake::{Answered, Fate, Holdings, Plan, Sample, lone_box, sending};
use crate::kept;
use crate::story::SOON;

const CUTS_EACH: u64 = 100;

/// The box's own key, and those that it opens.
const KEYS: [&str; 2] = ["identity", "keys"];
const KEY_LOST: &str = "the key of everything is lost";

const SMALL: u16 = 64;
const LARGE: u16 = 512;

/// `associations`, each with a study of its own: `small` images and `large` ones among them.
fn studies(associations: u32, small: u32, large: u32) -> Plan {
    let plan = (0..associations).map(|association| {
        let study = format!("study {association}");
        let every = small.checked_div(large).unwrap_or(u32::MAX).max(1);
        (1..=small)
            .map(|number| {
                let side = if number % every == 0 { LARGE } else { SMALL };
                Sample::slice(&study, number, side, 0)
            })
            .collect()
    });
    Plan(plan.collect())
}

/// All scanners send the same study, in another order each, with other content under the same names, and damaged ones.
fn quarrel(associations: u32) -> Plan {
    let plan = (0..associations).map(|association| {
        let mut samples: Vec<_> = (1..=20)
            .map(|number| Sample::slice("shared", number, SMALL, 0))
            .collect();
        let places = samples.len();
        samples.rotate_left(association as usize * 3 % places);
        let own = u64::from(association);
        samples.insert(5, Sample::slice("shared", 7, SMALL, own + 1));
        samples.insert(10, Sample::damaged("broken", 1));
        samples.insert(15, Sample::damaged("broken", association + 2));
        samples
    });
    Plan(plan.collect())
}

struct Recorded {
    region: Region,
    edge: Edge,
    recording: Recording,
    plan: Plan,
    answered: Vec<Answered>,
}

impl Recorded {
    async fn of(plan: Plan) -> Self {
        let region = Region::new().unwrap();
        let mut edge = lone_box(
            &region,
            EdgeOptions {
                after_release_ms: 0,
                ..EdgeOptions::default()
            },
        );
        let recorder = Recorder::new(region.folder(), edge.state()).unwrap();
        edge.environment = recorder.environment();
        edge.start().await.unwrap();
        let answered = sending(edge.address("dicom").unwrap(), &plan).answers().await;
        assert_eq!(
            answered.len(),
            plan.0.iter().map(Vec::len).sum::<usize>(),
            "{}",
            edge.log()
        );
        for answer in &answered {
            let expected = match answer.sample.fate {
                Fate::Stored => 0,
                Fate::Quarantined => 0xC000,
            };
            assert_eq!(answer.status, expected, "{}", edge.log());
        }
        assert!(edge.stop().await.unwrap().success());
        edge.environment.clear();
        let recording = recorder.recording().unwrap();
        // Whatever went past the recorder would make every cut meaningless.
        let there = Image::read(edge.state()).unwrap();
        let missed = there.differences(&recording.whole());
        assert!(missed.is_empty(), "the recorder missed what became of {missed:?}");
        Self {
            region,
            edge,
            recording,
            plan,
            answered,
        }
    }

    /// Half of the cuts fall where an answer was just heard, half anywhere.
    fn moment(&self, random: &mut StdRng) -> u64 {
        let (begin, end) = self.recording.span();
        if random.random_bool(0.5) {
            return random.random_range(begin..=end);
        }
        let place = random.random_range(0..self.answered.len());
        self.answered[place].at_ns
    }

    /// What is wrong after the power went at `cut` and came back. Every other time the daemon starts as ever, else only its
    /// own check of the store does: both bring the folder in order.
    async fn after(&mut self, cut: u64, syncs: Syncs, seed: u64) -> Vec<String> {
        let image = self.recording.image(cut, syncs, seed);
        self.with(&image, cut, seed).await
    }

    /// The same where the keys of everything were not lost, whatever else was.
    async fn after_with_keys(&mut self, cut: u64, syncs: Syncs, seed: u64) -> Vec<String> {
        let image = self.recording.image_sparing(cut, syncs, seed, &KEYS);
        self.with(&image, cut, seed).await
    }

    async fn with(&mut self, image: &Image, cut: u64, seed: u64) -> Vec<String> {
        image.write(self.edge.state()).unwrap();
        let mut problems = Vec::new();
        if seed.is_multiple_of(2) {
            if let Err(error) = self.edge.start().await {
                return vec![format!("the daemon does not start: {error}")];
            }
            let holdings = Holdings::read(self.edge.state());
            problems.extend(holdings.against_page(&self.edge).await);
            self.edge.kill9();
        }
        if !kept::is_openable(self.edge.state()) {
            problems.push(KEY_LOST.into());
            return problems;
        }
        let checked = self.edge.run_to_end(&["--check-store"], SOON).await.unwrap();
        if !checked.success() {
            problems.push("the daemon's own check of the store found something".into());
        }
        let heard: Vec<Answered> = self
            .answered
            .iter()
            .filter(|answer| answer.at_ns <= cut)
            .cloned()
            .collect();
        problems.extend(Holdings::read(self.edge.state()).against(&self.plan, &heard));
        problems
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_power_cut_at_any_moment() {
    let loads = [
        ("one scanner, small images", studies(1, 60, 0)),
        ("four scanners, large ones among them", studies(4, 24, 3)),
        ("eight scanners", studies(8, 12, 1)),
        ("four scanners that quarrel over a study", quarrel(4)),
        ("eight scanners that quarrel over a study", quarrel(8)),
    ];
    let mut cuts = 0;
    for (number, (name, plan)) in (0..).zip(loads) {
        let mut recorded = Recorded::of(plan).await;
        println!(
            "{name}: {} answers, {:?} names, data, syncs of one, of all",
            recorded.answered.len(),
            recorded.recording.counts()
        );
        let mut random = StdRng::seed_from_u64(number);
        for seed in 0..CUTS_EACH {
            let cut = recorded.moment(&mut random);
            let problems = recorded.after(cut, Syncs::All, seed).await;
            assert!(
                problems.is_empty(),
                "{name}, cut {cut}, seed {seed}:\n{}\n{}",
                problems.join("\n"),
                recorded.edge.log()
            );
            cuts += 1;
        }
        drop(recorded.region);
    }
    println!("{cuts} cuts");
}

/// The check can fail: a daemon that forgot its syncs, or those of its files or its folders only, would be found.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_forgot_a_sync_would_be_found() {
    let mut recorded = Recorded::of(studies(4, 12, 1)).await;
    let heard = recorded.answered.iter().map(|answer| answer.at_ns).max().unwrap();
    for syncs in [Syncs::None, Syncs::OfFiles, Syncs::OfFolders] {
        let (mut keyless, mut lossy) = (0, 0);
        for seed in 0..10 {
            let problems = recorded.after(heard, syncs, seed).await;
            keyless += u64::from(problems.iter().any(|problem| problem == KEY_LOST));
            let problems = recorded.after_with_keys(heard, syncs, seed).await;
            assert!(
                !problems.iter().any(|problem| problem == KEY_LOST),
                "{syncs:?}: {problems:?}"
            );
            lossy += u64::from(problems.iter().any(|problem| problem.ends_with("is lost")));
        }
        println!(
            "of 10 cuts {keyless} lost the key and, with it spared, {lossy} images, with syncs: {syncs:?}"
        );
        assert!(keyless != 0 && lossy != 0, "{syncs:?}: {keyless}, {lossy}");
    }
}
