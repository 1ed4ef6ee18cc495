"""A queue in SQLite: FOLDER append|drain|churn|open PAYLOAD_BYTES RECORDS AT_ONCE [WAITING]. Prints figures as JSON."""

import json
import os
import sqlite3
import sys
import time


def connect(folder):
    db = sqlite3.connect(os.path.join(folder, "queue.db"), isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=full")
    db.execute(
        "create table if not exists queue"
        " (sequence integer primary key, id text unique, lane integer, queued_at integer, payload blob)"
    )
    return db


def put(db, start, count, at_once, payload):
    for begin in range(start, start + count, at_once):
        rows = [(f"01JD{n:022}", 2, 1, payload) for n in range(begin, min(begin + at_once, start + count))]
        db.execute("begin immediate")
        db.executemany("insert into queue (id, lane, queued_at, payload) values (?, ?, ?, ?)", rows)
        db.execute("commit")


def take(db, count, at_once):
    taken = 0
    while taken < count:
        rows = db.execute(
            "select sequence, id, payload from queue order by sequence limit ?", (min(at_once, count - taken),)
        ).fetchall()
        if not rows:
            break
        db.execute("begin immediate")
        db.executemany("delete from queue where id = ?", [(row[1],) for row in rows])
        db.execute("commit")
        taken += len(rows)
    return taken


def disk_mb(folder):
    names = [os.path.join(folder, name) for name in os.listdir(folder)]
    return sum(os.stat(name).st_blocks * 512 for name in names) / 1e6


def main():
    folder, what = sys.argv[1:3]
    payload_bytes, records, at_once, *waiting = map(int, sys.argv[3:])
    payload = os.urandom(payload_bytes)
    db = connect(folder)
    if what == "append":
        begun = time.monotonic()
        put(db, 0, records, at_once, payload)
        figures = {f"append_{at_once}_per_s": records / (time.monotonic() - begun)}
    elif what == "drain":
        put(db, 0, records, 1000, payload)
        begun = time.monotonic()
        assert take(db, records, at_once) == records
        figures = {"drain_per_s": records / (time.monotonic() - begun)}
    elif what == "churn":
        put(db, 0, waiting[0], 1000, payload)
        step = at_once * 16
        for begin in range(0, records, step):
            count = min(step, records - begin)
            put(db, waiting[0] + begin, count, at_once, payload)
            take(db, count, at_once)
        figures = {"churned_mb": disk_mb(folder)}
        take(db, waiting[0], at_once)
        figures["drained_mb"] = disk_mb(folder)
    else:
        put(db, 0, records, 1000, payload)
        db.close()
        figures = {"opened_mb": disk_mb(folder)}
        begun = time.monotonic()
        db = connect(folder)
        assert db.execute("select id from queue order by sequence limit 1").fetchone()
        figures["open_ms"] = (time.monotonic() - begun) * 1000
    print(json.dumps(figures))


main()
