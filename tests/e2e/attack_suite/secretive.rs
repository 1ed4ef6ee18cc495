//! A clinic in a round of secure aggregation that does each step by hand: a test may bend what it says.

use std::collections::{BTreeMap, BTreeSet};

use barefoot_domain::ClinicId;
use barefoot_edge::federated::Trainable;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::encode_masked;
use barefoot_federation::layout::CHUNK_VALUES;
use barefoot_federation::round::SecureTerms;
use barefoot_federation::secagg::{self, Envelope, Params};
use barefoot_test_support::federation::Outspoken;
use barefoot_test_support::wait::wait_for;
use barefoot_trust::{TlsIdentity, TlsPaths};
use barefoot_wire::v1;
use barefoot_wire::v1::task::Task;
use barefoot_wire::v1::unmask_share::Share;

use crate::story::SOON;

pub(crate) struct Secretive {
    pub(crate) line: Outspoken,
    id: ClinicId,
    identity: TlsIdentity,
    values: usize,
    secret: Option<secagg::Client>,
}

impl Secretive {
    pub(crate) fn new(hub: &str, tls: &TlsPaths, trainable: &Trainable, id: ClinicId) -> Self {
        Self {
            line: Outspoken::new(hub, tls, trainable).unwrap(),
            id,
            identity: TlsIdentity::load(tls).unwrap(),
            values: trainable.channels + 1,
            secret: None,
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.id.as_str()
    }

    /// The next task that is none to wait for.
    pub(crate) async fn task(&mut self) -> Task {
        let task = wait_for("a task", SOON, async || match self.line.task().await {
            Ok(Some(Task::Idle(_)) | None) => Err("idle".to_owned()),
            Ok(Some(task)) => Ok(task),
            Err(error) => Err(error.to_string()),
        });
        task.await.unwrap()
    }

    fn params(&self, terms: &v1::RoundTerms) -> Params {
        let id = terms.id.as_ref().unwrap();
        let global = terms.global.as_ref().unwrap().chunk.iter();
        let global: Vec<ChunkId> = global
            .map(|id| ChunkId::try_from(id.as_slice()).unwrap())
            .collect();
        let privacy = terms.privacy.unwrap();
        let terms = SecureTerms {
            run: &id.run,
            round: id.round,
            attempt: id.attempt,
            global: &global,
            values: self.values,
            participants: terms.participants,
            quorum: terms.quorum,
            clip_norm: privacy.clip_norm,
            noise_multiplier: privacy.noise_multiplier,
            example_cap: terms.fit.unwrap().example_cap,
        };
        terms.params().unwrap()
    }

    fn secret(&mut self) -> &mut secagg::Client {
        self.secret.as_mut().unwrap()
    }

    /// Its keys for the round.
    pub(crate) fn keys(&mut self, terms: &v1::RoundTerms) -> v1::KeysReply {
        let params = self.params(terms);
        let client = secagg::Client::new(params.clone(), self.id.clone(), &mut rand::rng());
        let advert = client.advert().unwrap();
        self.secret = Some(client);
        let signed = self
            .identity
            .sign(&advert.signing_bytes(&params, &self.id))
            .unwrap();
        v1::KeysReply {
            id: terms.id.clone(),
            advert: Some(v1::Advert {
                clinic: self.id.as_str().into(),
                mask_public: advert.mask_public.to_vec(),
                channel_public: advert.channel_public.to_vec(),
                certificate: signed.certificate,
                signature: signed.signature,
            }),
        }
    }

    /// Its secrets' shares for all clinics of the round.
    pub(crate) fn shares(&mut self, task: &v1::SharesTask) -> v1::SharesReply {
        let roster: BTreeMap<ClinicId, secagg::Advert> = task
            .roster
            .iter()
            .map(|shown| {
                let advert = secagg::Advert {
                    mask_public: shown.mask_public.as_slice().try_into().unwrap(),
                    channel_public: shown.channel_public.as_slice().try_into().unwrap(),
                };
                (clinic(&shown.clinic), advert)
            })
            .collect();
        let from = self.id.as_str().to_owned();
        let shares = self.secret().share(roster.clone()).unwrap();
        let sealed = roster
            .keys()
            .zip(&shares.holders)
            .map(|(to, (envelope, commitments))| v1::SealedShare {
                from: from.clone(),
                to: to.as_str().into(),
                ciphertext: envelope.0.to_vec(),
                mask_commitment: commitments.mask.to_vec(),
                seed_commitment: commitments.seed.to_vec(),
            });
        v1::SharesReply {
            id: task.terms.as_ref().unwrap().id.clone(),
            share: sealed.collect(),
            seed_commitment: shares.seed_commitment.to_vec(),
        }
    }

    /// An update of which each value is `value`, of so many examples: masked, sent, and named.
    pub(crate) async fn masked(&mut self, task: &v1::FitTask, value: f32, examples: u32) -> v1::FitReply {
        let terms = task.terms.as_ref().unwrap();
        let params = self.params(terms);
        let quantiser = params.quantiser();
        let deltas = vec![value; self.values];
        let weight = f64::from(examples);
        let mut values = quantiser.quantise(&deltas, weight, &mut rand::rng()).unwrap();
        values.push(quantiser.quantise_weight(weight, &mut rand::rng()).unwrap());
        let inbox: BTreeMap<ClinicId, Envelope> = task
            .inbox
            .iter()
            .map(|share| {
                let envelope = Envelope::try_from(share.ciphertext.as_slice()).unwrap();
                (clinic(&share.from), envelope)
            })
            .collect();
        let client = self.secret();
        assert!(client.open(&inbox).unwrap().unreadable.is_empty());
        let content: Vec<Vec<u8>> = values
            .chunks(CHUNK_VALUES)
            .enumerate()
            .map(|(chunk, values)| encode_masked(&client.mask(chunk, values).unwrap()))
            .collect();
        let chunk = self.line.push(&content).await.unwrap();
        v1::FitReply {
            id: terms.id.clone(),
            update: Some(v1::Parameters {
                tensors: terms.global.clone().unwrap().tensors,
                encoding: v1::Encoding::Masked.into(),
                chunk,
            }),
            examples: 0,
            metric: Vec::new(),
        }
    }

    /// What it holds of the others' secrets, as far as it is asked.
    pub(crate) fn answer(&mut self, task: &v1::UnmaskTask) -> v1::UnmaskReply {
        let survivors: BTreeSet<ClinicId> = task.survivors.iter().map(|name| clinic(name)).collect();
        let shares = self.secret().unmask(&survivors).unwrap();
        let of = |clinic: &ClinicId, share| v1::UnmaskShare {
            clinic: clinic.as_str().into(),
            share: Some(share),
        };
        let selves = shares
            .self_seeds
            .iter()
            .map(|(clinic, share)| of(clinic, Share::SelfMask(share.as_bytes().to_vec())));
        let masks = shares
            .mask_seeds
            .iter()
            .map(|(clinic, share)| of(clinic, Share::MaskKey(share.as_bytes().to_vec())));
        v1::UnmaskReply {
            id: task.id.clone(),
            share: selves.chain(masks).collect(),
        }
    }
}

pub(crate) fn clinic(name: &str) -> ClinicId {
    ClinicId::new(name).unwrap()
}
