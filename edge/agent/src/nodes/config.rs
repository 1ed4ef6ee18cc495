use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use barefoot_trust::dicom::{Fingerprint, OwnCertificate, Trusted};
use serde::Deserialize;

use crate::upper_layer::is_ae_title;

/// A node that images and results go to: the clinic's archive, a workstation. Also where C-MOVE may send to, and where
/// answers on storage commitment go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Our name for it: 1 to 32 of a-z, 0-9, `-`. Required. A node with another name is another node, which has got
    /// nothing yet.
    pub name: String,
    /// Its AE title. Required.
    pub ae_title: String,
    /// Name or address. Required.
    pub host: String,
    /// TCP port. Required.
    pub port: u16,
    /// Without it: no TLS.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// What it gets without being asked: `originals` (what scanners sent), `results` (what the box made of it). Default
    /// nothing: it can then only be sent to on request.
    #[serde(default)]
    pub what: Vec<What>,
    /// Originals of these modalities only, for instance `["DX", "CR"]`. Default all.
    #[serde(default)]
    pub modalities: Vec<String>,
    /// Associations at the same time, 1 to 8. Default 1.
    #[serde(default = "default_max_associations")]
    pub max_associations: usize,
    /// Seconds the node may take for an answer. Default 60.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u64,
    /// The longest pause between two attempts, seconds. Default 600.
    #[serde(default = "default_max_backoff_s")]
    pub max_backoff_s: u64,
}

/// What a node gets by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Originals,
    Results,
}

/// How a node is known, and how the box shows itself to it (PS3.15 annex B.12).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM: the authority that issued the node's certificate, which must then name `host`.
    #[serde(default)]
    pub authority: Option<PathBuf>,
    /// SHA-256 of the node's own certificate, hexadecimal; it needs no authority then. One of the two is required.
    #[serde(default)]
    pub certificate_sha256: Option<Fingerprint>,
    /// PEM: our certificate, where the node asks for one. Default none.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// PEM: its key. Required with `certificate`.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

fn default_max_associations() -> usize {
    1
}

fn default_timeout_s() -> u64 {
    60
}

fn default_max_backoff_s() -> u64 {
    600
}

/// What the types cannot say, of all nodes together.
///
/// # Errors
/// A sentence naming the key and what to do.
pub(crate) fn check(nodes: &[Node]) -> Result<(), String> {
    let mut names = HashSet::new();
    let mut titles = HashSet::new();
    for node in nodes {
        let name = &node.name;
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=32).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(format!(
                "[[deliver]] name \"{name}\" must be 1 to 32 of a-z, 0-9, '-'"
            ));
        }
        if !names.insert(name) || !titles.insert(&node.ae_title) {
            return Err(format!(
                "[[deliver]] \"{name}\": every node needs a name and an AE title of its own"
            ));
        }
        node.check()
            .map_err(|message| format!("[[deliver]] \"{name}\": {message}"))?;
    }
    Ok(())
}

impl Node {
    fn check(&self) -> Result<(), String> {
        if !is_ae_title(&self.ae_title) || self.ae_title.trim() != self.ae_title {
            return Err(format!(
                "\"{}\" is no AE title: use 1 to 16 printable characters without backslash or outer spaces",
                self.ae_title
            ));
        }
        if self.host.is_empty() || self.port == 0 {
            return Err("host and port must be given".to_owned());
        }
        if !(1..=8).contains(&self.max_associations) {
            return Err("max_associations must lie between 1 and 8".to_owned());
        }
        if self.timeout_s == 0 || self.max_backoff_s == 0 {
            return Err("timeout_s and max_backoff_s must not be 0".to_owned());
        }
        match &self.tls {
            Some(tls) if tls.authority.is_none() && tls.certificate_sha256.is_none() => {
                Err("tls needs authority or certificate_sha256, else nobody would be trusted".to_owned())
            }
            Some(tls) if tls.certificate.is_some() != tls.key.is_some() => {
                Err("tls needs certificate and key together".to_owned())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn gets(&self, what: What) -> bool {
        self.what.contains(&what)
    }

    pub(crate) fn takes_modality(&self, modality: Option<&str>) -> bool {
        self.modalities.is_empty()
            || modality.is_some_and(|it| {
                self.modalities
                    .iter()
                    .any(|wanted| wanted.eq_ignore_ascii_case(it))
            })
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

impl Tls {
    pub(super) fn trusted(&self) -> Trusted {
        Trusted {
            authority: self.authority.clone(),
            pinned: self.certificate_sha256.into_iter().collect(),
        }
    }

    pub(super) fn own(&self) -> Option<OwnCertificate> {
        let (certificate, key) = self.certificate.clone().zip(self.key.clone())?;
        Some(OwnCertificate { certificate, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"pacs\"\nae_title = \"PACS\"\nhost = \"10.0.0.5\"\nport = 104\n";

    fn checked(text: &str) -> Result<(), String> {
        let node: Node = toml::from_str(text).map_err(|error| error.to_string())?;
        check(&[node])
    }

    #[test]
    fn what_cannot_work_is_named() {
        assert_eq!(checked(GOOD), Ok(()));
        let pin = format!("{GOOD}[tls]\ncertificate_sha256 = \"{}\"\n", "ab".repeat(32));
        assert_eq!(checked(&pin), Ok(()));
        for (more, expected) in [
            ("max_associations = 9", "max_associations"),
            ("timeout_s = 0", "timeout_s"),
            ("what = [\"everything\"]", "originals"),
            ("colour = 1", "colour"),
            ("[tls]", "authority"),
            ("[tls]\nauthority = \"a\"\nkey = \"k\"", "together"),
            ("[tls]\ncertificate_sha256 = \"abc\"", "64 hexadecimal digits"),
        ] {
            let error = checked(&format!("{GOOD}{more}\n")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let bad = checked(&GOOD.replace("\"pacs\"", "\"../pacs\"")).unwrap_err();
        assert!(bad.contains("a-z"), "{bad}");
        let node: Node = toml::from_str(GOOD).unwrap();
        assert!(check(&[node.clone(), node]).unwrap_err().contains("of its own"));
    }
}
