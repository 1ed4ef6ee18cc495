"""Holds pictures we decoded against what pydicom and its plugins make of the same files.

Usage: decode.py FOLDER < LINES

A line is NUMBER, FRAME (from nought), OURS (`ok` or anything else) and PATH, parted by tabs. FOLDER holds for each NUMBER
with `ok` our samples as NUMBER.raw and the grey levels as a reader sees them, 32-bit floats from 0 to 1, as NUMBER.levels.

Exit code 3: pydicom or one of its plugins is missing.

Prints a line for each: NUMBER, STORED, SEEN. STORED is the largest difference of a sample, SEEN the largest difference of a
grey level in steps of 1/255, or a word where there is nothing to compare. Never a value.
"""

import logging
import sys
import warnings
from pathlib import Path

try:
    import gdcm
    import libjpeg  # noqa: F401  pydicom finds its plugins by itself; without them the table would be another one
    import numpy as np
    import openjpeg  # noqa: F401
    import pydicom
    from PIL import Image
except ImportError:
    sys.exit(3)
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.uid import JPEGExtended12Bit

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

COLOUR_BY_CODEC = {"1.2.840.10008.1.2.4." + end for end in ("50", "51", "57", "70", "90", "91", "92", "93", "201", "202", "203")}


def theirs(dataset, frame):
    """The frame's samples as pydicom gives them; colours as RGB where our codec turns them into that."""
    syntax = dataset.file_meta.TransferSyntaxUID
    colour = dataset.get("SamplesPerPixel", 1) == 3
    as_rgb = colour and syntax in COLOUR_BY_CODEC
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if syntax == JPEGExtended12Bit and dataset.BitsStored != 8:
        return by_gdcm(dataset, frame)
    return pixel_array(dataset, index=frame if 1 < frames else None, raw=not as_rgb)


def by_gdcm(dataset, frame):
    """gdcm reads twelve bits of JPEG by itself; pydicom does not ask it to, and its other plugin refuses most."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(dataset.filename))
    if not reader.Read():
        raise ValueError("gdcm does not read it")
    samples = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    samples = np.frombuffer(samples, "<i2" if dataset.PixelRepresentation else "<u2")
    return samples.reshape(-1, dataset.Rows, dataset.Columns)[frame]


def stored(dataset, array, ours):
    allocated = dataset.BitsAllocated
    if array.dtype.kind == "f":
        found = np.frombuffer(ours, f"<f{allocated // 8}")[: array.size]
        if found.size < array.size:
            return "size"
        apart = np.abs(found.astype(np.float64) - array.ravel())
        return str(int(np.ceil(np.nanmax(apart))))
    if allocated == 1:
        found = np.unpackbits(np.frombuffer(ours, np.uint8), bitorder="little")[: array.size]
    else:
        found = np.frombuffer(ours, f"<u{allocated // 8}")
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        if dataset.PhotometricInterpretation == "YBR_FULL_422":  # two pixels share their colours
            quads = found[: array.size // 3 * 2].reshape(-1, 4)
            found = quads[:, [0, 2, 3, 1, 2, 3]].ravel()
        elif dataset.get("PlanarConfiguration") == 1 and array.ndim == 3:
            array = array.transpose(2, 0, 1)
    if found.size < array.size:
        return "size"
    bits = max(8, allocated)
    wanted = array.astype(np.int64).ravel() & ((1 << bits) - 1)
    found = found[: array.size].astype(np.int64)
    if 8 < allocated:  # bits above the stored ones are overlays or signs: each reader treats them its own way
        mask = ((1 << dataset.BitsStored) - 1) if dataset.HighBit + 1 == dataset.BitsStored else (1 << bits) - 1
        wanted, found = wanted & mask, found & mask
    apart = np.abs(wanted - found)
    return str(int(np.minimum(apart, (1 << dataset.BitsStored) - apart).max()))


def seen(dataset, array, levels):
    """PS3.4 annex N.2, by pydicom's own functions."""
    if dataset.get("SamplesPerPixel", 1) != 1 or "PALETTE" in dataset.PhotometricInterpretation:
        return "colour"
    if "PerFrameFunctionalGroupsSequence" in dataset or "SharedFunctionalGroupsSequence" in dataset:
        return "functional groups"
    values = apply_modality_lut(array, dataset)
    first = lambda value: value[0] if isinstance(value, pydicom.multival.MultiValue) else value
    width = first(dataset.get("WindowWidth"))
    windowed = width is not None and 0 < float(width) and dataset.get("WindowCenter") is not None
    has_table = bool(dataset.get("VOILUTSequence")) and not windowed
    rescaled = "RescaleSlope" in dataset and dataset.RescaleSlope is not None
    identity = not dataset.get("ModalityLUTSequence") and (
        not rescaled or (float(dataset.RescaleSlope) == 1 and float(dataset.get("RescaleIntercept") or 0) == 0)
    )
    bits, signed = dataset.get("BitsStored", dataset.BitsAllocated), dataset.get("PixelRepresentation") == 1
    if windowed:
        out = apply_voi_lut(values, dataset, prefer_lut=False).astype(float)
        if dataset.get("ModalityLUTSequence"):
            low, high = 0.0, float(2 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1)
        elif signed:
            low, high = -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1
        else:
            low, high = 0.0, 2.0**bits - 1
        if rescaled:
            slope, intercept = float(dataset.RescaleSlope), float(dataset.get("RescaleIntercept") or 0)
            low, high = low * slope + intercept, high * slope + intercept
        wanted = (out - low) / (high - low)
    elif has_table:
        out = apply_voi_lut(values, dataset, prefer_lut=True).astype(float)
        table = dataset.VOILUTSequence[0]
        top = max(2 ** table.LUTDescriptor[2] - 1, int(np.max(table.LUTData)) if table["LUTData"].VR != "OW" else 0)
        wanted = out / top
    elif identity and bits <= 8 and not signed:
        wanted = values.astype(float) / (2**bits - 1)
    else:
        values = np.asarray(values, float)
        inside = np.ones(values.shape, bool)
        if "PixelPaddingValue" in dataset:
            inside = array != dataset.PixelPaddingValue
        inside = inside if inside.any() else np.ones(values.shape, bool)
        low, high = values[inside].min(), values[inside].max()
        wanted = np.clip((values - low) / (high - low), 0, 1) if low < high else np.zeros(values.shape)
    if dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        wanted = 1 - wanted
    wanted = squared(dataset, wanted)
    found = np.frombuffer(levels, "<f4")
    if found.size != wanted.size:
        return "size"
    return f"{255 * np.abs(found - wanted.ravel()).max():.2f}"


def squared(dataset, levels):
    """PS3.3 C.7.6.3.1.7: made larger by Pillow where a pixel's height is not its width."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        said = dataset.get(name)
        if said and len(said) == 2 and 0 < float(said[0]) and 0 < float(said[1]):
            ratio = float(said[0]) / float(said[1])
            if abs(ratio - 1) <= 0.01 or not 1 / 8 <= ratio <= 8:
                break
            rows, columns = levels.shape
            size = (columns, round(rows * ratio)) if 1 < ratio else (round(columns / ratio), rows)
            return np.asarray(Image.fromarray(levels.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
    return levels


def compare(folder, number, frame, ours, path):
    try:
        dataset = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        array = theirs(dataset, frame)
    except Exception as error:  # broken on purpose, or no plugin reads it
        return f"theirs: {type(error).__name__}", "-"
    if ours != "ok":
        return "readable", "-"
    results = []
    for suffix, compared in (("raw", stored), ("levels", seen)):
        try:
            results.append(compared(dataset, array, (folder / f"{number}.{suffix}").read_bytes()))
        except FileNotFoundError:
            results.append("-")
        except Exception as error:
            results.append(f"theirs: {type(error).__name__}")
    return tuple(results)


def main():
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        number, frame, ours, path = line.rstrip("\n").split("\t")
        print(number, *compare(folder, number, int(frame), ours, path), sep="\t", flush=True)


main()
