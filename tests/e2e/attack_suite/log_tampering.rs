//! Copies of the audit logs with something done to them, the log's table in the hub's database, and its addresses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use barefoot_test_support::daemons::Ctl;

use super::clinic::Clinic;
use super::hall::Hall;
use super::http::Request;
use super::ledger::{Attack, Ledger};
use crate::peers::{python, run, text};
use crate::story::CLINIC;

/// Whose log it is, and where its copies are checked.
struct Log<'a> {
    name: &'a str,
    /// Of a box.
    clinic: Option<&'a str>,
    authority: PathBuf,
}

impl Log<'_> {
    /// Whether `barefootctl` finds nothing wrong with a log of these lines.
    fn holds(&self, lines: &[String], folder: &Path) -> bool {
        let file = folder.join("log.jsonl");
        fs::write(
            &file,
            lines.iter().map(|line| format!("{line}\n")).collect::<String>(),
        )
        .unwrap();
        self.is_whole(&file)
    }

    fn is_whole(&self, file: &Path) -> bool {
        let mut arguments = vec![
            "audit",
            "verify",
            file.to_str().unwrap(),
            "--authority",
            self.authority.to_str().unwrap(),
        ];
        if let Some(clinic) = self.clinic {
            arguments.extend(["--clinic", clinic]);
        }
        Ctl::offline(&arguments).is_ok()
    }
}

/// The line with one letter or digit of this place's neighbourhood changed.
fn changed(line: &str, place: usize) -> String {
    let mut letters: Vec<char> = line.chars().collect();
    let place = (place..letters.len())
        .find(|at| letters[*at].is_ascii_alphanumeric())
        .unwrap_or(1);
    letters[place] = match letters[place] {
        '0' => '1',
        'a' => 'b',
        letter if letter.is_ascii_digit() => '0',
        letter if letter.is_ascii_uppercase() => {
            if letter == 'A' {
                'B'
            } else {
                'A'
            }
        }
        _ => 'a',
    };
    letters.into_iter().collect()
}

fn tampered(ledger: &mut Ledger, whose: &Log<'_>, log: &str) {
    let name = whose.name;
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = log.lines().map(str::to_owned).collect();
    assert!(5 < lines.len(), "{log}");
    ledger.control(Attack::LogTampering, name, whose.holds(&lines, folder.path()));
    let mut check = |what: String, lines: &[String]| {
        ledger.tried(
            Attack::LogTampering,
            &format!("{name}: {what}"),
            whose.holds(lines, folder.path()),
        );
    };
    // At six places of the log, and at each a few of the line.
    for part in 0..6 {
        let at = part * (lines.len() - 1) / 5;
        let line = &lines[at];
        for place in 1..6 {
            let mut other = lines.clone();
            other[at] = changed(line, place * (line.len() - 1) / 6);
            if other[at] != *line {
                check(format!("line {part}/5 changed at {place}/6"), &other);
            }
        }
        let mut twice = lines.clone();
        twice.insert(at, line.clone());
        check(format!("line {part}/5 twice"), &twice);
        let mut fewer = lines.clone();
        fewer.remove(at);
        check(format!("line {part}/5 removed"), &fewer);
        if at + 1 < lines.len() {
            let mut moved = lines.clone();
            moved.swap(at, at + 1);
            check(format!("line {part}/5 moved"), &moved);
        }
        let mut cut = lines.clone();
        cut[at] = line[..line.len() / 2].to_owned();
        check(format!("line {part}/5 cut"), &cut);
    }
    check("nothing".to_owned(), &[]);
    check(
        "everything twice".to_owned(),
        &[lines.clone(), lines.clone()].concat(),
    );
    check(
        "backwards".to_owned(),
        &lines.iter().rev().cloned().collect::<Vec<_>>(),
    );
    check(
        "a line of another kind".to_owned(),
        &[lines.clone(), vec!["{}".to_owned()]].concat(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_that_was_tampered_with_holds() {
    let mut ledger = Ledger::default();
    let mut hall = Hall::open().await;
    let mut auditor = hall.person("auditor", &["auditor"]).await;
    for name in ["one", "two", "three"] {
        hall.token(name, "viewer");
        hall.console(&["token", "revoke", name]);
    }
    let exported = auditor.get(&hall, "/audit/export").await;
    assert_eq!(exported.status, 200);
    // The page sends it in pieces; the console writes it as it is.
    let copy = hall.region.folder().join("audit.jsonl");
    hall.console(&["audit", "export", copy.to_str().unwrap()]);
    let log = Log {
        name: "the hub's log",
        clinic: None,
        authority: hall.region.pki().join("authority.crt"),
    };
    tampered(&mut ledger, &log, &fs::read_to_string(&copy).unwrap());
    // Who reads the log changes nothing of it.
    for path in ["/audit", "/audit/export"] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let request = auditor.asks(method, path).header("x-csrf-token", &auditor.csrf);
            let answer = request.send(hall.page()).await;
            ledger.tried(
                Attack::LogTampering,
                &format!("{method} {path}: {}", answer.status),
                (200..400).contains(&answer.status),
            );
        }
    }
    in_the_database(&mut ledger, &mut hall, &log).await;

    let clinic = Clinic::open("").await;
    clinic.add("Wang", &["doctor"]);
    clinic.add("Zhao", &["manager"]);
    let cookie = clinic.signed_in("Zhao").await;
    for what in ["one", "two", "three"] {
        let search = Request::new("POST", "/search")
            .header("cookie", &cookie)
            .form(&[("what", what)]);
        assert_eq!(search.send(clinic.page()).await.status, 200);
    }
    let copy = clinic.region.folder().join("box-audit.jsonl");
    let said = clinic
        .edge
        .ask(&["audit", "export", copy.to_str().unwrap()])
        .unwrap();
    assert!(said.status.success(), "{}", text(&said));
    let log = Log {
        name: "the box's log",
        clinic: Some(CLINIC),
        authority: clinic.region.pki().join("authority.crt"),
    };
    tampered(&mut ledger, &log, &fs::read_to_string(&copy).unwrap());
    ledger.settle();
}

/// What keeps the tables from changes by mistake, taken away.
const FREE: &str = "DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted; DROP TRIGGER audit_is_not_replaced; DROP TRIGGER audit_heads_are_not_replaced; \
                    DROP TRIGGER audit_heads_are_not_changed; DROP TRIGGER audit_heads_are_not_deleted;";

/// Whoever has the database: it refuses what is done by mistake, and what is done on purpose is found in the next copy.
async fn in_the_database(ledger: &mut Ledger, hall: &mut Hall, log: &Log<'_>) {
    hall.hub.stop().await.unwrap();
    let database = fs::read_dir(hall.hub.state())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3")))
        .unwrap();
    for statement in [
        "DELETE FROM audit",
        "DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)",
        "UPDATE audit SET actor = 'somebody else'",
        "UPDATE audit SET details = '' WHERE number = 2",
        "DELETE FROM audit_heads",
        "UPDATE audit_heads SET hash = zeroblob(32)",
    ] {
        let done = sql(&database, statement).await;
        ledger.tried(
            Attack::LogTampering,
            &format!("{statement}: {done:?}"),
            done.is_ok(),
        );
    }
    let before = fs::read(&database).unwrap();
    let wipe = |path: &Path| {
        for more in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{more}", path.display()));
        }
    };
    for (number, (statement, holds)) in [
        ("SELECT 1", true),
        ("DELETE FROM audit WHERE number = 3", false),
        ("UPDATE audit SET actor = 'somebody else' WHERE number = 2", false),
        ("UPDATE audit SET at_ms = at_ms - 1 WHERE number = 4", false),
        ("UPDATE audit SET previous = zeroblob(32) WHERE number = 4", false),
        ("UPDATE audit SET hash = zeroblob(32) WHERE number = 4", false),
        ("DELETE FROM audit_heads WHERE sequence = 1", false),
        ("UPDATE audit_heads SET signature = zeroblob(64) WHERE sequence = 1", false),
        ("UPDATE audit_heads SET number = number + 1 WHERE sequence = 1", false),
        ("REPLACE INTO audit SELECT number, at_ms, 0, actor_kind, actor, actor_name, 'nothing', clinic, case_id, subject, details, previous, hash FROM audit WHERE number = 3", false),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(&database, &before).unwrap();
        wipe(&database);
        sql(&database, &format!("{FREE} {statement}")).await.unwrap();
        let copy = hall.region.folder().join(format!("after-{number}.jsonl"));
        let said = hall.hub.ask(&["audit", "export", copy.to_str().unwrap()]).unwrap();
        let is_whole = said.status.success() && log.is_whole(&copy);
        if holds {
            ledger.control(Attack::LogTampering, "a database in which nothing was done", is_whole);
        } else {
            ledger.tried(Attack::LogTampering, &format!("{statement}, without the triggers"), is_whole);
        }
    }
}

/// Runs statements on the hub's database as somebody with the file would.
async fn sql(database: &Path, statement: &str) -> Result<(), String> {
    const PROGRAM: &str = "import sqlite3, sys\n\
        connection = sqlite3.connect(sys.argv[1])\n\
        connection.executescript(sys.argv[2])\n";
    let mut command = Command::new(python());
    command.args(["-c", PROGRAM]).arg(database).arg(statement);
    let output = run(command).await;
    if output.status.success() {
        Ok(())
    } else {
        Err(text(&output).lines().last().unwrap_or_default().to_owned())
    }
}
