//! The township's line: a TCP proxy that can be slow, lossy and thin, cut, held, half-open, or a captive portal's.
//!
//! It needs no rights and carries TCP's bytes, not its packets: a lost packet shows as what the application sees of it,
//! a stall until TCP has sent it again. [`crate::packets`] carries real packets where the machine allows.

mod quality;
pub use quality::Quality;
use quality::{SEGMENT, Schedule};

mod portal;
pub use portal::Portal;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Seen from the clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Clinic to hub.
    Up,
    /// Hub to clinic.
    Down,
}

/// Bytes of the applications that passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    pub up: u64,
    pub down: u64,
}

/// Segments on their way in one direction of one connection: what a router would buffer before the sender is slowed.
const ON_THE_WAY: usize = 64;

#[derive(Debug, Clone, Copy, Default)]
struct State {
    cut: bool,
    hold_up: bool,
    hold_down: bool,
    quality: Quality,
    portal: Option<Portal>,
    /// Connections of an earlier number are stranded.
    generation: u64,
}

impl State {
    fn holds(&self, direction: Direction, generation: u64) -> bool {
        let held = match direction {
            Direction::Up => self.hold_up,
            Direction::Down => self.hold_down,
        };
        held || generation < self.generation
    }
}

/// What all connections share.
#[derive(Debug, Default)]
struct Road {
    up: Mutex<Schedule>,
    down: Mutex<Schedule>,
    carried_up: AtomicU64,
    carried_down: AtomicU64,
}

impl Road {
    /// When a piece that is ready now arrives.
    fn arrival(&self, direction: Direction, bytes: usize, quality: &Quality) -> Instant {
        let schedule = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        let mut schedule = schedule.lock().unwrap_or_else(PoisonError::into_inner);
        schedule.arrival(Instant::now(), bytes, quality, rand::random())
    }

    fn note(&self, direction: Direction, bytes: usize) {
        let counter = match direction {
            Direction::Up => &self.carried_up,
            Direction::Down => &self.carried_down,
        };
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct Line {
    /// What the clinic calls instead of the hub.
    pub address: SocketAddr,
    state: watch::Sender<State>,
    target: watch::Sender<String>,
    road: Arc<Road>,
    accepting: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Line {
    /// # Errors
    /// When no port can be had.
    pub async fn start(target: impl Into<String>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (state, watched) = watch::channel(State::default());
        let (target, called) = watch::channel(target.into());
        let road = Arc::new(Road::default());
        let accepting = tokio::spawn(accept(listener, called, watched, Arc::clone(&road)));
        Ok(Self {
            address,
            state,
            target,
            road,
            accepting,
        })
    }

    /// Where new connections lead: a hub that was restarted may stand at another port.
    pub fn lead_to(&self, target: impl Into<String>) {
        self.target.send_replace(target.into());
    }

    /// Ends every connection and refuses new ones.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut = true);
    }

    /// New connections pass again, in both directions, as good as on a bench. What was stranded stays so.
    pub fn restore(&self) {
        self.state.send_modify(|state| {
            *state = State {
                generation: state.generation,
                ..State::default()
            };
        });
    }

    /// Connections stand, but nothing passes in one direction until [`Line::release`].
    pub fn hold(&self, direction: Direction) {
        self.state.send_modify(|state| match direction {
            Direction::Up => state.hold_up = true,
            Direction::Down => state.hold_down = true,
        });
    }

    /// What was held passes now, in order.
    pub fn release(&self) {
        self.state.send_modify(|state| {
            state.hold_up = false;
            state.hold_down = false;
        });
    }

    /// From now on the line is this good, in both directions.
    pub fn set(&self, quality: Quality) {
        self.state.send_modify(|state| state.quality = quality);
    }

    /// Half-open: a router has forgotten the connections that stand now. They carry nothing any more, and nobody tells
    /// either end; new ones pass.
    pub fn strand(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    /// Whoever calls now reaches this portal instead of the hub, until [`Line::restore`]. Connections that stand end.
    pub fn capture(&self, portal: Portal) {
        self.state.send_modify(|state| state.portal = Some(portal));
    }

    /// What has passed since the start.
    #[must_use]
    pub fn carried(&self) -> Carried {
        Carried {
            up: self.road.carried_up.load(Ordering::Relaxed),
            down: self.road.carried_down.load(Ordering::Relaxed),
        }
    }
}

async fn accept(
    listener: TcpListener,
    target: watch::Receiver<String>,
    state: watch::Receiver<State>,
    road: Arc<Road>,
) {
    loop {
        let Ok((near, _)) = listener.accept().await else {
            return;
        };
        let now = *state.borrow();
        if now.cut {
            // Closed at once: the caller sees a line that is down.
            continue;
        }
        if let Some(portal) = now.portal {
            tokio::spawn(portal.answer(near));
            continue;
        }
        let target = target.borrow().clone();
        tokio::spawn(carry(near, target, state.clone(), Arc::clone(&road)));
    }
}

async fn carry(near: TcpStream, target: String, state: watch::Receiver<State>, road: Arc<Road>) {
    let generation = state.borrow().generation;
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let mut ended = state.clone();
    let lane = |direction| Lane {
        direction,
        generation,
        state: state.clone(),
        road: Arc::clone(&road),
    };
    tokio::select! {
        () = lane(Direction::Up).carry(near_in, far_out) => {}
        () = lane(Direction::Down).carry(far_in, near_out) => {}
        _ = ended.wait_for(|state| state.cut || state.portal.is_some()) => {}
    }
}

/// One direction of one connection.
struct Lane {
    direction: Direction,
    generation: u64,
    state: watch::Receiver<State>,
    road: Arc<Road>,
}

impl Lane {
    /// Returns when either side closed and all before it has arrived: the other direction then ends with it.
    async fn carry(self, from: OwnedReadHalf, to: OwnedWriteHalf) {
        let (sender, arriving) = mpsc::channel(ON_THE_WAY);
        let sending = self.send(from, sender);
        let (_, ()) = tokio::join!(sending, self.deliver(to, arriving));
    }

    async fn send(&self, mut from: OwnedReadHalf, sender: mpsc::Sender<(Instant, Vec<u8>)>) {
        let mut buffer = [0; SEGMENT];
        loop {
            let Ok(length @ 1..) = from.read(&mut buffer).await else {
                return;
            };
            let quality = self.state.borrow().quality;
            let arrives = self.road.arrival(self.direction, length, &quality);
            let piece = buffer.get(..length).unwrap_or_default().to_vec();
            if sender.send((arrives, piece)).await.is_err() {
                return;
            }
        }
    }

    async fn deliver(&self, mut to: OwnedWriteHalf, mut arriving: mpsc::Receiver<(Instant, Vec<u8>)>) {
        let mut state = self.state.clone();
        while let Some((arrives, piece)) = arriving.recv().await {
            if Duration::ZERO < arrives.saturating_duration_since(Instant::now()) {
                sleep_until(arrives).await;
            }
            let passes = |state: &State| !state.holds(self.direction, self.generation);
            if state.wait_for(passes).await.is_err() {
                return;
            }
            if to.write_all(&piece).await.is_err() {
                return;
            }
            self.road.note(self.direction, piece.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(5);
    const NOT_YET: Duration = Duration::from_millis(100);

    /// A hub that says everything back.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn says_back(stream: &mut TcpStream, within: Duration) -> bool {
        let mut byte = [0];
        matches!(timeout(within, stream.read_exact(&mut byte)).await, Ok(Ok(1)))
    }

    #[tokio::test]
    async fn a_cut_line_ends_connections_and_refuses_new_ones() {
        let line = Line::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(line.address).await.unwrap();
        stream.write_all(b"a").await.unwrap();
        assert!(says_back(&mut stream, SOON).await);
        line.cut();
        let mut rest = Vec::new();
        timeout(SOON, stream.read_to_end(&mut rest))
            .await
            .expect("closed")
            .ok();
        let mut second = TcpStream::connect(line.address).await.unwrap();
        second.write_all(b"b").await.ok();
        assert!(!says_back(&mut second, SOON).await);
        line.restore();
        let mut third = TcpStream::connect(line.address).await.unwrap();
        third.write_all(b"c").await.unwrap();
        assert!(says_back(&mut third, SOON).await);
    }

    #[tokio::test]
    async fn a_held_direction_passes_nothing_until_released() {
        for direction in [Direction::Up, Direction::Down] {
            let line = Line::start(echo().await).await.unwrap();
            let mut stream = TcpStream::connect(line.address).await.unwrap();
            line.hold(direction);
            stream.write_all(b"a").await.unwrap();
            assert!(!says_back(&mut stream, NOT_YET).await);
            line.release();
            assert!(says_back(&mut stream, SOON).await);
        }
    }

    #[tokio::test]
    async fn a_stranded_connection_is_silent_and_a_new_one_passes() {
        let line = Line::start(echo().await).await.unwrap();
        let mut old = TcpStream::connect(line.address).await.unwrap();
        old.write_all(b"a").await.unwrap();
        assert!(says_back(&mut old, SOON).await);
        line.strand();
        old.write_all(b"b").await.unwrap();
        let mut byte = [0];
        assert!(
            timeout(NOT_YET, old.read(&mut byte)).await.is_err(),
            "neither bytes nor an end"
        );
        let mut new = TcpStream::connect(line.address).await.unwrap();
        new.write_all(b"c").await.unwrap();
        assert!(says_back(&mut new, SOON).await);
        assert_eq!(line.carried(), Carried { up: 2, down: 2 });
    }

    #[tokio::test]
    async fn a_portal_answers_until_the_line_is_restored() {
        let line = Line::start(echo().await).await.unwrap();
        line.capture(Portal::Page);
        let mut caller = TcpStream::connect(line.address).await.unwrap();
        caller.write_all(b"hello").await.unwrap();
        let mut said = String::new();
        timeout(SOON, caller.read_to_string(&mut said))
            .await
            .unwrap()
            .unwrap();
        assert!(said.contains("log in"), "{said}");
        line.restore();
        let mut caller = TcpStream::connect(line.address).await.unwrap();
        caller.write_all(b"c").await.unwrap();
        assert!(says_back(&mut caller, SOON).await);
    }

    #[tokio::test]
    async fn everything_arrives_whole_over_a_bad_line() {
        let line = Line::start(echo().await).await.unwrap();
        line.set(Quality {
            latency: Duration::from_millis(5),
            bandwidth: Some(8_000_000),
            loss: 0.05,
        });
        let mut stream = TcpStream::connect(line.address).await.unwrap();
        let sent: Vec<u8> = (0..50_000_u32).map(|at| at as u8).collect();
        stream.write_all(&sent).await.unwrap();
        let mut back = vec![0; sent.len()];
        timeout(SOON, stream.read_exact(&mut back))
            .await
            .unwrap()
            .unwrap();
        assert!(back == sent);
    }
}
