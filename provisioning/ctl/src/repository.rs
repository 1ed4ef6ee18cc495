//! The repository of signed releases, where its maintainers are: keys, thresholds, signatures. None of it needs the hub,
//! and no key leaves the machine it is on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use barefoot_trust::release::{
    Contents, DetachedSignature, Lifetimes, Progress, PublicKey, RepositoryEditor, RoleSetting, Roles,
    SigningKey,
};
use clap::Subcommand;
use time::OffsetDateTime;

mod contents;
mod copy;
mod words;

pub(crate) use words::progress;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a release key: FILE is the secret, FILE with the ending .pub its public half.
    Key {
        /// For instance targets-li.key, on a medium that is kept apart.
        file: PathBuf,
    },
    /// Begins a repository. Give --key of those who are here; others sign later.
    Init {
        directory: PathBuf,
        #[command(flatten)]
        roles: RoleFlags,
        /// Days the root is valid: how long the keys can go without a rotation.
        #[arg(long, default_value_t = Lifetimes::default().root)]
        root_days: u32,
        /// Days the list of releases is valid.
        #[arg(long, default_value_t = Lifetimes::default().targets)]
        targets_days: u32,
        /// Days the snapshot is valid.
        #[arg(long, default_value_t = Lifetimes::default().snapshot)]
        snapshot_days: u32,
        /// Days the timestamp is valid: how long boxes can be kept from news without noticing, and how often somebody
        /// must refresh.
        #[arg(long, default_value_t = Lifetimes::default().timestamp)]
        timestamp_days: u32,
        #[command(flatten)]
        keys: Keys,
    },
    /// What is published, until when it is valid, and what waits for whose signature.
    Status { directory: PathBuf },
    /// Makes snapshot and timestamp valid anew, so that boxes go on taking releases.
    Refresh {
        directory: PathBuf,
        /// The list of releases too.
        #[arg(long)]
        targets: bool,
        #[command(flatten)]
        keys: Keys,
    },
    /// Changes keys or thresholds, or only the root's expiry. Roles that are not named stay as they are. As many of the
    /// old root keys as the old root wants must sign, and of the new ones as the new root wants.
    Rotate {
        directory: PathBuf,
        #[command(flatten)]
        roles: RoleFlags,
        #[command(flatten)]
        keys: Keys,
    },
    /// Signs what waits, with keys that are here.
    Sign {
        directory: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
    /// Signs one staged file on another machine: writes a small file to carry back for `repository merge`. Without
    /// --expect it says what the file changes, and signs nothing.
    SignApart {
        /// The staged file, as `repository status` names it.
        staged: PathBuf,
        #[arg(long)]
        key: PathBuf,
        /// Where the signature goes.
        #[arg(long)]
        out: PathBuf,
        /// The digest the first person told, on another way than the file came: at least its first 16 digits.
        #[arg(long, value_name = "DIGEST")]
        expect: Option<String>,
        /// The list that is published now (metadata/N.targets.json), to be shown only what changes.
        #[arg(long, value_name = "FILE")]
        published: Option<PathBuf>,
    },
    /// Adds signatures made by `repository sign-apart`.
    Merge {
        directory: PathBuf,
        #[arg(required = true)]
        signatures: Vec<PathBuf>,
    },
    /// Forgets what is staged.
    Discard { directory: PathBuf },
    /// Copies what is published, whole, for instance onto a stick for clinics without a line.
    Export {
        directory: PathBuf,
        /// Made when missing.
        to: PathBuf,
    },
}

#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct Keys {
    /// A release key that is here; several times for several.
    #[arg(long = "key", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

impl Keys {
    pub(crate) fn load(&self) -> anyhow::Result<Vec<SigningKey>> {
        let keys = self.files.iter().map(|file| SigningKey::load(file));
        Ok(keys.collect::<Result<_, _>>()?)
    }

    fn warn_when_open(&self) {
        self.files.iter().for_each(|file| warn_when_open(file));
    }
}

/// Who may sign for which role.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RoleFlags {
    /// Public key of somebody who may name keys; several times for several.
    #[arg(long, value_name = "PUB")]
    root: Vec<PathBuf>,
    /// How many of them must sign.
    #[arg(long, value_name = "N")]
    root_threshold: Option<u32>,
    /// Public key of somebody who may release models.
    #[arg(long, value_name = "PUB")]
    targets: Vec<PathBuf>,
    #[arg(long, value_name = "N")]
    targets_threshold: Option<u32>,
    /// Public key for snapshots.
    #[arg(long, value_name = "PUB")]
    snapshot: Vec<PathBuf>,
    #[arg(long, value_name = "N")]
    snapshot_threshold: Option<u32>,
    /// Public key for timestamps.
    #[arg(long, value_name = "PUB")]
    timestamp: Vec<PathBuf>,
    #[arg(long, value_name = "N")]
    timestamp_threshold: Option<u32>,
}

impl RoleFlags {
    /// `before` gives what is not named.
    fn roles(&self, before: Option<Roles>) -> anyhow::Result<Roles> {
        let before = before.map(|roles| (roles.root, roles.targets, roles.snapshot, roles.timestamp));
        let (root, targets, snapshot, timestamp) = match before {
            Some((root, targets, snapshot, timestamp)) => {
                (Some(root), Some(targets), Some(snapshot), Some(timestamp))
            }
            None => (None, None, None, None),
        };
        Ok(Roles {
            root: setting("root", &self.root, self.root_threshold, root)?,
            targets: setting("targets", &self.targets, self.targets_threshold, targets)?,
            snapshot: setting("snapshot", &self.snapshot, self.snapshot_threshold, snapshot)?,
            timestamp: setting("timestamp", &self.timestamp, self.timestamp_threshold, timestamp)?,
        })
    }
}

fn setting(
    role: &str,
    keys: &[PathBuf],
    threshold: Option<u32>,
    before: Option<RoleSetting>,
) -> anyhow::Result<RoleSetting> {
    let named = keys
        .iter()
        .map(|path| PublicKey::load(path))
        .collect::<Result<Vec<_>, _>>()?;
    match (named.is_empty(), before) {
        (true, None) => bail!(
            "nobody may sign for {role}: give --{role} FILE.pub (make keys with `barefootctl repository key`)"
        ),
        (true, Some(before)) => Ok(RoleSetting {
            threshold: threshold.unwrap_or(before.threshold),
            ..before
        }),
        (false, before) => Ok(RoleSetting {
            keys: named,
            threshold: threshold.or(before.map(|before| before.threshold)).unwrap_or(1),
        }),
    }
}

pub(crate) fn open(directory: &Path) -> anyhow::Result<RepositoryEditor> {
    RepositoryEditor::open(directory).with_context(|| {
        format!(
            "there is no repository in {0}: begin one with `barefootctl repository init {0}`",
            directory.display()
        )
    })
}

/// Signs as far as the keys go, and says what is missing. Nobody signs unawares: what is staged is printed before. The
/// snapshot and timestamp that are made on the way hold nothing else.
pub(crate) fn sign(
    editor: &mut RepositoryEditor,
    keys: &Keys,
    now: OffsetDateTime,
) -> anyhow::Result<Progress> {
    let loaded = keys.load()?;
    keys.warn_when_open();
    print!("{}", contents::staged(editor)?);
    Ok(editor.sign(&loaded, now)?)
}

/// A stick without permissions shows every file as everybody's.
fn warn_when_open(key: &Path) {
    let mode = fs::metadata(key).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        eprintln!(
            "barefootctl: warning: other users of this machine can read the key {0}. `chmod 600 {0}`, or where the medium knows no permissions (vfat, exfat) mount it with umask=077.",
            key.display()
        );
    }
}

/// Signs one file whose contents the other person named.
fn sign_apart(
    staged: &Path,
    key: &Path,
    out: &Path,
    expect: Option<&str>,
    published: Option<&Path>,
) -> anyhow::Result<String> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let bytes = read(staged)?;
    let contents = Contents::read(&bytes).with_context(|| staged.display().to_string())?;
    let before = published
        .map(|path| Contents::read(&read(path)?).with_context(|| path.display().to_string()))
        .transpose()?;
    print!(
        "{}",
        contents::words(&contents, contents::releases(before.as_ref())?)
    );
    match expect {
        Some(told) if contents.is(told) => {}
        Some(told) => bail!(
            "nothing was signed: {} has the digest {}, not {told}: at least 16 of its digits must be told",
            staged.display(),
            contents.digest
        ),
        None => bail!(
            "nothing was signed: ask the person who signed first for the digest, on another way than the file came, and give it as --expect. {} has {}",
            staged.display(),
            contents.digest
        ),
    }
    warn_when_open(key);
    let signature = SigningKey::load(key)?.sign_detached(&bytes)?;
    let text = serde_json::to_string_pretty(&signature)?;
    fs::write(out, text).with_context(|| format!("cannot write {}", out.display()))?;
    Ok(format!(
        "Wrote {0}. Where the repository is: `barefootctl repository merge DIRECTORY {0}`.",
        out.display()
    ))
}

/// What was done, for people.
pub(crate) fn run(command: &Command, now: OffsetDateTime) -> anyhow::Result<String> {
    match command {
        Command::Key { file } => {
            if file.extension().is_some_and(|ending| ending == "pub") {
                bail!("{}: the ending .pub is the public half's", file.display());
            }
            let key = SigningKey::create(file)?;
            Ok(format!(
                "Made the release key {}, id {}.\nIts public half is {}: give that to whoever keeps the repository. Keep a copy of the key offline.",
                file.display(),
                words::short(&key.public().id()),
                file.with_extension("pub").display()
            ))
        }
        Command::Init {
            directory,
            roles,
            root_days,
            targets_days,
            snapshot_days,
            timestamp_days,
            keys,
        } => {
            let lifetimes = Lifetimes {
                root: *root_days,
                targets: *targets_days,
                snapshot: *snapshot_days,
                timestamp: *timestamp_days,
            };
            // Keys first: a repository is not begun with a mistyped one.
            keys.load()?;
            let mut editor = RepositoryEditor::create(directory, &roles.roles(None)?, lifetimes, now)?;
            let done = sign(&mut editor, keys, now)?;
            Ok(format!(
                "Began the repository {0}.\n{1}\nBoxes and the hub get {0}/metadata/1.root.json as their [releases] root.",
                directory.display(),
                progress(&done, directory)
            ))
        }
        Command::Status { directory } => words::status(&open(directory)?, directory, now),
        Command::Refresh {
            directory,
            targets,
            keys,
        } => {
            keys.load()?;
            let mut editor = open(directory)?;
            editor.refresh(*targets, now)?;
            Ok(progress(&sign(&mut editor, keys, now)?, directory))
        }
        Command::Rotate {
            directory,
            roles,
            keys,
        } => {
            keys.load()?;
            let mut editor = open(directory)?;
            let roles = roles.roles(Some(editor.roles()?))?;
            editor.rotate(&roles, now)?;
            Ok(progress(&sign(&mut editor, keys, now)?, directory))
        }
        Command::Sign { directory, keys } => {
            if keys.files.is_empty() {
                bail!("give --key FILE, once for every key that is here");
            }
            Ok(progress(&sign(&mut open(directory)?, keys, now)?, directory))
        }
        Command::SignApart {
            staged,
            key,
            out,
            expect,
            published,
        } => sign_apart(staged, key, out, expect.as_deref(), published.as_deref()),
        Command::Merge {
            directory,
            signatures,
        } => merge(directory, signatures, now),
        Command::Discard { directory } => {
            open(directory)?.discard()?;
            Ok("Forgot what was staged; what is published is untouched.".to_owned())
        }
        Command::Export { directory, to } => copy::export(&open(directory)?, directory, to),
    }
}

fn merge(directory: &Path, signatures: &[PathBuf], now: OffsetDateTime) -> anyhow::Result<String> {
    let mut editor = open(directory)?;
    let mut done = Progress::Nothing;
    for path in signatures {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let signature: DetachedSignature = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no signature of `repository sign-apart`", path.display()))?;
        done = editor
            .merge(&signature, now)
            .with_context(|| path.display().to_string())?;
    }
    Ok(progress(&done, directory))
}
