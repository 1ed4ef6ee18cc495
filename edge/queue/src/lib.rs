//! Durable store-and-forward: what must reach the other side waits here until the other side says it has it.
//!
//! The queue knows bytes, ids and lanes. What a record means, whom it goes to and when to send it again is its user's
//! business.
//!
//! # Constraints
//!
//! - An append is answered when the record would survive a power cut, not before. So are receipts, refusals and whatever
//!   else changes the queue.
//! - A record leaves its lane only by a receipt, or by being set aside with a reason. The one exception is
//!   [`Lane::Telemetry`], which is bounded and drops its oldest records.
//! - Delivery is at least once. An id that the queue knows is never stored a second time; the receiver drops what it
//!   gets twice. What was receipted does not come back.
//! - A record is returned whole and checked, or not at all. What is damaged is reported ([`Queue::damage`]), and so is
//!   what a damaged disk has silently forgotten. The caller keeps the source to queue it again.
//! - Sequences start at 1 and never go back, also after everything is drained or the log was replaced. Gaps are allowed.
//! - Everything but telemetry has one budget of records and bytes ([`Config`]). Beyond it [`Error::Full`] is the answer and
//!   nothing is lost; an eighth of it is the critical lane's alone.
//! - Critical records are sent before everything else; the other lanes share by weight and none starves (`fair_share`).
//! - The disk holds at most a twentieth more than what the records need, and two segments of 4 MiB, as soon as nobody waits for
//!   the committer (`compaction`); the index comes on top, some 60 bytes a record, compressed.
//! - When a write fails, what was written of it is cut off and the queue goes on ([`Error::NotStored`]). When a sync fails
//!   nobody can say what is on disk: the queue answers [`Error::Stopped`] to everything until it is opened again.
//! - sled keeps the index and can lose nothing: its flush is not a sync, and a drained backlog stays on its disk. It may be
//!   missing, stale, damaged or slow; then the log is read instead.
//!
//! # On disk
//!
//! ```text
//! <directory>/
//!   lock        held by the process that has the queue open
//!   mark        two checksummed slots: sequences are reserved up to here; the first and the last entry that must be there
//!   log/        0000000000000001.seg ...: segments, numbered without a hole, removed oldest first
//!   index.<n>/  sled: by segment, the records it still holds
//!   store/      only before it is taken over: a queue of the time when sled held the records themselves
//! ```
//!
//! A segment is a header and entries (`log::segment`, `log::frame`). Every entry has a number without a gap, its place in
//! its group, and checksums for head and body. It holds a record, or says what became of one: gone, refused, set aside,
//! back. A group of entries is written at once and synced once; a segment is given its room beforehand, and its name is
//! synced before its first group.
//!
//! # A record's life
//!
//! 1. [`Queue::append`] commits it on the caller's thread when nobody else is there, otherwise hands it to the committer's
//!    thread and waits (`commits`). The committer takes what has gathered, turns it into one group, writes and syncs it,
//!    moves the mark, brings the ledger in step and answers everyone.
//! 2. [`Queue::changed`] tells the sender; [`Queue::pending`] asks the ledger whose turn it is and reads the log.
//! 3. [`Queue::receipt`] writes that it is gone. Or [`Queue::refused`] counts, until it is set aside; a person may say
//!    [`Queue::try_again`].
//! 4. A segment that holds no record any more is removed. One that holds few for long has them written again at the end.
//! 5. At the next [`Queue::open`] the index is believed as far as its checksums fit, and the log is read from there on; or
//!    the whole log is. A last group that is torn was never answered and is cut off. Damage anywhere else is passed over,
//!    counted by the missing numbers, reported, and noted in the log so that it is reported once.

mod config;
pub use config::Config;

mod cover;
pub use cover::Cover;

mod record;
pub use record::{Depth, Draft, Lane, Record, Refused, SetAside};

mod error;
pub use error::{Error, StoreError};

mod damage;
pub use damage::{Damage, DamagedRecord, Flaw};

mod queue;
pub use queue::{Opened, Queue};

mod opening;

mod recovery;

mod replay;

mod commits;

mod committer;

mod group;

mod compaction;

mod picking;

mod fair_share;

mod ledger;

mod reading;

mod log;

mod mark;

mod disk;

mod index;

mod takeover;

pub mod inspection;

#[cfg(test)]
mod tests;
