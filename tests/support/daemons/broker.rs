use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::region::write;
use super::{Error, Region};
use crate::wait::wait_for;

/// An external MQTT broker as a region would run it: Mosquitto, mutual TLS, one access rule for clinics and one for
/// the hub. Its own port and state, apart from any Mosquitto the machine runs.
#[derive(Debug)]
pub struct Broker {
    config: PathBuf,
    log: PathBuf,
    address: String,
    process: Option<Process>,
}

impl Broker {
    /// # Errors
    /// When Mosquitto is not installed or does not open its port.
    pub async fn start(region: &Region) -> Result<Self, Error> {
        let folder = region.folder().join("broker");
        let io = |source| Error::Write {
            path: folder.display().to_string(),
            source,
        };
        std::fs::create_dir_all(&folder).map_err(io)?;
        // Mosquitto cannot tell which port it took, so it gets one that was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(io)?.port();
        let rules = folder.join("rules");
        write(
            &rules,
            "pattern write barefoot/v1/%u/up/#\npattern read barefoot/v1/%u/down/#\n\n\
             user _hub\ntopic read barefoot/v1/+/up/#\ntopic write barefoot/v1/+/down/#\n",
        )?;
        let pki = region.pki();
        let config = folder.join("mosquitto.conf");
        let path = |path: PathBuf| path.display().to_string();
        write(
            &config,
            &format!(
                "listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\ntls_version tlsv1.3\n\
                 require_certificate true\nuse_identity_as_username true\nallow_anonymous false\nacl_file {}\n\
                 user root\npersistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval 1\n",
                path(pki.join("authority.crt")),
                path(pki.join("hub.crt")),
                path(pki.join("hub.key")),
                path(rules),
                folder.display(),
            ),
        )?;
        let mut broker = Self {
            config,
            log: folder.join("log"),
            address: format!("127.0.0.1:{port}"),
            process: None,
        };
        broker.restart().await?;
        Ok(broker)
    }

    /// Starts it again after [`Broker::kill9`], on the same port with the same state.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.process = None;
        // Debian keeps it where most users' search path does not lead.
        let places = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
        let found = places.iter().find(|path| std::path::Path::new(path).is_file());
        let mut command = Command::new(found.unwrap_or(&"mosquitto"));
        command.arg("-v").arg("-c").arg(&self.config);
        let mut process = Process::start(&mut command, "mosquitto", &self.log)?;
        let address = self.address.clone();
        let open = wait_for(
            "mosquitto to open its port",
            Duration::from_secs(20),
            async || {
                if let Err(error) = process.check() {
                    return Ok(Err(error));
                }
                match tokio::net::TcpStream::connect(&address).await {
                    Ok(_) => Ok(Ok(())),
                    Err(error) => Err(error),
                }
            },
        )
        .await;
        open.map_err(|source| Error::TimedOut {
            source,
            log: process.tail(),
        })??;
        self.process = Some(process);
        Ok(())
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `kill -9`.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Everything it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}
