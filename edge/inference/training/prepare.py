"""From a picture to the graph's input, exactly as the product does it.

The lung field is cut out by fixed fractions of the picture's sides, squeezed to the
input's size, and its contrast is normalised. What lies outside the crop is never seen.
"""

import math

import numpy as np
from PIL import Image

# What the demonstration bundle says in `[preprocessing]`. The crop lies inside the
# crude lung box of data.py, so that a picture with that box covered is flat.
PREPROCESSING = {
    "width": 160,
    "height": 160,
    "resize": "stretch",
    "filter": "triangle",
    "crop": {"top": 0.16, "bottom": 0.84, "left": 0.13, "right": 0.87},
    "contrast_floor": 0.05,
    "mean": 0.0,
    "std": 2.0,
}


def read_whole(path):
    """Luma in 0..1, at the picture's own size."""
    with Image.open(path) as picture:
        if picture.mode.startswith("I"):
            return np.asarray(picture, dtype=np.float32) / 65535.0
        return np.asarray(picture.convert("L"), dtype=np.float32) / 255.0


def squeeze(grey, width, height):
    """Pillow's antialiased BILINEAR, aspect not kept."""
    if grey.shape == (height, width):
        return grey
    picture = Image.fromarray(np.ascontiguousarray(grey, dtype=np.float32), mode="F")
    return np.asarray(picture.resize((width, height), Image.BILINEAR), dtype=np.float32)


def edge(fraction, size):
    """The pixel edge nearest to a fraction of a side; halves go up."""
    return math.floor(fraction * size + 0.5)


def lung_field(grey, crop):
    """The crop, at least one pixel wide and high."""
    height, width = grey.shape[-2:]
    top, left = edge(crop["top"], height), edge(crop["left"], width)
    top, left = min(top, height - 1), min(left, width - 1)
    bottom = max(edge(crop["bottom"], height), top + 1)
    right = max(edge(crop["right"], width), left + 1)
    return grey[..., top:bottom, left:right]


def even_contrast(grey, floor):
    """Mean 0 and deviation 1; where the deviation is below `floor` it stays so much less."""
    exact = grey.astype(np.float64)
    return ((exact - exact.mean()) / max(exact.std(), floor)).astype(np.float32)


def graph_input(grey, prep=PREPROCESSING):
    """A grey picture in 0..1 of any size to the graph's input [height,width]."""
    if "crop" in prep:
        grey = lung_field(grey, prep["crop"])
    grey = squeeze(grey, prep["width"], prep["height"])
    if "contrast_floor" in prep:
        grey = even_contrast(grey, prep["contrast_floor"])
    return ((grey - prep["mean"]) / prep["std"]).astype(np.float32)


def graph_inputs(images, prep=PREPROCESSING):
    """uint8 pictures [N,H,W] to the graph's inputs [N,1,height,width]."""
    levels = (image.astype(np.float32) / 255.0 for image in images)
    return np.stack([graph_input(grey, prep) for grey in levels])[:, None]
