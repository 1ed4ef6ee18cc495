//! Binds, serves, stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use barefoot_http::{Limits, TlsLines, serve};
use barefoot_trust::BrowserIdentity;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::assets::Addresses;
use super::changes::{self, MAX_STREAMS};
use super::own_certificate::OwnCertificate;
use super::self_test::LastPicture;
use super::sign_in::SignedIn;
use super::texts::Library;
use super::{Config, Language, Sources, routes};

/// How long answers under way may take after the daemon was told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Marks a request that came by HTTPS.
#[derive(Debug, Clone, Copy)]
pub(super) struct OverTls {
    /// With a certificate that somebody vouches for. One of the box's own is another one some day, and whoever was told never
    /// to come without the one before would be locked out.
    pub(super) for_good: bool,
}

/// What every request sees.
#[derive(Debug)]
pub(super) struct App {
    pub(super) sources: Sources,
    pub(super) library: Library,
    pub(super) language: Language,
    pub(super) assets: Addresses,
    /// The plain port is bound to loopback: nobody outside this machine has a business there.
    pub(super) loopback: bool,
    /// Moves when an open page should ask again.
    pub(super) pulse: watch::Sender<u64>,
    /// One permit an open event stream.
    pub(super) streams: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
    pub(super) signed_in: SignedIn,
    pub(super) utc_offset_minutes: i32,
    /// Shown by HTTPS, where nobody gave the box another one.
    pub(super) own_certificate: Option<OwnCertificate>,
    pub(super) test_picture: LastPicture,
}

impl App {
    pub(super) fn new(
        sources: Sources,
        library: Library,
        config: &Config,
        (loopback, is_here): (bool, bool),
        own_certificate: Option<OwnCertificate>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            own_certificate,
            signed_in: SignedIn::new(config.wants_pin(is_here), config.idle_minutes),
            utc_offset_minutes: config.utc_offset_minutes,
            sources,
            library,
            language: config.language,
            assets: Addresses::new(),
            loopback,
            pulse: watch::Sender::new(0),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            test_picture: LastPicture::default(),
            shutdown,
        }
    }
}

/// The clinic's page, bound and ready to run.
#[derive(Debug)]
pub(crate) struct ClinicPage {
    listener: TcpListener,
    tls: Option<(TcpListener, SocketAddr, Arc<ServerConfig>)>,
    own_certificate: Option<OwnCertificate>,
    library: Library,
    config: Config,
    sources: Sources,
}

impl ClinicPage {
    /// # Errors
    /// When an address is taken or not ours, or the certificate of `[page.tls]` cannot be used.
    pub(crate) async fn bind(config: Config, sources: Sources) -> io::Result<Self> {
        let library = Library::load()?;
        let listener = TcpListener::bind(config.listen).await?;
        let mut own_certificate = None;
        let tls = match &config.tls {
            Some(tls) => {
                let keys = match tls.given() {
                    Some((certificate, key)) => BrowserIdentity::load(certificate, key),
                    None => {
                        let own = OwnCertificate::open(sources.state.root(), tls, OffsetDateTime::now_utc())?;
                        let keys = own.identity().clone();
                        own_certificate = Some(own);
                        Ok(keys)
                    }
                };
                let keys = keys.and_then(|keys| keys.server_config());
                let keys = keys.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                let listener = TcpListener::bind(tls.listen).await?;
                let address = listener.local_addr()?;
                Some((listener, address, keys))
            }
            None => None,
        };
        let is_plain_here = listener.local_addr()?.ip().is_loopback();
        let is_here = is_plain_here
            && tls
                .as_ref()
                .is_none_or(|(_, address, _)| address.ip().is_loopback());
        if tls.is_some() && !is_plain_here {
            tracing::warn!(
                listen = %config.listen,
                "Other machines can reach the clinic page without HTTPS too: set [page] listen to 127.0.0.1."
            );
        }
        if !is_here && !config.wants_pin(is_here) {
            tracing::warn!(
                listen = %config.listen,
                "Other machines can reach the clinic page, which shows patients' names and asks for no PIN."
            );
        }
        Ok(Self {
            listener,
            tls,
            own_certificate,
            library,
            config,
            sources,
        })
    }

    /// Where the page is by HTTPS.
    pub(crate) fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(|(_, address, _)| *address)
    }

    /// # Errors
    /// When the operating system cannot say.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`, then ends within two seconds.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        // Where the address cannot be told, the stricter rule holds.
        let loopback = self
            .local_addr()
            .map_or(true, |address| address.ip().is_loopback());
        let is_here = loopback && self.tls_addr().is_none_or(|address| address.ip().is_loopback());
        let app = Arc::new(App::new(
            self.sources,
            self.library,
            &self.config,
            (loopback, is_here),
            self.own_certificate.clone(),
            shutdown.clone(),
        ));
        let router = routes::router(Arc::clone(&app));
        let by_tls = async {
            if let Some((listener, address, tls)) = self.tls {
                let lines = TlsLines::new(listener, address, tls, shutdown.clone());
                let router = router.clone().layer(Extension(OverTls {
                    for_good: app.own_certificate.is_none(),
                }));
                serve(lines, router, Limits::for_pages(), shutdown.clone()).await;
            }
        };
        let serve = async {
            let plain = serve(
                self.listener,
                router.clone(),
                Limits::for_pages(),
                shutdown.clone(),
            );
            tokio::select! {
                ((), ()) = async { tokio::join!(plain, by_tls) } => {}
                () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => {}
            }
        };
        let keep = async {
            if let Some(own) = self.own_certificate {
                own.keep(shutdown.clone()).await;
            }
        };
        tokio::join!(changes::follow(&app.sources, &app.pulse, &shutdown), keep, serve);
    }
}
