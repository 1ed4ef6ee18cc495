use std::time::Duration;

use futures_util::{Sink, SinkExt};
use rmqtt_codec::MqttPacket;
use rmqtt_codec::v5::{Disconnect, DisconnectReasonCode, Packet};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::session::End;

/// Packets waiting for the socket. An honest client has fewer outstanding: twice its flight of messages and receipts
/// and some pings. When full, the session is cut and the clinic sends again.
const WAITING: usize = 1024;

/// Packets written before a flush.
const BURST: usize = 64;

/// A burst that takes longer to leave means a stuck reader or a dead line.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// After the last packet: time to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The writing half of a session, in a task of its own so that a slow reader never stops the session from reading.
#[derive(Debug)]
pub(super) struct Outgoing {
    packets: mpsc::Sender<Packet>,
    task: JoinHandle<()>,
}

/// The socket is closed, or the client does not read.
#[derive(Debug)]
pub(super) struct Stuck;

impl Outgoing {
    pub(super) fn spawn<S>(sink: S) -> Self
    where
        S: Sink<MqttPacket> + Send + Unpin + 'static,
    {
        let (packets, waiting) = mpsc::channel(WAITING);
        Self {
            packets,
            task: tokio::spawn(write(sink, waiting)),
        }
    }

    pub(super) fn send(&self, packet: impl Into<Packet>) -> Result<(), Stuck> {
        self.packets.try_send(packet.into()).map_err(|_| Stuck)
    }

    /// Where the hub ends a session, its client is told.
    pub(super) fn say_why(&self, end: &End) {
        let reason = match end {
            End::Cut(reason) => *reason,
            End::Stopping => DisconnectReasonCode::ServerShuttingDown,
            End::Goodbye | End::Lost => return,
        };
        // A full channel means that nobody reads: then there is nobody to tell.
        let _ = self.send(Disconnect::new(reason));
    }

    /// Returns when the writer has given up.
    pub(super) async fn broken(&self) {
        self.packets.closed().await;
    }

    /// Writes what waits, closes the socket.
    pub(super) async fn finish(self) {
        drop(self.packets);
        let abort = self.task.abort_handle();
        if timeout(CLOSE_TIMEOUT, self.task).await.is_err() {
            abort.abort();
        }
    }
}

async fn write<S>(mut sink: S, mut waiting: mpsc::Receiver<Packet>)
where
    S: Sink<MqttPacket> + Unpin,
{
    let mut burst = Vec::with_capacity(BURST);
    while waiting.recv_many(&mut burst, BURST).await != 0 {
        let write = async {
            for packet in burst.drain(..) {
                sink.feed(MqttPacket::V5(packet)).await?;
            }
            sink.flush().await
        };
        if !matches!(timeout(WRITE_TIMEOUT, write).await, Ok(Ok(()))) {
            return;
        }
    }
    // The line is given up either way.
    let _ = timeout(CLOSE_TIMEOUT, sink.close()).await;
}
