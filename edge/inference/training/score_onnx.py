"""Scores pictures with a bundle, by onnxruntime, exactly as the product should.

    python score_onnx.py BUNDLE_DIR PICTURE... [--precision f32|int8|both]

Prints one JSON line per picture and precision: {"file", "precision", "score"}.
`score` is the calibrated probability sigmoid((W.GAP(F) + b) / temperature).
"""

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image
from safetensors.numpy import load_file


def read_grey(path, width, height):
    """Luma in 0..1, squeezed to width x height with Pillow's antialiased BILINEAR."""
    with Image.open(path) as picture:
        if picture.mode.startswith("I"):
            grey = np.asarray(picture, dtype=np.float32) / 65535.0
        else:
            grey = np.asarray(picture.convert("L"), dtype=np.float32) / 255.0
    if grey.shape != (height, width):
        grey = np.asarray(
            Image.fromarray(grey, mode="F").resize((width, height), Image.BILINEAR),
            dtype=np.float32,
        )
    return grey


class Bundle:
    """An opened bundle: sessions per precision, head and temperature."""

    def __init__(self, folder, threads=1):
        self.folder = Path(folder)
        self.manifest = tomllib.loads((self.folder / "manifest.toml").read_text("utf-8"))
        head = load_file(self.folder / self.manifest["head"]["file"])
        self.weight, self.bias = head["weight"], head["bias"]
        self.temperature = np.array([f["temperature"] for f in self.manifest["finding"]])
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.sessions = {
            artefact["precision"]: ort.InferenceSession(
                str(self.folder / artefact["file"]), options, ["CPUExecutionProvider"]
            )
            for artefact in self.manifest["artefact"]
        }

    def read(self, path):
        prep = self.manifest["preprocessing"]
        return read_grey(path, prep["width"], prep["height"])

    def features(self, grey, precision):
        """Grey pictures in 0..1 [N,H,W] to feature maps [N,C,h,w]."""
        prep, output = self.manifest["preprocessing"], self.manifest["output"]
        x = ((grey[:, None] - prep["mean"]) / prep["std"]).astype(np.float32)
        return self.sessions[precision].run([output["features"]], {output["input"]: x})[0]

    def logits(self, features):
        return features.mean((2, 3), dtype=np.float32) @ self.weight.T + self.bias

    def heat_map(self, features, finding=0):
        """Class activation map [N,h,w]; its mean plus the bias is the logit."""
        return np.einsum("c,nchw->nhw", self.weight[finding], features)

    def scores(self, grey, precision):
        """Calibrated scores [N, findings]."""
        logits = self.logits(self.features(grey, precision)).astype(np.float64)
        return 1.0 / (1.0 + np.exp(-logits / self.temperature))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--precision", choices=["f32", "int8", "both"], default="both")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    bundle = Bundle(args.bundle, args.threads)
    wanted = ["f32", "int8"] if args.precision == "both" else [args.precision]
    for path in args.pictures:
        grey = bundle.read(path)[None]
        for precision in wanted:
            score = float(bundle.scores(grey, precision)[0, 0])
            print(json.dumps({"file": path, "precision": precision, "score": round(score, 6)}))


if __name__ == "__main__":
    main()
