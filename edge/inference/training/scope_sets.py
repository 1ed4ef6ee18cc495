"""Pictures the scope is fitted on and measured with, beside the X-ray sets."""

from pathlib import Path

import numpy as np
import pydicom
import skimage
import sklearn
from PIL import Image

from prepare import read_whole


def photographs():
    """The sample pictures that come with scikit-image and scikit-learn, by name."""
    folders = Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets/images"
    paths = [p for folder in folders for p in sorted(folder.iterdir()) if p.suffix in (".png", ".jpg")]
    return [read_whole(path) for path in paths]


def read_dicom(path):
    """The middle frame as grey levels in 0..1, as it is meant to be seen but for windows."""
    data = pydicom.dcmread(path)
    pixels = data.pixel_array.astype(np.float32)
    if data.get("SamplesPerPixel", 1) == 3:
        pixels = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    if pixels.ndim == 3:
        pixels = pixels[len(pixels) // 2]
    low, high = float(pixels.min()), float(pixels.max())
    grey = (pixels - low) / max(high - low, 1e-6)
    return 1.0 - grey if data.PhotometricInterpretation == "MONOCHROME1" else grey


def drawn_chests(folder):
    """The chests `barefoot-scanner make --phantoms` drew, as uint8 of side 224."""
    out = []
    for path in sorted(Path(folder).glob("*.dcm")):
        picture = Image.fromarray(read_dicom(path)).resize((224, 224), Image.BILINEAR)
        out.append(np.rint(np.asarray(picture) * 255.0).clip(0, 255).astype(np.uint8))
    return out


def dicom_by_modality(folder):
    """{modality: pictures} of a folder of DICOM files; what cannot be decoded is left out."""
    groups = {}
    for path in sorted(Path(folder).rglob("*")):
        if not path.is_file():
            continue
        try:
            grey = read_dicom(path)
            modality = str(pydicom.dcmread(path, stop_before_pixels=True).get("Modality", ""))
        except Exception:
            # Broken files are what such a folder is for.
            continue
        if grey.ndim == 2 and min(grey.shape) >= 16:
            groups.setdefault(modality or "none", []).append(grey)
    return groups
