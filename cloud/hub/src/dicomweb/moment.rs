use time::OffsetDateTime;
use time::macros::format_description;

/// As DICOM writes date and time (PS3.5 section 6.2), in UTC. Empty for a time no calendar has.
pub(crate) fn date_time(ms: i64) -> String {
    let format = format_description!("[year][month][day][hour][minute][second].[subsecond digits:3]+0000");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_say_their_offset() {
        assert_eq!(date_time(1_763_740_800_123), "20251121160000.123+0000");
        assert_eq!(date_time(i64::MAX), "");
    }
}
