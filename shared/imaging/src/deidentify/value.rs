//! The shapes of values that may leave. Each gives the value as it leaves, or nothing.

use barefoot_domain::StudyUid;

use super::{kept, registry};
use crate::data_set::Vr;
use crate::tags::Tag;

/// PS3.5 table 6.2-1: DS has at most 16 bytes.
const NUMBER_BYTES: usize = 16;

/// Larger and smaller ones are no measure of anything in an image, but may be letters read as a number.
const FLOATS: std::ops::Range<f64> = 1e-15..1e15;

/// The largest whole number of four bytes: a place in a picture, a set of flags. Four letters read as one are larger.
const MOST_LONG: u32 = 0x00FF_FFFF;

/// The largest of several of two bytes: two letters read as one are larger. A table's descriptor has three.
const MOST_OF_MANY: u16 = 0x1FFF;

/// So many letters and digits after each other are words, in whatever numbers they hide.
const WORD_BYTES: usize = 6;

/// From this age on people are few: the year says who.
const OLDEST_YEARS: u16 = 90;

/// Every value of a multi-valued text by `one`, or nothing.
pub(super) fn each(text: &str, most: usize, one: impl Fn(&str) -> Option<String>) -> Option<String> {
    let values: Option<Vec<String>> = text.split('\\').map(|value| one(value.trim())).collect();
    let values = values.filter(|values| values.len() <= most)?;
    let joined = values.join("\\");
    (!joined.trim_matches('\\').is_empty()).then_some(joined)
}

/// A number written as text.
pub(super) fn number(text: &str) -> Option<String> {
    let written = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let right = text.len() <= NUMBER_BYTES
        && text.bytes().all(written)
        && text.parse::<f64>().is_ok_and(f64::is_finite);
    // Empty among others: a value that was not measured.
    (right || text.is_empty()).then(|| text.to_owned())
}

/// Whether these bytes are at most `most` numbers of this value representation.
pub(super) fn are_numbers(vr: Vr, bytes: &[u8], most: usize) -> bool {
    let word = vr.word();
    let count = bytes.len() / word.max(1);
    if word < 2 || !bytes.len().is_multiple_of(word) || most < count {
        return false;
    }
    let letters = bytes
        .split(|byte| !byte.is_ascii_alphanumeric())
        .any(|run| WORD_BYTES <= run.len());
    if letters {
        return false;
    }
    let measured = |value: f64| value == 0.0 || FLOATS.contains(&value.abs());
    match vr {
        Vr::FD => bytes
            .as_chunks::<8>()
            .0
            .iter()
            .all(|value| measured(f64::from_le_bytes(*value))),
        Vr::FL => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .all(|value| measured(f64::from(f32::from_le_bytes(*value)))),
        Vr::UL => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .all(|value| u32::from_le_bytes(*value) <= MOST_LONG),
        Vr::US if 3 < count => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .all(|value| u16::from_le_bytes(*value) <= MOST_OF_MANY),
        _ => true,
    }
}

/// One of `words`, in which a blank is written `_`.
pub(super) fn code(text: &str, words: &str) -> Option<String> {
    let wanted = text.to_ascii_uppercase().replace(' ', "_");
    let known = text.is_empty() || words.split(' ').any(|word| word == wanted);
    known.then(|| text.to_ascii_uppercase())
}

/// An identifier that the standard gave out.
pub(super) fn class(text: &str) -> Option<String> {
    let text = text.trim_matches(['\0', ' ']);
    registry::is_listed(text).then(|| text.to_owned())
}

/// Any well-formed UID, to be replaced.
pub(super) fn uid(text: &str) -> Option<&str> {
    let text = text.trim_matches(['\0', ' ']);
    StudyUid::new(text).is_ok().then_some(text)
}

pub(super) fn age(text: &str) -> Option<String> {
    let (digits, unit) = text.split_at_checked(3)?;
    let number: u16 = digits
        .parse()
        .ok()
        .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
    match unit {
        "Y" if OLDEST_YEARS <= number => Some(format!("{OLDEST_YEARS:03}Y")),
        "D" | "W" | "M" | "Y" => Some(text.to_owned()),
        _ => None,
    }
}

/// The ten years that an age lies in, by their first: `060Y`. Who is younger than a year is in the first ten.
pub(super) fn age_band(text: &str) -> Option<String> {
    let age = age(text)?;
    let (digits, unit) = age.split_at_checked(3)?;
    let years = if unit == "Y" {
        digits.parse::<u16>().ok()?
    } else {
        0
    };
    Some(format!("{:03}Y", years / 10 * 10))
}

pub(super) fn orientation(text: &str) -> Option<String> {
    let letters = text.len() <= 3 && text.bytes().all(|b| b"APLRHF".contains(&b));
    letters.then(|| text.to_owned())
}

/// Tags of attributes that leave themselves.
pub(super) fn are_kept_tags(bytes: &[u8]) -> bool {
    let (tags, rest) = bytes.as_chunks::<4>();
    let kept = |[g0, g1, e0, e1]: &[u8; 4]| {
        let tag = Tag(u16::from_le_bytes([*g0, *g1]), u16::from_le_bytes([*e0, *e1]));
        kept::rule(tag).is_some()
    };
    rest.is_empty() && tags.len() <= 8 && tags.iter().all(kept)
}

/// Schemes whose codes are given out by standards bodies, and what such a code looks like.
pub(super) fn is_public_code(scheme: &str, code: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match scheme {
        "SCT" => (6..=18).contains(&code.len()) && digits(code),
        "DCM" => code.len() == 6 && digits(code),
        "SRT" | "SNM3" | "99SDM" => code.split_once('-').is_some_and(|(axis, number)| {
            axis.len() == 1
                && axis.bytes().all(|b| b.is_ascii_uppercase())
                && (3..=6).contains(&number.len())
                && number
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
        }),
        _ => false,
    }
}

/// Whether these bytes are the table its descriptor announces. One that maps grey levels never goes back and forth, which
/// letters do.
pub(super) fn is_table(bytes: &[u8], descriptor: [u16; 3], rises_or_falls: bool) -> bool {
    let entries = match descriptor[0] {
        0 => 65_536,
        entries => usize::from(entries),
    };
    let bytewise = descriptor[2] <= 8 && bytes.len() == entries + entries % 2;
    if !bytewise && bytes.len() != entries * 2 {
        return false;
    }
    if !rises_or_falls {
        return 16 <= entries;
    }
    let levels: Vec<u16> = if bytewise {
        bytes
            .iter()
            .take(entries)
            .map(|level| u16::from(*level))
            .collect()
    } else {
        let (words, _) = bytes.as_chunks::<2>();
        words.iter().map(|word| u16::from_le_bytes(*word)).collect()
    };
    levels.is_sorted() || levels.is_sorted_by(|one, next| next <= one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_numbers_only() {
        let numbers = |text: &str| each(text, 3, number);
        assert_eq!(numbers("0.15\\0.15 ").as_deref(), Some("0.15\\0.15"));
        assert_eq!(numbers("1e-3").as_deref(), Some("1e-3"));
        for bad in [
            "ZHANG",
            "1\\2\\3\\4",
            "nan",
            "inf",
            "1 2",
            "12345678901234567",
            "",
        ] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
        assert!(are_numbers(Vr::US, &[1, 0], 1));
        assert!(!are_numbers(Vr::US, b"ZHANGSAN", 3));
        assert!(!are_numbers(Vr::FD, b"ZZZZZZZZ", 1));
        assert!(are_numbers(Vr::FD, &0.5f64.to_le_bytes(), 1));
        assert!(!are_numbers(Vr::LO, b"12", 5));
    }

    #[test]
    fn codes_ages_and_directions_are_of_their_lists() {
        assert_eq!(
            code("for presentation", "FOR_PRESENTATION").as_deref(),
            Some("FOR PRESENTATION")
        );
        assert_eq!(code("ZHANG", "CHEST HEAD"), None);
        assert_eq!(age("045Y").as_deref(), Some("045Y"));
        assert_eq!(age("102Y").as_deref(), Some("090Y"));
        for bad in ["45Y", "ABCY", "0455", "+45Y", "岁岁Y"] {
            assert_eq!(age(bad), None, "{bad}");
        }
        for (age, band) in [
            ("045Y", "040Y"),
            ("102Y", "090Y"),
            ("009Y", "000Y"),
            ("011M", "000Y"),
        ] {
            assert_eq!(age_band(age).as_deref(), Some(band), "{age}");
        }
        assert_eq!(age_band("ABCY"), None);
        assert_eq!(orientation("AL").as_deref(), Some("AL"));
        assert_eq!(orientation("LISA"), None);
    }

    #[test]
    fn codes_of_public_schemes_look_like_it() {
        assert!(is_public_code("SCT", "51185008") && is_public_code("SRT", "T-D3000"));
        assert!(is_public_code("DCM", "113100"));
        for (scheme, code) in [
            ("SCT", "ZHANGSAN"),
            ("99LOCAL", "51185008"),
            ("SRT", "T-WANG"),
            ("DCM", "LI"),
        ] {
            assert!(!is_public_code(scheme, code), "{scheme} {code}");
        }
    }

    #[test]
    fn tables_have_their_announced_length_and_rise_or_fall() {
        let rising: Vec<u8> = (0..16u16).flat_map(u16::to_le_bytes).collect();
        assert!(is_table(&rising, [16, 0, 16], true));
        assert!(!is_table(&rising, [17, 0, 16], true));
        assert!(!is_table(b"ZHANG SAN, born 1970, Bed 12....", [16, 0, 16], true));
    }
}
