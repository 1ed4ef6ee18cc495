//! Times and ages in words. The box says UTC; the page's script turns it into the reader's own time.

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use super::texts::{Texts, fill};

const ISO: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
const READABLE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");

const HOUR: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]");
const DAY_AND_HOUR: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]");

/// A time as the page writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// For the `datetime` attribute.
    pub(super) iso: String,
    /// What is read where no script runs.
    pub(super) text: String,
}

impl Moment {
    /// `None` for a time outside the calendar.
    pub(super) fn of(unix_ms: i64) -> Option<Self> {
        let time = OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000)).ok()?;
        Some(Self {
            iso: time.format(ISO).ok()?,
            text: time.format(READABLE).ok()?,
        })
    }
}

impl Moment {
    /// As it is read in the clinic's own time: the hour alone on the day that is now.
    pub(super) fn here(unix_ms: i64, now_ms: i64, utc_offset_minutes: i32) -> Option<Self> {
        let iso = Self::of(unix_ms)?.iso;
        let here = |at_ms: i64| {
            OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000))
                .ok()?
                .checked_add(Duration::minutes(utc_offset_minutes.into()))
        };
        let (at, now) = (here(unix_ms)?, here(now_ms));
        let form = if now.is_some_and(|now| now.date() == at.date()) {
            HOUR
        } else {
            DAY_AND_HOUR
        };
        Some(Self {
            iso,
            text: at.format(form).ok()?,
        })
    }
}

/// How long something waits, in the largest unit that says enough.
pub(super) fn age(milliseconds: i64, texts: &Texts) -> String {
    let minutes = milliseconds / 60_000;
    let (text, n) = match minutes {
        ..1 => return texts.age.moment.clone(),
        1..120 => (&texts.age.minutes, minutes),
        120..2880 => (&texts.age.hours, minutes / 60),
        _ => (&texts.age.days, minutes / 1440),
    };
    fill(text, &[("n", &n.to_string())])
}

#[cfg(test)]
mod tests {
    use super::super::Language;
    use super::super::texts::Library;
    use super::*;

    #[test]
    fn moments_say_that_they_are_utc() {
        let moment = Moment::of(1_764_000_000_123).unwrap();
        assert_eq!(moment.iso, "2025-11-24T16:00:00Z");
        assert_eq!(moment.text, "2025-11-24 16:00 UTC");
        assert_eq!(Moment::of(-1).unwrap().iso, "1969-12-31T23:59:59Z");
        assert_eq!(Moment::of(i64::MAX), None);
    }

    #[test]
    fn the_clinics_own_time_needs_no_script() {
        let check = |now_ms, text: &str| {
            assert_eq!(Moment::here(1_764_000_000_123, now_ms, 480).unwrap().text, text);
        };
        check(1_764_000_000_000, "00:00");
        check(1_764_000_000_000 - 60_000, "2025-11-25 00:00");
        assert_eq!(Moment::here(i64::MAX, 0, 480), None);
    }

    #[test]
    fn ages_grow_through_the_units() {
        let library = Library::load().unwrap();
        let check = |ms, en: &str, zh: &str| {
            assert_eq!(age(ms, library.of(Language::En)), en);
            assert_eq!(age(ms, library.of(Language::Zh)), zh);
        };
        check(-5, "less than a minute", "不到 1 分钟");
        check(59_999, "less than a minute", "不到 1 分钟");
        check(60_000, "1 min", "1 分钟");
        check(119 * 60_000, "119 min", "119 分钟");
        check(47 * 3_600_000, "47 h", "47 小时");
        check(49 * 3_600_000, "2 d", "2 天");
    }
}
