/// Metadata files are of one of the four roles; all but the timestamp carry their version in front.
const ROLES: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];

/// Longest path of a target: model, version, folders, hash and name.
const PATH_BYTES: usize = 512;
const PARTS: usize = 8;

/// A path inside a release repository that cannot lead out of it: `metadata/<version>.<role>.json`,
/// `metadata/timestamp.json` or `targets/…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RepositoryPath(String);

impl RepositoryPath {
    /// `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if PATH_BYTES < text.len() {
            return None;
        }
        let allowed = match text.split_once('/')? {
            ("metadata", name) => is_metadata(name),
            ("targets", inside) => {
                inside.split('/').count() <= PARTS && inside.split('/').all(is_part) && inside.contains('/')
            }
            _ => false,
        };
        allowed.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_metadata(&self) -> bool {
        self.0.starts_with("metadata/")
    }

    /// One of the chain of roots, which a box that was away for years follows from its own.
    pub(super) fn is_root(&self) -> bool {
        self.is_metadata() && self.0.ends_with(".root.json")
    }
}

fn is_metadata(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".json") else {
        return false;
    };
    match stem.split_once('.') {
        None => stem == "timestamp",
        Some((version, role)) => {
            let number = !version.is_empty()
                && version.len() <= 20
                && version.bytes().all(|byte| byte.is_ascii_digit());
            number && ROLES.contains(&role)
        }
    }
}

/// Hash, dot and name of a consistent snapshot's file, or a folder.
fn is_part(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64 + 1 + 64).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn own_files_pass_and_ways_out_do_not() {
        for good in [
            "metadata/timestamp.json",
            "metadata/12.root.json",
            "metadata/3.snapshot.json",
            "targets/cxr/0.2.0/golden/ab12.golden.json",
        ] {
            assert!(RepositoryPath::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "metadata",
            "metadata/",
            "metadata/root.json",
            "metadata/1.mirrors.json",
            "metadata/../trusted/root.json",
            "metadata/1.root.json/x",
            "targets/../current",
            "targets/a/../../b",
            "targets//a/b",
            "targets/.hidden/a",
            "targets/a",
            "targets/a/b\0",
            "/targets/a/b",
            "staging/a/b",
            "targets/a\\..\\b/c",
        ] {
            assert!(RepositoryPath::parse(bad).is_none(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_stays_inside(text in "(metadata|targets)/[a-z0-9./_%\\\\-]{0,80}") {
            if let Some(path) = RepositoryPath::parse(&text) {
                let inside = Path::new(path.as_str()).components().all(|it| matches!(it, Component::Normal(_)));
                prop_assert!(inside);
            }
        }
    }
}
