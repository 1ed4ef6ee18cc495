//! Several people, several machines, one signature after the other.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use barefoot_trust::release::{
    Change, Contents, DetachedSignature, EditorError, Lifetimes, Progress, PublicKey, RepositoryEditor,
    RoleName, Says, SigningKey,
};

use crate::repository::{Maintainers, START, days};

#[test]
fn keys_are_secret_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("targets.key");
    let key = SigningKey::create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
    assert_eq!(
        &PublicKey::load(&folder.path().join("targets.pub")).unwrap(),
        key.public()
    );
    let before = fs::read(&path).unwrap();
    assert!(SigningKey::create(&path).is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!format!("{key:?}").contains("PRIVATE"));
    fs::write(&path, "no key").unwrap();
    let text = SigningKey::load(&path).unwrap_err().to_string();
    assert!(text.contains("repository key"), "{text}");
}

#[test]
fn a_release_waits_until_enough_have_signed() {
    let maintainers = Maintainers::new();
    let now = days(1);
    maintainers
        .editor()
        .add_release(&maintainers.bundle("0.2.0"), Maintainers::release("0.2.0"), now)
        .unwrap();
    let Progress::Waiting(waiting) = maintainers.sign(&["targets-1", "snapshot", "timestamp"], now) else {
        panic!("one signature is not two");
    };
    assert_eq!(waiting.len(), 1);
    let targets = &waiting[0];
    assert_eq!(
        (targets.role, targets.have, targets.need),
        (RoleName::Targets, 1, 2)
    );
    assert_eq!(targets.missing.len(), 2);
    // Boxes see nothing of it.
    assert!(
        maintainers
            .new_box()
            .versions(&maintainers.path(), now)
            .is_empty()
    );
    assert_eq!(
        maintainers.editor().progress().unwrap(),
        Progress::Waiting(waiting.clone())
    );
    let staged = maintainers.editor().staged_releases().unwrap().unwrap();
    assert_eq!(staged.releases.len(), 1);
    // The same person again changes nothing and is told so.
    let again = maintainers.editor().sign(&[maintainers.key("targets-1")], now);
    assert!(matches!(again, Err(EditorError::NothingToSign)));
    // A second person, later, on the same folder; then those who sign the listings.
    let Progress::Waiting(waiting) = maintainers.sign(&["targets-3"], now) else {
        panic!("the snapshot has not been signed");
    };
    assert_eq!(waiting[0].role, RoleName::Snapshot);
    // A third signature of the list would change the file the snapshot names.
    let late = maintainers.editor().sign(&[maintainers.key("targets-2")], now);
    assert!(matches!(late, Err(EditorError::NothingToSign)));
    assert_eq!(
        maintainers.sign(&["snapshot", "timestamp"], now),
        Progress::Published
    );
    assert_eq!(
        maintainers.new_box().versions(&maintainers.path(), now),
        ["0.2.0"]
    );
}

#[test]
fn a_signature_comes_from_another_machine() {
    let maintainers = Maintainers::new();
    let now = days(1);
    maintainers
        .editor()
        .add_release(&maintainers.bundle("0.2.0"), Maintainers::release("0.2.0"), now)
        .unwrap();
    let Progress::Waiting(waiting) = maintainers.editor().progress().unwrap() else {
        panic!("nothing was signed");
    };
    let staged = fs::read(&waiting[0].file).unwrap();
    let carried = |name: &str| -> DetachedSignature {
        let made = maintainers.key(name).sign_detached(&staged).unwrap();
        serde_json::from_str(&serde_json::to_string(&made).unwrap()).unwrap()
    };
    let (first, second, stranger) = (carried("targets-1"), carried("targets-2"), carried("snapshot"));
    assert!(matches!(
        maintainers.editor().merge(&stranger, now),
        Err(EditorError::BadSignature)
    ));
    maintainers.editor().merge(&first, now).unwrap();
    maintainers.editor().merge(&first, now).unwrap();
    let Progress::Waiting(waiting) = maintainers.editor().merge(&second, now).unwrap() else {
        panic!("the snapshot has not been signed");
    };
    assert_eq!(waiting[0].role, RoleName::Snapshot);
    maintainers.sign(&["snapshot", "timestamp"], now);
    assert_eq!(
        maintainers.new_box().versions(&maintainers.path(), now),
        ["0.2.0"]
    );
    // Another change: yesterday's signature is for something else.
    maintainers.editor().withdraw("cxr", "0.2.0", now).unwrap();
    assert!(matches!(
        maintainers.editor().merge(&first, now),
        Err(EditorError::OtherMetadata)
    ));
}

#[test]
fn what_is_staged_can_be_read_before_it_is_signed() {
    let maintainers = Maintainers::new();
    maintainers.publish("0.2.0", days(1));
    let now = days(2);
    let mut editor = maintainers.editor();
    editor
        .add_release(&maintainers.bundle("0.3.0"), Maintainers::release("0.3.0"), now)
        .unwrap();
    editor.withdraw("cxr", "0.2.0", now).unwrap();
    let published = editor.releases().unwrap().unwrap();
    let contents = editor.staged_contents().unwrap();
    let [list] = contents.as_slice() else {
        panic!("only the list was changed: {contents:?}");
    };
    let Says::Targets(staged) = &list.says else {
        panic!("the list lists releases");
    };
    let [Change::Added(release), Change::Withdrawn(gone)] = staged.changes_since(&published)[..] else {
        panic!("one comes, one goes");
    };
    assert_eq!(
        (release.details.version.as_str(), gone.version.as_str()),
        ("0.3.0", "0.2.0")
    );
    assert!(staged.changes_since(staged).is_empty());
    // Back to the list of before: nobody took 0.3.0 back, and 0.2.0 would be offered again.
    assert!(matches!(
        published.changes_since(staged)[..],
        [Change::Added(_), Change::Dropped(_), Change::Forgotten(_)]
    ));
    let mut altered = published.clone();
    altered.releases[0].files[0].sha256[0] ^= 1;
    assert!(matches!(
        altered.changes_since(&published)[..],
        [Change::Altered(_)]
    ));
    assert_ne!(
        altered.releases[0].bundle_sha256(),
        published.releases[0].bundle_sha256()
    );

    // One digest, whoever has signed; another for any other list.
    let Progress::Waiting(waiting) = maintainers.sign(&["targets-1"], now) else {
        panic!("one signature is not two");
    };
    let signed = fs::read(&waiting[0].file).unwrap();
    let again = Contents::read(&signed).unwrap();
    assert_eq!(&again, list);
    assert_eq!(waiting[0].digest, list.digest);
    assert!(list.is(&list.digest) && list.is(&list.digest[..16].to_uppercase()));
    assert!(!list.is(&list.digest[..15]) && !list.is("") && !list.is(&"0".repeat(64)));
    let other = String::from_utf8(signed).unwrap().replace("0.3.0", "0.3.1");
    assert_ne!(Contents::read(other.as_bytes()).unwrap().digest, list.digest);
    assert!(Contents::read(b"{}").is_err());
}

#[test]
fn a_change_on_top_of_a_change_needs_its_own_signatures() {
    let maintainers = Maintainers::new();
    let now = days(1);
    for version in ["0.2.0", "0.3.0"] {
        maintainers
            .editor()
            .add_release(&maintainers.bundle(version), Maintainers::release(version), now)
            .unwrap();
        if version == "0.2.0" {
            maintainers.sign(&["targets-1", "targets-2"], now);
        }
    }
    let Progress::Waiting(waiting) = maintainers.editor().progress().unwrap() else {
        panic!("the second release was never signed");
    };
    assert_eq!((waiting[0].role, waiting[0].have), (RoleName::Targets, 0));
    maintainers.sign_all(now);
    assert_eq!(
        maintainers.new_box().versions(&maintainers.path(), now),
        ["0.2.0", "0.3.0"]
    );
}

#[test]
fn rotation_needs_the_old_and_the_new_keys() {
    let maintainers = Maintainers::new();
    maintainers.publish("0.2.0", days(1));
    let machine = maintainers.new_box();
    machine.update(&maintainers.path(), days(1)).unwrap();
    let mut roles = maintainers.roles();
    roles.root = maintainers.setting(&["root-2", "root-4", "root-5"], 2);
    roles.targets = maintainers.setting(&["targets-4"], 1);
    maintainers.editor().rotate(&roles, days(2)).unwrap();
    let waiting = |progress| match progress {
        Progress::Waiting(waiting) => waiting.into_iter().map(|w| (w.role, w.have)).collect::<Vec<_>>(),
        _ => panic!("not enough have signed"),
    };
    assert_eq!(
        waiting(maintainers.sign(&["root-4", "root-5", "targets-4"], days(2))),
        [(RoleName::Root, 0)],
        "the old root's keys have not signed"
    );
    assert_eq!(
        waiting(maintainers.sign(&["root-1", "snapshot", "timestamp"], days(2))),
        [(RoleName::Root, 1)]
    );
    assert_eq!(
        maintainers.sign(&["root-3", "snapshot", "timestamp"], days(2)),
        Progress::Published
    );
    assert_eq!(machine.versions(&maintainers.path(), days(2)), ["0.2.0"]);
    assert_eq!(machine.state().root_version(), 2);
    let published = maintainers.editor().roles().unwrap();
    assert_eq!((published.root.threshold, published.root.keys.len()), (2, 3));
    assert_eq!(published.targets.keys, roles.targets.keys);
    // Who has lost a key no longer signs.
    maintainers
        .editor()
        .add_release(
            &maintainers.bundle("0.3.0"),
            Maintainers::release("0.3.0"),
            days(3),
        )
        .unwrap();
    let old = maintainers
        .editor()
        .sign(&[maintainers.key("targets-1")], days(3));
    assert!(matches!(old, Err(EditorError::NothingToSign)));
    maintainers.sign(&["targets-4", "snapshot", "timestamp"], days(3));
    assert_eq!(machine.versions(&maintainers.path(), days(3)), ["0.2.0", "0.3.0"]);
    // A box that slept through it all follows the chain.
    assert_eq!(
        maintainers.new_box().versions(&maintainers.path(), days(3)).len(),
        2
    );
}

#[test]
fn refreshing_keeps_boxes_from_freezing() {
    let maintainers = Maintainers::new();
    let machine = maintainers.new_box();
    machine.update(&maintainers.path(), days(29)).unwrap();
    maintainers.editor().refresh(false, days(29)).unwrap();
    assert_eq!(
        maintainers.sign(&["snapshot", "timestamp"], days(29)),
        Progress::Published
    );
    machine.update(&maintainers.path(), days(58)).unwrap();
    maintainers.editor().refresh(true, days(300)).unwrap();
    maintainers.sign_all(days(300));
    machine.update(&maintainers.path(), days(329)).unwrap();
    let status = maintainers.editor().status().unwrap();
    assert_eq!(
        status
            .iter()
            .map(|role| (role.role, role.version))
            .collect::<Vec<_>>(),
        [
            (RoleName::Root, 1),
            (RoleName::Targets, 2),
            (RoleName::Snapshot, 3),
            (RoleName::Timestamp, 3)
        ]
    );
}

#[test]
fn what_a_box_would_refuse_is_not_published() {
    let maintainers = Maintainers::new();
    maintainers
        .editor()
        .add_release(
            &maintainers.bundle("0.2.0"),
            Maintainers::release("0.2.0"),
            days(1),
        )
        .unwrap();
    let stored = maintainers.path().join("targets/cxr/0.2.0");
    let file = fs::read_dir(&stored)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_file())
        .unwrap();
    fs::write(file, "altered on the maintainers' disk").unwrap();
    let keys = ["targets-1", "targets-2", "snapshot", "timestamp"].map(|name| maintainers.key(name));
    let error = maintainers.editor().sign(&keys, days(1)).unwrap_err();
    assert!(matches!(error, EditorError::Release(_)), "{error}");
    assert!(
        maintainers
            .new_box()
            .versions(&maintainers.path(), days(1))
            .is_empty()
    );
}

#[test]
fn mistakes_are_named() {
    let maintainers = Maintainers::new();
    let now = days(1);
    let twice = RepositoryEditor::create(
        &maintainers.path(),
        &maintainers.roles(),
        Lifetimes::default(),
        now,
    );
    assert!(matches!(twice, Err(EditorError::Exists { .. })));
    let folder = tempfile::tempdir().unwrap();
    let mut roles = maintainers.roles();
    roles.targets.threshold = 4;
    let unmeetable = RepositoryEditor::create(folder.path(), &roles, Lifetimes::default(), now);
    assert!(matches!(unmeetable, Err(EditorError::CannotMeet { keys: 3, .. })));
    roles.targets = maintainers.setting(&["targets-1", "targets-1"], 2);
    let doubled = RepositoryEditor::create(folder.path(), &roles, Lifetimes::default(), START);
    assert!(matches!(doubled, Err(EditorError::CannotMeet { keys: 1, .. })));
    let bare = maintainers
        .editor()
        .add_release(folder.path(), Maintainers::release("1"), now);
    assert!(matches!(bare, Err(EditorError::NoBundle { .. })));
    let bundle = maintainers.bundle("1");
    std::os::unix::fs::symlink("/etc/hostname", bundle.join("link")).unwrap();
    let linked = maintainers
        .editor()
        .add_release(&bundle, Maintainers::release("1"), now);
    assert!(matches!(linked, Err(EditorError::NotInBundle { .. })));
    for name in ["", "..", "a/b", ".hidden", "a b"] {
        let named =
            maintainers
                .editor()
                .add_release(&maintainers.bundle("2"), Maintainers::release(name), now);
        assert!(matches!(named, Err(EditorError::Name)), "{name}");
    }
    assert!(matches!(
        maintainers.editor().sign(&[maintainers.key("targets-1")], now),
        Err(EditorError::NothingStaged)
    ));
}
