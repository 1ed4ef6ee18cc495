use super::*;

const DOCTOR: Roles = Roles {
    doctor: true,
    technician: false,
    manager: false,
};
const MANAGER: Roles = Roles {
    doctor: false,
    technician: false,
    manager: true,
};

#[test]
fn five_wrong_pins_lock_and_a_restart_unlocks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let users = Users::open(folder.path()).unwrap();
    let id = users.add("Wang", DOCTOR, "4711").unwrap();
    for _ in 0..4 {
        assert_eq!(users.sign_in(&id, "1111", 1_000), Err(NotSignedIn::Wrong));
    }
    let locked = Err(NotSignedIn::Locked { until_ms: 61_000 });
    assert_eq!(users.sign_in(&id, "2222", 1_000), locked);
    assert_eq!(users.sign_in(&id, "4711", 1_000), locked, "the right one too");
    let users = Users::open(folder.path()).unwrap();
    assert_eq!(users.sign_in(&id, "4711", 60_000), locked);
    assert_eq!(users.sign_in(&id, "4711", 61_000).unwrap().name, "Wang");
    assert_eq!(
        users.sign_in(&id, "1111", 61_000),
        Err(NotSignedIn::Wrong),
        "counted from the start"
    );
    for _ in 0..9 {
        let _ = users.sign_in(&id, "1111", 62_000);
    }
    users.set_pin(&id, "9182").unwrap();
    assert!(users.sign_in(&id, "9182", 62_000).is_ok());
    assert_eq!(users.sign_in("nobody", "9182", 62_000), Err(NotSignedIn::Wrong));
}

#[test]
fn what_the_command_line_changes_counts_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // Before the daemon's first start there is no folder yet.
    let folder = folder.path().join("state");
    let running = Users::open(&folder).unwrap();
    assert!(running.all().unwrap().is_empty());
    let id = Users::open(&folder).unwrap().add("Wang", DOCTOR, "4711").unwrap();
    assert!(running.sign_in(&id, "4711", 1).is_ok());
}

#[test]
fn a_manager_stays_and_names_are_one_persons() {
    let folder = tempfile::tempdir().unwrap();
    let users = Users::open(folder.path()).unwrap();
    let first = users.add_first(" Zhao  Min ", "4711").unwrap();
    assert_eq!(users.get(&first).unwrap().name, "Zhao Min");
    assert!(matches!(users.add_first("Li", "4711"), Err(Error::NameTaken)));
    assert!(matches!(
        users.add("Zhao Min", DOCTOR, "4711"),
        Err(Error::NameTaken)
    ));
    assert!(matches!(users.add("", DOCTOR, "4711"), Err(Error::Name)));
    assert!(matches!(
        users.add("Li", Roles::default(), "4711"),
        Err(Error::NoRole)
    ));
    assert!(matches!(users.add("Li", DOCTOR, "1234"), Err(Error::Pin)));
    assert!(matches!(users.remove(&first), Err(Error::LastManager)));
    assert!(matches!(users.set_roles(&first, DOCTOR), Err(Error::LastManager)));
    let second = users.add("Li", MANAGER, "4711").unwrap();
    users.remove(&first).unwrap();
    assert!(users.get(&first).is_none() && users.get(&second).is_some());
}

#[test]
fn a_damaged_list_lets_nobody_in_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let users = Users::open(folder.path()).unwrap();
    let id = users.add("Wang", DOCTOR, "4711").unwrap();
    fs::write(folder.path().join(FILE), b"rubbish").unwrap();
    assert_eq!(users.sign_in(&id, "4711", 1), Err(NotSignedIn::Trouble));
    let error = Users::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("page_users.json") && error.contains("backup"),
        "{error}"
    );
}
