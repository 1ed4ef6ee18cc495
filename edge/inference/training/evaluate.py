"""Figures of a finished bundle on a part of the data."""

import numpy as np

import metrics
from data import LUNG_BOX
from prepare import graph_inputs
from spoilt import CHANGES, spoil

PRECISIONS = ("f32", "int8")
# Fewer say nothing about a subgroup.
LEAST_OF_A_CLASS = 10
SMALLER_BOX = (0.18, 0.82, 0.15, 0.85)


def run(bundle, images, precision, size=16):
    """Logits [N] of uint8 pictures [N,H,W]."""
    logits = []
    for i in range(0, len(images), size):
        inputs = graph_inputs(images[i : i + size], bundle.manifest["preprocessing"])
        features = bundle.features(inputs[:, 0], precision)
        logits.append(bundle.logits(features)[:, 0])
    return np.concatenate(logits).astype(np.float64)


def box_of(box, side):
    top, bottom, left, right = (round(f * side) for f in box)
    return slice(top, bottom), slice(left, right)


def cover(images, box, lungs):
    """Covers a crude lung box (or all but it) with each picture's mean."""
    rows, columns = box_of(box, images.shape[-1])
    mean = np.rint(images.mean((1, 2), keepdims=True)).astype(np.uint8)
    inside = np.zeros(images.shape[1:], dtype=bool)
    inside[rows, columns] = True
    return np.where(inside if lungs else ~inside, mean, images)


def evaluate(bundle, part, temperature, threshold, seed):
    """All figures of one part: a dict per precision, and the agreement of both."""
    labels = part.labels
    out, score, agreement = {}, {}, {}
    for precision in PRECISIONS:
        logits = run(bundle, part.images, precision)
        raw = metrics.sigmoid(logits)
        s = score[precision] = metrics.sigmoid(logits / temperature)
        figures = {
            "auc": metrics.auc(labels, logits),
            "sensitivity": metrics.sensitivity(labels, s, threshold),
            "specificity": metrics.specificity(labels, s, threshold),
            "ece_raw": metrics.ece(labels, raw),
            "ece": metrics.ece(labels, s),
            "ece_balanced": metrics.ece_balanced(labels, s),
        }
        ranges = {}
        for name, statistic in (
            ("auc", metrics.auc),
            ("sensitivity", lambda y, v: metrics.sensitivity(y, v, threshold)),
            ("specificity", lambda y, v: metrics.specificity(y, v, threshold)),
            ("ece", metrics.ece),
        ):
            ranges[name] = metrics.bootstrap(statistic, labels, s, part.patients, seed)
        figures["ranges"] = ranges
        out[precision] = figures
    gap = np.abs(score["f32"] - score["int8"])
    agreement["p99"] = float(np.percentile(gap, 99))
    agreement["max"] = float(gap.max())
    agreement["mean"] = float(gap.mean())
    agreement["label"] = float(
        ((score["f32"] >= threshold) == (score["int8"] >= threshold)).mean()
    )
    hidden = run(bundle, cover(part.images, LUNG_BOX, lungs=True), "f32")
    # A smaller box leaves the crop's borders to be seen.
    mostly = run(bundle, cover(part.images, SMALLER_BOX, lungs=True), "f32")
    alone = run(bundle, cover(part.images, LUNG_BOX, lungs=False), "f32")
    return {
        "images": len(part),
        "patients": len(set(part.patients)),
        "positive": float(labels.mean()),
        "precision": out,
        "agreement": agreement,
        "auc_lungs_hidden": metrics.auc(labels, hidden),
        "auc_smaller_box_hidden": metrics.auc(labels, mostly),
        "auc_lungs_only": metrics.auc(labels, alone),
    }


def stress(bundle, part, temperature, threshold):
    """AUC, sensitivity, specificity and ECE of the float artefact on spoilt pictures."""
    rows = {}
    for name in CHANGES:
        logits = run(bundle, spoil(part.images, name), "f32")
        s = metrics.sigmoid(logits / temperature)
        rows[name] = (
            metrics.auc(part.labels, logits),
            metrics.sensitivity(part.labels, s, threshold),
            metrics.specificity(part.labels, s, threshold),
            metrics.ece(part.labels, s),
        )
    return rows


def bands(part):
    """Boolean rows of each subgroup that the set names."""
    sex, view = (np.array([about[key] for about in part.about]) for key in ("sex", "view"))
    age = np.array([int(about["age"]) for about in part.about])
    return {
        "women": sex == "F", "men": sex == "M",
        "under 18": age < 18, "18 to 64": (18 <= age) & (age < 65), "65 and older": 65 <= age,
        "PA": view == "PA", "AP": view == "AP",
    }


def subgroups(bundle, part, temperature, threshold, seed):
    """Figures of the float artefact in each subgroup with enough pictures of both classes."""
    logits = run(bundle, part.images, "f32")
    s = metrics.sigmoid(logits / temperature)
    rows = {}
    for name, own in bands(part).items():
        labels, scores = part.labels[own], s[own]
        few = min((labels == 1).sum(), (labels == 0).sum()) < LEAST_OF_A_CLASS
        patients = [p for p, keep in zip(part.patients, own) if keep]
        rows[name] = {
            "present": int((labels == 1).sum()), "absent": int((labels == 0).sum()),
            "auc": None if few else metrics.auc(labels, scores),
            "range": None if few else metrics.bootstrap(metrics.auc, labels, scores, patients, seed),
            "sensitivity": None if few else metrics.sensitivity(labels, scores, threshold),
            "specificity": None if few else metrics.specificity(labels, scores, threshold),
        }
    return rows
