"""Static QDQ quantization of the exported backbone.

Weights are per channel, by choice of 7 bits (`reduce_range`): processors without
VNNI add pairs of products in 16 bits, which full 8-bit weights can overflow.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from correct import correct_bias
from metrics import sigmoid


class Pictures(CalibrationDataReader):
    def __init__(self, inputs, size=8):
        self.chunks = iter(np.array_split(inputs, max(1, len(inputs) // size)))

    def get_next(self):
        chunk = next(self.chunks, None)
        return None if chunk is None else {"image": chunk}


# Stem and first blocks are the sensitive ones (few channels, wide ranges). Tried
# in this order, the first within the limit is kept: (blocks left in float counted
# from the stem, or None for no layer at all; 7-bit weights). On this network 7-bit
# weights gave a 99th percentile of .068 with no layer in float, .041 with two
# blocks, .031 with three, .018 with four, .020 with five; 8-bit with four, .013.
CANDIDATES = [(4, True), (4, False)]
LIMIT_P99 = 0.02
CORRECTION_PICTURES = 48


def float_layers(path, blocks):
    """Names of the nodes of the stem and the first `blocks` blocks."""
    if blocks is None:
        return []
    prefixes = ("stem", *(f"block{i}." for i in range(blocks)))
    return [node.name for node in onnx.load(path).graph.node if node.name.startswith(prefixes)]


def describe(blocks, reduce_range):
    bits = 7 if reduce_range else 8
    left = "nothing" if blocks is None else f"stem and first {blocks} blocks"
    return f"min-max ranges, {bits}-bit weights, bias corrected, {left} left in float"


def quantise(source, target, inputs, method, options, excluded, reduce_range=True):
    quantize_static(
        str(source),
        str(target),
        Pictures(inputs),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=reduce_range,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=method,
        nodes_to_exclude=excluded,
        extra_options=options,
    )


def run_features(path, inputs, threads=1, size=16):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    out = [session.run(None, {"image": inputs[i : i + size]})[0] for i in range(0, len(inputs), size)]
    return np.concatenate(out)


def distance(a, b):
    """(p99, max) of the absolute difference of two score lists."""
    gap = np.abs(a - b)
    return float(np.percentile(gap, 99)), float(gap.max())


def quantise_best(float_path, int8_path, calibration_inputs, check_inputs, score, log=print):
    """Keeps the first candidate within the limit, or else the nearest to float.

    `score` turns feature maps into scores; `check_inputs` are pictures that
    were not used for calibration. Returns a description of what was kept.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(float_path), str(prepared), skip_symbolic_shape=True)
        reference = score(run_features(float_path, check_inputs))
        best = None
        for blocks, reduce_range in CANDIDATES:
            path = Path(folder) / "candidate.onnx"
            excluded = float_layers(prepared, blocks)
            method = CalibrationMethod.MinMax
            quantise(prepared, path, calibration_inputs, method, {}, excluded, reduce_range)
            correct_bias(prepared, path, calibration_inputs[:CORRECTION_PICTURES])
            p99, largest = distance(reference, score(run_features(path, check_inputs)))
            name = describe(blocks, reduce_range)
            log(f"  int8 {name}: |score difference| p99 {p99:.4f} max {largest:.4f}")
            if best is None or p99 < best[0]:
                best = (p99, name, path.read_bytes())
            if p99 <= LIMIT_P99:
                break
    model = onnx.load_from_string(best[2])
    # The symbolic shapes in between hinder tract, which works out its own.
    model.graph.ClearField("value_info")
    onnx.save(model, int8_path)
    return best[1]


def pooled_score(weight, bias, temperature):
    """A function from feature maps to calibrated scores."""

    def score(features):
        logit = features.mean((2, 3)) @ weight[0] + bias[0]
        return sigmoid(logit / temperature)

    return score
