//! Releases over real gRPC: who may publish, who may read, and that a hub which stopped goes on where it was.

use std::fs;
use std::path::{Path, PathBuf};

use barefoot_federation::chunk::ChunkId;
use barefoot_trust::Role;
use barefoot_trust::release::{
    DirectorySource, Lifetimes, NewRelease, RepositoryEditor, RoleSetting, Roles, SigningKey, TrustedState,
    verify_repository,
};
use barefoot_wire::v1;
use barefoot_wire::v1::maintenance_client::MaintenanceClient;
use barefoot_wire::v1::releases_client::ReleasesClient;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use time::OffsetDateTime;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::federation::channel;
use crate::support::{Hub, Region, wait_for};

const MODEL: &str = "cxr-pneumonia";
const PLAN: &str = include_str!("../../../../provisioning/rollouts/example.toml");

/// Weight of one finding over two channels, then its bias.
const HEAD: [f32; 3] = [0.5, -0.5, 0.25];

fn head_bytes() -> Vec<u8> {
    HEAD.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A repository that lists 0.1.0, and the key that signs it.
struct Repository(PathBuf);

impl Repository {
    fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let key = SigningKey::create(&folder.join("key")).unwrap();
        let role = || RoleSetting {
            keys: vec![key.public().clone()],
            threshold: 1,
        };
        let roles = Roles {
            root: role(),
            targets: role(),
            snapshot: role(),
            timestamp: role(),
        };
        let (now, repository) = (OffsetDateTime::now_utc(), folder.join("repository"));
        let mut editor = RepositoryEditor::create(&repository, &roles, Lifetimes::default(), now).unwrap();
        let release = NewRelease {
            model: MODEL.into(),
            version: "0.1.0".into(),
            demonstration: true,
            report_sha256: None,
            base_version: None,
        };
        let bundle = folder.join("bundle");
        write_bundle(&bundle);
        editor
            .sign(&[SigningKey::load(&folder.join("key")).unwrap()], now)
            .unwrap();
        editor.add_release(&bundle, release, now).unwrap();
        editor.sign(&[key], now).unwrap();
        Self(repository)
    }

    fn root(&self) -> PathBuf {
        self.0.join("metadata/1.root.json")
    }

    fn files(&self) -> Vec<v1::ReleasePart> {
        let paths = RepositoryEditor::open(&self.0)
            .unwrap()
            .published_files()
            .unwrap();
        let part = |path: String| v1::ReleasePart {
            content: fs::read(self.0.join(&path)).unwrap(),
            path,
        };
        paths.into_iter().map(part).collect()
    }
}

fn write_bundle(bundle: &Path) {
    let bytes = head_bytes();
    let (weight, bias) = bytes.split_at(8);
    let view = |shape: Vec<usize>, data| TensorView::new(Dtype::F32, shape, data).unwrap();
    let tensors = [
        ("weight", view(vec![1, 2], weight)),
        ("bias", view(vec![1], bias)),
    ];
    fs::create_dir_all(bundle).unwrap();
    fs::write(
        bundle.join("head.safetensors"),
        safetensors::serialize(tensors, None).unwrap(),
    )
    .unwrap();
    fs::write(bundle.join("backbone.onnx"), vec![7; 600_000]).unwrap();
    let manifest = format!(
        "id = \"{MODEL}\"\nversion = \"0.1.0\"\n[head]\nfile = \"head.safetensors\"\n[[artefact]]\n\
         sha256 = \"{}\"\n[[finding]]\ncode = \"pneumonia\"\ntemperature = 1.0\noperating_point = 0.5\n",
        ChunkId::of(&vec![7; 600_000])
    );
    fs::write(bundle.join("manifest.toml"), manifest).unwrap();
}

fn maintainer(region: &Region, hub: &Hub) -> MaintenanceClient<Channel> {
    MaintenanceClient::new(channel(&region.person(Role::Maintainer, "mara"), hub.grpc))
}

fn a_box(region: &Region, hub: &Hub, clinic: &str) -> ReleasesClient<Channel> {
    ReleasesClient::new(channel(&region.identity(clinic), hub.grpc))
}

async fn register(mara: &mut MaintenanceClient<Channel>) {
    let tensor = |name: &str, shape: &[u64]| v1::TensorSpec {
        name: name.into(),
        shape: shape.to_vec(),
    };
    let request = v1::RegisterModelRequest {
        id: MODEL.into(),
        version: "0.1.0".into(),
        backbone: vec![ChunkId::of(&vec![7; 600_000]).to_string()],
        finding: vec![v1::FindingSetting {
            code: "pneumonia".into(),
            temperature: 1.0,
            operating_point: 0.5,
        }],
        parameters: Some(v1::Parameters {
            tensors: vec![tensor("weight", &[1, 2]), tensor("bias", &[1])],
            encoding: v1::Encoding::F32.into(),
            chunk: vec![ChunkId::of(&head_bytes()).0.to_vec()],
        }),
        content: vec![head_bytes()],
    };
    mara.register_model(request).await.unwrap();
}

async fn read(client: &mut ReleasesClient<Channel>, path: &str, offset: u64) -> Result<Vec<u8>, Status> {
    let request = v1::ReadFileRequest {
        path: path.into(),
        offset,
    };
    let mut parts = client.read_file(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = parts.message().await? {
        bytes.extend_from_slice(&part.content);
    }
    Ok(bytes)
}

fn report(active: &str) -> v1::BoxReport {
    v1::BoxReport {
        model_id: MODEL.into(),
        active_version: active.into(),
        ..v1::BoxReport::default()
    }
}

#[tokio::test]
async fn a_published_release_reaches_boxes_over_a_restart_of_the_hub() {
    let region = Region::new();
    let repository = Repository::new(&region.dir.path().join("maintainers"));
    let releases = format!(
        "[releases]\nroot = {:?}\n",
        repository.root().display().to_string()
    );
    let start = async || region.hub_with(&releases).await;
    let hub = start().await;
    let mut mara = maintainer(&region, &hub);
    // Nobody has registered it: a signature alone is not enough.
    let early = mara.publish_release(tokio_stream::iter(repository.files())).await;
    assert_eq!(early.unwrap_err().code(), Code::FailedPrecondition);
    register(&mut mara).await;
    mara.publish_release(tokio_stream::iter(repository.files()))
        .await
        .unwrap();
    let mut box_7 = a_box(&region, &hub, "clinic-7");
    box_7.report(report("0.0.9")).await.unwrap();
    let request = v1::StartRolloutRequest {
        model: Some(v1::ModelName {
            id: MODEL.into(),
            version: "0.1.0".into(),
        }),
        plan_toml: PLAN.into(),
    };
    mara.start_rollout(request.clone()).await.unwrap();
    hub.stop().await;

    let hub = start().await;
    let mut mara = maintainer(&region, &hub);
    let again = mara.start_rollout(request).await.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition, "one at a time");
    let mut box_7 = a_box(&region, &hub, "clinic-7");
    let desired = box_7.report(report("0.0.9")).await.unwrap().into_inner();
    assert_eq!(
        (desired.action(), desired.version.as_str()),
        (v1::Action::Install, "0.1.0")
    );
    assert_eq!((desired.shadow_studies, desired.trial_studies), (20, 30));

    // The box takes all of it over the line and believes it as if it had come on a stick.
    let taken = region.dir.path().join("taken");
    for part in repository.files() {
        let half = part.content.len() as u64 / 2;
        let mut bytes = read(&mut box_7, &part.path, 0).await.unwrap();
        bytes.truncate(usize::try_from(half).unwrap());
        bytes.extend(read(&mut box_7, &part.path, half).await.unwrap());
        let to = taken.join(&part.path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, bytes).unwrap();
    }
    let mut state = TrustedState::in_memory(&fs::read(repository.root()).unwrap()).unwrap();
    let source = DirectorySource::new(&taken);
    let targets = verify_repository(&mut state, &source, OffsetDateTime::now_utc()).unwrap();
    let release = targets.release(MODEL, "0.1.0").unwrap();
    for file in &release.files {
        file.verify(source.open_target(file).unwrap()).unwrap();
    }

    box_7.report(report("0.1.0")).await.unwrap();
    let name = v1::ModelName {
        id: MODEL.into(),
        version: String::new(),
    };
    let view = mara.get_rollout(name.clone()).await.unwrap().into_inner();
    assert_eq!((view.state.as_str(), view.r#box.len()), ("canary", 1));
    let listed = mara
        .list_models(v1::ListModelsRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (listed.model[0].version.as_str(), listed.model[0].boxes),
        ("0.1.0", 1)
    );
    mara.roll_back(name.clone()).await.unwrap();
    let desired = box_7.report(report("0.1.0")).await.unwrap().into_inner();
    assert_eq!(
        (desired.action(), desired.version.as_str()),
        (v1::Action::RollBack, "0.0.9")
    );
    box_7.report(report("0.0.9")).await.unwrap();
    wait_for("the end of going back", async || {
        let view = mara.get_rollout(name.clone()).await.unwrap().into_inner();
        if view.state == "rolled_back" {
            Ok(())
        } else {
            Err(view.state)
        }
    })
    .await;
    hub.stop().await;
}

#[tokio::test]
async fn boxes_publish_nothing_and_maintainers_are_no_boxes() {
    let region = Region::new();
    let hub = region.hub().await;
    let mut as_maintainer = MaintenanceClient::new(channel(&region.identity("clinic-7"), hub.grpc));
    let parts = tokio_stream::iter(Vec::<v1::ReleasePart>::new());
    let refused = as_maintainer.publish_release(parts).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut as_box = ReleasesClient::new(channel(&region.person(Role::Maintainer, "mara"), hub.grpc));
    let refused = as_box.report(report("0.1.0")).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // Without a root there is nothing to read and nothing can be published.
    let mut box_7 = a_box(&region, &hub, "clinic-7");
    let missing = read(&mut box_7, "metadata/timestamp.json", 0).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let mut mara = maintainer(&region, &hub);
    let parts = tokio_stream::iter(Vec::<v1::ReleasePart>::new());
    let refused = mara.publish_release(parts).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    hub.stop().await;
}
