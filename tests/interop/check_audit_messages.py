"""Holds DICOM audit messages, one a line, against the standard's grammar, and what its tables demand (PS3.15 A.5.1, A.5.3).

Prints what each message says: its event, our word for it, its entry's number.
"""

import sys
from pathlib import Path

from lxml import etree

GRAMMAR = Path(__file__).with_name("audit_message.rng")
# Role of who must be there.
ROLES = {
    "110100": {"110150"},
    "110102": {"110152", "110153"},
    "110104": {"110152", "110153"},
    "110106": {"110153", "110154"},
    "110107": {"110152", "110155"},
    "110112": {"110152", "110153"},
}
# Which actions an event may have.
ACTIONS = {
    "110100": "E",
    "110101": "R",
    "110102": "E",
    "110103": "CRUD",
    "110104": "CRU",
    "110105": "D",
    "110106": "R",
    "110107": "C",
    "110108": "E",
    "110112": "E",
    "110113": "E",
    "110114": "E",
}


def main():
    grammar = etree.RelaxNG(etree.parse(GRAMMAR))
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        begin = line.find("<AuditMessage>")
        if begin < 0:
            continue
        message = etree.fromstring(line[begin:].encode())
        if not grammar.validate(message):
            sys.exit(f"{grammar.error_log}\n{line}")
        event = message.find("EventIdentification")
        code = event.find("EventID").get("csd-code")
        word = next(
            kind.get("csd-code")
            for kind in event.findall("EventTypeCode")
            if kind.get("codeSystemName") == "99BAREFOOT"
        )
        roles = {role.get("csd-code") for role in message.iter("RoleIDCode")}
        if not ROLES.get(code, set()) <= roles:
            sys.exit(f"{word} ({code}) lacks a role, it has {roles}\n{line}")
        if event.get("EventActionCode") not in ACTIONS.get(code, "CRUDE"):
            sys.exit(f"{word} ({code}) has an action that the standard does not know\n{line}")
        kinds = [kind.get("csd-code") for kind in event.findall("EventTypeCode")]
        if code in ("110100", "110108", "110113", "110114") and len(kinds) < 2:
            sys.exit(f"{word} ({code}) says not what kind of it\n{line}")
        objects = [thing.get("ParticipantObjectID") for thing in message.findall("ParticipantObjectIdentification")]
        number = objects[-1].rsplit(":", 1)[1]
        source = message.find("AuditSourceIdentification").get("AuditSourceID")
        print(source, number, code, word, event.get("EventOutcomeIndicator"))


main()
