//! A program that is not trusted, started so that it can do no harm.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the program may use for one film.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From its start to its end; of computing time it gets four times as much, over all its threads.
    pub time: Duration,
    /// Bytes of address space.
    pub memory: u64,
    /// Bytes of a film in a container that must be held whole (MP4).
    pub held: u64,
}

/// Both are of util-linux, which every Debian has.
const SETPRIV: &str = "/usr/bin/setpriv";
const PRLIMIT: &str = "/usr/bin/prlimit";
const OPEN_FILES: u32 = 32;

/// The program with its arguments to come, not started: no environment, no privileges to gain, no file to write, ended when
/// the thread ends that starts it.
pub(super) fn command(program: &Path, limits: &Limits) -> Command {
    let mut command = Command::new(SETPRIV);
    let seconds = limits.time.as_secs().max(1).saturating_mul(4);
    command
        .args(["--pdeathsig", "KILL", "--no-new-privs", PRLIMIT])
        .arg(format!("--as={}", limits.memory))
        .arg(format!("--cpu={seconds}"))
        .arg(format!("--nofile={OPEN_FILES}"))
        .args(["--core=0", "--fsize=0"])
        .arg(program)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Whether this machine has what programs are confined with.
pub(super) fn is_possible() -> bool {
    [SETPRIV, PRLIMIT]
        .iter()
        .all(|program| Path::new(program).is_file())
}
