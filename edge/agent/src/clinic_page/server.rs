//! Binds, serves, stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use barefoot_http::{Limits, serve};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::assets::Addresses;
use super::changes::{self, MAX_STREAMS};
use super::sign_in::SignedIn;
use super::texts::Library;
use super::{Config, Language, Sources, routes};

/// How long answers under way may take after the daemon was told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What every request sees.
#[derive(Debug)]
pub(super) struct App {
    pub(super) sources: Sources,
    pub(super) library: Library,
    pub(super) language: Language,
    pub(super) assets: Addresses,
    /// Bound to loopback: nobody outside this machine has a business here.
    pub(super) loopback: bool,
    /// Moves when an open page should ask again.
    pub(super) pulse: watch::Sender<u64>,
    /// One permit an open event stream.
    pub(super) streams: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
    pub(super) signed_in: SignedIn,
    pub(super) utc_offset_minutes: i32,
}

impl App {
    pub(super) fn new(
        sources: Sources,
        library: Library,
        config: &Config,
        loopback: bool,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            signed_in: SignedIn::new(config.wants_pin(loopback), config.idle_minutes),
            utc_offset_minutes: config.utc_offset_minutes,
            sources,
            library,
            language: config.language,
            assets: Addresses::new(),
            loopback,
            pulse: watch::Sender::new(0),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            shutdown,
        }
    }
}

/// The clinic's page, bound and ready to run.
#[derive(Debug)]
pub(crate) struct ClinicPage {
    listener: TcpListener,
    library: Library,
    config: Config,
    sources: Sources,
}

impl ClinicPage {
    /// # Errors
    /// When the address is taken or not ours.
    pub(crate) async fn bind(config: Config, sources: Sources) -> io::Result<Self> {
        let library = Library::load()?;
        let listener = TcpListener::bind(config.listen).await?;
        let is_loopback = listener.local_addr()?.ip().is_loopback();
        if !is_loopback && !config.wants_pin(is_loopback) {
            tracing::warn!(
                listen = %config.listen,
                "Other machines can reach the clinic page, which shows patients' names and asks for no PIN."
            );
        }
        Ok(Self {
            listener,
            library,
            config,
            sources,
        })
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
        let app = Arc::new(App::new(
            self.sources,
            self.library,
            &self.config,
            loopback,
            shutdown.clone(),
        ));
        let router = routes::router(Arc::clone(&app));
        let serve = async {
            tokio::select! {
                () = serve(self.listener, router, Limits::for_pages(), shutdown.clone()) => {}
                () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => {}
            }
        };
        tokio::join!(changes::follow(&app.sources, &app.pulse, &shutdown), serve);
    }
}
