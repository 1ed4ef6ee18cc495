"""Asks a box as workstations and scanners do, with pynetdicom, and says what came as JSON.

    ask_archive.py PORT find    CHARSET NAME        studies of patients called NAME
    ask_archive.py PORT get     STUDY FOLDER        fetches a study by C-GET
    ask_archive.py PORT list    CHARSET NAME DATE   worklist
    ask_archive.py PORT perform STUDY IMAGE...      a performed step from begin to end, and what must be refused
"""

import json
import sys
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

IMAGES = [CTImageStorage, DigitalXRayImageStorageForPresentation]


def associate(port, contexts, **more):
    ae = AE(ae_title="DCMTK")
    for uid, syntaxes in contexts:
        ae.add_requested_context(uid, syntaxes)
    association = ae.associate("127.0.0.1", port, ae_title="BAREFOOT", **more)
    assert association.is_established, "no association"
    return association


def statuses_and_answers(responses):
    statuses, answers = [], []
    for status, identifier in responses:
        statuses.append(status.Status if "Status" in status else None)
        if identifier is not None:
            answers.append(identifier)
    return statuses, answers


def find(port, charset, name):
    both = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]
    model = StudyRootQueryRetrieveInformationModelFind
    patients = PatientRootQueryRetrieveInformationModelFind
    association = associate(port, [(model, both), (patients, both)])
    said = {}

    def ask(model, level, **keys):
        query = Dataset()
        query.SpecificCharacterSet = charset
        query.QueryRetrieveLevel = level
        for key, value in keys.items():
            setattr(query, key, value)
        statuses, answers = statuses_and_answers(association.send_c_find(query, model))
        return statuses[-1], answers

    wanted = dict(StudyInstanceUID="", StudyDate="", NumberOfStudyRelatedInstances="", ModalitiesInStudy="")
    status, answers = ask(model, "STUDY", PatientName=name, **wanted)
    said["status"] = status
    said["charsets"] = sorted({str(answer.get("SpecificCharacterSet", "")) for answer in answers})
    said["studies"] = [
        {
            "uid": answer.StudyInstanceUID,
            "name": str(answer.PatientName),
            "instances": int(answer.NumberOfStudyRelatedInstances),
            "retrieve": answer.RetrieveAETitle,
        }
        for answer in answers
    ]
    status, answers = ask(patients, "PATIENT", PatientName=name, PatientID="", NumberOfPatientRelatedStudies="")
    said["patients"] = [int(answer.NumberOfPatientRelatedStudies) for answer in answers]
    if said["studies"]:
        study = said["studies"][0]["uid"]
        _, series = ask(model, "SERIES", StudyInstanceUID=study, SeriesInstanceUID="", Modality="")
        uid = series[0].SeriesInstanceUID
        _, images = ask(
            model, "IMAGE", StudyInstanceUID=study, SeriesInstanceUID=uid, SOPInstanceUID="", Rows=None
        )
        said["images"] = [[image.SOPInstanceUID, image.Rows] for image in images]
    said["without the study"], _ = ask(model, "SERIES", SeriesInstanceUID="")
    association.release()
    return said


def get(port, study, folder):
    def store(event):
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        dataset.save_as(Path(folder) / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
        return 0x0000

    # Images go out in a syntax they were not sent in.
    contexts = [(StudyRootQueryRetrieveInformationModelGet, [ExplicitVRLittleEndian])]
    contexts += [(uid, [ImplicitVRLittleEndian]) for uid in IMAGES]
    association = associate(
        port,
        contexts,
        ext_neg=[build_role(uid, scp_role=True) for uid in IMAGES],
        evt_handlers=[(evt.EVT_C_STORE, store)],
    )
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = study
    last = None
    for status, _ in association.send_c_get(query, StudyRootQueryRetrieveInformationModelGet):
        last = status
    association.release()
    return {
        "status": last.Status,
        "completed": last.NumberOfCompletedSuboperations,
        "failed": last.NumberOfFailedSuboperations,
    }


def worklist(port, charset, name, date):
    association = associate(port, [(ModalityWorklistInformationFind, [ImplicitVRLittleEndian])])
    query = Dataset()
    query.SpecificCharacterSet = charset
    query.PatientName = name
    query.PatientID = ""
    query.AccessionNumber = ""
    query.StudyInstanceUID = ""
    step = Dataset()
    step.Modality = "DX"
    step.ScheduledStationAETitle = "DCMTK"
    step.ScheduledProcedureStepStartDate = date
    step.ScheduledProcedureStepDescription = ""
    query.ScheduledProcedureStepSequence = [step]
    statuses, answers = statuses_and_answers(
        association.send_c_find(query, ModalityWorklistInformationFind)
    )
    association.release()
    return {
        "status": statuses[-1],
        "orders": [
            {
                "name": str(answer.PatientName),
                "study": answer.StudyInstanceUID,
                "accession": answer.AccessionNumber,
                "charset": answer.SpecificCharacterSet,
                "description": answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepDescription,
            }
            for answer in answers
        ],
    }


def perform(port, study, *images):
    association = associate(port, [(ModalityPerformedProcedureStep, [ExplicitVRLittleEndian])])
    uid = generate_uid()

    def status(outcome):
        return outcome[0].Status, outcome[0].get("ErrorID")

    def create(state, uid=uid):
        step = Dataset()
        step.PerformedProcedureStepStatus = state
        step.PerformedProcedureStepID = "S1"
        step.Modality = "DX"
        scheduled = Dataset()
        scheduled.StudyInstanceUID = study
        step.ScheduledStepAttributesSequence = [scheduled]
        step.PerformedSeriesSequence = []
        return status(association.send_n_create(step, ModalityPerformedProcedureStep, uid))

    def change(state, uid=uid):
        step = Dataset()
        step.PerformedProcedureStepStatus = state
        series = Dataset()
        series.SeriesInstanceUID = "1.2.3"
        series.ReferencedImageSequence = []
        for image in images:
            reference = Dataset()
            reference.ReferencedSOPClassUID = DigitalXRayImageStorageForPresentation
            reference.ReferencedSOPInstanceUID = image
            series.ReferencedImageSequence.append(reference)
        step.PerformedSeriesSequence = [series]
        return status(association.send_n_set(step, ModalityPerformedProcedureStep, uid))

    said = {
        "begins completed": create("COMPLETED"),
        "unknown": change("COMPLETED", generate_uid()),
        "created": create("IN PROGRESS"),
        "again": create("IN PROGRESS"),
        "completed": change("COMPLETED"),
        "changed after": change("DISCONTINUED"),
    }
    association.release()
    return said


def main():
    port, what, *more = sys.argv[1:]
    tasks = {"find": find, "get": get, "list": worklist, "perform": perform}
    print(json.dumps(tasks[what](int(port), *more)))


main()
