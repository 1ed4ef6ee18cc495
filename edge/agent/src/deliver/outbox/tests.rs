use barefoot_domain::StudyUid;

use super::*;

/// Before any file was made.
const LONG_AGO: i64 = 1;

struct Clinic {
    _folder: tempfile::TempDir,
    state: StateDirectory,
}

impl Clinic {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(folder.path()).unwrap();
        Self {
            _folder: folder,
            state,
        }
    }

    fn study(&self, number: u32, files: &[&str]) -> StudyKey {
        let key = StudyKey::of(&StudyUid::new(format!("1.2.{number}")).unwrap());
        fs::create_dir_all(self.state.instances(&key)).unwrap();
        for file in files {
            fs::write(self.state.instances(&key).join(file), file).unwrap();
        }
        key
    }

    fn open(&self, node: &str) -> Outbox {
        let text = format!("name = \"pacs\"\nae_title = \"PACS\"\nhost = \"h\"\nport = 104\n{node}");
        let node: Node = toml::from_str(&text).unwrap();
        Outbox::open(self.state.clone(), node, LONG_AGO, |path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.split('_').next().map(str::to_owned)
        })
        .unwrap()
    }
}

const ORIGINALS: &str = "what = [\"originals\"]\n";

fn names(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.file.as_str()).collect()
}

fn sent(items: &[Item]) -> Vec<(Item, Verdict)> {
    items
        .iter()
        .map(|item| (item.clone(), Verdict::Sent { status: 0 }))
        .collect()
}

#[test]
fn what_lies_in_the_folders_is_owed_once_and_never_again_once_sent() {
    let clinic = Clinic::new();
    let first = clinic.study(1, &["a.dcm", "b.dcm", "b.conflict-1.dcm", "notes.txt"]);
    let mut outbox = clinic.open(ORIGINALS);
    assert_eq!(outbox.owed().0, 2);
    let claimed = outbox.claim(0, 10);
    assert_eq!(names(&claimed), ["a.dcm", "b.dcm"]);
    assert!(outbox.claim(0, 10).is_empty(), "somebody works on it");
    outbox.record(sent(&claimed[..1]), 5, 0).unwrap();
    outbox.give_back(&claimed);
    // A kill between: the new process owes what was not written down.
    let mut outbox = clinic.open(ORIGINALS);
    let claimed = outbox.claim(0, 10);
    assert_eq!(names(&claimed), ["b.dcm"]);
    outbox.record(sent(&claimed), 6, 0).unwrap();
    outbox.give_back(&claimed);
    outbox.look(&first, 7, |_| None).unwrap();
    assert_eq!(outbox.owed(), (0, None));
    assert!(!outbox.is_waiting(&first));
    clinic.study(1, &["late.dcm"]);
    outbox.look(&first, 8, |_| None).unwrap();
    assert_eq!(names(&outbox.claim(0, 10)), ["late.dcm"]);
}

#[test]
fn a_node_is_not_sent_what_came_before_it_or_is_not_for_it() {
    let clinic = Clinic::new();
    clinic.study(1, &["CT_a.dcm", "DX_b.dcm"]);
    assert_eq!(clinic.open("").owed().0, 0, "it asked for nothing");
    let wishes = "what = [\"originals\"]\nmodalities = [\"dx\"]\n";
    let mut outbox = clinic.open(wishes);
    assert_eq!(names(&outbox.claim(0, 10)), ["DX_b.dcm"]);
    let node = "name = \"new\"\nae_title = \"NEW\"\nhost = \"h\"\nport = 104\nwhat = [\"originals\"]";
    let node: Node = toml::from_str(node).unwrap();
    let later = crate::clock::now_ms() + 60_000;
    let outbox = Outbox::open(clinic.state.clone(), node, later, |_| None).unwrap();
    assert_eq!(outbox.owed().0, 0);
}

#[test]
fn a_study_that_fails_waits_and_holds_up_no_other() {
    let clinic = Clinic::new();
    let slow = clinic.study(1, &["a.dcm", "b.dcm"]);
    clinic.study(2, &["c.dcm"]);
    let mut outbox = clinic.open(ORIGINALS);
    let claimed = outbox.claim(0, 10);
    assert_eq!(claimed.len(), 3);
    let failed = claimed.iter().find(|item| item.file == "a.dcm").unwrap().clone();
    let full = Verdict::Retry {
        reason: "full".to_owned(),
    };
    outbox.record(vec![(failed, full)], 100, 50).unwrap();
    outbox.give_back(&claimed);
    assert_eq!(names(&outbox.claim(100, 10)), ["c.dcm"]);
    assert_eq!(outbox.next_ms(), Some(150));
    assert_eq!(names(&outbox.claim(150, 10)), ["a.dcm", "b.dcm"], "in order");
    assert_eq!(outbox.attempts(&slow), 1);
}

#[test]
fn what_a_node_fails_on_again_and_again_is_set_aside_and_tried_when_asked() {
    let clinic = Clinic::new();
    clinic.study(1, &["a.dcm", "b.dcm"]);
    let mut outbox = clinic.open(ORIGINALS);
    let item = outbox.claim(0, 1).remove(0);
    assert!(outbox.is_waiting(&item.study));
    for _ in 0..MAX_ATTEMPTS {
        assert!(outbox.aside().is_empty());
        let failure = Verdict::RetrySometimes {
            reason: "failed".to_owned(),
        };
        outbox.record(vec![(item.clone(), failure)], 1, 0).unwrap();
    }
    assert_eq!(outbox.aside().len(), 1);
    let mut outbox = clinic.open(ORIGINALS);
    assert_eq!(outbox.aside()[0].reason, "failed");
    assert_eq!(outbox.owed().0, 1);
    assert_eq!(outbox.try_again(9).unwrap(), 1);
    assert_eq!((outbox.owed().0, outbox.aside().len()), (2, 0));
    assert_eq!(clinic.open(ORIGINALS).owed().0, 2, "the wish survives a restart");
}

#[test]
fn a_damaged_line_sends_one_file_again_and_a_long_log_is_written_anew() {
    let clinic = Clinic::new();
    clinic.study(1, &["a.dcm", "b.dcm", "c.dcm"]);
    let mut outbox = clinic.open(ORIGINALS);
    let claimed = outbox.claim(0, 10);
    outbox.record(sent(&claimed), 5, 0).unwrap();
    let text = fs::read_to_string(&outbox.log).unwrap();
    fs::write(&outbox.log, text.replace("b.dcm", "x.dcm")).unwrap();
    let mut outbox = clinic.open(ORIGINALS);
    assert_eq!(names(&outbox.claim(0, 10)), ["b.dcm"]);
    outbox.compact().unwrap();
    let mut outbox = clinic.open(ORIGINALS);
    assert_eq!(names(&outbox.claim(0, 10)), ["b.dcm"]);
    fs::write(&outbox.log, "").unwrap();
    assert_eq!(
        clinic.open(ORIGINALS).owed().0,
        3,
        "without a log everything is owed that came since"
    );
}
