"""Turns a checkpoint into the bundle directory, with figures and card.

    python build_bundle.py --checkpoint model.pt --data DIR --nih DIR --drawn DIR --out BUNDLE_DIR
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

import fit_scope
import metrics
from card import write_card
from data import load_kermany, load_nih, nih_pictures
from evaluate import evaluate, stress, subgroups
from export import write_backbone
from golden import write_golden
from manifest import write_manifest
from model import Classifier
from prepare import graph_inputs
from quantise import pooled_score, quantise_best, run_features
from scope_sets import dicom_by_modality, drawn_chests, photographs
from score_onnx import Bundle
from spoilt import CHANGES, spoil

VERSION = "0.2.0"
CALIBRATION_SET = "Kermany 2018, calibration part (10 % of the training patients), as it is and spoilt in ten ways, classes weighted alike"
OPERATING_SET = "Kermany 2018, calibration part (10 % of the training patients), as it is and spoilt in ten ways: highest point within 0.003 of the best balanced accuracy"
SCOPE_SET = "Kermany 2018 calibration part, a quarter of the NIH sample and drawn chests, as they are and jittered: 99.5 % pass each limit"


def balanced_sample(part, count, seed):
    """`count` pictures, half of each class, in seeded order."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(part.labels == y))[: count // 2] for y in (0, 1)]
    return part.images[rng.permutation(np.concatenate(rows))]


def levels(images):
    return [image.astype(np.float32) / 255.0 for image in images]


class ScopeSets:
    """Which pictures fit the scope, set its limits and measure it: no picture does two."""

    def __init__(self, parts, nih, drawn, seed):
        rng = np.random.default_rng(seed)
        photos = photographs()
        drawn = levels(drawn)
        self.fit = [*levels(parts["training"].images), *nih[::2], *drawn[:100]]
        self.others = [*fit_scope.pieces(photos[::2], 60, rng), *fit_scope.patterns(600, rng)]
        self.limits = [*levels(parts["calibration"].images), *nih[1::4], *drawn[100:150]]
        validation, adults = levels(parts["validation"].images), nih[3::4]
        self.measured_inside = {
            "validation": validation,
            "validation, jittered": [fit_scope.jittered(g, rng) for g in validation[::3]],
            "NIH sample, a quarter (adults)": adults,
            "chests drawn by the scanner simulator": drawn[150:],
        }
        self.measured_outside = {
            f"{source}, {name}": [turn(g) for g in pictures]
            for name, turn in fit_scope.TURNS.items()
            for source, pictures in (("validation", validation[::3]), ("NIH", adults))
        }
        self.measured_outside |= {
            "photographs and drawings": photos[1::2],
            "pieces of them": fit_scope.pieces(photos[1::2], 20, rng),
            "noise, stripes, discs, ramps": fit_scope.patterns(200, rng),
        }


def scope_figures(bundle, sets, others):
    """{"inside" | "outside" | "dicom": {set: (pictures, share called outside)}}."""
    groups = {"inside": sets.measured_inside, "outside": sets.measured_outside, "dicom": others}
    return {
        group: {name: (len(p), float(bundle.outside(p).mean())) for name, p in own.items()}
        for group, own in groups.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--nih", required=True, help="folder of the NIH sample (domain shift)")
    parser.add_argument("--drawn", required=True, help="folder of the scanner simulator's chests")
    parser.add_argument("--dicom", help="folder of any DICOM files, to measure the scope with")
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

    f32, int8 = folder / "backbone.f32.onnx", folder / "backbone.int8.onnx"
    write_backbone(model.backbone, f32)
    weight = model.head.weight.detach().numpy().astype(np.float32)
    bias = model.head.bias.detach().numpy().astype(np.float32)
    head = folder / "head.safetensors"
    save_file({"weight": weight, "bias": bias}, head)
    head.chmod(0o644)
    probe = graph_inputs(tuning.images[:8])
    with torch.no_grad():
        gap = np.abs(model.backbone(torch.from_numpy(probe)).numpy() - run_features(f32, probe))
    print(f"export: largest difference from torch {gap.max():.1e}", flush=True)

    seen = [tuning.images, *(spoil(tuning.images, change) for change in CHANGES)]
    features = np.concatenate([run_features(f32, graph_inputs(images)).mean((2, 3)) for images in seen])
    logits, labels = features @ weight[0] + bias[0], np.tile(tuning.labels, len(seen))
    temperature = round(metrics.fit_temperature(labels, logits), 4)
    threshold = metrics.top_of_plateau(labels, metrics.sigmoid(logits / temperature))
    print(f"temperature {temperature} operating point {threshold}", flush=True)

    method = quantise_best(
        f32, int8, graph_inputs(balanced_sample(train, 256, seed + 1)), graph_inputs(tuning.images),
        pooled_score(weight, bias, temperature),
    )
    drawn = drawn_chests(args.drawn)
    sets = ScopeSets(parts, nih_pictures(args.nih), drawn, seed)
    scope = fit_scope.fit(sets.fit, sets.others, seed)
    scope.save(folder / "scope.safetensors")
    limits = fit_scope.limits(scope, sets.limits, seed)
    print(f"scope limits {limits}", flush=True)
    values = {
        "version": VERSION, "temperature": temperature, "operating_point": threshold,
        "calibration_set": CALIBRATION_SET, "operating_set": OPERATING_SET,
        "largest_distance": limits[0], "largest_residual": limits[1], "least_likeness": limits[2],
        "scope_set": SCOPE_SET,
    }
    write_manifest(folder, values, seed=seed)
    bundle = Bundle(folder)
    clear = next(image for image in drawn[150:] if not bundle.outside(levels([image]))[0])
    write_golden(bundle, seed, clear)

    nih = load_nih(args.nih)
    figures = {
        name: evaluate(bundle, part, temperature, threshold, seed)
        for name, part in {"validation": parts["validation"], "nih_sample": nih}.items()
    }
    write_manifest(folder, values, golden=True, evaluation=figures, seed=seed)
    more = {
        "stress": stress(bundle, parts["validation"], temperature, threshold),
        "subgroups": subgroups(bundle, nih, temperature, threshold, seed),
        "scope": scope_figures(bundle, sets, dicom_by_modality(args.dicom) if args.dicom else {}),
    }
    write_card(folder, figures, more, values, method, parts, seed)
    print(json.dumps({"figures": figures, **more, "int8": method}, indent=1))


if __name__ == "__main__":
    main()
