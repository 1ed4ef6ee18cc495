use serde::Deserialize;

/// The `[services]` section of the site file. Without it the box takes part in no rounds and gets no releases from the
/// hub; who we are is as for `[link]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `host:port` of the hub's gRPC port. Default: as the hub told when the box was enrolled.
    #[serde(default)]
    pub hub: Option<String>,
    /// Milliseconds between two questions whether there is something to do; spread at random by a fifth. Default 60000.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
}

fn default_poll_ms() -> u64 {
    60_000
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.hub.is_some() && self.host_and_port().is_none() {
            return Err("[services] hub must be host:port, for instance hub.example:8443".to_owned());
        }
        if self.poll_ms == 0 {
            return Err("[services] poll_ms must not be 0".to_owned());
        }
        Ok(())
    }

    pub(super) fn host_and_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.hub.as_deref()?.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty()).then_some((host, port))
    }
}
