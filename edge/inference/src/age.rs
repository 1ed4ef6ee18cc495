//! A patient's age on the day of the study.

use barefoot_imaging::header::Header;

/// In years; `None` where the object does not say.
pub(crate) fn years(header: &Header) -> Option<f32> {
    let patient = header.patient();
    let said = patient.age.as_deref().and_then(age_string);
    said.or_else(|| between(patient.birth_date.as_deref()?, header.study_date()?.as_str()))
}

/// A number and its unit: `045Y`, `006M`, `010D`.
fn age_string(text: &str) -> Option<f32> {
    let text = text.trim();
    let unit = text.chars().next_back()?;
    let number: f32 = text.strip_suffix(unit)?.parse().ok()?;
    let per_year = match unit {
        'Y' => 1.0,
        'M' => 12.0,
        'W' => 52.18,
        'D' => 365.25,
        _ => return None,
    };
    (0.0..200.0 * per_year)
        .contains(&number)
        .then_some(number / per_year)
}

/// From one `YYYYMMDD` to another, to the month.
fn between(birth: &str, study: &str) -> Option<f32> {
    let months = |date: &str| {
        let year: f32 = date.get(0..4)?.parse().ok()?;
        let month: f32 = date.get(4..6)?.parse().ok()?;
        (1.0..=12.0).contains(&month).then_some(year * 12.0 + month)
    };
    let years = (months(study)? - months(birth)?) / 12.0;
    (0.0..200.0).contains(&years).then_some(years)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_come_in_years_months_weeks_and_days() {
        for (text, expected) in [
            ("045Y", Some(45.0)),
            ("006M", Some(0.5)),
            ("000D", Some(0.0)),
            ("Y", None),
            ("045", None),
            ("-01Y", None),
            ("999Y", None),
        ] {
            assert_eq!(age_string(text), expected, "{text}");
        }
    }

    #[test]
    fn without_an_age_the_dates_tell_it() {
        assert_eq!(between("20100601", "20260601"), Some(16.0));
        assert_eq!(between("20260701", "20260601"), None);
        assert_eq!(between("2026", "20260601"), None);
    }
}
