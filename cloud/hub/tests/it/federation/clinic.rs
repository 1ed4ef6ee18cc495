//! A clinic's box, as far as the hub can tell: it does what it is told, by the generated client.

use std::collections::{BTreeMap, BTreeSet};

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;
use barefoot_federation::encoding::{Encoding, decode_into, encode_masked};
use barefoot_federation::layout::{CHUNK_VALUES, Layout};
use barefoot_federation::round::SecureTerms;
use barefoot_federation::secagg::{self, Envelope, Params};
use barefoot_trust::TlsIdentity;
use barefoot_wire::v1;
use barefoot_wire::v1::federation_client::FederationClient;
use barefoot_wire::v1::task::Task;
use barefoot_wire::v1::unmask_share;
use time::OffsetDateTime;
use tokio_stream::StreamExt;
use tonic::Status;
use tonic::transport::Channel;

use super::line::channel;
use super::maintainer::{BACKBONE, MODEL, chunks, parameters};
use crate::support::{Region, clinic};

/// By round and attempt.
type ByAttempt<T> = BTreeMap<(u32, u32), T>;

pub(super) struct TestClinic {
    pub(super) id: ClinicId,
    pub(super) identity: TlsIdentity,
    pub(super) calls: FederationClient<Channel>,
    pub(super) layout: Layout,
    /// Every value of its update.
    pub(super) delta: f32,
    pub(super) examples: u32,
    /// The first value of the global parameters it saw last.
    pub(super) seen: Option<f32>,
    secrets: ByAttempt<secagg::Client>,
    masked: ByAttempt<(v1::FitReply, Vec<Vec<u8>>)>,
    unmasked: ByAttempt<v1::UnmaskReply>,
}

impl TestClinic {
    pub(super) fn new(region: &Region, name: &str, port: u16, layout: &Layout) -> Self {
        let identity = region.identity(name);
        Self {
            id: clinic(name),
            calls: FederationClient::new(channel(&identity, port)),
            identity,
            layout: layout.clone(),
            delta: 0.0,
            examples: 100,
            seen: None,
            secrets: BTreeMap::new(),
            masked: BTreeMap::new(),
            unmasked: BTreeMap::new(),
        }
    }

    pub(super) fn with(mut self, delta: f32, examples: u32) -> Self {
        (self.delta, self.examples) = (delta, examples);
        self
    }

    pub(super) fn reconnect(&mut self, port: u16) {
        self.calls = FederationClient::new(channel(&self.identity, port));
    }

    pub(super) async fn pull(&mut self) -> Result<Task, Status> {
        let task = self.calls.pull_task(v1::PullTaskRequest {
            model: vec![v1::TrainableModel {
                id: MODEL.into(),
                version: "0.1.0".into(),
                backbone: vec![BACKBONE.into()],
            }],
            client_version: "test".into(),
        });
        Ok(task.await?.into_inner().task.unwrap())
    }

    /// The next task that is none to wait for.
    pub(super) async fn task(&mut self) -> Task {
        loop {
            match self.pull().await.unwrap() {
                Task::Idle(idle) => wait(&idle).await,
                task => return task,
            }
        }
    }

    pub(super) async fn fit_task(&mut self) -> v1::FitTask {
        match self.task().await {
            Task::Fit(task) => task,
            other => panic!("no fit task: {other:?}"),
        }
    }

    /// Does one task. `true` when there was one.
    pub(super) async fn step(&mut self) -> Result<bool, Status> {
        let answer = match self.pull().await? {
            Task::Idle(idle) => {
                wait(&idle).await;
                return Ok(false);
            }
            Task::Keys(task) => {
                let reply = self.keys(&task.terms.unwrap());
                self.calls.submit_keys(reply).await?
            }
            Task::Shares(task) => {
                let reply = self.shares(&task);
                self.calls.submit_shares(reply).await?
            }
            Task::Fit(task) => {
                let reply = self.fit(&task).await?;
                self.calls.submit_fit(reply).await?
            }
            Task::Unmask(task) => {
                let reply = self.unmask(&task);
                self.calls.submit_unmask(reply).await?
            }
            Task::Evaluate(task) => {
                let reply = self.evaluate(&task.terms.unwrap()).await?;
                self.calls.submit_evaluate(reply).await?
            }
        };
        // A refusal stands in the journal; the test looks there.
        let _ = answer.into_inner();
        Ok(true)
    }

    /// Fetches the global parameters and remembers the first value.
    pub(super) async fn look(&mut self, terms: &v1::RoundTerms) -> Result<(), Status> {
        let global = terms.global.clone().unwrap();
        let ids = v1::ChunkIds { id: global.chunk };
        let mut stream = self.calls.pull_chunks(ids.clone()).await?.into_inner();
        let mut got = 0;
        while let Some(chunk) = stream.next().await {
            let content = chunk?.content;
            assert_eq!(ChunkId::of(&content).0.as_slice(), ids.id[got]);
            let mut values = vec![0.0; content.len() / 4];
            decode_into(&content, Encoding::F32, &mut values).unwrap();
            assert!(values.iter().all(|value| (value - values[0]).abs() < 1e-4));
            self.seen = Some(values[0]);
            got += 1;
        }
        assert_eq!(got, self.layout.chunks());
        Ok(())
    }

    pub(super) async fn push(&mut self, content: Vec<Vec<u8>>) -> Result<u32, Status> {
        let chunks = content.into_iter().map(|bytes| v1::Chunk {
            content: bytes.into(),
        });
        let summary = self.calls.push_chunks(tokio_stream::iter(chunks)).await?;
        Ok(summary.into_inner().stored)
    }

    /// Sends what the hub has not got yet; names all.
    pub(super) async fn upload(&mut self, content: Vec<Vec<u8>>) -> Result<Vec<ChunkId>, Status> {
        let ids: Vec<ChunkId> = content.iter().map(|bytes| ChunkId::of(bytes)).collect();
        let asked = v1::ChunkIds {
            id: ids.iter().map(|id| id.0.to_vec()).collect(),
        };
        let missing = self.calls.missing_chunks(asked).await?.into_inner();
        let missing: BTreeSet<Vec<u8>> = missing.id.into_iter().collect();
        let new = content
            .into_iter()
            .filter(|bytes| missing.contains(ChunkId::of(bytes).0.as_slice()));
        self.push(new.collect()).await?;
        Ok(ids)
    }

    /// A plain reply with these values.
    pub(super) async fn plain(
        &mut self,
        terms: &v1::RoundTerms,
        values: &[f32],
    ) -> Result<v1::FitReply, Status> {
        let ids = self.upload(chunks(values)).await?;
        Ok(v1::FitReply {
            id: terms.id.clone(),
            update: Some(parameters(&self.layout, v1::Encoding::F32, &ids)),
            examples: self.examples,
            metric: vec![v1::Metric {
                name: "loss".into(),
                value: f64::from(self.delta),
            }],
        })
    }

    async fn fit(&mut self, task: &v1::FitTask) -> Result<v1::FitReply, Status> {
        let terms = task.terms.as_ref().unwrap();
        self.look(terms).await?;
        if terms.privacy.unwrap().secure_aggregation {
            self.masked(task).await
        } else {
            self.plain(terms, &vec![self.delta; self.layout.elements()]).await
        }
    }

    async fn evaluate(&mut self, terms: &v1::RoundTerms) -> Result<v1::EvaluateReply, Status> {
        self.look(terms).await?;
        Ok(v1::EvaluateReply {
            id: terms.id.clone(),
            examples: self.examples,
            metric: vec![v1::Metric {
                name: "auc".into(),
                value: 0.5 + f64::from(self.delta) / 10.0,
            }],
        })
    }

    fn params(&self, terms: &v1::RoundTerms) -> Params {
        let id = terms.id.as_ref().unwrap();
        let global = terms.global.as_ref().unwrap().chunk.iter();
        let global: Vec<ChunkId> = global
            .map(|id| ChunkId::try_from(id.as_slice()).unwrap())
            .collect();
        let (privacy, fit) = (terms.privacy.unwrap(), terms.fit.unwrap());
        let terms = SecureTerms {
            run: &id.run,
            round: id.round,
            attempt: id.attempt,
            global: &global,
            values: self.layout.elements(),
            participants: terms.participants,
            quorum: terms.quorum,
            clip_norm: privacy.clip_norm,
            noise_multiplier: privacy.noise_multiplier,
            example_cap: fit.example_cap,
        };
        terms.params().unwrap()
    }

    fn secret(&mut self, id: &v1::RoundId) -> &mut secagg::Client {
        self.secrets.get_mut(&(id.round, id.attempt)).unwrap()
    }

    pub(super) fn keys(&mut self, terms: &v1::RoundTerms) -> v1::KeysReply {
        let params = self.params(terms);
        let id = terms.id.clone().unwrap();
        let key = (id.round, id.attempt);
        let own = self.id.clone();
        let client = self
            .secrets
            .entry(key)
            .or_insert_with(|| secagg::Client::new(params.clone(), own, &mut rand::rng()));
        let advert = client.advert().unwrap();
        let signed = self
            .identity
            .sign(&advert.signing_bytes(&params, &self.id))
            .unwrap();
        v1::KeysReply {
            id: Some(id),
            advert: Some(v1::Advert {
                clinic: self.id.as_str().into(),
                mask_public: advert.mask_public.to_vec(),
                channel_public: advert.channel_public.to_vec(),
                certificate: signed.certificate,
                signature: signed.signature,
            }),
        }
    }

    pub(super) fn shares(&mut self, task: &v1::SharesTask) -> v1::SharesReply {
        let terms = task.terms.as_ref().unwrap();
        let params = self.params(terms);
        assert_eq!(task.threshold, u32::from(params.threshold()));
        let id = terms.id.clone().unwrap();
        let mut roster = BTreeMap::new();
        for shown in &task.roster {
            let member = clinic(&shown.clinic);
            let advert = secagg::Advert {
                mask_public: shown.mask_public.as_slice().try_into().unwrap(),
                channel_public: shown.channel_public.as_slice().try_into().unwrap(),
            };
            let (signed, now) = (advert.signing_bytes(&params, &member), OffsetDateTime::now_utc());
            self.identity
                .verify_signed(&member, &signed, &shown.certificate, &shown.signature, now)
                .unwrap();
            roster.insert(member, advert);
        }
        let own = self.id.clone();
        let shares = self.secret(&id).share(roster.clone()).unwrap();
        let share = roster.keys().zip(&shares.holders);
        v1::SharesReply {
            id: Some(id),
            share: share
                .map(|(to, (envelope, commitments))| v1::SealedShare {
                    from: own.as_str().into(),
                    to: to.as_str().into(),
                    ciphertext: envelope.0.to_vec(),
                    mask_commitment: commitments.mask.to_vec(),
                    seed_commitment: commitments.seed.to_vec(),
                })
                .collect(),
            seed_commitment: shares.seed_commitment.to_vec(),
        }
    }

    /// Quantised and masked once for an attempt; a resend sends the same.
    pub(super) async fn masked(&mut self, task: &v1::FitTask) -> Result<v1::FitReply, Status> {
        let terms = task.terms.as_ref().unwrap();
        let (id, params) = (terms.id.clone().unwrap(), self.params(terms));
        let key = (id.round, id.attempt);
        let inbox: BTreeMap<ClinicId, Envelope> = task
            .inbox
            .iter()
            .map(|share| {
                assert_eq!(share.to, self.id.as_str());
                (
                    clinic(&share.from),
                    Envelope::try_from(share.ciphertext.as_slice()).unwrap(),
                )
            })
            .collect();
        if let Some((reply, content)) = self.masked.get(&key).cloned() {
            self.upload(content).await?;
            return Ok(reply);
        }
        let weight = if 0.0 < terms.privacy.unwrap().noise_multiplier {
            1.0
        } else {
            f64::from(self.examples)
        };
        let deltas = vec![self.delta; self.layout.elements()];
        let quantiser = params.quantiser();
        let mut values = quantiser.quantise(&deltas, weight, &mut rand::rng()).unwrap();
        values.push(quantiser.quantise_weight(weight, &mut rand::rng()).unwrap());
        let client = self.secret(&id);
        assert!(client.open(&inbox).unwrap().unreadable.is_empty());
        let content: Vec<Vec<u8>> = values
            .chunks(CHUNK_VALUES)
            .enumerate()
            .map(|(chunk, values)| encode_masked(&client.mask(chunk, values).unwrap()))
            .collect();
        let ids: Vec<ChunkId> = content.iter().map(|bytes| ChunkId::of(bytes)).collect();
        let reply = v1::FitReply {
            id: Some(id),
            update: Some(parameters(&self.layout, v1::Encoding::Masked, &ids)),
            examples: 0,
            metric: vec![],
        };
        self.masked.insert(key, (reply.clone(), content.clone()));
        self.upload(content).await?;
        Ok(reply)
    }

    pub(super) fn unmask(&mut self, task: &v1::UnmaskTask) -> v1::UnmaskReply {
        let id = task.id.clone().unwrap();
        let key = (id.round, id.attempt);
        if let Some(reply) = self.unmasked.get(&key) {
            return reply.clone();
        }
        let survivors: BTreeSet<ClinicId> = task.survivors.iter().map(|name| clinic(name)).collect();
        let shares = self.secret(&id).unmask(&survivors).unwrap();
        let of = |clinic: &ClinicId, share| v1::UnmaskShare {
            clinic: clinic.as_str().into(),
            share: Some(share),
        };
        let selves = shares.self_seeds.iter();
        let selves = selves
            .map(|(clinic, share)| of(clinic, unmask_share::Share::SelfMask(share.as_bytes().to_vec())));
        let masks = shares.mask_seeds.iter();
        let masks =
            masks.map(|(clinic, share)| of(clinic, unmask_share::Share::MaskKey(share.as_bytes().to_vec())));
        let reply = v1::UnmaskReply {
            id: Some(id),
            share: selves.chain(masks).collect(),
        };
        self.unmasked.insert(key, reply.clone());
        reply
    }
}

async fn wait(idle: &v1::Idle) {
    let pause = u64::from(idle.retry_after_ms.min(50));
    tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
}

/// Lets every clinic do whatever it is told until the run has ended.
pub(super) async fn play(
    clinics: &mut [TestClinic],
    maintainer: &mut super::maintainer::Client,
    run: &str,
) -> v1::RunView {
    let mut work = futures_util::future::join_all(clinics.iter_mut().map(async |clinic| {
        loop {
            clinic.step().await.unwrap();
        }
    }));
    tokio::select! {
        _ = &mut work => unreachable!("clinics go on until they are told to stop"),
        view = super::maintainer::ended(maintainer, run) => view,
    }
}
