//! Durable store-and-forward: what must reach the other side waits here until the other side says it has it.
//!
//! The queue knows bytes, ids and lanes. What a record means, whom it goes to and when to send it again is its user's
//! business.
//!
//! # Constraints
//!
//! - An append is answered when the record would survive a power cut, not before.
//! - A record leaves its lane only by a receipt, or by being set aside with a reason. The one exception is
//!   [`Lane::Telemetry`], which is bounded and drops its oldest records.
//! - Delivery is at least once. An id that the queue knows is never stored a second time; the receiver drops what it
//!   gets twice.
//! - A record is returned whole and checked, or not at all. What is damaged is reported ([`Queue::damage`]), and so is
//!   what a damaged store has silently forgotten. The caller keeps the source to queue it again.
//! - Sequences start at 1 and never go back, also after everything is drained or the store was replaced. Gaps are
//!   allowed.
//! - The store's own flush is not a sync: after `sled`'s flush we `fdatasync` its file ourselves. Only that, with
//!   values of at most 4 KiB and small commits, was seen to survive power cuts; so records are cut into parts and a
//!   commit holds at most 16 actions and, unless one record alone is larger, 128 KiB.
//! - When a commit fails nobody can say what is on disk. The queue then answers [`Error::Stopped`] to everything until
//!   it is opened again.
//!
//! # On disk
//!
//! ```text
//! <directory>/
//!   lock     held by the process that has the queue open
//!   mark     two checksummed slots: sequences are reserved up to here, commits were made up to here
//!   store/   sled: conf, db, snap.*, blobs/
//! ```
//!
//! One sled tree holds everything, because only then a commit is atomic:
//!
//! ```text
//! m                                     meta: commits, next sequence, records in lanes, records set aside
//! i <id>                                index: place, sequence, parts, payload bytes
//! r <place u8> <sequence u64> <part u16>   one part of a record, numbers big-endian so that keys sort in send order
//! ```
//!
//! The place of a record is its lane (0 to 4) or 255 when it was set aside. Every value is
//! `format u8, CRC-32 u32, body`, and the CRC covers key and body, so that a value in a wrong place is no value. Part 0
//! begins with the record's head (lane, time, lengths, id, reason); the payload runs on through the parts.
//!
//! # A record's life
//!
//! 1. [`Queue::append`] hands it to the one committer thread and waits. The committer takes what has gathered, gives
//!    sequences, writes parts, index and meta as one sled batch, flushes, syncs, moves the mark and answers everyone.
//! 2. [`Queue::changed`] tells the sender, [`Queue::pending`] gives records in lane order, then in sequence.
//! 3. [`Queue::receipt`] deletes parts and index in a commit of the same kind; or [`Queue::set_aside`] moves the
//!    record out of the lanes and keeps it with the reason.
//! 4. At the next [`Queue::open`] every record is read and checked once, and the counts are compared with the meta
//!    record and the mark. Damaged records are reported and removed. A store that does not open at all is moved away
//!    by [`Queue::open_or_set_aside`] and only by it.

mod config;
pub use config::Config;

mod record;
pub use record::{Depth, Lane, Record, SetAside};

mod error;
pub use error::{Error, StoreError};

mod queue;
pub use queue::{Opened, Queue};

mod opening;

mod committer;

mod draft;

mod ledger;

mod survey;
pub use survey::{Damage, DamagedRecord, Flaw};

mod reading;

mod layout;

mod mark;

mod store;

#[cfg(test)]
mod tests;
