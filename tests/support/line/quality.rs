//! How good a line is, and when what is sent over it arrives.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes of a connection in one packet (Ethernet's 1500 without the headers of IP and TCP).
pub(super) const SEGMENT: usize = 1448;

/// The least time until TCP sends a lost packet again (on Linux, whatever the line).
const SHORTEST_RESEND: Duration = Duration::from_millis(200);

/// How a line carries, the same in both directions. The default is as good as a bench.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// From one end to the other, one way.
    pub latency: Duration,
    /// Bits a second, all connections together; `None`: as fast as it goes.
    pub bandwidth: Option<u64>,
    /// The share of packets that are lost, 0 to 1.
    pub loss: f64,
}

impl Default for Quality {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            bandwidth: None,
            loss: 0.0,
        }
    }
}

impl Quality {
    /// A township's line on a bad day: 256 kbit/s, 300 ms there and back, three packets of a hundred lost.
    pub const TOWNSHIP: Self = Self {
        latency: Duration::from_millis(150),
        bandwidth: Some(256_000),
        loss: 0.03,
    };

    /// How long these bytes keep the line busy.
    pub(crate) fn takes(&self, bytes: usize) -> Duration {
        match self.bandwidth {
            Some(rate) if 0 < rate => Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64),
            _ => Duration::ZERO,
        }
    }

    /// What the receiver of a stream waits longer for a lost packet, where TCP finds out by time.
    fn stall(&self) -> Duration {
        SHORTEST_RESEND.max(self.latency * 4)
    }
}

/// One direction of a line: when it is free again.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    free: Option<Instant>,
    last_arrival: Option<Instant>,
}

impl Schedule {
    /// When a piece handed over at `now` arrives; `chance`, 0 to 1, decides whether it is lost the first time. Arrivals
    /// keep their order, as in a stream.
    pub(super) fn arrival(&mut self, now: Instant, bytes: usize, quality: &Quality, chance: f64) -> Instant {
        let sent = self.free.map_or(now, |free| free.max(now)) + quality.takes(bytes);
        self.free = Some(sent);
        let lost = chance < quality.loss;
        let stall = if lost { quality.stall() } else { Duration::ZERO };
        let arrives = sent + quality.latency + stall;
        let arrives = self.last_arrival.map_or(arrives, |last| last.max(arrives));
        self.last_arrival = Some(arrives);
        arrives
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THIN: Quality = Quality {
        latency: Duration::from_millis(100),
        bandwidth: Some(8_000),
        loss: 0.5,
    };

    #[test]
    fn pieces_queue_for_the_bandwidth_and_share_the_latency() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        let after = |instant: Instant| instant.duration_since(now).as_millis();
        assert_eq!(after(schedule.arrival(now, 100, &THIN, 1.0)), 200);
        assert_eq!(after(schedule.arrival(now, 100, &THIN, 1.0)), 300);
        let later = now + Duration::from_secs(1);
        assert_eq!(after(schedule.arrival(later, 100, &THIN, 1.0)), 1_200);
    }

    #[test]
    fn a_lost_piece_stalls_what_comes_after_it() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        let first = schedule.arrival(now, 100, &THIN, 0.0);
        assert_eq!(first.duration_since(now).as_millis(), 600);
        assert_eq!(schedule.arrival(now, 100, &THIN, 1.0), first);
    }

    #[test]
    fn a_bench_delays_nothing() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        for _ in 0..3 {
            assert_eq!(schedule.arrival(now, 1_000_000, &Quality::default(), 0.0), now);
        }
    }
}
