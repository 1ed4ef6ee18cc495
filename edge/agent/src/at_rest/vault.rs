//! A box's keys, and which of them is for what.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use barefoot_trust::at_rest::{self, BoxKeys, Cipher, Key, KeyId, KeyPlace, Purpose, Scope};

use super::box_key;
use super::key_folder::{self, Kind};
use super::{Config, Error, files};
use crate::study_folder::{StudyKey, hex, sync_directory};

/// Folders whose keys are held at once. When full, all are forgotten and read again when needed.
const HELD: usize = 4096;

/// A box's keys while the process runs.
#[derive(Debug)]
pub struct Vault {
    root: PathBuf,
    cipher: Cipher,
    box_keys: BoxKeys,
    place: KeyPlace,
    held: Mutex<HashMap<Scope, Arc<Mutex<Held>>>>,
    /// Image keys that something holds that is on its way to its place.
    in_use: Mutex<HashMap<KeyId, Weak<Key>>>,
}

/// Keys of one folder, as far as they were needed.
#[derive(Debug, Default)]
struct Held {
    keys: HashMap<KeyId, Arc<Key>>,
    record: Option<Arc<Key>>,
    images: Option<Arc<Key>>,
}

/// A study's key for images. It outlives their removal for as long as somebody holds it.
pub(crate) type ImagesKey = Arc<Key>;

impl Vault {
    pub(super) fn open(root: &Path, config: &Config) -> Result<Self, Error> {
        let place = box_key::place(root, config);
        let path = || place.path().display().to_string();
        let there = key_folder::list(&root.join("keys")).map_err(Error::disk(root))?;
        let box_keys = match box_key::read(&place)? {
            Some(keys) => keys,
            None if !there.is_empty() => return Err(Error::Missing { path: path() }),
            None => {
                let keys = BoxKeys::random()?;
                box_key::write(place.path(), &keys)?;
                keys
            }
        };
        let vault = Self {
            root: root.to_owned(),
            cipher: config.cipher,
            box_keys,
            place,
            held: Mutex::default(),
            in_use: Mutex::default(),
        };
        if !there.is_empty()
            && !there
                .iter()
                .any(|(id, kind)| vault.load(*id, *kind, Scope::default()).is_ok())
        {
            return Err(Error::Another {
                path: vault.place.path().display().to_string(),
            });
        }
        // From here on another box's key is noticed.
        vault.record_key(Scope::default()).map_err(Error::disk(root))?;
        Ok(vault)
    }

    /// How new things are sealed.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// Which kind of place the box's key comes from, for people.
    #[must_use]
    pub fn key_place(&self) -> &'static str {
        self.place.word()
    }

    /// Whether whoever takes the disk takes the box's key with it.
    #[must_use]
    pub fn is_key_beside(&self) -> bool {
        matches!(self.place, KeyPlace::Beside(_))
    }

    pub(super) fn box_keys(&self) -> &BoxKeys {
        &self.box_keys
    }

    pub(super) fn place(&self) -> &KeyPlace {
        &self.place
    }

    /// Whose keys are for a path below the state directory.
    pub(super) fn scope_of(&self, path: &Path) -> Scope {
        let Ok(inside) = path.strip_prefix(&self.root) else {
            return Scope::default();
        };
        let mut parts = inside.iter().filter_map(|part| part.to_str());
        let study = (parts.next() == Some("studies")).then(|| parts.next().and_then(StudyKey::parse));
        study.flatten().map_or(Scope::default(), |study| scope(&study))
    }

    /// What a line or message must stand in to open: its scope, and outside of studies the folder or file.
    pub(super) fn context(&self, path: &Path, scope: Scope) -> Vec<u8> {
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        let first = inside.iter().next().unwrap_or_default();
        let mut context = scope.0.to_vec();
        if scope == Scope::default() {
            // A log that is written anew has its name later.
            let name = Path::new(first).file_stem().unwrap_or_default();
            context.extend_from_slice(name.as_encoded_bytes());
        }
        context
    }

    pub(super) fn key_folder(&self, scope: Scope) -> PathBuf {
        if scope == Scope::default() {
            return self.root.join("keys");
        }
        let study = hex(scope.0.iter());
        self.root.join("studies").join(study).join("keys")
    }

    fn held(&self, scope: Scope) -> Arc<Mutex<Held>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if HELD <= held.len() {
            held.clear();
        }
        Arc::clone(held.entry(scope).or_default())
    }

    fn load(&self, id: KeyId, kind: Kind, scope: Scope) -> io::Result<Key> {
        key_folder::load(&self.key_folder(scope), id, kind, &self.box_keys, scope)
    }

    /// The key for what is written down of a scope; made, durably, where there is none.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn record_key(&self, scope: Scope) -> io::Result<Arc<Key>> {
        let held = self.held(scope);
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &held.record {
            return Ok(Arc::clone(key));
        }
        let key = match self.current(scope, Kind::Record)? {
            Some(key) => key,
            None => self.make(scope, Kind::Record, true)?,
        };
        held.keys.insert(key.id(), Arc::clone(&key));
        held.record = Some(Arc::clone(&key));
        Ok(key)
    }

    /// The key for a study's images. Where it is made, a sync of the file system must follow before anything is
    /// acknowledged that was sealed with it.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn images_key(&self, study: &StudyKey) -> io::Result<ImagesKey> {
        let scope = scope(study);
        let held = self.held(scope);
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let key = match held.images.clone() {
            Some(key) => key,
            None => match self.current(scope, Kind::Images)? {
                Some(key) => key,
                None => self.make(scope, Kind::Images, false)?,
            },
        };
        held.keys.insert(key.id(), Arc::clone(&key));
        held.images = Some(Arc::clone(&key));
        // Apart from the one that is held: only what is on its way counts.
        let given = Arc::new(Key::clone(&key));
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if HELD <= in_use.len() {
            in_use.retain(|_, key| 0 < key.strong_count());
        }
        let known = in_use.get(&key.id()).and_then(Weak::upgrade);
        let given = known.unwrap_or(given);
        in_use.insert(key.id(), Arc::downgrade(&given));
        Ok(given)
    }

    /// A key that opens and can seal. One that a power cut tore seals nothing that counts, and is passed over.
    fn current(&self, scope: Scope, kind: Kind) -> io::Result<Option<Arc<Key>>> {
        let there = key_folder::list(&self.key_folder(scope))?;
        let mut fitting = there.into_iter().filter(|(_, found)| *found == kind);
        Ok(fitting
            .find_map(|(id, kind)| self.load(id, kind, scope).ok())
            .map(Arc::new))
    }

    fn make(&self, scope: Scope, kind: Kind, synced: bool) -> io::Result<Arc<Key>> {
        let key = Key::random()?;
        let with = (self.cipher, &self.box_keys, scope);
        key_folder::save(&self.key_folder(scope), &key, kind, with, synced)?;
        Ok(Arc::new(key))
    }

    /// The key of this name.
    ///
    /// # Errors
    /// When it is not here any more, or never was.
    pub(super) fn find(&self, scope: Scope, id: KeyId) -> io::Result<Arc<Key>> {
        let held = self.held(scope);
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = held.keys.get(&id) {
            return Ok(Arc::clone(key));
        }
        for kind in [Kind::Record, Kind::Images, Kind::Retired] {
            match self.load(id, kind, scope) {
                Ok(key) => {
                    let key = Arc::new(key);
                    held.keys.insert(id, Arc::clone(&key));
                    return Ok(key);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(at_rest::Error::UnknownKey(id).into())
    }

    /// From now on images of the study get another key: those that are here are to go.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn retire_images(&self, study: &StudyKey) -> io::Result<()> {
        let scope = scope(study);
        let folder = self.key_folder(scope);
        let held = self.held(scope);
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        held.images = None;
        let there = key_folder::list(&folder)?;
        let mut any = false;
        for (id, _) in there.into_iter().filter(|(_, kind)| *kind == Kind::Images) {
            any = true;
            fs::rename(
                key_folder::file(&folder, id, Kind::Images),
                key_folder::file(&folder, id, Kind::Retired),
            )?;
        }
        if any { sync_directory(&folder) } else { Ok(()) }
    }

    /// Destroys the keys of images that are gone: what is left of them on the disk is noise. A key that an image still
    /// needs, because it came at the same moment, stays.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn erase_retired(&self, study: &StudyKey, images: &Path) -> io::Result<()> {
        let scope = scope(study);
        let folder = self.key_folder(scope);
        let mut retired = key_folder::list(&folder)?;
        retired.retain(|(_, kind)| *kind == Kind::Retired);
        if retired.is_empty() {
            return Ok(());
        }
        let needed = keys_of(images)?;
        for (id, kind) in retired {
            let in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
            let is_held = in_use.get(&id).is_some_and(|key| 0 < key.strong_count());
            drop(in_use);
            if is_held || needed.contains(&id) {
                continue;
            }
            let held = self.held(scope);
            held.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .keys
                .remove(&id);
            key_folder::destroy(&folder, id, kind)?;
        }
        Ok(())
    }
}

/// A study's scope is the number that its folder is named by.
pub(super) fn scope(study: &StudyKey) -> Scope {
    let mut bytes = [0; 16];
    let pairs = study.as_str().as_bytes().chunks(2);
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digits = std::str::from_utf8(pair).ok();
        *byte = digits
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .unwrap_or_default();
    }
    Scope(bytes)
}

/// Which keys the images in a folder need.
fn keys_of(folder: &Path) -> io::Result<Vec<KeyId>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut needed = Vec::new();
    for entry in entries {
        let header = files::header(&entry?.path())?;
        needed.extend(
            header
                .filter(|it| it.purpose() == Purpose::Image)
                .map(|it| it.key()),
        );
    }
    Ok(needed)
}
