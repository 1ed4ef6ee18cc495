"""Augmentation of a batch, on tensors: whole pictures in, the graph's inputs out.

Meant against shortcuts and for carrying over to other sources: framing, sharpness,
exposure, the curve of greys and compression differ between sets, and between the
classes of the training set, for reasons outside the lungs.
"""

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from prepare import PREPROCESSING

CROP = PREPROCESSING["crop"]
SIDE = PREPROCESSING["width"]


def column(values):
    return values[:, None, None, None]


class Augmenter:
    def __init__(self, seed):
        self.gen = torch.Generator().manual_seed(seed)

    def uniform(self, count, low, high):
        return torch.rand(count, generator=self.gen) * (high - low) + low

    def chance(self, count, p):
        return torch.rand(count, generator=self.gen) < p

    def __call__(self, images):
        """uint8 [N,S,S] to (graph input [N,1,side,side], hidden [N]).

        `hidden` marks the pictures whose lungs were covered: their target is
        "cannot tell".
        """
        x = self.geometry(images[:, None].float() / 255.0)
        x = self.sharpness(x)
        x = self.exposure(x)
        x = self.compression(x)
        hidden = self.chance(len(x), 0.08)
        self.erase(x, hidden)
        return self.even_contrast(x), hidden

    def geometry(self, x):
        """The crop, turned, zoomed, shifted and mirrored a little."""
        n = len(x)
        angle = self.uniform(n, -10, 10) * math.pi / 180
        zoom = torch.exp(self.uniform(n, -0.18, 0.20))
        aspect = torch.exp(self.uniform(n, -0.12, 0.12))
        flip = torch.where(self.chance(n, 0.5), -1.0, 1.0)
        half_x = (CROP["right"] - CROP["left"]) * zoom * aspect
        half_y = (CROP["bottom"] - CROP["top"]) * zoom / aspect
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0] = torch.cos(angle) * half_x * flip
        theta[:, 0, 1] = -torch.sin(angle) * half_y
        theta[:, 1, 0] = torch.sin(angle) * half_x * flip
        theta[:, 1, 1] = torch.cos(angle) * half_y
        theta[:, 0, 2] = CROP["left"] + CROP["right"] - 1.0 + self.uniform(n, -0.10, 0.10)
        theta[:, 1, 2] = CROP["top"] + CROP["bottom"] - 1.0 + self.uniform(n, -0.10, 0.10)
        grid = F.affine_grid(theta, (n, 1, SIDE, SIDE), align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", align_corners=False)

    def sharpness(self, x):
        """Gaussian blur or unsharp mask, from one blurred copy of the batch."""
        sigma = float(self.uniform(1, 0.4, 1.6))
        taps = torch.arange(-4, 5).float()
        kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
        kernel = kernel / kernel.sum()
        blurred = F.conv2d(F.pad(x, (4, 4, 4, 4), mode="reflect"), kernel[None, None, None])
        blurred = F.conv2d(blurred, kernel[None, None, :, None])
        amount = torch.where(
            self.chance(len(x), 0.65),
            self.uniform(len(x), 0.0, 1.0),
            self.uniform(len(x), -1.3, 0.0) * self.chance(len(x), 0.7),
        )
        return (x + column(amount) * (blurred - x)).clamp(0.0, 1.0)

    def exposure(self, x):
        """Another curve of greys, clipped ends, uneven light and grain."""
        n, side = len(x), x.shape[-1]
        x = x.clamp(0.0, 1.0) ** column(torch.exp(self.uniform(n, -0.55, 0.55)))
        bend = column(self.uniform(n, -0.6, 0.8))
        x = (1 - bend) * x + bend * x * x * (3.0 - 2.0 * x)
        mean = x.mean((1, 2, 3), keepdim=True)
        x = (x - mean) * column(self.uniform(n, 0.6, 1.5)) + mean
        x = x + column(self.uniform(n, -0.15, 0.15))
        ramp = torch.linspace(-1, 1, side)
        x = x + column(self.uniform(n, -0.12, 0.12)) * ramp[None, None, :, None]
        x = x + column(self.uniform(n, -0.12, 0.12)) * ramp
        noise = torch.randn(x.shape, generator=self.gen)
        x = x + noise * column(self.uniform(n, 0.0, 0.05) * self.chance(n, 0.4))
        return x.clamp(0.0, 1.0)

    def compression(self, x):
        for i in torch.nonzero(self.chance(len(x), 0.25)).flatten().tolist():
            quality = int(self.uniform(1, 35, 95))
            pixels = (x[i, 0] * 255).round().to(torch.uint8).numpy()
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
            again = np.asarray(Image.open(buffer), dtype=np.float32) / 255.0
            x[i, 0] = torch.from_numpy(again)
        return x

    def erase(self, x, hidden):
        """Covers random boxes, the borders, or all but the borders (`hidden`)."""
        borders, boxes = self.chance(len(x), 0.25), self.chance(len(x), 0.35)
        fills = self.uniform(len(x), 0.0, 1.0) * self.chance(len(x), 0.6)
        for i in range(len(x)):
            fill = float(fills[i])
            if borders[i]:
                a, b, c, d = (self.uniform(4, 0.0, 0.08) * SIDE).int().tolist()
                x[i, :, :a] = fill
                x[i, :, SIDE - b :] = fill
                x[i, :, :, :c] = fill
                x[i, :, :, SIDE - d :] = fill
            if boxes[i]:
                for _ in range(2):
                    h, w = (self.uniform(2, 0.06, 0.24) * SIDE).int().tolist()
                    top, left = (self.uniform(2, 0.0, 0.9) * SIDE).int().tolist()
                    x[i, :, top : top + h, left : left + w] = fill
            if hidden[i]:
                a, b, c, d = (self.uniform(4, -0.06, 0.16) * SIDE).clamp(min=0).int().tolist()
                level = float(self.uniform(1, 0.0, 1.0))
                cover = torch.full((1, SIDE, SIDE), level if fill > 0 else float(x[i].mean()))
                rows, columns = slice(a, SIDE - b), slice(c, SIDE - d)
                x[i, :, rows, columns] = cover[:, rows, columns]

    def even_contrast(self, x):
        """As prepare.even_contrast and the product's mean and deviation after it."""
        x = x - x.mean((1, 2, 3), keepdim=True)
        deviation = x.flatten(1).std(1, unbiased=False).clamp(min=PREPROCESSING["contrast_floor"])
        return (x / column(deviation) - PREPROCESSING["mean"]) / PREPROCESSING["std"]
