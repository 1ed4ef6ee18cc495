use crate::Error;

/// How much the queue takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Records of [`crate::Lane::Telemetry`] kept before the oldest is dropped. At least 1; default 1000.
    pub telemetry_limit: usize,
    /// Largest payload accepted, in bytes. 1 to [`Config::LARGEST_RECORD`]; default 64 KiB.
    pub max_record_bytes: usize,
}

impl Config {
    /// One record is one commit at least, and larger commits were not seen to survive a power cut.
    pub const LARGEST_RECORD: usize = 128 * 1024;

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.telemetry_limit == 0 {
            return Err(Error::Config {
                setting: "telemetry_limit",
                rule: "must be at least 1",
            });
        }
        if !(1..=Self::LARGEST_RECORD).contains(&self.max_record_bytes) {
            return Err(Error::Config {
                setting: "max_record_bytes",
                rule: "must be between 1 and 131072",
            });
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            telemetry_limit: 1000,
            max_record_bytes: 64 * 1024,
        }
    }
}
