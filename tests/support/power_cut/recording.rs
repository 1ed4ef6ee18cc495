use std::collections::HashMap;
use std::ops::Range;

use super::Error;

/// `struct record` of the recorder: the mark, the operation, seven numbers, two lengths, one length.
const RECORD_BYTES: usize = 72;
const MAGIC: u32 = 0x7475_6346;

/// A file or folder. The file system uses its own numbers again, these are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node(pub(super) u32);

/// The recorded folder itself; it was there, safely, before.
pub(super) const ROOT: Node = Node(0);

/// Where a name stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) folder: Node,
    pub(super) name: String,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    /// A new file or folder, or one more name of a file. A file without a name appears with its first one.
    Name {
        node: Node,
        at: Place,
    },
    Rename {
        node: Node,
        from: Place,
        to: Place,
    },
    Remove {
        at: Place,
    },
    Write {
        node: Node,
        offset: usize,
        data: Range<usize>,
    },
    Resize {
        node: Node,
        length: usize,
    },
    Sync {
        node: Node,
    },
    SyncAll,
}

#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) begin: u64,
    pub(super) end: u64,
    pub(super) action: Action,
}

/// All a program did to the files of one folder, in order.
#[derive(Debug)]
pub struct Recording {
    pub(super) bytes: Vec<u8>,
    pub(super) operations: Vec<Operation>,
    pub(super) is_folder: Vec<bool>,
}

struct Raw<'a> {
    operation: u32,
    begin: u64,
    end: u64,
    inode: u64,
    folder: u64,
    other_folder: u64,
    offset: u64,
    name: &'a str,
    other_name: &'a str,
    data: Range<usize>,
}

impl Recording {
    pub(super) fn parse(bytes: Vec<u8>, root_inode: u64) -> Result<Self, Error> {
        let mut nodes = Nodes {
            current: HashMap::from([(root_inode, ROOT)]),
            is_folder: vec![true],
        };
        let mut operations = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let (raw, next) = split(&bytes, at).ok_or(Error::Recording)?;
            at = next;
            if let Some(action) = nodes.action(&raw)? {
                operations.push(Operation {
                    begin: raw.begin,
                    end: raw.end,
                    action,
                });
            }
        }
        Ok(Self {
            is_folder: nodes.is_folder,
            bytes,
            operations,
        })
    }

    /// When the first operation began and the last one ended, in the recorder's clock.
    #[must_use]
    pub fn span(&self) -> (u64, u64) {
        let begins = self.operations.iter().map(|operation| operation.begin);
        let ends = self.operations.iter().map(|operation| operation.end);
        (begins.min().unwrap_or_default(), ends.max().unwrap_or_default())
    }

    /// How many operations of each kind it holds: names, data, syncs of one, syncs of all.
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for operation in &self.operations {
            let kind = match operation.action {
                Action::Name { .. } | Action::Rename { .. } | Action::Remove { .. } => 0,
                Action::Write { .. } | Action::Resize { .. } => 1,
                Action::Sync { .. } => 2,
                Action::SyncAll => 3,
            };
            if let Some(count) = counts.get_mut(kind) {
                *count += 1;
            }
        }
        counts
    }
}

struct Nodes {
    current: HashMap<u64, Node>,
    is_folder: Vec<bool>,
}

impl Nodes {
    fn new_node(&mut self, inode: u64, is_folder: bool) -> Node {
        let node = Node(u32::try_from(self.is_folder.len()).unwrap_or(u32::MAX));
        self.is_folder.push(is_folder);
        self.current.insert(inode, node);
        node
    }

    fn place(&self, folder: u64, name: &str) -> Result<Place, Error> {
        let folder = *self.current.get(&folder).ok_or(Error::UnknownFolder)?;
        Ok(Place {
            folder,
            name: name.to_owned(),
        })
    }

    fn known(&self, inode: u64) -> Result<Node, Error> {
        self.current.get(&inode).copied().ok_or(Error::Recording)
    }

    /// The numbers are the recorder's.
    fn action(&mut self, raw: &Raw<'_>) -> Result<Option<Action>, Error> {
        let at = || self.place(raw.folder, raw.name);
        let length = usize::try_from(raw.offset).map_err(|_| Error::Recording)?;
        Ok(Some(match raw.operation {
            // Made by this program's predecessor for the recorded folder itself.
            7 if raw.folder == 0 => return Ok(None),
            1 if raw.folder == 0 => {
                self.new_node(raw.inode, false);
                return Ok(None);
            }
            1 | 7 => {
                let at = at()?;
                let node = self.new_node(raw.inode, raw.operation == 7);
                Action::Name { node, at }
            }
            2 => Action::Write {
                node: self.known(raw.inode)?,
                offset: length,
                data: raw.data.clone(),
            },
            3 => Action::Resize {
                node: self.known(raw.inode)?,
                length,
            },
            4 => Action::Name {
                node: self.known(raw.inode)?,
                at: at()?,
            },
            5 => Action::Rename {
                node: self.known(raw.inode)?,
                from: at()?,
                to: self.place(raw.other_folder, raw.other_name)?,
            },
            6 | 8 => Action::Remove { at: at()? },
            9 => Action::Sync {
                node: self.known(raw.inode)?,
            },
            10 => Action::SyncAll,
            11 => {
                return Err(Error::Foreign {
                    what: raw.name.to_owned(),
                });
            }
            _ => return Err(Error::Recording),
        }))
    }
}

fn split(bytes: &[u8], at: usize) -> Option<(Raw<'_>, usize)> {
    let head = bytes.get(at..at.checked_add(RECORD_BYTES)?)?;
    let short = |from: usize| Some(u32::from_ne_bytes(*head.get(from..)?.first_chunk()?));
    let long = |from: usize| Some(u64::from_ne_bytes(*head.get(from..)?.first_chunk()?));
    if short(0)? != MAGIC {
        return None;
    }
    let name = at + RECORD_BYTES;
    let other = name + usize::try_from(short(56)?).ok()?;
    let data = other + usize::try_from(short(60)?).ok()?;
    let next = data.checked_add(usize::try_from(long(64)?).ok()?)?;
    if bytes.len() < next {
        return None;
    }
    let raw = Raw {
        operation: short(4)?,
        begin: long(8)?,
        end: long(16)?,
        inode: long(24)?,
        folder: long(32)?,
        other_folder: long(40)?,
        offset: long(48)?,
        name: std::str::from_utf8(bytes.get(name..other)?).ok()?,
        other_name: std::str::from_utf8(bytes.get(other..data)?).ok()?,
        data: data..next,
    };
    Some((raw, next))
}
