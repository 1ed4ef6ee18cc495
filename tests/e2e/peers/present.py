"""Writes a presentation state of an image with pydicom: turned by a quarter, inverse, a window of its own, a shutter.

Usage: present.py IMAGE STATE"""

import sys

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

image = pydicom.dcmread(sys.argv[1])
meta = FileMetaDataset()
meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.11.1"
meta.MediaStorageSOPInstanceUID = generate_uid()
meta.TransferSyntaxUID = ExplicitVRLittleEndian
state = FileDataset(sys.argv[2], {}, file_meta=meta, preamble=b"\0" * 128)
state.SpecificCharacterSet = image.get("SpecificCharacterSet", "ISO_IR 192")
state.SOPClassUID, state.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
for keyword in (
    "PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyDate StudyTime StudyID AccessionNumber "
    "ReferringPhysicianName"
).split():
    setattr(state, keyword, image.get(keyword, ""))
state.SeriesInstanceUID, state.Modality, state.SeriesNumber, state.InstanceNumber = generate_uid(), "PR", 9, 1
state.Manufacturer, state.ContentLabel, state.ContentDescription, state.ContentCreatorName = "", "X", "", ""
state.PresentationCreationDate, state.PresentationCreationTime = "20261123", "101500"

reference = Dataset()
reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
series = Dataset()
series.SeriesInstanceUID, series.ReferencedImageSequence = image.SeriesInstanceUID, Sequence([reference])
state.ReferencedSeriesSequence = Sequence([series])
area = Dataset()
area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [1, 1], [image.Columns, image.Rows]
area.PresentationSizeMode, area.PresentationPixelAspectRatio = "SCALE TO FIT", [1, 1]
state.DisplayedAreaSelectionSequence = Sequence([area])
window = Dataset()
most = 1 << image.BitsStored
window.WindowCenter, window.WindowWidth = most // 3, most // 2
state.SoftcopyVOILUTSequence = Sequence([window])
state.ImageRotation, state.ImageHorizontalFlip, state.PresentationLUTShape = 90, "Y", "INVERSE"
state.save_as(sys.argv[2], enforce_file_format=True)
