"""Turns a checkpoint into the bundle directory, with figures and card.

    python build_bundle.py --checkpoint model.pt --data DIR [--nih DIR] --out BUNDLE_DIR
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

import metrics
from card import write_card
from data import load_kermany, load_nih
from evaluate import evaluate, run, stress
from export import write_backbone
from golden import write_golden
from manifest import write_manifest
from model import MEAN, STD, Classifier
from quantise import pooled_score, quantise_best, run_features
from score_onnx import Bundle

VERSION = "0.1.0"
SENSITIVITY = 0.96
CALIBRATION_SET = "Kermany 2018, calibration part (10 % of the training patients), classes weighted alike"
OPERATING_SET = "Kermany 2018, calibration part (10 % of the training patients): highest point that keeps sensitivity 0.96"


def normalised(images):
    return ((images[:, None].astype(np.float32) / 255.0) - MEAN) / STD


def balanced_sample(part, count, seed):
    """`count` pictures, half of each class, in seeded order."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(part.labels == y))[: count // 2] for y in (0, 1)]
    return part.images[rng.permutation(np.concatenate(rows))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--nih", help="folder of the NIH sample (domain shift)")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)

    saved = torch.load(args.checkpoint, weights_only=True)
    seed = saved["seed"]
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    parts = load_kermany(args.data, seed)
    train, tuning = parts["training"], parts["calibration"]
    model = Classifier()
    model.load_state_dict(saved["state"])
    model.eval()

    write_backbone(model.backbone, folder / "backbone.f32.onnx")
    weight = model.head.weight.detach().numpy().astype(np.float32)
    bias = model.head.bias.detach().numpy().astype(np.float32)
    head = folder / "head.safetensors"
    save_file({"weight": weight, "bias": bias}, head)
    head.chmod(0o644)
    probe = normalised(tuning.images[:8])
    with torch.no_grad():
        gap = np.abs(model.backbone(torch.from_numpy(probe)).numpy() - run_features(folder / "backbone.f32.onnx", probe))
    print(f"export: largest difference from torch {gap.max():.1e}")

    features = run_features(folder / "backbone.f32.onnx", normalised(tuning.images))
    logits = features.mean((2, 3)) @ weight[0] + bias[0]
    temperature = round(metrics.fit_temperature(tuning.labels, logits), 4)
    scores = metrics.sigmoid(logits / temperature)
    threshold = metrics.threshold_for_sensitivity(tuning.labels, scores, SENSITIVITY)
    print(f"temperature {temperature} operating point {threshold}")

    method = quantise_best(
        folder / "backbone.f32.onnx",
        folder / "backbone.int8.onnx",
        normalised(balanced_sample(train, 256, seed + 1)),
        normalised(tuning.images),
        pooled_score(weight, bias, temperature),
    )
    values = {
        "version": VERSION, "temperature": temperature, "operating_point": threshold,
        "calibration_set": CALIBRATION_SET, "operating_set": OPERATING_SET,
    }
    write_manifest(folder, values, seed=seed)
    bundle = Bundle(folder)
    write_golden(bundle, seed)

    sets = {"validation": parts["validation"]}
    if args.nih:
        sets["nih_sample"] = load_nih(args.nih)
    figures = {name: evaluate(bundle, part, temperature, threshold, seed) for name, part in sets.items()}
    write_manifest(folder, values, golden=True, evaluation=figures, seed=seed)
    spoilt = stress(bundle, parts["validation"], threshold)
    write_card(folder, figures, spoilt, values, method, parts, seed)
    print(json.dumps({"figures": figures, "stress": spoilt, "int8": method}, indent=1))


if __name__ == "__main__":
    main()
