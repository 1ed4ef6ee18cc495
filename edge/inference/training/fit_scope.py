"""Fits the check of scope.py: chests of every framing against whatever else there is."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from prepare import squeeze
from scope import COMPONENTS, HIDDEN, SIDE, Scope, thumbnails

# Share of the chests the fit did not see, as they are and jittered, that each limit lets pass.
PASSED = 0.995


def jittered(grey, rng):
    """Another framing, turn, exposure or side of the same chest."""
    height, width = grey.shape
    picture = Image.fromarray(np.ascontiguousarray(grey, dtype=np.float32), mode="F")
    picture = picture.rotate(rng.uniform(-10, 10), Image.BILINEAR)
    zoom, shift = rng.uniform(0.74, 1.15, 2), rng.uniform(-0.06, 0.06, 2)
    zoom[1] = zoom[0] * rng.uniform(0.88, 1.14)
    left, top = width * (0.5 + shift[0] - zoom[0] / 2), height * (0.5 + shift[1] - zoom[1] / 2)
    matrix = (zoom[0], 0, left, 0, zoom[1], top)
    grey = np.asarray(picture.transform((width, height), Image.AFFINE, matrix, Image.BILINEAR))
    grey = np.clip(grey, 0.0, 1.0) ** np.exp(rng.uniform(-0.45, 0.45))
    if rng.random() < 0.3:
        rows, columns = (rng.uniform(0, 0.10, 4)[:, None] * (height, width)).astype(int).T
        frame = np.full_like(grey, rng.choice([0.0, 0.0, 1.0]))
        inner = slice(rows[0], height - rows[1]), slice(columns[2], width - columns[3])
        frame[inner] = grey[inner]
        grey = frame
    return grey[:, ::-1] if rng.random() < 0.5 else grey


TURNS = {
    "inverted": lambda g: 1.0 - g,
    "turned by 90°": lambda g: np.rot90(g),
    "turned by 180°": lambda g: np.rot90(g, 2),
    "turned by 270°": lambda g: np.rot90(g, 3),
    "upside down, mirrored": lambda g: g[::-1],
}


def patterns(count, rng):
    """Noise of every grain, stripes, discs and ramps."""
    y, x = np.mgrid[-1:1:224j, -1:1:224j].astype(np.float32)
    out = []
    for number in range(count):
        kind = number % 4
        if kind == 0:
            cells = int(rng.integers(2, 120))
            out.append(squeeze(rng.uniform(0, 1, (cells, cells)).astype(np.float32), 224, 224))
            continue
        a, b, turn, phase = rng.uniform(-1, 1, 4)
        along = x * np.cos(3 * turn) + y * np.sin(3 * turn)
        if kind == 1:
            out.append(0.5 + 0.5 * np.sin(along * 20 * abs(a) + 6 * phase))
        elif kind == 2:
            disc = np.hypot((x - 0.5 * a) / (0.3 + 0.6 * abs(turn)), (y - 0.5 * b) / 0.6)
            out.append(1.0 / (1.0 + np.exp((disc - 1.0) * 12 * (1 if phase > 0 else -1))))
        else:
            out.append(np.clip(0.5 + 0.5 * along * (1 + abs(a)), 0, 1))
    return [np.asarray(p, dtype=np.float32) for p in out]


def pieces(pictures, each, rng):
    """Random pieces of photographs, some turned."""
    out = []
    for grey in pictures:
        height, width = grey.shape
        for _ in range(each):
            share = rng.uniform(0.3, 1.0, 2)
            h, w = max(16, int(height * share[0])), max(16, int(width * share[1]))
            top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
            out.append(np.rot90(grey[top : top + h, left : left + w], int(rng.integers(4))))
    return out


def principal(vectors):
    mean = vectors.mean(0)
    _, values, basis = np.linalg.svd(vectors - mean, full_matrices=False)
    variance = values**2 / len(vectors)
    left = variance[COMPONENTS:].sum() / (SIDE * SIDE - COMPONENTS)
    # A component's sign is free; fixed here, for equal files.
    basis = basis[:COMPONENTS]
    basis *= np.sign(basis[np.arange(COMPONENTS), np.abs(basis).argmax(1)])[:, None]
    return {"mean": mean, "basis": basis, "variance": variance[:COMPONENTS], "residual": np.array([left])}


def fit(inside, others, seed):
    """From grey pictures: chests to jitter, and anything else to tell them from."""
    rng = np.random.default_rng(seed)
    chests = [*inside, *(jittered(g, rng) for g in inside for _ in range(2))]
    vectors = thumbnails(chests)
    vectors = np.concatenate([vectors, vectors.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(len(vectors), -1)])
    scope = Scope(principal(vectors))
    rest = thumbnails([*others, *(turn(g) for g in chests[::3] for turn in TURNS.values())])
    white = [scope.clipped(scope.whitened(v)[1]) for v in (vectors, rest)]
    x = torch.from_numpy(np.concatenate(white)).float()
    y = torch.cat([torch.ones(len(white[0])), torch.zeros(len(white[1]))])
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(COMPONENTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.02)
    for _ in range(12):
        for rows in torch.randperm(len(x)).split(256):
            loss = nn.functional.binary_cross_entropy_with_logits(network(x[rows])[:, 0], y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    hidden, _, last = network
    scope.tensors |= {
        "hidden.weight": hidden.weight.detach().numpy(),
        "hidden.bias": hidden.bias.detach().numpy(),
        "likeness.weight": last.weight.detach().numpy()[0],
        "likeness.bias": last.bias.detach().numpy(),
    }
    return scope


def limits(scope, inside, seed):
    """From chests the fit did not see: (largest distance, largest residual, least likeness)."""
    rng = np.random.default_rng(seed + 1)
    vectors = thumbnails([*inside, *(jittered(g, rng) for g in inside)])
    distance, residual, likeness = scope.figures(vectors)
    least = min(0.0, float(np.quantile(likeness, 1 - PASSED)))
    return [round(v, 3) for v in (*(float(np.quantile(f, PASSED)) for f in (distance, residual)), least)]
