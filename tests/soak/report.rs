//! What was seen, for people and as JSON.

use std::fmt;

use barefoot_test_support::daemons::workspace;
use serde::Serialize;

use crate::Arguments;

/// A critical result may wait so long after the line is back.
const CRITICAL_MS: i64 = 2_000;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Studies that a box said it has.
    pub(crate) stored: usize,
    /// In the hub's database exactly once.
    pub(crate) once: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    /// Cases that nobody sent.
    pub(crate) strange: usize,
    /// Radiographs whose pixels are at the hub, bit for bit.
    pub(crate) pictures: usize,
    pub(crate) pictures_lost: usize,
    pub(crate) left_in_queues: u64,
    pub(crate) box_kills: u32,
    pub(crate) hub_kills: u32,
    pub(crate) broker_kills: u32,
    pub(crate) sent_again: u32,
    pub(crate) critical: Critical,
}

/// Critical results with routine ones waiting.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Critical {
    pub(crate) results: usize,
    pub(crate) routine_waiting: u64,
    /// From the box's being connected again to the hub's commit.
    pub(crate) p50_ms: i64,
    pub(crate) p99_ms: i64,
    /// From the line's being whole again, the box's own patience before it calls included.
    pub(crate) p99_from_line_ms: i64,
    /// The same of the routine ones, so that one sees that they did wait.
    pub(crate) routine_p50_ms: i64,
}

impl Report {
    pub(crate) fn is_clean(&self) -> bool {
        self.once == self.stored
            && self.lost + self.doubled + self.strange + self.pictures_lost == 0
            && self.left_in_queues == 0
            && self.critical.p99_ms < CRITICAL_MS
    }

    /// Beside the benchmarks' reports; a report that cannot be written was printed.
    pub(crate) fn save(&self, arguments: &Arguments) {
        let folder = workspace().join("target/soak");
        let value = serde_json::json!({ "arguments": format!("{arguments:?}"), "report": self });
        let saved = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join("report.json"), format!("{value:#}\n")));
        match saved {
            Ok(()) => println!("Written: {}", folder.join("report.json").display()),
            Err(error) => eprintln!("cannot write into {}: {error}", folder.display()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{} studies stored; at the hub exactly once {}, lost {}, doubled {}, of nobody {}.",
            self.stored, self.once, self.lost, self.doubled, self.strange
        )?;
        writeln!(
            f,
            "{} radiographs bit for bit, {} lost. {} left in queues.",
            self.pictures, self.pictures_lost, self.left_in_queues
        )?;
        writeln!(
            f,
            "kill -9: boxes {}, hub {}, broker {}; {} studies sent again because of it.",
            self.box_kills, self.hub_kills, self.broker_kills, self.sent_again
        )?;
        let critical = &self.critical;
        write!(
            f,
            "{} critical results with {} routine ones waiting: p50 {} ms, p99 {} ms from the box's being connected ({} ms \
             from the line's return); routine p50 {} ms.",
            critical.results,
            critical.routine_waiting,
            critical.p50_ms,
            critical.p99_ms,
            critical.p99_from_line_ms,
            critical.routine_p50_ms
        )
    }
}
