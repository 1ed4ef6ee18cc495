//! What lies at the hub and at the boxes, read past the programs that wrote it where that is possible.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use barefoot_imaging::data_set::{self, Limits};
use barefoot_imaging::{header, tags, transcode};
use barefoot_test_support::daemons::Edge;
use barefoot_test_support::http::get_json;
use barefoot_test_support::hub_files::hub_images;
use ring::digest::{SHA256, digest};

const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// A case as the hub's database has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// Versions of it.
    pub(crate) times: u32,
    /// When the last one was committed.
    pub(crate) committed_at_ms: i64,
}

/// By another program than the hub: the database itself is asked.
const QUERY: &str = "import sqlite3,sys\n\
for row in sqlite3.connect('file:'+sys.argv[1]+'?mode=ro',uri=True).execute(\
'SELECT clinic,case_id,COUNT(*),MAX(committed_at_ms) FROM results GROUP BY clinic,case_id'): print(*row)";

/// By clinic and case.
pub(crate) fn results(hub: &Path) -> anyhow::Result<BTreeMap<(String, String), Row>> {
    let database = hub.join("barefoot.db");
    let output = Command::new("python3")
        .arg("-c")
        .arg(QUERY)
        .arg(database)
        .output()?;
    ensure!(
        output.status.success(),
        "the database cannot be read: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    text.lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut word = || words.next().context("four columns");
            let key = (word()?.to_owned(), word()?.to_owned());
            let row = Row {
                times: word()?.parse()?,
                committed_at_ms: word()?.parse()?,
            };
            Ok((key, row))
        })
        .collect()
}

/// A case at its box.
#[derive(Debug)]
pub(crate) struct Case {
    /// The name the hub knows it by.
    pub(crate) id: String,
    /// The hub's receipt for its newest version is there.
    pub(crate) receipted: bool,
}

/// A box's cases by their studies.
pub(crate) async fn cases(edge: &Edge) -> anyhow::Result<BTreeMap<String, Case>> {
    let answer = get_json(edge.address("page")?, "/api/cases?limit=1000000").await?;
    let cases = answer
        .get("cases")
        .and_then(|cases| cases.as_array())
        .context("cases")?;
    cases
        .iter()
        .map(|case| {
            let text = |key: &str| case.get(key)?.as_str().map(str::to_owned);
            let case = text("study_uid").zip(text("case_id")).map(|(study, id)| {
                let receipted = text("delivery").as_deref() == Some("receipted");
                (study, Case { id, receipted })
            });
            case.context("a case has both names")
        })
        .collect()
}

/// SHA-256 of the native pixels of every image the hub keeps of a clinic.
pub(crate) fn pictures(hub: &Path, clinic: &str) -> anyhow::Result<BTreeSet<Vec<u8>>> {
    let mut found = BTreeSet::new();
    for path in hub_images(hub, clinic)? {
        let read = header::read_header(&path)?;
        let native = transcode::transcode(&path, &read, EXPLICIT_LITTLE_ENDIAN)?;
        let limits = Limits {
            bytes: 1 << 30,
            ..Limits::default()
        };
        let set = data_set::read(&native, EXPLICIT_LITTLE_ENDIAN, &limits)?;
        let pixels = set
            .view()
            .value(tags::PIXEL_DATA)
            .context("an image has pixels")?;
        found.insert(digest(&SHA256, pixels).as_ref().to_vec());
    }
    Ok(found)
}
