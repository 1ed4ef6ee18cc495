//! The hub's side of secure aggregation. It follows from the journal alone: messages are played back.

use std::collections::BTreeSet;

use barefoot_domain::ClinicId;
use barefoot_federation::round::{Duty, Progress, Stage};
use barefoot_federation::secagg::{
    Advert, Commitments, Envelope, Roster, Server, Share, Shares, UnmaskShares,
};
use barefoot_wire::v1;
use barefoot_wire::v1::unmask_share;
use prost::Message;

use super::Error;
use super::run::ActiveRun;
use crate::archive::{Archive, ReplyRow};

/// The attempt's server as of its present stage, from memory or from the journal.
pub(super) async fn server<'a>(archive: &Archive, run: &'a mut ActiveRun) -> Result<&'a mut Server, Error> {
    let stage = run.attempt.round.stage();
    let fresh = run.attempt.server.as_ref().is_some_and(|(of, _)| *of == stage);
    if !fresh {
        let server = play_back(archive, run).await?;
        run.attempt.server = Some((stage, server));
    }
    let held = run.attempt.server.as_mut().map(|(_, server)| server);
    held.ok_or(Error::Stored { what: "round" })
}

/// Everything journalled, up to the present stage.
pub(super) async fn play_back(archive: &Archive, run: &ActiveRun) -> Result<Server, Error> {
    let (key, round) = (&run.attempt.key, &run.attempt.round);
    let mut server = Server::new(run.params()?);
    let bad = |what| move |_| Error::Stored { what };
    let has = |progress: Progress| {
        let reached: BTreeSet<ClinicId> = round.reached(progress).cloned().collect();
        move |reply: &ReplyRow| reached.contains(&reply.clinic)
    };
    let keys = archive.replies(key, Duty::Keys).await?;
    for reply in keys.into_iter().filter(has(Progress::Keyed)) {
        let advert =
            v1::Advert::decode(reply.body.as_slice()).map_err(|_| Error::Stored { what: "advert" })?;
        let advert = to_advert(&advert).ok_or(Error::Stored { what: "advert" })?;
        server.advert(reply.clinic, advert).map_err(bad("advert"))?;
    }
    if round.stage() <= Stage::Keys {
        return Ok(server);
    }
    server.close_adverts().map_err(bad("roster"))?;
    let shares = archive.replies(key, Duty::Shares).await?;
    for reply in shares.into_iter().filter(has(Progress::Shared)) {
        let message =
            v1::SharesReply::decode(reply.body.as_slice()).map_err(|_| Error::Stored { what: "shares" })?;
        let dealt = server
            .roster()
            .and_then(|roster| to_shares(&reply.clinic, roster, &message))
            .ok_or(Error::Stored { what: "shares" })?;
        server.shares(reply.clinic, dealt).map_err(bad("shares"))?;
    }
    if round.stage() <= Stage::Shares {
        return Ok(server);
    }
    server.close_shares().map_err(bad("shares"))?;
    if round.stage() <= Stage::Fitting {
        return Ok(server);
    }
    let survivors = round.reached(Progress::Fitted).cloned().collect();
    server
        .close_masking(survivors)
        .map_err(bad("list of survivors"))?;
    for reply in archive.replies(key, Duty::Unmask).await? {
        let message = v1::UnmaskReply::decode(reply.body.as_slice())
            .map_err(|_| Error::Stored { what: "unmasking" })?;
        let answer = to_unmask(&message).ok_or(Error::Stored { what: "unmasking" })?;
        server
            .unmask_shares(reply.clinic, answer)
            .map_err(bad("unmasking"))?;
    }
    Ok(server)
}

pub(super) fn to_advert(advert: &v1::Advert) -> Option<Advert> {
    Some(Advert {
        mask_public: bytes32(&advert.mask_public)?,
        channel_public: bytes32(&advert.channel_public)?,
    })
}

/// `None` unless there is exactly one share for each clinic of the roster, in its order.
pub(super) fn to_shares(dealer: &ClinicId, roster: &Roster, message: &v1::SharesReply) -> Option<Shares> {
    if message.share.len() != roster.len() {
        return None;
    }
    let holders = roster.members().zip(&message.share).map(|((holder, _), share)| {
        if share.from != dealer.as_str() || share.to != holder.as_str() {
            return None;
        }
        let commitments = Commitments {
            mask: bytes32(&share.mask_commitment)?,
            seed: bytes32(&share.seed_commitment)?,
        };
        Some((Envelope::try_from(share.ciphertext.as_slice()).ok()?, commitments))
    });
    Some(Shares {
        seed_commitment: bytes32(&message.seed_commitment)?,
        holders: holders.collect::<Option<_>>()?,
    })
}

/// `None` when a share is none, or there are two for one clinic.
pub(super) fn to_unmask(message: &v1::UnmaskReply) -> Option<UnmaskShares> {
    let mut answer = UnmaskShares::default();
    for share in &message.share {
        let clinic = ClinicId::new(share.clinic.as_str()).ok()?;
        let (shares, bytes) = match share.share.as_ref()? {
            unmask_share::Share::SelfMask(bytes) => (&mut answer.self_seeds, bytes),
            unmask_share::Share::MaskKey(bytes) => (&mut answer.mask_seeds, bytes),
        };
        let earlier = shares.insert(clinic, Share::from_bytes(bytes32(bytes)?));
        if earlier.is_some() {
            return None;
        }
    }
    Some(answer)
}

fn bytes32(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}
