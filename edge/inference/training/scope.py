"""Is this a frontal chest X-ray, upright and not inverted? As the product asks it.

A thumbnail of the whole picture is held against the thumbnails of chests, in two ways:
by its distance from them (their principal components, and what those leave over), which
needs no example of anything else, and by a small network that has seen turned,
mirrored upside down and inverted chests, photographs and patterns.
"""

import numpy as np
from safetensors.numpy import load_file, save_file

from prepare import even_contrast, squeeze

SIDE = 16
COMPONENTS = 32
HIDDEN = 24
CONTRAST_FLOOR = 0.05
# Whitened components are kept within it, so that one odd picture cannot saturate the network.
LARGEST_COMPONENT = 8.0


def thumbnail(grey):
    return even_contrast(squeeze(grey, SIDE, SIDE), CONTRAST_FLOOR).astype(np.float64).ravel()


def thumbnails(pictures):
    return np.stack([thumbnail(grey) for grey in pictures])


class Scope:
    """What is written to scope.safetensors, and its three figures for thumbnails [N,n]."""

    def __init__(self, tensors):
        self.tensors = {name: np.ascontiguousarray(t, dtype=np.float32) for name, t in tensors.items()}

    def whitened(self, vectors):
        t = self.tensors
        components = (vectors - t["mean"]) @ t["basis"].T
        return components, components / np.sqrt(t["variance"])

    def figures(self, vectors):
        """(distance, residual, likeness), each [N]."""
        t = self.tensors
        components, white = self.whitened(vectors)
        distance = (white**2).mean(1)
        left = ((vectors - t["mean"]) ** 2).sum(1) - (components**2).sum(1)
        residual = np.maximum(left, 0.0) / ((SIDE * SIDE - COMPONENTS) * t["residual"][0])
        hidden = np.maximum(self.clipped(white) @ t["hidden.weight"].T + t["hidden.bias"], 0.0)
        return distance, residual, hidden @ t["likeness.weight"] + t["likeness.bias"][0]

    @staticmethod
    def clipped(white):
        return np.clip(white, -LARGEST_COMPONENT, LARGEST_COMPONENT)

    @classmethod
    def load(cls, path):
        return cls(load_file(path))

    def save(self, path):
        save_file(self.tensors, path)
        path.chmod(0o644)


def outside(scope, limit, pictures):
    """Whether each picture lies outside [N]."""
    distance, residual, likeness = scope.figures(thumbnails(pictures))
    return (distance > limit[0]) | (residual > limit[1]) | (likeness < limit[2])
