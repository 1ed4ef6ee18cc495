use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use barefoot_edge::federated::{Participant, Settings, Trainable};
use barefoot_trust::TlsPaths;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::hub::clinic_id;
use super::{Case, Error, Federation, learner, open_policy};
use crate::daemons::{Process, program};

/// The program that can be a clinic, and the word that makes it one.
const PROGRAM: &str = "barefoot-federate";
const WORD: &str = "clinic";

/// Everything a clinic's process is told, as one JSON file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Orders {
    number: usize,
    hub: String,
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    directory: PathBuf,
    model: String,
    version: String,
    backbone: String,
    channels: usize,
    cases: Vec<Case>,
}

/// A clinic as a process of its own: it can be killed at any instruction.
#[derive(Debug)]
pub struct ClinicProcess {
    orders: PathBuf,
    log: PathBuf,
    process: Option<Process>,
}

impl ClinicProcess {
    /// # Errors
    /// When its files cannot be written or the program is not built.
    pub fn start(federation: &mut Federation, number: usize, cases: &[Case]) -> Result<Self, Error> {
        let directory = federation.new_folder(number);
        fs::create_dir_all(&directory)?;
        let TlsPaths {
            authority,
            certificate,
            key,
        } = federation.tls(number);
        let trainable = federation.trainable.clone();
        let orders = Orders {
            number,
            hub: federation.line.address.to_string(),
            authority,
            certificate,
            key,
            model: trainable.id,
            version: trainable.version,
            backbone: trainable.backbone,
            channels: trainable.channels,
            cases: cases.to_vec(),
            directory: directory.clone(),
        };
        let file = directory.with_extension("json");
        fs::write(&file, serde_json::to_vec(&orders)?)?;
        let mut clinic = Self {
            orders: file,
            log: directory.with_extension("log"),
            process: None,
        };
        clinic.restart()?;
        Ok(clinic)
    }

    /// `kill -9`, and a new process on the same folder.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        // The old one is dead before the new one begins: one process to a folder.
        self.process = None;
        let mut command = Command::new(program(PROGRAM)?);
        command.arg(WORD).arg(&self.orders);
        self.process = Some(Process::start(&mut command, PROGRAM, &self.log)?);
        Ok(())
    }

    /// What it wrote since it was first started; empty where that cannot be read.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// # Errors
    /// When it has ended by itself.
    pub fn check(&mut self) -> Result<(), Error> {
        match &mut self.process {
            Some(process) => Ok(process.check()?),
            None => Ok(()),
        }
    }
}

/// Is the clinic of an orders file until the process is killed.
///
/// # Errors
/// When the file or what it names cannot be used.
pub async fn obey(file: &Path) -> Result<(), Error> {
    let orders: Orders = serde_json::from_slice(&fs::read(file)?)?;
    let trainable = Trainable {
        id: orders.model,
        version: orders.version,
        backbone: orders.backbone,
        findings: 1,
        channels: orders.channels,
    };
    let settings = Settings {
        clinic: clinic_id(orders.number)?,
        hub: orders.hub,
        tls: TlsPaths {
            authority: orders.authority,
            certificate: orders.certificate,
            key: orders.key,
        },
        poll: Duration::from_millis(5),
        directory: orders.directory,
        policy: Some(open_policy()),
        learner: Arc::new(learner(&trainable, &orders.cases)),
    };
    Participant::new(settings)?.run(CancellationToken::new()).await;
    Ok(())
}
