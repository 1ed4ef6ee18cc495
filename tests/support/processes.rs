//! What Linux tells of a process.

use std::io;

/// `VmRSS`, `VmHWM` (the most since its start) and the like, MiB.
///
/// # Errors
/// When there is no such process, or the system does not say.
pub fn memory_mib(pid: u32, key: &str) -> io::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find(|line| line.starts_with(key));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0)
        .ok_or_else(|| io::Error::other(format!("Linux does not tell {key}")))
}
