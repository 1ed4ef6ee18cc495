//! Opens what the box keeps: the key for pseudonyms, the queue, the list of scanners.

use std::path::Path;

use barefoot_queue::{Opened, Queue};
use barefoot_trust::PseudonymKey;
use zeroize::Zeroizing;

use super::Error;
use crate::at_rest;
use crate::config::Config;
use crate::front_door::UnknownScanners;
use crate::scanners::Scanners;
use crate::study_folder::StateDirectory;

/// Made at the first start; never when there are studies already.
pub(crate) fn pseudonym_key(state: &StateDirectory) -> Result<PseudonymKey, Error> {
    let key = state.root().join("pseudonym.key");
    let in_state = |source| Error::State {
        path: state.root().display().to_string(),
        source,
    };
    if !key.exists()
        && std::fs::read_dir(state.studies())
            .map_err(in_state)?
            .next()
            .is_some()
    {
        return Err(Error::PseudonymsMissing {
            path: key.display().to_string(),
        });
    }
    load_pseudonym_key(&key)
}

/// A key of the time before anything was sealed is sealed now.
pub(crate) fn load_pseudonym_key(path: &Path) -> Result<PseudonymKey, Error> {
    let disk = |source| Error::PseudonymsFile {
        path: path.display().to_string(),
        source,
    };
    if !path.exists() {
        let bytes = PseudonymKey::random_bytes().map_err(|source| Error::Pseudonyms { source })?;
        at_rest::replace(path, &*bytes).map_err(disk)?;
    }
    let bytes = Zeroizing::new(at_rest::read(path).map_err(disk)?);
    let key = PseudonymKey::from_bytes(&bytes, path).map_err(|source| Error::Pseudonyms { source })?;
    if at_rest::is_plain(path).map_err(disk)? {
        at_rest::replace(path, &bytes).map_err(disk)?;
    }
    Ok(key)
}

/// Whoever reads the log knows what a stolen disk gives away.
pub(super) fn say_how_it_is_sealed(vault: &at_rest::Vault) {
    let (cipher, key) = (vault.cipher().word(), vault.key_place());
    tracing::info!(cipher, key, "What is kept here is sealed.");
    if vault.is_key_beside() {
        tracing::warn!(
            "The box's key lies beside what it seals: whoever takes the whole disk can read it. Give it as a systemd credential."
        );
    }
}

pub(crate) fn open_queue(state: &StateDirectory) -> Result<Queue, Error> {
    let opened = Queue::open_or_set_aside(&state.queue(), barefoot_queue::Config::default())
        .map_err(|source| Error::Queue { source })?;
    if let Opened::Fresh { set_aside, .. } = &opened {
        tracing::warn!(
            set_aside = %set_aside.display(),
            "The queue was damaged and set aside; a fresh one is filled from the studies."
        );
    }
    let queue = opened.into_queue();
    let queue = match at_rest::of(state.root()) {
        Some((vault, _)) => queue.covered_by(vault),
        None => queue,
    };
    let damage = queue.damage();
    if !damage.is_none() {
        tracing::error!(
            ?damage,
            "The queue was damaged; what is missing is queued again from the case logs."
        );
    }
    Ok(queue)
}

pub(super) fn open_scanners(config: &Config) -> Result<Scanners, Error> {
    let file = config.storage.directory.join("scanners.json");
    let path = file.display().to_string();
    let known = config
        .dicom
        .scanners
        .iter()
        .map(|scanner| scanner.ae_title.clone());
    let accept_all = config.dicom.unknown_scanners == UnknownScanners::Accept;
    Scanners::open(file, known, accept_all).map_err(|source| Error::Scanners { path, source })
}
