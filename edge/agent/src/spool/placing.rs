//! From the intake to the place where an instance stays. What is placed is durable already: a rename that a power cut
//! takes back leaves the file in the intake, and the next start places it again.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use barefoot_imaging::header::{self, Header};
use barefoot_imaging::quality;
use ring::digest;

use super::{Spool, disk};
use crate::at_rest::{self, Opened};
use crate::handoff::{InPlace, Incoming, Kept, NotKept, StoredInstance, StudyInput};
use crate::study_folder::{StudyKey, hex, instance_stem, rename_to_free, sync_directory};

const BLOCK: usize = 64 * 1024;

impl Spool {
    /// Places a sealed instance and tells the study stage.
    pub(super) fn place(
        &self,
        path: &Path,
        header: &Header,
        incoming: &Incoming,
    ) -> Result<InPlace, NotKept> {
        let study = StudyKey::of(header.study_uid());
        let (kept, file) = self.give_place(path, &study, header).map_err(disk)?;
        if kept == Kept::Conflict {
            tracing::warn!(
                %study,
                scanner = incoming.source_ae,
                "An image arrived again with other content; both are kept, a person must look."
            );
        }
        if kept != Kept::Duplicate {
            self.status.count_stored();
        }
        let stored = StoredInstance {
            study,
            association: incoming.association,
            modality: header.modality().unwrap_or_default(),
            is_judged_alone: quality::Kind::of(header).is_judged_alone(),
            file,
            kept,
        };
        // At shutdown nobody listens any more: the next start finds the instance in its folder.
        let _ = self.stored.blocking_send(StudyInput::Stored(stored));
        Ok(InPlace {
            kept,
            study: header.study_uid().clone(),
        })
    }

    /// The name it got, or the one that had its bytes already.
    pub(super) fn give_place(
        &self,
        path: &Path,
        study: &StudyKey,
        header: &Header,
    ) -> io::Result<(Kept, String)> {
        let instances = self.state.instances(study);
        let stem = instance_stem(header.sop_instance_uid());
        let name = format!("{stem}.dcm");
        let placed = match rename_to_free(path, &instances.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Removed since the sync: made anew, and durable before the rename leads into it.
                fs::create_dir_all(&instances)?;
                sync_directory(&self.state.study(study))?;
                sync_directory(&self.state.studies())?;
                rename_to_free(path, &instances.join(&name))?
            }
            other => other?,
        };
        if placed {
            return Ok((Kept::New, name));
        }
        if !same_data_set(path, &instances.join(&name))? {
            let digest = sha256(path, header.data_set_offset())?;
            let apart = format!("{stem}.conflict-{}.dcm", hex(digest.iter().take(8)));
            if rename_to_free(path, &instances.join(&apart))? {
                return Ok((Kept::Conflict, apart));
            }
        }
        fs::remove_file(path)?;
        Ok((Kept::Duplicate, name))
    }

    /// Named by its content: the same damaged object sent again and again is kept once.
    pub(super) fn quarantine(&self, path: &Path) -> io::Result<()> {
        let digest = sha256(path, super::seal::PREAMBLE as u64)?;
        let name = self
            .state
            .quarantine()
            .join(format!("{}.dcm", hex(digest.iter().take(16))));
        if rename_to_free(path, &name)? {
            self.status.count_quarantined(1);
            return Ok(());
        }
        fs::remove_file(path)
    }
}

/// Of the bytes from `offset` on.
fn sha256(path: &Path, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = at_rest::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(context.finish().as_ref().to_vec()),
            count => context.update(block.get(..count).unwrap_or_default()),
        }
    }
}

/// Compares what follows the file meta information, which may differ (source AE title).
fn same_data_set(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (data_set(one)?, data_set(other)?);
    let (mut left, mut right) = (vec![0; BLOCK], vec![0; BLOCK]);
    loop {
        let (n, m) = (fill(&mut one, &mut left)?, fill(&mut other, &mut right)?);
        if left.get(..n) != right.get(..m) {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}

fn data_set(path: &Path) -> io::Result<Opened> {
    let offset = header::read_header(&at_rest::stored(path))
        .map_err(io::Error::other)?
        .data_set_offset();
    let mut file = at_rest::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(file)
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut Opened, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}
