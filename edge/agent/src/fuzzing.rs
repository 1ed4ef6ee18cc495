//! What a peer can say to the DICOM port, and what can lie in the folder of orders, on a stick and in the box's own files, without
//! any of them: for `tests/fuzz`.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{join, sink};

use crate::dimse::{Command, Session};
use crate::upper_layer::{Offered, Offers, Roles, await_request};

const MAX_PDU: u32 = 16 * 1024;
/// Nothing waits: the bytes are there or they end.
const LONG: Duration = Duration::from_secs(60);

struct Everything;

impl Offers for Everything {
    fn offer(&self, _abstract_syntax: &str) -> Option<Offered> {
        Some(Offered {
            transfer_syntaxes: &["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"],
            roles: Roles { scu: true, scp: true },
        })
    }
}

/// A whole conversation: request, messages, end.
pub fn conversation(bytes: &[u8]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    else {
        return;
    };
    runtime.block_on(async {
        let stream = join(Cursor::new(bytes.to_vec()), sink());
        let Ok(asked) = await_request(Box::new(stream), MAX_PDU, LONG).await else {
            return;
        };
        let _ = asked.check();
        let Ok((connection, contexts)) = asked.accept(&Everything, MAX_PDU, LONG).await else {
            return;
        };
        let mut session = Session::new(connection, contexts);
        while let Ok(message) = session.next().await {
            if message.command.has_data_set() {
                let _ = session.whole_data_set(bytes.len()).await;
            }
            let response = message.command.response(0);
            if session.send(message.context, &response, None).await.is_err() {
                return;
            }
        }
    });
}

/// A command set, and the answer made of it.
pub fn command_set(bytes: &[u8]) {
    if let Ok(command) = Command::parse(bytes) {
        let _ = Command::parse(&command.response(0).with_comment("so").encode(false));
    }
}

/// An order message.
pub fn hl7_orders(bytes: &[u8]) {
    let _ = crate::worklist::is_order_message(bytes);
}

/// The files of a medium in the order in which they would be read, and how many its directory names that are not there.
#[must_use]
pub fn medium(folder: &Path, max_files: usize) -> Option<(Vec<PathBuf>, usize)> {
    crate::import::fuzzing::list(folder, max_files)
}

/// What a stick sets a box up with: the line, the hub's address and the code in it.
#[must_use]
pub fn set_up(file: &[u8]) -> Option<[String; 3]> {
    let line = crate::set_up::line(file)?;
    let (hub, code) = crate::set_up::parts(&line, "");
    let parts = [line.clone(), hub.trim().to_owned(), code.to_owned()];
    Some(parts)
}

/// A policy that can hold, as it would be written.
#[must_use]
pub fn site_policy(file: &[u8]) -> Option<String> {
    let policy = crate::site_policy::read(file)?;
    toml::to_string(&policy).ok()
}

/// What of a site file that is taken may stand in a fault report.
#[must_use]
pub fn site_file(text: &str) -> Option<String> {
    let config = crate::config::Config::parse(Path::new("site.toml"), text).ok()?;
    Some(config.for_fault_reports)
}
