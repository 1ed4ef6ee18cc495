//! A load on the queue, to be recorded: several producers, receipts, refusals, records set aside and back, segments that
//! fill and are compacted, a reopening. `barefoot-queue-load DIRECTORY ANSWERS [OPERATIONS]`.
//!
//! Into the file ANSWERS it writes one line for each operation: when it was asked and answered, in the recorder's clock, the
//! operation, the id and the sequence. Each id is used by one thread alone, one operation after the other.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, bail};
use barefoot_queue::{Config, Lane, Queue};
use barefoot_test_support::power_cut::now_ns;
use barefoot_test_support::queue_load::{PRODUCERS, REFUSALS, payload};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, answers, rest @ ..] = arguments.as_slice() else {
        bail!("barefoot-queue-load DIRECTORY ANSWERS [OPERATIONS]");
    };
    let operations = match rest {
        [number, ..] => number.parse().context("OPERATIONS is a number")?,
        [] => 300,
    };
    let answers = Mutex::new(BufWriter::new(File::create(answers)?));
    let mut ids: Vec<Vec<String>> = vec![Vec::new(); PRODUCERS];
    for phase in 0..2 {
        let config = Config {
            refusals: REFUSALS,
            ..Config::default()
        };
        let queue = Queue::open(Path::new(directory), config)?;
        std::thread::scope(|scope| {
            let producers: Vec<_> = ids
                .iter_mut()
                .enumerate()
                .map(|(number, ids)| {
                    let producer = Producer {
                        queue: queue.clone(),
                        answers: &answers,
                        number,
                        phase,
                        random: StdRng::seed_from_u64(number as u64 + 100 * phase),
                        ids,
                    };
                    scope.spawn(move || producer.run(operations))
                })
                .collect();
            for producer in producers {
                match producer.join() {
                    Ok(ended) => ended?,
                    Err(_) => bail!("a producer panicked"),
                }
            }
            Ok(())
        })?;
    }
    answers
        .lock()
        .map_err(|_| anyhow::anyhow!("a producer panicked"))?
        .flush()?;
    Ok(())
}

struct Producer<'a> {
    queue: Queue,
    answers: &'a Mutex<BufWriter<File>>,
    number: usize,
    phase: u64,
    random: StdRng,
    /// What waits or was set aside.
    ids: &'a mut Vec<String>,
}

impl Producer<'_> {
    fn run(mut self, operations: usize) -> anyhow::Result<()> {
        for step in 0..operations {
            match self.random.random_range(0..10) {
                0..5 => self.append(step)?,
                5..8 => self.receipts()?,
                8 => self.refuse()?,
                _ => self.aside_or_back()?,
            }
        }
        Ok(())
    }

    fn append(&mut self, step: usize) -> anyhow::Result<()> {
        let id = format!("{}-{}-{step}", self.number, self.phase);
        let lane = match step % 4 {
            0 => Lane::Critical,
            1 => Lane::Reports,
            2 => Lane::Results,
            _ => Lane::Images,
        };
        let asked = now_ns();
        let sequence = self.queue.append(lane, &id, &payload(&id), 1)?;
        self.answered("stored", asked, &[&id], sequence)?;
        self.ids.push(id);
        Ok(())
    }

    /// The youngest few: what is old is left to be moved.
    fn receipts(&mut self) -> anyhow::Result<()> {
        let few = self.random.random_range(1..4);
        let from = self.ids.len().saturating_sub(few).max(self.ids.len().min(6));
        let gone: Vec<String> = self.ids.split_off(from);
        let ids: Vec<&str> = gone.iter().map(String::as_str).collect();
        let asked = now_ns();
        let removed = self.queue.receipts(&ids)?;
        anyhow::ensure!(removed == ids.len(), "{removed} of {ids:?} were there");
        self.answered("gone", asked, &ids, 0)
    }

    fn refuse(&mut self) -> anyhow::Result<()> {
        let Some(id) = self.any() else { return Ok(()) };
        let asked = now_ns();
        self.queue.refused(&id, "refused", 1)?;
        self.answered("refused", asked, &[&id], 0)
    }

    fn aside_or_back(&mut self) -> anyhow::Result<()> {
        let Some(id) = self.any() else { return Ok(()) };
        let asked = now_ns();
        if self.random.random_bool(0.5) {
            self.queue.set_aside(&id, "set aside")?;
            return self.answered("aside", asked, &[&id], 0);
        }
        self.queue.try_again(&id)?;
        self.answered("back", asked, &[&id], 0)
    }

    fn any(&mut self) -> Option<String> {
        let number = self.random.random_range(0..self.ids.len().max(1));
        self.ids.get(number).cloned()
    }

    fn answered(&self, what: &str, asked: u64, ids: &[&str], sequence: u64) -> anyhow::Result<()> {
        let answered = now_ns();
        let mut answers = self
            .answers
            .lock()
            .map_err(|_| anyhow::anyhow!("a producer panicked"))?;
        for id in ids {
            writeln!(answers, "{asked} {answered} {what} {id} {sequence}")?;
        }
        Ok(())
    }
}
