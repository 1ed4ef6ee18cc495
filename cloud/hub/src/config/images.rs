use std::net::SocketAddr;

use serde::Deserialize;

use super::{Error, Source, connect_timeout};

/// The port for the images of hard cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    pub listen: SocketAddr,
    /// Most connections at once, after their handshakes. Default 1024.
    #[serde(default = "image_connections")]
    pub max_connections: usize,
    /// Time for the TLS handshake, milliseconds. Default 10000.
    #[serde(default = "connect_timeout")]
    pub connect_timeout_ms: u64,
    /// The largest image, MiB. Default 300.
    #[serde(default = "object_mib")]
    pub max_object_mib: u64,
    /// All images of one version of a case, MiB. Default 4096.
    #[serde(default = "case_mib")]
    pub max_case_mib: u64,
    /// All images of one clinic, MiB. Default 102400.
    #[serde(default = "quota_mib")]
    pub clinic_quota_mib: u64,
    /// Images of one clinic that arrive at once. Default 256.
    #[serde(default = "open_uploads")]
    pub max_open_uploads: usize,
    /// Days after which images that no case names are removed, unfinished ones too; whole ones stay four times as long while
    /// their clinic sends anything. Default 30.
    #[serde(default = "keep_unneeded")]
    pub keep_unneeded_days: u64,
}

fn image_connections() -> usize {
    1024
}

fn object_mib() -> u64 {
    300
}

fn case_mib() -> u64 {
    4096
}

fn quota_mib() -> u64 {
    102_400
}

fn open_uploads() -> usize {
    256
}

fn keep_unneeded() -> u64 {
    30
}

impl Images {
    pub(super) fn checked(self, source: &Source<'_>) -> Result<Self, Error> {
        source.at_least_one(
            "images",
            [
                ("max_connections", self.max_connections == 0),
                ("connect_timeout_ms", self.connect_timeout_ms == 0),
                ("max_object_mib", self.max_object_mib == 0),
                ("max_case_mib", self.max_case_mib == 0),
                ("clinic_quota_mib", self.clinic_quota_mib == 0),
                ("max_open_uploads", self.max_open_uploads == 0),
                ("keep_unneeded_days", self.keep_unneeded_days == 0),
            ],
        )?;
        Ok(self)
    }
}
