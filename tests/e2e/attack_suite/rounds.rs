//! Clinics of the region that attack a round from within: their certificates are right, what they say is not.

use barefoot_edge::federated::Trainable;
use barefoot_test_support::federation::{Federation, Outspoken, bump_cases, fit_settings};
use barefoot_test_support::wait::wait_for;
use barefoot_wire::v1;
use barefoot_wire::v1::task::Task;

use super::ledger::{Attack, Ledger};
use crate::story::SOON;

const CHANNELS: usize = 6;
/// Weights and a bias.
const VALUES: usize = CHANNELS + 1;

/// What is wrong with an update, and what the hub calls it.
const FAULTS: [(Fault, &str); 14] = [
    (Fault::NoUpdate, "wrong_layout"),
    (Fault::Shape, "wrong_layout"),
    (Fault::Name, "wrong_layout"),
    (Fault::Half, "wrong_encoding"),
    (Fault::Masked, "wrong_protection"),
    (Fault::TwoChunks, "wrong_chunk_count"),
    (Fault::NoChunk, "wrong_chunk_count"),
    (Fault::NoName, "damaged_chunk"),
    (Fault::NotANumber, "not_finite"),
    (Fault::Infinite, "not_finite"),
    (Fault::Huge, "norm_too_large"),
    (Fault::NoExamples, ""),
    (Fault::AllExamples, ""),
    (Fault::Figures, "absurd_metric"),
];

#[derive(Debug, Clone, Copy)]
enum Fault {
    NoUpdate,
    Shape,
    Name,
    Half,
    Masked,
    TwoChunks,
    NoChunk,
    NoName,
    NotANumber,
    Infinite,
    Huge,
    NoExamples,
    AllExamples,
    Figures,
}

impl Fault {
    fn value(self) -> f32 {
        match self {
            Self::NotANumber => f32::NAN,
            Self::Infinite => f32::INFINITY,
            Self::Huge => 1e30,
            _ => 0.25,
        }
    }

    /// Makes a good reply a wrong one.
    fn put_into(self, reply: &mut v1::FitReply) {
        let update = reply.update.get_or_insert_default();
        match self {
            Self::NoUpdate => reply.update = None,
            Self::Shape => update.tensors[0].shape = vec![CHANNELS as u64, 1],
            Self::Name => update.tensors[0].name = "weights".into(),
            Self::Half => update.encoding = v1::Encoding::F16.into(),
            Self::Masked => update.encoding = v1::Encoding::Masked.into(),
            Self::TwoChunks => update.chunk.push(update.chunk[0].clone()),
            Self::NoChunk => update.chunk.clear(),
            Self::NoName => update.chunk[0].truncate(31),
            Self::NotANumber | Self::Infinite | Self::Huge => {}
            Self::NoExamples => reply.examples = 0,
            Self::AllExamples => reply.examples = u32::MAX,
            Self::Figures => {
                reply.metric = vec![v1::Metric {
                    name: "loss".into(),
                    value: f64::NAN,
                }];
            }
        }
    }
}

fn trainable() -> Trainable {
    Trainable {
        id: "synthetic".into(),
        version: "0.1.0".into(),
        backbone: "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8".into(),
        findings: 1,
        channels: CHANNELS,
    }
}

fn content(value: f32) -> Vec<u8> {
    (0..VALUES).flat_map(|_| value.to_le_bytes()).collect()
}

struct Hall {
    federation: Federation,
    run: String,
    ledger: Ledger,
}

impl Hall {
    async fn begin(clinics: usize, settings: v1::RunSettings) -> Self {
        let validation = bump_cases("nobody", 100, CHANNELS, 1.2, 99);
        let mut federation = Federation::begin(trainable(), clinics, &validation)
            .await
            .unwrap();
        let run = federation.start(settings).await.unwrap();
        Self {
            federation,
            run,
            ledger: Ledger::default(),
        }
    }

    fn clinic(&self, number: usize) -> Outspoken {
        let hub = self.federation.line.address.to_string();
        Outspoken::new(&hub, &self.federation.tls(number), &self.federation.trainable).unwrap()
    }

    fn tried(&mut self, what: &str, said: &str) {
        let attempt = format!("{what}: {said}");
        self.ledger.tried(Attack::Rounds, &attempt, said == "accepted");
    }

    /// What every clinic of a round may try without being put out of it: none of it is taken.
    async fn pester(&mut self, clinic: &mut Outspoken, good: &v1::FitReply, others: &[u8]) {
        let round = good.id.clone().unwrap();
        let other_rounds = [
            v1::RoundId {
                run: "another".into(),
                ..round.clone()
            },
            v1::RoundId {
                round: round.round + 1,
                ..round.clone()
            },
            v1::RoundId {
                round: 0,
                ..round.clone()
            },
            v1::RoundId {
                attempt: round.attempt + 1,
                ..round.clone()
            },
        ];
        for id in other_rounds {
            let what = format!("an update for {id:?}");
            let said = clinic
                .fit(v1::FitReply {
                    id: Some(id),
                    ..good.clone()
                })
                .await;
            self.tried(&what, &said);
        }
        let nameless = clinic
            .fit(v1::FitReply {
                id: None,
                ..good.clone()
            })
            .await;
        self.tried("an update for no round", &nameless);

        let mut stolen = good.clone();
        stolen.update.as_mut().unwrap().chunk = vec![others.to_vec()];
        let said = clinic.fit(stolen).await;
        self.tried("another clinic's chunk as one's own", &said);
        let held = clinic.is_held(others).await;
        self.ledger
            .tried(Attack::Rounds, "asking whether another clinic sent a chunk", held);
        let pulled = clinic.can_pull(others).await;
        self.ledger
            .tried(Attack::Rounds, "pulling another clinic's chunk", pulled);

        for wrong in [vec![0; 27], vec![0; 4 * VALUES + 1], vec![0; 1 << 20]] {
            let taken = clinic.push(&[wrong]).await.is_some();
            self.ledger
                .tried(Attack::Rounds, "a chunk of a length that no update has", taken);
        }

        let id = Some(round);
        let keys = clinic
            .keys(v1::KeysReply {
                id: id.clone(),
                advert: None,
            })
            .await;
        self.tried("keys in a round without", &keys);
        let share = v1::SealedShare::default();
        let shares = v1::SharesReply {
            id: id.clone(),
            share: vec![share; 3],
            seed_commitment: vec![0; 32],
        };
        let said = clinic.shares(shares).await;
        self.tried("shares in a round without", &said);
        let said = clinic
            .unmask(v1::UnmaskReply {
                id: id.clone(),
                share: Vec::new(),
            })
            .await;
        self.tried("unmasking in a round without", &said);
        let early = v1::EvaluateReply {
            id,
            examples: 10,
            metric: Vec::new(),
        };
        let said = clinic.evaluate(early).await;
        self.tried("figures before there is a model", &said);
    }
}

/// The round's task for an update.
async fn terms(clinic: &mut Outspoken) -> v1::RoundTerms {
    let terms = wait_for("the round", SOON, async || match clinic.task().await {
        Ok(Some(Task::Fit(task))) => task.terms.ok_or_else(|| "no terms".to_owned()),
        other => Err(format!("{other:?}")),
    });
    terms.await.unwrap()
}

fn reply_to(terms: &v1::RoundTerms, chunk: Vec<u8>) -> v1::FitReply {
    v1::FitReply {
        id: terms.id.clone(),
        update: Some(v1::Parameters {
            tensors: terms.global.clone().unwrap().tensors,
            encoding: v1::Encoding::F32.into(),
            chunk: vec![chunk],
        }),
        examples: 50,
        metric: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_clinic_harms_a_round_from_within() {
    const HONEST: usize = 2;
    let clinics = FAULTS.len() + HONEST;
    let settings = v1::RunSettings {
        rounds: 1,
        strategy: "FedAvg".into(),
        quorum: HONEST as u32,
        target: clinics as u32,
        stage_ms: 300_000,
        late: v1::LatePolicy::Drop.into(),
        delta: 1e-5,
        norm_limit: 10.0,
        fit: Some(v1::FitSettings {
            encoding: v1::Encoding::F32.into(),
            ..fit_settings()
        }),
        ..v1::RunSettings::default()
    };
    let mut hall = Hall::begin(clinics, settings.clone()).await;
    let mut honest: Vec<Outspoken> = (0..HONEST)
        .map(|number| hall.clinic(FAULTS.len() + number))
        .collect();
    let mut replies = Vec::new();
    for (number, clinic) in (1_u8..).zip(&mut honest) {
        let asked = terms(clinic).await;
        let sent = clinic.push(&[content(f32::from(number) / 100.0)]).await;
        hall.ledger
            .control(Attack::Rounds, "an honest clinic's chunk", sent.is_some());
        let chunk = sent.unwrap().remove(0);
        let held = clinic.is_held(&chunk).await;
        hall.ledger.control(Attack::Rounds, "a clinic's own chunk", held);
        replies.push(reply_to(&asked, chunk));
    }
    let others = replies[0].update.as_ref().unwrap().chunk[0].clone();

    let mut attackers = Vec::new();
    for number in 0..FAULTS.len() {
        let mut clinic = hall.clinic(number);
        let asked = terms(&mut clinic).await;
        attackers.push((clinic, asked));
    }
    for ((clinic, asked), (fault, code)) in attackers.iter_mut().zip(FAULTS) {
        let sent = clinic.push(&[content(fault.value())]).await.unwrap();
        let good = reply_to(asked, sent[0].clone());
        hall.pester(clinic, &good, &others).await;
        let mut wrong = good.clone();
        fault.put_into(&mut wrong);
        let said = clinic.fit(wrong.clone()).await;
        hall.tried(&format!("{fault:?}"), &said);
        assert!(
            code.is_empty() || said == code,
            "{fault:?}: {said} instead of {code}"
        );
        // It is out: neither the same nor something better is taken any more.
        for again in [wrong, good] {
            let said = clinic.fit(again).await;
            hall.tried(&format!("once more after {fault:?}"), &said);
        }
    }

    for (clinic, reply) in honest.iter_mut().zip(&replies) {
        let said = clinic.fit(reply.clone()).await;
        hall.ledger.control(
            Attack::Rounds,
            &format!("an honest update: {said}"),
            said == "accepted",
        );
        let said = clinic.fit(reply.clone()).await;
        hall.ledger.control(
            Attack::Rounds,
            &format!("the same again: {said}"),
            said == "accepted",
        );
        // More examples than were claimed, and another update beside it.
        let more = v1::FitReply {
            examples: 5000,
            ..reply.clone()
        };
        let said = clinic.fit(more).await;
        hall.tried("a second claim of more examples", &said);
    }

    let run = hall.run.clone();
    let view = wait_for("the round's account", SOON, async || {
        let view = hall
            .federation
            .view(&run)
            .await
            .map_err(|error| error.to_string())?;
        match view.round.first() {
            Some(round) if round.accepted as usize == HONEST => Ok(view.clone()),
            _ => Err(format!("{view:?}")),
        }
    });
    let view = view.await.unwrap();
    let refused = &view.round[0].refused;
    for number in 0..FAULTS.len() {
        let name = format!("clinic-{:02}", number + 1);
        let named = refused.iter().any(|refusal| refusal.clinic == name);
        hall.ledger
            .control(Attack::Rounds, &format!("{name} is named: {refused:?}"), named);
    }

    // Too few to tell an outlier by, and nobody set a limit.
    let settings = v1::RunSettings {
        target: 2,
        norm_limit: 0.0,
        ..settings
    };
    let mut few = Hall::begin(2, settings).await;
    few.ledger = hall.ledger;
    for (number, value) in [(0, 0.25), (1, 1e30)] {
        let mut clinic = few.clinic(number);
        let asked = terms(&mut clinic).await;
        let sent = clinic.push(&[content(value)]).await.unwrap();
        let said = clinic.fit(reply_to(&asked, sent[0].clone())).await;
        if number == 0 {
            few.ledger
                .control(Attack::Rounds, "one of two honest updates", said == "accepted");
        } else {
            assert_eq!(said, "norm_too_large");
            few.tried("the mean carried away by one of two", &said);
        }
    }
    few.ledger.settle();
}
