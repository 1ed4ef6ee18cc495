//! What is asked of the queue, turned into entries of the log: one group, one sync. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::ledger::{Ledger, Tally};
use crate::log::frame::{Aside, Entry, MAX_SEQUENCES, StoredRecord};
use crate::record::PerLane;
use crate::{Config, Error, Lane, Refused};

/// A user's record while it waits for the committer.
#[derive(Debug)]
pub(crate) struct OwnedDraft {
    pub(crate) lane: Lane,
    pub(crate) id: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) now_ms: u64,
}

#[derive(Debug)]
pub(crate) enum Action {
    Append(Vec<OwnedDraft>),
    Receipts(Vec<String>),
    Refused {
        id: String,
        reason: String,
        now_ms: u64,
    },
    SetAside {
        id: String,
        reason: String,
    },
    TryAgain {
        id: String,
    },
    /// Records that cannot be read any more.
    Forget(Vec<u64>),
    /// Telemetry queued before.
    Expire {
        before_ms: u64,
    },
    /// Telemetry over the limit that its own group could not drop.
    Trim,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Stored(Vec<u64>),
    Removed(usize),
    Found(bool),
    Refused(Refused),
    Done,
}

impl Action {
    /// Roughly the bytes it adds to its group.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Append(drafts) => drafts.iter().map(|draft| draft.payload.len() + 128).sum(),
            Self::Receipts(ids) => 16 * ids.len(),
            Self::Forget(sequences) => 16 * sequences.len(),
            Self::SetAside { .. } | Self::Refused { .. } => 640,
            Self::TryAgain { .. } | Self::Expire { .. } | Self::Trim => 64,
        }
    }
}

/// What a group writes, and what follows once it is durable.
#[derive(Debug)]
pub(crate) struct Plan<'c> {
    pub(crate) entries: Vec<Entry<'c>>,
    pub(crate) next_sequence: u64,
    /// Delivered: the lane and the payload's bytes.
    pub(crate) served: Vec<(Lane, u64)>,
    pub(crate) telemetry_dropped: u64,
    /// There is more to send than before.
    pub(crate) announces: bool,
    /// Records that this group says something about.
    pub(crate) touched: BTreeSet<u64>,
}

/// A group in the making.
#[derive(Debug)]
pub(crate) struct Group<'l, 'c> {
    ledger: &'l Ledger,
    config: &'l Config,
    plan: Plan<'c>,
    gone: Vec<u64>,
    /// Sequences of what this group appends.
    appended: HashMap<&'c str, u64>,
    added: PerLane<Tally>,
}

impl<'l, 'c> Group<'l, 'c> {
    pub(crate) fn new(ledger: &'l Ledger, config: &'l Config, next_sequence: u64) -> Self {
        Self {
            ledger,
            config,
            plan: Plan {
                entries: Vec::new(),
                next_sequence,
                served: Vec::new(),
                telemetry_dropped: 0,
                announces: false,
                touched: BTreeSet::new(),
            },
            gone: Vec::new(),
            appended: HashMap::new(),
            added: PerLane::default(),
        }
    }

    /// None when the action must wait for the next group, because this one changes what it asks about.
    pub(crate) fn perform(&mut self, action: &'c Action) -> Option<Result<Answer, Error>> {
        if self.concerns(action) {
            return None;
        }
        Some(match action {
            Action::Append(drafts) => self.append(drafts),
            Action::Receipts(ids) => Ok(self.receipts(ids)),
            Action::Refused { id, reason, now_ms } => Ok(self.refused(id, reason, *now_ms)),
            Action::SetAside { id, reason } => Ok(self.set_aside(id, reason)),
            Action::TryAgain { id } => Ok(self.try_again(id)),
            Action::Forget(sequences) => {
                for sequence in sequences {
                    if self.ledger.get(*sequence).is_some() {
                        self.remove(*sequence);
                    }
                }
                Ok(Answer::Done)
            }
            Action::Expire { before_ms } => {
                self.expire(*before_ms);
                Ok(Answer::Done)
            }
            Action::Trim => {
                self.trim();
                Ok(Answer::Done)
            }
        })
    }

    pub(crate) fn finish(mut self) -> Plan<'c> {
        let gone = self.gone.chunks(MAX_SEQUENCES);
        self.plan
            .entries
            .extend(gone.map(|some| Entry::Gone(some.to_vec())));
        self.plan
    }

    fn concerns(&self, action: &Action) -> bool {
        let one = |id: &str| {
            let touched = self
                .ledger
                .find(id)
                .is_some_and(|(sequence, _)| self.plan.touched.contains(&sequence));
            touched || self.appended.contains_key(id)
        };
        match action {
            // The same id appended twice has one answer; appended after its removal it is new.
            Action::Append(drafts) => drafts.iter().any(|draft| {
                self.ledger
                    .find(&draft.id)
                    .is_some_and(|(sequence, _)| self.plan.touched.contains(&sequence))
            }),
            Action::Receipts(ids) => ids.iter().any(|id| one(id)),
            Action::Refused { id, .. } | Action::SetAside { id, .. } | Action::TryAgain { id } => one(id),
            Action::Forget(sequences) => sequences
                .iter()
                .any(|sequence| self.plan.touched.contains(sequence)),
            Action::Expire { .. } | Action::Trim => false,
        }
    }

    /// All of them or, when there is no room, none.
    fn append(&mut self, drafts: &'c [OwnedDraft]) -> Result<Answer, Error> {
        self.check_room(drafts)?;
        let sequences = drafts.iter().map(|draft| self.append_one(draft)).collect();
        self.trim();
        Ok(Answer::Stored(sequences))
    }

    fn append_one(&mut self, draft: &'c OwnedDraft) -> u64 {
        if let Some((sequence, _)) = self.ledger.find(&draft.id) {
            return sequence;
        }
        if let Some(sequence) = self.appended.get(draft.id.as_str()) {
            return *sequence;
        }
        let sequence = self.plan.next_sequence;
        self.plan.next_sequence += 1;
        self.plan.announces = true;
        self.appended.insert(&draft.id, sequence);
        self.added.of_mut(draft.lane).records += 1;
        self.added.of_mut(draft.lane).bytes += draft.payload.len() as u64;
        self.plan.entries.push(Entry::Record(StoredRecord {
            sequence,
            lane: draft.lane,
            id: &draft.id,
            queued_at_ms: draft.now_ms,
            refusals: 0,
            aside: None,
            payload: &draft.payload,
        }));
        sequence
    }

    /// Everything but telemetry shares one budget, of which an eighth is the critical lane's alone.
    fn check_room(&self, drafts: &[OwnedDraft]) -> Result<(), Error> {
        let mut more: PerLane<Tally> = self.added;
        let mut new = BTreeSet::new();
        for draft in drafts {
            let known =
                self.ledger.find(&draft.id).is_some() || self.appended.contains_key(draft.id.as_str());
            if known || draft.lane == Lane::Telemetry || !new.insert(&draft.id) {
                continue;
            }
            let tally = more.of_mut(draft.lane);
            tally.records += 1;
            tally.bytes += draft.payload.len() as u64;
            let of = |lane: Lane| {
                let (held, added) = (self.ledger.held(lane), more.of(lane));
                (held.records + added.records, held.bytes + added.bytes)
            };
            let routine = [Lane::Reports, Lane::Results, Lane::Images].map(of);
            let (records, bytes) = routine
                .iter()
                .fold((0, 0), |sum, lane| (sum.0 + lane.0, sum.1 + lane.1));
            let critical = of(Lane::Critical);
            let budgets = [
                ("records", self.config.max_records, records, critical.0),
                ("bytes", self.config.max_bytes, bytes, critical.1),
            ];
            for (what, most, routine, critical) in budgets {
                let open_to_all = most - most / 8;
                let limit = match draft.lane {
                    Lane::Critical => most,
                    _ => open_to_all,
                };
                if most < routine + critical || (draft.lane != Lane::Critical && open_to_all < routine) {
                    return Err(Error::Full {
                        lane: draft.lane,
                        what,
                        limit,
                    });
                }
            }
        }
        Ok(())
    }

    fn receipts(&mut self, ids: &[String]) -> Answer {
        let mut removed = 0;
        for id in ids {
            let Some((sequence, kept)) = self.ledger.find(id) else {
                continue;
            };
            let served = (kept.lane, u64::from(kept.payload_bytes));
            if self.remove(sequence) {
                removed += 1;
                self.plan.served.push(served);
            }
        }
        Answer::Removed(removed)
    }

    fn refused(&mut self, id: &str, reason: &str, now_ms: u64) -> Answer {
        let Some((sequence, kept)) = self.ledger.find(id) else {
            return Answer::Refused(Refused::Unknown);
        };
        if kept.aside.is_some() {
            return Answer::Refused(Refused::SetAside);
        }
        let refusals = kept.refusals.saturating_add(1);
        self.plan.touched.insert(sequence);
        self.plan.entries.push(Entry::Refused {
            sequence,
            refusals,
            at_ms: now_ms,
        });
        if refusals < self.config.refusals {
            return Answer::Refused(Refused::Waits { refusals });
        }
        self.plan.entries.push(Entry::SetAside {
            sequence,
            aside: Aside::new(reason, Some(now_ms)),
        });
        Answer::Refused(Refused::SetAside)
    }

    fn set_aside(&mut self, id: &str, reason: &str) -> Answer {
        let Some((sequence, kept)) = self.ledger.find(id) else {
            return Answer::Found(false);
        };
        if kept.aside.is_none() {
            self.plan.touched.insert(sequence);
            self.plan.entries.push(Entry::SetAside {
                sequence,
                aside: Aside::new(reason, None),
            });
        }
        Answer::Found(true)
    }

    fn try_again(&mut self, id: &str) -> Answer {
        let Some((sequence, kept)) = self.ledger.find(id) else {
            return Answer::Found(false);
        };
        if kept.aside.is_some() {
            self.plan.touched.insert(sequence);
            self.plan.announces = true;
            self.plan.entries.push(Entry::Back { sequence });
        }
        Answer::Found(kept.aside.is_some())
    }

    fn expire(&mut self, before_ms: u64) {
        let old: Vec<u64> = self
            .ledger
            .waiting(Lane::Telemetry)
            .iter()
            .copied()
            .filter(|sequence| {
                let kept = self.ledger.get(*sequence);
                kept.is_some_and(|kept| kept.queued_at_ms < before_ms)
            })
            .collect();
        for sequence in old {
            self.drop_telemetry(sequence);
        }
    }

    /// The oldest telemetry goes first; what this very group adds stays until the next.
    fn trim(&mut self) {
        let telemetry = self.ledger.waiting(Lane::Telemetry);
        let dropped = telemetry
            .iter()
            .filter(|sequence| self.plan.touched.contains(sequence))
            .count();
        let added = usize::try_from(self.added.of(Lane::Telemetry).records).unwrap_or(usize::MAX);
        let over = (telemetry.len() - dropped + added).saturating_sub(self.config.telemetry_limit);
        let oldest: Vec<u64> = telemetry
            .iter()
            .copied()
            .filter(|sequence| !self.plan.touched.contains(sequence))
            .take(over)
            .collect();
        for sequence in oldest {
            self.drop_telemetry(sequence);
        }
    }

    fn drop_telemetry(&mut self, sequence: u64) {
        if self.remove(sequence) {
            self.plan.telemetry_dropped += 1;
        }
    }

    fn remove(&mut self, sequence: u64) -> bool {
        let first = self.plan.touched.insert(sequence);
        if first {
            self.gone.push(sequence);
        }
        first
    }
}
