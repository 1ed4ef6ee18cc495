//! Files between a box and its hub that travel by hand: signed by the one, sealed for the other (HPKE, RFC 9180, with the
//! certificates' own P-256 keys).
//!
//! ```text
//! magic 8 · purpose 1 · reader 32 (SHA-256 of its public key) · length of what follows but the sum u64
//!   · encapsulated key 65 · ciphertext · sum 32 (SHA-256 of all before it)
//! sealed: length u16 · certificate · length u16 · signature · content
//! ```
//!
//! The sum is no protection: it tells a file that was cut or scratched from one that somebody changed. The signature
//! covers purpose and reader, so that nothing signed for one reader can be sealed anew for another.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::DhP256HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal};
use p256::pkcs8::DecodePrivateKey;
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::chain::{self, Signer};
use crate::{Error, TlsIdentity};

type Curve = DhP256HkdfSha256;

const MAGIC: &[u8; 8] = b"BFSEAL\x00\x01";
const CONTEXT: &[u8] = b"Barefoot sealed file 1\0";
const HASH: usize = 32;
const HEAD: usize = MAGIC.len() + 1 + HASH + 8;
/// An uncompressed point.
const ENCAPSULATED: usize = 65;

/// No sealed file is larger; readers refuse before they decrypt.
pub const MAX_SEALED_BYTES: usize = 80 * 1024 * 1024;

/// A stick may be weeks on its way: a certificate that ran out meanwhile is still believed for this long.
const GRACE: Duration = Duration::days(90);

/// What a sealed file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A clinic's results for the hub.
    Results,
    /// The hub's receipts for a clinic.
    Receipts,
}

impl Purpose {
    fn byte(self) -> u8 {
        match self {
            Self::Results => 1,
            Self::Receipts => 2,
        }
    }
}

/// Why a file cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("this is no sealed file of this system")]
    NotSealed,
    #[error("the sealed file has more than {MAX_SEALED_BYTES} bytes")]
    TooLarge,
    #[error("the file is cut off or damaged: copy it again")]
    Damaged,
    #[error("the file is not of the kind that is wanted here")]
    OtherPurpose,
    #[error("the file is sealed for another reader: its key is {wanted}, ours is {ours}")]
    OtherReader { wanted: String, ours: String },
    #[error("somebody has changed the file, or it was not sealed with this key")]
    Broken,
    #[error("the key is no P-256 key: have its certificate issued again")]
    Key,
    #[error("the one who wrote the file cannot be believed")]
    Writer { source: Error },
}

/// Somebody a file can be sealed for.
#[derive(Debug, Clone)]
pub struct Reader {
    key: Vec<u8>,
}

/// What was in a sealed file, and who wrote it.
#[derive(Debug)]
pub struct Opened {
    pub writer: Signer,
    /// For the answer.
    pub answer_to: Reader,
    pub content: Vec<u8>,
}

impl Reader {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, SealError> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| SealError::Key)?;
        let key = parsed.public_key().subject_public_key.data.to_vec();
        <Curve as Kem>::PublicKey::from_bytes(&key).map_err(|_| SealError::Key)?;
        Ok(Self { key })
    }

    fn fingerprint(&self) -> [u8; HASH] {
        sha256(&self.key)
    }
}

impl TlsIdentity {
    /// The hub as a reader, from the certificate it shows: only if the authority says that it is the hub's.
    ///
    /// # Errors
    /// When it is not, or ran out long ago.
    pub fn hub_reader(&self, certificate: &[u8], now: OffsetDateTime) -> Result<Reader, SealError> {
        let writer = |source| SealError::Writer { source };
        let certificate = CertificateDer::from(certificate);
        if Signer::of(&certificate).map_err(writer)? != Signer::Hub {
            return Err(writer(Error::OtherClinic));
        }
        let at = within_grace(&certificate, now).map_err(writer)?;
        chain::trusted(&self.now().roots, &certificate, Signer::Hub.usage(), at).map_err(writer)?;
        Reader::of(&certificate)
    }

    /// Our own certificate, DER; for whoever seals for us.
    #[must_use]
    pub fn certificate(&self) -> Vec<u8> {
        let now = self.now();
        now.chain
            .first()
            .map_or_else(Vec::new, |certificate| certificate.to_vec())
    }

    /// A file with `content` that only `reader` can open.
    ///
    /// # Errors
    /// When our key cannot sign, or the reader's cannot be sealed to.
    pub fn seal(&self, purpose: Purpose, reader: &Reader, content: &[u8]) -> Result<Vec<u8>, SealError> {
        let signature = self
            .sign_raw(&signed_text(purpose, reader, content))
            .map_err(|source| SealError::Writer { source })?;
        let mut plain = Vec::with_capacity(content.len() + 2048);
        for part in [&self.certificate(), &signature] {
            let length = u16::try_from(part.len()).map_err(|_| SealError::Key)?;
            plain.extend(length.to_be_bytes());
            plain.extend(part);
        }
        plain.extend(content);
        let tag = 16;
        let mut file = Vec::with_capacity(HEAD + ENCAPSULATED + plain.len() + tag + HASH);
        file.extend(MAGIC);
        file.push(purpose.byte());
        file.extend(reader.fingerprint());
        file.extend(((ENCAPSULATED + plain.len() + tag) as u64).to_be_bytes());
        let key = <Curve as Kem>::PublicKey::from_bytes(&reader.key).map_err(|_| SealError::Key)?;
        let (encapsulated, ciphertext) = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Curve>(
            &OpModeS::Base,
            &key,
            CONTEXT,
            &plain,
            &file,
        )
        .map_err(|_| SealError::Key)?;
        file.extend(encapsulated.to_bytes());
        file.extend(ciphertext);
        if MAX_SEALED_BYTES < file.len() + HASH {
            return Err(SealError::TooLarge);
        }
        let sum = sha256(&file);
        file.extend(sum);
        Ok(file)
    }

    /// What is in a file that was sealed for us, once it is known who wrote it.
    ///
    /// # Errors
    /// When it is damaged, for somebody else, or by nobody the authority knows.
    pub fn open(&self, purpose: Purpose, file: &[u8], now: OffsetDateTime) -> Result<Opened, SealError> {
        let (head, sealed) = whole(file)?;
        if head.purpose != purpose.byte() {
            return Err(SealError::OtherPurpose);
        }
        let own = CertificateDer::from(self.certificate());
        let us = Reader::of(&own)?;
        if head.reader != us.fingerprint() {
            return Err(SealError::OtherReader {
                wanted: hex(&head.reader),
                ours: hex(&us.fingerprint()),
            });
        }
        let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED).ok_or(SealError::Damaged)?;
        let encapsulated =
            <Curve as Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| SealError::Broken)?;
        let plain = single_shot_open::<ChaCha20Poly1305, HkdfSha256, Curve>(
            &OpModeR::Base,
            &self.opening_key()?,
            &encapsulated,
            CONTEXT,
            ciphertext,
            head.bytes,
        )
        .map_err(|_| SealError::Broken)?;
        let (certificate, rest) = part(&plain).ok_or(SealError::Broken)?;
        let (signature, content) = part(rest).ok_or(SealError::Broken)?;
        let writer = |source| SealError::Writer { source };
        let certificate = CertificateDer::from(certificate);
        let signer = Signer::of(&certificate).map_err(writer)?;
        let at = within_grace(&certificate, now).map_err(writer)?;
        let trusted = chain::trusted(&self.now().roots, &certificate, signer.usage(), at).map_err(writer)?;
        chain::verify_raw(&trusted, &signed_text(purpose, &us, content), signature).map_err(writer)?;
        Ok(Opened {
            writer: signer,
            answer_to: Reader::of(&certificate)?,
            content: content.to_vec(),
        })
    }

    fn opening_key(&self) -> Result<<Curve as Kem>::PrivateKey, SealError> {
        let now = self.now();
        let PrivateKeyDer::Pkcs8(key) = &now.key else {
            return Err(SealError::Key);
        };
        let key = p256::SecretKey::from_pkcs8_der(key.secret_pkcs8_der()).map_err(|_| SealError::Key)?;
        <Curve as Kem>::PrivateKey::from_bytes(&key.to_bytes()).map_err(|_| SealError::Key)
    }
}

/// When a certificate must have been valid: now, or when it ended if that is not long ago.
fn within_grace(certificate: &CertificateDer<'_>, now: OffsetDateTime) -> Result<OffsetDateTime, Error> {
    let end = chain::not_after(certificate)?;
    Ok(if now <= end + GRACE { now.min(end) } else { now })
}

/// Whether a file is whole and sealed for `reader`: as far as can be told without a key.
#[must_use]
pub fn sealed_for(file: &[u8], purpose: Purpose, reader: &Reader) -> bool {
    whole(file).is_ok_and(|(head, _)| head.purpose == purpose.byte() && head.reader == reader.fingerprint())
}

struct Head<'a> {
    purpose: u8,
    reader: [u8; HASH],
    bytes: &'a [u8],
}

/// The file taken apart, if it is as long as it says and its sum fits.
fn whole(file: &[u8]) -> Result<(Head<'_>, &[u8]), SealError> {
    if MAX_SEALED_BYTES < file.len() {
        return Err(SealError::TooLarge);
    }
    if !file.starts_with(MAGIC) {
        return Err(SealError::NotSealed);
    }
    let (bytes, rest) = file.split_at_checked(HEAD).ok_or(SealError::Damaged)?;
    let (sealed, sum) = rest
        .len()
        .checked_sub(HASH)
        .and_then(|at| rest.split_at_checked(at))
        .ok_or(SealError::Damaged)?;
    let fields = bytes.get(MAGIC.len()..).unwrap_or_default();
    let (purpose, fields) = fields.split_first().ok_or(SealError::Damaged)?;
    let (reader, length) = fields.split_first_chunk::<HASH>().ok_or(SealError::Damaged)?;
    let length: [u8; 8] = length.try_into().map_err(|_| SealError::Damaged)?;
    let covered = file.get(..file.len() - HASH).unwrap_or_default();
    if u64::from_be_bytes(length) != sealed.len() as u64 || sum != sha256(covered) {
        return Err(SealError::Damaged);
    }
    let head = Head {
        purpose: *purpose,
        reader: *reader,
        bytes,
    };
    Ok((head, sealed))
}

/// A part with its length before it, and what follows.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn signed_text(purpose: Purpose, reader: &Reader, content: &[u8]) -> Vec<u8> {
    [
        CONTEXT,
        &[purpose.byte()],
        &reader.fingerprint(),
        &sha256(content),
    ]
    .concat()
}

fn sha256(bytes: &[u8]) -> [u8; HASH] {
    let hash = digest(&SHA256, bytes);
    let mut array = [0; HASH];
    array.copy_from_slice(hash.as_ref());
    array
}

/// The first bytes tell keys apart.
fn hex(bytes: &[u8; HASH]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
