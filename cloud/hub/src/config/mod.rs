//! The hub's settings: one TOML file, every key documented in `hub.example.toml`. Each table has a file here.

mod audit;
mod dicomweb;
mod enrolment;
mod grpc;
mod images;
mod metrics;
mod mqtt;
mod oidc;
mod page;
mod people;
mod releases;
mod source;
mod storage;
mod tls;
mod worklist;

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_trust::TlsPaths;
use serde::Deserialize;

use self::source::Source;
use crate::at_rest;
use crate::worklist::rules::{Rules, Worklist};

pub use self::dicomweb::Dicomweb;
pub use self::enrolment::Enrolment;
pub use self::grpc::Grpc;
pub use self::images::Images;
pub use self::metrics::Metrics;
pub use self::mqtt::{Embedded, Mqtt};
pub use self::oidc::Oidc;
pub(crate) use self::oidc::is_safe_address;
pub use self::page::{Language, Page, PageTls};
pub use self::people::People;
pub use self::releases::Releases;

/// A setting that cannot be used. Names file, line and key; a line is unknown only when the file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the configuration {file}")]
    Read { file: String, source: std::io::Error },
    #[error("{file}, line {line}, key `{key}`: {problem}")]
    Setting {
        file: String,
        line: usize,
        key: String,
        problem: String,
    },
}

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory of the database and of what else the hub keeps.
    pub directory: PathBuf,
    /// Days that ids of duplicates are kept; results and their own ids stay. Default 90.
    pub dedupe_days: u32,
    /// How what is kept is sealed.
    pub at_rest: at_rest::Config,
    pub mqtt: Mqtt,
    pub tls: TlsPaths,
    pub page: Page,
    /// Absent: no gRPC port, so neither rounds nor releases.
    pub grpc: Option<Grpc>,
    /// Absent: boxes get their certificates by hand.
    pub enrolment: Option<Enrolment>,
    /// Absent: no release can be published.
    pub releases: Option<Releases>,
    /// Absent: no port for metrics.
    pub metrics: Option<Metrics>,
    /// Absent: no port for images.
    pub images: Option<Images>,
    /// Absent: nobody reads cases at this hub.
    pub worklist: Option<Rules>,
    /// An address that is told of critical cases that were not read in time.
    pub alarm_address: Option<String>,
    /// Absent: nobody signs in, and the page is on loopback only.
    pub people: Option<People>,
    /// Absent: no DICOMweb.
    pub dicomweb: Option<Dicomweb>,
    /// Who else is told of the audit log. Absent: nobody.
    pub audit_repository: Option<barefoot_audit::Config>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    storage: storage::Table,
    #[serde(default)]
    at_rest: at_rest::Config,
    mqtt: mqtt::Table,
    tls: tls::Table,
    page: Page,
    grpc: Option<Grpc>,
    enrolment: Option<Enrolment>,
    releases: Option<Releases>,
    metrics: Option<Metrics>,
    images: Option<Images>,
    worklist: Option<Worklist>,
    people: Option<People>,
    dicomweb: Option<Dicomweb>,
    audit: Option<audit::Table>,
}

/// Time for the TLS handshake, milliseconds, on every port.
fn connect_timeout() -> u64 {
    10_000
}

impl Config {
    /// # Errors
    /// When the file cannot be read or a setting cannot be used.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| Error::Read {
            file: file.clone(),
            source,
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &file, base)
    }

    /// `file` stands in errors, relative paths are taken from `base`.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn parse(text: &str, file: &str, base: &Path) -> Result<Self, Error> {
        let source = Source { text, file };
        let read: File = toml::from_str(text).map_err(|error| source.refused(&error))?;
        let storage = read.storage.checked(&source)?;
        let (with_people, with_images) = (read.people.is_some(), read.images.is_some());
        let worklist = read
            .worklist
            .map(|table| worklist::checked(&table, with_people, &source))
            .transpose()?;
        let (worklist, alarm_address) =
            worklist.map_or((None, None), |(rules, address)| (Some(rules), address));
        Ok(Self {
            directory: base.join(storage.directory),
            dedupe_days: storage.dedupe_days,
            at_rest: at_rest::Config {
                hub_key: read.at_rest.hub_key.map(|path| base.join(path)),
                ..read.at_rest
            },
            metrics: read.metrics,
            mqtt: read.mqtt.checked(&source)?,
            tls: read.tls.below(base),
            page: read.page.checked(read.people.as_ref(), base, &source)?,
            people: read
                .people
                .map(|table| table.checked(base, &source))
                .transpose()?,
            grpc: read.grpc.map(|table| table.checked(&source)).transpose()?,
            enrolment: read
                .enrolment
                .map(|table| table.checked(base, &source))
                .transpose()?,
            releases: read.releases.map(|table| table.below(base)),
            images: read.images.map(|table| table.checked(&source)).transpose()?,
            worklist,
            alarm_address,
            audit_repository: match read.audit {
                Some(table) => table.checked(base, &source)?,
                None => None,
            },
            dicomweb: read
                .dicomweb
                .map(|table| table.checked(with_images, &source))
                .transpose()?,
        })
    }
}

#[cfg(test)]
mod tests;
