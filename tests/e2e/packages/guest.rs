use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use barefoot_test_support::daemons::workspace;
use barefoot_test_support::wait::wait_for;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::peers::{peer, text};

/// What a small Debian needs beside its core for packages of services.
const INCLUDED: &str = "systemd,systemd-sysv,debconf,libgcc-s1";
const BOOTS_WITHIN: Duration = Duration::from_secs(120);

/// Systemd in the guest wants control groups of the second kind only, and one of its own. Both are this process's alone.
const CONTROL_GROUP: &str = r#"
[ -e /sys/fs/cgroup/cgroup.controllers ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
group="/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/$NAME"
"#;
const BOOT: &str = r#"
mount -t overlay overlay -o "lowerdir=$BELOW,upperdir=$FOLDER/above,workdir=$FOLDER/work" "$FOLDER/root"
mkdir "$group"
echo $$ > "$group/cgroup.procs"
exec systemd-nspawn --quiet --boot --keep-unit --register=no --private-network --console=read-only \
    --machine="$NAME" --directory="$FOLDER/root" --bind-ro="$PACKAGES:/packages"
"#;
const FORGET: &str = r#"find "$group" -depth -type d -exec rmdir {} +"#;

/// A Debian with systemd as its first process, with no network but its own. Gone when dropped, and so is what was changed in it.
pub(super) struct Guest {
    nspawn: Child,
    /// Its first process.
    leader: u32,
    name: String,
    folder: TempDir,
}

/// What a command said in the guest.
pub(super) struct Said {
    pub(super) status: ExitStatus,
    output: Output,
}

impl Said {
    pub(super) fn out(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(super) fn said(&self) -> String {
        text(&self.output)
    }
}

/// A guest with a systemd of its own is for root to start. `false`, said aloud, where a developer is not root.
pub(super) fn may_boot() -> bool {
    let is_root = rustix::process::getuid().is_root();
    if !is_root {
        assert!(
            std::env::var_os("CI").is_none(),
            "in CI the packages are installed in a guest that only root can boot"
        );
        eprintln!("SKIPPED: packages are installed in a guest that only root can boot.");
    }
    is_root
}

/// Of the same release as the machine that built the programs; made once.
fn small_debian() -> PathBuf {
    let about = fs::read_to_string("/etc/os-release").unwrap();
    let field = |name: &str| {
        about
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
    };
    assert_eq!(
        field("ID="),
        "debian",
        "the packages are tried on the Debian that built them: run this on Debian"
    );
    let release = field("VERSION_CODENAME=");
    let folder = workspace().join(format!("target/guest/{release}"));
    if folder.is_dir() {
        return folder;
    }
    // Under another name until it is whole.
    let half = folder.with_extension("half");
    let _ = fs::remove_dir_all(&half);
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    let output = Command::new(peer("mmdebstrap", "mmdebstrap"))
        .args(["--quiet", "--variant=minbase", "--format=directory"])
        .arg(format!("--include={INCLUDED}"))
        .arg(release)
        .arg(&half)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    fs::rename(&half, &folder).unwrap();
    folder
}

impl Guest {
    /// Booted, with a folder of packages under `/packages`.
    pub(super) async fn boot(packages: &Path) -> Self {
        peer("systemd-nspawn", "systemd-container");
        let below = small_debian();
        // Not below /tmp: that may be memory, or a layer itself.
        let folder = tempfile::tempdir_in(workspace().join("target")).unwrap();
        for part in ["above", "work", "root"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let name = format!("barefoot-{}", std::process::id());
        let mut boot = with_group(&name, BOOT);
        let nspawn = boot
            .env("BELOW", below)
            .env("FOLDER", folder.path())
            .env("PACKAGES", packages)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut guest = Self {
            nspawn,
            leader: 0,
            name,
            folder,
        };
        let up = wait_for("the guest to boot", BOOTS_WITHIN, async || {
            if let Some(status) = guest.nspawn.try_wait().unwrap() {
                panic!("the guest ended ({status}): {}", guest.log());
            }
            guest.leader = first_process_of(guest.nspawn.id()).ok_or("no process yet")?;
            let asked = guest.tries("systemctl is-active multi-user.target");
            if asked.status.success() {
                Ok(())
            } else {
                Err(asked.said())
            }
        });
        up.await
            .unwrap_or_else(|error| panic!("{error}\n{}", guest.log()));
        // As Debian's installer leaves it.
        guest.sh("echo 127.0.0.1 localhost > /etc/hosts");
        guest
    }

    /// A script in the guest, as root; it must succeed. What it printed, and for `apt-get` what it complained of too.
    pub(super) fn sh(&self, script: &str) -> String {
        let said = self.tries(script);
        assert!(said.status.success(), "{script}\n{}\n{}", said.said(), self.log());
        if script.contains("apt-get") {
            said.said()
        } else {
            said.out()
        }
    }

    pub(super) fn tries(&self, script: &str) -> Said {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.leader))
            .args([
                "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--",
            ])
            .args(["/bin/sh", "-e", "-c", script])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8");
        said(&mut command)
    }

    /// A program of this machine, on the guest's network.
    pub(super) fn in_its_network(&self, words: &[&str]) -> Said {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.leader))
            .arg("--")
            .args(words);
        said(&mut command)
    }

    /// What is good to know when something failed.
    pub(super) fn log(&self) -> String {
        let console = fs::read(self.folder.path().join("log")).unwrap_or_default();
        let journal = self.tries("journalctl --no-pager --lines=80");
        format!("{}\n{}", String::from_utf8_lossy(&console), journal.said())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // With its first process all others end.
        let leader = Pid::from_raw(self.leader.cast_signed());
        if let Some(leader) = leader {
            let _ = kill_process(leader, Signal::KILL);
        } else {
            let _ = self.nspawn.kill();
        }
        let _ = self.nspawn.wait();
        let _ = with_group(&self.name, FORGET).stderr(Stdio::null()).status();
    }
}

/// A shell with mounts of its own that knows the guest's control group.
fn with_group(name: &str, script: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "--", "/bin/sh", "-e", "-c"])
        .arg(format!("{CONTROL_GROUP}{script}"))
        .env("NAME", name);
    command
}

fn said(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Said {
        status: output.status,
        output,
    }
}

/// The child that is number 1 in a namespace of its own.
fn first_process_of(parent: u32) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.find(|number| {
        let Ok(status) = fs::read_to_string(format!("/proc/{number}/status")) else {
            return false;
        };
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                .unwrap_or_default()
        };
        value("PPid:") == [parent.to_string()] && matches!(value("NSpid:").as_slice(), [_, own] if own == "1")
    })
}
