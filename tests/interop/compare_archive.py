"""Compares what lies in a box's archive with the files it was sent, element by element, as pydicom reads both.

Usage: compare_archive.py SENT_FOLDER ARCHIVE_FOLDER

Prints {"equal": n, "different": [...]}; a difference is named by file, never by value. A stored object must equal at
least one sent file of the same SOP Instance UID. Left out: group lengths (retired, writers drop them) and, where the
transfer syntax differs, binary elements (byte order).
"""

import json
import logging
import sys
import warnings
from pathlib import Path

import pydicom

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


def read(path):
    try:
        return pydicom.dcmread(path, force=True)
    except Exception:  # files that are broken on purpose
        return None


def flat(dataset):
    """Element values by tag, as text: what a reader sees."""
    values = {}
    same_order = dataset.file_meta.get("TransferSyntaxUID", "") != "1.2.840.10008.1.2.2"
    for element in dataset:
        if element.tag.element == 0:
            continue
        if element.VR in ("OB", "OW", "OF", "OD", "OL", "UN", "OB or OW"):
            if same_order and isinstance(element.value, bytes):
                values[element.tag] = element.value.rstrip(b"\0")
            continue
        if element.VR == "SQ":
            values[element.tag] = len(element.value)
            continue
        values[element.tag] = str(element.value).strip(" \0")
    return values


def main():
    sent = {}
    for path in Path(sys.argv[1]).rglob("*"):
        dataset = read(path) if path.is_file() else None
        if dataset is not None and "SOPInstanceUID" in dataset:
            sent.setdefault(dataset.SOPInstanceUID, []).append((path, dataset))
    equal, different = 0, []
    for path in Path(sys.argv[2]).rglob("*.dcm"):
        stored = read(path)
        candidates = sent.get(stored.get("SOPInstanceUID"), [])
        try:
            values = flat(stored)
            fits = any(matches(values, candidate, stored) for _, candidate in candidates)
        except Exception:  # pydicom cannot convert a value on either side
            continue
        if fits:
            equal += 1
        else:
            different.append(sorted(str(name.name) for name, _ in candidates))
    print(json.dumps({"equal": equal, "different": different}))


def matches(values, candidate, stored):
    try:
        theirs = flat(candidate)
    except Exception:
        return False
    if candidate.file_meta.get("TransferSyntaxUID") != stored.file_meta.get("TransferSyntaxUID"):
        text = {tag: value for tag, value in theirs.items() if isinstance(value, str)}
        return all(values.get(tag) == value for tag, value in text.items())
    return values == theirs


main()
