use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Error;
use super::recording::{Action, Node, Operation, Place, ROOT, Recording};

const SECTOR: usize = 512;

/// Which syncs count. Leaving some out makes a daemon with that mistake, and shows that the check finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    All,
    /// As if no folder were ever synced, nor the whole file system.
    OfFiles,
    /// As if no file were ever synced, nor the whole file system.
    OfFolders,
    None,
}

impl Syncs {
    fn counts(self, of_a_folder: bool) -> bool {
        match self {
            Self::All => true,
            Self::OfFiles => !of_a_folder,
            Self::OfFolders => of_a_folder,
            Self::None => false,
        }
    }
}

/// What is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    folders: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

/// What becomes of an operation that no sync covers.
enum Chance {
    /// All of them happened: no cut.
    Certain,
    /// Each with this probability.
    Even(Box<StdRng>, f64),
}

impl Chance {
    fn happens(&mut self) -> bool {
        match self {
            Self::Certain => true,
            Self::Even(random, likely) => random.random_bool(*likely),
        }
    }
}

/// Since when what is covered: an operation that ended before is safe.
struct Covered {
    all: u64,
    each: HashMap<Node, u64>,
    /// Whatever was done to these is safe, their names too.
    spared: HashSet<Node>,
}

impl Covered {
    fn safe(&self, operation: &Operation, node: Node) -> bool {
        self.spared.contains(&node)
            || operation.end <= self.all.max(self.each.get(&node).copied().unwrap_or_default())
    }

    /// The same for a name of `node` in a folder.
    fn safe_name(&self, operation: &Operation, node: Node, folder: Node) -> bool {
        self.spared.contains(&node) || self.safe(operation, folder)
    }
}

impl Recording {
    /// The disk after the power went at `cut`, one of the many it may be: `seed` chooses.
    #[must_use]
    pub fn image(&self, cut: u64, syncs: Syncs, seed: u64) -> Image {
        self.image_sparing(cut, syncs, seed, &[])
    }

    /// The same, but that nothing of these folders of the recorded one was lost, whatever syncs count.
    #[must_use]
    pub fn image_sparing(&self, cut: u64, syncs: Syncs, seed: u64, folders: &[&str]) -> Image {
        let mut random = Box::new(StdRng::seed_from_u64(seed));
        // From "nothing more than was promised" to "everything but the last moment".
        let likely = [0.0, 0.2, 0.5, 0.8, 1.0]
            .get(random.random_range(0..5_usize))
            .copied()
            .unwrap_or(0.5);
        let covered = Covered {
            spared: self.below(folders),
            ..self.covered(cut, syncs)
        };
        self.build(cut, &covered, &mut Chance::Even(random, likely))
    }

    /// The disk when no power went: what must be there if the recording missed nothing.
    #[must_use]
    pub fn whole(&self) -> Image {
        self.build(
            u64::MAX,
            &self.covered(u64::MAX, Syncs::All),
            &mut Chance::Certain,
        )
    }

    fn covered(&self, cut: u64, syncs: Syncs) -> Covered {
        let mut covered = Covered {
            all: 0,
            each: HashMap::new(),
            spared: HashSet::new(),
        };
        for operation in self.operations.iter().filter(|operation| operation.end <= cut) {
            match operation.action {
                Action::Sync { node } if syncs.counts(self.is_folder(node)) => {
                    let since = covered.each.entry(node).or_default();
                    *since = operation.begin.max(*since);
                }
                Action::SyncAll if syncs == Syncs::All => covered.all = covered.all.max(operation.begin),
                _ => {}
            }
        }
        covered
    }

    /// These folders and whatever was ever named within them.
    fn below(&self, folders: &[&str]) -> HashSet<Node> {
        let mut found = HashSet::new();
        for operation in &self.operations {
            let (Action::Name { node, at } | Action::Rename { node, to: at, .. }) = &operation.action else {
                continue;
            };
            let is_one = at.folder == ROOT && folders.contains(&at.name.as_str());
            if is_one || found.contains(&at.folder) {
                found.insert(*node);
            }
        }
        found
    }

    fn is_folder(&self, node: Node) -> bool {
        self.is_folder.get(node.0 as usize) == Some(&true)
    }

    fn build(&self, cut: u64, covered: &Covered, chance: &mut Chance) -> Image {
        let begun = || self.operations.iter().filter(|operation| operation.begin < cut);
        let mut names: HashMap<Node, BTreeMap<String, Node>> = HashMap::new();
        for operation in begun() {
            self.rename(&mut names, operation, covered, chance);
        }
        let mut data: HashMap<Node, Vec<&Operation>> = HashMap::new();
        for operation in begun() {
            if let Action::Write { node, .. } | Action::Resize { node, .. } = operation.action {
                data.entry(node).or_default().push(operation);
            }
        }
        let mut image = Image {
            folders: Vec::new(),
            files: BTreeMap::new(),
        };
        let mut open = vec![(PathBuf::new(), ROOT)];
        while let Some((path, folder)) = open.pop() {
            for (name, node) in names.get(&folder).into_iter().flatten() {
                let path = path.join(name);
                if self.is_folder(*node) {
                    image.folders.push(path.clone());
                    open.push((path, *node));
                } else {
                    let operations = data.get(node).map_or(&[][..], Vec::as_slice);
                    let bytes = self.content(*node, operations, covered, chance);
                    image.files.insert(path, bytes);
                }
            }
        }
        image.folders.sort();
        image
    }

    fn rename(
        &self,
        names: &mut HashMap<Node, BTreeMap<String, Node>>,
        operation: &Operation,
        covered: &Covered,
        chance: &mut Chance,
    ) {
        let mut set = |at: &Place, node: Option<Node>| {
            let folder = names.entry(at.folder).or_default();
            match node {
                Some(node) => folder.insert(at.name.clone(), node),
                None => folder.remove(&at.name),
            };
        };
        match &operation.action {
            Action::Name { node, at } => {
                if covered.safe_name(operation, *node, at.folder) || chance.happens() {
                    set(at, Some(*node));
                }
            }
            Action::Remove { at } => {
                if covered.safe(operation, at.folder) || chance.happens() {
                    set(at, None);
                }
            }
            Action::Rename { node, from, to } => {
                let gone = covered.safe_name(operation, *node, from.folder);
                let come = gone || covered.safe(operation, to.folder) || chance.happens();
                if come {
                    set(to, Some(*node));
                    if gone || from.folder == to.folder || chance.happens() {
                        set(from, None);
                    }
                }
            }
            Action::Write { .. } | Action::Resize { .. } | Action::Sync { .. } | Action::SyncAll => {}
        }
    }

    fn content(
        &self,
        node: Node,
        operations: &[&Operation],
        covered: &Covered,
        chance: &mut Chance,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        for operation in operations {
            let safe = covered.safe(operation, node);
            match &operation.action {
                Action::Write { offset, data, .. } => {
                    let data = self.bytes.get(data.clone()).unwrap_or_default();
                    if safe || matches!(chance, Chance::Certain) {
                        put(&mut bytes, *offset, data);
                    } else {
                        put_by_chance(&mut bytes, *offset, data, chance);
                    }
                }
                Action::Resize { length, .. } if safe || chance.happens() => bytes.resize(*length, 0),
                _ => {}
            }
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(target) = bytes.get_mut(offset..end) {
        target.copy_from_slice(data);
    }
}

/// Whole, torn at sectors, only as zeros, or not at all.
fn put_by_chance(bytes: &mut Vec<u8>, offset: usize, data: &[u8], chance: &mut Chance) {
    let Chance::Even(random, likely) = chance else {
        return put(bytes, offset, data);
    };
    let happens = random.random_bool(*likely);
    let torn = random.random_bool(0.3);
    match (happens, torn) {
        (true, false) => put(bytes, offset, data),
        (false, false) => {}
        // The new length without the bytes.
        (false, true) => {
            let end = offset + data.len();
            if bytes.len() < end && random.random_bool(0.5) {
                bytes.resize(end, 0);
            }
        }
        (true, true) => {
            let keeps_length = random.random_bool(0.5);
            let mut at = 0;
            while at < data.len() {
                // To the next border of a sector of the file.
                let next = (at + SECTOR - (offset + at) % SECTOR).min(data.len());
                if random.random_bool(0.5) {
                    put(bytes, offset + at, data.get(at..next).unwrap_or_default());
                }
                at = next;
            }
            let end = offset + data.len();
            if keeps_length && bytes.len() < end {
                bytes.resize(end, 0);
            }
        }
    }
}

impl Image {
    /// Makes it below `folder`, which becomes exactly this.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(Error::file(folder))?;
        }
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        for path in &self.folders {
            let path = folder.join(path);
            fs::create_dir_all(&path).map_err(Error::file(&path))?;
        }
        for (path, bytes) in &self.files {
            let path = folder.join(path);
            fs::write(&path, bytes).map_err(Error::file(&path))?;
        }
        Ok(())
    }

    /// What lies below `folder` now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let mut image = Self {
            folders: Vec::new(),
            files: BTreeMap::new(),
        };
        let mut open = vec![PathBuf::new()];
        while let Some(below) = open.pop() {
            let path = folder.join(&below);
            for entry in fs::read_dir(&path).map_err(Error::file(&path))? {
                let entry = entry.map_err(Error::file(&path))?;
                let (path, below) = (entry.path(), below.join(entry.file_name()));
                if path.is_dir() {
                    image.folders.push(below.clone());
                    open.push(below);
                } else {
                    let bytes = fs::read(&path).map_err(Error::file(&path))?;
                    image.files.insert(below, bytes);
                }
            }
        }
        image.folders.sort();
        Ok(image)
    }

    /// The names that only one of both has, or that have other content.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<PathBuf> {
        let mut differing: Vec<PathBuf> = self
            .folders
            .iter()
            .filter(|path| !other.folders.contains(path))
            .chain(other.folders.iter().filter(|path| !self.folders.contains(path)))
            .cloned()
            .collect();
        let all = self.files.keys().chain(other.files.keys());
        differing.extend(
            all.filter(|path| self.files.get(*path) != other.files.get(*path))
                .cloned(),
        );
        differing.sort();
        differing.dedup();
        differing
    }
}

#[cfg(test)]
mod tests;
