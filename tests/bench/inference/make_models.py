"""Makes the bundles of the benchmark `inference`: python make_models.py FOLDER

Needs torch, torchvision, onnx, onnxruntime, numpy and pillow from PyPI. Weights are seeded and random, batch norms
calibrated on noise so that the numbers on the way stay those of a trained network; the speed of a graph does not depend
on what it was taught. Each bundle carries float32 and QDQ int8 and onnxruntime's own answers as golden ones.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torchvision
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from torch import nn

SEED = 7
OPSET = 13


class UNet(nn.Module):
    """Four steps down and up, from 16 channels on."""

    def __init__(self, base=16, depth=4):
        super().__init__()
        widths = [base << i for i in range(depth + 1)]
        self.down = nn.ModuleList(block(a, b) for a, b in zip([1, *widths[:-1]], widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in zip(widths[:-1], widths[1:]))
        self.join = nn.ModuleList(block(2 * a, a) for a in widths[:-1])
        self.last = nn.Conv2d(base, 1, 1)

    def forward(self, x):
        kept = []
        for i, down in enumerate(self.down):
            x = down(x if i == 0 else nn.functional.max_pool2d(x, 2))
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.join[i](torch.cat([kept[i], self.up[i](x)], 1))
        return self.last(x)


def block(a, b):
    conv = lambda a, b: [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*conv(a, b), *conv(b, b))


def classifier(name):
    return getattr(torchvision.models, name)(weights=None, num_classes=2)


MODELS = {
    "densenet121": (lambda: classifier("densenet121"), 3, 224),
    "mobilenetv3": (lambda: classifier("mobilenet_v3_large"), 3, 224),
    "efficientnet_b0": (lambda: classifier("efficientnet_b0"), 3, 224),
    "resnet18": (lambda: classifier("resnet18"), 3, 224),
    "unet512": (UNet, 1, 512),
}


def pictures(side, count, rng):
    """Smooth noise, grey, 8 bits."""
    out = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (12, 12), dtype=np.uint8)
        fine = Image.fromarray(coarse).resize((side, side), Image.BICUBIC)
        out.append(np.asarray(fine, dtype=np.uint8))
    return out


def tensors(grey, channels):
    plane = np.stack(grey).astype(np.float32)[:, None] / 255.0
    return np.repeat((plane - 0.5) / 0.25, channels, axis=1)


@torch.no_grad()
def calibrated(model, inputs):
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    model.train()
    for _ in range(2):
        model(torch.from_numpy(inputs))
    model.eval()
    spread = model(torch.from_numpy(inputs)).std()
    last = [layer for layer in model.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))][-1]
    # Answers neither certain nor all alike.
    last.weight /= spread
    return model


class Reader(CalibrationDataReader):
    def __init__(self, inputs):
        self.left = iter([{"image": one[None]} for one in inputs])

    def get_next(self):
        return next(self.left, None)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def scores(path, inputs, mask):
    """As our reader makes them of the graph's answer."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    out = []
    for one in inputs:
        logits = session.run(None, {"image": one[None]})[0][0].astype(np.float64)
        chances = 1 / (1 + np.exp(-logits.reshape(-1)))
        if mask:
            count = int(np.ceil(chances.size * 0.01))
            chances = [np.sort(chances)[::-1][:count].mean()]
        out.append([round(float(chance), 6) for chance in chances])
    return out


def manifest(name, channels, side, folder, mask):
    output = (
        f'kind = "mask"\ninput = "image"\nmask = "out"\ngives = "logits"\nclasses = 1\n'
        f"grid = [{side}, {side}]\nleast_extent = 0.01\n"
        if mask
        else 'kind = "scores"\ninput = "image"\nscores = "out"\ngives = "logits"\nclasses = 2\n'
    )
    artefacts = "".join(
        f'\n[[artefact]]\nprecision = "{kind}"\nfile = "{kind}.onnx"\nsha256 = "{sha256(folder / f"{kind}.onnx")}"\n'
        for kind in ("f32", "int8")
    )
    findings = "".join(
        f'\n[[finding]]\ncode = "class-{i}"\nname_en = "Class {i}"\nname_zh = "类 {i}"\nurgent = false\n'
        'operating_point = 0.5\noperating_set = "none"\ntemperature = 1.0\ncalibration_set = "none"\n'
        for i in range(1 if mask else 2)
    )
    return f"""schema = 1
id = "{name}"
version = "1"
title = "{name}"
status = "demonstration"
intended_use = "A benchmark."
licence = "BSD-3-Clause"
attribution = "torchvision's architecture, random weights."

[takes]
modalities = ["DX"]
body_parts = ["CHEST"]
min_rows = 16
min_columns = 16

[preprocessing]
width = {side}
height = {side}
resize = "stretch"
filter = "triangle"
mean = 0.5
std = 0.25

[input]
channels = {channels}

[output]
{output}{artefacts}{findings}
[golden]
file = "golden/golden.json"
sha256 = "{sha256(folder / 'golden/golden.json')}"
"""


def make(name, folder):
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    build, channels, side = MODELS[name]
    mask = name.startswith("unet")
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    grey = pictures(side, 4 if mask else 16, rng)
    inputs = tensors(grey, channels)
    model = calibrated(build(), inputs)
    float_path, int8_path = folder / "f32.onnx", folder / "int8.onnx"
    torch.onnx.export(
        model, (torch.from_numpy(inputs[:1]),), str(float_path), input_names=["image"], output_names=["out"],
        opset_version=OPSET, dynamo=False,
    )
    prepared = folder / "prepared.onnx"
    quant_pre_process(str(float_path), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared), str(int8_path), Reader(inputs), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )
    prepared.unlink()
    cases = []
    for i, picture in enumerate(grey[:2]):
        path = folder / f"golden/{i}.png"
        Image.fromarray(picture).save(path)
        cases.append({"file": f"golden/{i}.png", "sha256": sha256(path), "tolerance": 0.05})
    for kind in ("f32", "int8"):
        for case, own in zip(cases, scores(folder / f"{kind}.onnx", inputs[:2], mask)):
            case.setdefault("scores", {})[kind] = own
    (folder / "golden/golden.json").write_text(json.dumps({"schema": 1, "cases": cases}, indent=1))
    # Last: a folder with a manifest is a whole one.
    (folder / "manifest.toml").write_text(manifest(name, channels, side, folder, mask), encoding="utf-8")


if __name__ == "__main__":
    for name in MODELS:
        target = Path(sys.argv[1]) / name
        if not (target / "manifest.toml").is_file():
            make(name, target)
            print(name, file=sys.stderr)
