use barefoot_federation::chunk::ChunkId;
use barefoot_federation::layout::{CHUNK_VALUES, Layout, TensorSpec};
use barefoot_trust::{Role, TlsIdentity};
use barefoot_wire::v1;
use barefoot_wire::v1::maintenance_client::MaintenanceClient;
use tonic::Status;
use tonic::transport::Channel;

use super::line::channel;
use crate::support::{Region, wait_for};

pub(super) const MODEL: &str = "cxr-pneumonia";
pub(super) const BACKBONE: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

pub(super) type Client = MaintenanceClient<Channel>;

pub(super) fn maintainer(region: &Region, port: u16) -> Client {
    of(&region.person(Role::Maintainer, "mara"), port)
}

pub(super) fn of(identity: &TlsIdentity, port: u16) -> Client {
    MaintenanceClient::new(channel(identity, port))
}

/// A head of one finding over so many channels.
pub(super) fn layout(channels: u64) -> Layout {
    let spec = |name: &str, shape: &[u64]| TensorSpec {
        name: name.into(),
        shape: shape.to_vec(),
    };
    Layout::new(vec![spec("weight", &[1, channels]), spec("bias", &[1])]).unwrap()
}

pub(super) fn parameters(layout: &Layout, encoding: v1::Encoding, chunks: &[ChunkId]) -> v1::Parameters {
    v1::Parameters {
        tensors: layout
            .specs()
            .iter()
            .map(|spec| v1::TensorSpec {
                name: spec.name.clone(),
                shape: spec.shape.clone(),
            })
            .collect(),
        encoding: encoding.into(),
        chunk: chunks.iter().map(|id| id.0.to_vec()).collect(),
    }
}

/// The F32 chunks of these values, sound or not.
pub(super) fn chunks(values: &[f32]) -> Vec<Vec<u8>> {
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    values.chunks(CHUNK_VALUES).map(bytes).collect()
}

/// Registers a base version whose parameters are all `value`.
pub(super) async fn register(client: &mut Client, layout: &Layout, value: f32) {
    let content = chunks(&vec![value; layout.elements()]);
    let ids: Vec<ChunkId> = content.iter().map(|bytes| ChunkId::of(bytes)).collect();
    client
        .register_model(v1::RegisterModelRequest {
            id: MODEL.into(),
            version: "0.1.0".into(),
            backbone: vec![BACKBONE.into()],
            finding: vec![v1::FindingSetting {
                code: "pneumonia".into(),
                temperature: 1.0,
                operating_point: 0.5,
            }],
            parameters: Some(parameters(layout, v1::Encoding::F32, &ids)),
            content,
        })
        .await
        .unwrap();
}

/// Two rounds of FedAvg with as many clinics as are asked for.
pub(super) fn settings(clinics: u32) -> v1::RunSettings {
    v1::RunSettings {
        model_id: MODEL.into(),
        base_version: "0.1.0".into(),
        rounds: 2,
        strategy: "FedAvg".into(),
        quorum: clinics,
        target: clinics,
        stage_ms: 60_000,
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

pub(super) async fn start(client: &mut Client, settings: v1::RunSettings) -> String {
    client.start_run(settings).await.unwrap().into_inner().run
}

pub(super) async fn view(client: &mut Client, run: &str) -> Result<v1::RunView, Status> {
    let list = client.list_runs(v1::ListRunsRequest {}).await?.into_inner();
    Ok(list.run.into_iter().find(|view| view.run == run).unwrap())
}

/// The run, once it has ended.
pub(super) async fn ended(client: &mut Client, run: &str) -> v1::RunView {
    wait_for("the run's end", async || {
        let view = view(client, run).await.map_err(|status| status.to_string())?;
        if view.state == "running" {
            Err(format!("{:?}", view.round))
        } else {
            Ok(view)
        }
    })
    .await
}

/// The codes of all refusals of a run, with the clinics.
pub(super) fn refusals(view: &v1::RunView) -> Vec<(String, String)> {
    let rounds = view.round.iter().flat_map(|round| &round.refused);
    rounds
        .map(|refusal| (refusal.clinic.clone(), refusal.code.clone()))
        .collect()
}

pub(super) fn metric(round: &v1::RoundView, name: &str) -> Option<f64> {
    round
        .metric
        .iter()
        .find(|metric| metric.name == name)
        .map(|metric| metric.value)
}
