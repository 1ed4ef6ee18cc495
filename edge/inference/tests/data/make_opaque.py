"""Makes the opaque bundles of the tests: python make_opaque.py FOLDER

Needs numpy and onnx. `tiny-scores` takes colours with the channels last and tells how bright the upper left of a 40x24
picture is; `tiny-mask` marks what is brighter than half; `tiny-nan` has no number for a very bright picture, and `tiny-slow`
takes a minute for one. None brings golden cases, as bundles around somebody else's graph may not.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

WIDTH, HEIGHT, SIDE = 40, 24, 32
TILES = 128

HEAD = """schema = 1
id = "{id}"
version = "0.0.1"
title = "{title}"
status = "demonstration"
intended_use = "Tests."
licence = "Apache-2.0"
attribution = "None."

[takes]
modalities = ["DX", "CR"]
body_parts = ["CHEST"]
views = ["PA", "AP"]
ages = [16, 120]
min_rows = 16
min_columns = 16

[preprocessing]
width = {width}
height = {height}
resize = "stretch"
filter = "triangle"
mean = 0.0
std = 1.0
"""

TAIL = """
[[artefact]]
precision = "f32"
file = "model.onnx"
sha256 = "{sha256}"

[[finding]]
code = "bright"
name_en = "Bright"
name_zh = "亮"
urgent = false
{own}operating_point = 0.5
operating_set = "none"
temperature = 1.0
calibration_set = "none"
"""


def constant(name, values, kind=np.float32):
    return numpy_helper.from_array(np.array(values, dtype=kind), name)


def write(folder, nodes, initializers, source, target, head, own):
    folder.mkdir(parents=True, exist_ok=True)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, folder.name, [value(source[0], TensorProto.FLOAT, source[1])],
        [value(target[0], TensorProto.FLOAT, target[1])], initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = folder / "model.onnx"
    save(model, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.toml").write_text(head + TAIL.format(sha256=sha256, own=own), encoding="utf-8")


def scores(folder):
    node = helper.make_node
    nodes = [
        node("Slice", ["picture:0", "start", "end", "axes"], ["corner"]),
        node("ReduceMean", ["corner"], ["mean"], axes=[1, 2, 3], keepdims=0),
        node("Reshape", ["mean", "column"], ["level"]),
        node("MatMul", ["level", "slope"], ["steep"]),
        node("Add", ["steep", "offset"], ["classes"]),
    ]
    # Levels come within 0 and 255; the call changes at half.
    numbers = [
        constant("start", [0, 0], np.int64), constant("end", [HEIGHT // 2, WIDTH // 2], np.int64),
        constant("axes", [1, 2], np.int64), constant("column", [-1, 1], np.int64),
        constant("slope", [[-10 / 255, 10 / 255]]), constant("offset", [5, -5]),
    ]
    head = HEAD.format(id="tiny-scores", title="Bright corner", width=WIDTH, height=HEIGHT) + """
[input]
layout = "nhwc"
channels = 3
scale = 255

[output]
kind = "scores"
input = "picture:0"
scores = "classes"
gives = "class-logits"
classes = 2
"""
    source = ("picture:0", ["N", HEIGHT, WIDTH, 3])
    write(folder, nodes, numbers, source, ("classes", ["N", 2]), head, "class = 1\n")


def mask(folder):
    node = helper.make_node
    nodes = [
        node("Mul", ["image", "slope"], ["steep"]),
        node("Add", ["steep", "offset"], ["mask"]),
    ]
    numbers = [constant("slope", 20), constant("offset", -10)]
    head = HEAD.format(id="tiny-mask", title="Bright places", width=SIDE, height=SIDE) + f"""
[output]
kind = "mask"
input = "image"
mask = "mask"
gives = "logits"
classes = 1
grid = [{SIDE}, {SIDE}]
least_extent = 0.01
"""
    shape = ["N", 1, SIDE, SIDE]
    write(folder, nodes, numbers, ("image", shape), ("mask", shape), head, "threshold = 0.5\n")


def no_number(folder):
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        node("Sub", ["limit", "mean"], ["left"]),
        node("Sqrt", ["left"], ["root"]),
        node("Reshape", ["root", "column"], ["score"]),
    ]
    numbers = [constant("limit", 0.9), constant("column", [-1, 1], np.int64)]
    head = HEAD.format(id="tiny-nan", title="No number", width=SIDE, height=SIDE) + """
[output]
kind = "scores"
input = "image"
scores = "score"
gives = "probabilities"
classes = 1
"""
    write(folder, nodes, numbers, ("image", ["N", 1, SIDE, SIDE]), ("score", ["N", 1]), head, "")


def slow(folder):
    node, value = helper.make_node, helper.make_tensor_value_info
    side, steps = SIDE * TILES, 60
    numbers = [
        constant("limit", 0.9), constant("column", [-1, 1], np.int64),
        constant("repeats", [1, 1, TILES, TILES], np.int64), constant("shrink", 1 / side),
    ]
    long = [node("Tile", ["image", "repeats"], ["step0"])]
    for step in range(steps):
        long += [
            node("MatMul", [f"step{step}", f"step{step}"], [f"product{step}"]),
            node("Mul", [f"product{step}", "shrink"], [f"step{step + 1}"]),
        ]
    long.append(node("ReduceMean", [f"step{steps}"], ["late"], axes=[1, 2, 3], keepdims=0))
    short = [node("ReduceMean", ["image"], ["early"], axes=[1, 2, 3], keepdims=0)]
    branch = lambda nodes, name: helper.make_graph(nodes, name, [], [value(name, TensorProto.FLOAT, None)])
    nodes = [
        node("ReduceMean", ["image"], ["mean"], axes=[0, 1, 2, 3], keepdims=0),
        node("Greater", ["mean", "limit"], ["bright"]),
        node("If", ["bright"], ["level"], then_branch=branch(long, "late"), else_branch=branch(short, "early")),
        node("Reshape", ["level", "column"], ["score"]),
    ]
    head = HEAD.format(id="tiny-slow", title="No end", width=SIDE, height=SIDE) + """
[output]
kind = "scores"
input = "image"
scores = "score"
gives = "probabilities"
classes = 1
"""
    write(folder, nodes, numbers, ("image", ["N", 1, SIDE, SIDE]), ("score", ["N", 1]), head, "")


if __name__ == "__main__":
    scores(Path(sys.argv[1]) / "tiny-scores")
    mask(Path(sys.argv[1]) / "tiny-mask")
    no_number(Path(sys.argv[1]) / "tiny-nan")
    slow(Path(sys.argv[1]) / "tiny-slow")
