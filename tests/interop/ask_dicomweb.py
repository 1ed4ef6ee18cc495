"""Asks a hub's DICOMweb as other systems do, with dicomweb-client and websockets, and fails where an answer is not right.

    ask_dicomweb.py URL TOKEN STUDY INSTANCE FOLDER

STUDY has two images, INSTANCE is the one of two frames. FOLDER holds `pixels.raw` (its second frame), `prior.dcm` (an image
that may be stored) and `named.dcm` (one that may not: somebody's name is in it).
"""

import io
import json
import sys
import time
from pathlib import Path

import pydicom
import requests
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from websockets.sync.client import connect

URL, TOKEN, STUDY, INSTANCE, FOLDER = sys.argv[1:5] + [Path(sys.argv[5])]
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def images():
    client = DICOMwebClient(url=URL, headers=HEADERS)
    studies = client.search_for_studies(search_filters={"PatientID": "*"}, fields=["StudyDescription"])
    assert [study["0020000D"]["Value"][0] for study in studies] == [STUDY], studies
    series = client.search_for_series(STUDY)
    series_uid = series[0]["0020000E"]["Value"][0]
    assert len(client.search_for_instances(STUDY, series_uid)) == 2

    metadata = client.retrieve_study_metadata(STUDY)
    sets = [pydicom.Dataset.from_json(entry, bulk_data_uri_handler=lambda *_: b"") for entry in metadata]
    assert {data.PatientName == data.PatientID for data in sets} == {True}
    assert any(data.get("NumberOfFrames") == 2 for data in sets)

    whole = client.retrieve_instance(STUDY, series_uid, INSTANCE)
    assert whole.SOPInstanceUID == INSTANCE and whole.file_meta.TransferSyntaxUID.is_compressed
    assert len(client.retrieve_study(STUDY)) == 2
    explicit = client.retrieve_instance(
        STUDY, series_uid, INSTANCE, media_types=(("application/dicom", "1.2.840.10008.1.2.1"),)
    )
    expected = (FOLDER / "pixels.raw").read_bytes()
    assert explicit.PixelData[len(expected):] == expected

    octets = (("application/octet-stream", "1.2.840.10008.1.2.1"),)
    frames = client.retrieve_instance_frames(STUDY, series_uid, INSTANCE, [2, 1], media_types=octets)
    assert frames[0] == expected and len(frames) == 2
    jp2 = (("image/jp2", "1.2.840.10008.1.2.4.90"),)
    stored = client.retrieve_instance_frames(STUDY, series_uid, INSTANCE, [2], media_types=jp2)
    assert stored[0].startswith(b"\xff\x4f\xff\x51")
    [entry] = [entry for entry in metadata if entry["00080018"]["Value"][0] == INSTANCE]
    bulk = client.retrieve_bulkdata(entry["7FE00010"]["BulkDataURI"])
    assert bulk[1] == stored[0] and len(bulk) == 2

    png = client.retrieve_instance_frames_rendered(STUDY, series_uid, INSTANCE, [2], media_types=("image/png",))
    assert list(Image.open(io.BytesIO(png)).convert("L").tobytes()) == list(expected)
    jpeg = client.retrieve_instance_rendered(
        STUDY, series_uid, INSTANCE, media_types=("image/jpeg",), params={"viewport": "32,32", "quality": 80}
    )
    assert Image.open(io.BytesIO(jpeg)).size == (32, 32)


def storing():
    client = DICOMwebClient(url=URL, headers=HEADERS)
    prior = pydicom.dcmread(FOLDER / "prior.dcm")
    # As the file is: writing it anew would put the library's own name into its meta information.
    body = b"".join(
        b"\r\n--limit\r\nContent-Type: application/dicom\r\n\r\n" + (FOLDER / name).read_bytes()
        for name in ("prior.dcm", "named.dcm")
    )
    kind = 'multipart/related; type="application/dicom"; boundary=limit'
    answer = requests.post(
        f"{URL}/studies",
        data=body + b"\r\n--limit--",
        headers={**HEADERS, "Content-Type": kind, "Accept": "application/dicom+json"},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    said = pydicom.Dataset.from_json(answer.json())
    assert said.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == prior.SOPInstanceUID
    assert said.FailedSOPSequence[0].FailureReason == 0xC000
    # What is stored is indexed a moment later.
    for _ in range(200):
        if client.search_for_studies(search_filters={"StudyInstanceUID": prior.StudyInstanceUID}):
            break
        time.sleep(0.05)
    kept = client.retrieve_instance(prior.StudyInstanceUID, prior.SeriesInstanceUID, prior.SOPInstanceUID)
    assert kept.PixelData == prior.PixelData
    # Stored by the client itself: the same object again.
    again = client.store_instances([kept])
    assert again is not None


def working():
    """IHE AIW-I, pull workflow."""

    def call(method, path, body=None, token=TOKEN):
        return requests.request(
            method,
            URL + path,
            data=None if body is None else json.dumps(body),
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/dicom+json",
                "Accept": "application/dicom+json",
            },
            timeout=60,
        )

    def one(vr, value):
        return {"vr": vr, "Value": [value]}

    performer, manager = TOKEN, f"{TOKEN}-2"
    uid, lock = "2.25.4711", "2.25.1"
    subscribed = call("POST", "/workitems/1.2.840.10008.5.1.4.34.5/subscribers/WATCHER", token=manager)
    assert subscribed.status_code == 201
    place = subscribed.headers["Content-Location"]
    with connect(place, additional_headers={"Authorization": f"Bearer {manager}"}) as socket:

        def heard():
            event = json.loads(socket.recv(timeout=20))
            assert event["00001000"]["Value"] == [uid]
            return event["00001002"]["Value"][0], event.get("00741000", {}).get("Value", [""])[0]

        made = call(
            "POST",
            f"/workitems?{uid}",
            {
                "00741200": one("CS", "HIGH"),
                "00741204": one("LO", "Read chest"),
                "00404005": one("DT", "20260105080000"),
                "00404041": one("CS", "READY"),
                "00404018": one("SQ", {"00080100": one("SH", "110005")}),
            },
            manager,
        )
        assert made.status_code == 201, made.text
        assert heard() == (1, "SCHEDULED")
        found = call("GET", "/workitems?ProcedureStepState=SCHEDULED&00404018.00080100=110005").json()
        assert [item["00080018"]["Value"][0] for item in found] == [uid]

        def claim(transaction):
            state = {"00741000": one("CS", "IN PROGRESS"), "00081195": one("UI", transaction)}
            return call("PUT", f"/workitems/{uid}/state", state)

        assert claim(lock).status_code == 200
        assert heard() == (1, "IN PROGRESS")
        late = claim("2.25.2")
        assert late.status_code == 409 and late.headers["Warning"].startswith("299 ")
        progress = {"00741002": one("SQ", {"00741004": one("DS", 50)})}
        assert call("POST", f"/workitems/{uid}?{lock}", progress).status_code == 200
        assert heard()[0] == 3
        reason = {"00741238": one("LT", "Ordered twice")}
        assert call("POST", f"/workitems/{uid}/cancelrequest", reason, manager).status_code == 202
        assert heard()[0] == 2
        done = {
            "00404028": one("SQ", {"00080100": one("SH", "PC1")}),
            "00404019": one("SQ", {"00080100": one("SH", "110005")}),
            "00404050": one("DT", "20260105080100"),
            "00404051": one("DT", "20260105080200"),
            "00404033": one("SQ", {"0020000D": one("UI", "2.25.5")}),
        }
        assert call("POST", f"/workitems/{uid}?{lock}", {"00741216": one("SQ", done)}).status_code == 200
        end = {"00741000": one("CS", "COMPLETED"), "00081195": one("UI", lock)}
        assert call("PUT", f"/workitems/{uid}/state", end).status_code == 200
        assert heard() == (1, "COMPLETED")
    assert call("GET", f"/workitems/{uid}", token=performer).json()[0]["00741000"]["Value"] == ["COMPLETED"]


images()
storing()
working()
