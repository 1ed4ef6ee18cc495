//! A box that belongs to no clinic yet: one page, and a look at sticks, until it does.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::addresses::AddressFile;
use crate::clinic_page::FirstBootPage;
use crate::config::Config;
use crate::membership::{self, Membership};
use crate::set_up::{self, Problem, SetUpDesk};

/// What the file on a stick is called, in small or large letters.
const FILE: &str = "barefoot-setup.txt";
const MAX_FILE_BYTES: u64 = 4096;
/// Sticks are mounted below the folder, some one below their label.
const DEPTH: usize = 2;
const ENTRIES: usize = 256;

/// A stick may appear at any moment; a hub that was not reached is asked again after some of these.
const LOOK: Duration = Duration::from_secs(2);
const LOOKS_BETWEEN_ATTEMPTS: u32 = 15;

/// What came of a stick.
type OfStick = Arc<Mutex<Option<Problem>>>;

/// The box's clinic, once it has one; `None` at the shutdown.
///
/// # Errors
/// When the page cannot be opened, or what the hub told cannot be kept.
pub(super) async fn run(
    config: &Config,
    shutdown: &CancellationToken,
    ready: impl FnOnce(),
) -> Result<Option<Membership>, Error> {
    let state = config.storage.directory.clone();
    let in_state = |source| Error::State {
        path: state.display().to_string(),
        source,
    };
    std::fs::create_dir_all(&state).map_err(in_state)?;
    let failed = |source| Error::FirstBoot {
        address: config.page.listen,
        source,
    };
    let page = FirstBootPage::bind(&config.page).await.map_err(failed)?;
    let address = page.local_addr().map_err(failed)?;
    let (done_in, mut done) = mpsc::channel(1);
    let of_stick = OfStick::default();
    let (folder, told) = (state.clone(), Arc::clone(&of_stick));
    let desk = SetUpDesk::new(
        move |hub, code| {
            let (folder, done) = (folder.clone(), done_in.clone());
            Box::pin(async move { enrol(&folder, &hub, &code, &done).await })
        },
        move || told.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    );
    let addresses =
        AddressFile::write(state.join("addresses.json"), &[("page", address)]).map_err(in_state)?;
    tracing::info!(page = %address, "This box belongs to no clinic yet: open its page, or put in a stick with {FILE}.");
    ready();

    let stop = CancellationToken::new();
    let serving = tokio::spawn(page.run(desk.clone(), stop.clone()));
    let sticks = config.import.as_ref().map(|import| import.directory.clone());
    let is_done = tokio::select! {
        () = shutdown.cancelled() => false,
        _ = done.recv() => true,
        () = watch(sticks, &desk, &of_stick) => true,
        () = by_command(&state) => true,
    };
    stop.cancel();
    let _ = serving.await;
    drop(addresses);
    if !is_done {
        return Ok(None);
    }
    Membership::of(config).map_err(|source| Error::Membership { source })
}

async fn enrol(state: &Path, hub: &str, code: &str, done: &mpsc::Sender<()>) -> Result<(), Problem> {
    let (hub, code) = set_up::parts(hub, code);
    match membership::enrol(state, hub, code).await {
        Ok(clinic) => {
            tracing::info!(%clinic, "The box was enrolled.");
            // A second one changes nothing.
            let _ = done.try_send(());
            Ok(())
        }
        Err(problem) => {
            tracing::warn!(%problem, "The box was not enrolled.");
            Err(problem)
        }
    }
}

/// Ends when `barefoot-edge enrol` was given a code.
async fn by_command(state: &Path) {
    while !membership::is_there(state) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Tries what lies on sticks, until one does.
async fn watch(sticks: Option<PathBuf>, desk: &SetUpDesk, told: &OfStick) {
    let Some(sticks) = sticks else {
        return std::future::pending().await;
    };
    let mut tried = String::new();
    let mut looks = 0;
    loop {
        let folder = sticks.clone();
        let found = tokio::task::spawn_blocking(move || line_on_a_stick(&folder, DEPTH)).await;
        match found.ok().flatten() {
            Some(line) if line != tried || looks == 0 => {
                tried.clone_from(&line);
                looks = LOOKS_BETWEEN_ATTEMPTS;
                let outcome = desk.enrol(line, String::new()).await;
                let problem = outcome.err();
                let is_over = problem.is_none();
                *told.lock().unwrap_or_else(PoisonError::into_inner) = problem;
                if is_over {
                    return;
                }
            }
            Some(_) => looks -= 1,
            None => {
                (tried, looks) = (String::new(), 0);
                *told.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The first line that is no comment of the first such file.
fn line_on_a_stick(folder: &Path, depth: usize) -> Option<String> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).ok()?.take(ENTRIES) {
        let entry = entry.ok()?;
        // A link leads off the stick.
        let kind = entry.file_type().ok()?;
        let is_it = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.eq_ignore_ascii_case(FILE));
        if kind.is_file() && is_it {
            if MAX_FILE_BYTES < entry.metadata().ok()?.len() {
                continue;
            }
            let text = std::fs::read(entry.path()).ok()?;
            if let Some(line) = set_up::line(&text) {
                return Some(line);
            }
        } else if kind.is_dir() && 0 < depth {
            folders.push(entry.path());
        }
    }
    folders
        .iter()
        .find_map(|folder| line_on_a_stick(folder, depth - 1))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_line_is_found_however_the_stick_is_mounted() {
        let media = tempfile::tempdir().unwrap();
        assert_eq!(line_on_a_stick(media.path(), DEPTH), None);
        let stick = media.path().join("box/STICK");
        fs::create_dir_all(stick.join("deep/deeper")).unwrap();
        fs::write(stick.join("deep/deeper").join(FILE), "too deep/X").unwrap();
        assert_eq!(line_on_a_stick(media.path(), DEPTH), None);
        fs::write(
            stick.join("BAREFOOT-SETUP.TXT"),
            "\u{feff}# for clinic 7\r\n\r\n hub:1/ABCD \r\n",
        )
        .unwrap();
        assert_eq!(
            line_on_a_stick(media.path(), DEPTH).as_deref(),
            Some("hub:1/ABCD")
        );
        fs::write(stick.join("BAREFOOT-SETUP.TXT"), vec![b'x'; 5000]).unwrap();
        assert_eq!(line_on_a_stick(media.path(), DEPTH), None);
    }
}
