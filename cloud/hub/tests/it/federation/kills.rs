//! The hub is killed (SIGKILL) again and again while clinics go on asking: no update is lost, none counted twice.

use std::process::{Child, Command, Stdio};

use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::clinic::TestClinic;
use super::maintainer::{Client, layout, maintainer, register, settings, start};
use crate::support::{Region, wait_for};
use barefoot_wire::v1;

struct Program {
    child: Child,
    port: u16,
}

impl Program {
    /// The program with this region's state; on a free port each time.
    async fn start(region: &Region) -> Self {
        let file = region.dir.path().join("hub.toml");
        let text = region.config_text("endpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"");
        std::fs::write(&file, text).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_barefoot-hub"))
            .arg("--config")
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let addresses = region.dir.path().join("state/addresses.json");
        let pid = child.id();
        let port = wait_for("the hub being ready", async || {
            let text = std::fs::read_to_string(&addresses).map_err(|error| error.to_string())?;
            let json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            if json["pid"] != pid {
                return Err("the addresses are of the hub before".to_owned());
            }
            let address = json["addresses"]["grpc"].as_str().unwrap().to_owned();
            Ok(address.rsplit_once(':').unwrap().1.parse().unwrap())
        })
        .await;
        Self { child, port }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The run, once it has ended or `moments` have passed.
async fn ended_within(mara: &mut Client, run: &str, moments: u32) -> Option<v1::RunView> {
    for _ in 0..moments {
        if let Ok(view) = super::maintainer::view(mara, run).await
            && view.state != "running"
        {
            return Some(view);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    None
}

/// Kills the hub at random moments until the run has ended. Clinics meet every kind of broken call.
async fn killed(settings: v1::RunSettings, kills: u32, seed: u64) -> (v1::RunView, Vec<TestClinic>, Region) {
    let region = Region::new();
    let layout = layout(300_000);
    let mut dice = rand::rngs::SmallRng::seed_from_u64(seed);
    let mut hub = Program::start(&region).await;
    let mut mara = maintainer(&region, hub.port);
    register(&mut mara, &layout, 0.0).await;
    let run = start(&mut mara, settings).await;
    let clinics = [("a", 0.1, 10), ("b", 0.2, 30), ("c", 0.3, 60)];
    let mut clinics: Vec<_> = clinics
        .into_iter()
        .map(|(name, delta, examples)| {
            TestClinic::new(&region, name, hub.port, &layout).with(delta, examples)
        })
        .collect();
    let mut left = kills;
    loop {
        let moments = if left == 0 { 2000 } else { dice.random_range(1..25) };
        let work = futures_util::future::join_all(clinics.iter_mut().map(async |clinic| {
            loop {
                // The line breaks with the hub; the clinic asks again.
                let _ = clinic.step().await;
            }
        }));
        let view = tokio::select! {
            _ = work => unreachable!("clinics never stop"),
            view = ended_within(&mut mara, &run, moments) => view,
        };
        if let Some(view) = view {
            hub.kill();
            return (view, clinics, region);
        }
        assert!(left != 0, "the run does not end");
        left -= 1;
        hub.kill();
        hub = Program::start(&region).await;
        mara = maintainer(&region, hub.port);
        clinics.iter_mut().for_each(|clinic| clinic.reconnect(hub.port));
    }
}

#[tokio::test]
async fn a_plain_run_completes_and_counts_every_update_once() {
    let rounds = 4;
    let (view, clinics, _region) = killed(
        v1::RunSettings {
            rounds,
            stage_ms: 120_000,
            strategy: "FedAvgM".into(),
            strategy_parameter: vec![v1::Metric {
                name: "server_momentum".into(),
                value: 0.5,
            }],
            ..settings(3)
        },
        20,
        1,
    )
    .await;
    assert_eq!(view.state, "finished", "{view:?}");
    assert!(!view.candidate_version.is_empty());
    let stages: Vec<_> = view
        .round
        .iter()
        .map(|round| (round.round, round.attempt, round.accepted))
        .collect();
    assert_eq!(stages, [(1, 1, 3), (2, 1, 3), (3, 1, 3), (4, 1, 3)]);
    assert!(view.round.iter().all(|round| round.refused.is_empty()));
    // Momentum shows every step: an aggregation done twice would not end here.
    let mean = 0.01 + 0.06 + 0.18;
    let (mut momentum, mut global) = (0.0, 0.0);
    for _ in 0..rounds {
        momentum = 0.5 * momentum + mean;
        global += momentum;
    }
    let seen = clinics.iter().map(|clinic| f64::from(clinic.seen.unwrap()));
    let last = seen.fold(f64::MIN, f64::max);
    assert!((last - global).abs() < 1e-4, "{last} instead of {global}");
}

#[tokio::test]
async fn a_secure_run_completes() {
    let (view, clinics, _region) = killed(
        v1::RunSettings {
            rounds: 2,
            stage_ms: 120_000,
            privacy: Some(v1::PrivacyTerms {
                clip_norm: 400.0,
                noise_multiplier: 0.0,
                secure_aggregation: true,
            }),
            ..settings(3)
        },
        10,
        2,
    )
    .await;
    assert_eq!(view.state, "finished", "{view:?}");
    let stages: Vec<_> = view
        .round
        .iter()
        .map(|round| (round.round, round.attempt, round.accepted))
        .collect();
    assert_eq!(stages, [(1, 1, 3), (2, 1, 3)]);
    let seen = f64::from(clinics[0].seen.unwrap());
    assert!((seen - 0.25).abs() < 1e-3, "{seen}");
}
