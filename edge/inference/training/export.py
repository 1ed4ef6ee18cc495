"""Writes the backbone as an ONNX graph, node by node.

Batch norm is folded, and TensorFlow SAME padding stands in the `pads` of each
Conv, so that no Pad nodes are left and quantization sees plain convolutions.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model import CHANNELS, GRID
from prepare import PREPROCESSING

OPSET = 13


class GraphWriter:
    def __init__(self):
        self.nodes, self.weights = [], []
        self.constant("six", np.array(6.0, dtype=np.float32))
        self.constant("zero", np.array(0.0, dtype=np.float32))

    def constant(self, name, value):
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def conv(self, source, layer, name, output=None):
        """One ConvBn layer; returns the name of its output."""
        weight, bias = layer.folded()
        inputs = [source, self.constant(f"{name}.weight", weight)]
        inputs.append(self.constant(f"{name}.bias", bias))
        before, after = layer.pads
        linear = f"{name}.linear" if layer.act else (output or f"{name}.out")
        self.nodes.append(
            helper.make_node(
                "Conv", inputs, [linear], name=name,
                kernel_shape=[layer.kernel] * 2, strides=[layer.stride] * 2,
                pads=[before, before, after, after], group=layer.groups,
                dilations=[1, 1],
            )
        )
        if not layer.act:
            return linear
        result = output or f"{name}.out"
        self.nodes.append(
            helper.make_node("Clip", [linear, "zero", "six"], [result], name=f"{name}.relu6")
        )
        return result


def write_graph(writer, output_shape, side, path, name="cxr-pneumonia"):
    graph = helper.make_graph(
        writer.nodes,
        name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, side, side])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, output_shape)],
        writer.weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="barefoot"
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def write_blocks(writer, backbone, count):
    """Stem and the first `count` blocks; returns the name of the last output."""
    x = writer.conv("image", backbone.stem, "stem")
    for i, block in enumerate(backbone.blocks[:count]):
        y = x
        for layer, part in zip(block.layers, ("expand", "depthwise", "project")[-len(block.layers):]):
            y = writer.conv(y, layer, f"block{i}.{part}")
        if block.skip:
            total = f"block{i}.sum"
            writer.nodes.append(helper.make_node("Add", [x, y], [total], name=f"block{i}.add"))
            y = total
        x = y
    return x


def write_backbone(backbone, path):
    """Exports the whole backbone: input `image`, output `features`."""
    backbone.eval()
    writer = GraphWriter()
    x = write_blocks(writer, backbone, len(backbone.blocks))
    writer.conv(x, backbone.neck, "neck", output="features")
    write_graph(writer, ["N", CHANNELS, GRID, GRID], PREPROCESSING["width"], path)


def write_trunk(backbone, count, path):
    """Exports stem and first blocks only, for any even side: the frozen part,
    which onnxruntime runs several times faster than torch."""
    backbone.eval()
    writer = GraphWriter()
    x = write_blocks(writer, backbone, count)
    writer.nodes.append(helper.make_node("Identity", [x], ["features"], name="end"))
    write_graph(writer, ["N", "C", "h", "w"], "side", path)
