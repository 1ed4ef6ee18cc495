"""Makes a bundle of any network: export, fold, quantize, verify, calibrate, golden cases, card.

    python build_bundle.py --draft DRAFT.toml --pictures FOLDER --out BUNDLE (--onnx FILE | --torch MODULE:CALLABLE)
        [--labels FILE.csv] [--head FILE.safetensors] [--golden 4] [--sensitivity 0.95] [--no-int8]

DRAFT.toml is the manifest as docs/BUNDLES.md describes it, without hashes: no [[artefact]], [head], [golden]. PICTURES
are grey or colour files of the kind the model will see: they fix the ranges of int8, show how far int8 and float lie
apart, and a few of them become the golden cases, so they must be free to travel with the bundle. LABELS has the columns
`file` and one for each finding's code (1 or 0): with it temperature and operating point are fitted, and stated with the
name of the file. Without it the draft's own numbers stay.

Needs the packages of requirements.txt; torch only for --torch.
"""

import argparse
import csv
import hashlib
import importlib
import json
import re
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

# What the product does before the graph is written once, beside the training of the bundle that comes with it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))
from prepare import even_contrast, lung_field as seen  # noqa: E402

TOLERANCE = 0.01
KINDS = {".png", ".jpg", ".jpeg"}


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def sigmoid(value):
    return 1 / (1 + np.exp(-np.clip(value, -60, 60)))


def logit(chance):
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    return np.log(chance / (1 - chance))


class Form:
    """What stands in the draft on inputs and outputs."""

    def __init__(self, draft, head):
        self.before, self.own, self.output = draft["preprocessing"], draft.get("input", {}), draft["output"]
        self.findings, self.head = draft["finding"], head

    def tensor(self, picture):
        """A grey picture (levels within 0 and 1) as the graph takes it, with the batch's axis."""
        size = (self.before["width"], self.before["height"])
        if "crop" in self.before:
            picture = np.ascontiguousarray(seen(picture, self.before["crop"]))
        plane = np.asarray(Image.fromarray(picture, mode="F").resize(size, Image.BILINEAR))
        if "contrast_floor" in self.before:
            plane = even_contrast(plane, self.before["contrast_floor"])
        plane = (plane - self.before["mean"]) / self.before["std"]
        channels = self.own.get("channels", 1)
        mean = np.broadcast_to(np.asarray(self.own.get("mean", 0.0), np.float32), channels)
        std = np.broadcast_to(np.asarray(self.own.get("std", 1.0), np.float32), channels)
        planes = (plane[..., None] * self.own.get("scale", 1.0) - mean) / std
        if self.own.get("layout", "nchw") == "nchw":
            planes = planes.transpose(2, 0, 1)
        return planes[None].astype(np.float32)

    def logits(self, raw):
        """Uncalibrated logits, one a finding, of what the graph gave for one picture."""
        kind, gives = self.output["kind"], self.output.get("gives")
        if kind == "features+head":
            pooled = raw.reshape(self.output["channels"], -1).mean(1)
            return self.head["weight"] @ pooled + self.head["bias"]
        if kind == "mask":
            return np.array([self.mask_logit(raw, finding, i, gives) for i, finding in enumerate(self.findings)])
        flat = raw.reshape(-1)
        own = np.array([flat[finding.get("class", i)] for i, finding in enumerate(self.findings)])
        if gives == "probabilities":
            return logit(own)
        if gives == "class-logits":
            spread = np.exp(flat - flat.max())
            chances = spread / spread.sum()
            return logit(np.array([chances[f.get("class", i)] for i, f in enumerate(self.findings)]))
        return own

    def mask_logit(self, raw, finding, place, gives):
        first = self.own.get("layout", "nchw") == "nchw"
        planes = raw.reshape(self.output["classes"], -1) if first else raw.reshape(-1, self.output["classes"]).T
        chances = sigmoid(planes) if gives == "logits" else planes
        if gives == "class-logits":
            spread = np.exp(planes - planes.max(0))
            chances = spread / spread.sum(0)
        own = np.sort(chances[finding.get("class", place)])[::-1]
        return logit(own[: max(1, int(np.ceil(own.size * self.output.get("least_extent", 0.002))))].mean())


def grey(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"), dtype=np.float32) / 255.0


def export(args, form, target):
    if args.onnx:
        target.write_bytes(Path(args.onnx).read_bytes())
        return
    import torch

    module, name = args.torch.split(":")
    model = getattr(importlib.import_module(module), name)().eval()
    example = torch.zeros(form.tensor(np.zeros((64, 64), np.float32)).shape)
    wanted = {"features+head": "features", "scores": "scores", "mask": "mask"}[form.output["kind"]]
    torch.onnx.export(
        model, (example,), str(target), input_names=[form.output["input"]], output_names=[form.output[wanted]],
        opset_version=13, dynamo=False,
    )


class Reader(CalibrationDataReader):
    def __init__(self, name, inputs):
        self.left = iter([{name: one} for one in inputs])

    def get_next(self):
        return next(self.left, None)


def quantise(source, target, name, inputs):
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared), str(target), Reader(name, inputs), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )
    model = onnx.load(target)
    model.graph.ClearField("value_info")
    onnx.save(model, target)


def run(path, form, inputs):
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = {"features+head": "features", "scores": "scores", "mask": "mask"}[form.output["kind"]]
    raws = (session.run([form.output[name]], {form.output["input"]: one})[0] for one in inputs)
    return np.array([form.logits(raw) for raw in raws], dtype=np.float64)


def fit_temperature(labels, logits):
    """The one of a fine row with the least log loss."""
    row = np.exp(np.linspace(np.log(0.2), np.log(5), 200))
    loss = lambda t: -np.mean(np.log(np.where(labels == 1, sigmoid(logits / t), 1 - sigmoid(logits / t)) + 1e-12))
    return float(min(row, key=loss))


def operating_point(labels, scores, sensitivity):
    """The highest point that keeps the sensitivity."""
    positive = np.sort(scores[labels == 1])
    return float(np.clip(positive[int((1 - sensitivity) * len(positive))], 0.02, 0.98))


def calibrate(draft, text, args, logits, files):
    """The draft's text with fitted numbers, and what was found, finding by finding."""
    with open(args.labels, encoding="utf-8") as source:
        rows = {row["file"]: row for row in csv.DictReader(source)}
    found = {}
    for i, finding in enumerate(draft["finding"]):
        code = finding["code"]
        known = [(int(rows[f][code]), logits[j, i]) for j, f in enumerate(files) if rows.get(f, {}).get(code) in "01"]
        labels, own = np.array([one[0] for one in known]), np.array([one[1] for one in known])
        if len(set(labels)) < 2:
            raise SystemExit(f"{code}: the labels name no case with, or none without")
        temperature = round(fit_temperature(labels, own), 4)
        scores = sigmoid(own / temperature)
        point = round(operating_point(labels, scores, args.sensitivity), 4)
        order = scores.argsort().argsort() + 1
        positive = int(labels.sum())
        auc = (order[labels == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(labels) - positive))
        found[code] = {"cases": len(labels), "with": positive, "auc": round(float(auc), 4)}
        name = f"{Path(args.labels).name}, {len(labels)} cases, the same that fitted it"
        start = text.index(f'code = "{code}"')
        block = text[start:].split("[[", 1)[0]
        for key, value in [
            ("temperature", temperature), ("operating_point", point),
            ("calibration_set", json.dumps(name)), ("operating_set", json.dumps(name)),
        ]:
            block, count = re.subn(rf"(?m)^{key} = .*$", lambda _: f"{key} = {value}", block, count=1)
            if count == 0:
                raise SystemExit(f"{code}: the draft lacks {key}")
        text = text[:start] + block + text[start + len(text[start:].split("[[", 1)[0]):]
    return text, found


def golden(out, draft, artefacts, pictures, count):
    """Pictures spread over the scores, and what onnxruntime says on them."""
    temperatures = np.array([finding["temperature"] for finding in draft["finding"]])
    order = np.argsort(artefacts["f32"][:, 0])
    chosen = order[np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)]
    (out / "golden").mkdir(exist_ok=True)
    cases = []
    for number, index in enumerate(dict.fromkeys(chosen.tolist())):
        path = out / f"golden/{number}.png"
        Image.fromarray((pictures[index] * 255).round().astype(np.uint8)).save(path, optimize=True)
        scores = {
            kind: [round(float(score), 6) for score in sigmoid(logits[index] / temperatures)]
            for kind, logits in artefacts.items()
        }
        cases.append({"file": f"golden/{number}.png", "sha256": sha256(path), "scores": scores, "tolerance": TOLERANCE})
    target = out / "golden/golden.json"
    target.write_text(json.dumps({"schema": 1, "cases": cases}, indent=1) + "\n", encoding="utf-8")


def card(draft, found, gaps, count):
    lines = [f"# {draft['title']} ({draft['version']})", "", draft["intended_use"], ""]
    if draft["status"] == "demonstration":
        lines += ["**A demonstration, not for clinical use.**", ""]
    lines += ["## Calibration", ""]
    for code, one in found.items():
        lines.append(f"- {code}: {one['cases']} cases, {one['with']} with it, AUC {one['auc']} on the cases that fitted it.")
    if not found:
        lines.append("None here: temperature and operating point are the draft's own.")
    lines += ["", "## int8", ""]
    if gaps is None:
        lines.append("The bundle carries float only.")
    else:
        lines.append(
            f"Score differences from float over {count} pictures: median {np.median(gaps):.4f}, "
            f"99th percentile {np.percentile(gaps, 99):.4f}, largest {gaps.max():.4f}."
        )
    lines += ["", f"Licence: {draft['licence']}", "", draft["attribution"], ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draft", required=True)
    parser.add_argument("--pictures", required=True)
    parser.add_argument("--out", required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--onnx")
    source.add_argument("--torch")
    parser.add_argument("--labels")
    parser.add_argument("--head")
    parser.add_argument("--golden", type=int, default=4)
    parser.add_argument("--sensitivity", type=float, default=0.95)
    parser.add_argument("--no-int8", action="store_true")
    args = parser.parse_args()
    text = Path(args.draft).read_text(encoding="utf-8")
    draft, head = tomllib.loads(text), None
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=False)
    if args.head:
        from safetensors.numpy import load_file

        (out / "head.safetensors").write_bytes(Path(args.head).read_bytes())
        head = load_file(args.head)
    form = Form(draft, head)
    paths = sorted(path for path in Path(args.pictures).rglob("*") if path.suffix.lower() in KINDS)
    files = [str(path.relative_to(args.pictures)) for path in paths]
    pictures = [grey(path) for path in paths]
    inputs = [form.tensor(picture) for picture in pictures]
    export(args, form, out / "model.f32.onnx")
    artefacts, gaps = {"f32": run(out / "model.f32.onnx", form, inputs)}, None
    found = {}
    if args.labels:
        text, found = calibrate(draft, text, args, artefacts["f32"], files)
        draft = tomllib.loads(text)
        form.findings = draft["finding"]
    if not args.no_int8:
        quantise(out / "model.f32.onnx", out / "model.int8.onnx", form.output["input"], inputs)
        artefacts["int8"] = run(out / "model.int8.onnx", form, inputs)
        temperatures = np.array([finding["temperature"] for finding in draft["finding"]])
        gaps = np.abs(sigmoid(artefacts["f32"] / temperatures) - sigmoid(artefacts["int8"] / temperatures))
        print(f"int8: score differences p99 {np.percentile(gaps, 99):.4f}, largest {gaps.max():.4f}")
    golden(out, draft, artefacts, pictures, args.golden)
    for kind in artefacts:
        file = f"model.{kind}.onnx"
        text += f'\n[[artefact]]\nprecision = "{kind}"\nfile = "{file}"\nsha256 = "{sha256(out / file)}"\n'
    if args.head:
        text += f'\n[head]\nfile = "head.safetensors"\nsha256 = "{sha256(out / "head.safetensors")}"\n'
    file = "golden/golden.json"
    text += f'\n[golden]\nfile = "{file}"\nsha256 = "{sha256(out / file)}"\n'
    (out / "manifest.toml").write_text(text, encoding="utf-8")
    (out / "CARD.md").write_text(card(draft, found, gaps, len(pictures)), encoding="utf-8")
    print(json.dumps(found, indent=1))
    print(f"Look at {out / 'CARD.md'}, then `barefootctl bundle check {out}`.")


if __name__ == "__main__":
    main()
