"""Reads an assessment's objects as others do: highdicom the measurement report and the masks, pydicom the presentation
state and the secondary capture, fhir.resources the bundle. Prints what they found as JSON, by case.

Usage: read_evidence.py FOLDER (with CASE.sr.dcm, CASE.sc.dcm, CASE.pr.dcm, CASE.seg.dcm, CASE.fhir.json)
"""

import json
import pathlib
import sys

import highdicom
import pydicom
from fhir.resources.R4B.bundle import Bundle


def report(path):
    data_set = pydicom.dcmread(path)
    content = highdicom.sr.ComprehensiveSR.from_dataset(data_set).content
    groups = content.get_image_measurement_groups() + content.get_planar_roi_measurement_groups()
    findings = [group.finding_type.meaning for group in groups if group.finding_type is not None]
    predecessors = [
        reference
        for study in data_set.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    ]
    return {"findings": findings, "predecessors": len(predecessors)}


def masks(path):
    if not path.exists():
        return {"segments": 0, "mask_pixels": 0}
    segmentation = highdicom.seg.segread(path)
    return {"segments": segmentation.number_of_segments, "mask_pixels": int((segmentation.pixel_array != 0).sum())}


def state(path):
    if not path.exists():
        return {"graphics": 0}
    data_set = pydicom.dcmread(path)
    graphics = [item for annotation in data_set.GraphicAnnotationSequence for item in annotation.get("GraphicObjectSequence", [])]
    return {"graphics": len(graphics)}


def capture(path):
    if not path.exists():
        return {}
    data_set = pydicom.dcmread(path)
    assert data_set.pixel_array.shape[:2] == (data_set.Rows, data_set.Columns)
    return {"burned_in_identity": data_set.get("BurnedInAnnotation", "not said")}


def bundle(path):
    read = Bundle.model_validate_json(path.read_text(encoding="utf-8"))
    return sorted({entry.resource.get_resource_type() for entry in read.entry})


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    found = {}
    for path in sorted(folder.glob("*.sr.dcm")):
        case = path.name.removesuffix(".sr.dcm")
        of = lambda kind: folder / f"{case}.{kind}"
        found[case] = {
            **report(path),
            **masks(of("seg.dcm")),
            **state(of("pr.dcm")),
            **capture(of("sc.dcm")),
            "fhir": bundle(of("fhir.json")),
        }
    print(json.dumps(found))
