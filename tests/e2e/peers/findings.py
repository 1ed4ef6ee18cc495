"""What highdicom makes of a CT series: a segmentation, a structured report, a secondary capture, a presentation state.

Arguments: folder to write into, then the slices. Prints one line for each object: SOP class and file.
"""

import pathlib
import sys

import highdicom as hd
import numpy as np
import pydicom
from highdicom.sr.coding import CodedConcept
from pydicom.sr.codedict import codes

FOLDER = pathlib.Path(sys.argv[1])
SLICES = sorted((pydicom.dcmread(path) for path in sys.argv[2:]), key=lambda one: one.InstanceNumber)
MAKER = {
    "manufacturer": "Peer",
    "manufacturer_model_name": "highdicom",
    "software_versions": hd.__version__,
    "device_serial_number": "1",
}
ALGORITHM = hd.AlgorithmIdentificationSequence(
    name="threshold", version="1", family=codes.DCM.ArtificialIntelligence
)


def save(number, one):
    one.SpecificCharacterSet = "ISO_IR 192"
    path = FOLDER / f"object-{number}.dcm"
    one.save_as(path, enforce_file_format=True)
    print(one.SOPClassUID, path)


def own(number):
    return {"series_instance_uid": hd.UID(), "series_number": 100 + number, "instance_number": 1} | {
        "sop_instance_uid": hd.UID()
    }


mask = np.stack([one.pixel_array > one.pixel_array.mean() for one in SLICES])
segment = hd.seg.SegmentDescription(
    segment_number=1,
    segment_label="dense",
    segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
    segmented_property_type=codes.SCT.Lesion,
    algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
    algorithm_identification=ALGORITHM,
)
save(
    1,
    hd.seg.Segmentation(
        source_images=SLICES,
        pixel_array=mask,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        **own(1),
        **MAKER,
    ),
)

observer = hd.sr.ObserverContext(
    observer_type=codes.DCM.Device,
    observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(uid=hd.UID()),
)
region = hd.sr.ImageRegion(
    graphic_type=hd.sr.GraphicTypeValues.POINT,
    graphic_data=np.array([[5.0, 5.0]]),
    source_image=hd.sr.SourceImageForRegion(SLICES[0].SOPClassUID, SLICES[0].SOPInstanceUID),
)
group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
    tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier="one"),
    referenced_region=region,
    finding_type=codes.SCT.Lesion,
)
procedure = CodedConcept("24627-2", "LN", "Chest CT")
content = hd.sr.MeasurementReport(
    observation_context=hd.sr.ObservationContext(observer_device_context=observer),
    procedure_reported=procedure,
    imaging_measurements=[group],
)
save(2, hd.sr.Comprehensive3DSR(evidence=SLICES, content=content[0], manufacturer="Peer", **own(2)))

first = SLICES[0]
save(
    3,
    hd.sc.SCImage.from_ref_dataset(
        ref_dataset=first,
        pixel_array=(mask[0] * 255).astype(np.uint8),
        photometric_interpretation="MONOCHROME2",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),
        manufacturer="Peer",
        **own(3),
    ),
)

layer = hd.pr.GraphicLayer(layer_name="FINDING", order=1)
graphic = hd.pr.GraphicObject(
    graphic_type=hd.pr.GraphicTypeValues.POINT,
    graphic_data=np.array([[5.0, 5.0]]),
    units=hd.pr.AnnotationUnitsValues.PIXEL,
)
save(
    4,
    hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=SLICES,
        content_label="FINDING",
        graphic_layers=[layer],
        graphic_annotations=[
            hd.pr.GraphicAnnotation(referenced_images=[first], graphic_layer=layer, graphic_objects=[graphic])
        ],
        **own(4),
        **MAKER,
    ),
)
