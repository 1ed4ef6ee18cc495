//! How this box is, for the hub: a small record now and then, only while there is a line.

use std::time::Instant;

use barefoot_queue::{Lane, Queue};
use barefoot_wire::{health_envelope, v1};
use prost::Message;
use ulid::Ulid;

use super::Link;
use crate::clock::now_ms;

/// Queues a fresh record in place of those that still wait: only the newest counts. Waits for the disk.
pub(super) fn queue(link: &Link, session: u64) -> Result<(), barefoot_queue::Error> {
    for old in link.queue.pending_of(&[Lane::Telemetry], 64, |_| false)? {
        link.queue.receipt(&old.id)?;
    }
    let id = Ulid::generate().to_string();
    let mut envelope = health_envelope(id.clone(), &link.clinic, &health(link, session));
    envelope.sent_at_ms = now_ms();
    let now = u64::try_from(now_ms()).unwrap_or_default();
    link.queue
        .append(Lane::Telemetry, &id, &envelope.encode_to_vec(), now)?;
    Ok(())
}

fn health(link: &Link, session: u64) -> v1::BoxHealth {
    let status = &link.status;
    let (depth, waiting) = (status.queue_depth(), status.waiting());
    let disk = rustix::fs::statvfs(&link.state);
    let (free, total) = disk.map_or((0, 0), |disk| {
        (
            disk.f_bavail.saturating_mul(disk.f_frsize),
            disk.f_blocks.saturating_mul(disk.f_frsize),
        )
    });
    v1::BoxHealth {
        session,
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: link.started.elapsed().as_secs(),
        lane: lanes(&link.queue),
        oldest_ms: waiting
            .oldest_queued_at_ms
            .and_then(|queued| u64::try_from(now_ms()).ok()?.checked_sub(queued))
            .unwrap_or_default(),
        set_aside: depth.set_aside,
        disk_free_bytes: free,
        disk_total_bytes: total,
        model: status.model().model.unwrap_or_default(),
        images_stored: status.stored(),
        quarantined: status.quarantined(),
    }
}

fn lanes(queue: &Queue) -> Vec<v1::LaneDepth> {
    let depth = queue.depth();
    let names = crate::status::LANES.into_iter();
    names
        .map(|(lane, name)| v1::LaneDepth {
            lane: name.to_owned(),
            pending: depth.of(lane),
        })
        .collect()
}

/// When the next record is due.
#[derive(Debug)]
pub(super) struct Schedule {
    due: Option<Instant>,
}

impl Schedule {
    /// The first at once; never, where the site wants none.
    pub(super) fn new(link: &Link, now: Instant) -> Self {
        Self {
            due: (link.config.health_interval_s != 0).then_some(now),
        }
    }

    /// Whether one is due; the next is then counted from now.
    pub(super) fn is_due(&mut self, link: &Link, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = Some(now + link.config.health_interval());
        }
        is_due
    }
}
