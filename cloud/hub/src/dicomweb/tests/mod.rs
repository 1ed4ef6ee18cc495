//! The whole of DICOMweb over a real image store and a real database, asked as clients ask.

mod doors;
pub(crate) mod fixture;
mod peers;
mod reading;
mod retrieving;
mod searching;
mod storing;
mod working;

use std::sync::Mutex;

use axum::body::{Body, to_bytes};
use axum::http::request::Parts as Head;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use barefoot_domain::{CaseId, ClinicId};
use serde_json::Value;
use tower::ServiceExt;

use super::access::{By, Entry, NotWritten, Refused};
use super::*;
use crate::at_rest::Vault;
use crate::config::Images;
use crate::dispatch::Dispatch;
use crate::image_store::tests::commit_images;
use crate::worklist::{CaseWorkitems, Worklist, rules};
use fixture::Image;

/// Tokens are what they may: `see`, `store`, `work`, `all`; `all-2` is another program. `session` is a browser.
#[derive(Debug)]
struct Tokens;

impl Access for Tokens {
    fn caller<'a>(&'a self, request: &'a Head) -> Later<'a, Result<Caller, Refused>> {
        let header = request.headers.get(header::AUTHORIZATION);
        let token = header
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let may = match token.map(|token| token.split('-').next().unwrap_or_default()) {
            Some("see") => vec![Right::SeeImages, Right::SeeWork],
            Some("store") => vec![Right::StoreImages],
            Some("all" | "session") => vec![
                Right::SeeImages,
                Right::StoreImages,
                Right::SeeWork,
                Right::DoWork,
            ],
            _ => return Box::pin(async { Err(Refused::Unknown) }),
        };
        let token = token.unwrap_or_default();
        let caller = Caller {
            id: token.to_owned(),
            name: token.to_owned(),
            by: if token == "session" {
                By::Session
            } else {
                By::Token
            },
            may,
        };
        Box::pin(async move { Ok(caller) })
    }
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    broken: std::sync::atomic::AtomicBool,
}

impl Audit for Log {
    fn record<'a>(&'a self, entry: Entry<'a>) -> Later<'a, Result<(), NotWritten>> {
        Box::pin(async move {
            if self.broken.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(NotWritten);
            }
            let line = format!(
                "{} {:?} {} {}",
                entry.caller.name, entry.act, entry.clinic, entry.case
            );
            self.lines.lock().unwrap().push(line);
            Ok(())
        })
    }
}

struct House {
    _dir: tempfile::TempDir,
    archive: Archive,
    store: ImageStore,
    changes: Changes,
    indexer: Indexer,
    log: Arc<Log>,
    worklist: Worklist,
    router: Router,
    shutdown: Shutdown,
}

/// A case of a clinic, committed and indexed.
async fn commit(store: &ImageStore, indexer: &Indexer, clinic: &str, version: u32, images: &[Image]) {
    let made: Vec<_> = images.iter().map(Image::make).collect();
    let case = CaseId::new(images[0].study_uid()).unwrap();
    let clinic = ClinicId::new(clinic).unwrap();
    commit_images(store, &clinic, &case, version, &made).await;
    indexer.catch_up().await.unwrap();
}

/// The same for tests of other parts.
pub(crate) async fn bring_images(
    (archive, store): (&Archive, &ImageStore),
    clinic: &str,
    version: u32,
    images: &[Image],
) {
    let indexer = Indexer::new(archive.clone(), store.clone(), Changes::new());
    commit(store, &indexer, clinic, version, images).await;
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl House {
    async fn new() -> Self {
        Self::with(&Settings::default()).await
    }

    async fn with(settings: &Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config: Images = toml::from_str("listen = \"127.0.0.1:0\"\nmax_object_mib = 8").unwrap();
        let archive = Archive::open_with_keys(&dir.path().join("hub.sqlite"))
            .await
            .unwrap();
        let changes = Changes::new();
        let images = dir.path().join("images");
        let store = ImageStore::open(
            &config,
            images,
            Vault::for_tests(dir.path()),
            archive.clone(),
            changes.clone(),
        )
        .unwrap();
        let log = Arc::<Log>::default();
        let shutdown = Shutdown::new();
        let worklist = Worklist::new(
            archive.clone(),
            rules::Worklist::default().rules().unwrap(),
            changes.clone(),
            Dispatch::new(archive.clone()),
        );
        let events = Events::default();
        let cases = CaseWorkitems::new(worklist.clone(), events.clone());
        tokio::spawn(cases.clone().run(shutdown.clone()));
        let router = router(
            settings,
            Parts {
                archive: archive.clone(),
                store: store.clone(),
                changes: changes.clone(),
                access: Arc::new(Tokens),
                audit: log.clone(),
                workitems: vec![Arc::new(cases)],
                events,
                shutdown: shutdown.clone(),
            },
        );
        Self {
            indexer: Indexer::new(archive.clone(), store.clone(), changes.clone()),
            _dir: dir,
            archive,
            store,
            changes,
            log,
            worklist,
            router,
            shutdown,
        }
    }

    async fn commit(&self, clinic: &str, version: u32, images: &[Image]) {
        commit(&self.store, &self.indexer, clinic, version, images).await;
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_vec(),
        }
    }

    async fn get(&self, path: &str, accept: &str) -> Answer {
        self.ask(request(Method::GET, path, &[("accept", accept)], Body::empty()))
            .await
    }

    async fn search(&self, path: &str) -> Vec<Value> {
        let answer = self.get(path, "application/dicom+json").await;
        match answer.status {
            StatusCode::OK => answer.json().as_array().unwrap().clone(),
            StatusCode::NO_CONTENT => Vec::new(),
            other => panic!("{path}: {other}"),
        }
    }
}

/// With a token for everything, unless the headers bring another.
fn request(method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{PREFIX}{path}"))
        .header("host", "hub.example");
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        request = request.header("authorization", "Bearer all");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

fn value<'a>(object: &'a Value, tag: &str) -> &'a Value {
    &object[tag]["Value"][0]
}

/// Parts of a multipart answer: Content-Type and content.
async fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let kind = answer.header("content-type").to_owned();
    let boundary = kind.split("boundary=").nth(1).unwrap().to_owned();
    let delimiter = format!("--{boundary}");
    let finder = memchr::memmem::Finder::new(delimiter.as_bytes());
    let places: Vec<usize> = finder.find_iter(&answer.body).collect();
    let between = places
        .windows(2)
        .map(|pair| &answer.body[pair[0] + delimiter.len()..pair[1]]);
    between
        .map(|part| {
            let end = memchr::memmem::find(part, b"\r\n\r\n").unwrap();
            let head = String::from_utf8(part[..end].to_vec()).unwrap();
            let kind = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Type: "))
                .unwrap();
            (kind.to_owned(), part[end + 4..part.len() - 2].to_vec())
        })
        .collect()
}
