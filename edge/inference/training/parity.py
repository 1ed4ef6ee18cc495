"""Writes the validation part as PNG, with what the product must give for each picture.

    python parity.py BUNDLE_DIR --data DIR --out DIR

`expected.json` in the folder holds a list of {"file", "f32", "int8", "outside"}.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from data import load_kermany
from score_onnx import Bundle

SEED = 20


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    bundle, folder = Bundle(args.bundle), Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    expected = []
    for number, image in enumerate(load_kermany(args.data, SEED)["validation"].images):
        name = f"{number:03}.png"
        Image.fromarray(image).save(folder / name)
        grey = image.astype(np.float32) / 255.0
        inputs = bundle.input(grey)[None]
        line = {"file": name, "outside": bool(bundle.outside([grey])[0])}
        for precision in ("f32", "int8"):
            line[precision] = round(float(bundle.scores(inputs, precision)[0, 0]), 6)
        expected.append(line)
    (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")
    print(f"{len(expected)} pictures in {folder}")


if __name__ == "__main__":
    main()
