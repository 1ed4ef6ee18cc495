//! A segment of the queue's log: any bytes are read to their end, and what is found fits into them.

use barefoot_queue::inspection::inspect;

pub(crate) fn check(bytes: &[u8]) {
    let found = inspect(1, bytes);
    let entries = found.records + found.other_entries + found.damaged_entries;
    // The smallest entry has a fixed part of 32 bytes.
    assert!(32 * entries <= bytes.len());
    assert!(found.payload_bytes <= bytes.len() as u64);
    // Between two unreadable stretches there is an entry.
    assert!(found.unreadable <= entries + 1);
}
