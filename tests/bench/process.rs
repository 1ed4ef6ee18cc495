//! What Linux tells of a process.

use std::net::TcpListener;

use anyhow::Context;

/// `VmRSS`, `VmHWM` (the most since its start) and the like, MiB.
pub(crate) fn memory(pid: u32, key: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text
        .lines()
        .find(|line| line.starts_with(key))
        .context("Linux tells a process's memory")?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .context("a number")?
        .parse()
        .context("a number")?;
    Ok(kib / 1024.0)
}

/// Processor time of all its threads since its start, in the program and in the system, seconds. Resolution 10 ms.
pub(crate) fn processor_seconds(pid: u32) -> anyhow::Result<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before the last parenthesis may hold spaces.
    let (_, fields) = text.rsplit_once(')').context("Linux tells a process's name")?;
    // Fields 14 and 15; the first one here is the third.
    let mut ticks = fields.split_whitespace().skip(11);
    let mut next = || {
        ticks
            .next()
            .context("a number")?
            .parse::<f64>()
            .context("a number")
    };
    Ok((next()? + next()?) / TICKS_PER_SECOND)
}

/// For a program that cannot choose one and say which.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
