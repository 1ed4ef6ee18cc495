"""Figures of a finished bundle on a part of the data."""

import numpy as np

import metrics
from data import LUNG_BOX

PRECISIONS = ("f32", "int8")


def run(bundle, images, precision, size=16):
    """Logits [N] and heat maps [N,h,w] of uint8 pictures [N,H,W]."""
    logits, maps = [], []
    for i in range(0, len(images), size):
        grey = images[i : i + size].astype(np.float32) / 255.0
        features = bundle.features(grey, precision)
        logits.append(bundle.logits(features)[:, 0])
        maps.append(bundle.heat_map(features))
    return np.concatenate(logits).astype(np.float64), np.concatenate(maps)


def box_of(side):
    top, bottom, left, right = (round(f * side) for f in LUNG_BOX)
    return slice(top, bottom), slice(left, right)


def cover(images, lungs):
    """Covers the crude lung box (or all but it) with each picture's mean."""
    rows, columns = box_of(images.shape[-1])
    mean = np.rint(images.mean((1, 2), keepdims=True)).astype(np.uint8)
    inside = np.zeros(images.shape[1:], dtype=bool)
    inside[rows, columns] = True
    return np.where(inside if lungs else ~inside, mean, images)


def lung_share(maps):
    """Share of the positive heat-map mass that lies in the lung box, per picture."""
    side = 224
    repeat = side // maps.shape[-1]
    wide = np.maximum(maps, 0.0).repeat(repeat, 1).repeat(repeat, 2)
    rows, columns = box_of(side)
    return wide[:, rows, columns].sum((1, 2)) / np.maximum(wide.sum((1, 2)), 1e-9)


def peak_in_lungs(maps):
    """Whether the highest cell's centre lies in the lung box, per picture."""
    side = maps.shape[-1]
    place = maps.reshape(len(maps), -1).argmax(1)
    y, x = (place // side + 0.5) / side, (place % side + 0.5) / side
    top, bottom, left, right = LUNG_BOX
    return (y >= top) & (y < bottom) & (x >= left) & (x < right)


def evaluate(bundle, part, temperature, threshold, seed):
    """All figures of one part: a dict per precision, and the agreement of both."""
    labels = part.labels
    out, score, agreement = {}, {}, {}
    for precision in PRECISIONS:
        logits, maps = run(bundle, part.images, precision)
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
        called = (labels == 1) & (s >= threshold)
        figures["heat_in_lungs"] = float(lung_share(maps[called]).mean())
        figures["peak_in_lungs"] = float(peak_in_lungs(maps[called]).mean())
        out[precision] = figures
    gap = np.abs(score["f32"] - score["int8"])
    agreement["p99"] = float(np.percentile(gap, 99))
    agreement["max"] = float(gap.max())
    agreement["mean"] = float(gap.mean())
    agreement["label"] = float(
        ((score["f32"] >= threshold) == (score["int8"] >= threshold)).mean()
    )
    hidden, _ = run(bundle, cover(part.images, lungs=True), "f32")
    alone, _ = run(bundle, cover(part.images, lungs=False), "f32")
    return {
        "images": len(part),
        "patients": len(set(part.patients)),
        "positive": float(labels.mean()),
        "precision": out,
        "agreement": agreement,
        "auc_lungs_hidden": metrics.auc(labels, hidden),
        "auc_lungs_only": metrics.auc(labels, alone),
    }


def stress(bundle, part, threshold):
    """AUC, sensitivity and specificity of the float artefact on spoilt pictures."""
    from PIL import Image, ImageFilter

    def each(change):
        return np.stack([np.asarray(change(Image.fromarray(i))) for i in part.images])

    def gamma(value):
        table = [round(255 * (i / 255) ** value) for i in range(256)]
        return lambda picture: picture.point(table)

    spoilt = {
        "blurred (sigma 1.5)": each(lambda p: p.filter(ImageFilter.GaussianBlur(1.5))),
        "sharpened": each(lambda p: p.filter(ImageFilter.UnsharpMask(2, 120, 0))),
        "darker (gamma 1.4)": each(gamma(1.4)),
        "lighter (gamma 0.7)": each(gamma(0.7)),
        "contrast x 0.7": each(lambda p: p.point([round(38 + 0.7 * i) for i in range(256)])),
        "cropped 8 % a side": each(lambda p: p.resize((224, 224), Image.BILINEAR, box=(18, 18, 206, 206))),
        "10 % frame added": each(lambda p: framed(p)),
    }
    rows = {}
    for name, images in spoilt.items():
        logits, _ = run(bundle, images, "f32")
        s = metrics.sigmoid(logits / bundle.temperature[0])
        rows[name] = (
            metrics.auc(part.labels, logits),
            metrics.sensitivity(part.labels, s, threshold),
            metrics.specificity(part.labels, s, threshold),
        )
    return rows


def framed(picture):
    from PIL import Image

    out = Image.new("L", picture.size)
    small = picture.resize((180, 180), Image.BILINEAR)
    out.paste(small, (22, 22))
    return out
