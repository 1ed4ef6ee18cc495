use std::time::Duration;

use barefoot_imaging::deidentify;
use serde::Deserialize;

/// The `[images]` section of the site file: how images leave for the hub, and when. Without it none does; which do,
/// and what is removed, is the policy's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `host:port` of the hub's port for images. Default: as the hub told when the box was enrolled.
    #[serde(default)]
    pub hub: Option<String>,
    /// Where scanners write text into their pictures. Default none: such a picture without ultrasound regions stays.
    #[serde(default, rename = "banner")]
    pub banners: Vec<Banner>,
    /// The small pictures of a case together, KiB. Default 256.
    #[serde(default = "default_quick_look_kib")]
    pub quick_look_kib: u32,
    /// The most images take of the line, kbit/s. Default none.
    #[serde(default)]
    pub max_kbit_s: Option<u32>,
    /// When images are sent, and how fast then; the first that holds counts. Default: always.
    #[serde(default, rename = "window")]
    pub windows: Vec<Window>,
    /// Minutes the clinic's time is ahead of UTC, -720 to 840. Default 480 (China).
    #[serde(default = "default_utc_offset_minutes")]
    pub utc_offset_minutes: i16,
    /// The most that images send a day of the clinic's, MiB. Default none.
    #[serde(default)]
    pub daily_mib: Option<u32>,
    /// Seconds between attempts after a failure, at most; grows from 1 and is spread at random. Default 300.
    #[serde(default = "default_max_backoff_s")]
    pub max_backoff_s: u64,
}

/// In hundredths of the picture's height and width.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Banner {
    /// Modality (0008,0060) of the pictures, as `US`. Required.
    pub modality: String,
    /// What their Manufacturer (0008,0070) begins with, in any case. Default: any.
    #[serde(default)]
    pub manufacturer: String,
    /// Default 0, as the others.
    #[serde(default)]
    pub top: u8,
    #[serde(default)]
    pub bottom: u8,
    #[serde(default)]
    pub left: u8,
    #[serde(default)]
    pub right: u8,
}

/// Hours of the clinic's day, from the first to before the second, over midnight where the first is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// 0 to 23. Required.
    pub from: u8,
    /// 1 to 24, not `from`. Required.
    pub to: u8,
    /// As `max_kbit_s` outside; counts instead of it. Default that.
    #[serde(default)]
    pub max_kbit_s: Option<u32>,
}

fn default_quick_look_kib() -> u32 {
    256
}

fn default_utc_offset_minutes() -> i16 {
    480
}

fn default_max_backoff_s() -> u64 {
    300
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        let rates = self.windows.iter().map(|window| window.max_kbit_s);
        let rules = [
            (
                self.hub.is_none() || self.host_and_port().is_some(),
                "hub must be host:port, for instance hub.example:8444",
            ),
            (
                (32..=4096).contains(&self.quick_look_kib),
                "quick_look_kib must lie between 32 and 4096",
            ),
            (
                rates.chain([self.max_kbit_s]).flatten().all(|rate| 8 <= rate),
                "max_kbit_s must be at least 8",
            ),
            (
                self.windows.iter().all(|window| {
                    window.from < 24 && (1..=24).contains(&window.to) && window.from != window.to
                }),
                "window: from is an hour from 0 to 23, to another one up to 24",
            ),
            (
                (-720..=840).contains(&self.utc_offset_minutes),
                "utc_offset_minutes must lie between -720 and 840",
            ),
            (self.daily_mib != Some(0), "daily_mib must not be 0"),
            (self.max_backoff_s != 0, "max_backoff_s must not be 0"),
            (
                self.banners.iter().all(Banner::is_possible),
                "banner: modality is required, top and bottom leave something between them, left and right too",
            ),
        ];
        match rules.iter().find(|(kept, _)| !kept) {
            None => Ok(()),
            Some((_, rule)) => Err(format!("[images] {rule}")),
        }
    }

    pub(super) fn host_and_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.hub.as_deref()?.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty()).then_some((host, port))
    }

    /// As de-identification asks for them.
    pub(crate) fn banners(&self) -> Vec<deidentify::Banner> {
        self.banners.iter().map(Banner::for_pictures).collect()
    }

    pub(super) fn max_backoff(&self) -> Duration {
        Duration::from_secs(self.max_backoff_s)
    }
}

impl Banner {
    fn for_pictures(&self) -> deidentify::Banner {
        deidentify::Banner {
            modality: self.modality.clone(),
            manufacturer: self.manufacturer.clone(),
            top: self.top,
            bottom: self.bottom,
            left: self.left,
            right: self.right,
        }
    }

    fn is_possible(&self) -> bool {
        let leaves = |one: u8, other: u8| u16::from(one) + u16::from(other) < 100;
        !self.modality.is_empty() && leaves(self.top, self.bottom) && leaves(self.left, self.right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn one_key_is_enough_and_what_cannot_be_is_named() {
        let config = parse("hub = \"hub.example:8444\"").unwrap();
        assert_eq!(config.banners(), []);
        for (more, expected) in [
            ("quick_look_kib = 1", "quick_look_kib"),
            ("max_kbit_s = 0", "max_kbit_s"),
            ("daily_mib = 0", "daily_mib"),
            ("utc_offset_minutes = 900", "utc_offset_minutes"),
            ("typo = 1", "typo"),
            ("[[window]]\nfrom = 8\nto = 8", "window"),
            ("[[banner]]\nmodality = \"US\"\ntop = 60\nbottom = 40", "banner"),
        ] {
            let error = parse(&format!("hub = \"hub.example:8444\"\n{more}")).unwrap_err();
            assert!(error.contains(expected), "{more}: {error}");
        }
        assert!(parse("hub = \"hub.example\"").unwrap_err().contains("host:port"));
    }
}
