use std::path::Path;

use serde::Deserialize;

use super::{Error, Oidc, Source};

/// People who sign in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// A session ends after this many minutes without a request by its person. Default 30.
    #[serde(default = "idle_minutes")]
    pub idle_minutes: u32,
    /// And after this many hours in any case. Default 12.
    #[serde(default = "absolute_hours")]
    pub absolute_hours: u32,
    /// Seconds in which a code, once given, is enough for further signatures of reports; 0: a code for each. Default 600.
    #[serde(default = "signing_window")]
    pub signing_window_s: u32,
    /// Hours a one-time code is good for. Default 72.
    #[serde(default = "set_up_hours")]
    pub set_up_hours: u32,
    /// What authenticator apps show beside a person's name. Default Barefoot.
    #[serde(default = "issuer")]
    pub issuer: String,
    /// How people's browsers reach the hub; links begin with it. Absent: they begin with the path.
    pub address: Option<String>,
    /// Absent: people sign in with their password here.
    pub oidc: Option<Oidc>,
}

impl Default for People {
    fn default() -> Self {
        Self {
            idle_minutes: idle_minutes(),
            absolute_hours: absolute_hours(),
            signing_window_s: signing_window(),
            set_up_hours: set_up_hours(),
            issuer: issuer(),
            address: None,
            oidc: None,
        }
    }
}

fn idle_minutes() -> u32 {
    30
}

fn absolute_hours() -> u32 {
    12
}

fn signing_window() -> u32 {
    600
}

fn set_up_hours() -> u32 {
    72
}

fn issuer() -> String {
    "Barefoot".to_owned()
}

impl People {
    pub(super) fn checked(mut self, base: &Path, source: &Source<'_>) -> Result<Self, Error> {
        source.at_least_one(
            "people",
            [
                ("idle_minutes", self.idle_minutes == 0),
                ("absolute_hours", self.absolute_hours == 0),
                ("set_up_hours", self.set_up_hours == 0),
            ],
        )?;
        if self.issuer.trim().is_empty() || self.issuer.contains(':') {
            return Err(source.error("people", "issuer", "must be a name without a colon"));
        }
        let wrong = |address: &String| !address.starts_with("https://") && !address.starts_with("http://");
        if self.address.as_ref().is_some_and(wrong) {
            return Err(source.error(
                "people",
                "address",
                "must begin with https:// (or http:// on loopback)",
            ));
        }
        let oidc = self.oidc.take();
        self.oidc = oidc
            .map(|oidc| oidc.checked(self.address.as_deref(), base, source))
            .transpose()?;
        Ok(self)
    }
}
