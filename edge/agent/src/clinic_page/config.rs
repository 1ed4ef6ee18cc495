use std::net::SocketAddr;

use serde::Deserialize;

/// The `[page]` section of the site file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port of the page, for example `127.0.0.1:8080`. Required: the page shows names and asks for no
    /// password, so the site decides who can reach it. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// The page's language until a reader chooses another: `zh` (default) or `en`.
    #[serde(default)]
    pub language: Language,
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
