//! What can be asked of the queue.

use tokio::sync::watch;

use super::Queue;
use crate::damage::{Damage, Flaw};
use crate::group::Action;
use crate::picking::Picking;
use crate::reading::Reading;
use crate::{Depth, Error, Lane, Record, SetAside};

impl Queue {
    /// Up to `limit` records that wait, without those whose sequence `skip` holds back; each lane in sequence.
    /// [`Lane::Critical`] comes first; the others share by weight: of 20 bytes 8 are reports, 8 results, 3 images and 1
    /// telemetry, where all of them wait. What is held back counts as sent. Telemetry that is too old is dropped.
    ///
    /// # Errors
    /// When the log cannot be read. A damaged record is passed over, reported by [`Queue::damage`] and forgotten.
    pub fn pending(&self, limit: usize, skip: impl Fn(u64) -> bool) -> Result<Vec<Record>, Error> {
        self.pending_of(&Lane::ALL, limit, skip)
    }

    /// The same of some lanes only, for senders that share the queue.
    ///
    /// # Errors
    /// As [`Queue::pending`].
    pub fn pending_of(
        &self,
        lanes: &[Lane],
        limit: usize,
        skip: impl Fn(u64) -> bool,
    ) -> Result<Vec<Record>, Error> {
        self.check_running()?;
        if lanes.contains(&Lane::Telemetry) {
            self.expire_telemetry()?;
        }
        let shared = &*self.inner.shared;
        let mut picking = Picking::new(shared, lanes);
        let mut reading = Reading::new(&*shared.disk);
        let mut records = Vec::new();
        let mut flawed = Vec::new();
        while records.len() < limit {
            let Some((sequence, mut kept)) = picking.next(&skip) else {
                break;
            };
            loop {
                match reading
                    .record(sequence, &kept)
                    .map_err(|source| Error::Read { source })?
                {
                    Ok(record) => match self.uncovered(record) {
                        Some(record) => records.push(record),
                        None => {
                            shared.report(sequence, &kept.id, Flaw::Checksum);
                            flawed.push(sequence);
                        }
                    },
                    Err(flaw) => {
                        // It may have been receipted or moved while it was read.
                        let now = shared.ledger().get(sequence).cloned();
                        match now {
                            Some(now) if now.place != kept.place => {
                                kept = now;
                                continue;
                            }
                            Some(now) => {
                                shared.report(sequence, &now.id, flaw);
                                flawed.push(sequence);
                            }
                            None => {}
                        }
                    }
                }
                break;
            }
        }
        if !flawed.is_empty() {
            // Then it can be queued again from its source.
            self.commit(Action::Forget(flawed))?;
        }
        Ok(records)
    }

    /// Up to `limit` records that were set aside, in sequence.
    ///
    /// # Errors
    /// When the log cannot be read. A damaged record is passed over.
    pub fn set_aside_records(&self, limit: usize) -> Result<Vec<SetAside>, Error> {
        self.check_running()?;
        let shared = &*self.inner.shared;
        let aside: Vec<_> = {
            let ledger = shared.ledger();
            let sequences = ledger.set_aside().iter().take(limit);
            sequences
                .filter_map(|sequence| Some((*sequence, ledger.get(*sequence)?.clone())))
                .collect()
        };
        let mut reading = Reading::new(&*shared.disk);
        let mut records = Vec::new();
        for (sequence, mut kept) in aside {
            let mut read = reading.record(sequence, &kept);
            while let Ok(Err(_)) = &read {
                // It may have been moved while it was read.
                let now = shared.ledger().get(sequence).cloned();
                match now {
                    Some(now) if now.place != kept.place => kept = now,
                    _ => break,
                }
                read = reading.record(sequence, &kept);
            }
            let read = read.map_err(|source| Error::Read { source })?;
            if let (Some(record), Some(aside)) = (read.ok().and_then(|read| self.uncovered(read)), kept.aside)
            {
                records.push(SetAside {
                    record,
                    reason: aside.reason.to_string(),
                    refusals: kept.refusals,
                    refused_at_ms: aside.refused_at_ms,
                });
            }
        }
        Ok(records)
    }

    fn uncovered(&self, mut record: Record) -> Option<Record> {
        if let Some(cover) = &self.cover {
            record.payload = cover.uncover(&record.id, record.payload).ok()?;
        }
        Some(record)
    }

    /// Whether a record with this id waits or was set aside.
    ///
    /// # Errors
    /// When the queue has stopped.
    pub fn contains(&self, id: &str) -> Result<bool, Error> {
        self.check_running()?;
        Ok(self.inner.shared.ledger().find(id).is_some())
    }

    /// How full the queue is.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.inner.shared.ledger().depth()
    }

    /// What was found damaged or missing at opening and since.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.inner.shared.damage().clone()
    }

    /// The newest sequence; changes whenever there is more to send than before. What was there before is not announced:
    /// look at [`Queue::pending`] first, then wait.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.inner.shared.changed.subscribe()
    }

    fn expire_telemetry(&self) -> Result<(), Error> {
        let age = u64::try_from(self.inner.config.telemetry_max_age.as_millis()).unwrap_or(u64::MAX);
        let before_ms = (self.inner.clock)().saturating_sub(age);
        let is_due = {
            let ledger = self.inner.shared.ledger();
            let first = ledger.waiting(Lane::Telemetry).first();
            let first = first.and_then(|sequence| ledger.get(*sequence));
            first.is_some_and(|kept| kept.queued_at_ms < before_ms)
        };
        if is_due {
            self.commit(Action::Expire { before_ms })?;
        }
        Ok(())
    }
}
