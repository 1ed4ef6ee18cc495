"""Reading the picture sets and the seeded split by patient."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 224
# Crude lung box as fractions (top, bottom, left, right): 53 % of the picture.
LUNG_BOX = (0.15, 0.85, 0.12, 0.88)


@dataclass
class Part:
    """One part of the split: pictures as uint8 [N,224,224], labels, patients."""

    name: str
    images: np.ndarray
    labels: np.ndarray
    patients: list
    # Age, sex and view of each picture, where the set names them.
    about: list = field(default_factory=list)

    def __len__(self):
        return len(self.labels)


def read_grey(path, side=SIDE):
    """Reads a picture as the product does: luma in 0..1, squeezed to a square."""
    with Image.open(path) as picture:
        grey = np.asarray(picture.convert("L"), dtype=np.float32) / 255.0
    if grey.shape != (side, side):
        resized = Image.fromarray(grey, mode="F").resize((side, side), Image.BILINEAR)
        grey = np.asarray(resized, dtype=np.float32)
    return grey


def to_bytes(grey):
    return np.clip(np.rint(grey * 255.0), 0, 255).astype(np.uint8)


def split_patients(rows, seed, validation=0.15, calibration=0.10):
    """Assigns every patient to one part, with both classes in proportion."""
    label_of = {}
    for row in rows:
        label_of[row["patient"]] = max(label_of.get(row["patient"], 0), int(row["y"]))
    rng = np.random.default_rng(seed)
    part_of = {}
    for label in (0, 1):
        group = sorted(p for p, y in label_of.items() if y == label)
        rng.shuffle(group)
        first = round(len(group) * validation)
        second = first + round(len(group) * calibration)
        for i, patient in enumerate(group):
            part_of[patient] = (
                "validation" if i < first else "calibration" if i < second else "training"
            )
    return part_of


def load_kermany(folder, seed):
    """Returns {"training", "calibration", "validation"} -> Part."""
    folder = Path(folder)
    with open(folder / "labels.csv", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file"])
    part_of = split_patients(rows, seed)
    parts = {}
    for name in ("training", "calibration", "validation"):
        own = [row for row in rows if part_of[row["patient"]] == name]
        parts[name] = Part(
            name,
            np.stack([to_bytes(read_grey(folder / row["file"])) for row in own]),
            np.array([int(row["y"]) for row in own]),
            [row["patient"] for row in own],
        )
    owners = [set(part.patients) for part in parts.values()]
    assert sum(map(len, owners)) == len(set.union(*owners)), "a patient is in two parts"
    return parts


def nih_pictures(folder):
    """Every picture of the NIH sample in 0..1, whatever it shows, in the order of its names."""
    return [read_grey(path) for path in sorted(Path(folder).glob("images512/*.jpg"))]


PNEUMONIA_LIKE = {"Pneumonia", "Consolidation", "Infiltration"}


def load_nih(folder):
    """The NIH sample as a domain-shift set: pneumonia-like findings against none."""
    folder = Path(folder)
    images, labels, patients, about = [], [], [], []
    with open(folder / "labels.csv", newline="") as file:
        for row in csv.DictReader(file):
            findings = set(row["findings"].split("|"))
            positive = bool(findings & PNEUMONIA_LIKE)
            if not positive and findings != {"No Finding"}:
                continue
            images.append(to_bytes(read_grey(folder / row["file"])))
            labels.append(int(positive))
            patients.append(row["patient"])
            about.append({key: row[key] for key in ("age", "sex", "view")})
    return Part("nih", np.stack(images), np.array(labels), patients, about)
