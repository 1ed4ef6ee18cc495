use rustls::server::VerifierBuilderError;

/// Why no TLS configuration could be made; says which file and what to do. Never holds key material.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::error_impl_error, reason = "said with its module: dicom::Error")]
pub enum Error {
    #[error("cannot read {path}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} holds no certificate in PEM form")]
    NoCertificate { path: String },
    #[error("{path} holds a certificate that cannot be parsed")]
    Damaged { path: String },
    #[error("{path} holds no private key in PEM form")]
    NoKey { path: String },
    #[error(
        "the private key in {path} is locked with a passphrase: store it unlocked, readable by the daemon only"
    )]
    LockedKey { path: String },
    #[error("the key in {key} does not belong to the certificate in {certificate}")]
    KeyMismatch { certificate: String, key: String },
    #[error("the certificate in {path} expired on {day}: have a new one issued")]
    Expired { path: String, day: time::Date },
    #[error("the certificate in {path} is valid from {day} only: is this machine's clock right?")]
    NotYetValid { path: String, day: time::Date },
    #[error("certificates are asked for but nobody's would be trusted: name an authority or a fingerprint")]
    NobodyTrusted,
    #[error("cannot build the check of peers' certificates")]
    Verifier { source: VerifierBuilderError },
    #[error("certificate and key cannot be used for TLS")]
    Rustls { source: rustls::Error },
}
