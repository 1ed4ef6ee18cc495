//! The township's line: a TCP proxy that can be cut, held in one direction, and slowed.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Seen from the clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Clinic to hub.
    Up,
    /// Hub to clinic.
    Down,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    cut: bool,
    hold_up: bool,
    hold_down: bool,
    delay: Duration,
}

impl State {
    fn holds(&self, direction: Direction) -> bool {
        match direction {
            Direction::Up => self.hold_up,
            Direction::Down => self.hold_down,
        }
    }
}

/// Ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct Line {
    /// What the clinic calls instead of the hub.
    pub address: SocketAddr,
    state: watch::Sender<State>,
    target: watch::Sender<String>,
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
        let accepting = tokio::spawn(accept(listener, called, watched));
        Ok(Self {
            address,
            state,
            target,
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

    /// New connections pass again, in both directions and without delay.
    pub fn restore(&self) {
        self.state.send_replace(State::default());
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

    /// Every piece waits this long, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }
}

async fn accept(listener: TcpListener, target: watch::Receiver<String>, state: watch::Receiver<State>) {
    loop {
        let Ok((near, _)) = listener.accept().await else {
            return;
        };
        if state.borrow().cut {
            // Closed at once: the caller sees a line that is down.
            continue;
        }
        let target = target.borrow().clone();
        tokio::spawn(carry(near, target, state.clone()));
    }
}

async fn carry(near: TcpStream, target: String, state: watch::Receiver<State>) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let mut ended = state.clone();
    tokio::select! {
        () = pump(near_in, far_out, Direction::Up, state.clone()) => {}
        () = pump(far_in, near_out, Direction::Down, state) => {}
        _ = ended.wait_for(|state| state.cut) => {}
    }
}

/// Returns when either side closed: the other direction then ends with it.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    mut state: watch::Receiver<State>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let delay = state.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if state.wait_for(|state| !state.holds(direction)).await.is_err() {
            return;
        }
        let Some(piece) = buffer.get(..length) else { return };
        if to.write_all(piece).await.is_err() {
            return;
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
}
