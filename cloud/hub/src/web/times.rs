use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

pub(crate) fn local_time(ms: i64, offset: UtcOffset) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    moment(ms)
        .and_then(|at| at.checked_to_offset(offset))
        .and_then(|at| at.format(format).ok())
        .unwrap_or_default()
}

pub(crate) fn iso_time(ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    moment(ms)
        .and_then(|at| at.format(format).ok())
        .unwrap_or_default()
}

/// `None` for a time no calendar has.
fn moment(ms: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_and_a_time_no_calendar_has_is_left_out() {
        let china = UtcOffset::from_hms(8, 0, 0).unwrap();
        assert_eq!(local_time(1_763_740_800_000, china), "2025-11-22 00:00:00");
        assert_eq!(iso_time(1_763_740_800_000), "2025-11-21T16:00:00Z");
        assert_eq!(local_time(i64::MAX, china), "");
    }
}
