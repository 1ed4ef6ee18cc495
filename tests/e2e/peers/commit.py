"""Asks for storage commitment. Arguments: the box's port, `here` (waits for the report on the same association) or the
port on which the report is awaited, then pairs of SOP class and instance. Prints the report as JSON."""

import json
import sys
import threading

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel as MODEL

BOX, WHERE, REFERENCES = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
INSTANCE = "1.2.840.10008.1.20.1.1"
arrived, reports = threading.Event(), []


def report(event):
    data = event.event_information
    reports.append(
        {
            "type": event.request.EventTypeID,
            "transaction": data.TransactionUID,
            "kept": [item.ReferencedSOPInstanceUID for item in data.get("ReferencedSOPSequence", [])],
            "failed": {
                item.ReferencedSOPInstanceUID: item.FailureReason for item in data.get("FailedSOPSequence", [])
            },
        }
    )
    arrived.set()
    return 0x0000, None


handlers = [(evt.EVT_N_EVENT_REPORT, report)]
node = AE(ae_title="COMMIT")
node.add_requested_context(MODEL)
server = None
if WHERE != "here":
    node.add_supported_context(MODEL, scu_role=False, scp_role=True)
    server = node.start_server(("127.0.0.1", int(WHERE)), block=False, evt_handlers=handlers)
association = node.associate("127.0.0.1", BOX, ae_title="BAREFOOT", evt_handlers=handlers)
assert association.is_established, "no association"

request = Dataset()
request.TransactionUID = generate_uid()
request.ReferencedSOPSequence = []
for sop_class, instance in zip(REFERENCES[::2], REFERENCES[1::2]):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    request.ReferencedSOPSequence.append(item)
status, _ = association.send_n_action(request, 1, MODEL, INSTANCE)
assert status.Status == 0, hex(status.Status)
if server:
    association.abort()
assert arrived.wait(60), "no report"
if not server:
    association.release()
assert all(it["transaction"] == request.TransactionUID for it in reports)
print(json.dumps(reports[0]))
if server:
    server.shutdown()
