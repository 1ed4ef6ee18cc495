"""Writes golden/: drawn inputs and the scores every engine must reproduce."""

import hashlib
import json

import numpy as np

import phantoms

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
        grey = np.asarray(phantoms.draw(p, 224, 224), dtype=np.float32)[None] / 255.0
        found.append((float(bundle.scores(grey, "f32")[0, 0]), p))
    found.sort(key=lambda pair: pair[0])
    scores = np.array([score for score, _ in found])
    print(f"phantoms: scores from {scores[0]:.4f} to {scores[-1]:.4f}, median {np.median(scores):.4f}")
    aims = np.linspace(0.08, 0.92, len(phantoms.SIZES))
    return [found[int(np.abs(scores - aim).argmin())][1] for aim in aims]


def write_golden(bundle, seed):
    chosen = zip(spread(bundle, seed), phantoms.SIZES, strict=True)
    return write_cases(bundle, chosen, ["f32", "int8"])


def write_cases(bundle, chosen, precisions):
    """Draws the (parameters, size) in `chosen` and writes them with their scores."""
    folder = bundle.folder / "golden"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    cases = []
    for number, (p, size) in enumerate(chosen, 1):
        path = folder / f"phantom-{number}-{size[0]}x{size[1]}.png"
        phantoms.draw(p, *size).save(path, optimize=True)
        grey = bundle.read(path)[None]
        scores = {k: [round(float(bundle.scores(grey, k)[0, 0]), 6)] for k in precisions}
        cases.append(
            {
                "file": f"golden/{path.name}",
                "sha256": sha256(path),
                "scores": scores,
                "tolerance": TOLERANCE,
            }
        )
    text = json.dumps({"schema": 1, "cases": cases}, indent=1) + "\n"
    (folder / "golden.json").write_text(text, encoding="utf-8")
    return cases
