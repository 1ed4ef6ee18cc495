//! What the recorded load on the queue promises, and what must hold of the queue after the power went in the middle of it.

use std::collections::BTreeMap;
use std::path::Path;

use barefoot_queue::{Config, Lane, Queue, Record};

pub const PRODUCERS: usize = 6;
pub const REFUSALS: u16 = 2;

/// Some small, some large, each its own.
#[must_use]
pub fn payload(id: &str) -> Vec<u8> {
    let seed = id.bytes().fold(7usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    let bytes = match seed % 4 {
        0 => 300,
        1 => 3_000,
        2 => 20_000,
        _ => 60_000,
    };
    let byte = |at: usize| u8::try_from((seed ^ at.wrapping_mul(31)) % 251).unwrap_or_default();
    (0..bytes).map(byte).collect()
}

/// What a producer did to one id, and when.
#[derive(Debug, Clone)]
struct Operation {
    asked: u64,
    answered: u64,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Stored(u64),
    Gone,
    Refused,
    Aside,
    Back,
}

/// Everything the producers did, by id and in order.
#[derive(Debug)]
pub struct Answers(BTreeMap<String, Vec<Operation>>);

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Nowhere,
    Waits { sequence: u64, refusals: u16 },
    Aside { sequence: u64, refusals: u16 },
}

impl State {
    fn after(self, what: What) -> Self {
        match (self, what) {
            (_, What::Stored(sequence)) => Self::Waits {
                sequence,
                refusals: 0,
            },
            (_, What::Gone) => Self::Nowhere,
            (Self::Waits { sequence, refusals }, What::Refused) if refusals + 1 < REFUSALS => Self::Waits {
                sequence,
                refusals: refusals + 1,
            },
            (Self::Waits { sequence, refusals }, What::Refused) => Self::Aside {
                sequence,
                refusals: refusals + 1,
            },
            (Self::Waits { sequence, refusals }, What::Aside) => Self::Aside { sequence, refusals },
            (Self::Aside { sequence, .. }, What::Back) => Self::Waits {
                sequence,
                refusals: 0,
            },
            (state, _) => state,
        }
    }
}

impl Answers {
    /// # Errors
    /// When it is not what the load writes.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut operations: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let [asked, answered, what, id, sequence] = words.as_slice() else {
                anyhow::bail!("no answer: {line}");
            };
            let what = match *what {
                "stored" => What::Stored(sequence.parse()?),
                "gone" => What::Gone,
                "refused" => What::Refused,
                "aside" => What::Aside,
                "back" => What::Back,
                other => anyhow::bail!("no operation: {other}"),
            };
            operations.entry((*id).to_owned()).or_default().push(Operation {
                asked: asked.parse()?,
                answered: answered.parse()?,
                what,
            });
        }
        Ok(Self(operations))
    }

    /// The moments of all answers.
    #[must_use]
    pub fn moments(&self) -> Vec<u64> {
        self.0
            .values()
            .flatten()
            .map(|operation| operation.answered)
            .collect()
    }

    /// What is wrong with the queue in `directory` after the power went at `cut`. Empty when all is well.
    #[must_use]
    pub fn against(&self, directory: &Path, cut: u64) -> Vec<String> {
        let config = Config {
            refusals: REFUSALS,
            ..Config::default()
        };
        let queue = match Queue::open(directory, config) {
            Ok(queue) => queue,
            Err(error) => return vec![format!("it does not open: {error} ({error:?})")],
        };
        match self.problems(&queue, cut) {
            Ok(problems) => problems,
            Err(error) => vec![format!("it does not work: {error}")],
        }
    }

    fn problems(&self, queue: &Queue, cut: u64) -> Result<Vec<String>, barefoot_queue::Error> {
        let mut problems = Vec::new();
        let damage = queue.damage();
        if !damage.is_none() {
            problems.push(format!("damage where there is none: {damage:?}"));
        }
        let mut found: BTreeMap<String, (Record, bool, u16)> = BTreeMap::new();
        for record in queue.pending(usize::MAX, |_| false)? {
            found.insert(record.id.clone(), (record, false, 0));
        }
        for aside in queue.set_aside_records(usize::MAX)? {
            found.insert(aside.record.id.clone(), (aside.record, true, aside.refusals));
        }
        let mut highest = 0;
        for (id, operations) in &self.0 {
            let mut state = State::Nowhere;
            let mut possible = None;
            for operation in operations.iter().filter(|operation| operation.asked < cut) {
                if let What::Stored(sequence) = operation.what
                    && operation.answered <= cut
                {
                    highest = sequence.max(highest);
                }
                if cut < operation.answered {
                    // Asked and not answered: both are right.
                    possible = Some(state.after(operation.what));
                    break;
                }
                state = state.after(operation.what);
            }
            let there = found.remove(id);
            if let Some((record, _, _)) = &there
                && record.payload != payload(id)
            {
                problems.push(format!("{id} has other bytes"));
            }
            let fits = |state: State| match (state, &there) {
                (State::Nowhere, None) => true,
                (State::Waits { sequence, .. }, Some((record, false, _))) => record.sequence == sequence,
                (State::Aside { sequence, refusals }, Some((record, true, counted))) => {
                    record.sequence == sequence && refusals == *counted
                }
                _ => false,
            };
            if !fits(state) && !possible.is_some_and(fits) {
                let there = there.map(|(record, aside, refusals)| (record.sequence, aside, refusals));
                let what = match (state, &there) {
                    (State::Nowhere, Some(_)) => "came back",
                    (_, None) => "is lost",
                    _ => "is not as it was",
                };
                problems.push(format!(
                    "{id} {what}: {there:?}, should be {state:?} or {possible:?}"
                ));
            }
        }
        problems.extend(found.into_keys().map(|id| format!("{id} was never asked for")));
        let sequence = queue.append(Lane::Results, "after the cut", b"x", 1)?;
        if sequence <= highest {
            problems.push(format!("sequence {sequence} after {highest}"));
        }
        Ok(problems)
    }
}
