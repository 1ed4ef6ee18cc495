//! What a transfer syntax's films are coded with, and how they are wrapped.

use super::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Mpeg2,
    Avc,
    Hevc,
}

/// How a stream is wrapped, by the decoding program's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: &'static str,
    /// Its index may stand behind what it indexes, so it cannot be read from front to back.
    pub(super) seeks: bool,
}

/// As much of a stream tells its container.
pub(super) const HEAD: usize = 400;

/// Length of a packet of a transport stream, and of one with a time before it, as discs have them.
const PACKET: usize = 188;
const TIMED_PACKET: usize = 192;

/// Whether pictures in this transfer syntax are a film.
#[must_use]
pub fn is_video(transfer_syntax: &str) -> bool {
    coding(transfer_syntax).is_some()
}

/// The syntaxes ending in `.1` differ in their number of fragments only. Of a stereo stream the base view is decoded.
pub(super) fn coding(transfer_syntax: &str) -> Option<Coding> {
    let rest = transfer_syntax.strip_prefix("1.2.840.10008.1.2.4.")?;
    match rest.strip_suffix(".1").unwrap_or(rest) {
        "100" | "101" => Some(Coding::Mpeg2),
        "102" | "103" | "104" | "105" | "106" => Some(Coding::Avc),
        "107" | "108" if rest.len() == 3 => Some(Coding::Hevc),
        _ => None,
    }
}

impl Coding {
    /// The decoding program's name for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mpeg2 => "mpeg2video",
            Self::Avc => "h264",
            Self::Hevc => "hevc",
        }
    }

    /// The container by the stream's first bytes: only those that films of this coding come in. Bare streams are not of the
    /// standard for the newer codings, but are sent.
    pub(super) fn container(self, head: &[u8]) -> Result<Container, Error> {
        let streamed = |name| Ok(Container { name, seeks: false });
        let at = |place: usize, byte: u8| head.get(place) == Some(&byte);
        let packets = |first: usize, length: usize| at(first, 0x47) && at(first + length, 0x47);
        if packets(0, PACKET) || packets(4, TIMED_PACKET) {
            return streamed("mpegts");
        }
        match self {
            Self::Mpeg2 if head.starts_with(&[0, 0, 1, 0xBA]) => streamed("mpeg"),
            Self::Mpeg2 if head.starts_with(&[0, 0, 1, 0xB3]) => streamed("mpegvideo"),
            Self::Avc | Self::Hevc if head.get(4..8) == Some(b"ftyp") => Ok(Container {
                name: "mov",
                seeks: true,
            }),
            Self::Avc | Self::Hevc if head.starts_with(&[0, 0, 1]) || head.starts_with(&[0, 0, 0, 1]) => {
                streamed(self.name())
            }
            _ => Err(Error::Container),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_film_of_the_standard_is_known() {
        let known = |ending: &str| coding(&format!("1.2.840.10008.1.2.4.{ending}"));
        for (endings, wanted) in [
            (&["100", "100.1", "101", "101.1"][..], Coding::Mpeg2),
            (
                &[
                    "102", "102.1", "103", "103.1", "104", "104.1", "105", "105.1", "106", "106.1",
                ],
                Coding::Avc,
            ),
            (&["107", "108"], Coding::Hevc),
        ] {
            for ending in endings {
                assert_eq!(known(ending), Some(wanted), "{ending}");
            }
        }
        for ending in ["50", "90", "107.1", "110", "1.100", "100.2", ""] {
            assert_eq!(known(ending), None, "{ending}");
        }
        assert!(!is_video("1.2.840.10008.1.2.1"));
    }

    #[test]
    fn only_containers_of_the_coding_are_taken() {
        let name = |coding: Coding, head: &[u8]| coding.container(head).ok().map(|found| found.name);
        let mut packets = [0; HEAD];
        packets[0] = 0x47;
        packets[PACKET] = 0x47;
        assert_eq!(name(Coding::Mpeg2, &packets), Some("mpegts"));
        assert_eq!(name(Coding::Hevc, &packets), Some("mpegts"));
        let mut timed = [0; HEAD];
        timed[4] = 0x47;
        timed[4 + TIMED_PACKET] = 0x47;
        assert_eq!(name(Coding::Avc, &timed), Some("mpegts"));
        let mp4 = b"\0\0\0\x20ftypisom";
        assert_eq!(name(Coding::Avc, mp4), Some("mov"));
        assert_eq!(name(Coding::Mpeg2, mp4), None);
        assert_eq!(name(Coding::Mpeg2, &[0, 0, 1, 0xBA]), Some("mpeg"));
        assert_eq!(name(Coding::Avc, &[0, 0, 1, 0xBA]), Some("h264"));
        assert_eq!(name(Coding::Mpeg2, &[0, 0, 1, 0xB3]), Some("mpegvideo"));
        for other in [&b"#EXTM3U\n"[..], b"ffconcat version 1.0", b"RIFF", b""] {
            for coding in [Coding::Mpeg2, Coding::Avc, Coding::Hevc] {
                assert_eq!(name(coding, other), None);
            }
        }
    }
}
