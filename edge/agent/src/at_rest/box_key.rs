//! Where the box's key is kept.

use std::path::Path;

use barefoot_trust::at_rest::{BoxKeys, KeyFileError, KeyPlace, replace_key};

use super::{Config, Error};

const CREDENTIAL: &str = "barefoot-box-key";

pub(super) fn place(state: &Path, config: &Config) -> KeyPlace {
    let beside = state.join("identity/box.key");
    KeyPlace::of(config.box_key.as_deref(), CREDENTIAL, beside)
}

/// `None` where there is none.
pub(super) fn read(place: &KeyPlace) -> Result<Option<BoxKeys>, Error> {
    place.read().map_err(|error| match error {
        KeyFileError::Disk(source) => Error::disk(place.path())(source),
        KeyFileError::Form(source) => Error::NoKey {
            path: place.path().display().to_string(),
            source,
        },
    })
}

/// Replaces the file by one with these generations; after `Ok` it survives a power cut.
pub(super) fn write(path: &Path, keys: &BoxKeys) -> Result<(), Error> {
    replace_key(path, keys).map_err(Error::disk(path))
}
