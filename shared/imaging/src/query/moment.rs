//! Dates, times and ranges of them (PS3.4 section C.2.2.2.5, PS3.5 section 6.2), as numbers that sort.

/// The last microsecond of a day, as `HHMMSSFFFFFF`.
const LAST: u128 = 235_959_999_999;
/// What one day is in [`moment`].
const DAY: u128 = 1_000_000_000_000;

/// From and to, both included. What is written with less precision stands for all it may mean: `10` for the whole hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: u128,
    pub(super) to: u128,
}

impl Range {
    /// They have a moment in common.
    pub(super) fn meets(self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Date,
    Time,
}

impl Kind {
    fn one(self, text: &str) -> Option<Range> {
        match self {
            Self::Date => date(text),
            Self::Time => time(text),
        }
    }
}

/// One value, `from-`, `-to` or `from-to`.
pub(super) fn range(text: &str, kind: Kind) -> Option<Range> {
    let Some((from, to)) = text.split_once('-') else {
        return kind.one(text);
    };
    let (from, to) = (from.trim(), to.trim());
    if from.is_empty() && to.is_empty() {
        return None;
    }
    let lowest = if from.is_empty() { 0 } else { kind.one(from)?.from };
    let highest = if to.is_empty() {
        u128::MAX
    } else {
        kind.one(to)?.to
    };
    // Times may run backwards where they go with a range of dates; alone they then hold nothing.
    (lowest <= highest || kind == Kind::Time).then_some(Range {
        from: lowest,
        to: highest,
    })
}

/// `YYYYMMDD`, or `YYYY.MM.DD` as before 1993.
pub(super) fn date(text: &str) -> Option<Range> {
    let digits = match text.len() {
        8 => text.to_owned(),
        10 => text.replace('.', ""),
        _ => return None,
    };
    let day = number(&digits).filter(|_| digits.len() == 8)?;
    let (month, of_month) = (day / 100 % 100, day % 100);
    let possible = (1..=12).contains(&month) && (1..=31).contains(&of_month);
    possible.then_some(Range { from: day, to: day })
}

/// `HH`, `HHMM`, `HHMMSS`, `HHMMSS.F` to `.FFFFFF`, with or without colons.
pub(super) fn time(text: &str) -> Option<Range> {
    let text = text.replace(':', "");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if !matches!(whole.len(), 2 | 4 | 6) || 6 < fraction.len() || !fraction.is_empty() && whole.len() != 6 {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    number(&digits)?;
    let padded = |pad: &str| {
        let rest = pad.get(digits.len()..).unwrap_or_default();
        number(&format!("{digits}{rest}"))
    };
    let (from, to) = (padded("000000000000")?, padded("235959999999")?);
    let (hours, minutes, seconds) = (
        from / 10_000_000_000,
        from / 100_000_000 % 100,
        from / 1_000_000 % 100,
    );
    // 60 is a leap second.
    (hours < 24 && minutes < 60 && seconds <= 60).then_some(Range { from, to })
}

/// A day and a time of it as one number, for ranges over both.
pub(super) fn moment(date: Range, time: Option<Range>) -> Range {
    let (first, last) = time.map_or((0, LAST), |time| (time.from, time.to.min(LAST)));
    Range {
        from: date.from.saturating_mul(DAY).saturating_add(first),
        to: date.to.saturating_mul(DAY).saturating_add(last),
    }
}

fn number(digits: &str) -> Option<u128> {
    let all = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| all)
}
