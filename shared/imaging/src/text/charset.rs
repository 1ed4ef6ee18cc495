use encoding_rs::{
    BIG5, Encoding, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8,
    ISO_8859_15, SHIFT_JIS, WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
};

/// What bytes without escape sequences mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repertoire {
    Ascii,
    Single(&'static Encoding),
    Utf8,
    Gb18030,
}

/// Specific Character Set, taken apart.
pub(super) struct Declared {
    terms: Vec<String>,
}

impl Declared {
    /// Terms are compared without case, blanks, `_` and `-`: `ISO IR 192`, `ISO_IR_192` and `ISO_IR 192` all occur.
    pub(super) fn parse(raw: &[u8]) -> Self {
        let terms = raw
            .split(|byte| *byte == b'\\')
            .map(|term| {
                term.iter()
                    .filter(|byte| byte.is_ascii_alphanumeric())
                    .map(|byte| char::from(byte.to_ascii_uppercase()))
                    .collect()
            })
            .collect();
        Self { terms }
    }

    /// The first term that is known decides; the standard allows no second one beside a multi-byte set, scanners write it.
    pub(super) fn main(&self) -> Repertoire {
        self.terms
            .iter()
            .find_map(|term| repertoire(term))
            .unwrap_or(Repertoire::Ascii)
    }

    /// A single term, and one that decides something.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.terms.as_slice(), [term] if repertoire(term).is_some())
    }

    /// What high bytes mean until an escape sequence says otherwise.
    pub(super) fn first_single_byte(&self) -> Option<&'static Encoding> {
        match self.main() {
            Repertoire::Single(encoding) => Some(encoding),
            Repertoire::Ascii | Repertoire::Utf8 | Repertoire::Gb18030 => None,
        }
    }

    pub(super) fn code_extensions(&self) -> bool {
        self.terms.iter().any(|term| term.starts_with("ISO2022"))
    }
}

fn repertoire(term: &str) -> Option<Repertoire> {
    let number = match term {
        "GB18030" | "GBK" | "GB2312" => return Some(Repertoire::Gb18030),
        "UTF8" => return Some(Repertoire::Utf8),
        // No term of the standard; older scanners from Taiwan and Hong Kong write it.
        "BIG5" => return Some(Repertoire::Single(BIG5)),
        _ => term
            .strip_prefix("ISOIR")
            .or_else(|| term.strip_prefix("ISO2022IR"))?,
    };
    Some(match number {
        "6" => Repertoire::Ascii,
        "192" => Repertoire::Utf8,
        "100" => Repertoire::Single(WINDOWS_1252),
        "101" => Repertoire::Single(ISO_8859_2),
        "109" => Repertoire::Single(ISO_8859_3),
        "110" => Repertoire::Single(ISO_8859_4),
        "144" => Repertoire::Single(ISO_8859_5),
        "127" => Repertoire::Single(ISO_8859_6),
        "126" => Repertoire::Single(ISO_8859_7),
        "138" => Repertoire::Single(ISO_8859_8),
        "148" => Repertoire::Single(WINDOWS_1254),
        "166" => Repertoire::Single(WINDOWS_874),
        "203" => Repertoire::Single(ISO_8859_15),
        // JIS X 0201 is what Shift JIS has in one byte.
        "13" => Repertoire::Single(SHIFT_JIS),
        _ => return None,
    })
}
