//! What else goes wrong around a box: its clock jumps, and names stop to resolve.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A clock that can be set while its daemon runs: Debian's libfaketime in front of the system's. Only the wall clock
/// jumps; the monotonic one goes on, as when a person or NTP sets a box.
#[derive(Debug)]
pub struct ShiftedClock {
    library: PathBuf,
    setting: PathBuf,
}

impl ShiftedClock {
    /// Right at first; its setting lies in `folder`.
    ///
    /// # Errors
    /// When libfaketime is not installed or the setting cannot be written.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let library = fs::read_dir("/usr/lib")?
            .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
            .find(|path| path.is_file())
            .ok_or_else(|| io::Error::other("libfaketime is not installed: apt-get install faketime"))?;
        let clock = Self {
            library,
            setting: folder.join("clock"),
        };
        clock.shift(0)?;
        Ok(clock)
    }

    /// Sets it this many seconds before (negative) or after the true time.
    ///
    /// # Errors
    /// When the setting cannot be written.
    pub fn shift(&self, seconds: i64) -> io::Result<()> {
        // Whole at every moment: its reader may look at any time.
        let written = self.setting.with_extension("new");
        fs::write(&written, format!("{seconds:+}s\n"))?;
        fs::rename(&written, &self.setting)
    }

    /// What a daemon needs to live by this clock.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let pair = |name: &str, value: String| (name.to_owned(), value);
        vec![
            pair("LD_PRELOAD", self.library.display().to_string()),
            pair("FAKETIME_TIMESTAMP_FILE", self.setting.display().to_string()),
            pair("FAKETIME_NO_CACHE", "1".to_owned()),
            pair("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            pair("NO_FAKE_STAT", "1".to_owned()),
        ]
    }
}

/// Names that resolve for one daemon only, and can be taken away: a hosts file of its own, mounted over the system's.
#[derive(Debug)]
pub struct Names {
    hosts: PathBuf,
}

impl Names {
    /// # Errors
    /// When the file cannot be written.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let names = Self {
            hosts: folder.join("hosts"),
        };
        names.forget()?;
        Ok(names)
    }

    /// From now on `name` is this machine.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn know(&self, name: &str) -> io::Result<()> {
        // In place: a mount shows the file it was made with.
        fs::write(&self.hosts, format!("127.0.0.1 localhost\n127.0.0.1 {name}\n"))
    }

    /// No name resolves any more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget(&self) -> io::Result<()> {
        fs::write(&self.hosts, "127.0.0.1 localhost\n")
    }

    /// What a command begins with so that its process knows these names. Needs root, or a kernel that lets users have
    /// namespaces.
    #[must_use]
    pub fn within(&self) -> Vec<String> {
        let root = rustix::process::geteuid().is_root();
        let private = if root { "-m" } else { "-rm" };
        let mount = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
        let mut words = ["unshare", private, "sh", "-c", mount]
            .map(str::to_owned)
            .to_vec();
        words.push(self.hosts.display().to_string());
        words
    }
}
