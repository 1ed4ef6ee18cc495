"""Pictures as other sources would give them: what figures, temperature and operating point must stand."""

import numpy as np
from PIL import Image, ImageFilter


def gamma(value):
    table = [round(255 * (i / 255) ** value) for i in range(256)]
    return lambda picture: picture.point(table)


def framed(picture):
    out = Image.new("L", picture.size)
    out.paste(picture.resize((180, 180), Image.BILINEAR), (22, 22))
    return out


def moved(pixels):
    return lambda p: p.transform(p.size, Image.AFFINE, (1, 0, 0, 0, 1, pixels), Image.BILINEAR)


CHANGES = {
    "blurred (sigma 1.5)": lambda p: p.filter(ImageFilter.GaussianBlur(1.5)),
    "sharpened": lambda p: p.filter(ImageFilter.UnsharpMask(2, 120, 0)),
    "darker (gamma 1.4)": gamma(1.4),
    "lighter (gamma 0.7)": gamma(0.7),
    "contrast x 0.7": lambda p: p.point([round(38 + 0.7 * i) for i in range(256)]),
    "cropped 8 % a side": lambda p: p.resize((224, 224), Image.BILINEAR, box=(18, 18, 206, 206)),
    "10 % frame added": framed,
    "moved up 5 %": moved(12),
    "moved down 5 %": moved(-12),
    "turned 7°": lambda p: p.rotate(7, Image.BILINEAR),
}


def spoil(images, change):
    """uint8 pictures [N,224,224], each changed."""
    return np.stack([np.asarray(CHANGES[change](Image.fromarray(image))) for image in images])
