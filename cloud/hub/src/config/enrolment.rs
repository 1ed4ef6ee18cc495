use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Error, Source, connect_timeout};

/// How boxes get their certificates: a port of its own, which asks for none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    pub listen: SocketAddr,
    /// `host:port` under which boxes reach it: told with every code.
    pub address: String,
    /// The folder of the authority that issues: `authority.crt` and `authority.key`. One below the region's root, so that the
    /// root's key can stay offline.
    pub authority: PathBuf,
    /// Its key, where that lies elsewhere, as a systemd credential for instance. Default: `authority.key` in the folder.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// `host:port` of the clinics' line, as boxes reach it.
    pub mqtt: String,
    /// The same of the gRPC port. Default: boxes get none.
    #[serde(default)]
    pub services: String,
    /// The same of the port for images. Default: boxes get none.
    #[serde(default)]
    pub images: String,
    /// Hours a code is good for, 1 to 720. Default 72.
    #[serde(default = "code_hours")]
    pub code_hours: u32,
    /// Days a certificate is good for, 1 to 365; boxes renew it when two thirds are over. Default 30.
    #[serde(default = "certificate_days")]
    pub certificate_days: u32,
    /// Days after its end for which a certificate is still renewed, 0 to 3650: how long a line may be down. Default 180.
    #[serde(default = "grace_days")]
    pub grace_days: u32,
    /// Most connections at once; one more cuts the oldest, since nobody here is known. Default 256.
    #[serde(default = "connections")]
    pub max_connections: usize,
    /// Time for the TLS handshake, milliseconds. Default 10000.
    #[serde(default = "connect_timeout")]
    pub connect_timeout_ms: u64,
}

fn code_hours() -> u32 {
    72
}

fn certificate_days() -> u32 {
    30
}

fn grace_days() -> u32 {
    180
}

fn connections() -> usize {
    256
}

impl Enrolment {
    pub(super) fn checked(mut self, base: &Path, source: &Source<'_>) -> Result<Self, Error> {
        const TABLE: &str = "enrolment";
        source.at_least_one(
            TABLE,
            [
                ("max_connections", self.max_connections == 0),
                ("connect_timeout_ms", self.connect_timeout_ms == 0),
            ],
        )?;
        for (key, is_right, problem) in [
            (
                "code_hours",
                (1..=720).contains(&self.code_hours),
                "must lie between 1 and 720",
            ),
            (
                "certificate_days",
                (1..=365).contains(&self.certificate_days),
                "must lie between 1 and 365",
            ),
            (
                "grace_days",
                self.grace_days <= 3650,
                "must lie between 0 and 3650",
            ),
        ] {
            if !is_right {
                return Err(source.error(TABLE, key, problem));
            }
        }
        for (key, address, required) in [
            ("address", &self.address, true),
            ("mqtt", &self.mqtt, true),
            ("services", &self.services, false),
            ("images", &self.images, false),
        ] {
            if (required || !address.is_empty()) && !is_host_and_port(address) {
                return Err(source.error(TABLE, key, "must be host:port, for instance hub.example:8445"));
            }
        }
        self.authority = base.join(self.authority);
        self.key = self.key.map(|key| base.join(key));
        Ok(self)
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0))
}
