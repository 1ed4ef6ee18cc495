use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::process::program;
use super::{Error, Region};

/// `barefootctl` as a person of the region runs it.
#[derive(Debug, Clone)]
pub struct Ctl {
    /// `host:port` of the hub's gRPC port.
    hub: String,
    /// Stem of the person's certificate and key.
    identity: PathBuf,
}

impl Ctl {
    /// The person's certificate must have been made ([`Region::person`]).
    #[must_use]
    pub fn new(region: &Region, person: &str, hub: &str) -> Self {
        Self {
            hub: hub.to_owned(),
            identity: region.pki().join(person),
        }
    }

    /// Runs a command that needs no hub; gives what it printed.
    ///
    /// # Errors
    /// When it is not built or fails; with what it said.
    pub fn offline<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Result<String, Error> {
        finish(Command::new(program("barefootctl")?).args(arguments))
    }

    /// Runs a command at the hub; gives what it printed.
    ///
    /// # Errors
    /// When it is not built or fails; with what it said.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Result<String, Error> {
        finish(
            Command::new(program("barefootctl")?)
                .args(arguments)
                .arg("--hub")
                .arg(&self.hub)
                .arg("--identity")
                .arg(&self.identity),
        )
    }
}

fn finish(command: &mut Command) -> Result<String, Error> {
    let name = "barefootctl".to_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Start {
            name: name.clone(),
            source,
        })?;
    if !output.status.success() {
        return Err(Error::Ended {
            name,
            status: output.status,
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
