//! Films: MPEG-2, H.264 and HEVC streams in multi-frame objects (PS3.5 sections 8.2.5 to 8.2.9).
//!
//! Decoders of these are large, fast and written in C. None of it is linked here: `ffmpeg` runs as a process of its own that
//! is given the stream by a pipe and gives frames back by another. It can open no file and no address, its memory, time and
//! output are bounded before it sees a byte, and it is ended with whoever asked. What it says is read as hostile too.

mod coding;
mod confined;
mod decoder;
mod frames;
mod listing;
mod running;
mod stream;

use std::io;

pub use coding::is_video;
pub use confined::Limits;
pub use decoder::Decoder;

use crate::pixels;

/// Why a film gives no pictures, or not those its header promises.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::error_impl_error, reason = "said with its module: video::Error")]
pub enum Error {
    /// Whoever looks after the box must install something.
    #[error("there is no program to decode video here")]
    NoProgram,
    #[error("the program that decodes video does not run: {reason}")]
    Program { reason: &'static str },
    #[error("the program that decodes video cannot be started")]
    Start {
        #[source]
        source: io::Error,
    },
    #[error("the film cannot be read")]
    Read {
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Pixels {
        #[from]
        source: pixels::Error,
    },
    #[error("the object's film is not in a container of its transfer syntax")]
    Container,
    #[error("the film is larger than is kept in memory for its container")]
    TooLong,
    #[error("the film cannot be decoded")]
    Damaged,
    #[error("the film was not decoded in time")]
    TooSlow,
    /// Frames may have been handed out before this was known.
    #[error("{what} of the film is not what the header says")]
    Differs { what: &'static str },
    /// Whoever asked is ending.
    #[error("decoding was ended")]
    Ended,
}

impl Error {
    const OTHER_NUMBER: Self = Self::Differs {
        what: "the number of frames",
    };

    /// Whether only somebody who installs something can help.
    #[must_use]
    pub fn lacks_a_program(&self) -> bool {
        matches!(self, Self::NoProgram | Self::Program { .. } | Self::Start { .. })
    }
}
