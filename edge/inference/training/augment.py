"""Augmentation of a batch, on tensors; the lung box follows the geometry.

Meant against shortcuts: sharpness, exposure, aspect, border marks and corners
differ between the classes of the training set for reasons outside the lungs.
"""

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from data import LUNG_BOX


def box_mask(count, side):
    """Mask [count,1,side,side], one inside the crude lung box."""
    top, bottom, left, right = (round(f * side) for f in LUNG_BOX)
    mask = torch.zeros(count, 1, side, side)
    mask[:, :, top:bottom, left:right] = 1.0
    return mask


class Augmenter:
    def __init__(self, seed):
        self.gen = torch.Generator().manual_seed(seed)

    def uniform(self, count, low, high):
        return torch.rand(count, generator=self.gen) * (high - low) + low

    def chance(self, count, p):
        return torch.rand(count, generator=self.gen) < p

    def __call__(self, images, side):
        """uint8 [N,S,S] to (picture in 0..1 [N,1,side,side], lung mask, hidden [N]).

        `hidden` marks the pictures whose lungs were covered: their target is
        "cannot tell".
        """
        x = images[:, None].float() / 255.0
        mask = box_mask(len(x), x.shape[-1])
        x, mask = self.geometry(x, mask, side)
        x = self.sharpness(x)
        x = self.exposure(x)
        x = self.compression(x)
        hidden = self.chance(len(x), 0.06)
        self.erase(x, mask, hidden)
        return x, mask, hidden

    def geometry(self, x, mask, side):
        n = len(x)
        angle = self.uniform(n, -10, 10) * math.pi / 180
        zoom = torch.exp(self.uniform(n, -0.16, 0.16))
        aspect = torch.exp(self.uniform(n, -0.10, 0.10))
        flip = torch.where(self.chance(n, 0.5), -1.0, 1.0)
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0] = torch.cos(angle) * zoom * aspect * flip
        theta[:, 0, 1] = -torch.sin(angle) * zoom
        theta[:, 1, 0] = torch.sin(angle) * zoom * flip
        theta[:, 1, 1] = torch.cos(angle) * zoom / aspect
        theta[:, 0, 2] = self.uniform(n, -0.10, 0.10)
        theta[:, 1, 2] = self.uniform(n, -0.10, 0.10)
        grid = F.affine_grid(theta, (n, 1, side, side), align_corners=False)
        if side < x.shape[-1]:
            x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
        x = F.grid_sample(x, grid, mode="bilinear", align_corners=False)
        mask = F.grid_sample(mask, grid, mode="nearest", align_corners=False)
        return x, mask

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
            self.uniform(len(x), -0.7, 0.0) * self.chance(len(x), 0.5),
        )[:, None, None, None]
        return (x + amount * (blurred - x)).clamp(0.0, 1.0)

    def exposure(self, x):
        n, side = len(x), x.shape[-1]

        def col(values):
            return values[:, None, None, None]

        x = x.clamp(0.0, 1.0) ** col(torch.exp(self.uniform(n, -0.45, 0.45)))
        mean = x.mean((1, 2, 3), keepdim=True)
        x = (x - mean) * col(self.uniform(n, 0.65, 1.35)) + mean
        x = x + col(self.uniform(n, -0.12, 0.12))
        ramp = torch.linspace(-1, 1, side)
        x = x + col(self.uniform(n, -0.1, 0.1)) * ramp[None, None, :, None]
        x = x + col(self.uniform(n, -0.1, 0.1)) * ramp
        noise = torch.randn(x.shape, generator=self.gen)
        x = x + noise * col(self.uniform(n, 0.0, 0.04) * self.chance(n, 0.4))
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

    def erase(self, x, mask, hidden):
        """Covers the borders, all but the lungs, random boxes, or the lungs."""
        side = x.shape[-1]
        borders, outside = self.chance(len(x), 0.35), self.chance(len(x), 0.15)
        boxes = self.chance(len(x), 0.35)
        fills = self.uniform(len(x), 0.0, 1.0) * self.chance(len(x), 0.5)
        for i in range(len(x)):
            fill = float(fills[i])
            if borders[i]:
                a, b, c, d = (self.uniform(4, 0.0, 0.13) * side).int().tolist()
                x[i, :, :a] = fill
                x[i, :, side - b :] = fill
                x[i, :, :, :c] = fill
                x[i, :, :, side - d :] = fill
            if outside[i]:
                x[i] = torch.where(mask[i] > 0, x[i], torch.tensor(fill))
            if boxes[i]:
                for _ in range(2):
                    h, w = (self.uniform(2, 0.06, 0.22) * side).int().tolist()
                    top, left = (self.uniform(2, 0.0, 0.9) * side).int().tolist()
                    x[i, :, top : top + h, left : left + w] = fill
            if hidden[i]:
                cover = torch.full_like(x[i], float(self.uniform(1, 0.0, 1.0)))
                if fill > 0:
                    cover = F.interpolate(
                        F.adaptive_avg_pool2d(x[i][None], 5), size=side, mode="bilinear"
                    )[0]
                x[i] = torch.where(mask[i] > 0, cover, x[i])
