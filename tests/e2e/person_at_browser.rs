//! People at browsers: Playwright in a node program that is told what to do, line by line (`tests/browser`).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use barefoot_test_support::daemons::workspace;
use serde_json::{Value, json};

use crate::peers::peer;

/// All windows of one browser. Ends with the test.
pub(crate) struct Browser {
    program: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Browser {
    pub(crate) fn open() -> Self {
        let packages = workspace().join("cloud/viewer/node_modules/playwright-core");
        assert!(
            packages.is_dir(),
            "the viewer's packages are missing: `cargo xtask viewer` fetches them"
        );
        let mut program = Command::new(peer("node", "nodejs"))
            .arg(workspace().join("tests/browser/main.mjs"))
            .env("BAREFOOT_CHROMIUM", peer("chromium", "chromium"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = program.stdin.take().unwrap();
        let answers = BufReader::new(program.stdout.take().unwrap());
        Self {
            program,
            orders,
            answers,
        }
    }

    /// Has an act of `tests/browser` done; its errors are the test's.
    pub(crate) fn act(&mut self, act: &str, mut what: Value) -> Value {
        what["act"] = json!(act);
        // Each act has its own deadlines.
        let line = tokio::task::block_in_place(|| {
            writeln!(self.orders, "{what}").unwrap();
            let mut line = String::new();
            self.answers.read_line(&mut line).unwrap();
            line
        });
        assert!(!line.is_empty(), "the browser's program ended at \"{act}\"");
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        if let Some(failed) = answer["failed"].as_str() {
            panic!("{failed}");
        }
        answer["done"].take()
    }

    /// No error, nothing asked of another server, nothing that keeps anybody out.
    pub(crate) fn is_content(&mut self) {
        let faults = self.act("faults", json!({}));
        assert_eq!(faults, json!([]), "{faults:#}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
