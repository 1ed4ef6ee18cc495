//! The queue beside a simple model of it, under random actions.

use std::collections::BTreeMap;
use std::time::Duration;

use barefoot_queue::{Config, Depth, Lane, Queue};
use proptest::prelude::*;

const TELEMETRY_LIMIT: usize = 4;

#[derive(Debug, Clone)]
enum Action {
    Append { lane: Lane, id: u8, bytes: usize },
    Receipt { id: u8 },
    SetAside { id: u8 },
    Reopen,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let id = 0u8..24;
    let lane = prop::sample::select(Lane::ALL.to_vec());
    let bytes = prop_oneof![4 => 0usize..600, 1 => 4000usize..20_000];
    let action = prop_oneof![
        10 => (lane, id.clone(), bytes).prop_map(|(lane, id, bytes)| Action::Append { lane, id, bytes }),
        5 => id.clone().prop_map(|id| Action::Receipt { id }),
        2 => id.prop_map(|id| Action::SetAside { id }),
        1 => Just(Action::Reopen),
    ];
    prop::collection::vec(action, 1..60)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    sequence: u64,
    id: String,
    queued_at_ms: u64,
    payload: Vec<u8>,
    reason: Option<String>,
}

/// By lane and sequence, as the queue must give them.
#[derive(Debug, Default)]
struct Model {
    records: BTreeMap<(Lane, u64), Kept>,
    highest: u64,
}

impl Model {
    fn find(&self, id: &str) -> Option<(Lane, u64)> {
        let found = self.records.iter().find(|(_, kept)| kept.id == id);
        found.map(|(key, _)| *key)
    }

    fn trim_telemetry(&mut self) {
        let telemetry: Vec<_> = self
            .records
            .iter()
            .filter(|((lane, _), kept)| *lane == Lane::Telemetry && kept.reason.is_none())
            .map(|(key, _)| *key)
            .collect();
        for key in telemetry
            .iter()
            .take(telemetry.len().saturating_sub(TELEMETRY_LIMIT))
        {
            self.records.remove(key);
        }
    }

    fn pending(&self) -> Vec<(Lane, Kept)> {
        let waiting = self.records.iter().filter(|(_, kept)| kept.reason.is_none());
        waiting.map(|((lane, _), kept)| (*lane, kept.clone())).collect()
    }

    fn aside(&self) -> Vec<(Lane, Kept)> {
        let aside = self.records.iter().filter(|(_, kept)| kept.reason.is_some());
        let mut aside: Vec<_> = aside.map(|((lane, _), kept)| (*lane, kept.clone())).collect();
        aside.sort_by_key(|(_, kept)| kept.sequence);
        aside
    }

    fn depth(&self) -> Depth {
        let pending = self.pending();
        let firsts = Lane::ALL.map(|lane| pending.iter().find(|(of, _)| *of == lane));
        Depth {
            lanes: Lane::ALL.map(|lane| pending.iter().filter(|(of, _)| *of == lane).count() as u64),
            pending: pending.len() as u64,
            pending_bytes: pending.iter().map(|(_, kept)| kept.payload.len() as u64).sum(),
            oldest_of_lanes_ms: firsts.map(|first| first.map(|(_, kept)| kept.queued_at_ms)),
            oldest_queued_at_ms: firsts.iter().flatten().map(|(_, kept)| kept.queued_at_ms).min(),
            set_aside: self.aside().len() as u64,
            telemetry_dropped: 0,
        }
    }
}

fn observed(queue: &Queue, skip: impl Fn(u64) -> bool, limit: usize) -> Vec<(Lane, Kept)> {
    let records = queue.pending(limit, skip).unwrap();
    let kept = records.into_iter().map(|record| {
        let kept = Kept {
            sequence: record.sequence,
            id: record.id,
            queued_at_ms: record.queued_at_ms,
            payload: record.payload,
            reason: None,
        };
        (record.lane, kept)
    });
    kept.collect()
}

fn compare(queue: &Queue, model: &Model) {
    let expected = model.pending();
    let mut all = observed(queue, |_| false, usize::MAX);
    let odd: Vec<_> = observed(queue, |sequence| sequence % 2 == 0, 3);
    let urgent = all.iter().take_while(|(lane, _)| *lane == Lane::Critical).count();
    all.sort_by_key(|(lane, kept)| (*lane, kept.sequence));
    assert_eq!(all, expected);
    assert_eq!(
        urgent,
        all.iter().filter(|(lane, _)| *lane == Lane::Critical).count()
    );
    let wanted = expected.iter().filter(|(_, kept)| kept.sequence % 2 == 1).count();
    assert_eq!(odd.len(), wanted.min(3), "skip and limit");
    assert!(
        odd.iter()
            .all(|one| expected.contains(one) && one.1.sequence % 2 == 1)
    );

    let aside = queue.set_aside_records(usize::MAX).unwrap();
    let aside: Vec<_> = aside
        .into_iter()
        .map(|aside| {
            let kept = Kept {
                sequence: aside.record.sequence,
                id: aside.record.id,
                queued_at_ms: aside.record.queued_at_ms,
                payload: aside.record.payload,
                reason: Some(aside.reason),
            };
            (aside.record.lane, kept)
        })
        .collect();
    assert_eq!(aside, model.aside());

    let depth = queue.depth();
    assert_eq!(
        Depth {
            telemetry_dropped: 0,
            ..depth
        },
        model.depth()
    );
    for id in 0..24u8 {
        let id = format!("id-{id}");
        assert_eq!(queue.contains(&id).unwrap(), model.find(&id).is_some());
    }
}

fn run(actions: Vec<Action>) {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        telemetry_limit: TELEMETRY_LIMIT,
        telemetry_max_age: Duration::from_secs(u64::MAX / 1_000_000),
        ..Config::default()
    };
    let open = || Queue::open(&directory.path().join("queue"), config.clone()).unwrap();
    let mut queue = open();
    let mut model = Model::default();
    for (step, action) in actions.into_iter().enumerate() {
        match action {
            Action::Append { lane, id, bytes } => {
                let id = format!("id-{id}");
                let payload = vec![step as u8; bytes];
                let now = 1_000 + step as u64;
                let sequence = queue.append(lane, &id, &payload, now).unwrap();
                if let Some((_, known)) = model.find(&id) {
                    assert_eq!(sequence, known, "no second copy");
                    continue;
                }
                assert!(model.highest < sequence, "sequences never go back");
                model.highest = sequence;
                let kept = Kept {
                    sequence,
                    id,
                    queued_at_ms: now,
                    payload,
                    reason: None,
                };
                model.records.insert((lane, sequence), kept);
                model.trim_telemetry();
            }
            Action::Receipt { id } => {
                let id = format!("id-{id}");
                let known = model.find(&id).and_then(|key| model.records.remove(&key));
                assert_eq!(queue.receipt(&id).unwrap(), known.is_some());
            }
            Action::SetAside { id } => {
                let id = format!("id-{id}");
                let known = model.find(&id);
                let reason = format!("refused at {step}");
                assert_eq!(queue.set_aside(&id, &reason).unwrap(), known.is_some());
                if let Some(kept) = known.and_then(|key| model.records.get_mut(&key)) {
                    kept.reason.get_or_insert(reason);
                }
            }
            Action::Reopen => {
                drop(queue);
                queue = open();
                assert!(queue.damage().is_none(), "{:?}", queue.damage());
                compare(&queue, &model);
            }
        }
    }
    compare(&queue, &model);
    drop(queue);
    compare(&open(), &model);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(16) })]

    #[test]
    fn the_queue_does_what_its_model_does(actions in actions()) {
        run(actions);
    }
}

#[test]
fn sequences_go_on_after_everything_was_drained() {
    let directory = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..3 {
        let queue = crate::open(directory.path());
        let id = format!("id-{round}");
        let sequence = queue.append(Lane::Results, &id, b"x", 1).unwrap();
        assert!(last < sequence);
        last = sequence;
        assert!(queue.receipt(&id).unwrap());
        assert_eq!(queue.depth(), Depth::default());
    }
}
