//! Bodies that are sent to DICOMweb: multipart as it comes in pieces, and data sets in JSON.

use barefoot_hub::fuzzing::{parts, workitem};

const LIMIT: &str = "barefoot-limit";

/// The first byte says how long the pieces are that the body comes in, the second how many of the next are its media type.
pub(crate) fn check(bytes: &[u8]) {
    if let Some(kept) = workitem(bytes) {
        assert!(workitem(kept.as_bytes()).is_some(), "what is kept can be read");
    }
    let [piece, length, rest @ ..] = bytes else { return };
    let (media, body) = rest.split_at(usize::from(*length).min(rest.len()));
    let pieces: Vec<&[u8]> = body.chunks(usize::from(*piece).max(1)).collect();
    let media = String::from_utf8_lossy(media);
    let found = parts(&media, &[body]);
    assert_eq!(found, parts(&media, &pieces), "the network cuts where it likes");
    let content: usize = found.iter().flatten().map(|(_, content)| content.len()).sum();
    assert!(content <= body.len());

    let end = format!("\r\n--{LIMIT}");
    if body.windows(end.len()).any(|window| window == end.as_bytes()) {
        return;
    }
    let mut written = format!("--{LIMIT}\r\nContent-Type: application/dicom\r\n\r\n").into_bytes();
    written.extend(body);
    written.extend(format!("{end}--\r\n").bytes());
    let media = format!("multipart/related; type=\"application/dicom\"; boundary={LIMIT}");
    let read = parts(&media, &[&written]).expect("what was written can be read");
    assert_eq!(read, [("application/dicom".to_owned(), body.to_vec())]);
}
