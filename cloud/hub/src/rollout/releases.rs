use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use barefoot_trust::Person;
use barefoot_trust::release::Release;
use barefoot_wire::v1::{FilePart, ReleasePart};
use bytes::BytesMut;
use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::sync::{Mutex, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::repository::{Checked, Repository};
use super::{Error, proof};
use crate::audit::{Action, Actor, Entry, Object};
use crate::config;
use crate::model_registry::{self, Registry};

/// Content of one part of a file.
const PART_BYTES: usize = 256 * 1024;
/// Parts of a file read ahead of a box's line.
const PARTS_AHEAD: usize = 2;
/// Heads and manifests are held whole while they are compared with what was proven.
const HELD_BYTES: u64 = 64 * 1024 * 1024;

/// The published repository; a handle, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Releases(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None`: the hub was given no root.
    repository: Option<Repository>,
    registry: Registry,
    /// One upload at a time.
    intake: Mutex<()>,
    /// The registry does not know yet what was published.
    untold: AtomicBool,
}

impl Releases {
    /// `directory` is the hub's own folder for it.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) async fn open(
        config: Option<&config::Releases>,
        directory: PathBuf,
        registry: Registry,
    ) -> Result<Self, Error> {
        let repository = match config {
            Some(config) => {
                let root = config.root.clone();
                Some(blocking(move || Ok(Repository::open(directory, root)?)).await?)
            }
            None => None,
        };
        let releases = Self(Arc::new(Inner {
            repository,
            registry,
            intake: Mutex::new(()),
            untold: AtomicBool::new(false),
        }));
        // Killed between swapping and saying so.
        releases.tell_the_registry().await;
        Ok(releases)
    }

    fn repository(&self) -> Result<&Repository, Error> {
        self.0.repository.as_ref().ok_or(Error::NoRoot)
    }

    /// # Errors
    /// When it is not listed by the published repository.
    pub(crate) fn is_offered(&self, model: &str, version: &str) -> Result<(), Error> {
        let offered = self.repository()?.offered().ok_or(Error::Unknown {
            what: "published release",
        })?;
        offered.release(model, version)?;
        Ok(())
    }

    /// It is not listed by the published repository. Of one that is not believed any more nothing is known.
    pub(crate) fn is_taken_back(&self, model: &str, version: &str) -> bool {
        let offered = self.0.repository.as_ref().and_then(Repository::offered);
        offered.is_some_and(|offered| offered.release(model, version).is_err())
    }

    /// Takes a whole repository in: signed, newer than what is known, every new release what the gate let pass. Then
    /// boxes are offered it, at once. The same again changes nothing.
    ///
    /// # Errors
    /// The first thing that is wrong; boxes are offered what they were before.
    pub(crate) async fn publish(
        &self,
        parts: impl Stream<Item = Result<ReleasePart, Status>> + Send,
        by: &Person,
    ) -> Result<(), Error> {
        self.repository()?;
        let _intake = self.0.intake.try_lock().map_err(|_| Error::NotNow {
            reason: "Another repository is being published; try again when it is done.".to_owned(),
        })?;
        let me = self.clone();
        let mut staging = blocking(move || Ok(me.repository()?.stage()?)).await?;
        let mut parts = std::pin::pin!(parts);
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| Error::invalid("The upload stopped before it was complete."))?;
            staging = blocking(move || {
                staging.write(&part.path, &part.content)?;
                Ok(staging)
            })
            .await?;
        }
        let me = self.clone();
        let checked = blocking(move || me.repository()?.check(staging)).await?;
        for release in &checked.new {
            self.prove(&checked, release).await?;
        }
        let new: Vec<String> = checked
            .new
            .iter()
            .map(|release| format!("{} {}", release.details.model, release.details.version))
            .collect();
        // Before boxes can hear of it.
        let entry = Entry::new(Actor::certified(by), Action::ReleasePublished, Object::none());
        let noted = self
            .0
            .registry
            .note(entry.details(&format!("new: {}", new.join(", "))));
        noted.await?;
        let (me, new) = (self.clone(), new.len());
        blocking(move || me.repository()?.publish(checked)).await?;
        tracing::info!(new, "A release repository was published.");
        self.tell_the_registry().await;
        Ok(())
    }

    async fn prove(&self, checked: &Checked, release: &Release) -> Result<(), Error> {
        let details = &release.details;
        let unproven = |reason: String| Error::Unproven {
            name: format!("{} {}", details.model, details.version),
            reason,
        };
        let proof = match self.0.registry.proof(&details.model, &details.version).await {
            Err(model_registry::Error::Unknown { .. }) => {
                return Err(unproven("the registry does not know it".to_owned()));
            }
            proof => proof?,
        };
        let (files, release) = (checked.files(), release.clone());
        let read = move |path: &str| -> Result<Vec<u8>, String> {
            let missing = |_| format!("{path} is missing");
            let file = release.file(path).map_err(missing)?;
            let mut bytes = Vec::new();
            let opened = files.open_target(file).map_err(missing)?;
            let read = opened.take(HELD_BYTES).read_to_end(&mut bytes);
            read.map(|_| bytes).map_err(|error| error.to_string())
        };
        let details = details.clone();
        let held = blocking(move || {
            Ok((|| {
                let manifest = proof::manifest(&read("manifest.toml")?)?;
                let head = read(&manifest.head.file)?;
                proof::check(&details, &manifest, &head, &proof)
            })())
        });
        held.await?.map_err(unproven)
    }

    /// What is offered counts as released, what its maintainers took back as withdrawn. Said again at every start.
    async fn tell_the_registry(&self) {
        self.0.untold.store(false, Ordering::Relaxed);
        let Some(offered) = self.0.repository.as_ref().and_then(Repository::offered) else {
            return;
        };
        let registry = &self.0.registry;
        for release in &offered.releases {
            let (model, version) = (&release.details.model, &release.details.version);
            self.told(model, version, registry.published(model, version).await);
        }
        for gone in &offered.withdrawn {
            let (model, version) = (&gone.model, &gone.version);
            // Listed again, it counts.
            if offered.release(model, version).is_err() {
                self.told(model, version, registry.withdrawn(model, version).await);
            }
        }
    }

    fn told(&self, model: &str, version: &str, answer: Result<(), model_registry::Error>) {
        match answer {
            Ok(()) => {}
            Err(error @ (model_registry::Error::State { .. } | model_registry::Error::Unknown { .. })) => {
                tracing::info!(model, version, reason = %error, "A published version stays in the registry as it is.");
            }
            Err(error) => {
                self.0.untold.store(true, Ordering::Relaxed);
                tracing::error!(model, version, %error, "The registry was not told what was published; told again soon.");
            }
        }
    }

    /// When the registry could not take it the last time.
    pub(super) async fn tell_the_registry_again(&self) {
        if self.0.untold.load(Ordering::Relaxed) {
            self.tell_the_registry().await;
        }
    }

    /// A file from `offset`, in parts; the first says how long the whole is.
    ///
    /// # Errors
    /// When there is no such file, or it is shorter.
    pub(crate) async fn read(
        &self,
        path: String,
        offset: u64,
    ) -> Result<ReceiverStream<Result<FilePart, Status>>, Error> {
        let me = self.clone();
        let (file, total) = blocking(move || match me.repository() {
            Ok(repository) => repository.read(&path, offset),
            Err(_) => Err(Error::Unknown { what: "file" }),
        })
        .await?;
        let mut file = tokio::fs::File::from_std(file);
        let (parts_in, parts) = mpsc::channel(PARTS_AHEAD);
        file.set_max_buf_size(PART_BYTES);
        tokio::spawn(async move {
            let mut first = true;
            loop {
                let mut content = BytesMut::with_capacity(PART_BYTES);
                let part = match file.read_buf(&mut content).await {
                    Ok(0) if !first => return,
                    Ok(_) => Ok(FilePart {
                        content: content.to_vec(),
                        total: if first { total } else { 0 },
                    }),
                    Err(error) => {
                        tracing::error!(%error, "A published file cannot be read.");
                        Err(Status::unavailable("The hub cannot read the file at the moment."))
                    }
                };
                first = false;
                let last = part.is_err();
                // A box that is gone reads no further.
                if parts_in.send(part).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(ReceiverStream::new(parts))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::from(std::io::Error::other(error))))
}
