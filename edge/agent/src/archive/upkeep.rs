//! Keeps the logs and summaries level with the folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use barefoot_imaging::header;
use tokio_util::sync::CancellationToken;

use super::line::{self, Instance, Line};
use super::study_index::{StudyIndex, Summary};
use super::{Archive, lock};
use crate::study_folder::{StateDirectory, StudyKey};
use crate::{at_rest, checked_lines, durable};

/// How often changed studies are looked at while nobody asks.
const PAUSE: Duration = Duration::from_secs(5);
/// Studies read again between two such looks, so that new ones do not wait for old ones.
const AT_ONCE: usize = 20;
/// A folder that changed less than this long ago may change again without its time showing it.
const SETTLED_NS: i64 = 1_000_000_000;

/// Runs until `shutdown`, and once more then.
pub(crate) async fn run(archive: Archive, shutdown: CancellationToken) {
    loop {
        let work = {
            let archive = archive.clone();
            tokio::task::spawn_blocking(move || {
                archive.look_at_changed();
                archive.catch_up(AT_ONCE)
            })
        };
        let more = work.await.unwrap_or_default();
        if shutdown.is_cancelled() {
            return;
        }
        if !more {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

impl Archive {
    /// Reads what changed since the last time. A study stays among the changed ones until its summary is written.
    pub(super) fn look_at_changed(&self) {
        let changed: Vec<StudyKey> = lock(&self.inner.changed).iter().cloned().collect();
        for study in changed {
            // Taken off first: what comes meanwhile puts it back.
            lock(&self.inner.changed).remove(&study);
            if !self.renewed(&study) {
                self.note(&study);
            }
        }
    }

    /// Reads up to `most` studies that were behind at start; `true` while there are more.
    pub(super) fn catch_up(&self, most: usize) -> bool {
        let next: Vec<StudyKey> = lock(&self.inner.behind).iter().take(most).cloned().collect();
        for study in next {
            if !self.renewed(&study) {
                self.note(&study);
            }
            lock(&self.inner.behind).remove(&study);
        }
        !lock(&self.inner.behind).is_empty()
    }

    /// `false` when the study should be looked at again.
    fn renewed(&self, study: &StudyKey) -> bool {
        let _one = lock(&self.inner.writing);
        match renew(&self.inner.state, study) {
            Ok(renewed) => {
                self.put(study, renewed.index);
                renewed.is_written_down
            }
            Err(error) => {
                tracing::warn!(%study, %error, "A study cannot be listed in the archive; it is tried again.");
                false
            }
        }
    }
}

struct Renewed {
    index: Option<StudyIndex>,
    is_written_down: bool,
}

/// Brings a study's log level with its folder.
fn renew(state: &StateDirectory, study: &StudyKey) -> io::Result<Renewed> {
    let (folder, log) = (state.instances(study), log_of(state, study));
    // Before the listing: what comes after it makes this too old, and the summary is not believed at the next start.
    let Some(changed) = changed_ns(&folder)? else {
        return Ok(Renewed {
            index: None,
            is_written_down: true,
        });
    };
    let files = files(&folder)?;
    let old = checked_lines::replay::<Line>(&log)?;
    let was = old.entries.len();
    let mut lines = still_there(old.entries, &files);
    if lines.len() != was || old.damaged != 0 {
        rewrite(&log, &lines)?;
    }
    let new = new_lines(&folder, &files, &lines);
    if !new.is_empty() {
        checked_lines::append_unsynced(&log, &new)?;
        lines.extend(new);
    }
    let index = StudyIndex::of(&lines);
    let mut is_written_down = index.is_none();
    if let Some(index) = &index
        && SETTLED_NS < now_ns().saturating_sub(changed)
    {
        let log = File::open(&log)?;
        log.sync_data()?;
        let summary = Summary::new(index, changed, log.metadata()?.len());
        let bytes = serde_json::to_vec(&summary).map_err(io::Error::other)?;
        durable::replace(&summary_of(state, study), &bytes)?;
        is_written_down = true;
    }
    Ok(Renewed {
        index,
        is_written_down,
    })
}

/// The summary at start; `None` where it is missing, damaged or behind the folder.
pub(super) fn summary(state: &StateDirectory, study: &StudyKey) -> Option<StudyIndex> {
    let bytes = durable::read(&summary_of(state, study)).ok()??;
    let summary: Summary = serde_json::from_slice(&bytes).ok()?;
    let changed = changed_ns(&state.instances(study)).ok()??;
    let log = fs::metadata(log_of(state, study)).ok()?;
    let level = changed == summary.folder_changed_ns && log.len() == summary.log_bytes;
    level.then(|| summary.into_index())
}

/// The instances' lines, for a question about them.
pub(super) fn instances(state: &StateDirectory, study: &StudyKey) -> io::Result<Vec<Instance>> {
    let replay = checked_lines::replay::<Line>(&log_of(state, study))?;
    let lines = replay.entries.into_iter().filter_map(|line| match line {
        Line::Instance(instance) => Some(instance),
        Line::Series { .. } => None,
    });
    Ok(lines.collect())
}

/// Lines whose file is there, one of each, and those of their series.
fn still_there(lines: Vec<Line>, files: &BTreeSet<String>) -> Vec<Line> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut series: BTreeSet<String> = BTreeSet::new();
    let mut kept = Vec::with_capacity(lines.len());
    for line in lines {
        let keep = match &line {
            Line::Series { uid, .. } => series.insert(uid.clone()),
            Line::Instance(instance) => {
                files.contains(&instance.file)
                    && series.contains(&instance.series)
                    && known.insert(instance.file.clone())
            }
        };
        if keep {
            kept.push(line);
        }
    }
    kept
}

/// Lines for files that have none. A file that cannot be read is none of ours, or damaged: it is left out.
fn new_lines(folder: &Path, files: &BTreeSet<String>, lines: &[Line]) -> Vec<Line> {
    let mut series: BTreeSet<String> = BTreeSet::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for line in lines {
        match line {
            Line::Series { uid, .. } => {
                series.insert(uid.clone());
            }
            Line::Instance(instance) => {
                known.insert(&instance.file);
            }
        }
    }
    let mut new = Vec::new();
    for file in files.iter().filter(|file| !known.contains(file.as_str())) {
        let path = folder.join(file);
        match header::read_header(&at_rest::stored(&path)) {
            Ok(header) => {
                let (of_series, instance) = line::of(&header, file, &path);
                if series.insert(instance.series.clone()) {
                    new.push(of_series);
                }
                new.push(Line::Instance(instance));
            }
            Err(error) => {
                tracing::warn!(file, reason = %error, "A kept file cannot be listed in the archive.");
            }
        }
    }
    new
}

/// Damaged lines and those of files that are gone go.
fn rewrite(log: &Path, lines: &[Line]) -> io::Result<()> {
    let written = log.with_extension("part");
    match fs::remove_file(&written) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    checked_lines::append_unsynced(&written, lines)?;
    fs::rename(&written, log)
}

/// Images, without conflicting copies: the first one answers.
fn files(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        if let Ok(name) = entry?.file_name().into_string()
            && !name.contains(".conflict-")
            && Path::new(&name)
                .extension()
                .is_some_and(|extension| extension == "dcm")
        {
            found.insert(name);
        }
    }
    Ok(found)
}

fn changed_ns(folder: &Path) -> io::Result<Option<i64>> {
    match fs::metadata(folder) {
        Ok(metadata) => Ok(Some(nanoseconds(metadata.modified()?))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn now_ns() -> i64 {
    nanoseconds(SystemTime::now())
}

fn nanoseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn log_of(state: &StateDirectory, study: &StudyKey) -> PathBuf {
    state.study(study).join("instances.log")
}

fn summary_of(state: &StateDirectory, study: &StudyKey) -> PathBuf {
    state.study(study).join("instances.sum")
}

/// By the UID of the series they belong to.
pub(super) fn by_series(instances: Vec<Instance>) -> BTreeMap<String, Vec<Instance>> {
    let mut found: BTreeMap<String, Vec<Instance>> = BTreeMap::new();
    for instance in instances {
        found.entry(instance.series.clone()).or_default().push(instance);
    }
    found
}
