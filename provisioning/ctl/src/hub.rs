//! The connection to the hub: HTTP/2 over mutual TLS 1.3, and what the hub answers, in sentences.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use barefoot_trust::{TlsIdentity, TlsPaths};
use barefoot_wire::v1::corrections_client::CorrectionsClient;
use barefoot_wire::v1::maintenance_client::MaintenanceClient;
use barefoot_wire::v1::sites_client::SitesClient;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(20);
/// A line on which nothing comes is asked this often, and given up when no answer comes in as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Gate reports with their drawings are the largest answers.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Which hub, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The hub's gRPC port.
    #[arg(long, global = true, value_name = "HOST:PORT")]
    hub: Option<String>,
    /// Your certificate and key without their endings: DIR/NAME stands for DIR/NAME.crt, DIR/NAME.key and
    /// DIR/authority.crt.
    #[arg(long, global = true, value_name = "DIR/NAME")]
    identity: Option<PathBuf>,
}

/// A hub that is called when a call is made.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    channel: Channel,
    address: String,
}

#[derive(Clone)]
struct Connector {
    host: Arc<str>,
    port: u16,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
}

impl Connector {
    async fn connect(self) -> std::io::Result<TokioIo<TlsStream<TcpStream>>> {
        let socket = TcpStream::connect((&*self.host, self.port)).await?;
        socket.set_nodelay(true)?;
        let stream = TlsConnector::from(self.tls).connect(self.name, socket).await?;
        Ok(TokioIo::new(stream))
    }
}

impl Options {
    /// Nothing is sent yet.
    pub(crate) fn hub(&self) -> anyhow::Result<Hub> {
        let (Some(address), Some(identity)) = (&self.hub, &self.identity) else {
            bail!(
                "this needs the hub: add --hub HOST:PORT and --identity DIR/NAME (your certificate, issued with `barefootctl pki maintainer` or `pki expert`)"
            );
        };
        let (host, port) = host_and_port(address).with_context(|| {
            format!("--hub {address}: give HOST:PORT, for instance hub.region.example:8443")
        })?;
        let tls = TlsIdentity::load(&paths(identity)?)
            .and_then(|identity| identity.http2_client_config())
            .with_context(|| format!("--identity {}: the identity cannot be used", identity.display()))?;
        let connector = Connector {
            name: ServerName::try_from(host.to_owned())
                .map_err(|_| anyhow!("--hub {address}: {host} is no name or address of a computer"))?,
            host: host.into(),
            port,
            tls,
        };
        let endpoint = Endpoint::from_shared(format!("https://{address}"))
            .with_context(|| format!("--hub {address} cannot be used"))?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        let connect = tower::service_fn(move |_: Uri| connector.clone().connect());
        Ok(Hub {
            channel: endpoint.connect_with_connector_lazy(connect),
            address: address.clone(),
        })
    }
}

impl Hub {
    pub(crate) fn maintenance(&self) -> MaintenanceClient<Channel> {
        MaintenanceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    pub(crate) fn corrections(&self) -> CorrectionsClient<Channel> {
        CorrectionsClient::new(self.channel.clone())
    }

    pub(crate) fn sites(&self) -> SitesClient<Channel> {
        SitesClient::new(self.channel.clone())
    }

    /// The hub's refusal, or why it could not be asked, with what to do.
    pub(crate) fn told(&self, status: &Status) -> anyhow::Error {
        let address = &self.address;
        if let Some(cause) = cause(status) {
            return anyhow!(
                "the hub at {address} cannot be reached ({cause}): check --hub, the line, and that --identity is of the hub's authority"
            );
        }
        let said = status.message().trim_end_matches('.');
        match status.code() {
            Code::PermissionDenied => anyhow!(
                "the hub refuses: {said}. Runs and models need a maintainer's certificate, corrections an expert's, access an operator's"
            ),
            Code::Unimplemented => {
                anyhow!("the hub at {address} does not offer this: check --hub, and its version")
            }
            Code::Unavailable => anyhow!("the hub cannot answer now: {said}. Try again"),
            Code::Unauthenticated => anyhow!("the hub does not know you: {said}"),
            Code::Internal | Code::Unknown | Code::DataLoss => anyhow!("the hub failed: {said}"),
            _ => anyhow!("the hub refuses: {said}"),
        }
    }
}

/// Trouble on the way, as opposed to an answer.
pub(crate) fn cause(status: &Status) -> Option<String> {
    let mut cause = status.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}

fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then_some((host, port))
}

/// A name may have dots of its own.
fn paths(identity: &Path) -> anyhow::Result<TlsPaths> {
    let (Some(directory), Some(name)) = (
        identity.parent(),
        identity.file_name().and_then(|name| name.to_str()),
    ) else {
        bail!("--identity {}: give DIR/NAME", identity.display());
    };
    Ok(TlsPaths {
        authority: directory.join("authority.crt"),
        certificate: directory.join(format!("{name}.crt")),
        key: directory.join(format!("{name}.key")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(hub: Option<&str>, identity: Option<&str>) -> Options {
        Options {
            hub: hub.map(str::to_owned),
            identity: identity.map(PathBuf::from),
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = options(None, Some("a/b")).hub().unwrap_err().to_string();
        assert!(text.contains("--hub HOST:PORT"), "{text}");
        let text = options(Some("nowhere"), Some("a/b"))
            .hub()
            .unwrap_err()
            .to_string();
        assert!(text.contains("8443"), "{text}");
        let text = format!("{:#}", options(Some("h:1"), Some("a/b.c")).hub().unwrap_err());
        assert!(text.contains("a/authority.crt"), "{text}");
    }

    #[test]
    fn names_keep_their_dots() {
        let paths = paths(Path::new("pki/li.wei")).unwrap();
        assert_eq!(paths.key, Path::new("pki/li.wei.key"));
    }

    #[test]
    fn addresses_have_a_host_and_a_port() {
        assert_eq!(host_and_port("hub.example:8443"), Some(("hub.example", 8443)));
        assert_eq!(host_and_port("[::1]:8443"), Some(("::1", 8443)));
        for wrong in ["hub.example", ":8443", "hub:0", "hub:x", ""] {
            assert_eq!(host_and_port(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_hub_that_is_not_there_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let now = time::OffsetDateTime::now_utc();
        let authority = barefoot_trust::Authority::create(folder.path(), "Test", now).unwrap();
        let day = time::Duration::days(1);
        let issued = authority.issue_person(barefoot_trust::Role::Maintainer, "m", now, day);
        issued.unwrap().save(folder.path(), "m").unwrap();
        let identity = folder.path().join("m");
        // Port 1 on loopback: nobody listens there.
        let hub = options(Some("127.0.0.1:1"), identity.to_str()).hub().unwrap();
        let status = hub
            .maintenance()
            .list_runs(barefoot_wire::v1::ListRunsRequest {})
            .await
            .unwrap_err();
        let text = hub.told(&status).to_string();
        assert!(text.contains("127.0.0.1:1 cannot be reached"), "{text}");
    }
}
