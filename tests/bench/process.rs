//! What Linux tells of a process.

use std::net::TcpListener;

use anyhow::Context;

/// Processor time of all its threads since its start, in the program and in the system, seconds. Resolution 10 ms.
pub(crate) fn processor_seconds(pid: u32) -> anyhow::Result<f64> {
    ticks(pid, 2)
}

/// The same with that of its children that have ended.
pub(crate) fn processor_seconds_with_children(pid: u32) -> anyhow::Result<f64> {
    ticks(pid, 4)
}

/// How many children of its main thread have not ended.
pub(crate) fn children(pid: u32) -> anyhow::Result<usize> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text.split_whitespace().count())
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
