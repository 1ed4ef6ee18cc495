use serde::Deserialize;

use super::{Error, Source};

/// DICOMweb and the worklist service, on the pages' port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dicomweb {
    /// What addresses in answers begin with. Default: `http://` and the host that the client called.
    pub public_url: Option<String>,
    /// Sites whose pages may call from a browser, for instance an OHIF viewer's. Default: none.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
}

impl Dicomweb {
    pub(super) fn checked(self, with_images: bool, source: &Source<'_>) -> Result<Self, Error> {
        if !with_images {
            return Err(source.error(
                "dicomweb",
                "dicomweb",
                "needs the [images] table: without it there are no images",
            ));
        }
        let public_url = self.public_url.as_deref();
        if public_url.is_some_and(|url| !is_site(url.trim_end_matches('/'))) {
            let problem = "must be a scheme and a host, for instance https://hub.region.example";
            return Err(source.error("dicomweb", "public_url", problem));
        }
        if !self.allowed_origins.iter().all(|origin| is_site(origin)) {
            let problem = "must be a list of schemes and hosts, for instance \"https://viewer.example\"; there is no wildcard";
            return Err(source.error("dicomweb", "allowed_origins", problem));
        }
        Ok(self)
    }
}

/// A scheme and a host, and a port.
fn is_site(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty() && !host.contains(['/', '*', '?', '#', '@', '"', ' ']) && host.is_ascii()
    })
}
