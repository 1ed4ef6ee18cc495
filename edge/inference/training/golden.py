"""Writes golden/: drawn inputs and the scores every engine must reproduce."""

import hashlib
import json

import numpy as np
from PIL import Image, ImageOps

import phantoms
from prepare import read_whole

# Engines that run the int8 graph in float differ from integer ones by up to .004.
TOLERANCE = 0.01
SEARCHED = 240


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def spread(bundle, seed):
    """Parameters of phantoms whose scores lie as evenly in 0..1 as can be had.

    The search is on small drawings and on the float artefact.
    """
    found = []
    for i in range(SEARCHED):
        p = phantoms.parameters(seed * 1000 + i)
        grey = np.asarray(phantoms.draw(p, 224, 224), dtype=np.float32) / 255.0
        found.append((float(bundle.scores(bundle.input(grey)[None], "f32")[0, 0]), p))
    found.sort(key=lambda pair: pair[0])
    scores = np.array([score for score, _ in found])
    print(f"phantoms: scores from {scores[0]:.4f} to {scores[-1]:.4f}, median {np.median(scores):.4f}")
    aims = np.linspace(0.08, 0.92, len(phantoms.SIZES))
    return [found[int(np.abs(scores - aim).argmin())][1] for aim in aims]


def write_golden(bundle, seed, inside):
    """Phantoms, a drawn chest of the scanner simulator that is inside the scope, and the same inverted."""
    chosen = spread(bundle, seed)
    pictures = {
        f"phantom-{number}-{w}x{h}": phantoms.draw(p, w, h)
        for number, (p, (w, h)) in enumerate(zip(chosen, phantoms.SIZES, strict=True), 1)
    }
    chest = Image.fromarray(inside)
    pictures |= {"chest": chest, "chest-inverted": ImageOps.invert(chest)}
    cases = write_cases(bundle, pictures, ["f32", "int8"])
    assert [case["outside"] for case in cases[-2:]] == [False, True], "the scope does not tell the two chests"


def write_cases(bundle, pictures, precisions):
    """Writes the named pictures with their scores."""
    folder = bundle.folder / "golden"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    cases = []
    for name, picture in pictures.items():
        path = folder / f"{name}.png"
        picture.save(path, optimize=True)
        grey = read_whole(path)
        inputs = bundle.input(grey)[None]
        case = {
            "file": f"golden/{path.name}",
            "sha256": sha256(path),
            "scores": {k: [round(float(bundle.scores(inputs, k)[0, 0]), 6)] for k in precisions},
            "tolerance": TOLERANCE,
        }
        if "scope" in bundle.manifest:
            case["outside"] = bool(bundle.outside([grey])[0])
        cases.append(case)
    text = json.dumps({"schema": 1, "cases": cases}, indent=1) + "\n"
    (folder / "golden.json").write_text(text, encoding="utf-8")
    return cases
