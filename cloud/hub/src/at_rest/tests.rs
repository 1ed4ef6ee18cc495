use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use super::*;

const MARKER: &[u8] = b"a shadow on the left";

fn sealed_file(vault: &Arc<Vault>, path: &Path, content: &[u8]) -> Kept {
    let mut writer = vault.create_new(path).unwrap();
    writer.write_all(content).unwrap();
    vault.finish(writer.complete().unwrap()).unwrap();
    Kept::new(path.to_owned(), Arc::clone(vault))
}

fn holds(path: &Path, marker: &[u8]) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes.windows(marker.len()).any(|window| window == marker)
}

#[test]
fn a_column_opens_in_itself_only_and_what_an_older_hub_wrote_is_read() {
    let state = tempfile::tempdir().unwrap();
    let vault = Vault::for_tests(state.path());
    let cell = Cell::draft("clinic-7", "2.25.1", "li", 1);
    let sealed = vault.seal(&cell, MARKER).unwrap();
    assert!(!sealed.windows(MARKER.len()).any(|window| window == MARKER));
    assert_eq!(vault.unseal(&cell, sealed.clone()).unwrap(), MARKER);
    for other in [
        Cell::draft("clinic-7", "2.25.1", "li", 2),
        Cell::draft("clinic-7", "2.25.1", "wang", 1),
        Cell::draft("clinic-7", "2.25.2", "li", 1),
        Cell::draft("clinic-72", ".25.1", "li", 1),
        Cell::report("clinic-7", "2.25.1", "li", 1),
    ] {
        assert!(vault.unseal(&other, sealed.clone()).is_err(), "{other:?}");
    }
    let mut bent = sealed.clone();
    *bent.last_mut().unwrap() ^= 1;
    assert!(vault.unseal(&cell, bent).is_err());

    // Of a hub that knew no rows, or sealed nothing: read until every row is bound.
    let older = vault.seal_as_before(Column::Draft, MARKER);
    for stored in [older.clone(), MARKER.to_vec()] {
        assert_eq!(vault.unseal(&cell, stored).unwrap(), MARKER);
    }
    // Nor is the one kind the other without its mark.
    assert!(vault.unseal(&cell, sealed[4..].to_vec()).is_err());
    vault.bind_rows().unwrap();
    drop(vault);
    let vault = Vault::for_tests(state.path());
    for stored in [older, MARKER.to_vec()] {
        assert!(vault.unseal(&cell, stored).is_err());
    }
    assert_eq!(vault.unseal(&cell, sealed).unwrap(), MARKER);
}

/// What is sealed for a cell opens as long as these stay what they are.
#[test]
fn each_column_has_a_home_of_its_own() {
    let homes: std::collections::BTreeSet<(&str, &str)> = Column::ALL
        .iter()
        .map(|column| (column.home().table, column.home().column))
        .collect();
    assert_eq!(homes.len(), Column::ALL.len());
    assert_eq!(
        Cell::report("r", "c", "2.25.1", 7),
        Cell::new(Column::Report, &[b"r", b"c", b"2.25.1", b"7"])
    );
}

#[test]
fn a_file_is_sealed_read_in_parts_and_noise_once_destroyed() {
    let state = tempfile::tempdir().unwrap();
    let vault = Vault::for_tests(state.path());
    let path = state.path().join("image");
    let content: Vec<u8> = MARKER.iter().copied().cycle().take(200_000).collect();
    let kept = sealed_file(&vault, &path, &content);
    assert!(!holds(&path, MARKER));
    assert_eq!(kept.read().unwrap(), content);
    assert_eq!(length_of(&path).unwrap(), Some(200_000));
    let mut opened = kept.open().unwrap();
    opened.seek(SeekFrom::Start(131_000)).unwrap();
    let mut part = [0; 500];
    opened.read_exact(&mut part).unwrap();
    assert_eq!(part, content[131_000..131_500]);
    // A second name shows what the disk is left with.
    let left = state.path().join("left");
    fs::hard_link(&path, &left).unwrap();
    destroy(&path).unwrap();
    assert!(!path.exists());
    let noise = Kept::new(left, vault).read().unwrap();
    assert!(!noise.windows(MARKER.len()).any(|window| window == MARKER));
}

#[test]
fn a_plain_file_of_an_older_hub_is_read_and_removed() {
    let state = tempfile::tempdir().unwrap();
    let vault = Vault::for_tests(state.path());
    let path = state.path().join("image");
    fs::write(&path, MARKER).unwrap();
    let kept = Kept::new(path.clone(), vault);
    assert_eq!(kept.read().unwrap(), MARKER);
    assert_eq!(length_of(&path).unwrap(), Some(MARKER.len() as u64));
    destroy(&path).unwrap();
    assert_eq!(length_of(&path).unwrap(), None);
}

#[test]
fn without_the_key_or_with_another_nothing_opens_and_nothing_changes() {
    let state = tempfile::tempdir().unwrap();
    drop(Vault::for_tests(state.path()));
    let key = state.path().join("identity/hub.key");
    let aside = state.path().join("aside");
    fs::rename(&key, &aside).unwrap();
    let config = Config::default();
    assert!(matches!(
        Vault::open(state.path(), &config),
        Err(Error::Missing { .. })
    ));
    let other = tempfile::tempdir().unwrap();
    drop(Vault::for_tests(other.path()));
    fs::copy(other.path().join("identity/hub.key"), &key).unwrap();
    assert!(matches!(
        Vault::open(state.path(), &config),
        Err(Error::Another { .. })
    ));
    fs::write(&key, "no key").unwrap();
    assert!(matches!(
        Vault::open(state.path(), &config),
        Err(Error::NoKey { .. })
    ));
    fs::rename(&aside, &key).unwrap();
    Vault::open(state.path(), &config).unwrap();
    assert_eq!(fs::read_dir(state.path().join("keys")).unwrap().count(), 1);
}

#[test]
fn programs_of_one_hub_find_each_others_keys() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Vault::for_tests(state.path());
    // As two first starts at once leave it: each made a key.
    let lone = tempfile::tempdir().unwrap();
    fs::create_dir(lone.path().join("identity")).unwrap();
    fs::copy(
        state.path().join("identity/hub.key"),
        lone.path().join("identity/hub.key"),
    )
    .unwrap();
    let command = Vault::for_tests(lone.path());
    let cell = Cell::message("1", "clinic-7", "2.25.1", 1);
    let sealed = command.seal(&cell, MARKER).unwrap();
    assert!(daemon.unseal(&cell, sealed.clone()).is_err());
    for file in fs::read_dir(lone.path().join("keys")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), state.path().join("keys").join(file.file_name())).unwrap();
    }
    assert_eq!(daemon.unseal(&cell, sealed).unwrap(), MARKER);
}

#[test]
fn a_new_hub_key_opens_everything_and_the_old_one_nothing() {
    let state = tempfile::tempdir().unwrap();
    let vault = Vault::for_tests(state.path());
    let cell = Cell::result("clinic-7", "1");
    let sealed = vault.seal(&cell, MARKER).unwrap();
    drop(vault);
    let (key, old) = (state.path().join("identity/hub.key"), state.path().join("old"));
    fs::copy(&key, &old).unwrap();
    let config = Config::default();
    assert_eq!(rotate(state.path(), &config, None).unwrap(), 1);
    let vault = Vault::for_tests(state.path());
    assert_eq!(vault.unseal(&cell, sealed).unwrap(), MARKER);
    let with_old = Config {
        hub_key: Some(old),
        ..Config::default()
    };
    assert!(matches!(
        Vault::open(state.path(), &with_old),
        Err(Error::Another { .. })
    ));
}
