//! A whole round: the hub as it would be shipped, ten clinics in this process; Flower's server and ten clients, a process
//! each. In turn.

use std::time::{Duration, Instant};

use anyhow::Context;
use barefoot_federation::layout::Layout;
use barefoot_test_support::daemons::{Hub, Region};
use barefoot_test_support::processes::memory_mib;
use barefoot_trust::Role;
use barefoot_wire::v1;
use barefoot_wire::v1::maintenance_client::MaintenanceClient;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tonic::Streaming;
use tonic::transport::Channel;

use super::aggregation::layout;
use super::clinic::{BACKBONE, Clinic, MODEL, VERSION, channel, parameters};
use super::files::chunks;
use super::{Measured, Sides, flower, note};
use crate::process::processor_seconds;

const VALUES: usize = 10_000_000;
const CLINICS: usize = 10;
const NAME: &str = "round_10x1e7";
const TIMES: usize = 3;
/// Flower's first round has the warming up in it; both count.
const FLOWER_ROUNDS: usize = 2;

const MAINTAINER: &str = "maintainer";
const PATIENCE: Duration = Duration::from_secs(300);

type Maintainer = MaintenanceClient<Channel>;

/// One round, of either side.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Round {
    /// From its start to the next global parameters.
    aggregated_s: f64,
    /// The server process, in that time.
    server_cpu_s: f64,
    /// The server process, since its start.
    server_peak_mib: f64,
    /// Ours: until the clinics' evaluations are in and the run has its candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_finished_s: Option<f64>,
}

pub(super) async fn measure(sides: &mut Sides) -> anyhow::Result<()> {
    let layout = layout(VALUES)?;
    let region = Region::new()?;
    region.person(Role::Maintainer, MAINTAINER)?;
    for number in 0..CLINICS {
        region.clinic(&clinic(number))?;
    }
    let mut hub = region.learning_hub(None)?;
    hub.start().await?;
    register(&region, &hub, &layout).await?;
    for time in 0..TIMES {
        // The memory of registration is none of the round's.
        hub.stop().await?;
        hub.start().await?;
        let ours = ours(&region, &hub, &layout, time).await?;
        enter(&ours, &mut sides.ours);
        let theirs = tokio::task::spawn_blocking(|| flower::rounds(VALUES, CLINICS, FLOWER_ROUNDS)).await??;
        for round in &theirs {
            enter(round, &mut sides.flower);
        }
        println!("{NAME}: ours {ours:?}, Flower {theirs:?}");
        sides
            .runs
            .push(json!({ "round": NAME, "ours": ours, "flower": theirs }));
    }
    hub.stop().await?;
    Ok(())
}

fn enter(round: &Round, side: &mut Measured) {
    note(side, format!("{NAME}_s"), round.aggregated_s);
    note(side, format!("{NAME}_server_cpu_s"), round.server_cpu_s);
    note(side, format!("{NAME}_server_peak_mib"), round.server_peak_mib);
    if let Some(seconds) = round.run_finished_s {
        note(side, format!("{NAME}_run_finished_s"), seconds);
    }
}

fn clinic(number: usize) -> String {
    format!("clinic-{number}")
}

fn maintainer(region: &Region, hub: &Hub) -> anyhow::Result<Maintainer> {
    Ok(MaintenanceClient::new(channel(
        region,
        MAINTAINER,
        hub.address("grpc")?,
    )?))
}

async fn register(region: &Region, hub: &Hub, layout: &Layout) -> anyhow::Result<()> {
    let content = chunks(layout, 0)?;
    let base = v1::RegisterModelRequest {
        id: MODEL.into(),
        version: VERSION.into(),
        backbone: vec![BACKBONE.into()],
        finding: vec![v1::FindingSetting {
            code: "pneumonia".into(),
            temperature: 1.0,
            operating_point: 0.5,
        }],
        parameters: Some(parameters(layout, &content)),
        content,
    };
    maintainer(region, hub)?.register_model(base).await?;
    Ok(())
}

async fn ours(region: &Region, hub: &Hub, layout: &Layout, time: usize) -> anyhow::Result<Round> {
    let pid = hub.pid().context("it runs")?;
    let mut maintainer = maintainer(region, hub)?;
    maintainer.list_runs(v1::ListRunsRequest {}).await?;
    let mut clinics = Vec::new();
    for number in 0..CLINICS {
        // Other values each time: what the hub has already, it would not take again.
        let update = chunks(layout, (1 + time * CLINICS + number) as u64)?;
        let channel = channel(region, &clinic(number), hub.address("grpc")?)?;
        let mut clinic = Clinic::new(channel, layout, update);
        clinic.pull().await?;
        clinics.push(clinic);
    }
    let cpu = processor_seconds(pid)?;
    let begun = Instant::now();
    let run = maintainer.start_run(settings()).await?.into_inner();
    let works: Vec<_> = clinics
        .into_iter()
        .map(|mut clinic| {
            tokio::spawn(async move {
                clinic.fit().await?;
                anyhow::Ok(clinic)
            })
        })
        .collect();
    let mut views = maintainer.watch_run(run).await?.into_inner();
    until(&mut views, |view| {
        let stage = view.round.first().map_or("", |round| round.stage.as_str());
        !matches!(stage, "" | "fitting" | "aggregating")
    })
    .await?;
    let aggregated_s = begun.elapsed().as_secs_f64();
    let server_cpu_s = processor_seconds(pid)? - cpu;
    let mut last = Vec::new();
    for work in works {
        let mut clinic = work.await??;
        last.push(tokio::spawn(async move { clinic.evaluate().await }));
    }
    for work in last {
        work.await??;
    }
    let ended = until(&mut views, |view| view.state != "running").await?;
    let accepted = ended.round.first().map_or(0, |round| round.accepted);
    anyhow::ensure!(
        ended.state == "finished" && accepted as usize == CLINICS,
        "the run ended otherwise: {ended:?}"
    );
    Ok(Round {
        aggregated_s,
        server_cpu_s,
        server_peak_mib: memory_mib(pid, "VmHWM")?,
        run_finished_s: Some(begun.elapsed().as_secs_f64()),
    })
}

async fn until(
    views: &mut Streaming<v1::RunView>,
    wanted: impl Fn(&v1::RunView) -> bool,
) -> anyhow::Result<v1::RunView> {
    let seen = async {
        while let Some(view) = views.message().await? {
            if wanted(&view) {
                return Ok(view);
            }
        }
        anyhow::bail!("the run ended too early")
    };
    tokio::time::timeout(PATIENCE, seen).await?
}

/// One round of FedAvg with every clinic.
fn settings() -> v1::RunSettings {
    let clinics = CLINICS as u32;
    v1::RunSettings {
        model_id: MODEL.into(),
        base_version: VERSION.into(),
        rounds: 1,
        strategy: "FedAvg".into(),
        quorum: clinics,
        target: clinics,
        stage_ms: PATIENCE.as_millis() as u64,
        late: v1::LatePolicy::Drop.into(),
        fit: Some(v1::FitSettings {
            epochs: 1,
            learning_rate: 0.1,
            batch_size: 32,
            example_cap: 1000,
            minimum_examples: 10,
            ..v1::FitSettings::default()
        }),
        ..v1::RunSettings::default()
    }
}
