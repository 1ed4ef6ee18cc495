"""Makes a region's list long: many cases like the first one, in the hub's own database while the hub is stopped.

seed.py DATABASE NUMBER OPEN — so many cases, of which so many wait for a reader; the others are read.
"""

import random
import sqlite3
import sys
import time

path, number, waiting = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
db = sqlite3.connect(path)
db.row_factory = sqlite3.Row
pick = random.Random(6)
now = int(time.time() * 1000)
hour = 3_600_000


def columns(table):
    return [row["name"] for row in db.execute(f"PRAGMA table_info({table})")]


def insert(table, rows):
    names = columns(table)
    places = ", ".join("?" * len(names))
    db.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})",
        ([row[name] for name in names] for row in rows),
    )


first = dict(db.execute("SELECT * FROM cases ORDER BY number LIMIT 1").fetchone())
result = dict(db.execute("SELECT * FROM results ORDER BY number DESC LIMIT 1").fetchone())
envelope = dict(db.execute("SELECT * FROM envelopes WHERE id = ?", (result["envelope_id"],)).fetchone())
last = db.execute("SELECT MAX(number) FROM cases").fetchone()[0]
findings = [dict(row) for row in db.execute("SELECT * FROM findings WHERE result = ?", (result["number"],))]

for one in range(1, number + 1):
    clinic = f"clinic-{pick.randrange(200) + 100}"
    name = f"2.25.{one}"
    envelope_id = f"{one:026d}"
    urgency = 2 if pick.random() < 0.02 else 1
    insert("envelopes", [envelope | {"clinic": clinic, "id": envelope_id}])
    own = {"number": result["number"] + one, "clinic": clinic, "case_id": name, "envelope_id": envelope_id}
    insert("results", [result | own | {"urgency": urgency}])
    insert("findings", [row | {"result": own["number"]} for row in findings])
    modality, kind = pick.choice([("DX", "radiography"), ("CR", "radiography"), ("CT", "ct"), ("US", "ultrasound")])
    case = first | {
        "number": last + one, "clinic": clinic, "case_id": name, "urgency": urgency,
        "modality": modality, "kind": kind, "detected_at_ms": now - pick.randrange(48 * hour),
        "due_ms": now + 24 * hour + pick.randrange(48 * hour),
    }
    if one <= waiting:
        case |= {"wake_ms": case["due_ms"]}
    else:
        case |= {"state": "read", "signed_at_ms": now - pick.randrange(300 * 24 * hour), "wake_ms": None}
    insert("cases", [case])
# Programs are not told of these: what the hub does once for each new case is not what a reader waits for.
db.execute("DELETE FROM case_workitems_pending")
db.execute("UPDATE triage_mark SET number = (SELECT MAX(number) FROM results)")
db.commit()
print(db.execute("SELECT COUNT(*) FROM cases").fetchone()[0])
