//! Who is who: certificates, TLS settings, pseudonyms.
//!
//! - [`Authority`] issues the certificates of a region: one for the hub, one for each clinic's box.
//! - [`TlsIdentity`] is a certificate chain with its key and the authority it trusts, read from PEM files. It makes the
//!   only rustls configurations of the project; the one crypto provider is ring.
//! - [`enrolment`]: how a box that nobody knows gets its certificate, and one that is known the next.
//! - [`dicom`]: the same for scanners and archives, which come from many makers.
//! - [`peer_of`] reads from a certificate who calls: a clinic's box or a person with a role.
//! - [`TlsIdentity::sign`] and [`TlsIdentity::verify_signed`]: a clinic's word that another can check without the hub.
//! - [`TlsIdentity::seal`] and [`TlsIdentity::open`]: a file that one reader can open, and knows who wrote it.
//! - [`person_key`]: a person's own key, sealed by a password; [`verify_report`]: whether a report is signed by whom it names.
//! - [`audit`]: a log of who did what that nobody can change unseen.
//! - [`release`]: what makes a model release one that a box may install.
//! - [`at_rest`]: what is on a disk and shall tell a thief nothing.
//! - [`PseudonymKey`] gives studies, images and patients their names outside the clinic.

mod files;

mod authority;
pub use authority::{Authority, Issued};

mod live;

mod tls;
pub use tls::{Pem, TlsIdentity, TlsPaths, certificate_in};

pub mod enrolment;

pub mod dicom;

mod page_certificate;
mod peer;
pub use peer::{Fingerprint, Peer, Person, Role, clinic_of, peer_of};

mod advert;
pub use advert::Signature;

mod chain;
pub use chain::Signer;

mod sealed;
mod server_check;
pub use sealed::{MAX_SEALED_BYTES, Opened, Purpose, Reader, SealError, sealed_for};

pub mod person_key;

mod report_signature;
pub use report_signature::{Authorities, KeyStatement, ReportError, SignedParts, Signing, verify_report};

pub mod audit;

mod browser;
pub use browser::BrowserIdentity;
pub use page_certificate::{PageCertificate, make_page_certificate, read_page_certificate};

pub mod release;

pub mod at_rest;

mod pseudonym;
pub use pseudonym::PseudonymKey;

/// What went wrong with a key, a certificate or a pseudonym. Never holds key material.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}")]
    Read { path: String, source: std::io::Error },
    #[error("cannot write {path}")]
    Write { path: String, source: std::io::Error },
    #[error("{path} holds no {wanted} in PEM form")]
    Pem { path: String, wanted: &'static str },
    #[error(
        "{path} holds {found} bytes, a pseudonym key has {wanted}: restore it from the backup, a new key gives old studies new names"
    )]
    PseudonymKeyLength {
        path: String,
        found: usize,
        wanted: usize,
    },
    #[error("the system's random source failed")]
    Random,
    #[error("cannot make a certificate")]
    Issue { source: rcgen::Error },
    #[error("the certificate, its key and the trusted authority do not fit together")]
    Rustls { source: rustls::Error },
    #[error("cannot build the check of peers' certificates")]
    Verifier {
        source: rustls::server::VerifierBuilderError,
    },
    #[error("the peer's certificate cannot be parsed")]
    Certificate,
    #[error("the peer's certificate must name exactly one common name that is a clinic id")]
    NoClinic,
    #[error("the certificate's organizational unit must be one: maintainer, expert, operator or listener")]
    Role,
    #[error("a person's name in a certificate is 1 to 64 of letters, digits, '.', '_', '-'")]
    PersonName,
    #[error("the identity's key is of a kind that cannot sign here: have its certificate issued again")]
    SigningKey,
    #[error("the signer's certificate is not one of the authority's that is valid now")]
    Untrusted { source: webpki::Error },
    #[error("the signer's certificate names another clinic")]
    OtherClinic,
    #[error("the request for a certificate cannot be read, or its key is no P-256 key that signed it")]
    Request,
    #[error("the hub names an authority that none of those known so far has signed")]
    UnknownAuthority,
    #[error(
        "{path} does not hold the authority that issues to boxes: they would not trust their own certificates"
    )]
    NotAmongTrusted { path: String },
    #[error("the certificate's key did not sign these bytes")]
    BadSignature,
    #[error("the certificate is not a hub's")]
    NotTheHub,
}
