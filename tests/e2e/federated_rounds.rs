use std::sync::Arc;

use barefoot_edge::federated::{Learner, Policy, Trainable};
use barefoot_federation::privacy::spent;
use barefoot_test_support::federation::{
    Case, ClinicProcess, Federation, Kill, Member, Poison, Poisoned, Victim, auc_by_round, bump_cases,
    fit_settings, learner, open_policy, private_policy, run_with_kills,
};
use barefoot_wire::v1;

const CLINICS: usize = 4;
const CHANNELS: usize = 6;
const ROUNDS: u32 = 3;
const KILLS: usize = 20;

fn trainable() -> Trainable {
    Trainable {
        id: "synthetic".into(),
        version: "0.1.0".into(),
        backbone: "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8".into(),
        findings: 1,
        channels: CHANNELS,
    }
}

/// The data of each clinic.
fn clinics() -> Vec<Vec<Case>> {
    (0..CLINICS)
        .map(|number| {
            let name = format!("patient-{number}");
            bump_cases(&name, 150, CHANNELS, 1.2, number as u64)
        })
        .collect()
}

async fn federation() -> Federation {
    let validation = bump_cases("nobody", 400, CHANNELS, 1.2, 99);
    Federation::begin(trainable(), CLINICS, &validation)
        .await
        .unwrap()
}

fn settings(strategy: &str, quorum: u32) -> v1::RunSettings {
    v1::RunSettings {
        rounds: ROUNDS,
        strategy: strategy.into(),
        quorum,
        target: CLINICS as u32,
        stage_ms: 120_000,
        late: v1::LatePolicy::Drop.into(),
        delta: 1e-5,
        fit: Some(fit_settings()),
        ..v1::RunSettings::default()
    }
}

fn honest() -> Vec<Arc<dyn Learner>> {
    let of = |cases: &Vec<Case>| Arc::new(learner(&trainable(), cases)) as Arc<dyn Learner>;
    clinics().iter().map(of).collect()
}

async fn play(
    federation: &mut Federation,
    learners: Vec<Arc<dyn Learner>>,
    policy: Policy,
    settings: v1::RunSettings,
) -> v1::RunView {
    let run = federation.start(settings).await.unwrap();
    let mut members: Vec<Member> = Vec::new();
    for (number, learner) in learners.into_iter().enumerate() {
        members.push(federation.join(number, learner, policy.clone()).unwrap());
    }
    let view = federation.ended(&run).await.unwrap();
    for member in members {
        member.leave().await;
    }
    assert_eq!(view.state, "finished", "{view:?}");
    view
}

/// Of each round: its number, its attempts, and what came of the four updates.
fn counted(view: &v1::RunView) -> Vec<(u32, u32, u32, usize)> {
    let of = |round: &v1::RoundView| (round.round, round.attempt, round.accepted, round.refused.len());
    let counted: Vec<_> = view.round.iter().map(of).collect();
    for (_, attempt, accepted, refused) in &counted {
        assert_eq!((*attempt, *accepted as usize + refused), (1, CLINICS));
    }
    counted
}

fn said(processes: &[ClinicProcess]) -> String {
    processes.iter().map(ClinicProcess::said).collect()
}

fn last(view: &v1::RunView) -> f64 {
    *auc_by_round(view).last().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_clinics_learn_in_the_open_in_secret_and_beside_a_poisoned_one() {
    let mut federation = federation().await;
    let plain = play(&mut federation, honest(), open_policy(), settings("FedAvg", 3)).await;
    assert!(plain.round.iter().all(|round| 3 <= round.accepted));
    // The features allow 0.955: two normal distributions 2.4 standard deviations apart.
    assert!(0.93 < last(&plain), "{plain:?}");

    let noise = 0.5;
    let private = v1::RunSettings {
        privacy: Some(v1::PrivacyTerms {
            clip_norm: 1.0,
            noise_multiplier: noise,
            secure_aggregation: true,
        }),
        ..settings("FedAvg", 4)
    };
    let policy = private_policy(1.0, noise, 100.0);
    let secret = play(&mut federation, honest(), policy, private).await;
    assert_eq!(auc_by_round(&secret).len(), ROUNDS as usize);
    let epsilon = spent(noise, ROUNDS, 1e-5).unwrap().value();
    assert!(
        (secret.epsilon_spent - epsilon).abs() < 0.01 * epsilon,
        "{} instead of {epsilon}",
        secret.epsilon_spent
    );

    let mut learners = honest();
    learners[3] = Poisoned::new(&trainable(), &clinics()[3], Poison::Huge);
    // Above what it sends: the others tell.
    let two_rounds = v1::RunSettings {
        rounds: 2,
        norm_limit: 1e12,
        ..settings("FedMedian", 3)
    };
    let attacked = play(&mut federation, learners, open_policy(), two_rounds).await;
    for round in &attacked.round {
        let named = round
            .refused
            .iter()
            .any(|refusal| refusal.clinic == "clinic-04" && refusal.code == "norm_outlier");
        assert!(named, "{round:?}");
    }
    assert!(0.93 < last(&attacked), "{attacked:?}");
}

/// `kill -9` of the hub and of clinics, each a process, at moments drawn from a seed: every run completes, and measures
/// after every round what it measures undisturbed. Momentum at the server makes an update counted twice show.
#[tokio::test(flavor = "multi_thread")]
async fn killed_hubs_and_clinics_lose_no_update_and_double_none() {
    let mut federation = federation().await;
    let mut processes: Vec<ClinicProcess> = Vec::new();
    for (number, cases) in clinics().iter().enumerate() {
        processes.push(ClinicProcess::start(&mut federation, number, cases).unwrap());
    }
    let settings = v1::RunSettings {
        strategy_parameter: vec![v1::Metric {
            name: "server_momentum".into(),
            value: 0.5,
        }],
        // An honest update far longer than the others is refused, killed or not.
        ..settings("FedAvgM", 3)
    };
    let (calm, none) = run_with_kills(&mut federation, &mut processes, settings.clone(), 0, 0)
        .await
        .unwrap();
    assert!(none.is_empty());
    assert_eq!(calm.state, "finished", "{calm:?}\n{}", said(&processes));
    let mut kills: Vec<Kill> = Vec::new();
    let mut seed = 0;
    while kills.len() < KILLS {
        seed += 1;
        let (view, done) = run_with_kills(&mut federation, &mut processes, settings.clone(), 7, seed)
            .await
            .unwrap();
        assert_eq!(view.state, "finished", "{view:?}\n{}", said(&processes));
        assert!(!done.is_empty(), "no kill fell into the run");
        assert_eq!(counted(&view), counted(&calm), "{done:?}");
        assert_eq!(auc_by_round(&view), auc_by_round(&calm), "{done:?}");
        kills.extend(done);
    }
    let hub = kills.iter().filter(|kill| kill.victim == Victim::Hub).count();
    assert!(0 < hub && hub < kills.len(), "{kills:?}");
}
