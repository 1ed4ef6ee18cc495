"""Reads the documents of a signed report as others do: pydicom and highdicom the structured report, fhir.resources the
bundle. Prints what they found as a JSON list.

Usage: read_reports.py FOLDER... (each holds sr.dcm and fhir.json)
"""

import json
import pathlib
import sys

import highdicom
import pydicom
from fhir.resources.R4B.bundle import Bundle


def walk(items, path=()):
    """Each content item with the names on the way to it."""
    for item in items:
        name = item.name.meaning if item.name is not None else item.value_type.value
        here = path + (name,)
        yield here, item
        if "ContentSequence" in item:
            yield from walk(item.ContentSequence, here)


def structured_report(path):
    data_set = pydicom.dcmread(path)
    document = highdicom.sr.ComprehensiveSR.from_dataset(data_set)
    root = document.content[0]
    found = {"texts": {}, "codes": [], "numbers": [], "regions": []}
    for names, item in walk([root]):
        kind = item.value_type.value
        if kind == "TEXT":
            found["texts"].setdefault(names[-1], []).append(item.value)
        elif kind == "CODE":
            found["codes"].append([names[-1], item.value.value, item.value.scheme_designator])
        elif kind == "NUM":
            found["numbers"].append([names[-1], float(item.value), item.unit.value])
        elif kind == "SCOORD":
            image = item.ContentSequence[0]
            found["regions"].append(
                [item.graphic_type.value, item.value.tolist(), image.referenced_sop_instance_uid]
            )
    verifying = data_set.VerifyingObserverSequence[0]
    found |= {
        "title": root.name.value,
        "patient": str(data_set.PatientName),
        "verified_by": verifying.VerifyingObserverName.ideographic or str(verifying.VerifyingObserverName),
        "verified_at": str(verifying.VerificationDateTime),
        "evidence": [
            [str(reference.ReferencedSOPInstanceUID) for reference in series.ReferencedSOPSequence]
            for study in data_set.CurrentRequestedProcedureEvidenceSequence
            for series in study.ReferencedSeriesSequence
        ],
    }
    return found


def bundle(path):
    with open(path, encoding="utf-8") as file:
        read = Bundle.model_validate_json(file.read())
    return [entry.resource.get_resource_type() for entry in read.entry]


if __name__ == "__main__":
    folders = [pathlib.Path(folder) for folder in sys.argv[1:]]
    answers = [
        {"sr": structured_report(folder / "sr.dcm"), "fhir": bundle(folder / "fhir.json")} for folder in folders
    ]
    print(json.dumps(answers))
