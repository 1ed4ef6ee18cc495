//! The servers, each with its own port and an empty folder that goes with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use barefoot_test_support::daemons::{Edge, EdgeOptions, Region, workspace};
use barefoot_test_support::processes::memory_mib;
use barefoot_test_support::scanner::raw::{Proposal, RawAssociation};
use barefoot_test_support::wait::wait_for;

use crate::orthanc::Orthanc;
use crate::process::{free_port, processor_seconds_with_children, running_children};

const VERIFICATION: &str = "1.2.840.10008.1.1";
const IMPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";

/// No study settles while a measurement runs.
const LATER_MS: u64 = 600_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Barefoot,
    Orthanc,
    Storescp,
    StorescpFork,
    DicomRs,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Barefoot,
        Self::Orthanc,
        Self::Storescp,
        Self::StorescpFork,
        Self::DicomRs,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Barefoot => "barefoot",
            Self::Orthanc => "orthanc",
            Self::Storescp => "storescp",
            Self::StorescpFork => "storescp --fork",
            Self::DicomRs => "dicom-rs",
        }
    }

    pub(crate) async fn start(self, region: &Region) -> anyhow::Result<Server> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = region.folder().join(format!("server-{number}"));
        fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let begun = Instant::now();
        let running = match self {
            Self::Barefoot => {
                let options = EdgeOptions {
                    quiet_period_ms: LATER_MS,
                    after_release_ms: LATER_MS,
                    ..EdgeOptions::default()
                };
                let mut edge = region.edge(&format!("bench-{number}"), "127.0.0.1:9", &options)?;
                edge.start().await?;
                Running::Edge(Box::new(edge))
            }
            Self::Orthanc => Running::Orthanc(Orthanc::start(&folder).await?.0),
            Self::Storescp => Running::other("storescp", &[&port.to_string()], &folder)?,
            Self::StorescpFork => Running::other("storescp", &["--fork", &port.to_string()], &folder)?,
            Self::DicomRs => {
                let program = workspace().join("target/tools/bin/dicom-storescp");
                let arguments = ["--non-blocking", "-p", &port.to_string(), "-o", "."];
                Running::other(&program.display().to_string(), &arguments, &folder)?
            }
        };
        let address = match &running {
            Running::Edge(edge) => edge.address("dicom")?.to_owned(),
            Running::Orthanc(orthanc) => orthanc.dicom.clone(),
            Running::Other(_) => format!("127.0.0.1:{port}"),
        };
        let mut server = Server {
            running,
            address,
            folder,
            start: Duration::ZERO,
        };
        wait_for(
            "the server to answer a C-ECHO",
            Duration::from_secs(60),
            async || server.echo(),
        )
        .await?;
        server.start = begun.elapsed();
        if let Running::Edge(edge) = &server.running {
            // Scanners are served before the model is open; it takes the processor for a while.
            let opened = wait_for(
                "the model to be open",
                Duration::from_secs(60),
                async || match edge.status().await {
                    Ok(status) if status.model.is_some() => Ok(()),
                    Ok(_) => Err("not yet".to_owned()),
                    Err(error) => Err(error.to_string()),
                },
            );
            opened.await?;
        }
        Ok(server)
    }
}

enum Running {
    Edge(Box<Edge>),
    Orthanc(Orthanc),
    Other(Child),
}

impl Running {
    fn other(program: &str, arguments: &[&str], folder: &Path) -> anyhow::Result<Self> {
        let log = File::create(folder.join("log"))?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{program}, a peer of this benchmark, does not start"))?;
        Ok(Self::Other(child))
    }
}

pub(crate) struct Server {
    running: Running,
    address: String,
    folder: PathBuf,
    /// Until its first answer to a C-ECHO.
    pub(crate) start: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Running::Other(child) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Server {
    fn echo(&self) -> Result<(), barefoot_test_support::scanner::raw::Error> {
        let proposal = Proposal::new("BAREFOOT", "SIM_DR1").with(VERIFICATION, IMPLICIT_LITTLE_ENDIAN);
        let mut association = RawAssociation::open(&self.address, &proposal)?;
        association.echo(0)?;
        association.release()
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn pid(&self) -> anyhow::Result<u32> {
        match &self.running {
            Running::Edge(edge) => edge.pid().context("it runs"),
            Running::Orthanc(orthanc) => Ok(orthanc.pid()),
            Running::Other(child) => Ok(child.id()),
        }
    }

    pub(crate) fn memory_mib(&self, key: &str) -> anyhow::Result<f64> {
        Ok(memory_mib(self.pid()?, key)?)
    }

    pub(crate) fn processor_seconds(&self) -> anyhow::Result<f64> {
        processor_seconds_with_children(self.pid()?)
    }

    /// Once no child of it runs any more.
    pub(crate) async fn settled_processor_seconds(&self) -> anyhow::Result<f64> {
        let pid = self.pid()?;
        wait_for(
            "the server's children to end",
            Duration::from_secs(20),
            async || match running_children(pid) {
                Ok(0) => Ok(()),
                Ok(left) => Err(format!("{left} left")),
                Err(error) => Err(error.to_string()),
            },
        )
        .await?;
        self.processor_seconds()
    }

    /// Stops it and empties what it kept.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        let mut folder = self.folder.clone();
        if let Running::Edge(edge) = &mut self.running {
            edge.stop().await?;
            folder = edge.state().to_owned();
        }
        drop(self);
        empty(&folder)
    }
}

/// Gives the space back and keeps the files until the benchmark's end: ext4 searches past every inode that was freed in
/// the last minutes, so that the next server would pay for the files of this one.
pub(crate) fn empty(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            empty(&entry.path())?;
        } else if kind.is_file() {
            File::options().write(true).truncate(true).open(entry.path())?;
        }
    }
    Ok(())
}
