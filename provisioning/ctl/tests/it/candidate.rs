//! A candidate as `model candidate` leaves it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use barefoot_federation::chunk::ChunkId;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// The bundle's head with every value changed by `change`, for a bundle of two findings.
pub(crate) struct Made {
    pub(crate) folder: PathBuf,
    pub(crate) report_sha256: String,
}

pub(crate) fn make(
    folder: &Path,
    bundle: &Path,
    versions: (&str, &str),
    change: impl Fn(f32) -> f32,
    report: impl FnOnce(&mut Value),
) -> Made {
    let (base, version) = versions;
    let file = fs::read(bundle.join("head.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let mut flat = Vec::new();
    let mut views = Vec::new();
    for name in ["weight", "bias"] {
        let tensor = tensors.tensor(name).unwrap();
        let changed: Vec<u8> = tensor
            .data()
            .chunks_exact(4)
            .flat_map(|value| change(f32::from_le_bytes(value.try_into().unwrap())).to_le_bytes())
            .collect();
        flat.extend_from_slice(&changed);
        views.push((name, tensor.shape().to_vec(), changed));
    }
    let views: HashMap<&str, TensorView<'_>> = views
        .iter()
        .map(|(name, shape, data)| {
            let view = TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap();
            (*name, view)
        })
        .collect();
    let head = safetensors::serialize(views, None).unwrap();
    let backbone =
        ["f32.onnx", "int8.onnx"].map(|file| ChunkId::of(&fs::read(bundle.join(file)).unwrap()).to_string());
    let measured = |auc: f64| {
        let estimate = json!({"value": auc, "low": auc - 0.01, "high": auc + 0.01});
        json!({
            "measures": {"auc": estimate, "sensitivity": estimate, "specificity": null, "brier": estimate,
                "ece": estimate, "log_loss": 0.2, "true_positive": 1, "false_positive": 2, "true_negative": 3,
                "false_negative": 4},
            "roc": [[0.0, 0.0], [1.0, 1.0]], "reliability": [],
        })
    };
    let mut json = json!({
        "schema": 1, "model_id": "tiny", "version": version, "base_version": base, "judged_at_ms": 1,
        "passed": true,
        "checks": [
            {"quantity": "plan", "set": null, "finding": null, "subgroup": null, "subject": null, "limit": null,
             "judged_by": null, "value": null, "held": true},
            {"quantity": "auc", "set": "locked", "finding": "stripes", "subgroup": null, "subject": null,
             "limit": {"at_least": 0.9}, "judged_by": "interval", "value": 0.97, "held": true},
        ],
        "uncovered": [{"set": "locked", "finding": "dots", "subgroup": "sex=F", "present": 2, "absent": 3}],
        "recalibrated": [
            {"finding": "stripes", "temperature_before": 1.0, "temperature": 1.25, "operating_point_before": 0.3,
             "operating_point": 0.42, "set": "fitting", "sensitivity": 0.95},
            {"finding": "dots", "temperature_before": 2.0, "temperature": 2.0, "operating_point_before": 0.5,
             "operating_point": 0.5, "set": null, "sensitivity": null},
        ],
        "sets": [{
            "name": "locked", "sha256": "00", "source": "drawn for a test", "cases": 40, "gates": true,
            "findings": [{"finding": "stripes", "present": 20, "absent": 20, "base": measured(0.9),
                "candidate": measured(0.97), "subgroups": []}],
        }],
        "plan": null,
        "provenance": {
            "schema": 1, "run": "01RUN", "model_id": "tiny", "base_version": base, "base_chunks": [],
            "chunks": [ChunkId::of(&flat).to_string()], "backbone": backbone, "plan": null,
            "rounds": [{"round": 1, "participants": 5, "declined": 0, "refused": 1},
                       {"round": 2, "participants": 7, "declined": 0, "refused": 0}],
            "strategy": {"name": "FedAvg", "parameters": {}, "from_zero": false},
            "fit": {}, "cohort": {},
            "privacy": {"clip_norm": 1.0, "noise_multiplier": 1.0, "secure_aggregation": true, "delta": 1e-5,
                "epsilon_spent": 4.5},
            "code": "barefoot-hub 0.1.0", "started_at_ms": 0, "ended_at_ms": 1,
        },
    });
    report(&mut json);
    let json = json.to_string();
    let report_sha256 = ChunkId::of(json.as_bytes()).to_string();
    let record = json!({
        "schema": 1, "model": "tiny", "version": version, "base_version": base, "report_sha256": report_sha256,
        "findings": [
            {"code": "stripes", "temperature": 1.25, "operating_point": 0.42},
            {"code": "dots", "temperature": 2.0, "operating_point": 0.5},
        ],
    });
    let folder = folder.join(format!("candidate-{version}"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("candidate.json"), record.to_string()).unwrap();
    fs::write(folder.join("head.safetensors"), head).unwrap();
    fs::write(folder.join("report.json"), json).unwrap();
    fs::write(folder.join("report.html"), "<!doctype html>").unwrap();
    Made {
        folder,
        report_sha256,
    }
}
