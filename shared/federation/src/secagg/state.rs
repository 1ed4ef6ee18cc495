//! A client on disk: a version, the record in postcard form, a hash that tells damage. It holds the round's secrets in the
//! clear: callers keep it from other users' eyes and destroy it when the round has no more use for it.

use std::collections::{BTreeMap, BTreeSet};

use barefoot_domain::ClinicId;
use postcard::ser_flavors::Size;
use ring::digest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::client::{Client, Masking, Stage, streams};
use super::keys::{Key, Root};
use super::message::{Advert, Share, UnmaskShares};
use super::{Error, Params, Roster, RoundContext};

const VERSION: u8 = 1;
const HASH_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
struct Record {
    params: ParamsRecord,
    id: String,
    root: Key,
    stage: StageRecord,
}

#[derive(Serialize, Deserialize)]
struct ParamsRecord {
    participants: u16,
    threshold: u16,
    values: u64,
    clip: f32,
    weight_cap: u32,
    run: String,
    round: u32,
    model: [u8; 32],
}

#[derive(Serialize, Deserialize)]
enum StageRecord {
    Advertised,
    Shared {
        roster: Vec<MemberRecord>,
    },
    Masking {
        roster: Vec<MemberRecord>,
        dealers: Vec<String>,
        held: Vec<(String, Key, Key)>,
        masked: Vec<(u32, [u8; 32])>,
    },
    Answered {
        survivors: Vec<String>,
        self_seeds: Vec<(String, Key)>,
        mask_seeds: Vec<(String, Key)>,
    },
}

#[derive(Serialize, Deserialize)]
struct MemberRecord {
    clinic: String,
    mask_public: [u8; 32],
    channel_public: [u8; 32],
}

impl Client {
    /// The whole state, secrets included. Seal it, write it, sync it, then send the step's message.
    ///
    /// # Errors
    /// [`Error::DamagedState`] when the record does not serialise, which no state of this type does.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let record = Record::of(self);
        let damaged = |_| Error::DamagedState;
        let size = postcard::serialize_with_flavor(&record, Size::default()).map_err(damaged)?;
        // Written in place: a vector that grew would leave secrets behind.
        let mut bytes = Zeroizing::new(vec![0; 1 + size + HASH_BYTES]);
        if let Some((version, rest)) = bytes.split_first_mut() {
            *version = VERSION;
            let (body, _) = rest.split_at_mut_checked(size).ok_or(Error::DamagedState)?;
            postcard::to_slice(&record, body).map_err(damaged)?;
        }
        let hash = digest::digest(&digest::SHA256, bytes.get(..=size).unwrap_or_default());
        for (to, from) in bytes.iter_mut().skip(1 + size).zip(hash.as_ref()) {
            *to = *from;
        }
        Ok(bytes)
    }

    /// The client as it was saved.
    ///
    /// # Errors
    /// [`Error::StateVersion`], [`Error::DamagedState`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (body, hash) = bytes
            .split_last_chunk::<HASH_BYTES>()
            .ok_or(Error::DamagedState)?;
        if digest::digest(&digest::SHA256, body).as_ref() != hash {
            return Err(Error::DamagedState);
        }
        let (version, body) = body.split_first().ok_or(Error::DamagedState)?;
        if *version != VERSION {
            return Err(Error::StateVersion {
                found: *version,
                wanted: VERSION,
            });
        }
        let record: Record = postcard::from_bytes(body).map_err(|_| Error::DamagedState)?;
        // A record that breaks a rule of the protocol was not written by this program.
        record.into_client().map_err(|_| Error::DamagedState)
    }
}

impl Record {
    fn of(client: &Client) -> Self {
        let (params, context) = (&client.params, client.params.context());
        Self {
            params: ParamsRecord {
                participants: params.participants(),
                threshold: params.threshold(),
                values: params.values() as u64,
                clip: params.quantiser().clip(),
                weight_cap: params.quantiser().weight_cap(),
                run: context.run.clone(),
                round: context.round,
                model: context.model,
            },
            id: text(&client.id),
            root: client.root.0.clone(),
            stage: StageRecord::of(&client.stage),
        }
    }

    fn into_client(self) -> Result<Client, Error> {
        let ParamsRecord {
            participants,
            threshold,
            values,
            clip,
            weight_cap,
            run,
            round,
            model,
        } = self.params;
        let values = usize::try_from(values).map_err(|_| Error::Values)?;
        let context = RoundContext { run, round, model };
        let params = Params::new(participants, threshold, values, clip, weight_cap, context)?;
        let (id, root) = (clinic(self.id)?, Root(self.root));
        let stage = self.stage.into_stage(&params, &id, &root)?;
        Ok(Client {
            params,
            id,
            root,
            stage,
        })
    }
}

impl StageRecord {
    fn of(stage: &Stage) -> Self {
        match stage {
            Stage::Advertised => Self::Advertised,
            Stage::Shared { roster } => Self::Shared {
                roster: members(roster),
            },
            Stage::Masking(masking) => Self::Masking {
                roster: members(&masking.roster),
                dealers: masking.dealers.iter().map(text).collect(),
                held: masking
                    .held
                    .iter()
                    .map(|(dealer, (mask, seed))| (text(dealer), key(mask), key(seed)))
                    .collect(),
                masked: masking
                    .masked
                    .iter()
                    // A vector has at most 2^32 values, so far fewer chunks.
                    .filter_map(|(chunk, hash)| Some((u32::try_from(*chunk).ok()?, *hash)))
                    .collect(),
            },
            Stage::Answered { survivors, answer } => Self::Answered {
                survivors: survivors.iter().map(text).collect(),
                self_seeds: shares(&answer.self_seeds),
                mask_seeds: shares(&answer.mask_seeds),
            },
        }
    }

    fn into_stage(self, params: &Params, id: &ClinicId, root: &Root) -> Result<Stage, Error> {
        Ok(match self {
            Self::Advertised => Stage::Advertised,
            Self::Shared { roster } => Stage::Shared {
                roster: restored(params, roster)?,
            },
            Self::Masking {
                roster,
                dealers,
                held,
                masked,
            } => {
                let roster = restored(params, roster)?;
                let dealers = clinics(dealers)?;
                let held: BTreeMap<_, _> = held
                    .into_iter()
                    .map(|(dealer, mask, seed)| Ok((clinic(dealer)?, (share(&mask), share(&seed)))))
                    .collect::<Result<_, Error>>()?;
                if !held.keys().all(|dealer| dealers.contains(dealer)) {
                    return Err(Error::DamagedState);
                }
                Stage::Masking(Masking {
                    streams: streams(params, id, root, &roster, &dealers)?,
                    roster,
                    dealers,
                    held,
                    masked: masked
                        .into_iter()
                        .map(|(chunk, hash)| {
                            Ok((usize::try_from(chunk).map_err(|_| Error::DamagedState)?, hash))
                        })
                        .collect::<Result<_, Error>>()?,
                })
            }
            Self::Answered {
                survivors,
                self_seeds,
                mask_seeds,
            } => Stage::Answered {
                survivors: clinics(survivors)?,
                answer: UnmaskShares {
                    self_seeds: restored_shares(self_seeds)?,
                    mask_seeds: restored_shares(mask_seeds)?,
                },
            },
        })
    }
}

fn text(clinic: &ClinicId) -> String {
    clinic.as_str().to_owned()
}

fn clinic(text: String) -> Result<ClinicId, Error> {
    ClinicId::new(text).map_err(|_| Error::DamagedState)
}

fn clinics(texts: Vec<String>) -> Result<BTreeSet<ClinicId>, Error> {
    texts.into_iter().map(clinic).collect()
}

fn key(share: &Share) -> Key {
    Zeroizing::new(*share.as_bytes())
}

fn share(key: &Key) -> Share {
    Share::from_bytes(**key)
}

fn shares(shares: &BTreeMap<ClinicId, Share>) -> Vec<(String, Key)> {
    shares
        .iter()
        .map(|(dealer, share)| (text(dealer), key(share)))
        .collect()
}

fn restored_shares(shares: Vec<(String, Key)>) -> Result<BTreeMap<ClinicId, Share>, Error> {
    shares
        .into_iter()
        .map(|(dealer, key)| Ok((clinic(dealer)?, share(&key))))
        .collect()
}

fn members(roster: &Roster) -> Vec<MemberRecord> {
    let record = |(clinic, advert): (&ClinicId, &Advert)| MemberRecord {
        clinic: text(clinic),
        mask_public: advert.mask_public,
        channel_public: advert.channel_public,
    };
    roster.members().map(record).collect()
}

fn restored(params: &Params, members: Vec<MemberRecord>) -> Result<Roster, Error> {
    let members: Vec<_> = members
        .into_iter()
        .map(|member| {
            let advert = Advert {
                mask_public: member.mask_public,
                channel_public: member.channel_public,
            };
            Ok((clinic(member.clinic)?, advert))
        })
        .collect::<Result<_, Error>>()?;
    Roster::new(params, members)
}
