//! The page's own certificate, where nobody gave the box one: made on the box, kept sealed, made anew before it ends and when the
//! box is reached by another name. Nobody vouches for it: people compare its fingerprint at the box's own screen.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use barefoot_trust::{
    BrowserIdentity, Fingerprint, PageCertificate, make_page_certificate, read_page_certificate,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::config::{PageTls, is_host};
use crate::durable;
use crate::own_addresses::reached_by;

const FILE: &str = "page.certificate";
/// What browsers take at most.
const VALID: Duration = Duration::days(397);
/// Left when it is made anew.
const ENDING: Duration = Duration::days(30);
const LOOK: std::time::Duration = std::time::Duration::from_secs(3600);
/// In one certificate: those of now, then those of before.
const MOST_NAMES: usize = 40;

/// What lies in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    certificate: String,
    key: Zeroizing<String>,
}

/// A handle; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct OwnCertificate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    listen: IpAddr,
    names: Vec<String>,
    identity: BrowserIdentity,
    fingerprint: RwLock<Fingerprint>,
}

impl OwnCertificate {
    /// The one that is kept in `state`, or a new one.
    ///
    /// # Errors
    /// When it can be neither read nor written, or the system has no randomness.
    pub(super) fn open(state: &Path, tls: &PageTls, now: OffsetDateTime) -> io::Result<Self> {
        let path = state.join(FILE);
        let wanted = wanted(tls.listen.ip(), &tls.names);
        let (kept, said) = match read(&path)? {
            Some((kept, said)) if is_good(&said, &wanted, now) => (kept, said),
            Some((kept, said)) => make(&path, Some((&kept, &said)), &wanted, now)?,
            None => make(&path, None, &wanted, now)?,
        };
        tracing::info!(
            fingerprint = shown(&said.fingerprint),
            "The page shows a certificate of the box's own."
        );
        Ok(Self(Arc::new(Inner {
            path,
            listen: tls.listen.ip(),
            names: tls.names.clone(),
            identity: BrowserIdentity::parse(&kept.certificate, &kept.key).map_err(io::Error::other)?,
            fingerprint: RwLock::new(said.fingerprint),
        })))
    }

    pub(super) fn identity(&self) -> &BrowserIdentity {
        &self.0.identity
    }

    /// As browsers show it: SHA-256, in pairs.
    pub(super) fn fingerprint(&self) -> String {
        shown(&self.0.fingerprint.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes it anew when it is time, until `shutdown`.
    pub(super) async fn keep(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let this = self.clone();
            let looked = tokio::task::spawn_blocking(move || this.look(OffsetDateTime::now_utc())).await;
            if let Ok(Err(error)) = looked {
                tracing::error!(%error, "The page's certificate could not be made anew; the one before is shown on.");
            }
        }
    }

    fn look(&self, now: OffsetDateTime) -> io::Result<()> {
        let inner = &self.0;
        let wanted = wanted(inner.listen, &inner.names);
        let before = read(&inner.path)?;
        if before
            .as_ref()
            .is_some_and(|(_, said)| is_good(said, &wanted, now))
        {
            return Ok(());
        }
        let before = before.as_ref().map(|(kept, said)| (kept, said));
        let (kept, said) = make(&inner.path, before, &wanted, now)?;
        inner
            .identity
            .replace(&kept.certificate, &kept.key)
            .map_err(io::Error::other)?;
        tracing::warn!(
            fingerprint = shown(&said.fingerprint),
            "The page shows a new certificate of the box's own: tablets must be told to take it."
        );
        *inner.fingerprint.write().unwrap_or_else(PoisonError::into_inner) = said.fingerprint;
        Ok(())
    }
}

/// `None` where there is none, or one that was damaged: it protects nothing by itself, a new one does as well.
fn read(path: &Path) -> io::Result<Option<(Kept, PageCertificate)>> {
    let Some(bytes) = durable::read(path)? else {
        return Ok(None);
    };
    let bytes = Zeroizing::new(bytes);
    let Ok(kept) = serde_json::from_slice::<Kept>(&bytes) else {
        return Ok(None);
    };
    let said = read_page_certificate(&kept.certificate).ok();
    let fits = BrowserIdentity::parse(&kept.certificate, &kept.key).is_ok();
    Ok(said.filter(|_| fits).map(|said| (kept, said)))
}

/// Written down before it is shown; by the key of before.
fn make(
    path: &Path,
    before: Option<(&Kept, &PageCertificate)>,
    wanted: &BTreeSet<String>,
    now: OffsetDateTime,
) -> io::Result<(Kept, PageCertificate)> {
    let mut names = wanted.clone();
    for name in before.iter().flat_map(|(_, said)| &said.names) {
        if names.len() < MOST_NAMES {
            names.insert(name.clone());
        }
    }
    let key = before.map(|(kept, _)| kept.key.as_str());
    let made = make_page_certificate(&names, key, now, VALID).map_err(io::Error::other)?;
    let kept = Kept {
        certificate: made.certificate_pem,
        key: Zeroizing::new(made.key_pem),
    };
    let bytes = Zeroizing::new(serde_json::to_vec(&kept).map_err(io::Error::other)?);
    durable::replace(path, &bytes)?;
    let said = read_page_certificate(&kept.certificate).map_err(io::Error::other)?;
    Ok((kept, said))
}

/// Not yet ending, not of a clock that was ahead, and for every name of now.
fn is_good(said: &PageCertificate, wanted: &BTreeSet<String>, now: OffsetDateTime) -> bool {
    said.begins <= now && now < said.ends - ENDING && wanted.is_subset(&said.names)
}

/// By which names and addresses this box is reached.
fn wanted(listen: IpAddr, more: &[String]) -> BTreeSet<String> {
    let host = fs::read_to_string("/etc/hostname").unwrap_or_default();
    names(&host, &reached_by(listen), more)
}

fn names(host: &str, own: &[IpAddr], more: &[String]) -> BTreeSet<String> {
    let host = host.trim().to_ascii_lowercase();
    let mut names: BTreeSet<String> = more.iter().cloned().collect();
    names.insert("localhost".to_owned());
    if is_host(&host) {
        if !host.contains('.') {
            names.insert(format!("{host}.local"));
        }
        names.insert(host);
    }
    let loopback = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    for address in loopback.iter().chain(own) {
        if names.len() < MOST_NAMES {
            names.insert(address.to_string());
        }
    }
    names
}

fn shown(fingerprint: &Fingerprint) -> String {
    let pairs: Vec<String> = fingerprint.0.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn tls(names: &[&str]) -> PageTls {
        PageTls {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            certificate: None,
            key: None,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_box_is_reached_by_its_host_name_and_addresses() {
        let own = ["192.168.1.7", "fd00::2"].map(|text| text.parse::<IpAddr>().unwrap());
        let of =
            |texts: &[&str]| -> BTreeSet<String> { texts.iter().map(|text| (*text).to_owned()).collect() };
        assert_eq!(
            names("Box-7\n", &own, &["box.clinic.example".to_owned()]),
            of(&[
                "box-7",
                "box-7.local",
                "box.clinic.example",
                "localhost",
                "127.0.0.1",
                "::1",
                "192.168.1.7",
                "fd00::2"
            ])
        );
        assert_eq!(
            names("no host!", &[], &[]),
            of(&["localhost", "127.0.0.1", "::1"])
        );
        let many: Vec<IpAddr> = (0..200).map(|last| IpAddr::from([10, 0, 0, last])).collect();
        assert!(names("box", &many, &[]).len() <= MOST_NAMES);
    }

    #[test]
    fn it_is_kept_and_made_anew_by_the_same_key_when_it_is_time() {
        let dir = tempfile::tempdir().unwrap();
        let (now, day) = (OffsetDateTime::now_utc(), Duration::days(1));
        let open = |names: &[&str], at| OwnCertificate::open(dir.path(), &tls(names), at).unwrap();
        let key = || read(&dir.path().join(FILE)).unwrap().unwrap().0.key;
        let first = open(&[], now);
        assert_eq!(first.fingerprint().len(), 95);
        let of_key = key();
        assert_eq!(open(&[], now).fingerprint(), first.fingerprint(), "it was kept");
        let named = open(&["box.clinic.example"], now);
        assert_ne!(
            named.fingerprint(),
            first.fingerprint(),
            "a name that it was not for"
        );
        assert_eq!(
            open(&[], now + day * 366).fingerprint(),
            named.fingerprint(),
            "names of before stay"
        );
        named.look(now + day * 366).unwrap();
        let shown = named.fingerprint();
        named.look(now + day * 368).unwrap();
        assert_ne!(named.fingerprint(), shown, "it would end soon");
        assert_eq!(key(), of_key);
        // The clock was ahead when it was made.
        let renewed = named.fingerprint();
        assert_ne!(open(&[], now).fingerprint(), renewed);
        fs::write(dir.path().join(FILE), "damaged").unwrap();
        open(&[], now);
        assert_ne!(key(), of_key, "a damaged one is replaced by a new one");
    }
}
