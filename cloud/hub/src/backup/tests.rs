use std::fs;
use std::path::{Path, PathBuf};

use barefoot_domain::{CaseId, ClinicId};
use barefoot_wire::images::ObjectId;
use tempfile::TempDir;

use super::*;
use crate::archive::{Archive, NewImageSet, Restoration};
use crate::at_rest::Vault;
use crate::config::Config;

/// A hub's state directory with what a hub keeps in it, and a folder for backups.
struct Hub {
    dir: TempDir,
}

impl Hub {
    async fn new() -> Self {
        let hub = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        state::StateDirectory::make(&hub.state()).unwrap();
        let archive = hub.archive().await;
        hub.put("chunks/ab/abcd", b"parameters");
        hub.put("chunks/new/7", b"half of some");
        hub.put("releases/published/01/metadata/root.json", b"signed");
        hub.put("releases/trusted/timestamp.json", b"signed");
        hub.put("images/clinic-7/open/half.9", b"ha");
        hub.put("addresses.json", b"{}");
        std::os::unix::fs::symlink("published/01", hub.state().join("releases/current")).unwrap();
        hub.image(&archive, 1).await;
        archive.close().await;
        hub
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn backups(&self) -> PathBuf {
        self.dir.path().join("backups")
    }

    async fn archive(&self) -> Archive {
        let vault = Vault::for_tests(&self.state());
        Archive::open(&state::database_of(&self.state()), vault)
            .await
            .unwrap()
    }

    fn put(&self, path: &str, content: &[u8]) {
        let path = self.state().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// An object of a committed version.
    async fn image(&self, archive: &Archive, number: u8) {
        let (clinic, id) = (ClinicId::new("clinic-7").unwrap(), ObjectId([number; 32]));
        let name = id.to_string();
        self.put(
            &format!("images/clinic-7/objects/{}/{name}", &name[..2]),
            &[number; 1000],
        );
        let new = NewImageSet {
            clinic: &clinic,
            case: &CaseId::new(format!("2.25.{number}")).unwrap(),
            version: 1,
            objects: &[(id, "2.25.2".to_owned())],
            withheld: 0,
            result: Vec::new(),
            at_ms: 1,
        };
        archive.commit_images(&new).await.unwrap();
    }

    async fn back_up(&self, with_key: bool) -> Result<Made, Error> {
        make(&config(&self.state()), &self.backups(), with_key, &mut |_| {}).await
    }

    fn key(&self) -> PathBuf {
        self.state().join(KEY)
    }
}

fn config(state: &Path) -> Config {
    let text = format!(
        "[storage]\ndirectory = {state:?}\n[mqtt]\nendpoint = \"embedded\"\nlisten = \"127.0.0.1:0\"\n[tls]\nauthority = \"a\"\ncertificate = \"b\"\n\
         key = \"c\"\n[page]\nlisten = \"127.0.0.1:0\"\nlanguage = \"en\"\n"
    );
    Config::parse(&text, "hub.toml", Path::new("/")).unwrap()
}

async fn put_back(from: &Path, to: &Path, key: Option<&Path>) -> Result<Restored, Error> {
    restore(&config(to), from, key, &mut |_| {}).await
}

/// What lies below a folder, by path, without what is one process's own.
fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let found = tree::look(folder).unwrap();
    let content = |path: &String| fs::read(folder.join(path)).unwrap();
    found
        .files
        .keys()
        .map(|path| (path.clone(), content(path)))
        .collect()
}

#[tokio::test]
async fn a_hub_is_what_it_was_and_asks_boxes_for_the_rest() {
    let hub = Hub::new().await;
    let made = hub.back_up(false).await.unwrap();
    assert!(made.missing.is_empty());
    assert!(
        !made.path.join(STATE).join(KEY).exists(),
        "the key stays where it is"
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let state = elsewhere.path().join("state");
    let restored = put_back(&made.path, &state, Some(&hub.key())).await.unwrap();
    assert_eq!(tree(&state), tree(&hub.state()));
    assert_eq!(
        fs::read_link(state.join("releases/current")).unwrap(),
        Path::new("published/01")
    );
    let said = restored.to_check.join("\n");
    assert!(said.contains("SHUT OUT are only these"), "{said}");
    let vault = Vault::for_tests(&state);
    let archive = Archive::open(&state::database_of(&state), vault).await.unwrap();
    let told = archive.restorations().await.unwrap();
    let day = 24 * 3600 * 1000;
    let now = crate::clock::now_ms();
    assert!(
        matches!(told.as_slice(), [Restoration { since_ms, .. }] if (now - day - 60_000..=now - day).contains(since_ms)),
        "{told:?}"
    );
    let log = archive.audit_from(1, 9, 9).await.unwrap();
    let acts: Vec<&str> = log.iter().map(|one| one.entry.action.as_str()).collect();
    assert_eq!(
        acts,
        ["images_received", "backup", "restored"],
        "its own end is in no backup"
    );
    archive.close().await;
    // Not over anything.
    let again = put_back(&made.path, &state, Some(&hub.key())).await;
    assert!(matches!(again, Err(Error::NotEmpty { .. })), "{again:?}");
}

#[tokio::test]
async fn what_was_open_is_closed_and_clinics_hear_what_comes_next() {
    let hub = Hub::new().await;
    let archive = hub.archive().await;
    archive
        .run_sql(
            "INSERT INTO people (id, name, display_name, title, institution, roles, tier, subspecialties, language, active, \
             made_at_ms) VALUES ('p', 'li', 'Li', '', '', 'reader', 'county', '', 'zh', 1, 1); \
             INSERT INTO sessions (token, id, person, made_at_ms, seen_at_ms, address, agent) \
             VALUES (zeroblob(32), 's', 'p', 1, 1, '', ''); \
             INSERT INTO set_ups (code, person, expires_at_ms) VALUES (zeroblob(32), 'p', 9); \
             INSERT INTO box_starts (clinic, place, start, machine, session, left_behind) VALUES ('c', 1, x'', x'', 1, 0); \
             INSERT INTO enrolments (code_id, clinic, secret, made_by, made_at_ms, expires_at_ms) \
             VALUES (x'01', 'c', x'02', 'w', 1, 9);",
        )
        .await;
    archive.close().await;
    let made = hub.back_up(true).await.unwrap();
    let state = hub.dir.path().join("restored");
    let restored = put_back(&made.path, &state, None).await.unwrap();
    assert!(restored.to_check.iter().any(|line| line.contains("li (reader)")));
    let vault = Vault::for_tests(&state);
    let archive = Archive::open(&state::database_of(&state), vault).await.unwrap();
    assert_eq!(archive.open_things().await, 0);
    archive.close().await;
}

#[tokio::test]
async fn whatever_is_changed_or_missing_is_named_and_nothing_is_left_behind() {
    let hub = Hub::new().await;
    let made = hub.back_up(false).await.unwrap();
    let state = hub.dir.path().join("restored");
    let files: Vec<String> = tree(&made.path.join(STATE))
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert!(5 <= files.len(), "{files:?}");
    for path in files.iter().map(String::as_str).chain(["barefoot.db"]) {
        let file = made.path.join(STATE).join(path);
        let whole = fs::read(&file).unwrap();
        let (mut bent, mut longer) = (whole.clone(), whole.clone());
        bent[whole.len() / 2] ^= 1;
        longer.push(0);
        for wrong in [Some(bent), Some(longer), Some(Vec::new()), None] {
            let _ = fs::remove_file(&file);
            if let Some(wrong) = &wrong {
                fs::write(&file, wrong).unwrap();
            }
            let refused = put_back(&made.path, &state, Some(&hub.key())).await.unwrap_err();
            assert!(refused.to_string().contains(path), "{path}: {refused}");
            assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "{path}");
        }
        fs::write(&file, whole).unwrap();
    }
    // Whoever fits the list to what was changed has not the hub's keys.
    let list = made.path.join("manifest.json");
    let kept = fs::read_to_string(&list).unwrap();
    fs::write(&list, kept.replace("\"with_key\": false", "\"with_key\":  false")).unwrap();
    let refused = put_back(&made.path, &state, Some(&hub.key())).await;
    assert!(matches!(refused, Err(Error::Forged)), "{refused:?}");
    for (wrong, fits) in [("\"schema\": ", "newer hub"), ("\"format\": ", "newer hub")] {
        let at = kept.find(wrong).unwrap() + wrong.len();
        fs::write(&list, format!("{}9{}", &kept[..at], &kept[at..])).unwrap();
        let refused = put_back(&made.path, &state, Some(&hub.key())).await.unwrap_err();
        assert!(refused.to_string().contains(fits), "{refused}");
    }
    fs::write(&list, kept.replace("chunks/ab/abcd", "../../abcd")).unwrap();
    let refused = put_back(&made.path, &state, Some(&hub.key())).await;
    assert!(matches!(refused, Err(Error::NoBackup { .. })), "{refused:?}");
    fs::write(&list, kept).unwrap();
    let without = put_back(&made.path, &state, None).await;
    assert!(matches!(without, Err(Error::NoKey { .. })), "{without:?}");
    let other = Hub::new().await;
    let refused = put_back(&made.path, &state, Some(&other.key())).await;
    assert!(matches!(refused, Err(Error::AtRest { .. })), "{refused:?}");
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
    put_back(&made.path, &state, Some(&hub.key())).await.unwrap();
}

#[tokio::test]
async fn what_an_earlier_backup_has_is_linked_and_outlives_it() {
    let hub = Hub::new().await;
    let first = hub.back_up(false).await.unwrap();
    assert_eq!(first.progress.linked, 0);
    let archive = hub.archive().await;
    hub.image(&archive, 2).await;
    let second = hub.back_up(false).await.unwrap();
    assert_eq!(second.progress.linked, 3, "an image, a chunk, a release");
    // One that came again under its name is another file.
    hub.put("chunks/ab/abcd", b"parameter2");
    let third = hub.back_up(false).await.unwrap();
    assert_eq!(third.progress.linked, 3, "two images and a release");
    archive.close().await;
    for old in [&first, &second] {
        fs::remove_dir_all(&old.path).unwrap();
    }
    let state = hub.dir.path().join("restored");
    put_back(&third.path, &state, Some(&hub.key())).await.unwrap();
    assert_eq!(fs::read(state.join("chunks/ab/abcd")).unwrap(), b"parameter2");
}

#[tokio::test]
async fn what_was_being_made_is_no_backup_and_the_next_one_begins_anew() {
    let hub = Hub::new().await;
    let unfinished = hub.backups().join(UNFINISHED);
    fs::create_dir_all(unfinished.join(STATE)).unwrap();
    fs::write(unfinished.join(STATE).join("barefoot.db"), b"half").unwrap();
    let state = hub.dir.path().join("restored");
    let refused = put_back(&unfinished, &state, Some(&hub.key())).await.unwrap_err();
    assert!(refused.to_string().contains("no whole backup"), "{refused}");
    let made = hub.back_up(false).await.unwrap();
    assert!(!unfinished.exists());
    put_back(&made.path, &state, Some(&hub.key())).await.unwrap();
    // A restore that was cut leaves a directory in which nothing starts, nor is restored.
    let half = hub.dir.path().join("half");
    fs::create_dir(&half).unwrap();
    drop(state::Unready::mark(&half).unwrap());
    assert!(matches!(
        state::StateDirectory::open(&half),
        Err(state::Error::Unready { .. })
    ));
    let again = put_back(&made.path, &half, Some(&hub.key())).await;
    assert!(matches!(again, Err(Error::NotEmpty { .. })), "{again:?}");
}

#[tokio::test]
async fn what_no_backup_can_hold_is_said() {
    let hub = Hub::new().await;
    let within = make(
        &config(&hub.state()),
        &hub.state().join("backups"),
        false,
        &mut |_| {},
    )
    .await;
    assert!(matches!(within, Err(Error::Within { .. })), "{within:?}");
    fs::remove_dir_all(hub.state().join("backups")).unwrap();
    let nobody = make(
        &config(&hub.dir.path().join("none")),
        &hub.backups(),
        false,
        &mut |_| {},
    )
    .await;
    assert!(matches!(nobody, Err(Error::NoHub { .. })), "{nobody:?}");
    let running = state::BackupLock::take(&hub.state()).unwrap();
    assert!(
        matches!(hub.back_up(false).await, Err(Error::State { .. })),
        "one at a time"
    );
    assert!(at_rest::rotate(&hub.state(), &at_rest::Config::default(), None).is_err());
    drop(running);
    // An image that the hub has lost keeps nobody from a backup of the rest.
    let name = ObjectId([1; 32]).to_string();
    let lost = format!("images/clinic-7/objects/{}/{name}", &name[..2]);
    fs::remove_file(hub.state().join(&lost)).unwrap();
    let made = hub.back_up(false).await.unwrap();
    assert_eq!(made.missing, [lost]);
}

#[tokio::test]
async fn a_backup_of_a_hub_at_work_holds_what_its_database_names() {
    let hub = Hub::new().await;
    let archive = hub.archive().await;
    let writing = async {
        for number in 2..40 {
            hub.image(&archive, number).await;
            tokio::task::yield_now().await;
        }
    };
    let (made, ()) = tokio::join!(hub.back_up(false), writing);
    let made = made.unwrap();
    assert!(made.missing.is_empty());
    archive.close().await;
    let state = hub.dir.path().join("restored");
    put_back(&made.path, &state, Some(&hub.key())).await.unwrap();
    let copy = archive::database_of_backup(&state::database_of(&state))
        .await
        .unwrap();
    for (clinic, id) in copy.needed_objects().await.unwrap() {
        let name = id.to_string();
        let path = format!("images/{clinic}/objects/{}/{name}", &name[..2]);
        assert!(state.join(path).is_file());
    }
    copy.close().await;
}
