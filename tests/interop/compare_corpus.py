"""Compares what lies in a box's archive with the files it was sent, element by element, as pydicom reads both.

Usage: compare_corpus.py ARCHIVE_FOLDER < SENT_FILES

SENT_FILES names one file a line. Prints one JSON object: for each, "equal", "missing", "different: TAG", or "unreadable"
where pydicom cannot read the sent file. Never a value. Left out: group lengths and Data Set Trailing Padding (writers
drop them), padding of values and, where the transfer syntax differs, binary elements (byte order).
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


def flat(dataset, prefix=()):
    """Element values by the tags that lead to them."""
    values = {}
    for tag in dataset.keys():
        if tag.element == 0 or tag == 0xFFFCFFFC:
            continue
        here = prefix + (int(tag),)
        try:
            element = dataset[tag]
        except Exception:  # a value that cannot be converted: its bytes are what there is
            values[here] = dataset.get_item(tag).value
            continue
        if element.VR == "SQ":
            values[here] = len(element.value)
            for number, item in enumerate(element.value):
                values.update(flat(item, here + (number,)))
        elif isinstance(element.value, bytes):
            values[here] = element.value.rstrip(b"\0 ")
        else:
            values[here] = str(element.value).strip(" \0")
    return values


def difference(sent, stored):
    """The first tag that differs, or None."""
    same_syntax = sent.file_meta.get("TransferSyntaxUID") == stored.file_meta.get("TransferSyntaxUID")
    theirs, ours = flat(sent), flat(stored)
    for tag in sorted(set(theirs) | set(ours)):
        left, right = theirs.get(tag), ours.get(tag)
        if left == right:
            continue
        if not same_syntax and (isinstance(left, bytes) or isinstance(right, bytes)):
            continue
        return "%08X" % tag[0]
    return None


def main():
    archive = {}
    for path in Path(sys.argv[1]).rglob("*.dcm"):
        stored = read(path)
        if stored is not None:
            archive.setdefault(str(stored.get("SOPInstanceUID")), []).append(stored)
    verdicts = {}
    for line in sys.stdin:
        path = line.rstrip("\n")
        sent = read(path)
        try:
            candidates = archive.get(str(sent.get("SOPInstanceUID")), [])
            found = [difference(sent, stored) for stored in candidates]
        except Exception:
            verdicts[path] = "unreadable"
            continue
        if None in found:
            verdicts[path] = "equal"
        else:
            verdicts[path] = f"different: {found[0]}" if found else "missing"
    print(json.dumps(verdicts))


main()
