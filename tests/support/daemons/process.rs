use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::Error;
use crate::wait::wait_for;

const STOPS_WITHIN: Duration = Duration::from_secs(20);

/// How much of a log a failure shows.
const TAIL_BYTES: usize = 4_000;

/// The folder the built programs lie in: the one of this very program, or its parent for a test (`deps/`).
pub(crate) fn program(name: &str) -> Result<PathBuf, Error> {
    let missing = || Error::NotBuilt {
        name: name.to_owned(),
    };
    let own = std::env::current_exe().map_err(|_| missing())?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(missing)
}

/// A program of ours while it runs, its log in a file. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Appends to `log`, so that one file tells the story over restarts.
    pub(crate) fn start(command: &mut Command, name: &str, log: &Path) -> Result<Self, Error> {
        let start = |source| Error::Start {
            name: name.to_owned(),
            source,
        };
        let out: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(start)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(start)?)
            .stderr(out)
            // Ctrl-C in a terminal is for the program that started this one; it stops its children in order.
            .process_group(0)
            .env_remove("JOURNAL_STREAM")
            .env_remove("NOTIFY_SOCKET")
            .spawn()
            .map_err(start)?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error when it has ended by itself.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(self.ended(status)),
            _ => Ok(()),
        }
    }

    pub(super) fn ended(&self, status: ExitStatus) -> Error {
        Error::Ended {
            name: self.name.clone(),
            status,
            log: self.tail(),
        }
    }

    pub(super) async fn exit_status(&mut self, within: Duration) -> Result<ExitStatus, Error> {
        let what = format!("{} to end", self.name);
        let child = &mut self.child;
        let ended = wait_for(&what, within, async || match child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("still running".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await;
        ended.map_err(|source| Error::TimedOut {
            source,
            log: self.tail(),
        })
    }

    /// SIGTERM, then waits; a daemon that hangs is an error.
    pub(super) async fn stop(&mut self) -> Result<ExitStatus, Error> {
        self.signal(Signal::TERM);
        self.exit_status(STOPS_WITHIN).await
    }

    /// SIGKILL: what a power cut looks like to a process.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may be gone already; the wait that follows finds out.
            let _ = kill_process(pid, signal);
        }
    }

    pub(super) fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let from = text.len().saturating_sub(TAIL_BYTES);
        String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
