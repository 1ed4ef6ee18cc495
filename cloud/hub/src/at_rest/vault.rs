//! The hub's keys, and which of them is for what.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use barefoot_trust::at_rest::{
    self, BoxKeys, Cipher, Key, KeyFileError, KeyId, KeyPlace, Scope, key_file, list_keys, load_key,
    save_key, write_first_key,
};

use super::columns::were_rows_bound;
use super::{Config, Error};
use crate::seldom::Seldom;

const CREDENTIAL: &str = "barefoot-hub-store-key";
pub(super) const ENDING: &str = "key";

/// The hub's keys while the process runs.
#[derive(Debug)]
pub(crate) struct Vault {
    folder: PathBuf,
    cipher: Cipher,
    hub_keys: BoxKeys,
    place: KeyPlace,
    /// Seals what is written.
    current: Arc<Key>,
    /// Those that were needed so far; another program of the hub may have made one since.
    held: Mutex<HashMap<KeyId, Arc<Key>>>,
    /// Nothing of the database opens but what was sealed for its row.
    pub(super) bound: AtomicBool,
    /// Something that was not, since then.
    pub(super) unbound: Seldom,
}

pub(super) fn folder_of(state: &Path) -> PathBuf {
    state.join("keys")
}

pub(crate) fn place(state: &Path, config: &Config) -> KeyPlace {
    let beside = state.join("identity/hub.key");
    KeyPlace::of(config.hub_key.as_deref(), CREDENTIAL, beside)
}

fn read(place: &KeyPlace) -> Result<Option<BoxKeys>, Error> {
    place.read().map_err(|error| match error {
        KeyFileError::Disk(source) => Error::disk(place.path())(source),
        KeyFileError::Form(source) => Error::NoKey {
            path: place.path().display().to_string(),
            source,
        },
    })
}

impl Vault {
    /// On a first start makes the keys.
    ///
    /// # Errors
    /// When the hub's key is missing or another one: nothing was changed then.
    pub(crate) fn open(state: &Path, config: &Config) -> Result<Self, Error> {
        let (folder, place) = (folder_of(state), place(state, config));
        let shown = || place.path().display().to_string();
        let there = list_keys(&folder, &[ENDING]).map_err(Error::disk(&folder))?;
        let hub_keys = match read(&place)? {
            Some(keys) => keys,
            None if !there.is_empty() => return Err(Error::Missing { path: shown() }),
            None => first(&place)?,
        };
        let load = |id: KeyId| load_key(&key_file(&folder, id, ENDING), id, &hub_keys, Scope::default());
        let held: HashMap<KeyId, Arc<Key>> = there
            .iter()
            .filter_map(|(id, _)| Some((*id, Arc::new(load(*id).ok()?))))
            .collect();
        if held.is_empty() && !there.is_empty() {
            return Err(Error::Another { path: shown() });
        }
        let current = match held.values().min_by_key(|key| key.id()) {
            Some(key) => Arc::clone(key),
            None => {
                let key = Key::random()?;
                let with = (config.cipher, &hub_keys, Scope::default());
                save_key(&folder, &key, ENDING, with, true).map_err(Error::disk(&folder))?;
                Arc::new(key)
            }
        };
        let mut held = held;
        held.insert(current.id(), Arc::clone(&current));
        Ok(Self {
            bound: AtomicBool::new(were_rows_bound(&folder)),
            unbound: Seldom::default(),
            folder,
            cipher: config.cipher,
            hub_keys,
            place,
            current,
            held: Mutex::new(held),
        })
    }

    /// For tests of other parts: keys beside what they protect.
    #[cfg(test)]
    pub(crate) fn for_tests(state: &Path) -> Arc<Self> {
        Arc::new(Self::open(state, &Config::default()).unwrap())
    }

    /// Which kind of place the hub's key comes from, for people.
    pub(crate) fn key_place(&self) -> &'static str {
        self.place.word()
    }

    /// Whether whoever takes the disk takes the hub's key with it.
    pub(crate) fn is_key_beside(&self) -> bool {
        matches!(self.place, KeyPlace::Beside(_))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn cipher(&self) -> Cipher {
        self.cipher
    }

    pub(super) fn current(&self) -> &Key {
        &self.current
    }

    pub(super) fn hub_keys(&self) -> &BoxKeys {
        &self.hub_keys
    }

    pub(super) fn place(&self) -> &KeyPlace {
        &self.place
    }

    /// The key of this name.
    ///
    /// # Errors
    /// When it is not here any more, or never was.
    pub(super) fn find(&self, id: KeyId) -> io::Result<Arc<Key>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = held.get(&id) {
            return Ok(Arc::clone(key));
        }
        let path = key_file(&self.folder, id, ENDING);
        match load_key(&path, id, &self.hub_keys, Scope::default()) {
            Ok(key) => {
                let key = Arc::new(key);
                held.insert(id, Arc::clone(&key));
                Ok(key)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(at_rest::Error::UnknownKey(id).into())
            }
            Err(error) => Err(error),
        }
    }
}

/// Made by whichever program of the hub is first.
fn first(place: &KeyPlace) -> Result<BoxKeys, Error> {
    let keys = BoxKeys::random()?;
    if write_first_key(place.path(), &keys).map_err(Error::disk(place.path()))? {
        return Ok(keys);
    }
    let path = place.path().display().to_string();
    read(place)?.ok_or(Error::Missing { path })
}
