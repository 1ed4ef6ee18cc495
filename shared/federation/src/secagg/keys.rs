//! Everything derived from the root, from agreements and from shared seeds. One label per use; all fields that
//! follow a label carry their length, so no two uses can meet.

use barefoot_domain::ClinicId;
use curve25519_dalek::scalar::Scalar;
use ring::{aead, digest, hkdf};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::message::{ENVELOPE_BYTES, Envelope, Share};

const PROTOCOL: &[u8] = b"barefoot secure aggregation 1";

pub(super) type Key = Zeroizing<[u8; 32]>;

/// The two shares that travel in one envelope.
pub(super) const SHARES_BYTES: usize = 64;

fn framed(label: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = PROTOCOL.to_vec();
    for field in std::iter::once(&label.as_bytes()).chain(fields) {
        bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

/// SHA-256 over a labelled list of fields. For public or high-entropy fields.
pub(super) fn hash(label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    let digest = digest::digest(&digest::SHA256, &framed(label, fields));
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}

/// HKDF-SHA-256 (RFC 5869) with `binding`, the parameters' or the roster's digest, as salt.
pub(super) fn derive<const N: usize>(
    binding: &[u8; 32],
    secret: &[u8],
    label: &str,
    fields: &[&[u8]],
) -> Zeroizing<[u8; N]> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }

    let info = framed(label, fields);
    let mut out = Zeroizing::new([0; N]);
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, binding).extract(secret);
    #[expect(
        clippy::expect_used,
        reason = "HKDF refuses only more than 255 hashes' length"
    )]
    key.expand(&[&info], Length(N))
        .and_then(|output| output.fill(&mut *out))
        .expect("at most 64 bytes are asked for");
    out
}

fn derive_scalar(binding: &[u8; 32], secret: &[u8], label: &str, fields: &[&[u8]]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&derive::<64>(binding, secret, label, fields))
}

/// A clinic's one random secret of a round. All its messages follow from it.
#[derive(Clone)]
pub(super) struct Root(pub(super) Key);

impl Root {
    pub(super) fn channel_secret(&self, params: &[u8; 32]) -> StaticSecret {
        StaticSecret::from(*derive(params, &*self.0, "channel secret", &[]))
    }

    /// What is dealt so that the others can rebuild the mask secret.
    pub(super) fn mask_seed(&self, params: &[u8; 32]) -> Scalar {
        derive_scalar(params, &*self.0, "mask seed", &[])
    }

    pub(super) fn self_seed(&self, roster: &[u8; 32]) -> Scalar {
        derive_scalar(roster, &*self.0, "self seed", &[])
    }

    /// The random coefficients of a polynomial of `threshold` coefficients; the first is the secret.
    pub(super) fn coefficients(
        &self,
        roster: &[u8; 32],
        label: &'static str,
        threshold: u16,
    ) -> impl ExactSizeIterator<Item = Scalar> {
        let (root, roster) = (self.0.clone(), *roster);
        (0..threshold.saturating_sub(1))
            .map(move |k| derive_scalar(&roster, &*root, label, &[&k.to_le_bytes()]))
    }
}

/// The X25519 secret behind the pairwise masks.
pub(super) fn mask_secret(params: &[u8; 32], seed: &Scalar) -> StaticSecret {
    StaticSecret::from(*derive(params, seed.as_bytes(), "mask secret", &[]))
}

/// Key of the stream two clinics share, the same from either side.
pub(super) fn pair_key(
    roster: &[u8; 32],
    secret: &StaticSecret,
    public: &[u8; 32],
    one: &ClinicId,
    other: &ClinicId,
) -> Key {
    let agreed = secret.diffie_hellman(&PublicKey::from(*public));
    let (low, high) = if one < other { (one, other) } else { (other, one) };
    derive(
        roster,
        agreed.as_bytes(),
        "pair mask",
        &[low.as_str().as_bytes(), high.as_str().as_bytes()],
    )
}

/// Key of a clinic's own stream.
pub(super) fn self_key(roster: &[u8; 32], seed: &Scalar, clinic: &ClinicId) -> Key {
    derive(
        roster,
        seed.as_bytes(),
        "self mask",
        &[clinic.as_str().as_bytes()],
    )
}

pub(super) fn seed_commitment(roster: &[u8; 32], dealer: &ClinicId, seed: &Scalar) -> [u8; 32] {
    hash(
        "seed commitment",
        &[roster, dealer.as_str().as_bytes(), seed.as_bytes()],
    )
}

/// Hides the share: one share of a threshold of two or more is uniform.
pub(super) fn share_commitment(
    roster: &[u8; 32],
    kind: &'static str,
    dealer: &ClinicId,
    holder: &ClinicId,
    share: &Share,
) -> [u8; 32] {
    hash(
        kind,
        &[
            roster,
            dealer.as_str().as_bytes(),
            holder.as_str().as_bytes(),
            share.as_bytes(),
        ],
    )
}

/// From one clinic to another, for the shares.
pub(super) struct Channel<'a> {
    pub(super) roster: &'a [u8; 32],
    pub(super) secret: &'a StaticSecret,
    pub(super) peer: &'a [u8; 32],
    pub(super) sender: &'a ClinicId,
    pub(super) receiver: &'a ClinicId,
}

impl Channel<'_> {
    /// ChaCha20-Poly1305 (RFC 8439). The key belongs to one direction in one roster and seals exactly one text, which
    /// follows from the root: the nonce may be constant.
    fn key(&self) -> aead::LessSafeKey {
        let agreed = self.secret.diffie_hellman(&PublicKey::from(*self.peer));
        let key = derive::<32>(self.roster, agreed.as_bytes(), "channel", &self.parties());
        #[expect(clippy::expect_used, reason = "a key of 32 bytes is what the algorithm takes")]
        let key = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, &*key).expect("32 bytes");
        aead::LessSafeKey::new(key)
    }

    fn parties(&self) -> [&[u8]; 2] {
        [self.sender.as_str().as_bytes(), self.receiver.as_str().as_bytes()]
    }

    fn associated(&self) -> aead::Aad<Vec<u8>> {
        let [sender, receiver] = self.parties();
        aead::Aad::from(framed("shares", &[self.roster, sender, receiver]))
    }

    pub(super) fn seal(&self, mask: &Share, seed: &Share) -> Envelope {
        let mut text = Zeroizing::new([0; SHARES_BYTES]);
        let both = mask.as_bytes().iter().chain(seed.as_bytes());
        for (to, from) in text.iter_mut().zip(both) {
            *to = *from;
        }
        let nonce = aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN]);
        #[expect(clippy::expect_used, reason = "sealing fails only beyond 256 GiB")]
        let tag = self
            .key()
            .seal_in_place_separate_tag(nonce, self.associated(), &mut *text)
            .expect("64 bytes can be sealed");
        let mut bytes = [0; ENVELOPE_BYTES];
        for (to, from) in bytes.iter_mut().zip(text.iter().chain(tag.as_ref())) {
            *to = *from;
        }
        Envelope(bytes)
    }

    /// None when it was not sealed by this sender for this receiver in this roster.
    pub(super) fn open(&self, envelope: &Envelope) -> Option<(Share, Share)> {
        let mut bytes = Zeroizing::new(envelope.0);
        let nonce = aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN]);
        let text = self
            .key()
            .open_in_place(nonce, self.associated(), &mut *bytes)
            .ok()?;
        let (mask, seed) = text.split_first_chunk::<32>()?;
        Some((Share::from_bytes(*mask), Share::from_bytes(seed.try_into().ok()?)))
    }
}

/// False for the few points of small order, with which any agreement gives zero.
pub(super) fn usable(public: &[u8; 32]) -> bool {
    // Any secret tells: clamping makes each a multiple of the cofactor.
    StaticSecret::from([1; 32])
        .diffie_hellman(&PublicKey::from(*public))
        .was_contributory()
}
