use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use serde::Deserialize;

use super::Error;
use super::process::{Process, program};
use crate::wait::wait_for;

/// A cold start checks the model's golden outputs first.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// `barefoot-edge` or `barefoot-hub` with its configuration, running or not.
#[derive(Debug)]
pub struct Daemon {
    name: &'static str,
    config: PathBuf,
    state: PathBuf,
    log: PathBuf,
    /// More environment, for instance `RUST_LOG`.
    pub environment: Vec<(String, String)>,
    /// A command that becomes the daemon, for instance in a namespace of its own; empty: none.
    pub within: Vec<String>,
    /// Another build of it than the one beside this program.
    pub program: Option<PathBuf>,
    /// What a start may take.
    pub starts_within: Duration,
    process: Option<Process>,
    addresses: HashMap<String, String>,
}

/// `<state>/addresses.json`.
#[derive(Debug, Deserialize)]
struct Announced {
    pid: u32,
    addresses: HashMap<String, String>,
}

impl Daemon {
    pub(super) fn new(name: &'static str, folder: &Path) -> Self {
        Self {
            name,
            config: folder.join("config.toml"),
            state: folder.join("state"),
            log: folder.join("log"),
            environment: Vec::new(),
            within: Vec::new(),
            program: None,
            starts_within: STARTS_WITHIN,
            process: None,
            addresses: HashMap::new(),
        }
    }

    /// The configuration file, for tests that change it between two starts.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The state folder: what must survive.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Everything it has logged so far, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Starts it and waits until its ports are open.
    ///
    /// # Errors
    /// When it is not built, ends, or does not open its ports in time; with the end of its log.
    pub async fn start(&mut self) -> Result<(), Error> {
        let announced = self.state.join("addresses.json");
        // One from before a kill names ports that are closed.
        let _ = fs::remove_file(&announced);
        let mut process = Process::start(&mut self.command(&[])?, self.name, &self.log)?;
        let pid = process.pid();
        let what = format!("{} to open its ports", self.name);
        let mut ended = None;
        let waited = wait_for(&what, self.starts_within, async || {
            if let Err(error) = process.check() {
                ended = Some(error);
                return Ok(None);
            }
            let text = fs::read(&announced).map_err(|_| "no addresses.json".to_owned())?;
            let found: Announced = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            if found.pid == pid {
                Ok(Some(found.addresses))
            } else {
                Err(format!("addresses.json is of process {}", found.pid))
            }
        })
        .await;
        if let Some(error) = ended {
            return Err(error);
        }
        let addresses = waited.map_err(|source| Error::TimedOut {
            source,
            log: process.tail(),
        })?;
        self.addresses = addresses.unwrap_or_default();
        self.process = Some(process);
        Ok(())
    }

    /// Waits until the running one announces this port, as a box does once it belongs to a clinic.
    ///
    /// # Errors
    /// When it does not in time; with the end of its log.
    pub async fn opens(&mut self, port: &str) -> Result<(), Error> {
        let announced = self.state.join("addresses.json");
        let what = format!("{} to open its port {port}", self.name);
        let found = wait_for(&what, self.starts_within, async || {
            let text = fs::read(&announced).map_err(|_| "no addresses.json".to_owned())?;
            let found: Announced = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            if found.addresses.contains_key(port) {
                Ok(found.addresses)
            } else {
                Err("not yet".to_owned())
            }
        });
        self.addresses = found.await.map_err(|source| Error::TimedOut {
            source,
            log: self.log(),
        })?;
        Ok(())
    }

    /// Starts it with more arguments and waits for its end, as `--check-config` or a broken configuration needs.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn run_to_end(&self, arguments: &[&str], within: Duration) -> Result<ExitStatus, Error> {
        Process::start(&mut self.command(arguments)?, self.name, &self.log)?
            .exit_status(within)
            .await
    }

    /// What it answers to more arguments, beside the running one: into no log.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn ask(&self, arguments: &[&str]) -> Result<Output, Error> {
        self.command(arguments)?.output().map_err(|source| Error::Start {
            name: self.name.to_owned(),
            source,
        })
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it is not running, or hangs.
    pub async fn stop(&mut self) -> Result<ExitStatus, Error> {
        let mut process = self.process.take().ok_or(Error::NotRunning {
            name: self.name.to_owned(),
        })?;
        process.stop().await
    }

    /// `kill -9`.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// # Errors
    /// When it has ended by itself since it was started; with the end of its log.
    pub fn check(&mut self) -> Result<(), Error> {
        match &mut self.process {
            Some(process) => process.check(),
            None => Err(Error::NotRunning {
                name: self.name.to_owned(),
            }),
        }
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// `host:port` of one of its ports: `dicom`, `page`, `mqtt`.
    ///
    /// # Errors
    /// When it never said so.
    pub fn address(&self, wanted: &str) -> Result<&str, Error> {
        self.addresses
            .get(wanted)
            .map(String::as_str)
            .ok_or_else(|| Error::NoAddress {
                name: self.name.to_owned(),
                wanted: wanted.to_owned(),
            })
    }

    fn command(&self, arguments: &[&str]) -> Result<Command, Error> {
        let program = match &self.program {
            Some(other) => other.clone(),
            None => program(self.name)?,
        };
        let mut command = match self.within.split_first() {
            None => Command::new(program),
            Some((first, words)) => {
                let mut command = Command::new(first);
                command.args(words).arg(program);
                command
            }
        };
        command
            .arg("--config")
            .arg(&self.config)
            .args(arguments)
            .envs(self.environment.iter().cloned());
        Ok(command)
    }
}
