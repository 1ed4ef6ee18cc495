//! Keys, repository, signatures, stick: as several maintainers do it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use barefoot_trust::release::{DirectorySource, Targets, TrustedState, verify_repository};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::{candidate, ctl, refused, text, tiny_bundle};

struct Maintainers {
    folder: TempDir,
}

impl Maintainers {
    fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for name in ["root-1", "root-2", "li", "wei", "online"] {
            ctl(&["repository", "key", &this.key(name)]).unwrap();
        }
        this
    }

    fn key(&self, name: &str) -> String {
        text(&self.folder.path().join(format!("{name}.key"))).to_owned()
    }

    fn public(&self, name: &str) -> String {
        text(&self.folder.path().join(format!("{name}.pub"))).to_owned()
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// Two roots, both of two must release.
    fn init(&self) {
        let repository = self.repository();
        let (root_1, root_2) = (self.public("root-1"), self.public("root-2"));
        let (li, wei, online) = (self.public("li"), self.public("wei"), self.public("online"));
        let said = ctl(&[
            "repository",
            "init",
            text(&repository),
            "--root",
            &root_1,
            "--root",
            &root_2,
            "--targets",
            &li,
            "--targets",
            &wei,
            "--targets-threshold",
            "2",
            "--snapshot",
            &online,
            "--timestamp",
            &online,
            "--key",
            &self.key("root-1"),
            "--key",
            &self.key("li"),
        ])
        .unwrap();
        assert!(said.contains("targets: 1 of 2 signatures"), "{said}");
        let said = ctl(&[
            "repository",
            "sign",
            text(&repository),
            "--key",
            &self.key("wei"),
            "--key",
            &self.key("online"),
        ])
        .unwrap();
        assert!(said.contains("Published"), "{said}");
    }

    fn read(&self, repository: &Path) -> Targets {
        let root = fs::read(self.repository().join("metadata/1.root.json")).unwrap();
        let mut state = TrustedState::in_memory(&root).unwrap();
        verify_repository(
            &mut state,
            &DirectorySource::new(repository),
            OffsetDateTime::now_utc(),
        )
        .unwrap()
    }
}

#[test]
fn a_candidate_becomes_a_release_that_boxes_believe() {
    let maintainers = Maintainers::new();
    maintainers.init();
    let (folder, repository) = (maintainers.folder.path(), maintainers.repository());
    let base = tiny_bundle(folder);
    let made = candidate::make(folder, &base, ("0.0.1", "0.1.0"), |value| value + 0.25, |_| {});
    let out = folder.join("new");
    ctl(&[
        "model",
        "bundle",
        "--base",
        text(&base),
        "--candidate",
        text(&made.folder),
        "--out",
        text(&out),
    ])
    .unwrap();
    // One signs here, the other on another machine, with nothing but the staged file.
    let said = ctl(&[
        "model",
        "sign",
        text(&out),
        "--repository",
        text(&repository),
        "--key",
        &maintainers.key("li"),
        "--key",
        &maintainers.key("online"),
    ])
    .unwrap();
    assert!(
        said.contains("sequence 1") && said.contains("1 of 2 signatures"),
        "{said}"
    );
    assert!(maintainers.read(&repository).releases.is_empty());
    let status = ctl(&["repository", "status", text(&repository)]).unwrap();
    let report = format!("report   {}", made.report_sha256);
    for part in [
        "staged     targets version 2",
        "adds       tiny 0.1.0  sequence 1",
        report.as_str(),
    ] {
        assert!(status.contains(part), "{part} is missing in\n{status}");
    }
    let carried = folder.join("carried.json");
    fs::copy(repository.join("staged/targets.json"), &carried).unwrap();
    let signature = folder.join("wei.signature");
    let (wei, published) = (maintainers.key("wei"), repository.join("metadata/1.targets.json"));
    let apart = [
        "repository",
        "sign-apart",
        text(&carried),
        "--key",
        &wei,
        "--out",
        text(&signature),
        "--published",
        text(&published),
    ];
    // Nobody signs unawares: without the digest the other person told there is no signature.
    let digest = status
        .split("digest     ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    assert!(said.contains(&format!("digest to tell them: {digest}")), "{said}");
    refused(&apart, digest);
    let other = "0".repeat(64);
    for told in [other.as_str(), &digest[..15], ""] {
        refused(&[&apart[..], &["--expect", told]].concat(), "nothing was signed");
    }
    assert!(!signature.exists());
    let said = ctl(&[&apart[..], &["--expect", &digest[..16]]].concat()).unwrap();
    assert!(said.contains("adds       tiny 0.1.0  sequence 1"), "{said}");
    let said = ctl(&["repository", "merge", text(&repository), text(&signature)]).unwrap();
    assert!(said.contains("snapshot: 0 of 1"), "{said}");
    let sign = ["repository", "sign", text(&repository), "--key"];
    let said = ctl(&[&sign[..], &[&maintainers.key("online")]].concat()).unwrap();
    assert!(said.contains("Published"), "{said}");

    let stick = folder.join("stick");
    ctl(&["repository", "export", text(&repository), text(&stick)]).unwrap();
    for place in [&repository, &stick] {
        let targets = maintainers.read(place);
        let release = targets.release("tiny", "0.1.0").unwrap();
        assert_eq!(
            release.details.report_sha256.as_deref(),
            Some(made.report_sha256.as_str())
        );
        assert_eq!(release.details.base_version.as_deref(), Some("0.0.1"));
        assert!(release.details.demonstration);
        let source = DirectorySource::new(place);
        for file in &release.files {
            file.verify(source.open_target(file).unwrap()).unwrap();
            assert!(out.join(&file.path).is_file());
        }
    }
    let status = ctl(&["repository", "status", text(&repository)]).unwrap();
    assert!(status.contains("release    tiny 0.1.0  sequence 1"), "{status}");
    assert!(status.contains("Nothing is staged."), "{status}");

    let sign_again = ["model", "sign", text(&out), "--repository", text(&repository)];
    refused(&sign_again, "used before");
    let said = ctl(&[
        "model",
        "withdraw",
        "tiny",
        "0.1.0",
        "--repository",
        text(&repository),
        "--key",
        &maintainers.key("li"),
        "--key",
        &maintainers.key("wei"),
        "--key",
        &maintainers.key("online"),
    ])
    .unwrap();
    assert!(said.contains("Published"), "{said}");
    assert_eq!(
        maintainers
            .read(&repository)
            .release("tiny", "0.1.0")
            .unwrap_err()
            .code(),
        "withdrawn"
    );
}

#[test]
fn who_signs_here_is_shown_what_is_staged_and_whose_key_is_open() {
    let maintainers = Maintainers::new();
    maintainers.init();
    let (folder, repository) = (maintainers.folder.path(), maintainers.repository());
    let bundle = tiny_bundle(folder);
    ctl(&["model", "sign", text(&bundle), "--repository", text(&repository)]).unwrap();
    let wei = maintainers.key("wei");
    let sign = || {
        let output = Command::new(env!("CARGO_BIN_EXE_barefootctl"))
            .args(["repository", "sign", text(&repository), "--key", &wei])
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    };
    let (said, warned) = sign();
    let contents = said.find("adds       tiny 0.0.1").unwrap();
    assert!(contents < said.find("1 of 2 signatures").unwrap(), "{said}");
    assert_eq!(warned, "");
    // What anybody with the bundle and `sha256sum` gets.
    let lines = Command::new("sh")
        .args([
            "-c",
            "find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum",
        ])
        .current_dir(&bundle)
        .output()
        .unwrap();
    let lines = String::from_utf8(lines.stdout).unwrap();
    let bundle_sha256 = lines.split_whitespace().next().unwrap();
    assert!(
        said.contains(&format!("bundle   {bundle_sha256}")),
        "{said}\n{lines}"
    );

    ctl(&["repository", "discard", text(&repository)]).unwrap();
    ctl(&["repository", "refresh", text(&repository), "--targets"]).unwrap();
    fs::set_permissions(&wei, fs::Permissions::from_mode(0o644)).unwrap();
    let (said, warned) = sign();
    assert!(said.contains("no change of releases"), "{said}");
    assert!(warned.contains("chmod 600") && warned.contains(&wei), "{warned}");
}

#[test]
fn a_bundle_that_fails_its_golden_test_is_not_signed_unawares() {
    let maintainers = Maintainers::new();
    maintainers.init();
    let folder = maintainers.folder.path();
    let bundle = tiny_bundle(folder);
    // Right hashes, wrong promises.
    let golden = fs::read_to_string(bundle.join("golden/golden.json")).unwrap();
    let golden = golden.replace("0.2771816551685333", "0.9771816551685333");
    fs::write(bundle.join("golden/golden.json"), &golden).unwrap();
    let manifest = fs::read_to_string(bundle.join("manifest.toml")).unwrap();
    let old = "3235ea2de7e2c9559277417b99eebdf55ef91c5c67a5c12d974baf3e349e600b";
    let new = barefoot_federation::chunk::ChunkId::of(golden.as_bytes()).to_string();
    fs::write(bundle.join("manifest.toml"), manifest.replace(old, &new)).unwrap();
    let repository = maintainers.repository();
    let sign = ["model", "sign", text(&bundle), "--repository", text(&repository)];
    refused(&sign, "golden");
    assert!(maintainers.read(&repository).releases.is_empty());
    let said = ctl(&[&sign[..], &["--untested"]].concat()).unwrap();
    assert!(said.contains("not tested here"), "{said}");
}

#[test]
fn keys_change_hands() {
    let maintainers = Maintainers::new();
    maintainers.init();
    ctl(&["repository", "key", &maintainers.key("new")]).unwrap();
    let repository = maintainers.repository();
    // Li leaves: the new one and Wei release, one of them is enough.
    let said = ctl(&[
        "repository",
        "rotate",
        text(&repository),
        "--targets",
        &maintainers.public("wei"),
        "--targets",
        &maintainers.public("new"),
        "--targets-threshold",
        "1",
        "--key",
        &maintainers.key("root-2"),
        "--key",
        &maintainers.key("new"),
        "--key",
        &maintainers.key("online"),
    ])
    .unwrap();
    assert!(said.contains("Published"), "{said}");
    maintainers.read(&repository);
    let status = ctl(&["repository", "status", text(&repository)]).unwrap();
    assert!(status.contains("root       version   2"), "{status}");
    let bundle = tiny_bundle(maintainers.folder.path());
    let sign = [
        "model",
        "sign",
        text(&bundle),
        "--repository",
        text(&repository),
        "--key",
    ];
    refused(
        &[&sign[..], &[&maintainers.key("li")]].concat(),
        "anything left to sign",
    );
    ctl(&["repository", "discard", text(&repository)]).unwrap();
    let keys = [maintainers.key("wei"), maintainers.key("online")];
    let said = ctl(&[&sign[..], &[keys[0].as_str(), "--key", &keys[1]]].concat()).unwrap();
    assert!(said.contains("Published"), "{said}");
    let refresh = ["repository", "refresh", text(&repository), "--key", &keys[1]];
    assert!(ctl(&refresh).unwrap().contains("Published"));
    assert_eq!(maintainers.read(&repository).releases.len(), 1);
}

#[test]
fn keys_are_secret_and_mistakes_named() {
    let maintainers = Maintainers::new();
    let key = maintainers.key("li");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    refused(&["repository", "key", &key], "cannot write");
    refused(
        &["repository", "key", &maintainers.public("other")],
        "public half",
    );
    let repository = maintainers.repository();
    refused(&["repository", "status", text(&repository)], "repository init");
    let root = maintainers.public("root-1");
    refused(
        &["repository", "init", text(&repository), "--root", &root],
        "targets",
    );
    // A secret given for a public key is refused, not published.
    let mixed_up = ["repository", "init", text(&repository), "--root", &key];
    refused(&mixed_up, "release key");
    assert!(
        !repository.join("settings.json").exists(),
        "a refusal leaves nothing"
    );
}
