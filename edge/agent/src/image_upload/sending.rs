//! One job, from where it stands to the hub's word on it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use barefoot_domain::FindingCode;
use barefoot_imaging::deidentify::Banner;
use barefoot_wire::images::{
    ContentRange, Failed, HeatMapPicture, ImageSet, ImageSetResult, Instance, ObjectId, ObjectRef, Picture,
    QuickLook, decode_result_of_images, encode_image_set, encode_quick_look,
};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{Duration, Instant};

use super::allowance::Allowance;
use super::client::{self, Connection, Hub, Taken};
use super::job::{HeatMapLine, ImageLine, Line, PictureLine, Progress, QuickLookLine, Step};
use super::prepare::Preparation;

use crate::at_rest;
use crate::audit::{Action, Counts, NotWritten, PeerLog};
use crate::site_policy::PolicyHandle;
use crate::study_folder::StudyKey;

/// One call sends so much of an object: a pause for other jobs, a sync at the hub.
const RANGE_BYTES: u64 = 512 * 1024;

/// The pace is kept piece by piece.
const PIECE_BYTES: usize = 8 * 1024;

/// A connection that was idle for longer is not trusted: the hub closes it some time.
const IDLE: Duration = Duration::from_secs(30);

/// An image that arrives with another hash this often has a fault that trying does not cure.
const MOST_LOSSES: usize = 3;

/// Where one version's images lie.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) study: StudyKey,
    /// The case's name outside.
    pub(super) case: String,
    pub(super) version: u32,
    /// The folder of the study's images.
    pub(super) instances: PathBuf,
    /// The folder of what the model made of them.
    pub(super) pictures: PathBuf,
    /// File names in `instances`, oldest first.
    pub(super) files: Vec<String>,
}

/// How a turn of work on a job ended.
#[derive(Debug)]
pub(super) enum Turn {
    /// The quick look is at the hub; the rest is another turn's.
    QuickLookSent,
    /// Another job goes first, or the window closed.
    Yielded,
    /// The hub has it all.
    Done(ImageSetResult),
    /// The hub has refused all of it: a person must look.
    Refused(String),
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the images made ready cannot be read or written")]
    Disk { source: io::Error },
    #[error("the hub did not take it")]
    Hub { source: client::Error },
    #[error("the hub's answer is none")]
    Answer,
    #[error("the work was cut off")]
    Cut,
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
}

impl Error {
    /// Whether trying again is hopeless, as far as one answer can tell: then the job is set aside after some of them.
    pub(super) fn is_the_jobs(&self) -> bool {
        match self {
            Self::Answer => true,
            Self::Hub { source } => source.is_the_jobs(),
            Self::Disk { .. } | Self::Cut | Self::NotWritten(_) => false,
        }
    }

    /// Whether another job may fare better.
    pub(super) fn lets_others_go_first(&self) -> bool {
        match self {
            Self::Hub { source } => source.was_connected(),
            Self::Disk { .. } | Self::Answer => true,
            Self::Cut | Self::NotWritten(_) => false,
        }
    }
}

/// What a job is worked on with.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) hub: Hub,
    pub(super) preparation: Preparation,
    /// What the site's policy says now, over the one that stands in the preparation.
    pub(super) policy: PolicyHandle,
    pub(super) banners: Vec<Banner>,
    pub(super) allowance: Arc<Allowance>,
    pub(super) log: PeerLog,
    /// Of the last turn, and when it ended.
    pub(super) line: Mutex<Option<(Connection, Instant)>>,
}

/// A job in work.
struct Work<'a> {
    sending: &'a Sending,
    version: &'a Version,
    preparation: Arc<Preparation>,
    progress: Progress,
    line: Option<Connection>,
}

impl Sending {
    /// Works on a job until it is done, or `yields` says that it must stand back.
    pub(super) async fn work(
        &self,
        version: &Version,
        folder: PathBuf,
        yields: &(impl Fn() -> bool + Sync),
    ) -> Result<Turn, Error> {
        let preparation = Preparation {
            policy: self.policy.get().hub.deidentification(self.banners.clone()),
            ..self.preparation.clone()
        };
        let rules = preparation.rules();
        let progress = spawn_blocking(move || Progress::under(folder, &rules))
            .await
            .map_err(|_| Error::Cut)?
            .map_err(|source| Error::Disk { source })?;
        let mut work = Work {
            sending: self,
            version,
            preparation: Arc::new(preparation),
            progress,
            line: self.idle_line().await,
        };
        // After a failure the next turn calls anew.
        let turn = work.turn(yields).await?;
        if let Some(line) = work.line {
            *self.line.lock().await = Some((line, Instant::now()));
        }
        Ok(turn)
    }

    async fn idle_line(&self) -> Option<Connection> {
        let (line, since) = self.line.lock().await.take()?;
        (since.elapsed() < IDLE).then_some(line)
    }
}

impl Work<'_> {
    async fn turn(&mut self, yields: &(impl Fn() -> bool + Sync)) -> Result<Turn, Error> {
        self.tell().await?;
        if self.progress.is_quick_look_sent() {
            return self.images(yields).await;
        }
        self.quick_look(yields).await?;
        Ok(if self.progress.is_quick_look_sent() {
            Turn::QuickLookSent
        } else {
            Turn::Yielded
        })
    }

    /// Once for each version, before anything of it leaves.
    async fn tell(&mut self) -> Result<(), Error> {
        if self.progress.is_told() {
            return Ok(());
        }
        let images = u64::try_from(self.version.files.len()).unwrap_or(u64::MAX);
        let counts = Counts::from([(self.version.study.clone(), images)]);
        let log = &self.sending.log;
        log.disclose(&super::uploader(), Action::UploadBegun, super::HUB, &counts)
            .await?;
        self.note(Line::Told).await
    }

    async fn quick_look(&mut self, yields: &(impl Fn() -> bool + Sync)) -> Result<(), Error> {
        if self.progress.quick_look().is_none() {
            self.prepare_quick_look().await?;
        }
        let mut lacks: Vec<ObjectId> = Vec::new();
        // Again where the hub lost what it had: its answer names what it lacks. The last time without heat maps, which must
        // hold nothing up.
        for round in 0..=MOST_LOSSES {
            let QuickLookLine { pictures, heat_maps } =
                self.progress.quick_look().cloned().unwrap_or_default();
            if pictures.is_empty() {
                // Every image stays in the clinic, or none can be shown: what the commit says.
                return self.note(Line::QuickLookSent).await;
            }
            for picture in &pictures {
                let object = reference(&picture.sha256, picture.bytes).ok_or(Error::Answer)?;
                match self.send(object, &picture.sha256, yields).await? {
                    Sent::Whole | Sent::TooLarge => {}
                    Sent::Yielded => return Ok(()),
                    Sent::WrongHash | Sent::Gone => {
                        // Made anew by the next attempt.
                        return self.again_quick_look().await;
                    }
                }
            }
            let mut named = named(&pictures);
            if round < MOST_LOSSES {
                for line in &heat_maps {
                    let Some(heat_map) = named_heat_map(line) else {
                        continue;
                    };
                    // A hub that takes no heat maps never asks for their objects.
                    if lacks.contains(&heat_map.object.id) {
                        match self.send(heat_map.object, &line.sha256, yields).await? {
                            Sent::Whole => {}
                            Sent::Yielded => return Ok(()),
                            Sent::TooLarge | Sent::WrongHash | Sent::Gone => continue,
                        }
                    }
                    named.heat_maps.push(heat_map);
                }
            }
            let path = format!(
                "/v1/cases/{}/{}/quick-look",
                self.version.case, self.version.version
            );
            let result = self.commit(&path, encode_quick_look(&named)).await?;
            let missing = result.map(|result| result.missing).unwrap_or_default();
            if missing.is_empty() {
                return self
                    .prepare(move |_, progress| {
                        progress.note(Line::QuickLookSent)?;
                        let pictures = pictures.iter().map(|picture| &picture.sha256);
                        for sha256 in pictures.chain(heat_maps.iter().map(|map| &map.sha256)) {
                            progress.drop_object(sha256);
                        }
                        Ok(())
                    })
                    .await;
            }
            lacks = missing.iter().map(|object| object.id).collect();
        }
        Err(Error::Answer)
    }

    async fn prepare_quick_look(&mut self) -> Result<(), Error> {
        let (paths, made): (Vec<PathBuf>, _) = (self.paths().collect(), self.version.pictures.clone());
        self.prepare(move |preparation, progress| preparation.quick_look(&paths, &made, progress))
            .await
    }

    async fn again_quick_look(&mut self) -> Result<(), Error> {
        self.prepare_quick_look().await?;
        Err(Error::Answer)
    }

    async fn images(&mut self, yields: &(impl Fn() -> bool + Sync)) -> Result<Turn, Error> {
        let version = self.version;
        for file in &version.files {
            loop {
                match self.progress.step(file) {
                    Step::Sent(_) | Step::Withheld(_) => break,
                    Step::ToPrepare if MOST_LOSSES <= self.progress.losses(file) => {
                        let (file, reason) = (file.clone(), "lost_on_the_way".to_owned());
                        self.note(Line::Withheld { file, reason }).await?;
                    }
                    Step::ToPrepare => {
                        if yields() {
                            return Ok(Turn::Yielded);
                        }
                        self.prepare_image(file).await?;
                    }
                    Step::ToSend(image) => {
                        let object = reference(&image.sha256, image.bytes).ok_or(Error::Answer)?;
                        let file = file.clone();
                        match self.send(object, &image.sha256, yields).await? {
                            Sent::Whole => {
                                self.note_sent(file, image.sha256).await?;
                            }
                            Sent::TooLarge => {
                                let reason = "too_large_for_the_hub".to_owned();
                                self.note(Line::Withheld { file, reason }).await?;
                                self.progress.drop_object(&image.sha256);
                            }
                            Sent::WrongHash | Sent::Gone => self.note(Line::Lost { file }).await?,
                            Sent::Yielded => return Ok(Turn::Yielded),
                        }
                    }
                }
            }
        }
        self.commit_all().await
    }

    async fn commit_all(&mut self) -> Result<Turn, Error> {
        let set = self.set();
        let path = format!("/v1/cases/{}/{}", self.version.case, self.version.version);
        let Some(result) = self.commit(&path, encode_image_set(&set)).await? else {
            return Ok(Turn::Refused("the hub takes no case of this size".to_owned()));
        };
        if !result.missing.is_empty() {
            let version = self.version;
            for file in &version.files {
                let lacks = |image: &ImageLine| {
                    result
                        .missing
                        .iter()
                        .any(|missing| missing.id.to_string() == image.sha256)
                };
                if matches!(self.progress.step(file), Step::Sent(image) if lacks(&image)) {
                    self.note(Line::Lost { file: file.clone() }).await?;
                }
            }
            // The next turn makes them ready again.
            return Ok(Turn::Yielded);
        }
        match result.failed.first() {
            Some(Failed { why, .. }) if result.referenced.is_empty() => Ok(Turn::Refused(why.clone())),
            _ => Ok(Turn::Done(result)),
        }
    }

    fn set(&self) -> ImageSet {
        let mut set = ImageSet::default();
        for file in &self.version.files {
            match self.progress.step(file) {
                Step::Sent(image) => {
                    if let Some(object) = reference(&image.sha256, image.bytes) {
                        set.instances.push(Instance {
                            object,
                            sop_class_uid: image.sop_class_uid,
                            sop_instance_uid: image.sop_instance_uid,
                            transfer_syntax_uid: image.transfer_syntax_uid,
                        });
                    }
                }
                Step::Withheld(reason) => match set.withheld.iter_mut().find(|(code, _)| *code == reason) {
                    Some((_, count)) => *count += 1,
                    None => set.withheld.push((reason, 1)),
                },
                Step::ToPrepare | Step::ToSend(_) => {}
            }
        }
        set
    }

    /// `None`: too large for the hub.
    async fn commit(&mut self, path: &str, message: Vec<u8>) -> Result<Option<ImageSetResult>, Error> {
        let line = self.line().await?;
        let (status, body) = line
            .commit(path, message)
            .await
            .map_err(|source| Error::Hub { source })?;
        if status == 413 {
            return Ok(None);
        }
        decode_result_of_images(&body)
            .map(Some)
            .map_err(|_| Error::Answer)
    }

    async fn send(
        &mut self,
        object: ObjectRef,
        name: &str,
        yields: &(impl Fn() -> bool + Sync),
    ) -> Result<Sent, Error> {
        let path = self.progress.object(name);
        let hub = |source| Error::Hub { source };
        let mut held = self.line().await?.held(object.id).await.map_err(hub)?;
        let mut has_moved = false;
        while !held.complete {
            // Not before something moved: where results come all the time, images get their part too.
            if has_moved && yields() {
                return Ok(Sent::Yielded);
            }
            has_moved = true;
            let range = ContentRange {
                first: held.offset,
                end: object.bytes.min(held.offset + RANGE_BYTES),
                length: object.bytes,
            };
            if range.end <= range.first {
                return Ok(Sent::WrongHash);
            }
            let file = path.clone();
            let read = spawn_blocking(move || read_range(&file, range)).await;
            let Some(content) = read
                .map_err(|_| Error::Cut)?
                .map_err(|source| Error::Disk { source })?
            else {
                return Ok(Sent::Gone);
            };
            let allowance = Arc::clone(&self.sending.allowance);
            let pieces = stream::unfold((content, allowance), |(mut content, allowance)| async move {
                let piece = content.split_to(content.len().min(PIECE_BYTES));
                if piece.is_empty() {
                    return None;
                }
                allowance.take(piece.len()).await;
                Some((piece, (content, allowance)))
            });
            let taken = self.line().await?.put_range(object.id, range, pieces).await;
            held = match taken.map_err(hub)? {
                Taken::Held(held) => held,
                Taken::WrongHash => return Ok(Sent::WrongHash),
                Taken::TooLarge => return Ok(Sent::TooLarge),
            };
        }
        Ok(Sent::Whole)
    }

    async fn line(&mut self) -> Result<&mut Connection, Error> {
        let line = match self.line.take() {
            Some(line) => line,
            None => self
                .sending
                .hub
                .connect()
                .await
                .map_err(|source| Error::Hub { source })?,
        };
        Ok(self.line.insert(line))
    }

    async fn prepare_image(&mut self, file: &str) -> Result<(), Error> {
        let path = self.version.instances.join(file);
        let (file, case) = (file.to_owned(), self.version.case.clone());
        self.prepare(move |preparation, progress| preparation.image(&file, &path, &case, progress))
            .await
    }

    /// Runs blocking work on the progress.
    async fn prepare(
        &mut self,
        work: impl FnOnce(&Preparation, &mut Progress) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let preparation = Arc::clone(&self.preparation);
        let mut progress = std::mem::take(&mut self.progress);
        let (progress, outcome) = spawn_blocking(move || {
            let outcome = work(&preparation, &mut progress);
            (progress, outcome)
        })
        .await
        .map_err(|_| Error::Cut)?;
        self.progress = progress;
        outcome.map_err(|source| Error::Disk { source })
    }

    fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.version
            .files
            .iter()
            .map(|file| self.version.instances.join(file))
    }

    async fn note(&mut self, line: Line) -> Result<(), Error> {
        self.prepare(move |_, progress| progress.note(line)).await
    }

    /// Notes that the hub has an object, which then goes.
    async fn note_sent(&mut self, file: String, sha256: String) -> Result<(), Error> {
        self.prepare(move |_, progress| {
            progress.note(Line::Sent { file })?;
            progress.drop_object(&sha256);
            Ok(())
        })
        .await
    }
}

enum Sent {
    Whole,
    WrongHash,
    /// The file is not here any more.
    Gone,
    TooLarge,
    Yielded,
}

/// `None` where the file is missing or not as long as it was.
fn read_range(path: &std::path::Path, range: ContentRange) -> io::Result<Option<Bytes>> {
    use std::io::{Read as _, Seek as _};
    let mut file = match at_rest::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.length() != range.length {
        return Ok(None);
    }
    let length = usize::try_from(range.end - range.first).map_err(io::Error::other)?;
    let mut content = vec![0; length];
    file.seek(io::SeekFrom::Start(range.first))?;
    file.read_exact(&mut content)?;
    Ok(Some(content.into()))
}

fn named(pictures: &[PictureLine]) -> QuickLook {
    let picture = |line: &PictureLine| {
        Some(Picture {
            object: reference(&line.sha256, line.bytes)?,
            sop_instance_uid: line.sop_instance_uid.clone(),
        })
    };
    QuickLook {
        pictures: pictures.iter().filter_map(picture).collect(),
        heat_maps: Vec::new(),
    }
}

fn named_heat_map(line: &HeatMapLine) -> Option<HeatMapPicture> {
    Some(HeatMapPicture {
        object: reference(&line.sha256, line.bytes)?,
        sop_instance_uid: line.sop_instance_uid.clone(),
        frame: line.frame,
        finding: FindingCode::new(line.finding.clone()).ok()?,
    })
}

fn reference(sha256: &str, bytes: u64) -> Option<ObjectRef> {
    let id: ObjectId = sha256.parse().ok()?;
    Some(ObjectRef { id, bytes })
}
