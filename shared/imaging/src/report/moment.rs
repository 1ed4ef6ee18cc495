//! Times as the documents write them.

use time::{Date, Month, OffsetDateTime, UtcOffset};

/// A time the hub's clock said, where the page is read.
pub(crate) fn local(ms: i64, offset: UtcOffset) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|at| at.checked_to_offset(offset))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `2026-11-22 17:05`.
pub(crate) fn printed(at: OffsetDateTime) -> String {
    format!("{} {:02}:{:02}", day(at.date()), at.hour(), at.minute())
}

/// `UTC+08:00`.
pub(crate) fn zone(offset: UtcOffset) -> String {
    format!("UTC{}", hours(offset, ":"))
}

fn hours(offset: UtcOffset, between: &str) -> String {
    let (hours, minutes, _) = offset.as_hms();
    let sign = if offset.is_negative() { '-' } else { '+' };
    format!("{sign}{:02}{between}{:02}", hours.abs(), minutes.abs())
}

pub(crate) fn day(date: Date) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}

/// DICOM DA.
pub(crate) fn da(at: OffsetDateTime) -> String {
    format!("{:04}{:02}{:02}", at.year(), u8::from(at.month()), at.day())
}

/// DICOM TM.
pub(crate) fn tm(at: OffsetDateTime) -> String {
    format!("{:02}{:02}{:02}", at.hour(), at.minute(), at.second())
}

/// DICOM DT, with its offset.
pub(crate) fn dt(at: OffsetDateTime) -> String {
    format!("{}{}{}", da(at), tm(at), dicom_offset(at.offset()))
}

/// `+0800`, as Timezone Offset From UTC wants it.
pub(crate) fn dicom_offset(offset: UtcOffset) -> String {
    hours(offset, "")
}

/// FHIR instant.
pub(crate) fn instant(at: OffsetDateTime) -> String {
    format!(
        "{}T{:02}:{:02}:{:02}.{:03}{}",
        day(at.date()),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond(),
        hours(at.offset(), ":")
    )
}

/// A DICOM DA, if it is one.
pub(crate) fn date_of(da: &str) -> Option<Date> {
    let digits = da.trim();
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year = digits.get(..4)?.parse().ok()?;
    let month = Month::try_from(digits.get(4..6)?.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year, month, digits.get(6..)?.parse().ok()?).ok()
}

/// Hour and minute of a DICOM TM, if it has them.
pub(crate) fn clock_of(tm: &str) -> Option<(u8, u8)> {
    let hour = tm.get(..2)?.parse().ok().filter(|hour| *hour < 24)?;
    let minute = tm.get(2..4)?.parse().ok().filter(|minute| *minute < 60)?;
    Some((hour, minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHINA: i8 = 8;

    fn china() -> UtcOffset {
        UtcOffset::from_hms(CHINA, 0, 0).unwrap()
    }

    #[test]
    fn times_stand_in_the_pages_zone() {
        // 2026-11-22T16:05:09.250Z is past midnight in China.
        let at = local(1_795_363_509_250, china());
        assert_eq!(printed(at), "2026-11-23 00:05");
        assert_eq!(zone(at.offset()), "UTC+08:00");
        assert_eq!(dt(at), "20261123000509+0800");
        assert_eq!(instant(at), "2026-11-23T00:05:09.250+08:00");
        let west = UtcOffset::from_hms(-3, -30, 0).unwrap();
        assert_eq!(dicom_offset(west), "-0330");
    }

    #[test]
    fn what_is_no_time_is_none() {
        assert_eq!(date_of("20260229"), None);
        assert_eq!(date_of("2026-02-2"), None);
        assert_eq!(date_of("二〇二六"), None);
        assert_eq!(date_of("20260228").map(day), Some("2026-02-28".into()));
        assert_eq!(clock_of("0930"), Some((9, 30)));
        assert_eq!(clock_of("093015.5"), Some((9, 30)));
        assert_eq!(clock_of("2500"), None);
        assert_eq!(clock_of("９３０"), None);
        for ms in [i64::MIN, i64::MAX] {
            assert_eq!(local(ms, china()).year(), 1970);
        }
    }
}
