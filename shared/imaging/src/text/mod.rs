//! Text as people wrote it into DICOM elements.
//!
//! The declared character set (PS3.3 section C.12.1.1.2) is believed while the bytes agree with it. Scanners declare
//! nothing, declare Latin-1 and write GBK, or declare one set and write another; then the bytes decide and the text is
//! marked as guessed, because a wrong name is a wrong patient.

mod charset;
mod iso2022;
mod person_name;
mod sniff;

use std::fmt;

use encoding_rs::{Encoding, GB18030, UTF_8, WINDOWS_1252};

pub use person_name::person_name_display;

use charset::{Declared, Repertoire};

/// Decoded text without control characters and padding. Often identity: `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    pub value: String,
    /// The declared character set was wrong or missing and another one fitted the bytes.
    pub guessed: bool,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(redacted)")
    }
}

/// Decodes `raw` by the raw value of Specific Character Set (0008,0005).
#[must_use]
pub fn decode(raw: &[u8], character_set: Option<&[u8]>) -> Text {
    let declared = Declared::parse(character_set.unwrap_or_default());
    let (decoded, guessed) = if raw.contains(&iso2022::ESCAPE) {
        let (decoded, sure) = iso2022::decode(raw, declared.first_single_byte());
        (decoded, !sure || !declared.code_extensions())
    } else if raw.is_ascii() && declared.main() != Repertoire::Single(encoding_rs::SHIFT_JIS) {
        (String::from_utf8_lossy(raw).into_owned(), false)
    } else {
        by_declaration(raw, declared.main())
    };
    Text {
        value: printable(&decoded),
        guessed,
    }
}

/// As [`decode`], by a character set that is known from elsewhere to be the right one, whatever is declared. Escape
/// sequences still say themselves what follows them, and are expected where the declaration allows them.
#[must_use]
pub fn decode_known(raw: &[u8], declared: Option<&[u8]>, known: &str) -> Text {
    if raw.contains(&iso2022::ESCAPE) {
        return decode(raw, declared);
    }
    decode(raw, Some(known.as_bytes()))
}

/// Whether text can be decoded by this term: one of the standard's, or one that scanners write for such.
#[must_use]
pub fn is_character_set(term: &str) -> bool {
    Declared::parse(term.as_bytes()).is_known()
}

/// For bytes without escape sequences.
fn by_declaration(raw: &[u8], declared: Repertoire) -> (String, bool) {
    match declared {
        Repertoire::Utf8 => match str::from_utf8(raw) {
            Ok(text) => (text.to_owned(), false),
            Err(error) if error.error_len().is_none() => (lossy(UTF_8, raw), false),
            Err(_) => (sniffed_without_utf8(raw), true),
        },
        Repertoire::Gb18030 => {
            if sniff::is_surely_utf8(raw) {
                return (lossy(UTF_8, raw), true);
            }
            match GB18030.decode_without_bom_handling_and_without_replacement(raw) {
                Some(text) => (text.into_owned(), false),
                None if sniff::looks_like_utf8(raw) => (lossy(UTF_8, raw), true),
                None => (lossy(GB18030, raw), true),
            }
        }
        Repertoire::Single(encoding) => {
            if sniff::looks_like_utf8(raw) {
                return (lossy(UTF_8, raw), true);
            }
            // Only Latin letters stand alone between ASCII; two high bytes after each other are ordinary Cyrillic.
            if encoding == WINDOWS_1252 && sniff::looks_like_gbk(raw) {
                return (lossy(GB18030, raw), true);
            }
            (lossy(encoding, raw), false)
        }
        Repertoire::Ascii => {
            if sniff::looks_like_utf8(raw) {
                return (lossy(UTF_8, raw), true);
            }
            (sniffed_without_utf8(raw), true)
        }
    }
}

fn sniffed_without_utf8(raw: &[u8]) -> String {
    if sniff::looks_like_gbk(raw) {
        return lossy(GB18030, raw);
    }
    lossy(WINDOWS_1252, raw)
}

fn lossy(encoding: &'static Encoding, raw: &[u8]) -> String {
    encoding.decode_without_bom_handling(raw).0.into_owned()
}

/// Line ends and tabs become spaces; other control characters go, and with them the marks that turn the direction of
/// writing, which could make one name look like another.
fn printable(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter_map(|c| match c {
            '\r' | '\n' | '\t' | '\u{C}' => Some(' '),
            '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' => None,
            _ if c.is_control() => None,
            _ => Some(c),
        })
        .collect();
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests;
