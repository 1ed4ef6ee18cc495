"""Makes the tiny bundle of the tests: python make_tiny.py tiny

Needs numpy, onnx, onnxruntime, pillow. The graph is one convolution with ReLU over a 32x32 picture, once in float32 and
once as QDQ int8; the golden scores are ONNX Runtime's.
"""

import hashlib
import json
import struct
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, save
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from PIL import Image

SIDE, CHANNELS, MEAN, STD = 32, 4, 0.5, 0.25
TEMPERATURE = [1.0, 2.0]


def graph(path: Path, rng: np.random.Generator) -> None:
    weight = rng.normal(0, 0.5, (CHANNELS, 1, 3, 3)).astype(np.float32)
    bias = rng.normal(0, 0.1, CHANNELS).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["conv"], strides=[4, 4], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["conv"], ["features"]),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])],
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", CHANNELS, 8, 8])],
            [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    save(model, path)


class Pictures(CalibrationDataReader):
    def __init__(self, pictures):
        self.left = iter([{"image": picture[None, None]} for picture in pictures])

    def get_next(self):
        return next(self.left, None)


def safetensors(weight: np.ndarray, bias: np.ndarray) -> bytes:
    body = weight.tobytes() + bias.tobytes()
    header = {
        "weight": {"dtype": "F32", "shape": list(weight.shape), "data_offsets": [0, weight.nbytes]},
        "bias": {"dtype": "F32", "shape": list(bias.shape), "data_offsets": [weight.nbytes, len(body)]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(out: Path) -> None:
    rng = np.random.default_rng(7)
    (out / "golden").mkdir(parents=True, exist_ok=True)
    graph(out / "f32.onnx", rng)
    pictures = []
    for number, side in enumerate([SIDE, 48]):
        y, x = np.mgrid[0:side, 0:side]
        grey = (127 + 120 * np.sin(x / (3 + number)) * np.cos(y / 5)).astype(np.uint8)
        Image.fromarray(grey).save(out / f"golden/{number}.png")
        level = Image.fromarray(grey.astype(np.float32) / 255, mode="F").resize((SIDE, SIDE), Image.BILINEAR)
        pictures.append(((np.asarray(level) - MEAN) / STD).astype(np.float32))
    quantize_static(
        out / "f32.onnx",
        out / "int8.onnx",
        Pictures(pictures),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    weight = rng.normal(0, 1, (2, CHANNELS)).astype(np.float32)
    bias = np.array([0.5, -0.5], dtype=np.float32)
    (out / "head.safetensors").write_bytes(safetensors(weight, bias))
    scores = {}
    for precision in ("f32", "int8"):
        session = onnxruntime.InferenceSession(out / f"{precision}.onnx", providers=["CPUExecutionProvider"])
        scores[precision] = []
        for picture in pictures:
            features = session.run(None, {"image": picture[None, None]})[0][0]
            logits = weight @ features.mean(axis=(1, 2)) + bias
            scores[precision].append([float(1 / (1 + np.exp(-v / t))) for v, t in zip(logits, TEMPERATURE)])
    cases = [
        {
            "file": f"golden/{number}.png",
            "sha256": sha256(out / f"golden/{number}.png"),
            "scores": {precision: scores[precision][number] for precision in scores},
            "tolerance": 0.005,
        }
        for number in range(len(pictures))
    ]
    (out / "golden/golden.json").write_text(json.dumps({"schema": 1, "cases": cases}, indent=1) + "\n")
    artefacts = "".join(
        f'\n[[artefact]]\nprecision = "{p}"\nfile = "{p}.onnx"\nsha256 = "{sha256(out / f"{p}.onnx")}"\n' for p in scores
    )
    findings = "".join(
        f'\n[[finding]]\ncode = "{code}"\nname_en = "{english}"\nname_zh = "{chinese}"\nurgent = {urgent}\n'
        f'operating_point = {point}\noperating_set = "none"\ntemperature = {temperature}\ncalibration_set = "none"\n'
        for code, english, chinese, urgent, point, temperature in [
            ("stripes", "Stripes", "条纹", "true", 0.3, TEMPERATURE[0]),
            ("dots", "Dots", "点", "false", 0.5, TEMPERATURE[1]),
        ]
    )
    (out / "manifest.toml").write_text(
        f"""schema = 1
id = "tiny"
version = "0.0.1"
title = "Stripes and dots"
status = "demonstration"
intended_use = "Tests."
licence = "Apache-2.0"
attribution = "None."

[takes]
modalities = ["DX", "CR"]
body_parts = ["CHEST"]
min_rows = 16
min_columns = 16

[preprocessing]
width = {SIDE}
height = {SIDE}
resize = "stretch"
filter = "triangle"
mean = {MEAN}
std = {STD}

[output]
kind = "features+head"
input = "image"
features = "features"
channels = {CHANNELS}
grid = [8, 8]

[head]
file = "head.safetensors"
sha256 = "{sha256(out / "head.safetensors")}"
{artefacts}{findings}
[golden]
file = "golden/golden.json"
sha256 = "{sha256(out / "golden/golden.json")}"

[evaluation]
anything = "goes"
"""
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
