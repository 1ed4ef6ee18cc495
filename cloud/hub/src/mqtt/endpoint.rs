use barefoot_http::HalfOpen;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::Error;
use super::alarm_session::AlarmSession;
use super::greeting::{Doorman, Guest};
use super::listeners::Listeners;
use super::reply::OwnCertificate;
use super::session::ClinicSession;
use crate::Shutdown;
use crate::config::Embedded;
use crate::dispatch::Dispatch;
use crate::ingest::Ingest;
use crate::presence::Presence;
use crate::revocation::Revocations;
use crate::worklist::alarms::AlarmFeed;

/// Sockets between accept and CONNACK; one more cuts the oldest.
const MOST_HALF_OPEN: usize = 1024;

/// When the process is out of file descriptors, accepting again at once would only spin.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);

/// On shutdown: time for sessions to answer running commits and say goodbye.
const FAREWELL: Duration = Duration::from_secs(10);

/// The hub's own MQTT 5 endpoint.
pub(crate) struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    visits: Visits,
}

/// What each connection's task needs; cheap to clone.
#[derive(Clone)]
struct Visits {
    tls: TlsAcceptor,
    doorman: Doorman,
    half_open: HalfOpen,
    ingest: Ingest,
    dispatch: Dispatch,
    certificate: OwnCertificate,
    shutdown: Shutdown,
}

impl Endpoint {
    pub(crate) async fn bind(
        config: &Embedded,
        (tls, certificate): (Arc<ServerConfig>, OwnCertificate),
        (presence, revocations): (Presence, Revocations),
        ingest: Ingest,
        dispatch: Dispatch,
        alarms: Option<AlarmFeed>,
        shutdown: Shutdown,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            visits: Visits {
                tls: TlsAcceptor::from(tls),
                doorman: Doorman {
                    presence,
                    revocations,
                    time: Duration::from_millis(config.connect_timeout_ms),
                    max_sessions: config.max_sessions,
                    keep_alive_max_s: config.keep_alive_max_s,
                    listeners: alarms.map(Listeners::new),
                },
                half_open: HalfOpen::new(MOST_HALF_OPEN),
                ingest,
                dispatch,
                certificate,
                shutdown,
            },
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the shutdown, then waits for the sessions to end.
    pub(crate) async fn run(self) {
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = self.visits.shutdown.triggered() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    connections.spawn(Box::pin(self.visits.clone().receive(socket, peer)));
                }
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted.");
                    tokio::time::sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
                }
            }
        }
        drop(self.listener);
        connections.close();
        if timeout(FAREWELL, connections.wait()).await.is_err() {
            tracing::warn!("Some sessions did not end in time and were dropped; their clinics send again.");
        }
    }
}

impl Visits {
    async fn receive(self, socket: TcpStream, peer: SocketAddr) {
        // Receipts are small and awaited; without this they may wait for an acknowledgement of TCP.
        let _ = socket.set_nodelay(true);
        let place = self.half_open.take_place();
        let greeted = tokio::select! {
            () = self.shutdown.triggered() => return,
            () = place.lost() => return,
            greeted = self.doorman.greet(socket, &self.tls) => greeted,
        };
        drop(place);
        let (line, guest, grant, admission) = match greeted {
            Ok(opened) => opened,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::info!(%peer, %error, cause, "A connection was not let in.");
                return;
            }
        };
        match guest {
            Guest::Clinic(session) => {
                let clinic = session.clinic().clone();
                tracing::info!(%clinic, %peer, "A clinic connected.");
                let parts = (self.ingest, self.dispatch, self.certificate);
                tokio::select! {
                    end = ClinicSession::run(line, session, grant, parts, &self.shutdown) => {
                        tracing::info!(%clinic, ?end, "A clinic's session ended.");
                    }
                    () = admission.cut() => {
                        tracing::warn!(%clinic, "A clinic's session was cut: its certificate was revoked.");
                    }
                }
            }
            Guest::Listener(listening) => {
                let listener = listening.name().to_owned();
                tracing::info!(listener, %peer, "Somebody listens to alarms.");
                tokio::select! {
                    end = AlarmSession::run(line, listening, grant, &self.shutdown) => {
                        tracing::info!(listener, ?end, "A listener's session ended.");
                    }
                    () = admission.cut() => {
                        tracing::warn!(listener, "A listener's session was cut: its certificate was revoked.");
                    }
                }
            }
        }
    }
}
