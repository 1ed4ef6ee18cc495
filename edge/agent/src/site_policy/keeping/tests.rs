use barefoot_domain::ClinicId;

use super::*;
use crate::at_rest;

fn state() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    at_rest::unlock(folder.path(), &at_rest::Config::default()).unwrap();
    folder
}

fn audit(state: &Path) -> Audit {
    Audit::open(state, &ClinicId::new("clinic-7").unwrap()).unwrap()
}

impl PolicyHandle {
    fn replace(&self, policy: SitePolicy) -> io::Result<String> {
        let next = self.next(policy)?;
        let fingerprint = next.fingerprint();
        self.put(next).map(|()| fingerprint)
    }
}

fn without_images() -> SitePolicy {
    let mut policy = SitePolicy::care_only();
    policy.hub.images_of.clear();
    policy
}

#[test]
fn a_change_holds_at_once_and_after_a_restart_and_not_over_another() {
    let state = state();
    let one = PolicyHandle::open(state.path());
    assert_eq!(
        (one.origin(), &*one.get()),
        (Origin::Absent, &SitePolicy::care_only())
    );
    let clone = one.clone();
    let changed = one.change("none", without_images()).unwrap().unwrap();
    assert_eq!(
        (&*clone.get(), clone.fingerprint()),
        (&without_images(), changed.clone())
    );
    assert_eq!(one.change("none", SitePolicy::care_only()).unwrap(), None);
    let again = PolicyHandle::open(state.path());
    assert_eq!((again.origin(), again.fingerprint()), (Origin::Kept, changed));
    assert_eq!(*again.get(), without_images());
    let bytes = fs::read(state.path().join(FILE)).unwrap();
    assert!(
        !String::from_utf8_lossy(&bytes).contains("images_of"),
        "it is sealed"
    );
}

#[test]
fn a_file_of_somebody_else_lets_nothing_but_results_leave() {
    let state = state();
    let audit = audit(state.path());
    let path = state.path().join(FILE);
    let handle = PolicyHandle::open(state.path());
    handle.replace(without_images()).unwrap();
    handle.begin(&audit);
    let good = fs::read(&path).unwrap();
    // In plain, with the checksum that durable files have.
    let text = toml::to_string(&SitePolicy::care_only()).unwrap();
    let plain = [
        &crc32fast::hash(text.as_bytes()).to_le_bytes()[..],
        text.as_bytes(),
    ]
    .concat();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bad in [plain, flipped, Vec::new()] {
        fs::write(&path, bad).unwrap();
        let found = PolicyHandle::open(state.path());
        assert_eq!(
            (found.origin(), &*found.get()),
            (Origin::Lost, &SitePolicy::results_only())
        );
    }
    fs::remove_file(&path).unwrap();
    let gone = PolicyHandle::open(state.path());
    gone.begin(&audit);
    assert_eq!(gone.origin(), Origin::Lost, "the log knows that there was one");
    fs::write(&path, good).unwrap();
    let back = PolicyHandle::open(state.path());
    assert_eq!(back.origin(), Origin::Kept);
}

#[test]
fn each_start_stands_in_the_audit_log_and_an_older_file_does_not_hold() {
    let state = state();
    let audit = audit(state.path());
    let path = state.path().join(FILE);
    let handle = PolicyHandle::open(state.path());
    let words = [Action::PolicyHolds, Action::PolicyChanged];
    handle.begin(&audit);
    assert_eq!(audit.last_subject(&words).as_deref(), Some("none"));
    let first = handle.replace(without_images()).unwrap();
    PolicyHandle::open(state.path()).begin(&audit);
    assert_eq!(audit.last_subject(&words), Some(first));
    let older = fs::read(&path).unwrap();
    let second = handle.replace(SitePolicy::care_only()).unwrap();
    handle.begin(&audit);
    fs::write(&path, older).unwrap();
    let found = PolicyHandle::open(state.path());
    found.begin(&audit);
    assert_eq!(
        (found.origin(), &*found.get()),
        (Origin::Older, &SitePolicy::results_only())
    );
    let told = audit.last_details(&words).unwrap();
    assert!(told.contains(&second), "{told}");
    // Nor at the next start, nor after a detour, nor while the daemon runs.
    PolicyHandle::open(state.path()).begin(&audit);
    let older = fs::read(&path).unwrap();
    fs::write(&path, b"damaged").unwrap();
    PolicyHandle::open(state.path()).begin(&audit);
    fs::write(&path, &older).unwrap();
    let found = PolicyHandle::open(state.path());
    found.begin(&audit);
    assert_eq!(found.origin(), Origin::Older);
    let saved = found.replace(without_images()).unwrap();
    assert_eq!((found.origin(), &*found.get()), (Origin::Kept, &without_images()));
    fs::remove_file(&path).unwrap();
    fs::write(&path, &older).unwrap();
    found.look_again(&audit);
    assert_eq!(found.origin(), Origin::Older);
    // A command that knows no log writes one that holds.
    let command = PolicyHandle::open(state.path());
    let by_command = command.replace(SitePolicy::care_only()).unwrap();
    assert_ne!(by_command, saved);
    found.look_again(&audit);
    assert_eq!((found.origin(), found.fingerprint()), (Origin::Kept, by_command));
}

/// From before policies had revisions.
#[test]
fn a_file_of_an_older_version_holds_until_another_was_saved() {
    let state = state();
    let audit = audit(state.path());
    let path = state.path().join(FILE);
    let text = toml::to_string(&without_images()).unwrap();
    durable::replace(&path, text.as_bytes()).unwrap();
    let handle = PolicyHandle::open(state.path());
    handle.begin(&audit);
    assert_eq!(
        (handle.origin(), &*handle.get()),
        (Origin::Kept, &without_images())
    );
    let older = fs::read(&path).unwrap();
    handle.replace(SitePolicy::care_only()).unwrap();
    handle.begin(&audit);
    fs::write(&path, older).unwrap();
    let found = PolicyHandle::open(state.path());
    found.begin(&audit);
    assert_eq!(found.origin(), Origin::Older);
}

#[test]
fn what_the_command_writes_is_taken_up() {
    let state = state();
    let audit = audit(state.path());
    let daemon = PolicyHandle::open(state.path());
    let command = PolicyHandle::open(state.path());
    let watch = daemon.watch();
    let fingerprint = command.replace(without_images()).unwrap();
    daemon.look_again(&audit);
    assert_eq!(
        (daemon.fingerprint(), watch.has_changed().unwrap()),
        (fingerprint, true)
    );
    fs::remove_file(state.path().join(FILE)).unwrap();
    daemon.look_again(&audit);
    assert_eq!(daemon.origin(), Origin::Lost);
}
