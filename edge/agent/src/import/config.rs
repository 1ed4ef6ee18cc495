use std::path::PathBuf;

use serde::Deserialize;

/// Where sticks and discs with images appear.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Below this folder images may be imported from, and from nowhere else. Required.
    pub directory: PathBuf,
    /// Files looked at in one import. Default 100000.
    #[serde(default = "default_max_files")]
    pub max_files: usize,
    /// Folders within each other. Default 16.
    #[serde(default = "default_max_depth")]
    pub max_depth: usize,
}

fn default_max_files() -> usize {
    100_000
}

fn default_max_depth() -> usize {
    16
}

impl Config {
    /// What the types cannot say.
    ///
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if !self.directory.is_absolute() {
            return Err("[import] directory must be an absolute path".to_owned());
        }
        if self.max_files == 0 || self.max_depth == 0 {
            return Err("[import] max_files and max_depth must not be 0".to_owned());
        }
        Ok(())
    }
}
