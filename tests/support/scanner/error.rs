use dicom_ul::association::Error as Association;
use dicom_ul::pdu::AssociationRJResult;

/// Why nothing could be said to the receiver at all. What happened to one file is its own result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no connection to {address}")]
    Connect {
        address: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("no association with {address}")]
    Establish {
        address: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{address} rejected the association {how}: {reason}")]
    Rejected {
        address: String,
        how: &'static str,
        /// In the standard's words, PS3.8 section 9.3.4.
        reason: String,
    },
    #[error("{address} accepted none of the proposed presentation contexts")]
    NoContext { address: String },
    #[error("the association with {address} broke while {doing}")]
    Broken {
        address: String,
        doing: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{address} answered {doing} with something else")]
    Unexpected { address: String, doing: &'static str },
    #[error("{address} answered the C-ECHO with status 0x{status:04X}")]
    EchoStatus { address: String, status: u16 },
}

impl Error {
    pub(super) fn establishing(address: &str, source: Association) -> Self {
        let address = address.to_owned();
        match source {
            Association::Rejected { association_rj, .. } => Self::Rejected {
                address,
                how: match association_rj.result {
                    AssociationRJResult::Permanent => "for good",
                    AssociationRJResult::Transient => "for now",
                },
                reason: association_rj.source.to_string(),
            },
            Association::NoAcceptedPresentationContexts { .. } => Self::NoContext { address },
            other @ (Association::Connect { .. }
            | Association::ToAddress { .. }
            | Association::Timeout { .. }) => Self::Connect {
                address,
                source: Box::new(other),
            },
            other => Self::Establish {
                address,
                source: Box::new(other),
            },
        }
    }
}

/// An error with everything that caused it, for people.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}
