"""Synthetic chest-like pictures for the golden check: drawn, not photographed.

No real picture goes into them. They need not fool anyone; they must exercise
the whole path (reading, resizing, network, head) and spread the scores.
"""

import numpy as np
from PIL import Image

SIZES = [(224, 224), (1000, 800), (300, 420), (640, 512), (224, 224), (448, 448)]
# Range of every parameter that is drawn at random.
RANGES = {
    "body": (0.40, 0.55), "tissue": (0.35, 0.75), "lung_x": (0.17, 0.23),
    "lung_w": (0.11, 0.18), "lung_h": (0.22, 0.36), "lung_y": (0.38, 0.52),
    "dark": (0.15, 0.60), "middle": (0.0, 0.35), "heart": (0.08, 0.17),
    "rib": (0.0, 0.15), "rib_step": (0.06, 0.10), "vessel": (0.0, 0.25),
    "opacity": (0.0, 0.5), "grain": (0.0, 0.04), "background": (0.0, 0.15),
}


def parameters(seed):
    rng = np.random.default_rng(seed)
    chosen = {name: rng.uniform(*span) for name, span in RANGES.items()}
    chosen["seed"] = seed
    return chosen


def ellipse(x, y, cx, cy, rx, ry, edge=0.08):
    radius = np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2)
    return 1.0 / (1.0 + np.exp(np.clip((radius - 1.0) / edge, -30.0, 30.0)))


def draw(p, width, height):
    """A grey eight-bit picture of width x height from the parameters `p`."""
    rng = np.random.default_rng(p["seed"] + 1)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (x + 0.5) / width, (y + 0.5) / height
    body = ellipse(x, y, 0.5, 0.62, p["body"], 0.62, 0.04)
    picture = p["background"] + (p["tissue"] - p["background"]) * body
    lungs = np.zeros_like(picture)
    for side in (-1, 1):
        lung = ellipse(x, y, 0.5 + side * p["lung_x"], p["lung_y"], p["lung_w"], p["lung_h"], 0.07)
        lungs = np.maximum(lungs, lung)
    picture -= p["dark"] * lungs * p["tissue"] / 0.6
    picture += p["middle"] * ellipse(x, y, 0.5, 0.45, 0.05, 0.60, 0.15)
    picture += 0.25 * ellipse(x, y, 0.55, 0.62, p["heart"], p["heart"], 0.10)
    for rib in range(9):
        arc = 0.12 + p["rib_step"] * rib + 0.10 * ((x - 0.5) / 0.4) ** 2
        picture += p["rib"] * np.exp(-(((y - arc) / 0.010) ** 2)) * body
    for _ in range(16):
        side, angle = rng.choice([-1, 1]), rng.uniform(-1.2, 1.2)
        along = (x - 0.5) * side * np.cos(angle) + (y - 0.48) * np.sin(angle)
        across = -(x - 0.5) * side * np.sin(angle) + (y - 0.48) * np.cos(angle)
        width_here = 0.010 * np.exp(-np.maximum(along, 0.0) * 5.0) + 0.001
        line = np.exp(-((across / width_here) ** 2)) * (along > 0.04)
        picture += p["vessel"] * line * lungs
    for _ in range(8):
        cx, cy = 0.5 + rng.choice([-1, 1]) * rng.uniform(0.12, 0.28), rng.uniform(0.28, 0.70)
        patch = ellipse(x, y, cx, cy, rng.uniform(0.04, 0.12), rng.uniform(0.04, 0.12), 0.35)
        picture += p["opacity"] * rng.uniform(0.2, 0.6) * patch * lungs
    coarse = Image.fromarray(rng.normal(0.0, 1.0, (96, 96)).astype(np.float32), mode="F")
    picture += p["grain"] * np.asarray(coarse.resize((width, height), Image.BICUBIC)) * body
    return Image.fromarray(np.rint(np.clip(picture, 0.0, 1.0) * 255).astype(np.uint8), mode="L")
