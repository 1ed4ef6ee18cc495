use std::net::SocketAddr;

use serde::Deserialize;

use super::{Error, Source, connect_timeout};

/// The gRPC port: rounds, releases, maintenance, corrections.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grpc {
    pub listen: SocketAddr,
    /// Most connections at once, after their handshakes. Default 4096.
    #[serde(default = "connections")]
    pub max_connections: usize,
    /// Time for the TLS handshake, milliseconds. Default 10000.
    #[serde(default = "connect_timeout")]
    pub connect_timeout_ms: u64,
}

fn connections() -> usize {
    4096
}

impl Grpc {
    pub(super) fn checked(self, source: &Source<'_>) -> Result<Self, Error> {
        source.at_least_one(
            "grpc",
            [
                ("max_connections", self.max_connections == 0),
                ("connect_timeout_ms", self.connect_timeout_ms == 0),
            ],
        )?;
        Ok(self)
    }
}
