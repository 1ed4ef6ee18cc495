use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use barefoot_domain::ClinicId;
use curve25519_dalek::scalar::Scalar;
use rand::CryptoRng;
use ring::digest;
use x25519_dalek::PublicKey;
use zeroize::Zeroizing;

use super::keys::{Channel, Root, mask_secret, pair_key, seed_commitment, self_key, share_commitment};
use super::mask::{Sign, Stream};
use super::message::{Advert, Commitments, Envelope, Share, Shares, UnmaskShares};
use super::roster::place;
use super::shamir::Polynomial;
use super::{Error, Params, Roster};

/// One clinic's side of one round. Secrets are wiped when it is dropped and never printed.
///
/// | state | step | next |
/// |---|---|---|
/// | advertised | `share` | shared |
/// | shared | `open` | masking |
/// | masking | `mask`, any number of times | masking |
/// | masking | `unmask` | answered |
///
/// A step repeated with the same input gives the same output and changes nothing; with another input it is refused.
/// Persist [`Self::to_bytes`] after each step and before its message leaves: a clinic that forgets what it answered
/// could be asked twice.
pub struct Client {
    pub(super) params: Params,
    pub(super) id: ClinicId,
    pub(super) root: Root,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    Advertised,
    Shared {
        roster: Roster,
    },
    Masking(Masking),
    Answered {
        survivors: BTreeSet<ClinicId>,
        answer: UnmaskShares,
    },
}

pub(super) struct Masking {
    pub(super) roster: Roster,
    /// Whose shares came: everyone a mask is shared with.
    pub(super) dealers: BTreeSet<ClinicId>,
    /// Mask seed's and self seed's share of each dealer whose envelope could be opened.
    pub(super) held: BTreeMap<ClinicId, (Share, Share)>,
    /// By chunk, the hash of what was masked.
    pub(super) masked: BTreeMap<usize, [u8; 32]>,
    /// Made from the root, never saved.
    pub(super) streams: Vec<Stream>,
}

/// What came out of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Dealers whose envelope could not be opened. The round goes on without this clinic's share of their secrets.
    pub unreadable: Vec<ClinicId>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Advertised => "advertised",
            Stage::Shared { .. } => "shared",
            Stage::Masking(_) => "masking",
            Stage::Answered { .. } => "answered",
        };
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Draws the round's root. One client serves one round; a clinic that starts over makes a new one.
    pub fn new(params: Params, id: ClinicId, rng: &mut impl CryptoRng) -> Self {
        let mut root = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *root);
        Self {
            params,
            id,
            root: Root(root),
            stage: Stage::Advertised,
        }
    }

    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    #[must_use]
    pub fn id(&self) -> &ClinicId {
        &self.id
    }

    /// The keys to advertise.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] once the round's secrets are gone, after [`Self::unmask`].
    pub fn advert(&self) -> Result<Advert, Error> {
        if matches!(self.stage, Stage::Answered { .. }) {
            return Err(Error::OutOfOrder { step: "advertising" });
        }
        Ok(own_advert(&self.params.digest(), &self.root))
    }

    /// Deals shares of both secrets to every clinic of the roster, itself included.
    ///
    /// The caller has checked each advert's signature: this is the point after which an invented clinic would hold
    /// shares.
    ///
    /// # Errors
    /// Those of [`Roster::new`]; [`Error::OwnAdvert`]; [`Error::Changed`] for a second, different roster;
    /// [`Error::OutOfOrder`].
    pub fn share(&mut self, members: impl IntoIterator<Item = (ClinicId, Advert)>) -> Result<Shares, Error> {
        let roster = Roster::new(&self.params, members)?;
        match &self.stage {
            Stage::Advertised => {}
            Stage::Shared { roster: known } if known.binding() == roster.binding() => {}
            Stage::Shared { .. } => return Err(Error::Changed),
            Stage::Masking(_) | Stage::Answered { .. } => return Err(Error::OutOfOrder { step: "sharing" }),
        }
        let params = self.params.digest();
        let own = roster.rank(&self.id).map_err(|_| Error::OwnAdvert)?;
        if roster.get(own).map(|(_, advert)| *advert) != Some(own_advert(&params, &self.root)) {
            return Err(Error::OwnAdvert);
        }
        let shares = self.deal(&params, &roster);
        self.stage = Stage::Shared { roster };
        Ok(shares)
    }

    pub(super) fn deal(&self, params: &[u8; 32], roster: &Roster) -> Shares {
        let binding = roster.binding();
        let polynomial = |secret: Scalar, label: &'static str| {
            let others = self.root.coefficients(binding, label, self.params.threshold());
            Polynomial::new(secret, others)
        };
        let self_seed = self.root.self_seed(binding);
        let mask_polynomial = polynomial(self.root.mask_seed(params), "mask coefficient");
        let seed_polynomial = polynomial(self_seed, "self coefficient");
        let secret = self.root.channel_secret(params);
        let holders = roster.members().enumerate().map(|(rank, (holder, advert))| {
            let mask = Share::from_bytes(mask_polynomial.share(place(rank)).to_bytes());
            let seed = Share::from_bytes(seed_polynomial.share(place(rank)).to_bytes());
            let channel = Channel {
                roster: binding,
                secret: &secret,
                peer: &advert.channel_public,
                sender: &self.id,
                receiver: holder,
            };
            let commitments = Commitments {
                mask: share_commitment(binding, "mask share", &self.id, holder, &mask),
                seed: share_commitment(binding, "seed share", &self.id, holder, &seed),
            };
            (channel.seal(&mask, &seed), commitments)
        });
        Shares {
            seed_commitment: seed_commitment(binding, &self.id, &self_seed),
            holders: holders.collect(),
        }
    }

    /// Takes the envelopes of all who dealt, this clinic's own among them. From here on its vector is masked against
    /// exactly these.
    ///
    /// An envelope that cannot be opened is no reason to stop: others hold shares of that dealer too.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a dealer outside the roster or when the own envelope is missing;
    /// [`Error::BelowThreshold`] dealers, or envelopes that open; [`Error::Changed`] for a second, different set of
    /// dealers; [`Error::OutOfOrder`].
    pub fn open(&mut self, inbox: &BTreeMap<ClinicId, Envelope>) -> Result<Opened, Error> {
        let roster = match &self.stage {
            Stage::Shared { roster } => roster,
            Stage::Masking(masking) if masking.dealers.iter().eq(inbox.keys()) => {
                let unreadable = |dealer: &&ClinicId| !masking.held.contains_key(*dealer);
                return Ok(Opened {
                    unreadable: masking.dealers.iter().filter(unreadable).cloned().collect(),
                });
            }
            Stage::Masking(_) => return Err(Error::Changed),
            Stage::Advertised | Stage::Answered { .. } => return Err(Error::OutOfOrder { step: "opening" }),
        };
        if !inbox.contains_key(&self.id) {
            return Err(Error::Unknown {
                clinic: self.id.clone(),
            });
        }
        self.params.check_threshold("clinics dealt shares", inbox.len())?;
        let secret = self.root.channel_secret(&self.params.digest());
        let (mut held, mut unreadable) = (BTreeMap::new(), Vec::new());
        for (dealer, envelope) in inbox {
            let (_, advert) = roster.get(roster.rank(dealer)?).ok_or(Error::OwnAdvert)?;
            let channel = Channel {
                roster: roster.binding(),
                secret: &secret,
                peer: &advert.channel_public,
                sender: dealer,
                receiver: &self.id,
            };
            match channel.open(envelope) {
                Some(shares) => {
                    held.insert(dealer.clone(), shares);
                }
                None => unreadable.push(dealer.clone()),
            }
        }
        self.params
            .check_threshold("envelopes could be opened", held.len())?;
        let dealers: BTreeSet<ClinicId> = inbox.keys().cloned().collect();
        let masking = Masking {
            streams: streams(&self.params, &self.id, &self.root, roster, &dealers)?,
            roster: roster.clone(),
            dealers,
            held,
            masked: BTreeMap::new(),
        };
        self.stage = Stage::Masking(masking);
        Ok(Opened { unreadable })
    }

    /// Masks chunk `chunk` of the quantised vector, the quantised weight being its last value. Chunks may come in any
    /// order and again, but always with the same values: quantise once, with a stored seed, and keep the result.
    ///
    /// # Errors
    /// [`Error::NoSuchChunk`], [`Error::ChunkLength`], [`Error::ValueRange`], [`Error::ChunkChanged`],
    /// [`Error::OutOfOrder`].
    pub fn mask(&mut self, chunk: usize, values: &[u32]) -> Result<Vec<u32>, Error> {
        let Stage::Masking(masking) = &mut self.stage else {
            return Err(Error::OutOfOrder { step: "masking" });
        };
        self.params.check_chunk(chunk, values.len())?;
        let largest = self.params.quantiser().largest();
        if values.iter().any(|value| largest < *value) {
            return Err(Error::ValueRange { chunk });
        }
        let fingerprint = fingerprint(values);
        if *masking.masked.entry(chunk).or_insert(fingerprint) != fingerprint {
            return Err(Error::ChunkChanged { chunk });
        }
        let mut masked = values.to_vec();
        for stream in &masking.streams {
            stream.apply(chunk, &mut masked);
        }
        Ok(masked)
    }

    /// Answers the hub's one question: whose vectors are in the sum. Gives the self-seed share of each of those and the
    /// mask-seed share of each other dealer, then forgets every secret of the round.
    ///
    /// # Errors
    /// [`Error::BelowThreshold`] survivors; [`Error::Unknown`] for one that dealt no shares; [`Error::Changed`] for a
    /// second, different question; [`Error::OutOfOrder`].
    pub fn unmask(&mut self, survivors: &BTreeSet<ClinicId>) -> Result<UnmaskShares, Error> {
        let masking = match &mut self.stage {
            Stage::Masking(masking) => masking,
            Stage::Answered {
                survivors: known,
                answer,
            } if known == survivors => return Ok(answer.clone()),
            Stage::Answered { .. } => return Err(Error::Changed),
            Stage::Advertised | Stage::Shared { .. } => return Err(Error::OutOfOrder { step: "unmasking" }),
        };
        if let Some(clinic) = survivors.difference(&masking.dealers).next() {
            return Err(Error::Unknown {
                clinic: clinic.clone(),
            });
        }
        self.params
            .check_threshold("vectors are in the sum", survivors.len())?;
        let mut answer = UnmaskShares::default();
        for (dealer, (mask, seed)) in std::mem::take(&mut masking.held) {
            if survivors.contains(&dealer) {
                answer.self_seeds.insert(dealer, seed);
            } else {
                answer.mask_seeds.insert(dealer, mask);
            }
        }
        self.stage = Stage::Answered {
            survivors: survivors.clone(),
            answer: answer.clone(),
        };
        self.root = Root(Zeroizing::new([0; 32]));
        Ok(answer)
    }
}

fn own_advert(params: &[u8; 32], root: &Root) -> Advert {
    let mask_secret = mask_secret(params, &root.mask_seed(params));
    Advert {
        mask_public: PublicKey::from(&mask_secret).to_bytes(),
        channel_public: PublicKey::from(&root.channel_secret(params)).to_bytes(),
    }
}

/// The own stream and one with each other dealer.
pub(super) fn streams(
    params: &Params,
    id: &ClinicId,
    root: &Root,
    roster: &Roster,
    dealers: &BTreeSet<ClinicId>,
) -> Result<Vec<Stream>, Error> {
    let params = params.digest();
    let binding = roster.binding();
    let secret = mask_secret(&params, &root.mask_seed(&params));
    let own = roster.rank(id)?;
    let mut streams = vec![Stream {
        key: self_key(binding, &root.self_seed(binding), id),
        sign: Sign::Add,
    }];
    for (rank, (peer, advert)) in roster.members().enumerate() {
        if rank != own && dealers.contains(peer) {
            streams.push(Stream {
                key: pair_key(binding, &secret, &advert.mask_public, id, peer),
                sign: Sign::between(own, rank),
            });
        }
    }
    Ok(streams)
}

fn fingerprint(values: &[u32]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut block = [0; 4096];
    for part in values.chunks(block.len() / 4) {
        let (words, _) = block.as_chunks_mut::<4>();
        for (word, value) in words.iter_mut().zip(part) {
            *word = value.to_le_bytes();
        }
        context.update(block.get(..4 * part.len()).unwrap_or_default());
    }
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    out
}
