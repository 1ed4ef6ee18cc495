use std::fs;

use barefoot_trust::audit::{Checker, Fault, Hash, Whole};
use barefoot_trust::{Authority, TlsPaths};
use tempfile::TempDir;
use time::OffsetDateTime;

use super::*;

struct Site {
    dir: TempDir,
    identity: TlsIdentity,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(dir.path(), "Test region", now).unwrap();
        let issued = authority.issue_clinic(&clinic(), now, time::Duration::days(900));
        issued.unwrap().save(dir.path(), "clinic-7").unwrap();
        let identity = TlsIdentity::load(&TlsPaths {
            authority: dir.path().join("authority.crt"),
            certificate: dir.path().join("clinic-7.crt"),
            key: dir.path().join("clinic-7.key"),
        })
        .unwrap();
        Self { dir, identity }
    }

    fn audit(&self) -> Audit {
        Audit::open(self.dir.path(), &clinic()).unwrap()
    }

    fn part(&self) -> std::path::PathBuf {
        self.dir.path().join("audit/000000000001.log")
    }

    /// As `barefootctl audit verify` sees it.
    fn check(&self, noted: Option<(u64, Hash)>) -> Result<Whole, Fault> {
        let mut text = Vec::new();
        let audit = self.audit();
        audit
            .book()
            .store
            .export(&self.identity, now_ms(), &mut text)
            .unwrap();
        let mut checker = Checker::of_clinic(self.identity.authorities(), clinic());
        if let Some((number, hash)) = noted {
            checker = checker.expecting(number, hash);
        }
        let text = String::from_utf8(text).unwrap();
        text.lines()
            .try_for_each(|line| checker.line(line))
            .and_then(|()| checker.finish())
            .map_err(|bad| bad.fault)
    }
}

fn clinic() -> ClinicId {
    ClinicId::new("clinic-7").unwrap()
}

fn entry(action: Action) -> Entry {
    Entry::new(Actor::Person("U1".into()), action)
}

#[test]
fn what_the_daemon_and_commands_beside_it_write_is_one_row() {
    let site = Site::new();
    let (daemon, command) = (site.audit(), site.audit());
    daemon.started("version 0");
    std::thread::scope(|scope| {
        for audit in [&daemon, &command] {
            scope.spawn(|| (0..20).for_each(|_| audit.record(entry(Action::Search))));
        }
    });
    daemon.sign(&site.identity);
    command.record(Entry::new(Actor::Console, Action::PinChanged).subject("U1"));
    daemon.stopped(&site.identity);
    let whole = site.check(None).unwrap();
    assert_eq!((whole.entries, whole.since_ms), (43, None));
    assert!(
        3 <= whole.heads,
        "one by hand, one at the stop, one for the export"
    );
}

#[test]
fn what_is_looked_at_again_and_again_is_one_act_and_by_another_person_another() {
    let site = Site::new();
    let audit = site.audit();
    let case = |number| CaseId::new(format!("2.25.{number}")).ok();
    for _ in 0..10 {
        audit.record_look(entry(Action::ViewCase).of_case(case(1)));
        audit.record_look(entry(Action::ViewCase).of_case(case(2)));
        let other = Entry::new(Actor::Person("U2".into()), Action::ViewCase);
        audit.record_look(other.of_case(case(1)));
    }
    assert_eq!(site.check(None).unwrap().entries, 3);
}

#[test]
fn a_changed_a_removed_and_a_cut_off_line_are_found() {
    let site = Site::new();
    let audit = site.audit();
    for _ in 0..3 {
        audit.record(entry(Action::Print));
    }
    audit.sign(&site.identity);
    audit.record(entry(Action::Export));
    let noted = audit
        .book()
        .store
        .sign(&site.identity, now_ms(), true)
        .unwrap()
        .unwrap();
    let noted = Some((noted.number, noted.hash));
    assert_eq!(site.check(noted).unwrap().entries, 4);
    let good = fs::read_to_string(site.part()).unwrap();
    let lines: Vec<&str> = good.lines().collect();

    // Whoever changes a line also makes its checksum right.
    let with_sum = |json: String| format!("{:08x} {json}", crc32fast::hash(json.as_bytes()));
    let mut changed: Vec<String> = lines.iter().map(ToString::to_string).collect();
    changed[1] = with_sum(lines[1][9..].replace("\"print\"", "\"search\""));
    fs::write(site.part(), changed.join("\n") + "\n").unwrap();
    assert!(matches!(site.check(None), Err(Fault::Altered { number: 2 })));

    let mut removed = lines.clone();
    removed.remove(1);
    fs::write(site.part(), removed.join("\n") + "\n").unwrap();
    assert!(matches!(site.check(None), Err(Fault::Deleted { from: 2, to: 2 })));

    // Cut off together with its heads: what the journal has noted shows it.
    fs::write(site.part(), lines[..2].join("\n") + "\n").unwrap();
    assert!(matches!(
        site.check(noted),
        Err(Fault::CutOff { signed: 4, found: 2 })
    ));
    // And a clinic of another name did not write it.
    fs::write(site.part(), &good).unwrap();
    assert!(site.check(noted).is_ok());
}

#[test]
fn a_power_cut_at_any_byte_leaves_a_log_that_goes_on_and_holds() {
    let site = Site::new();
    let audit = site.audit();
    audit.started("version 0");
    let first = fs::metadata(site.part()).unwrap().len();
    audit.record(entry(Action::SignOut));
    let both = fs::read(site.part()).unwrap();
    for length in (first..=both.len() as u64).rev().step_by(7) {
        fs::write(site.part(), &both[..usize::try_from(length).unwrap()]).unwrap();
        let again = site.audit();
        assert!(!again.book().store.ended_well());
        again.record(entry(Action::Search));
        let whole = site.check(None).unwrap();
        let torn = length < both.len() as u64 - 1;
        assert_eq!(whole.entries, if torn { 2 } else { 3 }, "cut at {length}");
    }
}

#[test]
fn a_power_cut_while_a_part_is_begun_lets_the_one_before_go_on() {
    let site = Site::new();
    let audit = site.audit();
    let begun = now_ms();
    audit.record(entry(Action::SignIn));
    audit.sign(&site.identity);
    audit.book().store.turn_over(begun + 31 * DAY_MS).unwrap();
    let second = site.dir.path().join("audit/000000000002.log");
    let whole = fs::read(&second).unwrap();
    for length in [0, 5, whole.len() - 2] {
        fs::write(&second, &whole[..length]).unwrap();
        site.audit().record(entry(Action::Search));
        assert!(!second.exists(), "cut at {length}");
        site.check(None).unwrap();
    }
    assert_eq!(site.check(None).unwrap().entries, 4);
}

#[test]
fn what_could_not_be_written_is_counted_and_told() {
    let site = Site::new();
    let audit = site.audit();
    // A folder where the file belongs: no disk takes that.
    fs::create_dir(site.part()).unwrap();
    audit.record(entry(Action::ViewCase));
    audit.record(entry(Action::Print));
    fs::remove_dir(site.part()).unwrap();
    audit.record(entry(Action::Search));
    assert_eq!(site.check(None).unwrap().entries, 2);
    let text = fs::read_to_string(site.part()).unwrap();
    assert!(
        text.contains("entries_lost") && text.contains("\"details\":\"2\""),
        "{text}"
    );
}

#[test]
fn a_run_that_was_killed_is_told_by_the_next() {
    let site = Site::new();
    site.audit().started("version 0");
    site.audit().started("version 0");
    let text = fs::read_to_string(site.part()).unwrap();
    assert_eq!(text.matches("ended without a stop").count(), 1, "{text}");
    site.audit().stopped(&site.identity);
    site.audit()
        .record(Entry::new(Actor::Console, Action::PinChanged));
    site.audit().started("version 0");
    let text = fs::read_to_string(site.part()).unwrap();
    assert_eq!(text.matches("ended without a stop").count(), 1, "{text}");
}

#[test]
fn old_parts_go_as_the_site_says_and_the_rest_still_holds() {
    let site = Site::new();
    let audit = site.audit();
    let begun = now_ms();
    let mut day = 0;
    let mut book = audit.book();
    for month in 0..4 {
        day = month * 31;
        let now = begun + day * DAY_MS;
        book.store
            .append(&[entry(Action::Search), entry(Action::Print)], now)
            .unwrap();
        book.store.sign(&site.identity, now, false).unwrap();
        book.store.turn_over(now + 31 * DAY_MS).unwrap();
    }
    let now = begun + day * DAY_MS;
    book.store.remove_older(now - 40 * DAY_MS, now).unwrap();
    drop(book);
    assert!(!site.part().exists());
    let whole = site.check(None).unwrap();
    // Two months, and that the older ones were removed.
    assert_eq!(whole.entries, 5);
    assert!(whole.since_ms.is_some());
    assert_eq!(whole.clock_went_back, 0);
    // The newest part is never removed.
    site.audit().book().store.remove_older(i64::MAX, now).unwrap();
    assert!(site.check(None).unwrap().entries <= 5);
}

#[test]
fn models_that_answer_and_ones_that_are_refused_are_told_once() {
    let none = Answering::default();
    let first = Answering {
        model: "cxr 0.1.0".into(),
        ..none.clone()
    };
    let refused = Answering {
        ended: Some(("cxr 0.2.0".into(), false, "golden")),
        ..first.clone()
    };
    let back = Answering {
        ended: Some(("cxr 0.3.0".into(), true, "slow")),
        ..first.clone()
    };
    let told = |before: &Answering, now: &Answering| {
        of_models(before, now)
            .into_iter()
            .map(|entry| (entry.action, entry.subject))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&none, &first), [(Action::ModelAnswers, "cxr 0.1.0".into())]);
    assert_eq!(
        told(&first, &refused),
        [(Action::ModelRefused, "cxr 0.2.0".into())]
    );
    assert_eq!(told(&refused, &refused), []);
    assert_eq!(
        told(&refused, &back),
        [(Action::ModelTakenBack, "cxr 0.3.0".into())]
    );
    let short = Config {
        keep_days: 182,
        repository: None,
    };
    assert!(short.check().is_err() && Config::default().check().is_ok());
}

#[tokio::test]
async fn a_clock_that_was_set_back_and_the_signatures_stand_in_the_log() {
    let site = Site::new();
    let audit = site.audit();
    let now = now_ms();
    audit
        .book()
        .store
        .append(&[entry(Action::Search)], now + 3_600_000)
        .unwrap();
    audit.record(of_clock(-3_600_000));
    let shutdown = CancellationToken::new();
    let identity = Arc::new(
        TlsIdentity::load(&TlsPaths {
            authority: site.dir.path().join("authority.crt"),
            certificate: site.dir.path().join("clinic-7.crt"),
            key: site.dir.path().join("clinic-7.key"),
        })
        .unwrap(),
    );
    let running = tokio::spawn(audit.run(400, identity, Answering::default, shutdown.clone()));
    while !fs::read_to_string(site.part()).unwrap().contains("\"head\"") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shutdown.cancel();
    running.await.unwrap();
    let whole = site.check(None).unwrap();
    assert_eq!((whole.entries, whole.clock_went_back), (2, 1));
    assert!(fs::read_to_string(site.part()).unwrap().contains("by -3600 s"));
}

/// What a repository is told is read from the parts as they are, also while they grow and old ones go.
#[test]
fn what_a_repository_lacks_is_read_on_from_where_it_was_told() {
    let site = Site::new();
    let audit = site.audit();
    let numbers = |number, most| -> Vec<u64> {
        let found = audit.book().store.behind(number, most).unwrap();
        found.iter().map(|logged| logged.entry.number).collect()
    };
    assert!(numbers(0, 10).is_empty());
    for _ in 0..7 {
        audit.record(entry(Action::Search));
    }
    assert_eq!(numbers(0, 3), [1, 2, 3]);
    assert_eq!(numbers(3, 3), [4, 5, 6]);
    audit.sign(&site.identity);
    let year = now_ms() + 365 * DAY_MS;
    audit.book().store.turn_over(year).unwrap();
    audit.record(entry(Action::Print));
    assert_eq!(numbers(6, 10), [7, 8], "over the end of a part");
    assert_eq!(numbers(6, 10), [7, 8], "again, after a connection that broke");
    assert_eq!(numbers(1, 2), [2, 3], "from anywhere");
    let mark = |number: u64| {
        let found = audit.book().store.behind(number - 1, 1).unwrap();
        found.first().map(|logged| barefoot_audit::Mark {
            number,
            hash: logged.hash,
        })
    };
    let (seventh, mut other) = (mark(7).unwrap(), mark(7).unwrap());
    other.hash = [0; 32];
    let mut book = audit.book();
    assert!(book.store.holds(seventh).unwrap() && !book.store.holds(other).unwrap());
    other.number = 99;
    assert!(!book.store.holds(other).unwrap(), "the end was lost");
    // Old as it is, the first part stays until the repository has it.
    book.store.told_until(6);
    book.store.remove_older(year, year).unwrap();
    drop(book);
    assert_eq!(numbers(0, 1), [1]);
    audit.book().store.told_until(7);
    audit.book().store.remove_older(year, year).unwrap();
    assert_eq!(numbers(0, 1), [8]);
    assert!(
        audit.book().store.holds(seventh).unwrap(),
        "it was told and removed"
    );
}
