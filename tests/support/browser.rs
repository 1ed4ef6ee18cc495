//! People at browsers: Playwright in a node program that is told what to do, line by line (`tests/browser`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::daemons::workspace;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{name} is missing: `cargo xtask test` installs it, or your system's package {package}")]
    Missing {
        name: &'static str,
        package: &'static str,
    },
    #[error("the viewer's packages are missing: `cargo xtask viewer` fetches them")]
    Packages,
    #[error("the browser's program does not start")]
    Start(#[source] std::io::Error),
    #[error("the browser's program ended at \"{act}\"")]
    Ended { act: String },
    /// With the act's name and its stack.
    #[error("{0}")]
    Failed(String),
}

/// All windows of one browser. Ends when it is dropped.
#[derive(Debug)]
pub struct Browser {
    program: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Browser {
    /// # Errors
    /// When node, Chromium or the packages are missing, or the program does not start.
    pub fn open() -> Result<Self, Error> {
        if !workspace()
            .join("cloud/viewer/node_modules/playwright-core")
            .is_dir()
        {
            return Err(Error::Packages);
        }
        let chromium = program("chromium", "chromium")?;
        let mut program = Command::new(program("node", "nodejs")?)
            .arg(workspace().join("tests/browser/main.mjs"))
            .env("BAREFOOT_CHROMIUM", chromium)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::Start)?;
        let pipes = program.stdin.take().zip(program.stdout.take());
        let (orders, answers) = pipes.ok_or_else(|| Error::Ended { act: "start".into() })?;
        Ok(Self {
            program,
            orders,
            answers: BufReader::new(answers),
        })
    }

    /// Has an act of `tests/browser` done. Each act has its own deadlines. For runtimes with several threads.
    ///
    /// # Errors
    /// When it fails, or the program is gone.
    pub fn act(&mut self, act: &str, mut what: Value) -> Result<Value, Error> {
        if let Some(fields) = what.as_object_mut() {
            fields.insert("act".to_owned(), json!(act));
        }
        let ended = || Error::Ended { act: act.to_owned() };
        let line = tokio::task::block_in_place(|| {
            let mut line = String::new();
            writeln!(self.orders, "{what}")?;
            self.answers.read_line(&mut line)?;
            std::io::Result::Ok(line)
        });
        let line = line.map_err(|_| ended())?;
        let mut answer: Value = serde_json::from_str(&line).map_err(|_| ended())?;
        if let Some(failed) = answer.get("failed").and_then(Value::as_str) {
            return Err(Error::Failed(failed.to_owned()));
        }
        Ok(answer.get_mut("done").map(Value::take).unwrap_or_default())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn program(name: &'static str, package: &'static str) -> Result<PathBuf, Error> {
    ["/usr/bin", "/usr/local/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
        .ok_or(Error::Missing { name, package })
}
