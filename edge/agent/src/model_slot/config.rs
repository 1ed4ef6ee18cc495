use std::path::PathBuf;

use serde::Deserialize;

/// Where new models come from and whose signatures count. Without this table the box runs the bundle of `[model]` only.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Root metadata of the release repository (`root.json`), as the maintainers handed it out. Required.
    pub root: PathBuf,
    /// A directory that may hold a release repository (`metadata/` and `targets/`), such as a stick's mount point.
    /// Default: none is looked at.
    #[serde(default)]
    pub usb: Option<PathBuf>,
    /// Milliseconds between two looks at `usb`. Default 60000.
    #[serde(default = "default_usb_ms")]
    pub usb_ms: u64,
    /// For releases from a stick: studies beside the active model before a new one answers. Default 20.
    #[serde(default = "default_studies")]
    pub shadow_studies: u32,
    /// For releases from a stick: studies answered before a new model counts as good. Default 20.
    #[serde(default = "default_studies")]
    pub trial_studies: u32,
}

fn default_usb_ms() -> u64 {
    60_000
}

fn default_studies() -> u32 {
    20
}

impl Config {
    /// # Errors
    /// A sentence naming the key and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.usb_ms == 0 {
            return Err("[releases] usb_ms must not be 0".to_owned());
        }
        Ok(())
    }
}
