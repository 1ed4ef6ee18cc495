"""A storage node with moods. Arguments: port, log file, then the status of each C-STORE in turn (hexadecimal); the last
one stays. Each instance is logged as a line: its SOP Instance UID, its transfer syntax, SHA-256 of its data set, the
status it got."""

import hashlib
import sys

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt

PORT, LOG, STATUSES = int(sys.argv[1]), sys.argv[2], [int(text, 16) for text in sys.argv[3:]] or [0]


def store(event):
    status = STATUSES.pop(0) if 1 < len(STATUSES) else STATUSES[0]
    digest = hashlib.sha256(event.request.DataSet.getvalue()).hexdigest()
    uid = event.request.AffectedSOPInstanceUID
    with open(LOG, "a", encoding="ascii") as log:
        log.write(f"{uid} {event.context.transfer_syntax} {digest} {status:04X}\n")
    return status


node = AE(ae_title="MOODY")
for context in AllStoragePresentationContexts:
    node.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
node.start_server(("127.0.0.1", PORT), block=True, evt_handlers=[(evt.EVT_C_STORE, store)])
