//! The hub as a box meets it: files of a folder, and one word for everybody. Honest unless told otherwise.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use barefoot_wire::v1::releases_server::{Releases, ReleasesServer};
use barefoot_wire::v1::{Action, BoxReport, Desired, FilePart, ReadFileRequest};
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, async_trait};

use super::{DEADLINE, MODEL};

const PART: usize = 100;

/// What a dishonest hub, or a bad line, does to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    /// The line breaks after so many bytes.
    CutAfter(usize),
    /// One byte is another.
    Flip,
    /// It goes on beyond its end.
    Endless,
}

#[derive(Debug)]
struct Inner {
    repository: Mutex<PathBuf>,
    desired: Mutex<Desired>,
    /// Asked for: path and offset.
    asked: Mutex<Vec<(String, u64)>>,
    /// Targets' bytes sent.
    sent: Mutex<usize>,
    /// For the next targets asked for.
    harms: Mutex<VecDeque<Harm>>,
    reports: watch::Sender<BoxReport>,
}

#[derive(Debug)]
pub(super) struct Hub {
    inner: Arc<Inner>,
    address: String,
    serving: AbortHandle,
}

impl Hub {
    pub(super) async fn serve(repository: PathBuf) -> Self {
        let inner = Arc::new(Inner {
            repository: Mutex::new(repository),
            desired: Mutex::default(),
            asked: Mutex::default(),
            sent: Mutex::default(),
            harms: Mutex::default(),
            reports: watch::Sender::new(BoxReport::default()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let service = ReleasesServer::new(Service(Arc::clone(&inner)));
        let server = Server::builder().add_service(service);
        let serving = tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Self {
            inner,
            address,
            serving: serving.abort_handle(),
        }
    }

    pub(super) fn channel(&self) -> Channel {
        Endpoint::from_shared(self.address.clone())
            .unwrap()
            .connect_lazy()
    }

    pub(super) fn say(&self, action: Action, version: &str) {
        self.say_of(MODEL, action, version);
    }

    pub(super) fn say_of(&self, model: &str, action: Action, version: &str) {
        *self.inner.desired.lock().unwrap() = Desired {
            model_id: model.into(),
            version: version.into(),
            action: action.into(),
            shadow_studies: 2,
            trial_studies: 2,
            retry_after_ms: 0,
        };
    }

    pub(super) fn serve_from(&self, repository: PathBuf) {
        *self.inner.repository.lock().unwrap() = repository;
    }

    pub(super) fn harm(&self, harms: &[Harm]) {
        self.inner.harms.lock().unwrap().extend(harms);
    }

    pub(super) fn asked(&self) -> Vec<(String, u64)> {
        self.inner.asked.lock().unwrap().clone()
    }

    pub(super) fn sent(&self) -> usize {
        *self.inner.sent.lock().unwrap()
    }

    pub(super) async fn report_where(&self, wanted: impl Fn(&BoxReport) -> bool) -> BoxReport {
        let mut reports = self.inner.reports.subscribe();
        let found = tokio::time::timeout(DEADLINE, reports.wait_for(wanted)).await;
        match found {
            Ok(report) => report.unwrap().clone(),
            Err(_) => panic!("the last report: {:?}", self.inner.reports.borrow()),
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Service(Arc<Inner>);

#[async_trait]
impl Releases for Service {
    type ReadFileStream = BoxStream<'static, Result<FilePart, Status>>;

    async fn read_file(
        &self,
        request: Request<ReadFileRequest>,
    ) -> Result<Response<Self::ReadFileStream>, Status> {
        let ReadFileRequest { path, offset } = request.into_inner();
        self.0.asked.lock().unwrap().push((path.clone(), offset));
        let file = self.0.repository.lock().unwrap().join(&path);
        let Ok(mut bytes) = std::fs::read(file) else {
            return Err(Status::not_found("There is no such file."));
        };
        let target = path.starts_with("targets/");
        let harm = if target {
            self.0.harms.lock().unwrap().pop_front()
        } else {
            None
        };
        if harm == Some(Harm::Flip) {
            bytes[0] ^= 1;
        }
        if harm == Some(Harm::Endless) {
            bytes.extend(std::iter::repeat_n(0, 100_000));
        }
        let total = bytes.len() as u64;
        let mut rest = bytes.split_off(usize::try_from(offset).unwrap().min(bytes.len()));
        let cut = matches!(harm, Some(Harm::CutAfter(_)));
        if let Some(Harm::CutAfter(length)) = harm {
            rest.truncate(length);
        }
        if target {
            *self.0.sent.lock().unwrap() += rest.len();
        }
        let mut parts: Vec<Result<FilePart, Status>> = rest
            .chunks(PART)
            .map(|content| {
                Ok(FilePart {
                    content: content.to_vec(),
                    total,
                })
            })
            .collect();
        if cut {
            parts.push(Err(Status::unavailable("the line broke")));
        }
        Ok(Response::new(stream::iter(parts).boxed()))
    }

    async fn report(&self, request: Request<BoxReport>) -> Result<Response<Desired>, Status> {
        self.0.reports.send_replace(request.into_inner());
        Ok(Response::new(self.0.desired.lock().unwrap().clone()))
    }
}
