use std::net::SocketAddr;

use serde::Deserialize;

/// What a Prometheus server reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Default 127.0.0.1:9465.
    #[serde(default = "metrics_listen")]
    pub listen: SocketAddr,
}

fn metrics_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9465))
}
