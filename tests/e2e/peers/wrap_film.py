"""Wraps films as multi-frame objects with pydicom. Each line of standard input is a JSON object: {"stream": file, "to": file,
"syntax": UID, "class": UID, "modality": code, "columns": n, "rows": n, "frames": n, "frame_time": ms, "fragments": n,
"study": UID, "name": patient}."""

import json
import sys

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, generate_uid


def wrap(film):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(film["class"])
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = UID(film["syntax"])
    data = FileDataset(film["to"], {}, file_meta=meta, preamble=b"\0" * 128)
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID = film["study"]
    data.SeriesInstanceUID = generate_uid()
    data.StudyDate, data.StudyTime = "20261123", "101500"
    data.Modality = film["modality"]
    data.PatientName, data.PatientID = film["name"], "F-1"
    data.SamplesPerPixel, data.PhotometricInterpretation = 3, "YBR_PARTIAL_420"
    data.PlanarConfiguration = 0
    data.Rows, data.Columns = film["rows"], film["columns"]
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.NumberOfFrames, data.FrameTime = film["frames"], film["frame_time"]
    data.FrameIncrementPointer = 0x00181063
    with open(film["stream"], "rb") as stream:
        stream = stream.read()
    stream += b"\0" * (len(stream) % 2)
    piece = -(-len(stream) // film["fragments"])
    piece += piece % 2
    pieces = [stream[at : at + piece] for at in range(0, len(stream), piece)]
    data.PixelData = encapsulate(pieces, has_bot=False)
    data["PixelData"].is_undefined_length = True
    data.save_as(film["to"], enforce_file_format=True)


for line in sys.stdin:
    wrap(json.loads(line))
