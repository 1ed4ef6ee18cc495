use std::collections::BTreeSet;

use barefoot_domain::ClinicId;

use super::keys::{hash, usable};
use super::{Advert, Error, Params};

/// The clinics of a round with their keys, in the order of their ids. A clinic's place, counted from 1, is where its
/// shares lie on the dealers' polynomials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    members: Vec<(ClinicId, Advert)>,
    binding: [u8; 32],
}

impl Roster {
    /// In any order.
    ///
    /// # Errors
    /// [`Error::BelowThreshold`], [`Error::TooMany`], [`Error::Duplicate`] for a clinic or key that stands there twice,
    /// [`Error::BadKey`] for a key with which every agreement is the same.
    pub fn new(
        params: &Params,
        members: impl IntoIterator<Item = (ClinicId, Advert)>,
    ) -> Result<Self, Error> {
        let most = usize::from(params.participants());
        let mut members: Vec<_> = members.into_iter().take(most + 1).collect();
        if most < members.len() {
            return Err(Error::TooMany { most });
        }
        params.check_threshold("clinics in the roster", members.len())?;
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        let (mut clinics, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for (clinic, advert) in &members {
            let fresh =
                clinics.insert(clinic) & keys.insert(advert.mask_public) & keys.insert(advert.channel_public);
            if !fresh {
                return Err(Error::Duplicate {
                    clinic: clinic.clone(),
                });
            }
            if !(usable(&advert.mask_public) && usable(&advert.channel_public)) {
                return Err(Error::BadKey {
                    clinic: clinic.clone(),
                });
            }
        }
        let params = params.digest();
        let mut fields: Vec<&[u8]> = vec![&params];
        for (clinic, advert) in &members {
            fields.extend([
                clinic.as_str().as_bytes(),
                &advert.mask_public,
                &advert.channel_public,
            ]);
        }
        let binding = hash("roster", &fields);
        Ok(Self { members, binding })
    }

    /// In the order of ids, which is the order of [`super::Shares::holders`].
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&ClinicId, &Advert)> {
        self.members.iter().map(|(clinic, advert)| (clinic, advert))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn get(&self, rank: usize) -> Option<(&ClinicId, &Advert)> {
        self.members.get(rank).map(|(clinic, advert)| (clinic, advert))
    }

    /// The clinic's place, from 0.
    pub(super) fn rank(&self, clinic: &ClinicId) -> Result<usize, Error> {
        self.members
            .binary_search_by(|(member, _)| member.cmp(clinic))
            .map_err(|_| Error::Unknown {
                clinic: clinic.clone(),
            })
    }

    /// Stands for the roster and the parameters in every key derived after it is known.
    pub(super) fn binding(&self) -> &[u8; 32] {
        &self.binding
    }
}

/// Where the shares of the clinic at `rank` lie. A roster has at most 1000 places.
pub(super) fn place(rank: usize) -> u16 {
    u16::try_from(rank + 1).unwrap_or(u16::MAX)
}
