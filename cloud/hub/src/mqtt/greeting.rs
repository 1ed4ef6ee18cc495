use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::v5::{Codec, Connect, ConnectAckReason, Packet};
use rmqtt_codec::version::{ProtocolVersion, VersionCodec};
use rmqtt_codec::{MqttCodec, MqttPacket};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::codec::Framed;

use super::MAX_PACKET_BYTES;
use super::listeners::{Listeners, Listening};
use super::rules::{Caller, Grant, answer_connect, refuse_connect};
use crate::presence::{Presence, Session};
use crate::revocation::{Admission, Revocations, Revoked};

/// First size of a connection's read buffer; it grows with what the clinic sends.
const READ_BUFFER_BYTES: usize = 1024;

/// A 3.1 or 3.1.1 client reads only this: "unacceptable protocol version" (MQTT 3.1.1 section 3.2.2.3).
const CONNACK_3_UNACCEPTABLE_VERSION: [u8; 4] = [0x20, 0x02, 0x00, 0x01];

pub(super) type Line = Framed<TlsStream<TcpStream>, MqttCodec>;

/// Why a connection ended before it was a session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the TLS handshake took too long")]
    HandshakeTimeout,
    #[error("the TLS handshake failed")]
    Handshake { source: std::io::Error },
    #[error("no CONNECT came in time")]
    ConnectTimeout,
    #[error("the connection ended before CONNECT")]
    Ended,
    #[error("the first packet is no MQTT CONNECT")]
    Garbage { source: DecodeError },
    #[error("the client speaks MQTT 3, this endpoint MQTT 5 only")]
    OldVersion,
    #[error("the certificate names neither a clinic nor a person")]
    Nobody { source: barefoot_trust::Error },
    #[error("{source}")]
    Revoked {
        #[source]
        source: Revoked,
    },
    #[error("the certificate is of somebody who has nothing to hear here")]
    NothingToHear,
    #[error("CONNECT was refused: {reason:?}")]
    Refused { reason: ConnectAckReason },
    #[error("the answer could not be sent")]
    Answer,
}

/// What every greeting needs.
#[derive(Debug, Clone)]
pub(super) struct Doorman {
    pub(super) presence: Presence,
    pub(super) revocations: Revocations,
    pub(super) time: Duration,
    pub(super) max_sessions: usize,
    pub(super) keep_alive_max_s: u16,
    /// Absent: nobody listens to alarms here.
    pub(super) listeners: Option<Listeners>,
}

/// Whose session it is.
pub(super) enum Guest {
    Clinic(Session),
    Listener(Listening),
}

impl Doorman {
    /// From the accepted socket to an open session: TLS, CONNECT, CONNACK, each within its time.
    pub(super) async fn greet(
        &self,
        socket: TcpStream,
        tls: &TlsAcceptor,
    ) -> Result<(Line, Guest, Grant, Admission), Error> {
        let stream = timeout(self.time, tls.accept(socket))
            .await
            .map_err(|_| Error::HandshakeTimeout)?
            .map_err(|source| Error::Handshake { source })?;
        let admitted = self.admit(&stream);
        let mut line = Framed::with_capacity(stream, MqttCodec::Version(VersionCodec), READ_BUFFER_BYTES);
        let connect = timeout(self.time, read_connect(&mut line))
            .await
            .map_err(|_| Error::ConnectTimeout)??;
        let (caller, admission) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                refuse(&mut line, ConnectAckReason::NotAuthorized).await;
                return Err(error);
            }
        };
        let (ack, grant) = answer_connect(&connect, &caller, self.keep_alive_max_s);
        let Some(grant) = grant else {
            let reason = ack.reason_code;
            refuse(&mut line, reason).await;
            return Err(Error::Refused { reason });
        };
        let guest = match self.place_for(caller) {
            Ok(guest) => guest,
            Err(reason) => {
                refuse(&mut line, reason).await;
                return Err(Error::Refused { reason });
            }
        };
        timeout(self.time, line.send(MqttPacket::V5(ack.into())))
            .await
            .map_err(|_| Error::Answer)?
            .map_err(|_| Error::Answer)?;
        Ok((line, guest, grant, admission))
    }

    /// The certificate was verified in the handshake; here it says who it is, and whether it still holds.
    fn admit(&self, stream: &TlsStream<TcpStream>) -> Result<(Caller, Admission), Error> {
        let (_, connection) = stream.get_ref();
        let nobody = |source| Error::Nobody { source };
        let certificate = connection
            .peer_certificates()
            .and_then(|chain| chain.first())
            .ok_or(nobody(barefoot_trust::Error::NoClinic))?;
        let peer = barefoot_trust::peer_of(certificate).map_err(nobody)?;
        let admission = self
            .revocations
            .admit(&peer, certificate)
            .map_err(|source| Error::Revoked { source })?;
        let caller = Caller::of(peer).ok_or(Error::NothingToHear)?;
        Ok((caller, admission))
    }

    fn place_for(&self, caller: Caller) -> Result<Guest, ConnectAckReason> {
        match (caller, &self.listeners) {
            (Caller::Clinic(clinic), _) => self
                .presence
                .open_session(&clinic, self.max_sessions)
                .map(Guest::Clinic)
                .ok_or(ConnectAckReason::ServerBusy),
            (Caller::Listener(name), Some(listeners)) => listeners
                .open(&name)
                .map(Guest::Listener)
                .ok_or(ConnectAckReason::ServerBusy),
            (Caller::Listener(_), None) => Err(ConnectAckReason::NotAuthorized),
        }
    }
}

async fn read_connect(line: &mut Line) -> Result<Connect, Error> {
    let version = match line.next().await {
        Some(Ok((MqttPacket::Version(version), _))) => version,
        Some(Err(source)) => return Err(Error::Garbage { source }),
        Some(Ok(_)) | None => return Err(Error::Ended),
    };
    if version == ProtocolVersion::MQTT3 {
        let stream = line.get_mut();
        // It is refused whether or not it hears why.
        let _ = stream.write_all(&CONNACK_3_UNACCEPTABLE_VERSION).await;
        let _ = stream.shutdown().await;
        return Err(Error::OldVersion);
    }
    // Outgoing packets need no limit: `rules` refuses clients that take less than the hub ever sends.
    *line.codec_mut() = MqttCodec::V5(Codec::new(MAX_PACKET_BYTES, 0));
    match line.next().await {
        Some(Ok((MqttPacket::V5(Packet::Connect(connect)), _))) => Ok(*connect),
        Some(Ok(_)) => Err(Error::Garbage {
            source: DecodeError::UnsupportedPacketType,
        }),
        Some(Err(source)) => Err(Error::Garbage { source }),
        None => Err(Error::Ended),
    }
}

/// Says why, within a moment; the connection ends either way.
async fn refuse(line: &mut Line, reason: ConnectAckReason) {
    let farewell = async {
        line.send(MqttPacket::V5(refuse_connect(reason).into())).await?;
        line.close().await
    };
    let _ = timeout(Duration::from_secs(2), farewell).await;
}
