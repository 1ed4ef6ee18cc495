use semver::Version;

/// A version as it is given out: MAJOR.MINOR.PATCH and nothing behind it.
pub(super) fn parse(text: &str) -> Option<Version> {
    let version = Version::parse(text).ok()?;
    (version.pre.is_empty() && version.build.is_empty() && text.len() <= 32).then_some(version)
}

/// The number of the next candidate: one minor step above the highest there is, so that a number is never given
/// twice, whatever became of the version that bore it. `None` when the numbers are used up.
pub(super) fn next(existing: &[String]) -> Option<Version> {
    let highest = existing
        .iter()
        .filter_map(|text| parse(text))
        .max()
        .unwrap_or(Version::new(0, 0, 0));
    Some(Version::new(highest.major, highest.minor.checked_add(1)?, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(existing: &[&str]) -> Option<String> {
        let existing: Vec<String> = existing.iter().map(|text| (*text).to_owned()).collect();
        next(&existing).map(|version| version.to_string())
    }

    #[test]
    fn numbers_rise_and_are_never_given_twice() {
        assert_eq!(next_of(&["0.1.0"]).unwrap(), "0.2.0");
        assert_eq!(next_of(&["0.1.0", "0.10.0", "0.9.3"]).unwrap(), "0.11.0");
        assert_eq!(next_of(&["1.0.0", "0.7.0"]).unwrap(), "1.1.0");
        assert_eq!(next_of(&[]).unwrap(), "0.1.0");
        assert_eq!(next_of(&["0.18446744073709551615.0"]), None);
    }

    #[test]
    fn a_version_is_three_numbers() {
        for bad in [
            "1",
            "1.2",
            "1.2.3-rc1",
            "1.2.3+5",
            "01.2.3",
            "v1.2.3",
            "../1.0.0",
            "",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
