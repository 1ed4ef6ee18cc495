use std::io;

/// Why a bundle is not used. Names the file; the cure is nearly always to install the bundle again.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("cannot read {file} of the model bundle: install the bundle again")]
    Read {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("{file} of the model bundle is larger than {limit} bytes: this is no bundle of ours")]
    TooLarge { file: String, limit: u64 },
    #[error("the manifest names a file outside the model bundle: do not use this bundle")]
    OutsideBundle,
    #[error(
        "{file} of the model bundle is damaged, its SHA-256 is not the manifest's: install the bundle again"
    )]
    Hash { file: String },
    #[error("manifest.toml of the model bundle cannot be read: install the bundle again")]
    Manifest {
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("{file} of the model bundle is wrong: {what}")]
    Content { file: String, what: &'static str },
}
