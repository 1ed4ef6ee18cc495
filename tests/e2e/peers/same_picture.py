"""Whether two files are the same picture of the same patient, compressed or not. Arguments: sent, arrived."""

import sys

import pydicom

sent, arrived = (pydicom.dcmread(path) for path in sys.argv[1:3])
for element in sent:
    name = element.keyword or str(element.tag)
    if name in ("PixelData", "PhotometricInterpretation"):
        continue
    assert element.tag in arrived, f"{name} is gone"
    assert arrived[element.tag].value == element.value, f"{name} has changed"
assert arrived.PixelData == sent.PixelData, "the pixels have changed"
print("same")
