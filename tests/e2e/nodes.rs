//! Nodes of others that the box sends to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use barefoot_test_support::daemons::workspace;
use barefoot_test_support::http::get_json;
use barefoot_test_support::wait::wait_for;
use serde_json::Value;

use crate::peers::{peer, python};
use crate::story::{SOON, Story};

/// A program of others, ended with the test.
pub(crate) struct Node {
    child: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub(crate) fn script(name: &str) -> PathBuf {
    workspace().join("tests/e2e/peers").join(name)
}

impl Node {
    /// Ready once its port is open.
    async fn start(mut command: Command, port: u16) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let node = Self { child };
        wait_for("a node to listen", SOON, async || {
            let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
            connected.map_err(|error| error.to_string())
        })
        .await
        .unwrap();
        node
    }

    /// dcmtk's storescp; writes what it gets into `folder` as it came.
    pub(crate) async fn storescp(port: u16, folder: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(peer("storescp", "dcmtk"));
        command
            .args(["+B", "-od"])
            .arg(folder)
            .args(more)
            .arg(port.to_string());
        Self::start(command, port).await
    }

    /// rsyslog, with this configuration.
    pub(crate) async fn rsyslogd(port: u16, config: &Path, pid: &Path) -> Self {
        let mut command = Command::new(peer("rsyslogd", "rsyslog"));
        command.arg("-n").arg("-f").arg(config).arg("-i").arg(pid);
        Self::start(command, port).await
    }

    /// pynetdicom; logs into `log` and answers with these statuses in turn.
    pub(crate) async fn moody(port: u16, log: &Path, statuses: &[&str]) -> Self {
        let mut command = Command::new(python());
        command
            .arg(script("store.py"))
            .arg(port.to_string())
            .arg(log)
            .args(statuses);
        Self::start(command, port).await
    }

    /// Orthanc as `ORTHANC` on `port`, which knows the box.
    pub(crate) async fn orthanc(port: u16, http: u16, folder: &Path, box_port: u16) -> Self {
        let config = serde_json::json!({
            "Name": "peer", "StorageDirectory": folder.join("storage"), "IndexDirectory": folder.join("index"),
            "Plugins": [], "DicomAet": "ORTHANC", "DicomPort": port, "HttpPort": http,
            "DicomAlwaysAllowStore": true, "AuthenticationEnabled": false, "RemoteAccessAllowed": false,
            "DicomModalities": { "barefoot": ["BAREFOOT", "127.0.0.1", box_port] },
        });
        let path = folder.join("orthanc.json");
        fs::write(&path, config.to_string()).unwrap();
        let program = ["/usr/sbin/Orthanc", "/usr/bin/Orthanc"];
        let program = program.iter().find(|path| Path::new(path).is_file());
        let mut command = Command::new(program.expect("Orthanc is missing: `cargo xtask test` installs it"));
        command.arg(&path);
        Self::start(command, port).await
    }
}

/// What the box says of its nodes.
pub(crate) async fn nodes(story: &Story) -> Vec<Value> {
    let page = story.edge.address("page").unwrap();
    let answer = get_json(page, "/api/nodes").await.unwrap();
    answer.as_array().unwrap().clone()
}

/// Waits until a node of the box is as it should be.
pub(crate) async fn node_is(story: &Story, what: &str, test: impl Fn(&Value) -> bool) -> Value {
    let waited = wait_for(what, SOON, async || {
        let node = nodes(story).await.remove(0);
        if test(&node) {
            Ok(node)
        } else {
            Err(node.to_string())
        }
    })
    .await;
    waited.unwrap_or_else(|error| panic!("{error}\n{}", story.logs()))
}

/// Whether nothing waits.
pub(crate) fn has_all(node: &Value) -> bool {
    node["pending"] == 0
}
