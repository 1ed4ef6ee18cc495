//! What a model that draws masks drew, beside the pictures of a version: results for archives are made from it.

use std::io;
use std::path::{Path, PathBuf};

use prost::Message;

use crate::durable;

/// The masks on the frame that the heat map is of.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MaskLayers {
    #[prost(message, repeated, tag = "1")]
    pub(crate) masks: Vec<MaskLayer>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MaskLayer {
    #[prost(string, tag = "1")]
    pub(crate) finding: String,
    /// In the image's proportions, white where the finding is.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) png: Vec<u8>,
}

impl MaskLayers {
    /// # Errors
    /// When the disk fails.
    pub(crate) fn save(&self, directory: &Path) -> io::Result<()> {
        std::fs::create_dir_all(directory)?;
        durable::replace(&path(directory), &self.encode_to_vec())
    }

    /// `None` where no model drew one, or what is there is damaged.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    pub(crate) fn load(directory: &Path) -> io::Result<Option<Self>> {
        let bytes = durable::read(&path(directory))?;
        Ok(bytes.and_then(|bytes| Self::decode(bytes.as_slice()).ok()))
    }
}

/// # Errors
/// When it is there and cannot be removed.
pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    match std::fs::remove_file(path(directory)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("masks.layer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_read_as_they_were_kept_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("v1");
        assert_eq!(MaskLayers::load(&folder).unwrap(), None);
        let layers = MaskLayers {
            masks: vec![MaskLayer {
                finding: "effusion".into(),
                png: vec![1, 2, 3],
            }],
        };
        layers.save(&folder).unwrap();
        assert_eq!(MaskLayers::load(&folder).unwrap(), Some(layers));
        let mut bytes = std::fs::read(path(&folder)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path(&folder), bytes).unwrap();
        assert_eq!(MaskLayers::load(&folder).unwrap(), None);
        remove(&folder).unwrap();
        remove(&folder).unwrap();
    }
}
