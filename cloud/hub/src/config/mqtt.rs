use std::net::SocketAddr;

use serde::Deserialize;

use super::{Error, Source, connect_timeout};

/// How clinics reach the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mqtt {
    Embedded(Embedded),
    Broker { host: String, port: u16 },
}

/// The hub's own MQTT 5 endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    pub listen: SocketAddr,
    /// Most sessions at once. Default 4096.
    pub max_sessions: usize,
    /// Time for the TLS handshake and for CONNECT, milliseconds each. Default 10000.
    pub connect_timeout_ms: u64,
    /// Longest keep-alive granted, seconds. Default 300.
    pub keep_alive_max_s: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    endpoint: EndpointKind,
    listen: Option<SocketAddr>,
    broker: Option<String>,
    #[serde(default = "sessions")]
    max_sessions: usize,
    #[serde(default = "connect_timeout")]
    connect_timeout_ms: u64,
    #[serde(default = "keep_alive")]
    keep_alive_max_s: u16,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EndpointKind {
    Embedded,
    Broker,
}

fn sessions() -> usize {
    4096
}

fn keep_alive() -> u16 {
    300
}

impl Table {
    pub(super) fn checked(self, source: &Source<'_>) -> Result<Mqtt, Error> {
        match self.endpoint {
            EndpointKind::Embedded => self.embedded(source),
            EndpointKind::Broker => self.broker(source),
        }
    }

    fn embedded(self, source: &Source<'_>) -> Result<Mqtt, Error> {
        if self.broker.is_some() {
            return Err(source.error("mqtt", "broker", "is only for endpoint = \"broker\""));
        }
        let Some(listen) = self.listen else {
            return Err(source.error("mqtt", "listen", "is missing; endpoint = \"embedded\" needs it"));
        };
        source.at_least_one(
            "mqtt",
            [
                ("max_sessions", self.max_sessions == 0),
                ("connect_timeout_ms", self.connect_timeout_ms == 0),
                ("keep_alive_max_s", self.keep_alive_max_s == 0),
            ],
        )?;
        Ok(Mqtt::Embedded(Embedded {
            listen,
            max_sessions: self.max_sessions,
            connect_timeout_ms: self.connect_timeout_ms,
            keep_alive_max_s: self.keep_alive_max_s,
        }))
    }

    fn broker(self, source: &Source<'_>) -> Result<Mqtt, Error> {
        if self.listen.is_some() {
            return Err(source.error("mqtt", "listen", "is only for endpoint = \"embedded\""));
        }
        let Some(broker) = self.broker else {
            return Err(source.error("mqtt", "broker", "is missing; endpoint = \"broker\" needs it"));
        };
        let parsed = broker
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)))
            .filter(|(host, port)| !host.is_empty() && *port != 0);
        let Some((host, port)) = parsed else {
            return Err(source.error("mqtt", "broker", "must be host:port"));
        };
        // Brackets belong to an IPv6 address in `host:port`, not to the address.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Mqtt::Broker { host, port })
    }
}
