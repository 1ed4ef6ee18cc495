use std::path::PathBuf;

use serde::Deserialize;

use super::{Error, Source};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) directory: PathBuf,
    #[serde(default = "dedupe_days")]
    pub(super) dedupe_days: u32,
}

fn dedupe_days() -> u32 {
    90
}

impl Table {
    pub(super) fn checked(self, source: &Source<'_>) -> Result<Self, Error> {
        source.at_least_one("storage", [("dedupe_days", self.dedupe_days == 0)])?;
        Ok(self)
    }
}
