//! `addresses.json` in the state directory: the process and the ports it really listens on, for scripts and tests.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// There while the daemon listens; removed on a clean stop.
#[derive(Debug)]
pub(crate) struct AddressFile(PathBuf);

impl AddressFile {
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(path: PathBuf, addresses: &[(&str, SocketAddr)]) -> io::Result<Self> {
        let addresses: BTreeMap<_, _> = addresses
            .iter()
            .map(|(name, address)| (*name, address.to_string()))
            .collect();
        let content = serde_json::json!({ "pid": std::process::id(), "addresses": addresses });
        let temporary = path.with_extension("new");
        fs::write(&temporary, content.to_string())?;
        fs::rename(&temporary, &path)?;
        Ok(Self(path))
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
