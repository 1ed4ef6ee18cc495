//! Secure aggregation as it travels: messages checked on their way in, made on their way out.

use std::collections::{BTreeMap, BTreeSet};

use barefoot_domain::ClinicId;
use barefoot_federation::secagg::{Advert, Envelope, Params, Shares, UnmaskShares};
use barefoot_trust::{Signature, TlsIdentity};
use barefoot_wire::v1;
use time::OffsetDateTime;

use super::terms::Declined;

pub(super) fn wire_advert(clinic: &ClinicId, advert: &Advert, signed: Signature) -> v1::Advert {
    v1::Advert {
        clinic: clinic.as_str().to_owned(),
        mask_public: advert.mask_public.to_vec(),
        channel_public: advert.channel_public.to_vec(),
        certificate: signed.certificate,
        signature: signed.signature,
    }
}

/// The clinics of the round. Each advert was signed by its clinic with a certificate of the region: the hub can leave
/// clinics out, but invent none.
///
/// # Errors
/// For the first advert that is not its clinic's, and for more than the round's clinics.
pub(super) fn checked_roster(
    roster: &[v1::Advert],
    params: &Params,
    identity: &TlsIdentity,
    now: OffsetDateTime,
) -> Result<BTreeMap<ClinicId, Advert>, Declined> {
    if usize::from(params.participants()) < roster.len() {
        return Err(Declined::failed("the roster has more clinics than the round"));
    }
    let mut checked = BTreeMap::new();
    for advert in roster {
        let clinic = clinic(&advert.clinic)?;
        let keys = Advert {
            mask_public: key(&advert.mask_public)?,
            channel_public: key(&advert.channel_public)?,
        };
        let bytes = keys.signing_bytes(params, &clinic);
        identity
            .verify_signed(&clinic, &bytes, &advert.certificate, &advert.signature, now)
            .map_err(|_| Declined::failed("a clinic of the roster did not sign what the hub shows of it"))?;
        if checked.insert(clinic, keys).is_some() {
            return Err(Declined::failed("a clinic stands in the roster twice"));
        }
    }
    Ok(checked)
}

/// One for every clinic of the roster, in the order of their ids.
pub(super) fn shares_reply(
    id: v1::RoundId,
    own: &ClinicId,
    roster: &BTreeMap<ClinicId, Advert>,
    shares: &Shares,
) -> v1::SharesReply {
    let share = roster
        .keys()
        .zip(&shares.holders)
        .map(|(holder, (envelope, commitments))| v1::SealedShare {
            from: own.as_str().to_owned(),
            to: holder.as_str().to_owned(),
            ciphertext: envelope.0.to_vec(),
            mask_commitment: commitments.mask.to_vec(),
            seed_commitment: commitments.seed.to_vec(),
        });
    v1::SharesReply {
        id: Some(id),
        share: share.collect(),
        seed_commitment: shares.seed_commitment.to_vec(),
    }
}

/// Envelopes by who dealt them.
///
/// # Errors
/// For one that is not for this clinic, doubled, or no envelope.
pub(super) fn checked_inbox(
    inbox: &[v1::SealedShare],
    own: &ClinicId,
) -> Result<BTreeMap<ClinicId, Envelope>, Declined> {
    let mut checked = BTreeMap::new();
    for share in inbox {
        if share.to != own.as_str() {
            return Err(Declined::failed("a share in the inbox is for another clinic"));
        }
        let envelope = Envelope::try_from(share.ciphertext.as_slice())
            .map_err(|error| Declined::failed(error.to_string()))?;
        if checked.insert(clinic(&share.from)?, envelope).is_some() {
            return Err(Declined::failed("two shares in the inbox are of one clinic"));
        }
    }
    Ok(checked)
}

/// # Errors
/// For a name that is no clinic's, or doubled.
pub(super) fn checked_survivors(survivors: &[String]) -> Result<BTreeSet<ClinicId>, Declined> {
    let checked: BTreeSet<ClinicId> = survivors
        .iter()
        .map(|name| clinic(name))
        .collect::<Result<_, _>>()?;
    if checked.len() != survivors.len() {
        return Err(Declined::failed("a clinic stands among the survivors twice"));
    }
    Ok(checked)
}

pub(super) fn unmask_reply(id: v1::RoundId, shares: &UnmaskShares) -> v1::UnmaskReply {
    use v1::unmask_share::Share;
    let self_masks = shares
        .self_seeds
        .iter()
        .map(|(clinic, share)| (clinic, Share::SelfMask(share.as_bytes().to_vec())));
    let mask_keys = shares
        .mask_seeds
        .iter()
        .map(|(clinic, share)| (clinic, Share::MaskKey(share.as_bytes().to_vec())));
    let share = self_masks
        .chain(mask_keys)
        .map(|(clinic, share)| v1::UnmaskShare {
            clinic: clinic.as_str().to_owned(),
            share: Some(share),
        });
    v1::UnmaskReply {
        id: Some(id),
        share: share.collect(),
    }
}

fn clinic(name: &str) -> Result<ClinicId, Declined> {
    ClinicId::new(name).map_err(|error| Declined::failed(error.to_string()))
}

fn key(bytes: &[u8]) -> Result<[u8; 32], Declined> {
    bytes
        .try_into()
        .map_err(|_| Declined::failed("a public key of the roster is not 32 bytes"))
}
