//! One HTTPS connection to the hub, with mutual TLS 1.3, always begun by the clinic.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use barefoot_wire::images::{ContentRange, ObjectId, UPLOAD_COMPLETE, UPLOAD_OFFSET};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

/// TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(20);

/// Nothing moved for this long: the call failed and is made again.
const STALLED: Duration = Duration::from_secs(60);

/// The hub reads and checks every image of a set before it answers; a set may hold gigabytes.
const CHECKED: Duration = Duration::from_secs(15 * 60);

/// The largest answer: one line for each of 20,000 images.
const MOST_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Why a call failed. Names no study.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the hub's port for images cannot be reached")]
    Connect { source: std::io::Error },
    #[error("the connection to the hub's port for images broke")]
    Broken { source: hyper::Error },
    #[error("nothing moved on the connection for images")]
    Stalled,
    #[error("the hub's answer is none")]
    Answer,
    #[error("the hub cannot take images now: status {status}")]
    Status { status: u16 },
}

impl Error {
    /// The hub understood the call and will never take it as it is. What it has no place for now (423: an older connection
    /// still holds the object; 429) is none of these.
    pub(super) fn is_the_jobs(&self) -> bool {
        match self {
            Self::Answer => true,
            Self::Status { status } => (400..500).contains(status) && !matches!(status, 423 | 429),
            Self::Connect { .. } | Self::Broken { .. } | Self::Stalled => false,
        }
    }

    /// Whether the hub was there at all.
    pub(super) fn was_connected(&self) -> bool {
        !matches!(self, Self::Connect { .. })
    }
}

/// Where the hub is and who we are.
#[derive(Debug, Clone)]
pub(super) struct Hub {
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    pub(super) name: ServerName<'static>,
    pub(super) tls: Arc<ClientConfig>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Ends when dropped.
#[derive(Debug)]
pub(super) struct Connection {
    calls: SendRequest<Body>,
    host: Arc<str>,
    _driver: AbortOnDropHandle<()>,
}

/// How much of an object the hub has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) offset: u64,
    pub(super) complete: bool,
}

/// What became of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Held(Held),
    /// What arrived does not have the hash it is named by.
    WrongHash,
    /// Larger than the hub takes.
    TooLarge,
}

impl Hub {
    pub(super) async fn connect(&self) -> Result<Connection, Error> {
        let connect = async {
            let socket = TcpStream::connect((&*self.host, self.port)).await?;
            socket.set_nodelay(true)?;
            let tls = TlsConnector::from(Arc::clone(&self.tls));
            tls.connect(self.name.clone(), socket).await
        };
        let stream = tokio::time::timeout(CONNECT, connect)
            .await
            .map_err(|_| Error::Stalled)?
            .map_err(|source| Error::Connect { source })?;
        Connection::over(stream, &self.host).await
    }
}

impl Connection {
    /// Over what is connected already.
    pub(super) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        host: &Arc<str>,
    ) -> Result<Self, Error> {
        let (calls, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|source| Error::Broken { source })?;
        let driver = tokio::spawn(async move {
            // How it ended is what the call on it says.
            let _ = connection.await;
        });
        Ok(Self {
            calls,
            host: Arc::clone(host),
            _driver: AbortOnDropHandle::new(driver),
        })
    }

    pub(super) async fn held(&mut self, id: ObjectId) -> Result<Held, Error> {
        let request = self.request(Method::HEAD, &format!("/v1/objects/{id}"), None)?;
        let answer = self.call(request, empty(), None, STALLED).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => progress(&answer),
            status => Err(refused(status)),
        }
    }

    /// Sends one range; `pieces` come as the site's pace allows.
    pub(super) async fn put_range(
        &mut self,
        id: ObjectId,
        range: ContentRange,
        pieces: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<Taken, Error> {
        let path = format!("/v1/objects/{id}");
        let length = range.end - range.first;
        let mut request = self.request(Method::PUT, &path, Some(length))?;
        let said = header::HeaderValue::from_str(&range.to_string()).map_err(|_| Error::Answer)?;
        request.headers_mut().insert(header::CONTENT_RANGE, said);
        let (moved, moves) = watch::channel(());
        let pieces = stream::unfold((Box::pin(pieces), moved), |(mut pieces, moved)| async move {
            let piece = pieces.next().await?;
            moved.send_replace(());
            Some((Ok(Frame::data(piece)), (pieces, moved)))
        });
        let body = BodyExt::boxed_unsync(StreamBody::new(pieces));
        let answer = self.call(request, body, Some(moves), STALLED).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::CONFLICT => {
                progress(&answer).map(Taken::Held)
            }
            StatusCode::UNPROCESSABLE_ENTITY => Ok(Taken::WrongHash),
            StatusCode::PAYLOAD_TOO_LARGE => Ok(Taken::TooLarge),
            status => Err(refused(status)),
        }
    }

    /// Commits; gives the answer with its status.
    pub(super) async fn commit(&mut self, path: &str, message: Vec<u8>) -> Result<(u16, Bytes), Error> {
        let length = message.len() as u64;
        let request = self.request(Method::PUT, path, Some(length))?;
        let body = BodyExt::boxed_unsync(http_body_util::Full::new(Bytes::from(message)));
        let answer = self.call(request, body, None, CHECKED).await?;
        let status = answer.status().as_u16();
        if !matches!(status, 200 | 202 | 409 | 413 | 424) {
            return Err(refused(answer.status()));
        }
        let read = Limited::new(answer.into_body(), MOST_ANSWER_BYTES).collect();
        let body = tokio::time::timeout(STALLED, read)
            .await
            .map_err(|_| Error::Stalled)?
            .map_err(|_| Error::Answer)?;
        Ok((status, body.to_bytes()))
    }

    fn request(&self, method: Method, path: &str, length: Option<u64>) -> Result<Request<()>, Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &*self.host);
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        request.body(()).map_err(|_| Error::Answer)
    }

    /// Waits for the answer as long as something moves.
    async fn call(
        &mut self,
        request: Request<()>,
        body: Body,
        moves: Option<watch::Receiver<()>>,
        patience: Duration,
    ) -> Result<Response<Incoming>, Error> {
        let broken = |source| Error::Broken { source };
        self.calls.ready().await.map_err(broken)?;
        let mut answer = std::pin::pin!(self.calls.send_request(request.map(|()| body)));
        let mut moves = moves;
        loop {
            let moved = async {
                let on_its_way = match &mut moves {
                    Some(moves) => moves.changed().await.is_ok(),
                    None => false,
                };
                if !on_its_way {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                answer = &mut answer => return answer.map_err(broken),
                () = moved => {}
                () = tokio::time::sleep(patience) => return Err(Error::Stalled),
            }
        }
    }
}

fn empty() -> Body {
    BodyExt::boxed_unsync(http_body_util::Empty::new())
}

fn refused(status: StatusCode) -> Error {
    Error::Status {
        status: status.as_u16(),
    }
}

fn progress(answer: &Response<Incoming>) -> Result<Held, Error> {
    let said = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let offset = said(UPLOAD_OFFSET)
        .and_then(|text| text.parse().ok())
        .ok_or(Error::Answer)?;
    let complete = match said(UPLOAD_COMPLETE) {
        Some("?1") => true,
        Some("?0") => false,
        _ => return Err(Error::Answer),
    };
    Ok(Held { offset, complete })
}
