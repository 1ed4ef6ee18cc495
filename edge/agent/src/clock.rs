//! The one place that asks the operating system what time it is; decisions take time as a value.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds, UTC.
#[must_use]
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}
