use std::fmt;

use barefoot_domain::ClinicId;
use curve25519_dalek::scalar::Scalar;
use x25519_dalek::PublicKey;
use zeroize::{Zeroize, Zeroizing};

use super::keys::{mask_secret, pair_key, seed_commitment, self_key};
use super::mask::{Sign, Stream};
use super::shamir::{combine, weights};
use super::{Error, Params, Roster};

/// Shares of one secret, with the places they lie at.
pub(super) struct Dealt<'a> {
    pub(super) dealer: &'a ClinicId,
    pub(super) secret: Secret<'a>,
    pub(super) held: Vec<(u16, Scalar)>,
}

impl Drop for Dealt<'_> {
    fn drop(&mut self) {
        for (_, share) in &mut self.held {
            share.zeroize();
        }
    }
}

/// Which of a dealer's two secrets is asked for.
pub(super) enum Secret<'a> {
    /// The dealer's vector is in the sum.
    SelfSeed { commitment: &'a [u8; 32] },
    /// It is not, but the others masked against it.
    MaskSeed,
}

/// The streams left in the sum of the survivors' vectors. It can unmask that sum and no single vector in it.
pub struct Unmasker {
    params: Params,
    contributors: usize,
    streams: Vec<Stream>,
}

impl fmt::Debug for Unmasker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unmasker")
            .field("contributors", &self.contributors)
            .finish_non_exhaustive()
    }
}

impl Unmasker {
    pub(super) fn new(params: &Params, roster: &Roster, dealt: &[Dealt<'_>]) -> Result<Self, Error> {
        let threshold = usize::from(params.threshold());
        // All or nothing: no secret is rebuilt before every one can be.
        for dealt in dealt {
            if dealt.held.len() < threshold {
                return Err(wrong(dealt.dealer));
            }
        }
        let in_sum = |dealt: &&Dealt<'_>| matches!(dealt.secret, Secret::SelfSeed { .. });
        let survivors: Vec<&ClinicId> = dealt.iter().filter(in_sum).map(|dealt| dealt.dealer).collect();
        let mut streams = Vec::new();
        // Nearly always the same holders answer for every dealer, and the weights are the costly part.
        let mut known: (Vec<u16>, Vec<Scalar>) = Default::default();
        for dealt in dealt {
            let (places, shares): (Vec<u16>, Vec<Scalar>) =
                dealt.held.iter().take(threshold).copied().unzip();
            let shares = Zeroizing::new(shares);
            if known.0 != places {
                known.1 = weights(&places);
                known.0 = places;
            }
            let seed = Zeroizing::new(combine(&known.1, shares.iter()));
            match dealt.secret {
                Secret::SelfSeed { commitment } => {
                    if seed_commitment(roster.binding(), dealt.dealer, &seed) != *commitment {
                        return Err(wrong(dealt.dealer));
                    }
                    streams.push(Stream {
                        key: self_key(roster.binding(), &seed, dealt.dealer),
                        sign: Sign::Subtract,
                    });
                }
                Secret::MaskSeed => left_by(params, roster, dealt.dealer, &seed, &survivors, &mut streams)?,
            }
        }
        Ok(Self {
            params: params.clone(),
            contributors: survivors.len(),
            streams,
        })
    }

    /// How many vectors are in the sum.
    #[must_use]
    pub fn contributors(&self) -> usize {
        self.contributors
    }

    /// Turns chunk `chunk` of the sum of the masked vectors into the same chunk of the sum of the quantised vectors,
    /// bit for bit. In place, once per chunk; memory does not grow with the clinics.
    ///
    /// # Errors
    /// [`Error::NoSuchChunk`], [`Error::ChunkLength`].
    pub fn unmask_chunk(&self, chunk: usize, sum: &mut [u32]) -> Result<(), Error> {
        self.params.check_chunk(chunk, sum.len())?;
        for stream in &self.streams {
            stream.apply(chunk, sum);
        }
        Ok(())
    }
}

/// The streams the survivors share with one that dropped out.
fn left_by(
    params: &Params,
    roster: &Roster,
    dropped: &ClinicId,
    seed: &Scalar,
    survivors: &[&ClinicId],
    streams: &mut Vec<Stream>,
) -> Result<(), Error> {
    let secret = mask_secret(&params.digest(), seed);
    let rank = roster.rank(dropped)?;
    let advertised = roster.get(rank).map(|(_, advert)| advert.mask_public);
    if advertised != Some(PublicKey::from(&secret).to_bytes()) {
        return Err(wrong(dropped));
    }
    for survivor in survivors {
        let peer = roster.rank(survivor)?;
        if let Some((_, advert)) = roster.get(peer) {
            streams.push(Stream {
                key: pair_key(roster.binding(), &secret, &advert.mask_public, dropped, survivor),
                sign: Sign::between(peer, rank).reversed(),
            });
        }
    }
    Ok(())
}

fn wrong(dealer: &ClinicId) -> Error {
    Error::WrongDealer {
        clinic: dealer.clone(),
    }
}
