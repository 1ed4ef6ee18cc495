//! A captive portal: somebody else answers in the hub's place.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a caller gets instead of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portal {
    /// "Please log in", whatever was asked.
    Page,
    /// Bytes of no protocol, and no end.
    Noise,
    /// Takes everything and says nothing.
    Silence,
}

/// What a portal of an inn answers.
const LOG_IN: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/login\r\nContent-Type: text/html\r\n\
Content-Length: 31\r\nConnection: close\r\n\r\n<html>Please log in here</html>";

impl Portal {
    pub(super) async fn answer(self, mut caller: TcpStream) {
        let mut said = [0; 1024];
        // A portal speaks when it is spoken to.
        if !matches!(caller.read(&mut said).await, Ok(1..)) {
            return;
        }
        match self {
            Self::Page => {
                let _ = caller.write_all(LOG_IN).await;
                let _ = caller.shutdown().await;
            }
            Self::Noise => {
                while caller.write_all(&rand::random::<[u8; 64]>()).await.is_ok() {
                    tokio::task::yield_now().await;
                }
            }
            Self::Silence => while matches!(caller.read(&mut said).await, Ok(1..)) {},
        }
    }
}
