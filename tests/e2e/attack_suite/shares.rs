//! Clinics that lie about the others' secrets while a hub takes the masks off a sum: it comes out right, or not at all.

use barefoot_edge::federated::Trainable;
use barefoot_test_support::federation::{Federation, Said, bump_cases, fit_settings};
use barefoot_wire::v1;
use barefoot_wire::v1::task::Task;
use barefoot_wire::v1::unmask_share::Share;

use super::ledger::{Attack, Ledger};
use super::secretive::{Secretive, clinic};

const CHANNELS: usize = 6;
const EXAMPLES: u32 = 50;
const HONEST: usize = 21;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    // Refused at once: no reply of the protocol.
    Twice,
    OtherKind,
    Stranger,
    TooShort,
    NoShare,
    // Told by what its dealer has committed to, and left out.
    OneBit,
    Zeros,
    Borrowed,
    Swapped,
    Nothing,
}

const LIES: [Lie; 10] = [
    Lie::Twice,
    Lie::OtherKind,
    Lie::Stranger,
    Lie::TooShort,
    Lie::NoShare,
    Lie::OneBit,
    Lie::Zeros,
    Lie::Borrowed,
    Lie::Swapped,
    Lie::Nothing,
];

impl Lie {
    fn is_seen_at_once(self) -> bool {
        matches!(
            self,
            Self::Twice | Self::OtherKind | Self::Stranger | Self::TooShort | Self::NoShare
        )
    }

    /// Makes an honest answer another one; `others` is that of an honest clinic.
    fn put_into(self, answer: &mut v1::UnmaskReply, others: &v1::UnmaskReply) {
        let shares = &mut answer.share;
        match self {
            Self::Twice => shares.push(shares[0].clone()),
            // With both kinds of shares of one clinic the hub would see its update.
            Self::OtherKind => {
                for one in shares.iter_mut() {
                    let bytes = bytes_of(one).clone();
                    one.share = Some(Share::MaskKey(bytes));
                }
            }
            Self::Stranger => shares[0].clinic = "clinic-99".into(),
            Self::TooShort => bytes_of(&mut shares[0]).truncate(31),
            Self::NoShare => shares[0].share = None,
            Self::OneBit => shares.iter_mut().for_each(|one| bytes_of(one)[0] ^= 1),
            Self::Zeros => shares.iter_mut().for_each(|one| bytes_of(one).fill(0)),
            Self::Borrowed => shares.clone_from(&others.share),
            Self::Swapped => {
                let moved: Vec<Option<Share>> = shares.iter().map(|one| one.share.clone()).collect();
                for (one, share) in shares.iter_mut().zip(moved.into_iter().skip(1)) {
                    one.share = share;
                }
            }
            Self::Nothing => shares.clear(),
        }
    }
}

fn bytes_of(share: &mut v1::UnmaskShare) -> &mut Vec<u8> {
    match share.share.as_mut().unwrap() {
        Share::SelfMask(bytes) | Share::MaskKey(bytes) => bytes,
    }
}

/// Of the clinic with this number.
fn value(number: usize) -> f32 {
    u16::try_from(number + 1).map(f32::from).unwrap() / 100.0
}

fn settings() -> v1::RunSettings {
    v1::RunSettings {
        rounds: 2,
        strategy: "FedAvg".into(),
        quorum: HONEST as u32,
        target: (LIES.len() + HONEST) as u32,
        stage_ms: 300_000,
        late: v1::LatePolicy::Drop.into(),
        delta: 1e-5,
        privacy: Some(v1::PrivacyTerms {
            clip_norm: 2.0,
            noise_multiplier: 0.0,
            secure_aggregation: true,
        }),
        fit: Some(fit_settings()),
        ..v1::RunSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_share_makes_a_wrong_sum() {
    let trainable = Trainable {
        id: "synthetic".into(),
        version: "0.1.0".into(),
        backbone: "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8".into(),
        findings: 1,
        channels: CHANNELS,
    };
    let validation = bump_cases("nobody", 100, CHANNELS, 1.2, 99);
    let all = LIES.len() + HONEST;
    let mut federation = Federation::begin(trainable.clone(), all, &validation)
        .await
        .unwrap();
    let run = federation.start(settings()).await.unwrap();
    let mut ledger = Ledger::default();
    let mut tried = |what: &str, said: &Said| {
        ledger.tried(Attack::Shares, &format!("{what}: {said}"), said == "accepted");
    };
    let hub = federation.line.address.to_string();
    let mut clinics: Vec<Secretive> = (0..all)
        .map(|number| {
            let id = clinic(&format!("clinic-{:02}", number + 1));
            Secretive::new(&hub, &federation.tls(number), &trainable, id)
        })
        .collect();

    for clinic in &mut clinics {
        let Task::Keys(task) = clinic.task().await else {
            panic!("no task of keys")
        };
        let keys = clinic.keys(&task.terms.unwrap());
        assert_eq!(clinic.line.keys(keys).await, "accepted");
    }
    for clinic in &mut clinics {
        let Task::Shares(task) = clinic.task().await else {
            panic!("no task of shares")
        };
        let shares = clinic.shares(&task);
        assert_eq!(clinic.line.shares(shares).await, "accepted");
    }
    for (number, clinic) in clinics.iter_mut().enumerate() {
        let Task::Fit(task) = clinic.task().await else {
            panic!("no task of an update")
        };
        // Before anybody may be asked.
        let early = v1::UnmaskReply {
            id: task.terms.as_ref().unwrap().id.clone(),
            share: Vec::new(),
        };
        tried(
            "shares before the sum is closed",
            &clinic.line.unmask(early).await,
        );
        let update = clinic.masked(&task, value(number), EXAMPLES).await;
        assert_eq!(clinic.line.fit(update).await, "accepted");
    }

    let mut answers = Vec::new();
    for clinic in &mut clinics {
        let Task::Unmask(task) = clinic.task().await else {
            panic!("no task of unmasking")
        };
        assert_eq!(task.survivors.len(), all);
        answers.push(clinic.answer(&task));
    }
    let others = answers.last().unwrap().clone();
    let mut left_out = Vec::new();
    for ((clinic, answer), lie) in clinics.iter_mut().zip(&answers).zip(LIES) {
        let id = answer.id.clone().unwrap();
        let elsewhere = [
            v1::RoundId {
                attempt: id.attempt + 1,
                ..id.clone()
            },
            v1::RoundId {
                round: id.round + 1,
                ..id.clone()
            },
            v1::RoundId {
                run: "another".into(),
                ..id
            },
        ];
        for id in elsewhere {
            let what = format!("shares for {id:?}");
            let moved = v1::UnmaskReply {
                id: Some(id),
                ..answer.clone()
            };
            tried(&what, &clinic.line.unmask(moved).await);
        }
        let mut lied = answer.clone();
        lie.put_into(&mut lied, &others);
        let said = clinic.line.unmask(lied).await;
        if lie.is_seen_at_once() {
            tried(&format!("{lie:?}"), &said);
        } else {
            // What the sum comes to tells.
            assert_eq!(said, "accepted", "{lie:?}");
            left_out.push(lie);
        }
        // Nor does it get a second word.
        tried(
            &format!("once more after {lie:?}"),
            &clinic.line.unmask(answer.clone()).await,
        );
    }
    for (clinic, answer) in clinics.iter_mut().zip(&answers).skip(LIES.len()) {
        let said = clinic.line.unmask(answer.clone()).await;
        ledger.control(
            Attack::Shares,
            &format!("an honest answer: {said}"),
            said == "accepted",
        );
    }

    // The second round starts from what came out of the first.
    let Task::Keys(task) = clinics[LIES.len()].task().await else {
        panic!("the round did not end")
    };
    let global = task.terms.unwrap().global.unwrap();
    let content = clinics[LIES.len()].line.pull(&global.chunk[0]).await.unwrap();
    let wanted = (0..all).map(value).sum::<f32>() / all as f32;
    let values: Vec<f32> = content
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    let right = values.len() == CHANNELS + 1 && values.iter().all(|value| (value - wanted).abs() < 1e-4);
    for lie in left_out {
        ledger.tried(
            Attack::Shares,
            &format!("{lie:?}: {values:?} instead of {wanted}"),
            !right,
        );
    }
    ledger.control(
        Attack::Shares,
        "the mean of all updates, the liars' masked ones too",
        right,
    );
    let view = federation.view(&run).await.unwrap();
    for (number, lie) in LIES
        .into_iter()
        .enumerate()
        .filter(|(_, lie)| lie.is_seen_at_once())
    {
        let name = clinics[number].name();
        let refused = &view.round[0].refused;
        let named = refused
            .iter()
            .any(|refusal| refusal.clinic == name && refusal.code == "wrong_shares");
        ledger.control(Attack::Shares, &format!("{lie:?} is named: {refused:?}"), named);
    }
    ledger.settle();
}
