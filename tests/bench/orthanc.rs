//! Orthanc as the peer: stores DICOM durably in its default settings and shows pictures, as a clinic would otherwise
//! use. Its own port and state, apart from any Orthanc the machine runs.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use barefoot_test_support::http::{get, get_json};
use barefoot_test_support::wait::wait_for;

use crate::process::free_port;

const PROGRAMS: [&str; 3] = ["/usr/sbin/Orthanc", "/usr/bin/Orthanc", "/usr/local/sbin/Orthanc"];

pub(crate) struct Orthanc {
    child: Child,
    pub(crate) dicom: String,
    http: String,
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Orthanc {
    /// Gives the time until it served.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<(Self, Duration)> {
        let program = PROGRAMS
            .iter()
            .find(|path| Path::new(path).is_file())
            .context("Orthanc, the peer of this benchmark, is missing: apt-get install orthanc")?;
        let folder = folder.join("orthanc");
        std::fs::create_dir_all(&folder)?;
        let (dicom, http) = (free_port()?, free_port()?);
        let config = serde_json::json!({
            "Name": "peer", "StorageDirectory": folder.join("storage"), "IndexDirectory": folder.join("index"),
            "Plugins": [], "DicomAet": "BAREFOOT", "DicomPort": dicom, "HttpPort": http,
            "DicomAlwaysAllowStore": true, "AuthenticationEnabled": false, "RemoteAccessAllowed": false,
        });
        let path = folder.join("orthanc.json");
        std::fs::write(&path, config.to_string())?;
        let begun = Instant::now();
        let child = Command::new(program)
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("Orthanc does not start")?;
        let http = format!("127.0.0.1:{http}");
        let orthanc = Self {
            child,
            dicom: format!("127.0.0.1:{dicom}"),
            http,
        };
        wait_for("Orthanc to serve", Duration::from_secs(60), async || {
            get_json(&orthanc.http, "/system").await
        })
        .await?;
        Ok((orthanc, begun.elapsed()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it answers HTTP.
    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    /// The id of one that is there.
    pub(crate) async fn any_instance(&self) -> anyhow::Result<String> {
        let all = get_json(&self.http, "/instances").await?;
        let id = all.get(0).and_then(serde_json::Value::as_str);
        id.map(str::to_owned).context("an instance has an id")
    }

    /// Waits until the newest instance can be seen: its picture is served.
    pub(crate) async fn picture_of(&self, number: usize) -> anyhow::Result<()> {
        let listed = wait_for("Orthanc to list the image", Duration::from_secs(60), async || {
            let answer = get_json(&self.http, "/instances")
                .await
                .map_err(|error| error.to_string())?;
            let all = answer.as_array().cloned().unwrap_or_default();
            if all.len() == number {
                Ok(all)
            } else {
                Err(format!("{} of {number}", all.len()))
            }
        });
        let all = listed.await?;
        // The newest is not marked; at one image at a time, any has the same cost.
        let id = all
            .last()
            .and_then(|id| id.as_str())
            .context("an instance has an id")?;
        get(&self.http, &format!("/instances/{id}/preview")).await?;
        Ok(())
    }
}
