//! What Linux tells of a process.

use std::net::TcpListener;

use anyhow::Context;

/// Processor time of all its threads since its start, in the program and in the system, seconds. Resolution 10 ms.
pub(crate) fn processor_seconds(pid: u32) -> anyhow::Result<f64> {
    ticks(pid, 2)
}

/// The same with that of its children: those it has waited for, and those it has not yet.
pub(crate) fn processor_seconds_with_children(pid: u32) -> anyhow::Result<f64> {
    let mut seconds = ticks(pid, 4)?;
    for child in children(pid)? {
        // One that is waited for at this moment is in the parent's time from now on.
        seconds += ticks(child, 4).unwrap_or_default();
    }
    Ok(seconds)
}

/// How many children of its main thread have not ended. Some servers wait for an ended one only when the next caller comes.
pub(crate) fn running_children(pid: u32) -> anyhow::Result<usize> {
    let running = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, fields)| !fields.starts_with('Z'))
    };
    Ok(children(pid)?.iter().filter(|child| running(child)).count())
}

fn children(pid: u32) -> anyhow::Result<Vec<u32>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let numbers = text.split_whitespace().map(str::parse);
    numbers.collect::<Result<_, _>>().context("numbers")
}

/// The sum of the first of its times: own in the program, own in the system, children's in the program and in the system.
fn ticks(pid: u32, times: usize) -> anyhow::Result<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before the last parenthesis may hold spaces.
    let (_, fields) = text.rsplit_once(')').context("Linux tells a process's name")?;
    // Fields 14 to 17; the first one here is the third.
    let ticks = fields.split_whitespace().skip(11).take(times);
    let ticks: Vec<f64> = ticks
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("numbers")?;
    Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// For a program that cannot choose one and say which.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
