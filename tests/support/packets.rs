//! A line that carries real packets: the kernel's own TCP runs over latency, loss and bandwidth, and every byte of every
//! layer is counted.
//!
//! The clinic lives in a network namespace. Two TUN devices, one on each side, end in this program, which carries the
//! packets between them. A second pair of devices, as good as a bench, lets the test reach the clinic's pages. Needs root,
//! iproute2 and `/dev/net/tun`; where these are missing, [`crate::line`] serves.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_tun::Tun;

use crate::line::Quality;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot make a TUN device: it needs root and /dev/net/tun")]
    Device { source: tokio_tun::Error },
    #[error("`ip {what}` failed: {said}")]
    Ip { what: String, said: String },
}

/// What went onto the line in one direction, headers of IP and above included. A meter counts what gets lost on its way,
/// not what found the buffer full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    pub bytes: u64,
    pub packets: u64,
    /// Of these.
    pub lost: u64,
    /// Before the line: the buffer was full.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Counter {
    bytes: AtomicU64,
    packets: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
}

impl Counter {
    fn count(&self, bytes: usize, fate: Fate) {
        if fate == Fate::Dropped {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if fate == Fate::Lost {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn passed(&self) -> Passed {
        Passed {
            bytes: self.bytes.load(Ordering::Relaxed),
            packets: self.packets.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

/// A router's buffer: what waits for the bandwidth longer than this is dropped.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Larger than any packet of ours.
const LARGEST_PACKET: usize = 2048;

/// Goes, with its devices and its namespace, when dropped.
#[derive(Debug)]
pub struct PacketLine {
    namespace: String,
    quality: Arc<Mutex<Quality>>,
    up: Arc<Counter>,
    down: Arc<Counter>,
    pumps: [JoinHandle<()>; 2],
}

impl PacketLine {
    /// Where the clinic finds the hub.
    pub const HUB: Ipv4Addr = Ipv4Addr::new(10, 177, 0, 1);
    /// The clinic's end of the line.
    pub const CLINIC: Ipv4Addr = Ipv4Addr::new(10, 177, 0, 2);
    /// Where the test finds the clinic's pages.
    pub const PAGES: Ipv4Addr = Ipv4Addr::new(10, 178, 0, 2);

    /// One at a time on a machine: the addresses are fixed.
    ///
    /// # Errors
    /// When the machine does not allow it.
    pub async fn start(quality: Quality) -> Result<Self, Error> {
        let namespace = format!("barefoot-{}", std::process::id());
        // Of one that was killed.
        let _ = ip(&["link", "delete", "barefoot-page"]);
        let near = device("barefoot-hub", Self::HUB, Self::CLINIC)?;
        let far = device("barefoot-box", Self::CLINIC, Self::HUB)?;
        ip(&["netns", "add", &namespace])?;
        let quality = Arc::new(Mutex::new(quality));
        let (up, down) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let (near, far) = (Arc::new(near), Arc::new(far));
        let pump = |from: &Arc<Tun>, to: &Arc<Tun>, counter: &Arc<Counter>| {
            tokio::spawn(carry(
                Arc::clone(from),
                Arc::clone(to),
                Arc::clone(&quality),
                Arc::clone(counter),
            ))
        };
        let pumps = [pump(&far, &near, &up), pump(&near, &far, &down)];
        let line = Self {
            namespace,
            quality,
            up,
            down,
            pumps,
        };
        line.connect()?;
        Ok(line)
    }

    fn connect(&self) -> Result<(), Error> {
        let there = self.namespace.as_str();
        let hub = Self::HUB.to_string();
        let clinic = format!("{}/32", Self::CLINIC);
        ip(&["link", "set", "barefoot-box", "netns", there])?;
        ip(&["-n", there, "link", "set", "lo", "up"])?;
        ip(&[
            "-n",
            there,
            "addr",
            "add",
            &clinic,
            "peer",
            &hub,
            "dev",
            "barefoot-box",
        ])?;
        ip(&["-n", there, "link", "set", "barefoot-box", "up"])?;
        ip(&[
            "link",
            "add",
            "barefoot-page",
            "type",
            "veth",
            "peer",
            "name",
            "pages",
            "netns",
            there,
        ])?;
        ip(&["addr", "add", "10.178.0.1/30", "dev", "barefoot-page"])?;
        ip(&["link", "set", "barefoot-page", "up"])?;
        let pages = format!("{}/30", Self::PAGES);
        ip(&["-n", there, "addr", "add", &pages, "dev", "pages"])?;
        ip(&["-n", there, "link", "set", "pages", "up"])
    }

    /// What a command begins with so that its process lives in the clinic.
    #[must_use]
    pub fn in_clinic(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.namespace].map(str::to_owned).into()
    }

    pub fn set(&self, quality: Quality) {
        *self.quality.lock().unwrap_or_else(PoisonError::into_inner) = quality;
    }

    /// From the clinic to the hub.
    #[must_use]
    pub fn up(&self) -> Passed {
        self.up.passed()
    }

    /// From the hub to the clinic.
    #[must_use]
    pub fn down(&self) -> Passed {
        self.down.passed()
    }
}

impl Drop for PacketLine {
    fn drop(&mut self) {
        for pump in &self.pumps {
            pump.abort();
        }
        // The devices go with the namespace and with this program.
        let _ = ip(&["link", "delete", "barefoot-page"]);
        let _ = ip(&["netns", "delete", &self.namespace]);
    }
}

fn device(name: &str, here: Ipv4Addr, there: Ipv4Addr) -> Result<Tun, Error> {
    let built = Tun::builder()
        .name(name)
        .mtu(1500)
        .address(here)
        .destination(there)
        .up()
        .close_on_exec()
        .build();
    let devices = built.map_err(|source| Error::Device { source })?;
    // One queue was asked for.
    devices.into_iter().next().ok_or_else(|| Error::Ip {
        what: format!("tuntap add {name}"),
        said: "no device".to_owned(),
    })
}

fn ip(arguments: &[&str]) -> Result<(), Error> {
    let failed = |said: String| Error::Ip {
        what: arguments.join(" "),
        said,
    };
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// Takes packets as they come, and gives each on when its time has come.
async fn carry(from: Arc<Tun>, to: Arc<Tun>, quality: Arc<Mutex<Quality>>, counter: Arc<Counter>) {
    let mut router = Router::default();
    let mut buffer = vec![0; LARGEST_PACKET];
    loop {
        let next = router.next_arrival();
        tokio::select! {
            received = from.recv(&mut buffer) => {
                let Ok(length) = received else { return };
                let quality = *quality.lock().unwrap_or_else(PoisonError::into_inner);
                let packet = buffer.get(..length).unwrap_or_default();
                counter.count(length, router.take(Instant::now(), packet, &quality, rand::random()));
            }
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                while let Some(packet) = router.give(Instant::now()) {
                    // A device that takes nothing at the moment loses packets, as a network does.
                    let _ = to.send(&packet).await;
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    OnItsWay,
    Lost,
    Dropped,
}

/// One direction: packets in order, each with the time of its arrival.
#[derive(Debug, Default)]
struct Router {
    free: Option<Instant>,
    on_the_way: VecDeque<(Instant, Vec<u8>)>,
}

impl Router {
    /// The packet is lost by `chance`, 0 to 1, and dropped when too much waits already.
    fn take(&mut self, now: Instant, packet: &[u8], quality: &Quality, chance: f64) -> Fate {
        let begins = self.free.map_or(now, |free| free.max(now));
        if LONGEST_WAIT < begins.duration_since(now) {
            return Fate::Dropped;
        }
        // What is lost later on has kept the line busy all the same.
        let sent = begins + quality.takes(packet.len());
        self.free = Some(sent);
        if chance < quality.loss {
            return Fate::Lost;
        }
        self.on_the_way
            .push_back((sent + quality.latency, packet.to_vec()));
        Fate::OnItsWay
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.on_the_way.front().map(|(arrives, _)| *arrives)
    }

    fn give(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.on_the_way
            .pop_front_if(|(arrives, _)| *arrives <= now)
            .map(|(_, packet)| packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUALITY: Quality = Quality {
        latency: Duration::from_millis(150),
        bandwidth: Some(8_000),
        loss: 0.03,
    };

    #[test]
    fn a_packet_waits_for_the_bandwidth_and_the_latency() {
        let now = Instant::now();
        let mut router = Router::default();
        assert_eq!(router.take(now, &[0; 100], &QUALITY, 1.0), Fate::OnItsWay);
        assert_eq!(router.take(now, &[1; 100], &QUALITY, 1.0), Fate::OnItsWay);
        assert_eq!(router.next_arrival(), Some(now + Duration::from_millis(250)));
        assert_eq!(router.give(now + Duration::from_millis(249)), None);
        assert_eq!(router.give(now + Duration::from_millis(250)), Some(vec![0; 100]));
        assert_eq!(router.next_arrival(), Some(now + Duration::from_millis(350)));
    }

    #[test]
    fn packets_are_lost_by_chance_and_when_too_many_wait() {
        let now = Instant::now();
        let mut router = Router::default();
        assert_eq!(router.take(now, &[0; 100], &QUALITY, 0.0), Fate::Lost);
        let taken = (0..50)
            .filter(|_| router.take(now, &[0; 100], &QUALITY, 1.0) == Fate::OnItsWay)
            .count();
        assert_eq!(
            taken, 10,
            "the lost one kept the line busy for its tenth of a second"
        );
    }
}
