"""Whether pydicom finds nothing of a patient in an image that left: without_identity.py node|research FILE"""

import sys

import pydicom

purpose, path = sys.argv[1:]
image = pydicom.dcmread(path)
assert image.PatientIdentityRemoved == "YES"
name = str(image.PatientName)
assert name == image.PatientID and len(name) == 33 and name.startswith("P"), name
codes = [item.CodeValue for item in image.DeidentificationMethodCodeSequence]
assert codes[0] == "113100", codes
assert all(item.CodingSchemeDesignator == "DCM" for item in image.DeidentificationMethodCodeSequence)
assert not image.get("PatientBirthDate"), "born"
assert not any(element.tag.is_private for element in image.iterall()), "private"
assert image.pixel_array.size
if purpose == "research":
    assert image.LongitudinalTemporalInformationModified == "REMOVED"
    assert not {"113105", "113106", "113107", "113108"} & set(codes), codes
    for keyword in ["StudyDate", "StudyTime", "PatientSex", "PatientAge", "PatientWeight", "StudyDescription", "Manufacturer"]:
        assert not image.get(keyword), keyword
    for element in image.iterall():
        if element.VR in ("DA", "DT", "TM") and element.value:
            assert str(element.value).startswith(("1900", "00")), element.keyword
else:
    assert image.LongitudinalTemporalInformationModified == "MODIFIED"
    assert {"113105", "113107", "113108"} <= set(codes), codes
