use std::fs;
use std::io::{Read, Seek, SeekFrom};

use barefoot_domain::StudyUid;
use barefoot_queue::{Lane, Queue};
use tempfile::TempDir;

use super::*;
use crate::study_folder::{StateDirectory, StudyKey};
use crate::{checked_lines, durable};

const MARKER: &str = "Wang^Xiaoming";

fn unlocked(folder: &TempDir) -> Arc<Vault> {
    StateDirectory::open(folder.path()).unwrap();
    unlock(folder.path(), &Config::default()).unwrap()
}

fn lock(folder: &TempDir) {
    UNLOCKED.write().unwrap().remove(folder.path());
}

fn study(uid: &str) -> StudyKey {
    StudyKey::of(&StudyUid::new(uid).unwrap())
}

fn holds_marker(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes.windows(MARKER.len()).any(|it| it == MARKER.as_bytes())
}

/// Receives an image as the spool does, and gives it its place.
fn receive(folder: &TempDir, study: &StudyKey, name: &str) -> ImagesKey {
    let state = StateDirectory::open(folder.path()).unwrap();
    let part = state.intake().join(name);
    let Arriving::Sealed(mut writer) = Arriving::begin(&part, Vec::new()).unwrap() else {
        panic!("it was not sealed");
    };
    writer.gather(MARKER.as_bytes()).unwrap();
    let (held, _) = seal_received(writer.complete().unwrap(), &part, Some(study)).unwrap();
    fs::create_dir_all(state.instances(study)).unwrap();
    fs::rename(&part, state.instances(study).join(name)).unwrap();
    held.unwrap()
}

#[test]
fn images_of_any_length_come_back_by_whatever_way_they_are_written() {
    const BATCH: usize = 768 * 1024;
    let folder = TempDir::new().unwrap();
    unlocked(&folder);
    let state = StateDirectory::open(folder.path()).unwrap();
    let mut buffer = Vec::with_capacity(1160 * 1024);
    // Around whole blocks, around a batch, and several of them.
    for length in [
        1,
        4096,
        300_000,
        526_336,
        BATCH - 1,
        BATCH + 70_000,
        3 * BATCH + 4097,
    ] {
        let content: Vec<u8> = (0..length).map(|at| (at * 31 % 253) as u8).collect();
        let part = state.intake().join("one.part");
        let Arriving::Sealed(mut writer) = Arriving::begin(&part, buffer).unwrap() else {
            panic!("it was not sealed");
        };
        for piece in content.chunks(65_000) {
            writer.gather(piece).unwrap();
            if BATCH <= writer.gathered() {
                writer.write_out().unwrap();
            }
        }
        let study = study("1.2.3");
        let (held, back) = seal_received(writer.complete().unwrap(), &part, Some(&study)).unwrap();
        buffer = back;
        let place = state.instances(&study).join(length.to_string());
        fs::create_dir_all(state.instances(&study)).unwrap();
        fs::rename(&part, &place).unwrap();
        drop(held);
        assert!(read(&place).unwrap() == content, "{length}");
    }
}

fn image_keys(state: &StateDirectory, study: &StudyKey) -> usize {
    let keys = fs::read_dir(state.study(study).join("keys")).unwrap();
    let endings = keys.map(|entry| entry.unwrap().path().extension().unwrap().to_owned());
    endings.filter(|ending| ending != "key").count()
}

#[test]
fn what_is_written_below_the_state_directory_is_sealed_and_elsewhere_it_is_not() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    unlocked(&folder);
    let case_log = folder
        .path()
        .join("studies")
        .join(study("1.2.3").as_str())
        .join("case.log");
    fs::create_dir_all(case_log.parent().unwrap()).unwrap();
    for path in [folder.path().join("users"), case_log.with_file_name("picture")] {
        durable::replace(&path, MARKER.as_bytes()).unwrap();
        assert!(!holds_marker(&path));
        assert_eq!(durable::read(&path).unwrap().unwrap(), MARKER.as_bytes());
        assert_eq!(length(&path).unwrap(), 4 + MARKER.len() as u64);
    }
    checked_lines::append(&case_log, &[MARKER]).unwrap();
    assert!(!holds_marker(&case_log));
    assert_eq!(
        checked_lines::replay::<String>(&case_log).unwrap().entries,
        [MARKER]
    );
    let path = elsewhere.path().join("order");
    durable::replace(&path, MARKER.as_bytes()).unwrap();
    assert!(holds_marker(&path));
}

#[test]
fn what_an_older_program_left_is_read_and_sealed_when_it_is_written_again() {
    let folder = TempDir::new().unwrap();
    let (log, state) = (folder.path().join("reports.log"), folder.path().join("users"));
    checked_lines::append(&log, &["before"]).unwrap();
    durable::replace(&state, MARKER.as_bytes()).unwrap();
    unlocked(&folder);
    assert_eq!(durable::read(&state).unwrap().unwrap(), MARKER.as_bytes());
    durable::replace(&state, MARKER.as_bytes()).unwrap();
    assert!(!holds_marker(&state));
    checked_lines::append(&log, &[MARKER]).unwrap();
    assert!(!holds_marker(&log));
    let replay = checked_lines::replay::<String>(&log).unwrap();
    assert_eq!(
        (replay.entries, replay.damaged),
        (vec!["before".to_owned(), MARKER.to_owned()], 0)
    );
}

#[test]
fn a_line_opens_in_its_own_study_only() {
    let folder = TempDir::new().unwrap();
    unlocked(&folder);
    let log = |uid: &str| {
        folder
            .path()
            .join("studies")
            .join(study(uid).as_str())
            .join("case.log")
    };
    let (one, other) = (log("1.2.3"), log("1.2.4"));
    for log in [&one, &other] {
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        checked_lines::append(log, &["own"]).unwrap();
    }
    fs::copy(&one, &other).unwrap();
    let replay = checked_lines::replay::<String>(&other).unwrap();
    assert_eq!((replay.entries.len(), replay.damaged), (0, 1));
}

#[test]
fn a_log_that_is_written_anew_under_another_name_opens_under_its_own() {
    let folder = TempDir::new().unwrap();
    unlocked(&folder);
    let log = folder.path().join("quality.log");
    let new = log.with_extension("new");
    checked_lines::append(&new, &[MARKER]).unwrap();
    fs::rename(&new, &log).unwrap();
    assert_eq!(checked_lines::replay::<String>(&log).unwrap().entries, [MARKER]);
    fs::rename(&log, folder.path().join("other.log")).unwrap();
    let replay = checked_lines::replay::<String>(&folder.path().join("other.log")).unwrap();
    assert_eq!((replay.entries.len(), replay.damaged), (0, 1));
}

#[test]
fn without_the_key_or_with_another_nothing_opens_and_nothing_changes() {
    let folder = TempDir::new().unwrap();
    unlocked(&folder);
    let path = folder.path().join("users");
    durable::replace(&path, MARKER.as_bytes()).unwrap();
    lock(&folder);
    assert!(read(&path).is_err());
    let key = folder.path().join("identity/box.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let refused = unlock(folder.path(), &Config::default()).unwrap_err();
    assert!(matches!(refused, Error::Missing { .. }), "{refused}");
    assert!(!key.exists());
    let other = TempDir::new().unwrap();
    unlocked(&other);
    fs::copy(other.path().join("identity/box.key"), &key).unwrap();
    let refused = unlock(folder.path(), &Config::default()).unwrap_err();
    assert!(matches!(refused, Error::Another { .. }), "{refused}");
    fs::write(&key, kept).unwrap();
    unlocked(&folder);
    assert_eq!(durable::read(&path).unwrap().unwrap(), MARKER.as_bytes());
}

#[test]
fn the_key_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let vault = unlocked(&folder);
    let key = folder.path().join("identity/box.key");
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(vault.is_key_beside());
    let named = Config {
        box_key: Some(folder.path().join("elsewhere.key")),
        ..Config::default()
    };
    let other = TempDir::new().unwrap();
    assert!(!unlock(other.path(), &named).unwrap().is_key_beside());
    assert!(!other.path().join("identity").exists());
}

#[test]
fn a_studys_images_are_noise_once_their_key_is_erased_and_later_ones_are_not() {
    let folder = TempDir::new().unwrap();
    let vault = unlocked(&folder);
    let (state, study) = (StateDirectory::open(folder.path()).unwrap(), study("1.2.3"));
    let images = state.instances(&study);
    drop(receive(&folder, &study, "a.dcm"));
    assert_eq!(read(&images.join("a.dcm")).unwrap(), MARKER.as_bytes());
    let stolen = fs::read(images.join("a.dcm")).unwrap();
    vault.retire_images(&study).unwrap();
    fs::rename(&images, state.removed_instances(&study)).unwrap();
    drop(receive(&folder, &study, "b.dcm"));
    assert_eq!(image_keys(&state, &study), 2);
    fs::remove_dir_all(state.removed_instances(&study)).unwrap();
    vault.erase_retired(&study, &images).unwrap();
    assert_eq!(image_keys(&state, &study), 1);
    assert_eq!(read(&images.join("b.dcm")).unwrap(), MARKER.as_bytes());
    fs::write(images.join("a.dcm"), stolen).unwrap();
    assert!(is_not_ours(&read(&images.join("a.dcm")).unwrap_err()));
}

#[test]
fn a_key_stays_for_an_image_that_came_while_it_was_to_go() {
    let folder = TempDir::new().unwrap();
    let vault = unlocked(&folder);
    let (state, study) = (StateDirectory::open(folder.path()).unwrap(), study("1.2.3"));
    let on_its_way = receive(&folder, &study, "a.dcm");
    vault.retire_images(&study).unwrap();
    let nowhere = folder.path().join("nowhere");
    vault.erase_retired(&study, &nowhere).unwrap();
    assert_eq!(image_keys(&state, &study), 1, "held");
    drop(on_its_way);
    vault.erase_retired(&study, &state.instances(&study)).unwrap();
    assert_eq!(image_keys(&state, &study), 1, "needed");
    assert_eq!(
        read(&state.instances(&study).join("a.dcm")).unwrap(),
        MARKER.as_bytes()
    );
    vault.erase_retired(&study, &nowhere).unwrap();
    assert_eq!(image_keys(&state, &study), 0);
}

#[test]
fn a_new_box_key_opens_everything_and_the_old_one_nothing() {
    let folder = TempDir::new().unwrap();
    unlocked(&folder);
    let (state, study) = (StateDirectory::open(folder.path()).unwrap(), study("1.2.3"));
    let (image, users) = (state.instances(&study).join("a.dcm"), folder.path().join("users"));
    drop(receive(&folder, &study, "a.dcm"));
    durable::replace(&users, MARKER.as_bytes()).unwrap();
    let before = fs::read(&image).unwrap();
    let key = folder.path().join("identity/box.key");
    let old = fs::read(&key).unwrap();
    lock(&folder);
    assert_eq!(rotate(folder.path(), &Config::default(), None).unwrap(), 2);
    unlocked(&folder);
    assert_eq!(read(&image).unwrap(), MARKER.as_bytes());
    assert_eq!(durable::read(&users).unwrap().unwrap(), MARKER.as_bytes());
    assert_eq!(fs::read(&image).unwrap(), before);
    fs::write(&key, old).unwrap();
    let refused = unlock(folder.path(), &Config::default()).unwrap_err();
    assert!(matches!(refused, Error::Another { .. }), "{refused}");
}

#[test]
fn neither_rotation_nor_erasure_is_for_a_box_that_runs() {
    let folder = TempDir::new().unwrap();
    unlocked(&folder);
    let state = StateDirectory::open(folder.path()).unwrap();
    let running = Queue::open(&state.queue(), barefoot_queue::Config::default()).unwrap();
    let config = Config::default();
    assert!(matches!(
        rotate(folder.path(), &config, None),
        Err(Error::Running)
    ));
    assert!(matches!(erase(folder.path(), &config), Err(Error::Running)));
    drop(running);
    erase(folder.path(), &config).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_queue_keeps_payloads_sealed_and_reads_older_ones() {
    let folder = TempDir::new().unwrap();
    let vault = unlocked(&folder);
    let state = StateDirectory::open(folder.path()).unwrap();
    let queue = Queue::open(&state.queue(), barefoot_queue::Config::default()).unwrap();
    queue.append(Lane::Results, "older", b"plain", 1).unwrap();
    let queue = queue.covered_by(vault);
    queue
        .append(Lane::Results, "newer", MARKER.as_bytes(), 2)
        .unwrap();
    let pending = queue.pending(9, |_| false).unwrap();
    let payloads: Vec<&[u8]> = pending.iter().map(|record| &*record.payload).collect();
    assert_eq!(payloads, [b"plain", MARKER.as_bytes()]);
    drop(queue);
    for entry in fs::read_dir(state.queue().join("log")).unwrap() {
        assert!(!holds_marker(&entry.unwrap().path()));
    }
}

#[test]
fn an_image_is_read_from_anywhere_in_it() {
    let folder = TempDir::new().unwrap();
    unlocked(&folder);
    drop(receive(&folder, &study("1.2.3"), "a.dcm"));
    let path = StateDirectory::open(folder.path())
        .unwrap()
        .instances(&study("1.2.3"))
        .join("a.dcm");
    let mut file = open(&path).unwrap();
    file.seek(SeekFrom::Start(5)).unwrap();
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!((file.length(), &*rest), (13, "Xiaoming"));
    assert_eq!(whole(&path).unwrap(), Some(Purpose::Image));
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(is_not_ours(&whole(&path).unwrap_err()));
}
