use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use barefoot_imaging::report::{FontFile, FontFiles};
use serde::Deserialize;
use time::UtcOffset;

/// In `[page.tls]`.
const MOST_NAMES: usize = 20;

/// The `[page]` section of the site file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port of the page, for example `127.0.0.1:8080`. Required: the page shows names, so the site decides who
    /// can reach it. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// The page within TLS, for tablets and other computers. Default: none.
    #[serde(default)]
    pub tls: Option<PageTls>,
    /// The page's language until a reader chooses another: `zh` (default) or `en`.
    #[serde(default)]
    pub language: Language,
    /// Whether readers sign in with a PIN of their own: `pin` or `off`. Default: `pin` where other machines can reach the
    /// page, `off` where only this one can.
    #[serde(default)]
    pub sign_in: Option<SignIn>,
    /// Minutes without a touch after which a tablet is signed out, 1 to 720. Default 30.
    #[serde(default = "default_idle_minutes")]
    pub idle_minutes: u32,
    /// Minutes the clinic's time is ahead of UTC: for the day of the list and for printed times. Default 480, China's.
    #[serde(default = "default_utc_offset_minutes")]
    pub utc_offset_minutes: i32,
    /// What PDFs are printed with: a character comes from the first font that has it. Default: Debian's fonts-noto-cjk, and
    /// DejaVu behind it. Without any of them reports are printed from the browser only.
    #[serde(default)]
    pub fonts: Vec<FontSetting>,
}

/// A second door to the page, by HTTPS (TLS 1.3). The plain one then is best kept on loopback, where this box's own commands ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageTls {
    /// Address and port, for example `0.0.0.0:8443`. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// PEM, one that the clinic's browsers trust, for the name they reach the box by; with those above it. Default, together
    /// with `key`: the box makes one itself.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Host names and addresses that browsers reach the box by, for a certificate that it makes itself. Default: its host name
    /// and its addresses, which are in it in any case.
    #[serde(default)]
    pub names: Vec<String>,
}

impl PageTls {
    /// Certificate and key that somebody gave the box.
    pub(super) fn given(&self) -> Option<(&Path, &Path)> {
        self.certificate.as_deref().zip(self.key.as_deref())
    }

    fn check(&self) -> Result<(), String> {
        if self.certificate.is_some() != self.key.is_some() {
            return Err("[page.tls] certificate and key belong together: give both, or neither and the box makes them".to_owned());
        }
        if self.certificate.is_some() && !self.names.is_empty() {
            return Err("[page.tls] names is for a certificate that the box makes itself".to_owned());
        }
        if MOST_NAMES < self.names.len() || !self.names.iter().all(|name| is_host(name)) {
            return Err(format!(
                "[page.tls] names must be at most {MOST_NAMES} host names or addresses"
            ));
        }
        Ok(())
    }
}

/// A host name in small letters, or an address.
pub(super) fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(allowed)
    };
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(label))
}

/// A font file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FontSetting {
    /// TrueType or OpenType, or a collection of them. Required.
    pub path: PathBuf,
    /// Which font of a collection, from 0. Default 0.
    #[serde(default)]
    pub face: u32,
    /// For headings. Default `false`.
    #[serde(default)]
    pub bold: bool,
}

fn default_idle_minutes() -> u32 {
    30
}

fn default_utc_offset_minutes() -> i32 {
    480
}

/// Whether readers sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignIn {
    Off,
    Pin,
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=720).contains(&self.idle_minutes) {
            return Err("[page] idle_minutes must be 1 to 720".to_owned());
        }
        if !(-840..=840).contains(&self.utc_offset_minutes) {
            return Err("[page] utc_offset_minutes must be -840 to 840".to_owned());
        }
        if !self.fonts.is_empty() && self.fonts.iter().all(|font| font.bold) {
            return Err("[page] fonts must name a font that is not for headings only (bold)".to_owned());
        }
        self.tls.as_ref().map_or(Ok(()), PageTls::check)
    }

    /// Of printed times.
    pub(crate) fn utc_offset(&self) -> UtcOffset {
        UtcOffset::from_whole_seconds(self.utc_offset_minutes.saturating_mul(60)).unwrap_or(UtcOffset::UTC)
    }

    /// The fonts of PDFs.
    pub(crate) fn font_files(&self) -> FontFiles {
        if self.fonts.is_empty() {
            return FontFiles::default();
        }
        let of = |bold: bool| {
            let chosen = self.fonts.iter().filter(|font| font.bold == bold);
            chosen
                .map(|font| FontFile {
                    path: font.path.clone(),
                    face: font.face,
                })
                .collect()
        };
        FontFiles {
            regular: of(false),
            bold: of(true),
        }
    }

    /// Whether readers sign in at a page that listens there.
    pub(super) fn wants_pin(&self, is_loopback: bool) -> bool {
        match self.sign_in {
            Some(sign_in) => sign_in == SignIn::Pin,
            None => !is_loopback,
        }
    }
}

/// What the page speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    Zh,
    En,
}

impl Language {
    /// As it stands in the site file, in addresses and in the cookie.
    #[must_use]
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// For the `lang` attribute: it also chooses the Chinese forms of shared characters.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}
