//! A fault report: what whoever looks after the box needs to see, in one file, without identity.
//!
//! Every text is gone through line by line for the words of every patient on this box, although nothing of them should be in
//! any. A recorded voice cannot be gone through: the page says so before anybody records.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use crate::case_log::PatientText;
use crate::identity_check::holds_identity;

/// What stands in the place of a line that held something of a patient's.
const LEFT_OUT: &str = "(a line was left out here: it held something of a patient's)";

/// A file of the report.
#[derive(Debug)]
pub(crate) struct Part {
    pub name: &'static str,
    pub text: String,
}

/// A voice note as a browser recorded it.
#[derive(Debug)]
pub(crate) struct Voice {
    /// Of the file's name.
    pub extension: &'static str,
    pub bytes: Vec<u8>,
}

/// The report, `tar.gz`.
///
/// # Errors
/// When the memory cannot be written, which is a fault of its own.
pub(crate) fn bundle(
    parts: Vec<Part>,
    voice: Option<Voice>,
    patients: &[PatientText],
    at_ms: i64,
) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let at_s = u64::try_from(at_ms / 1000).unwrap_or_default();
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = Header::new_ustar();
        header.set_size(u64::try_from(bytes.len()).map_err(io::Error::other)?);
        header.set_mode(0o644);
        header.set_mtime(at_s);
        header.set_cksum();
        archive.append_data(&mut header, format!("barefoot-fault/{name}"), bytes)
    };
    for part in parts {
        add(part.name, without_identity(&part.text, patients).as_bytes())?;
    }
    if let Some(voice) = voice {
        add(&format!("voice.{}", voice.extension), &voice.bytes)?;
    }
    archive.into_inner()?.finish()
}

fn without_identity(text: &str, patients: &[PatientText]) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let is_clean = !patients.iter().any(|patient| holds_identity(line, patient));
        kept.push_str(if is_clean { line } else { LEFT_OUT });
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    /// Every file of a report, by name.
    pub(crate) fn unpacked(bundle: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut archive = tar::Archive::new(GzDecoder::new(bundle));
        archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let name = entry.path().unwrap().display().to_string();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                (name, bytes)
            })
            .collect()
    }

    #[test]
    fn a_line_with_a_patients_word_is_left_out_and_the_rest_stays() {
        let patient = PatientText {
            name: "王小东".into(),
            id: "P-0042".into(),
            ..PatientText::default()
        };
        let part = Part {
            name: "log.txt",
            text: "one\ntwo 王小东\nthree P-0042 x\nfour".into(),
        };
        let voice = Voice {
            extension: "webm",
            bytes: vec![1, 2, 3],
        };
        let files = unpacked(&bundle(vec![part], Some(voice), &[patient], 5_000).unwrap());
        let log = String::from_utf8(files[0].1.clone()).unwrap();
        assert_eq!(log, format!("one\n{LEFT_OUT}\n{LEFT_OUT}\nfour\n"));
        assert_eq!(files[1], ("barefoot-fault/voice.webm".into(), vec![1, 2, 3]));
    }
}
