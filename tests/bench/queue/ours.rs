use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use barefoot_queue::{Config, Draft, Lane, Queue};

use super::{AT_ONCE, CHILD, Figures, disk_mb, id, payload, per_second};

/// How long the disk is given to come to rest.
const REST: Duration = Duration::from_secs(30);

fn open_queue(folder: &Path) -> anyhow::Result<Queue> {
    let config = Config {
        max_records: 4_000_000,
        max_bytes: 4_000_000_000,
        ..Config::default()
    };
    Ok(Queue::open(folder, config)?)
}

pub(super) fn append(folder: &Path, producers: usize, records: usize) -> anyhow::Result<Figures> {
    let place = folder.join("append");
    let queue = open_queue(&place)?;
    let each = records / producers;
    let payload = payload(1);
    rustix::fs::sync();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..producers)
            .map(|producer| {
                let (queue, payload) = (&queue, &payload);
                scope.spawn(move || {
                    (0..each).try_for_each(|number| {
                        let id = id(producer * each + number);
                        queue.append(Lane::Results, &id, payload, 1).map(drop)
                    })
                })
            })
            .collect();
        for writer in writers {
            match writer.join() {
                Ok(written) => written?,
                Err(_) => bail!("a producer panicked"),
            }
        }
        Ok(())
    })?;
    let pace = per_second(each * producers, begun);
    drop(queue);
    std::fs::remove_dir_all(&place)?;
    Ok(Figures::from([(format!("append_{producers}_per_s"), pace)]))
}

fn put(queue: &Queue, from: usize, to: usize) -> anyhow::Result<()> {
    for begin in (from..to).step_by(AT_ONCE) {
        let made: Vec<_> = (begin..to.min(begin + AT_ONCE))
            .map(|number| (id(number), payload(number)))
            .collect();
        let drafts: Vec<_> = made
            .iter()
            .map(|(id, payload)| Draft {
                lane: Lane::Results,
                id,
                payload,
                now_ms: 1,
            })
            .collect();
        queue.append_many(&drafts)?;
    }
    Ok(())
}

/// Takes so many as a sender does: the first that wait, then their receipts. Returns how many there were.
fn take(queue: &Queue, count: usize) -> anyhow::Result<usize> {
    let mut taken = 0;
    while taken < count {
        let pending = queue.pending(AT_ONCE.min(count - taken), |_| false)?;
        let ids: Vec<_> = pending.iter().map(|record| record.id.as_str()).collect();
        if ids.is_empty() {
            break;
        }
        taken += queue.receipts(&ids)?;
    }
    Ok(taken)
}

pub(super) fn drain(folder: &Path, records: usize) -> anyhow::Result<Figures> {
    let place = folder.join("drain");
    let queue = open_queue(&place)?;
    put(&queue, 0, records)?;
    rustix::fs::sync();
    let begun = Instant::now();
    let taken = take(&queue, records)?;
    let pace = per_second(taken, begun);
    anyhow::ensure!(taken == records, "{taken} of {records} were there");
    drop(queue);
    std::fs::remove_dir_all(&place)?;
    Ok(Figures::from([("drain_per_s".to_owned(), pace)]))
}

/// The disk after so many went in and out while others waited; and the payloads of those.
pub(super) fn churn(folder: &Path, records: usize, waiting: usize) -> anyhow::Result<(Figures, Figures)> {
    let place = folder.join("churn");
    let queue = open_queue(&place)?;
    put(&queue, 0, waiting)?;
    let step = AT_ONCE * 16;
    for begin in (0..records).step_by(step) {
        let count = step.min(records - begin);
        put(&queue, waiting + begin, waiting + begin + count)?;
        take(&queue, count)?;
    }
    let pending = queue.depth().pending_bytes as f64 / 1e6;
    anyhow::ensure!(queue.depth().pending == waiting as u64, "{waiting} wait");
    let churned = at_rest(&place)?;
    take(&queue, waiting)?;
    let drained = at_rest(&place)?;
    drop(queue);
    std::fs::remove_dir_all(&place)?;
    let ours = [
        ("churned_mb".to_owned(), churned),
        ("drained_mb".to_owned(), drained),
    ];
    Ok((
        Figures::from(ours),
        Figures::from([("churned_mb".to_owned(), pending)]),
    ))
}

/// The disk once it does not shrink any more.
fn at_rest(place: &Path) -> anyhow::Result<f64> {
    let deadline = Instant::now() + REST;
    let mut last = disk_mb(place)?;
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = disk_mb(place)?;
        if last <= now || deadline < Instant::now() {
            return Ok(now);
        }
        last = now;
    }
}

pub(super) fn open(folder: &Path, records: usize) -> anyhow::Result<Figures> {
    let place = folder.join("open");
    let queue = open_queue(&place)?;
    put(&queue, 0, records)?;
    drop(queue);
    let disk = disk_mb(&place)?;
    let timed = || -> anyhow::Result<f64> {
        let begun = Instant::now();
        let queue = open_queue(&place)?;
        let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
        anyhow::ensure!(queue.depth().pending == records as u64, "all are there");
        anyhow::ensure!(queue.damage().is_none(), "none is damaged");
        Ok(milliseconds)
    };
    let by_index = timed()?;
    for entry in std::fs::read_dir(&place)? {
        let path = entry?.path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("index."))
        {
            std::fs::remove_dir_all(path)?;
        }
    }
    let anew = timed()?;
    std::fs::remove_dir_all(&place)?;
    Ok(Figures::from([
        ("open_ms".to_owned(), by_index),
        ("open_anew_ms".to_owned(), anew),
        ("opened_mb".to_owned(), disk),
    ]))
}

/// The child: says that so many are stored, and stays until it is killed.
pub(super) fn fill(folder: &Path, records: usize) -> anyhow::Result<()> {
    let queue = open_queue(folder)?;
    put(&queue, 0, records)?;
    println!("stored");
    loop {
        std::thread::park();
    }
}

pub(super) fn kill(folder: &Path, records: usize) -> anyhow::Result<Figures> {
    let place = folder.join("killed");
    let mut child = Command::new(std::env::current_exe()?)
        .arg(CHILD)
        .arg(&place)
        .arg(records.to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let said = child.stdout.take().context("its output is a pipe")?;
    let line = BufReader::new(said).lines().next();
    child.kill()?;
    child.wait()?;
    anyhow::ensure!(line.is_some(), "the child ended early");
    let queue = open_queue(&place)?;
    let lost = records as f64 - queue.depth().pending as f64;
    drop(queue);
    std::fs::remove_dir_all(&place)?;
    Ok(Figures::from([("lost_after_kill".to_owned(), lost)]))
}
