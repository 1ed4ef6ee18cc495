use crate::{header, render, report};

/// Why an object was not made. Names the place, never what an image says.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::error_impl_error, reason = "said with its module: evidence::Error")]
pub enum Error {
    #[error(transparent)]
    Object(#[from] report::Error),
    #[error("the image that was looked at cannot be read")]
    Image {
        #[source]
        source: header::Error,
    },
    #[error("the picture cannot be drawn")]
    Picture {
        #[source]
        source: render::Error,
    },
    #[error("a mask does not have the size of its image")]
    MaskSize,
    #[error("the picture with its text is too large for an object")]
    TooLarge,
}
