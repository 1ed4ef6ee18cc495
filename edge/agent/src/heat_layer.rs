//! Where the model looked, beside the pictures of a version: it goes to the hub with the quick look.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable;

/// Its longer side, pixels: a map has few cells, and whoever shows it stretches it over the image.
pub(crate) const SIDE: u32 = 256;

/// A model's heat map by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeatLayer {
    /// The image's name below `instances/`.
    pub(crate) file: String,
    /// From 1.
    pub(crate) frame: u32,
    pub(crate) finding: String,
    /// In the image's proportions, transparent where there is nothing.
    pub(crate) png: Vec<u8>,
}

/// Stands before the picture, in a line of its own: one file, so that the one never belongs to another's other.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    file: String,
    frame: u32,
    finding: String,
}

impl HeatLayer {
    /// # Errors
    /// When the disk fails.
    pub(crate) fn save(&self, directory: &Path) -> io::Result<()> {
        let about = About {
            file: self.file.clone(),
            frame: self.frame,
            finding: self.finding.clone(),
        };
        let mut content = serde_json::to_vec(&about)?;
        content.push(b'\n');
        content.extend(&self.png);
        std::fs::create_dir_all(directory)?;
        durable::replace(&path(directory), &content)
    }

    /// `None` where no model looked, or none of today's daemons kept it.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    pub(crate) fn load(directory: &Path) -> io::Result<Option<Self>> {
        let Some(content) = durable::read(&path(directory))? else {
            return Ok(None);
        };
        let mut parts = content.splitn(2, |byte| *byte == b'\n');
        let (Some(about), Some(png)) = (parts.next(), parts.next()) else {
            return Ok(None);
        };
        let Ok(about) = serde_json::from_slice::<About>(about) else {
            return Ok(None);
        };
        Ok(Some(Self {
            file: about.file,
            frame: about.frame,
            finding: about.finding,
            png: png.to_vec(),
        }))
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
    directory.join("heat_map.layer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_read_as_it_was_kept_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("v1");
        assert_eq!(HeatLayer::load(&folder).unwrap(), None);
        let layer = HeatLayer {
            file: "a.dcm".into(),
            frame: 3,
            finding: "pneumonia".into(),
            png: b"\x89PNG\r\n\x1a\n".to_vec(),
        };
        layer.save(&folder).unwrap();
        assert_eq!(HeatLayer::load(&folder).unwrap(), Some(layer));
        let mut bytes = std::fs::read(path(&folder)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path(&folder), bytes).unwrap();
        assert_eq!(HeatLayer::load(&folder).unwrap(), None);
        remove(&folder).unwrap();
        remove(&folder).unwrap();
    }
}
