"""Bias correction of a quantized graph.

Rounding the weights shifts the mean of every channel. Layer by layer from the
input, the shift against float is measured on calibration pictures and taken out
of the layer's bias. Pooling and a linear head see just these means.
"""

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper


def conv_means(model, names, inputs, size=8):
    """{node name: channel means of its output} for the named Conv nodes."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    outputs = {node.output[0]: node.name for node in probe.graph.node if node.name in names}
    means = [f"{node}/mean" for node in outputs.values()]
    for tensor, node in outputs.items():
        probe.graph.node.append(
            helper.make_node("ReduceMean", [tensor], [f"{node}/mean"], axes=[0, 2, 3], keepdims=0)
        )
        probe.graph.output.append(
            helper.make_tensor_value_info(f"{node}/mean", TensorProto.FLOAT, ["k"])
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(probe.SerializeToString(), options, ["CPUExecutionProvider"])
    chunks = np.array_split(inputs, max(1, len(inputs) // size))
    rows = [session.run(means, {"image": chunk}) for chunk in chunks]
    return {
        node: np.mean([row[i] for row in rows], axis=0)
        for i, node in enumerate(outputs.values())
    }


def bias_place(model, node):
    """(initializer of the bias, its scale) of a Conv in the QDQ graph.

    A float layer has its bias as it is: scale None.
    """
    weights = {w.name: w for w in model.graph.initializer}
    if node.input[2] in weights:
        return weights[node.input[2]], None
    source = next(n for n in model.graph.node if node.input[2] in n.output)
    return weights[source.input[0]], numpy_helper.to_array(weights[source.input[1]])


def correct_bias(float_path, int8_path, inputs):
    """Corrects the graph at `int8_path` in place."""
    model = onnx.load(int8_path)
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    wanted = conv_means(onnx.load(float_path), {c.name for c in convs}, inputs)
    for conv in convs:
        found = conv_means(model, {conv.name}, inputs)[conv.name]
        bias, scale = bias_place(model, conv)
        if scale is None:
            continue
        value = numpy_helper.to_array(bias)
        shift = np.rint((wanted[conv.name] - found) / scale)
        bias.CopyFrom(numpy_helper.from_array((value + shift).astype(value.dtype), bias.name))
    onnx.save(model, int8_path)
