//! How long an expert waits: the list of a region with 100,000 cases, a case until its picture is there, a signature.
//!
//! - `worklist_*`: the list as pages and as the part that follows by itself, with each filter and far back, from the request
//!   to the last byte, as a program on the same machine asks. All cases are in the hub's database while it works; of the two
//!   runs one has them all waiting, the other a tenth.
//! - `first_picture_*`: from asking for the case's page until the viewer in Chromium has drawn something, and until it has
//!   drawn every pixel, over a line of 2 Mbit/s and 40 ms there and back. `new`: a browser that was never here, so that the
//!   viewer itself comes too; `next`: another case after that. `orthanc`: over the same line the whole image, or the picture
//!   Orthanc makes of it, whichever is there sooner: a viewer that needs no byte of its own could draw no earlier.
//! - `sign_*`: from the password to the answer: draft kept, password hashed, report signed, case closed, durably.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use barefoot_test_support::browser::Browser;
use barefoot_test_support::daemons::{Edge, EdgeOptions, Hub, Region};
use barefoot_test_support::line::{Line, Quality};
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::scanner::{DicomFile, Scanner};
use barefoot_test_support::wait::wait_for;
use serde_json::{Value, json};

use crate::orthanc::Orthanc;
use crate::process::free_port;
use crate::report::{Report, Target, percentile, rounds};

pub(crate) const NAME: &str = "reading";

const CASES: u32 = 100_000;
const SIGNED: usize = 60;
const PICTURES: usize = 3;
const READER: &str = "li.wei";
const PASSWORD: &str = "Blaue-Berge-77-im-Regen";
const PATIENCE: Duration = Duration::from_secs(600);
const TWO_MEGABITS: Quality = Quality {
    latency: Duration::from_millis(20),
    bandwidth: Some(2_000_000),
    loss: 0.0,
};

const LISTS: [&str; 10] = [
    "/worklist",
    "/worklist/list",
    "/worklist?page=2",
    "/worklist?page=500",
    "/worklist?urgency=critical",
    "/worklist?modality=CT",
    "/worklist?clinic=clinic-123",
    "/worklist?scope=mine",
    "/worklist?scope=done",
    "/worklist?scope=all",
];

pub(crate) async fn run() -> anyhow::Result<Report> {
    let rounds = rounds(30)?;
    let folder = tempfile::tempdir()?;
    let region = Region::new()?;
    let page = format!("127.0.0.1:{}", free_port()?);
    let mut hub = region.reading_hub(&page)?;
    hub.start().await?;
    let options = EdgeOptions {
        after_release_ms: 0,
        review_below: 1.0,
        more: format!(
            "[images]\nhub = \"{}\"\nmax_backoff_s = 1\n",
            hub.address("images")?
        ),
        ..EdgeOptions::default()
    };
    let mut edge = region.edge("clinic-7", hub.address("mqtt")?, &options)?;
    edge.start().await?;
    let mut browser = Browser::open()?;
    let direct = format!("http://{page}");
    account(&hub, &mut browser, &direct)?;

    let file = radiograph(folder.path(), 1)?;
    let mut studies = vec![file.clone()];
    for seed in 2..=2 * PICTURES as u64 {
        studies.push(radiograph(folder.path(), seed)?);
    }
    let with_pictures = to_the_list(&edge, &hub, &mut browser, &direct, &studies).await?;
    edge.stop().await?;

    let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
    let mut runs = Vec::new();
    for (name, waiting) in [("a_tenth", CASES / 10), ("all", CASES)] {
        hub.stop().await?;
        seed(&hub, if name == "all" { CASES } else { 0 }, waiting)?;
        hub.start().await?;
        let said = json!({"person": READER, "hub": direct, "paths": LISTS, "rounds": rounds});
        let times = browser.act("timed", said)?;
        let mut every = Vec::new();
        for path in LISTS {
            let values = numbers(times.get(path));
            println!(
                "{name} {path}: p50 {:.1} ms, p99 {:.1} ms",
                percentile(&values, 50.0).unwrap_or_default(),
                percentile(&values, 99.0).unwrap_or_default()
            );
            every.extend_from_slice(&values);
        }
        figures(&mut ours, &format!("worklist_{name}"), &every);
        runs.push(json!({ "waiting": waiting, "lists": times }));
    }
    let list = browser.act(
        "addresses",
        json!({"person": READER, "hub": direct, "at": "/worklist?modality=DX", "most": SIGNED}),
    )?;
    let said = json!({"person": READER, "hub": direct, "cases": list, "password": PASSWORD});
    let signatures = numbers(Some(&browser.act("signAll", said)?));
    ensure!(!signatures.is_empty(), "nothing was signed");
    figures(&mut ours, "sign", &signatures);
    println!("Signatures: {signatures:.0?} ms");
    runs.push(json!({ "signatures_ms": signatures }));
    pictures(
        &page,
        &mut browser,
        &with_pictures,
        &file,
        (&mut ours, &mut theirs, &mut runs),
    )
    .await?;
    hub.stop().await?;

    let limit = BTreeMap::from([
        ("worklist_a_tenth_p99_ms".to_owned(), 150.0),
        ("worklist_all_p99_ms".to_owned(), 150.0),
    ]);
    let peers = BTreeMap::from([("orthanc".to_owned(), theirs), ("limit".to_owned(), limit)]);
    let mut report = Report::new(NAME, ours, peers, runs);
    report.targets = vec![
        Target::at_most("limit.worklist_a_tenth_p99_ms".into(), 1.0),
        Target::at_most("limit.worklist_all_p99_ms".into(), 1.0),
    ];
    Ok(report)
}

fn figures(into: &mut BTreeMap<String, f64>, name: &str, values: &[f64]) {
    for (word, percent) in [("p50", 50.0), ("p99", 99.0)] {
        if let Some(value) = percentile(values, percent) {
            into.insert(format!("{name}_{word}_ms"), value);
        }
    }
}

fn numbers(values: Option<&Value>) -> Vec<f64> {
    let values = values.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    values.iter().filter_map(Value::as_f64).collect()
}

fn radiograph(folder: &Path, seed: u64) -> anyhow::Result<DicomFile> {
    let path = folder.join(format!("{seed}.dcm"));
    let chest = Chest {
        seed,
        size: Size::Full,
        ..Chest::default()
    };
    chest.instance().save(&path)?;
    Ok(DicomFile::open(&path)?)
}

/// An account, set up and signed in by a person at a browser.
fn account(hub: &Hub, browser: &mut Browser, at: &str) -> anyhow::Result<()> {
    let said = hub.ask(&[
        "person",
        "add",
        "--name",
        READER,
        "--display-name",
        "李伟",
        "--tier",
        "county",
        "--role",
        "reader",
    ])?;
    let text = String::from_utf8(said.stdout)?;
    let link = text
        .split("in a browser: ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let link = link.with_context(|| format!("no link to set the account up: {text}"))?;
    browser.act(
        "setUp",
        json!({"person": READER, "hub": at, "link": link, "password": PASSWORD}),
    )?;
    browser.act(
        "signIn",
        json!({"person": READER, "hub": at, "password": PASSWORD, "at": "/worklist"}),
    )?;
    Ok(())
}

/// Sends studies and waits until each is on the list with every pixel; their addresses.
async fn to_the_list(
    edge: &Edge,
    hub: &Hub,
    browser: &mut Browser,
    at: &str,
    studies: &[DicomFile],
) -> anyhow::Result<Vec<String>> {
    let mut failed = None;
    Scanner::new(edge.address("dicom")?, "BAREFOOT", "SIM_DR1")
        .send(studies, |outcome| failed = failed.take().or(outcome.error))
        .await;
    ensure!(failed.is_none(), "an image was not taken: {failed:?}");
    let wanted = studies.len().to_string();
    wait_for("the images at the hub", PATIENCE, async || {
        match count(hub, "image_sets").map_err(|error| error.to_string())? {
            there if there == wanted => Ok(()),
            there => Err(format!("{there} of {wanted}")),
        }
    })
    .await?;
    let said = json!({"person": READER, "hub": at, "at": "/worklist", "most": studies.len()});
    let addresses = browser.act("addresses", said)?;
    let addresses: Vec<String> = serde_json::from_value(addresses)?;
    ensure!(
        addresses.len() == studies.len(),
        "{} cases on the list",
        addresses.len()
    );
    Ok(addresses)
}

type Figures<'a> = (
    &'a mut BTreeMap<String, f64>,
    &'a mut BTreeMap<String, f64>,
    &'a mut Vec<Value>,
);

async fn pictures(
    page: &str,
    browser: &mut Browser,
    cases: &[String],
    file: &DicomFile,
    (ours, theirs, runs): Figures<'_>,
) -> anyhow::Result<()> {
    let line = Line::start(page.to_owned()).await?;
    line.set(TWO_MEGABITS);
    let hub = format!("http://{}", line.address);
    let (mut new, mut next) = (Waits::default(), Waits::default());
    for pair in cases.chunks(2) {
        let waits = browser.act(
            "firstPicture",
            json!({"person": READER, "hub": hub, "cases": pair}),
        )?;
        println!("Pictures over 2 Mbit/s: {waits}");
        new.take(waits.get(0));
        next.take(waits.get(1));
        runs.push(json!({ "pictures": waits }));
    }
    for (name, waits) in [("new", new), ("next", next)] {
        for (what, values) in [("first", waits.first), ("whole", waits.whole)] {
            let value = percentile(&values, 50.0).context("a case was opened")?;
            ours.insert(format!("{what}_picture_{name}_p50_ms"), value);
        }
    }
    let folder = tempfile::tempdir()?;
    let (orthanc, _) = Orthanc::start(folder.path()).await?;
    let mut failed = None;
    Scanner::new(&orthanc.dicom, "BAREFOOT", "SIM_DR1")
        .send(std::slice::from_ref(file), |outcome| failed = outcome.error)
        .await;
    ensure!(failed.is_none(), "Orthanc did not take the image: {failed:?}");
    orthanc.picture_of(1).await?;
    let line = Line::start(orthanc.http().to_owned()).await?;
    line.set(TWO_MEGABITS);
    let instance = orthanc.any_instance().await?;
    let mut best = f64::INFINITY;
    let mut whole = f64::INFINITY;
    for kind in ["preview", "file"] {
        let url = format!("http://{}/instances/{instance}/{kind}", line.address);
        let got = browser.act("download", json!({ "url": url }))?;
        println!("Orthanc's {kind} over 2 Mbit/s: {got}");
        let ms = got.get("ms").and_then(Value::as_f64).context("a time")?;
        best = best.min(ms);
        if kind == "file" {
            whole = ms;
        }
        runs.push(json!({ "orthanc": kind, "got": got }));
    }
    for name in ["new", "next"] {
        theirs.insert(format!("first_picture_{name}_p50_ms"), best);
        theirs.insert(format!("whole_picture_{name}_p50_ms"), whole);
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Waits {
    first: Vec<f64>,
    whole: Vec<f64>,
}

impl Waits {
    fn take(&mut self, wait: Option<&Value>) {
        let number = |key: &str| wait.and_then(|wait| wait.get(key)).and_then(Value::as_f64);
        self.first.extend(number("first"));
        self.whole.extend(number("image"));
    }
}

fn database(hub: &Hub) -> PathBuf {
    hub.state().join("barefoot.db")
}

/// Rows of a table, read past the program that wrote them.
fn count(hub: &Hub, table: &str) -> anyhow::Result<String> {
    const COUNT: &str = "import sqlite3,sys\n\
        db=sqlite3.connect('file:'+sys.argv[1]+'?mode=ro',uri=True)\n\
        print(db.execute('SELECT COUNT(*) FROM '+sys.argv[2]).fetchone()[0])";
    let path = database(hub);
    python(COUNT, &[path.to_str().context("a path of text")?, table])
}

fn python(script: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("python3")
        .arg("-c")
        .arg(script)
        .args(arguments)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The first time there are all, of which some wait; the second time all of them wait.
fn seed(hub: &Hub, already: u32, waiting: u32) -> anyhow::Result<()> {
    let path = database(hub);
    let path = path.to_str().context("a path of text")?;
    if already == 0 {
        let cases = python(
            include_str!("seed.py"),
            &[path, &CASES.to_string(), &waiting.to_string()],
        )?;
        println!("{cases} cases are in the database.");
        return Ok(());
    }
    const ALL_WAIT: &str = "import sqlite3,sys\ndb=sqlite3.connect(sys.argv[1])\n\
        db.execute(\"UPDATE cases SET state='waiting', signed_at_ms=NULL, wake_ms=due_ms WHERE state='read'\")\n\
        db.execute('DELETE FROM case_workitems_pending')\n\
        db.commit()";
    python(ALL_WAIT, &[path]).map(drop)
}
