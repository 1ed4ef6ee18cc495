use std::collections::BTreeMap;
use std::fmt;

use barefoot_domain::ClinicId;
use curve25519_dalek::scalar::Scalar;
use zeroize::Zeroizing;

use super::keys::hash;
use super::{Error, Params};

/// Two shares of 32 bytes and the tag.
pub const ENVELOPE_BYTES: usize = 80;

/// A clinic's public keys for one round, X25519 (RFC 7748).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advert {
    /// For the pairwise masks.
    pub mask_public: [u8; 32],
    /// For the envelopes.
    pub channel_public: [u8; 32],
}

impl Advert {
    /// What the clinic signs with its certificate's key, and the others check before they deal to it.
    #[must_use]
    pub fn signing_bytes(&self, params: &Params, clinic: &ClinicId) -> [u8; 32] {
        hash(
            "advert",
            &[
                &params.digest(),
                clinic.as_str().as_bytes(),
                &self.mask_public,
                &self.channel_public,
            ],
        )
    }
}

/// One holder's share of a secret. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Share(Zeroizing<[u8; 32]>);

impl Share {
    /// Any bytes; whether they are a share shows when it is used.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn scalar(&self) -> Option<Scalar> {
        Scalar::from_canonical_bytes(*self.0).into_option()
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(secret)")
    }
}

/// The shares of one dealer for one holder, sealed: only that holder can open them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Envelope(pub [u8; ENVELOPE_BYTES]);

impl TryFrom<&[u8]> for Envelope {
    type Error = Error;

    fn try_from(bytes: &[u8]) -> Result<Self, Error> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| Error::EnvelopeLength { found: bytes.len() })
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Envelope(sealed)")
    }
}

/// Hashes of one holder's two shares, by which the hub tells a wrong share from a right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitments {
    pub mask: [u8; 32],
    pub seed: [u8; 32],
}

/// What one dealer sends: for every clinic of the roster, in its order and the dealer included, an envelope and the
/// commitments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    pub seed_commitment: [u8; 32],
    pub holders: Vec<(Envelope, Commitments)>,
}

/// A holder's answer: for each dealer one share, of the self-mask seed where the dealer's vector is in the sum, of the
/// mask seed where it is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnmaskShares {
    pub self_seeds: BTreeMap<ClinicId, Share>,
    pub mask_seeds: BTreeMap<ClinicId, Share>,
}
