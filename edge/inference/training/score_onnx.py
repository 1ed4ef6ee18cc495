"""Scores pictures with a bundle, by onnxruntime, exactly as the product should.

    python score_onnx.py BUNDLE_DIR PICTURE... [--precision f32|int8|both]

Prints one JSON line per picture and precision: {"file", "precision", "score", "outside"}.
`score` is the calibrated probability sigmoid((W.GAP(F) + b) / temperature); `outside`
says whether the picture lies outside the bundle's scope.
"""

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime as ort
from safetensors.numpy import load_file

from prepare import graph_input, read_whole
from scope import Scope, outside


class Bundle:
    """An opened bundle: sessions per precision, head, temperature and scope."""

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

    def input(self, grey):
        """A grey picture in 0..1 of any size to the graph's input [h,w]."""
        return graph_input(grey, self.manifest["preprocessing"])

    def outside(self, pictures):
        """Whether each grey picture in 0..1 lies outside the scope [N]."""
        record = self.manifest.get("scope")
        if record is None:
            return np.zeros(len(pictures), dtype=bool)
        limits = [record[k] for k in ("largest_distance", "largest_residual", "least_likeness")]
        return outside(Scope.load(self.folder / record["file"]), limits, pictures)

    def features(self, inputs, precision):
        """Graph inputs [N,h,w] to feature maps [N,C,h,w]."""
        output = self.manifest["output"]
        return self.sessions[precision].run([output["features"]], {output["input"]: inputs[:, None]})[0]

    def logits(self, features):
        return features.mean((2, 3), dtype=np.float32) @ self.weight.T + self.bias

    def heat_map(self, features, finding=0):
        """Class activation map [N,h,w]; its mean plus the bias is the logit."""
        return np.einsum("c,nchw->nhw", self.weight[finding], features)

    def scores(self, inputs, precision):
        """Calibrated scores [N, findings]."""
        logits = self.logits(self.features(inputs, precision)).astype(np.float64)
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
        grey = read_whole(path)
        outside_scope = bool(bundle.outside([grey])[0])
        for precision in wanted:
            score = float(bundle.scores(bundle.input(grey)[None], precision)[0, 0])
            line = {"file": path, "precision": precision, "score": round(score, 6), "outside": outside_scope}
            print(json.dumps(line))


if __name__ == "__main__":
    main()
