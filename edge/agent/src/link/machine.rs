//! What the machine says of itself, as a hash: by it a disk that was put back is told from one that was copied to another
//! machine. It proves nothing, whoever copies a disk can say the same.

use std::fs;
use std::path::Path;

use ring::digest::{Context, SHA256};

/// Its installation, and the board's number where there is one.
const FILES: [&str; 3] = [
    "/etc/machine-id",
    "/sys/firmware/devicetree/base/serial-number",
    "/sys/class/dmi/id/product_uuid",
];
const INTERFACES: &str = "/sys/class/net";

/// Another one for each clinic. Empty where the machine says nothing.
pub(super) fn mark(clinic: &str) -> Vec<u8> {
    let mut said: Vec<Vec<u8>> = FILES.iter().filter_map(|file| fs::read(file).ok()).collect();
    said.extend(addresses(Path::new(INTERFACES)));
    of(clinic, said)
}

/// Of the network cards that are part of the machine: neither virtual ones nor what somebody has plugged in.
fn addresses(interfaces: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(interfaces) else {
        return Vec::new();
    };
    let card = |entry: fs::DirEntry| {
        let interface = entry.path();
        let device = fs::canonicalize(interface.join("device")).ok()?;
        let plugged_in = device.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            part.strip_prefix("usb")
                .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        });
        if plugged_in {
            return None;
        }
        fs::read(interface.join("address")).ok()
    };
    let mut all: Vec<_> = entries.filter_map(|entry| card(entry.ok()?)).collect();
    all.sort();
    all
}

fn of(clinic: &str, said: Vec<Vec<u8>>) -> Vec<u8> {
    if said.iter().all(|word| word.trim_ascii().is_empty()) {
        return Vec::new();
    }
    let mut hash = Context::new(&SHA256);
    for word in [b"Barefoot machine 1".as_slice(), clinic.as_bytes()]
        .into_iter()
        .chain(said.iter().map(Vec::as_slice))
    {
        hash.update(&(word.len() as u64).to_le_bytes());
        hash.update(word);
    }
    hash.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_machine_is_the_same_whatever_is_plugged_in() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        let add = |name: &str, device: Option<&str>, address: &str| {
            let folder = net.join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("address"), address).unwrap();
            if let Some(device) = device {
                let device = dir.path().join(device);
                fs::create_dir_all(&device).unwrap();
                symlink(device, folder.join("device")).unwrap();
            }
        };
        add("eth1", Some("pci0/eth1"), "02:02");
        add("eth0", Some("pci0/eth0"), "01:01");
        let before = addresses(&net);
        assert_eq!(before, [b"01:01".to_vec(), b"02:02".to_vec()]);
        add("usb0", Some("pci0/usb1/1-1"), "03:03");
        add("veth0", None, "04:04");
        assert_eq!(addresses(&net), before);
        assert_ne!(of("clinic-7", before.clone()), of("clinic-8", before.clone()));
        assert_eq!(of("clinic-7", vec![b"\n".to_vec()]), Vec::<u8>::new());
        assert_eq!(of("clinic-7", before).len(), 32);
        assert!(addresses(&dir.path().join("none")).is_empty());
    }
}
