//! What the queue takes, and what it keeps free.

use std::time::{Duration, SystemTime};

use barefoot_queue::{Config, Draft, Error, Lane, Queue};

fn check_full(result: Result<u64, Error>, what: &str) {
    match result {
        Err(Error::Full { what: found, .. }) => assert_eq!(found, what),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flood_of_results_never_shuts_critical_ones_out() {
    let place = tempfile::tempdir().unwrap();
    let config = Config {
        max_records: 16,
        ..Config::default()
    };
    let queue = Queue::open(place.path(), config.clone()).unwrap();
    for number in 0..14 {
        let lane = [Lane::Reports, Lane::Results, Lane::Images][number % 3];
        queue.append(lane, &format!("routine-{number}"), b"x", 1).unwrap();
    }
    check_full(queue.append(Lane::Results, "one more", b"x", 1), "records");
    check_full(queue.append(Lane::Images, "one more", b"x", 1), "records");
    assert!(!queue.contains("one more").unwrap());
    queue.append(Lane::Results, "routine-3", b"x", 1).unwrap();
    for number in 0..2 {
        queue
            .append(Lane::Critical, &format!("critical-{number}"), b"x", 1)
            .unwrap();
    }
    check_full(queue.append(Lane::Critical, "critical-2", b"x", 1), "records");
    for number in 0..20 {
        queue
            .append(Lane::Telemetry, &format!("telemetry-{number}"), b"x", now_ms())
            .unwrap();
    }

    // What was set aside needs room as well, until a person decides.
    assert!(queue.set_aside("routine-0", "why").unwrap());
    check_full(queue.append(Lane::Results, "one more", b"x", 1), "records");
    drop(queue);
    let queue = Queue::open(place.path(), config).unwrap();
    check_full(queue.append(Lane::Results, "one more", b"x", 1), "records");
    assert_eq!(queue.receipts(&["routine-0", "critical-0"]).unwrap(), 2);
    queue.append(Lane::Results, "one more", b"x", 1).unwrap();
    queue.append(Lane::Critical, "critical-2", b"x", 1).unwrap();
    check_full(queue.append(Lane::Critical, "critical-3", b"x", 1), "records");
}

#[test]
fn bytes_are_counted_too_and_many_at_once_are_all_or_none() {
    let place = tempfile::tempdir().unwrap();
    let config = Config {
        max_bytes: 8_000,
        ..Config::default()
    };
    let queue = Queue::open(place.path(), config).unwrap();
    queue.append(Lane::Results, "a", &[1; 6_000], 1).unwrap();
    check_full(queue.append(Lane::Results, "b", &[1; 1_001], 1), "bytes");
    let payload = [1; 400];
    let drafts = ["c", "d", "e"].map(|id| Draft {
        lane: Lane::Reports,
        id,
        payload: &payload,
        now_ms: 1,
    });
    assert!(matches!(queue.append_many(&drafts), Err(Error::Full { .. })));
    assert_eq!(queue.depth().pending, 1, "none of the three");
    assert_eq!(queue.append_many(&drafts[..2]).unwrap().len(), 2);
    queue.append(Lane::Critical, "f", &[1; 1_200], 1).unwrap();
    check_full(queue.append(Lane::Critical, "g", &[1], 1), "bytes");
    assert_eq!(queue.depth().pending_bytes, 8_000);
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_millis() as u64
}

#[test]
fn telemetry_that_is_too_old_or_too_much_is_dropped() {
    let place = tempfile::tempdir().unwrap();
    let config = Config {
        telemetry_limit: 3,
        telemetry_max_age: Duration::from_secs(3600),
        ..Config::default()
    };
    let queue = Queue::open(place.path(), config.clone()).unwrap();
    let old = now_ms() - 2 * 3600 * 1000;
    queue.append(Lane::Telemetry, "old", b"x", old).unwrap();
    queue.append(Lane::Results, "result", b"x", old).unwrap();
    for number in 0..2 {
        queue
            .append(Lane::Telemetry, &format!("new-{number}"), b"x", now_ms())
            .unwrap();
    }
    let ids = |queue: &Queue| -> Vec<String> {
        let pending = queue.pending(9, |_| false).unwrap();
        pending.into_iter().map(|record| record.id).collect()
    };
    assert_eq!(ids(&queue), ["result", "new-0", "new-1"]);
    assert_eq!(queue.depth().telemetry_dropped, 1);
    let payloads: Vec<_> = (2..9).map(|number| format!("new-{number}")).collect();
    let drafts: Vec<_> = payloads
        .iter()
        .map(|id| Draft {
            lane: Lane::Telemetry,
            id,
            payload: b"x",
            now_ms: now_ms(),
        })
        .collect();
    queue.append_many(&drafts).unwrap();
    assert_eq!(ids(&queue), ["result", "new-6", "new-7", "new-8"]);
    assert_eq!(queue.depth().telemetry_dropped, 7);
    drop(queue);
    let queue = Queue::open(place.path(), config).unwrap();
    assert_eq!(ids(&queue), ["result", "new-6", "new-7", "new-8"]);
}
