/// How a data set's elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub(crate) explicit: bool,
    pub(crate) big_endian: bool,
}

impl Encoding {
    pub(crate) const IMPLICIT: Self = Self {
        explicit: false,
        big_endian: false,
    };
    pub(crate) const EXPLICIT: Self = Self {
        explicit: true,
        big_endian: false,
    };
    const BIG: Self = Self {
        explicit: true,
        big_endian: true,
    };

    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }
}

/// What a transfer syntax says about reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(crate) encoding: Encoding,
    pub(crate) deflated: bool,
}

/// `None` for what cannot be walked. Compressed pixel data are always explicit little endian (PS3.5 annex A.4), so a new
/// codec's objects are stored and forwarded before anything here can decode them.
pub(crate) fn of(uid: &str) -> Option<Syntax> {
    let plain = |encoding| {
        Some(Syntax {
            encoding,
            deflated: false,
        })
    };
    match uid {
        "1.2.840.10008.1.2" => plain(Encoding::IMPLICIT),
        "1.2.840.10008.1.2.2" => plain(Encoding::BIG),
        "1.2.840.10008.1.2.1.99" => Some(Syntax {
            encoding: Encoding::EXPLICIT,
            deflated: true,
        }),
        // JPIP keeps its pixels elsewhere: there is nothing to store.
        "1.2.840.10008.1.2.4.94"
        | "1.2.840.10008.1.2.4.95"
        | "1.2.840.10008.1.2.4.204"
        | "1.2.840.10008.1.2.4.205" => None,
        "1.2.840.10008.1.2.1"
        | "1.2.840.10008.1.2.1.98"
        | "1.2.840.10008.1.2.5"
        | "1.2.840.10008.1.2.8.1" => plain(Encoding::EXPLICIT),
        _ if uid.starts_with("1.2.840.10008.1.2.4.") => plain(Encoding::EXPLICIT),
        _ => None,
    }
}
