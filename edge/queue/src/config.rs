use std::time::Duration;

use crate::Error;

/// How much the queue takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Largest payload accepted, in bytes. 1 to [`Config::LARGEST_RECORD`]; default 64 KiB.
    pub max_record_bytes: usize,
    /// Records kept, those set aside included and telemetry not. At least 8; default 1,000,000. An eighth is kept free
    /// for [`crate::Lane::Critical`].
    pub max_records: u64,
    /// The same for the bytes of their payloads. At least 8; default 1 GiB.
    pub max_bytes: u64,
    /// A record that was refused so often is set aside. At least 1; default 3.
    pub refusals: u16,
    /// Records of [`crate::Lane::Telemetry`] kept before the oldest is dropped. At least 1; default 1000.
    pub telemetry_limit: usize,
    /// Telemetry older than this is dropped when somebody asks for what is pending. Default 7 days.
    pub telemetry_max_age: Duration,
}

impl Config {
    /// A commit that holds one such record still fits a segment with what compaction adds.
    pub const LARGEST_RECORD: usize = 1024 * 1024;

    pub(crate) fn check(&self) -> Result<(), Error> {
        let rules = [
            (
                "max_record_bytes",
                (1..=Self::LARGEST_RECORD).contains(&self.max_record_bytes),
                "must be between 1 and 1048576",
            ),
            ("max_records", 8 <= self.max_records, "must be at least 8"),
            ("max_bytes", 8 <= self.max_bytes, "must be at least 8"),
            ("refusals", 1 <= self.refusals, "must be at least 1"),
            ("telemetry_limit", 1 <= self.telemetry_limit, "must be at least 1"),
        ];
        match rules.into_iter().find(|(_, kept, _)| !kept) {
            Some((setting, _, rule)) => Err(Error::Config { setting, rule }),
            None => Ok(()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_record_bytes: 64 * 1024,
            max_records: 1_000_000,
            max_bytes: 1024 * 1024 * 1024,
            refusals: 3,
            telemetry_limit: 1000,
            telemetry_max_age: Duration::from_secs(7 * 24 * 3600),
        }
    }
}
