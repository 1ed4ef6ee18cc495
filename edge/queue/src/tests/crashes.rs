//! The queue beside a simple model of it, with the power going between any two steps and in the middle of some.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand_like::Chance;

use super::Bench;
use crate::{Depth, Draft, Error, Lane, Queue, Record, Refused};

const TELEMETRY_LIMIT: usize = 4;
const REFUSALS: u16 = 3;
const MAX_RECORDS: u64 = 24;

/// A stream of decisions from one number, the same on every machine.
mod rand_like {
    pub(super) struct Chance(pub(super) u64);

    impl Chance {
        pub(super) fn happens(&mut self) -> bool {
            self.0 = self
                .0
                .wrapping_mul(0x5851_F42D_4C95_7F2D)
                .wrapping_add(0x1405_7B7E_F767_814F);
            self.0 >> 40 & 1 == 1
        }
    }
}

#[derive(Debug, Clone)]
enum Action {
    Append {
        lane: Lane,
        id: u8,
        bytes: usize,
    },
    AppendMany {
        lane: Lane,
        ids: Vec<u8>,
    },
    Receipts {
        ids: Vec<u8>,
    },
    Refused {
        id: u8,
    },
    SetAside {
        id: u8,
    },
    TryAgain {
        id: u8,
    },
    Reopen,
    PowerCut {
        seed: u64,
    },
    /// The power goes while an append waits for its sync.
    CutWhileAppending {
        lane: Lane,
        id: u8,
        bytes: usize,
        seed: u64,
    },
    /// The disk fails to write an append.
    FailedWrite {
        lane: Lane,
        id: u8,
        written: usize,
    },
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let id = || 0u8..40;
    let lane = || prop::sample::select(Lane::ALL.to_vec());
    let bytes = || prop_oneof![4 => 0usize..600, 1 => 2000usize..6_000];
    let ids = || prop::collection::vec(0u8..40, 0..8);
    let action = prop_oneof![
        8 => (lane(), id(), bytes()).prop_map(|(lane, id, bytes)| Action::Append { lane, id, bytes }),
        2 => (lane(), ids()).prop_map(|(lane, ids)| Action::AppendMany { lane, ids }),
        6 => ids().prop_map(|ids| Action::Receipts { ids }),
        4 => id().prop_map(|id| Action::Refused { id }),
        2 => id().prop_map(|id| Action::SetAside { id }),
        2 => id().prop_map(|id| Action::TryAgain { id }),
        1 => Just(Action::Reopen),
        3 => any::<u64>().prop_map(|seed| Action::PowerCut { seed }),
        1 => (lane(), id(), bytes(), any::<u64>())
            .prop_map(|(lane, id, bytes, seed)| Action::CutWhileAppending { lane, id, bytes, seed }),
        1 => (lane(), id(), 0usize..900).prop_map(|(lane, id, written)| Action::FailedWrite { lane, id, written }),
    ];
    prop::collection::vec(action, 1..120)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    record: Record,
    refusals: u16,
    reason: Option<String>,
}

#[derive(Debug, Default)]
struct Model {
    by_sequence: BTreeMap<u64, Kept>,
    highest: u64,
}

impl Model {
    fn find(&mut self, id: &str) -> Option<&mut Kept> {
        self.by_sequence.values_mut().find(|kept| kept.record.id == id)
    }

    fn is_full_for(&self, lane: Lane, more: u64) -> bool {
        let of = |wanted: &dyn Fn(Lane) -> bool| {
            self.by_sequence
                .values()
                .filter(|kept| wanted(kept.record.lane))
                .count() as u64
        };
        let routine = of(&|lane| lane != Lane::Critical && lane != Lane::Telemetry);
        let critical = of(&|lane| lane == Lane::Critical);
        match lane {
            Lane::Telemetry => false,
            Lane::Critical => MAX_RECORDS < routine + critical + more,
            _ => MAX_RECORDS < routine + critical + more || MAX_RECORDS - MAX_RECORDS / 8 < routine + more,
        }
    }

    fn store(&mut self, record: Record) {
        self.highest = record.sequence;
        let (refusals, reason) = (0, None);
        self.by_sequence.insert(
            record.sequence,
            Kept {
                record,
                refusals,
                reason,
            },
        );
    }

    fn trim_telemetry(&mut self) {
        let telemetry: Vec<u64> = self
            .by_sequence
            .values()
            .filter(|kept| kept.record.lane == Lane::Telemetry && kept.reason.is_none())
            .map(|kept| kept.record.sequence)
            .collect();
        for sequence in telemetry
            .iter()
            .take(telemetry.len().saturating_sub(TELEMETRY_LIMIT))
        {
            self.by_sequence.remove(sequence);
        }
    }

    fn pending(&self) -> Vec<Record> {
        let waiting = self.by_sequence.values().filter(|kept| kept.reason.is_none());
        waiting.map(|kept| kept.record.clone()).collect()
    }
}

/// Everything that can be seen of the queue is as the model says.
fn compare(queue: &Queue, model: &Model) {
    let mut pending = queue.pending(usize::MAX, |_| false).unwrap();
    let urgent = pending
        .iter()
        .take_while(|record| record.lane == Lane::Critical)
        .count();
    assert!(
        pending
            .iter()
            .skip(urgent)
            .all(|record| record.lane != Lane::Critical)
    );
    for lane in Lane::ALL {
        assert!(
            pending
                .iter()
                .filter(|record| record.lane == lane)
                .is_sorted_by_key(|record| record.sequence)
        );
    }
    let by_twos = queue.pending(3, |sequence| sequence % 2 == 0).unwrap();
    assert!(by_twos.len() <= 3 && by_twos.iter().all(|record| record.sequence % 2 == 1));
    pending.sort_by_key(|record| record.sequence);
    assert_eq!(pending, model.pending());

    let aside = queue.set_aside_records(usize::MAX).unwrap();
    let aside: Vec<_> = aside
        .into_iter()
        .map(|aside| (aside.record, aside.refusals, Some(aside.reason)))
        .collect();
    let expected: Vec<_> = model
        .by_sequence
        .values()
        .filter(|kept| kept.reason.is_some())
        .map(|kept| (kept.record.clone(), kept.refusals, kept.reason.clone()))
        .collect();
    assert_eq!(aside, expected);

    let of = |lane: Lane| pending.iter().filter(move |record| record.lane == lane);
    let oldest_of_lanes_ms = Lane::ALL.map(|lane| of(lane).next().map(|record| record.queued_at_ms));
    let depth = Depth {
        lanes: Lane::ALL.map(|lane| of(lane).count() as u64),
        pending: pending.len() as u64,
        pending_bytes: pending.iter().map(|record| record.payload.len() as u64).sum(),
        oldest_of_lanes_ms,
        oldest_queued_at_ms: oldest_of_lanes_ms.into_iter().flatten().min(),
        set_aside: expected.len() as u64,
        telemetry_dropped: queue.depth().telemetry_dropped,
    };
    assert_eq!(queue.depth(), depth);
}

struct Run {
    bench: Bench,
    queue: Option<Queue>,
    model: Model,
}

impl Run {
    fn queue(&self) -> &Queue {
        self.queue.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.queue = None;
        self.queue = Some(self.bench.open());
        let damage = self.queue().damage();
        assert!(damage.is_none(), "{damage:?}");
    }

    fn cut_power(&mut self, seed: u64) {
        // What the committer does by itself at this moment may be on the disk or not.
        let mut chance = Chance(seed);
        self.bench.cut_power(|| chance.happens());
        self.reopen();
    }

    fn append(&mut self, lane: Lane, ids: &[u8], bytes: usize, step: u64) {
        let names: Vec<_> = ids.iter().map(|id| format!("id-{id}")).collect();
        let payload = vec![step as u8; bytes];
        let drafts: Vec<_> = names
            .iter()
            .map(|id| Draft {
                lane,
                id,
                payload: &payload,
                now_ms: 1_000_000_000 + step,
            })
            .collect();
        let new: std::collections::BTreeSet<_> =
            names.iter().filter(|id| self.model.find(id).is_none()).collect();
        let full = self.model.is_full_for(lane, new.len() as u64) && !new.is_empty();
        let result = self.queue().append_many(&drafts);
        if full {
            assert!(matches!(result, Err(Error::Full { .. })), "{result:?}");
            return;
        }
        let sequences = result.unwrap();
        assert_eq!(sequences.len(), names.len());
        for (id, sequence) in names.iter().zip(sequences) {
            if let Some(kept) = self.model.find(id) {
                assert_eq!(kept.record.sequence, sequence, "no second copy");
                continue;
            }
            assert!(self.model.highest < sequence, "sequences never go back");
            self.model.store(Record {
                sequence,
                lane,
                id: id.clone(),
                queued_at_ms: 1_000_000_000 + step,
                payload: payload.clone(),
            });
        }
        self.model.trim_telemetry();
    }

    fn perform(&mut self, step: u64, action: Action) {
        match action {
            Action::Append { lane, id, bytes } => self.append(lane, &[id], bytes, step),
            Action::AppendMany { lane, ids } => self.append(lane, &ids, 100, step),
            Action::Receipts { ids } => {
                let names: Vec<_> = ids.iter().map(|id| format!("id-{id}")).collect();
                let before = self.model.by_sequence.len();
                self.model
                    .by_sequence
                    .retain(|_, kept| !names.contains(&kept.record.id));
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let removed = before - self.model.by_sequence.len();
                assert_eq!(self.queue().receipts(&names).unwrap(), removed);
            }
            Action::Refused { id } => {
                let id = format!("id-{id}");
                let reason = format!("refused at {step}");
                let expected = match self.model.find(&id) {
                    None => Refused::Unknown,
                    Some(kept) if kept.reason.is_some() => Refused::SetAside,
                    Some(kept) => {
                        kept.refusals += 1;
                        if kept.refusals < REFUSALS {
                            Refused::Waits {
                                refusals: kept.refusals,
                            }
                        } else {
                            kept.reason = Some(reason.clone());
                            Refused::SetAside
                        }
                    }
                };
                assert_eq!(self.queue().refused(&id, &reason, step).unwrap(), expected);
            }
            Action::SetAside { id } => {
                let id = format!("id-{id}");
                let reason = format!("set aside at {step}");
                let known = self.model.find(&id);
                let expected = known.is_some();
                if let Some(kept) = known {
                    kept.reason.get_or_insert(reason.clone());
                }
                assert_eq!(self.queue().set_aside(&id, &reason).unwrap(), expected);
            }
            Action::TryAgain { id } => {
                let id = format!("id-{id}");
                let known = self.model.find(&id).filter(|kept| kept.reason.is_some());
                let expected = known.is_some();
                if let Some(kept) = known {
                    kept.reason = None;
                    kept.refusals = 0;
                }
                assert_eq!(self.queue().try_again(&id).unwrap(), expected);
                if expected {
                    // What came back may be over the limit.
                    self.model.trim_telemetry();
                }
            }
            Action::Reopen => self.reopen(),
            Action::PowerCut { seed } => self.cut_power(seed),
            Action::CutWhileAppending {
                lane,
                id,
                bytes,
                seed,
            } => {
                let id = format!("id-{id}");
                if self.model.find(&id).is_some()
                    || self.model.is_full_for(lane, 1)
                    || lane == Lane::Telemetry
                {
                    return;
                }
                self.bench.disk.faults(|faults| {
                    faults.fail_sync = true;
                    faults.fail_resize = true;
                });
                let failed = self
                    .queue()
                    .append(lane, &id, &vec![step as u8; bytes], 1_000_000_000 + step);
                assert!(failed.is_err());
                self.cut_power(seed);
                // It may have survived: nobody was told, and nobody is wronged.
                let found = self.queue().pending(usize::MAX, |_| false).unwrap();
                if let Some(record) = found.into_iter().find(|record| record.id == id) {
                    assert_eq!(record.payload, vec![step as u8; bytes]);
                    self.model.store(record);
                }
                self.bench.disk.faults(|faults| *faults = Default::default());
            }
            Action::FailedWrite { lane, id, written } => {
                let id = format!("id-{id}");
                if self.model.find(&id).is_some() || self.model.is_full_for(lane, 1) {
                    return;
                }
                self.bench
                    .disk
                    .faults(|faults| faults.short_write = Some(written));
                let failed = self.queue().append(lane, &id, &[1; 300], 1_000_000_000);
                match failed {
                    Err(Error::NotStored { .. }) => {}
                    // Something was being moved, and that failed instead.
                    Ok(sequence) => {
                        self.model.store(Record {
                            sequence,
                            lane,
                            id,
                            queued_at_ms: 1_000_000_000,
                            payload: vec![1; 300],
                        });
                        self.model.trim_telemetry();
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_queue_does_what_its_model_does_over_any_crash(actions in actions()) {
        let mut bench = Bench::new();
        bench.config.telemetry_limit = TELEMETRY_LIMIT;
        bench.config.refusals = REFUSALS;
        bench.config.max_records = MAX_RECORDS;
        let queue = Some(bench.open());
        let mut run = Run { bench, queue, model: Model::default() };
        for (step, action) in (0..).zip(actions) {
            run.perform(step, action);
            compare(run.queue(), &run.model);
        }
        run.reopen();
        compare(run.queue(), &run.model);
    }
}
