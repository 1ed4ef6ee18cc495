use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Error, People, Source};

/// The pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    pub listen: SocketAddr,
    /// Until the reader chooses.
    pub language: Language,
    /// Minutes the page's times are ahead of UTC, within a day. Default 480 (China).
    #[serde(default = "china")]
    pub utc_offset_minutes: i32,
    /// A proxy of ours stands before the page, speaks HTTPS to browsers and says who calls. Default false.
    #[serde(default)]
    pub behind_proxy: bool,
    /// Absent: the page speaks plain HTTP.
    pub tls: Option<PageTls>,
}

/// The page's own HTTPS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageTls {
    /// PEM, one that browsers trust.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    Zh,
    En,
}

fn china() -> i32 {
    480
}

impl Page {
    /// What everybody on a network can open needs a sign-in, and a sign-in needs HTTPS.
    pub(super) fn checked(
        mut self,
        people: Option<&People>,
        base: &Path,
        source: &Source<'_>,
    ) -> Result<Self, Error> {
        if 24 * 60 <= self.utc_offset_minutes.abs() {
            let problem = "must be within a day, -1439 to 1439";
            return Err(source.error("page", "utc_offset_minutes", problem));
        }
        let loopback = self.listen.ip().is_loopback();
        if people.is_none() && !loopback {
            let problem = "without a [people] table the page has no sign-in: listen on loopback (127.0.0.1 or [::1]), \
                           or add the table";
            return Err(source.error("page", "listen", problem));
        }
        if self.tls.is_some() && self.behind_proxy {
            return Err(source.error("page", "behind_proxy", "is only for a page without [page.tls]"));
        }
        if !loopback && self.tls.is_none() && !self.behind_proxy {
            let problem = "plain HTTP is for loopback only, passwords go over it: add [page.tls], or set behind_proxy = \
                           true where a proxy with HTTPS stands before the hub";
            return Err(source.error("page", "listen", problem));
        }
        self.tls = self.tls.map(|tls| PageTls {
            certificate: base.join(tls.certificate),
            key: base.join(tls.key),
        });
        Ok(self)
    }
}
