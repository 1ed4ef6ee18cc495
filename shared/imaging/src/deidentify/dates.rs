//! Dates that leave: moved by the patient's own number of days, or as they are, by the site's policy.

use time::{Date, Duration, Month};

/// Moves every date of one patient; days between two examinations stay what they were.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift {
    pub(super) days: i64,
}

impl Shift {
    /// `YYYYMMDD`, also with dots as before 1993.
    pub(super) fn date(self, text: &str) -> Option<String> {
        if text.is_empty() {
            return Some(String::new());
        }
        let plain = text.replace('.', "");
        if plain.len() != 8 || !plain.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let part = |range: std::ops::Range<usize>| plain.get(range)?.parse::<u16>().ok();
        let month = Month::try_from(u8::try_from(part(4..6)?).ok()?).ok()?;
        let day = u8::try_from(part(6..8)?).ok()?;
        let date = Date::from_calendar_date(i32::from(part(0..4)?), month, day).ok()?;
        let moved = date.checked_add(Duration::days(self.days))?;
        let (year, month, day) = (moved.year(), u8::from(moved.month()), moved.day());
        (0..=9999)
            .contains(&year)
            .then(|| format!("{year:04}{month:02}{day:02}"))
    }

    /// A date with a time behind it. One that does not go down to the day cannot be moved.
    pub(super) fn date_time(self, text: &str) -> Option<String> {
        if text.is_empty() {
            return Some(String::new());
        }
        let (date, rest) = text.split_at_checked(8)?;
        let rest_is_time = rest.len() <= 18
            && rest
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-'));
        rest_is_time.then(|| self.date(date).map(|date| date + rest))?
    }
}

/// A time of day says nothing of the day.
pub(super) fn time(text: &str) -> Option<String> {
    let right = text.len() <= 16
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':'));
    right.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_move_over_months_and_leap_years_and_nothing_else_passes() {
        let back = Shift { days: -60 };
        assert_eq!(back.date("20240301").as_deref(), Some("20240101"));
        assert_eq!(back.date("2023.03.01").as_deref(), Some("20221231"));
        assert_eq!(Shift { days: 0 }.date("20240229").as_deref(), Some("20240229"));
        assert_eq!(
            back.date_time("20240301101500.5+0800").as_deref(),
            Some("20240101101500.5+0800")
        );
        for bad in ["20230229", "ZHANG", "2024", "20241301", "2024030112", "张三张三"] {
            assert_eq!(back.date(bad), None, "{bad}");
            if bad.len() < 9 {
                assert_eq!(back.date_time(bad), None, "{bad}");
            }
        }
        assert_eq!(back.date_time("20240301ZHANG"), None);
        assert_eq!(time("101500.250").as_deref(), Some("101500.250"));
        assert_eq!(time("noon"), None);
    }
}
