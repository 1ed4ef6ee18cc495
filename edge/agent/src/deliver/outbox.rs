//! What a node still has to get, durably.
//!
//! The studies' folders are the truth: what lies there and is neither sent nor set aside is owed. The log only remembers
//! what was decided, so that nothing is sent twice without need; a damaged line costs a second sending of the same bytes,
//! which a node takes as what it has already. What lay there before the node was first configured is not owed.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::log::{Entry, Name};
use super::verdict::{MAX_ATTEMPTS, Verdict};
use crate::checked_lines;
use crate::node_status::Aside;
use crate::nodes::{Node, What};
use crate::study_folder::{StateDirectory, StudyKey, sync_directory};

mod log;

/// One file owed to a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) study: StudyKey,
    pub(super) part: Part,
    /// Below the part's folder; a hash and an ending.
    pub(super) file: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    Instances,
    Results,
}

impl Item {
    pub(super) fn path(&self, state: &StateDirectory) -> PathBuf {
        folder(state, &self.study, self.part).join(&self.file)
    }
}

fn folder(state: &StateDirectory, study: &StudyKey, part: Part) -> PathBuf {
    match part {
        Part::Instances => state.instances(study),
        Part::Results => state.results(study),
    }
}

/// What is owed of one study, in order.
#[derive(Debug)]
struct Work {
    study: StudyKey,
    items: VecDeque<(Item, i64)>,
    /// Somebody is sending it.
    claimed: bool,
    not_before_ms: i64,
    /// Failed attempts at the first item.
    attempts: u32,
}

/// One node's outbox.
#[derive(Debug)]
pub(super) struct Outbox {
    log: PathBuf,
    state: StateDirectory,
    node: Node,
    begun_ms: i64,
    /// Sent, set aside or passed.
    done: HashMap<StudyKey, HashSet<(Part, String)>>,
    aside: HashMap<Item, Aside>,
    /// Files that the node has got, as far as the log tells.
    sent: usize,
    /// Studies in the order in which they came.
    work: BTreeMap<u64, Work>,
    numbers: HashMap<StudyKey, u64>,
    next: u64,
}

impl Outbox {
    /// Reads the log and what the folders hold. `modality` says what an original is.
    ///
    /// # Errors
    /// When the log or the folder of studies cannot be read.
    pub(super) fn open(
        state: StateDirectory,
        node: Node,
        now_ms: i64,
        modality: impl Fn(&Path) -> Option<String>,
    ) -> io::Result<Self> {
        let directory = state.deliver();
        fs::create_dir_all(&directory)?;
        sync_directory(state.root())?;
        let mut outbox = Self {
            log: directory.join(format!("{}.log", node.name)),
            state,
            node,
            begun_ms: now_ms,
            done: HashMap::new(),
            aside: HashMap::new(),
            sent: 0,
            work: BTreeMap::new(),
            numbers: HashMap::new(),
            next: 0,
        };
        outbox.replay(now_ms)?;
        for entry in fs::read_dir(outbox.state.studies())? {
            let name = entry?.file_name();
            if let Some(study) = name.to_str().and_then(StudyKey::parse) {
                outbox.look(&study, now_ms, &modality)?;
            }
        }
        outbox.in_order_of_arrival();
        Ok(outbox)
    }

    /// Looks what of a study is new and owed. Copies under a doubled identifier never go: the node would have to take one
    /// for the other.
    ///
    /// # Errors
    /// When the folder cannot be read or the log not written.
    pub(super) fn look(
        &mut self,
        study: &StudyKey,
        now_ms: i64,
        modality: impl Fn(&Path) -> Option<String>,
    ) -> io::Result<()> {
        let mut passed = Vec::new();
        for (part, what) in [(Part::Instances, What::Originals), (Part::Results, What::Results)] {
            if !self.node.gets(what) {
                continue;
            }
            for (arrived_ms, file) in files(&folder(&self.state, study, part))? {
                let item = Item {
                    study: study.clone(),
                    part,
                    file,
                };
                if arrived_ms < self.begun_ms || self.knows(&item) {
                    continue;
                }
                let wanted = what == What::Results
                    || self.node.modalities.is_empty()
                    || self
                        .node
                        .takes_modality(modality(&item.path(&self.state)).as_deref());
                if wanted {
                    self.enqueue(item, arrived_ms);
                } else {
                    passed.push(item);
                }
            }
        }
        if !passed.is_empty() {
            let files = passed.iter().map(Name::from).collect();
            checked_lines::append(&self.log, &[Entry::Passed { at_ms: now_ms, files }])?;
            passed.into_iter().for_each(|item| self.mark_done(item));
        }
        Ok(())
    }

    fn knows(&self, item: &Item) -> bool {
        let key = (item.part, item.file.clone());
        let done = self.done.get(&item.study).is_some_and(|done| done.contains(&key));
        done || self
            .work_of(&item.study)
            .is_some_and(|work| work.items.iter().any(|(it, _)| it == item))
    }

    /// Whether the node is still to get something of the study, or a person to decide about it.
    pub(super) fn is_waiting(&self, study: &StudyKey) -> bool {
        self.numbers.contains_key(study) || self.aside.keys().any(|item| item.study == *study)
    }

    fn work_of(&self, study: &StudyKey) -> Option<&Work> {
        self.work.get(self.numbers.get(study)?)
    }

    fn enqueue(&mut self, item: Item, arrived_ms: i64) {
        let next = self.next;
        let number = *self.numbers.entry(item.study.clone()).or_insert(next);
        if number == next {
            self.next += 1;
        }
        let work = self.work.entry(number).or_insert_with(|| Work {
            study: item.study.clone(),
            items: VecDeque::new(),
            claimed: false,
            not_before_ms: 0,
            attempts: 0,
        });
        work.items.push_back((item, arrived_ms));
    }

    /// After a start: the folder of studies is listed in no order.
    fn in_order_of_arrival(&mut self) {
        let mut all: Vec<Work> = std::mem::take(&mut self.work).into_values().collect();
        all.sort_by_key(|work| work.items.front().map(|(_, arrived)| *arrived));
        self.numbers.clear();
        for (number, work) in (0..).zip(all) {
            self.numbers.insert(work.study.clone(), number);
            self.work.insert(number, work);
            self.next = number + 1;
        }
    }

    /// Up to `most` items of the oldest studies that nobody works on; whole studies stay together and in order. What was
    /// claimed must be [given back](Self::give_back).
    pub(super) fn claim(&mut self, now_ms: i64, most: usize) -> Vec<Item> {
        let mut claimed = Vec::new();
        for work in self.work.values_mut() {
            if work.claimed || now_ms < work.not_before_ms {
                continue;
            }
            let room = most - claimed.len();
            claimed.extend(work.items.iter().take(room).map(|(item, _)| item.clone()));
            work.claimed = true;
            if most <= claimed.len() {
                break;
            }
        }
        claimed
    }

    /// The studies of these items may be claimed again.
    pub(super) fn give_back(&mut self, items: &[Item]) {
        let studies: HashSet<&StudyKey> = items.iter().map(|item| &item.study).collect();
        for study in studies {
            let Some(number) = self.numbers.get(study).copied() else {
                continue;
            };
            if let Some(work) = self.work.get_mut(&number) {
                work.claimed = false;
                if work.items.is_empty() {
                    self.work.remove(&number);
                    self.numbers.remove(study);
                }
            }
        }
    }

    /// Writes down what became of claimed items. After `Ok` it survives a power cut.
    ///
    /// # Errors
    /// When the log cannot be written: the items count as owed still.
    pub(super) fn record(
        &mut self,
        verdicts: Vec<(Item, Verdict)>,
        now_ms: i64,
        pause_ms: i64,
    ) -> io::Result<()> {
        let mut entries = Vec::new();
        let mut done = Vec::new();
        for (item, verdict) in verdicts {
            let attempts = self.attempts(&item.study);
            let verdict = match verdict {
                Verdict::RetrySometimes { reason } if MAX_ATTEMPTS <= attempts + 1 => {
                    Verdict::SetAside { reason }
                }
                other => other,
            };
            match verdict {
                Verdict::Sent { status } => {
                    self.sent += 1;
                    entries.push(Entry::Sent {
                        at_ms: now_ms,
                        status,
                        file: Name::from(&item),
                    });
                    done.push((item, None));
                }
                Verdict::SetAside { reason } => {
                    tracing::error!(study = %item.study, node = self.node.name, reason, "An object was set aside: the node will not take it; a person must look.");
                    entries.push(Entry::SetAside {
                        at_ms: now_ms,
                        reason: reason.clone(),
                        file: Name::from(&item),
                    });
                    done.push((item, Some(reason)));
                }
                Verdict::NotForIt => {
                    entries.push(Entry::Passed {
                        at_ms: now_ms,
                        files: vec![Name::from(&item)],
                    });
                    done.push((item, None));
                }
                Verdict::Retry { .. } | Verdict::RetrySometimes { .. } => {
                    if let Some(work) = self.work_mut(&item.study) {
                        work.attempts = work.attempts.saturating_add(1);
                        work.not_before_ms = now_ms + pause_ms;
                    }
                }
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        checked_lines::append(&self.log, &entries)?;
        for (item, aside) in done {
            if let Some(reason) = aside {
                let study = item.study.clone();
                self.aside.insert(
                    item.clone(),
                    Aside {
                        study,
                        at_ms: now_ms,
                        reason,
                    },
                );
            }
            if let Some(work) = self.work_mut(&item.study) {
                work.items.retain(|(it, _)| *it != item);
                work.attempts = 0;
            }
            self.mark_done(item);
        }
        Ok(())
    }

    /// How often the study's first item was tried in vain.
    pub(super) fn attempts(&self, study: &StudyKey) -> u32 {
        self.work_of(study).map_or(0, |work| work.attempts)
    }

    fn work_mut(&mut self, study: &StudyKey) -> Option<&mut Work> {
        self.work.get_mut(self.numbers.get(study)?)
    }

    /// Tries again what was set aside; says how much that is.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(super) fn try_again(&mut self, now_ms: i64) -> io::Result<usize> {
        let items: Vec<Item> = self.aside.keys().cloned().collect();
        if items.is_empty() {
            return Ok(0);
        }
        let files = items.iter().map(Name::from).collect();
        let entry = Entry::Again { at_ms: now_ms, files };
        checked_lines::append(&self.log, std::slice::from_ref(&entry))?;
        self.remember(entry);
        let count = items.len();
        for item in items {
            if item.path(&self.state).exists() {
                self.enqueue(item, now_ms);
            }
        }
        Ok(count)
    }

    /// When the next study may be claimed, where one waits for its time.
    pub(super) fn next_ms(&self) -> Option<i64> {
        let waiting = self
            .work
            .values()
            .filter(|work| !work.claimed && !work.items.is_empty());
        waiting.map(|work| work.not_before_ms).min()
    }

    /// How much is owed, and since when the oldest of it.
    pub(super) fn owed(&self) -> (usize, Option<i64>) {
        let items = || self.work.values().flat_map(|work| &work.items);
        (items().count(), items().map(|(_, arrived)| *arrived).min())
    }

    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    pub(super) fn aside(&self) -> Vec<Aside> {
        let mut all: Vec<Aside> = self.aside.values().cloned().collect();
        all.sort_by_key(|aside| std::cmp::Reverse(aside.at_ms));
        all
    }
}

/// Whole files with the time of their arrival, oldest first, without copies under a doubled identifier.
fn files(directory: &Path) -> io::Result<Vec<(i64, String)>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let ending = Path::new(&name).extension();
        if ending.is_none_or(|ending| ending != "dcm") || name.contains(".conflict-") {
            continue;
        }
        let since = entry
            .metadata()?
            .modified()?
            .duration_since(std::time::UNIX_EPOCH);
        let arrived = since.ok().and_then(|since| i64::try_from(since.as_millis()).ok());
        found.push((arrived.unwrap_or_default(), name));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
