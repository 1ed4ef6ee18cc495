use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use barefoot_domain::ClinicId;

use super::keys::{share_commitment, usable};
use super::message::{Advert, Commitments, Envelope, Share, Shares, UnmaskShares};
use super::roster::place;
use super::unmask::{Dealt, Secret, Unmasker};
use super::{Error, Params, Roster};

/// The hub's side of one round: it collects, and in the end can unmask the sum, nothing else.
///
/// | state | step | next |
/// |---|---|---|
/// | adverts | `advert` …, `close_adverts` | shares |
/// | shares | `shares` …, `close_shares` | masking |
/// | masking | `close_masking`, when the vectors are in | unmasking |
/// | unmasking | `unmask_shares` …, `reconstruct` | |
///
/// A message that comes again unchanged is taken as the first was; a different one in its place is refused. The state
/// follows from the messages alone: a hub that journals them resumes by playing them back.
pub struct Server {
    params: Params,
    stage: Stage,
}

enum Stage {
    Adverts(BTreeMap<ClinicId, Advert>),
    Shares {
        roster: Roster,
        received: BTreeMap<ClinicId, Shares>,
    },
    Masking {
        roster: Roster,
        dealt: BTreeMap<ClinicId, Shares>,
    },
    Unmasking(Unmasking),
}

struct Unmasking {
    roster: Roster,
    dealt: BTreeMap<ClinicId, Shares>,
    survivors: BTreeSet<ClinicId>,
    answers: BTreeMap<ClinicId, UnmaskShares>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, messages) = match &self.stage {
            Stage::Adverts(adverts) => ("adverts", adverts.len()),
            Stage::Shares { received, .. } => ("shares", received.len()),
            Stage::Masking { dealt, .. } => ("masking", dealt.len()),
            Stage::Unmasking(unmasking) => ("unmasking", unmasking.answers.len()),
        };
        f.debug_struct("Server")
            .field("stage", &stage)
            .field("messages", &messages)
            .finish_non_exhaustive()
    }
}

impl Server {
    #[must_use]
    pub fn new(params: Params) -> Self {
        Self {
            params,
            stage: Stage::Adverts(BTreeMap::new()),
        }
    }

    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Takes a clinic's keys, whose signature the caller has checked. What no roster may hold is refused here, so that
    /// one clinic's keys cannot stop the others' round.
    ///
    /// # Errors
    /// [`Error::TooMany`], [`Error::BadKey`], [`Error::Duplicate`], [`Error::Changed`], [`Error::OutOfOrder`].
    pub fn advert(&mut self, clinic: ClinicId, advert: Advert) -> Result<(), Error> {
        let Stage::Adverts(adverts) = &mut self.stage else {
            return Err(Error::OutOfOrder { step: "an advert" });
        };
        let most = usize::from(self.params.participants());
        if most <= adverts.len() && !adverts.contains_key(&clinic) {
            return Err(Error::TooMany { most });
        }
        if !(usable(&advert.mask_public) && usable(&advert.channel_public)) {
            return Err(Error::BadKey { clinic });
        }
        let others = adverts.iter().filter(|(other, _)| **other != clinic);
        let mut taken = others.flat_map(|(_, other)| [other.mask_public, other.channel_public]);
        if advert.mask_public == advert.channel_public
            || taken.any(|key| key == advert.mask_public || key == advert.channel_public)
        {
            return Err(Error::Duplicate { clinic });
        }
        keep_first(adverts, clinic, advert)
    }

    /// Ends the adverts. The roster goes to every clinic in it.
    ///
    /// # Errors
    /// Those of [`Roster::new`]; [`Error::OutOfOrder`].
    pub fn close_adverts(&mut self) -> Result<&Roster, Error> {
        let Stage::Adverts(adverts) = &self.stage else {
            return Err(Error::OutOfOrder {
                step: "closing adverts",
            });
        };
        let members = adverts.iter().map(|(clinic, advert)| (clinic.clone(), *advert));
        self.stage = Stage::Shares {
            roster: Roster::new(&self.params, members)?,
            received: BTreeMap::new(),
        };
        self.roster().ok_or(Error::OutOfOrder {
            step: "closing adverts",
        })
    }

    /// Takes one clinic's sealed shares.
    ///
    /// # Errors
    /// [`Error::Unknown`] when it is not in the roster or did not deal to the roster; [`Error::Changed`];
    /// [`Error::OutOfOrder`].
    pub fn shares(&mut self, dealer: ClinicId, shares: Shares) -> Result<(), Error> {
        let Stage::Shares { roster, received } = &mut self.stage else {
            return Err(Error::OutOfOrder { step: "sharing" });
        };
        roster.rank(&dealer)?;
        if shares.holders.len() != roster.len() {
            return Err(Error::Unknown { clinic: dealer });
        }
        keep_first(received, dealer, shares)
    }

    /// Ends the dealing. Those who dealt are the only ones the round goes on with.
    ///
    /// # Errors
    /// [`Error::BelowThreshold`]; [`Error::OutOfOrder`].
    pub fn close_shares(&mut self) -> Result<BTreeSet<ClinicId>, Error> {
        let Stage::Shares { roster, received } = &mut self.stage else {
            return Err(Error::OutOfOrder {
                step: "closing shares",
            });
        };
        self.params
            .check_threshold("clinics dealt shares", received.len())?;
        let dealers = received.keys().cloned().collect();
        self.stage = Stage::Masking {
            roster: roster.clone(),
            dealt: std::mem::take(received),
        };
        Ok(dealers)
    }

    /// The envelopes for one clinic, by dealer.
    ///
    /// # Errors
    /// [`Error::Unknown`] when it did not deal; [`Error::OutOfOrder`].
    pub fn inbox(&self, holder: &ClinicId) -> Result<BTreeMap<ClinicId, Envelope>, Error> {
        let Stage::Masking { roster, dealt } = &self.stage else {
            return Err(Error::OutOfOrder { step: "an inbox" });
        };
        if !dealt.contains_key(holder) {
            return Err(Error::Unknown {
                clinic: holder.clone(),
            });
        }
        let rank = roster.rank(holder)?;
        let envelope = |shares: &Shares| shares.holders.get(rank).map(|(envelope, _)| *envelope);
        Ok(dealt
            .iter()
            .filter_map(|(dealer, shares)| Some((dealer.clone(), envelope(shares)?)))
            .collect())
    }

    /// Fixes whose vectors are in the sum: those of whom every chunk is in. The question every clinic is then asked is
    /// this set.
    ///
    /// # Errors
    /// [`Error::BelowThreshold`]; [`Error::Unknown`] for a clinic that did not deal; [`Error::OutOfOrder`].
    pub fn close_masking(&mut self, survivors: BTreeSet<ClinicId>) -> Result<(), Error> {
        let Stage::Masking { roster, dealt } = &mut self.stage else {
            return Err(Error::OutOfOrder {
                step: "closing masking",
            });
        };
        if let Some(clinic) = survivors.iter().find(|clinic| !dealt.contains_key(clinic)) {
            return Err(Error::Unknown {
                clinic: clinic.clone(),
            });
        }
        self.params
            .check_threshold("vectors are in the sum", survivors.len())?;
        self.stage = Stage::Unmasking(Unmasking {
            roster: roster.clone(),
            dealt: std::mem::take(dealt),
            survivors,
            answers: BTreeMap::new(),
        });
        Ok(())
    }

    /// Takes one clinic's answer and gives the dealers whose share in it is wrong: the clinic, or the dealer, did not
    /// follow the protocol. Those shares are left out; the right ones are kept.
    ///
    /// # Errors
    /// [`Error::Unknown`] when the clinic did not deal; [`Error::NotAsked`] when the answer holds a share of the other
    /// kind, or of somebody else; [`Error::Changed`]; [`Error::OutOfOrder`].
    pub fn unmask_shares(&mut self, holder: ClinicId, answer: UnmaskShares) -> Result<Vec<ClinicId>, Error> {
        let Stage::Unmasking(unmasking) = &mut self.stage else {
            return Err(Error::OutOfOrder { step: "unmasking" });
        };
        unmasking.check_asked(&holder, &answer)?;
        let (right, wrong) = unmasking.sort_out(&holder, answer)?;
        keep_first(&mut unmasking.answers, holder, right)?;
        Ok(wrong)
    }

    /// How many more right shares the round needs before [`Self::reconstruct`] can succeed, counted where most are
    /// missing. None before unmasking.
    #[must_use]
    pub fn missing(&self) -> Option<usize> {
        let Stage::Unmasking(unmasking) = &self.stage else {
            return None;
        };
        let least = unmasking.dealt.keys().map(|dealer| unmasking.count(dealer)).min();
        Some(usize::from(self.params.threshold()).saturating_sub(least.unwrap_or(0)))
    }

    /// Rebuilds the streams left in the sum.
    ///
    /// # Errors
    /// [`Error::BelowThreshold`] answers: wait for more. [`Error::WrongDealer`] when enough clinics answered but too few
    /// hold a right share of this one's secret, or the shares do not give its key or commitment: without an answer that
    /// mends it the round is lost, and that clinic lost it. [`Error::OutOfOrder`].
    pub fn reconstruct(&self) -> Result<Unmasker, Error> {
        let Stage::Unmasking(unmasking) = &self.stage else {
            return Err(Error::OutOfOrder {
                step: "reconstruction",
            });
        };
        self.params
            .check_threshold("clinics answered", unmasking.answers.len())?;
        let dealt = unmasking
            .dealt
            .iter()
            .map(|(dealer, shares)| unmasking.dealt_by(dealer, shares));
        Unmasker::new(
            &self.params,
            &unmasking.roster,
            &dealt.collect::<Result<Vec<_>, _>>()?,
        )
    }

    /// The roster, once the adverts are closed.
    #[must_use]
    pub fn roster(&self) -> Option<&Roster> {
        match &self.stage {
            Stage::Adverts(_) => None,
            Stage::Shares { roster, .. } | Stage::Masking { roster, .. } => Some(roster),
            Stage::Unmasking(unmasking) => Some(&unmasking.roster),
        }
    }
}

impl Unmasking {
    fn check_asked(&self, holder: &ClinicId, answer: &UnmaskShares) -> Result<(), Error> {
        if !self.dealt.contains_key(holder) {
            return Err(Error::Unknown {
                clinic: holder.clone(),
            });
        }
        let wrong_seed = answer
            .self_seeds
            .keys()
            .any(|dealer| !self.survivors.contains(dealer));
        let wrong_mask = answer
            .mask_seeds
            .keys()
            .any(|dealer| self.survivors.contains(dealer) || !self.dealt.contains_key(dealer));
        if wrong_seed || wrong_mask {
            return Err(Error::NotAsked {
                clinic: holder.clone(),
            });
        }
        Ok(())
    }

    /// Right shares, and the dealers of wrong ones.
    fn sort_out(
        &self,
        holder: &ClinicId,
        answer: UnmaskShares,
    ) -> Result<(UnmaskShares, Vec<ClinicId>), Error> {
        let rank = self.roster.rank(holder)?;
        let mut wrong = Vec::new();
        let mut keep = |shares: BTreeMap<ClinicId, Share>, kind, committed: fn(&Commitments) -> [u8; 32]| {
            let mut right = BTreeMap::new();
            for (dealer, share) in shares {
                let commitments = self
                    .dealt
                    .get(&dealer)
                    .and_then(|shares| shares.holders.get(rank));
                let hash = share_commitment(self.roster.binding(), kind, &dealer, holder, &share);
                if commitments.is_some_and(|(_, commitments)| committed(commitments) == hash)
                    && share.scalar().is_some()
                {
                    right.insert(dealer, share);
                } else {
                    wrong.push(dealer);
                }
            }
            right
        };
        let right = UnmaskShares {
            self_seeds: keep(answer.self_seeds, "seed share", |commitments| commitments.seed),
            mask_seeds: keep(answer.mask_seeds, "mask share", |commitments| commitments.mask),
        };
        Ok((right, wrong))
    }

    fn share_of<'a>(&self, dealer: &ClinicId, answer: &'a UnmaskShares) -> Option<&'a Share> {
        if self.survivors.contains(dealer) {
            answer.self_seeds.get(dealer)
        } else {
            answer.mask_seeds.get(dealer)
        }
    }

    fn count(&self, dealer: &ClinicId) -> usize {
        let held = self
            .answers
            .values()
            .filter(|answer| self.share_of(dealer, answer).is_some());
        held.count()
    }

    fn dealt_by<'a>(&'a self, dealer: &'a ClinicId, shares: &'a Shares) -> Result<Dealt<'a>, Error> {
        let mut held = Vec::new();
        for (holder, answer) in &self.answers {
            if let Some(share) = self.share_of(dealer, answer).and_then(Share::scalar) {
                held.push((place(self.roster.rank(holder)?), share));
            }
        }
        Ok(Dealt {
            dealer,
            secret: if self.survivors.contains(dealer) {
                Secret::SelfSeed {
                    commitment: &shares.seed_commitment,
                }
            } else {
                Secret::MaskSeed
            },
            held,
        })
    }
}

fn keep_first<T: PartialEq>(
    known: &mut BTreeMap<ClinicId, T>,
    clinic: ClinicId,
    message: T,
) -> Result<(), Error> {
    match known.get(&clinic) {
        Some(first) if *first == message => Ok(()),
        Some(_) => Err(Error::Changed),
        None => {
            known.insert(clinic, message);
            Ok(())
        }
    }
}
