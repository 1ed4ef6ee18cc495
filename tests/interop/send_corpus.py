"""Sends files with pynetdicom, each over an association of its own, in its own transfer syntax.

Usage: send_corpus.py HOST PORT CALLING CALLED < FILES

FILES names one file a line. Prints one JSON object a line: {"status": n, "comment": text or null} or
{"not_sent": why}.
"""

import json
import logging
import sys
import warnings

import pydicom
from pynetdicom import AE, _config

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
# Any SOP class, private ones too.
_config.UNRESTRICTED_STORAGE_SERVICE = True


def send(path, host, port, calling, called):
    try:
        dataset = pydicom.dcmread(path)
    except Exception as error:
        return {"not_sent": f"cannot read the file ({type(error).__name__})"}
    meta = getattr(dataset, "file_meta", {})
    if "TransferSyntaxUID" not in meta or "SOPClassUID" not in dataset or "SOPInstanceUID" not in dataset:
        return {"not_sent": "no transfer syntax, SOP class or instance in the file"}
    ae = AE(ae_title=calling)
    try:
        ae.add_requested_context(dataset.SOPClassUID, meta.TransferSyntaxUID)
    except Exception as error:
        return {"not_sent": f"cannot propose it ({type(error).__name__})"}
    association = ae.associate(host, int(port), ae_title=called)
    if not association.is_established:
        return {"not_sent": "no association or presentation context"}
    try:
        answer = association.send_c_store(dataset)
    except Exception as error:
        return {"not_sent": f"cannot encode it ({type(error).__name__})"}
    finally:
        if association.is_established:
            association.release()
    if "Status" not in answer:
        return {"not_sent": "no answer"}
    return {"status": answer.Status, "comment": answer.get("ErrorComment")}


for line in sys.stdin:
    print(json.dumps(send(line.rstrip("\n"), *sys.argv[1:5])), flush=True)
