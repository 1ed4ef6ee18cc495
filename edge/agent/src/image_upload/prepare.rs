//! Images as they leave: de-identified, compressed, and small ones to begin with. Blocking and busy.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barefoot_imaging::deidentify::{self, Deidentified, Policy, Withheld};
use barefoot_imaging::{header, pixels, render};
use barefoot_trust::PseudonymKey;
use barefoot_wire::images::MAX_HEAT_MAP_BYTES;
use ring::digest;

use super::job::{HeatMapLine, ImageLine, Line, PictureLine, Progress, QuickLookLine};
use crate::at_rest;
use crate::character_sets::CharacterSets;
use crate::heat_layer::HeatLayer;
use crate::site_policy::Names;
use crate::study_folder::hex;

/// Sides of the key image's picture: the largest whose bytes fit.
const KEY_SIDES: [u32; 4] = [1024, 768, 512, 384];

/// Side of the other pictures.
const SMALL_SIDE: u32 = 256;

/// Pictures of one quick look.
const MOST_PICTURES: usize = 12;

/// What preparing needs. A turn on a job has its own, so that no change of the policy falls into it.
#[derive(Debug, Clone)]
pub(super) struct Preparation {
    pub(super) key: Arc<PseudonymKey>,
    pub(super) policy: Policy,
    pub(super) character_sets: CharacterSets,
    pub(super) quick_look_bytes: usize,
}

impl Preparation {
    /// Tells apart what was made ready under different rules.
    pub(super) fn rules(&self) -> String {
        sha256_of(format!("{:?}", self.policy).as_bytes())
    }

    /// Makes the study's small pictures, the key image first, and notes them with what the model made. An image that must
    /// stay shows in none. `made`: the folder of the version's pictures.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn quick_look(
        &self,
        instances: &[PathBuf],
        made: &Path,
        progress: &mut Progress,
    ) -> io::Result<()> {
        let mut pictures = Vec::new();
        let mut left = self.quick_look_bytes;
        for path in chosen(instances) {
            if pictures.len() == MOST_PICTURES || left == 0 {
                break;
            }
            let Ok(image) = self.deidentified(path)? else {
                continue;
            };
            let is_key = pictures.is_empty();
            // The rest of a study may take what the key image leaves, and that is at least half.
            let most = if is_key && 1 < instances.len() {
                left / 2
            } else {
                left
            };
            let draft = progress.object("draft.dcm");
            at_rest::write(&draft, &image.file)?;
            let drawn = picture(&draft, is_key, most);
            std::fs::remove_file(&draft)?;
            let Some(jpeg) = drawn else { continue };
            left = left.saturating_sub(jpeg.len());
            let sha256 = sha256_of(&jpeg);
            progress.put(&sha256, &jpeg)?;
            pictures.push(PictureLine {
                sha256,
                bytes: jpeg.len() as u64,
                sop_instance_uid: image.sop_instance_uid,
            });
        }
        let mut heat_maps = Vec::new();
        if let Some(layer) = HeatLayer::load(made)? {
            heat_maps.extend(self.heat_map(layer, instances, left, progress)?);
        }
        progress.note(Line::QuickLook(QuickLookLine { pictures, heat_maps }))
    }

    /// Shows nothing of the image, but where it stays nothing of it is told either.
    fn heat_map(
        &self,
        layer: HeatLayer,
        instances: &[PathBuf],
        most: usize,
        progress: &Progress,
    ) -> io::Result<Option<HeatMapLine>> {
        let bytes = layer.png.len() as u64;
        let is_it = |path: &&PathBuf| path.file_name().is_some_and(|name| *name == *layer.file);
        let Some(path) = instances.iter().find(is_it) else {
            return Ok(None);
        };
        if most < layer.png.len() || MAX_HEAT_MAP_BYTES < bytes {
            return Ok(None);
        }
        let Ok(image) = self.deidentified(path)? else {
            return Ok(None);
        };
        let sha256 = sha256_of(&layer.png);
        progress.put(&sha256, &layer.png)?;
        Ok(Some(HeatMapLine {
            sha256,
            bytes,
            sop_instance_uid: image.sop_instance_uid,
            frame: layer.frame,
            finding: layer.finding,
        }))
    }

    /// Makes one image ready, or notes why it stays.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn image(
        &self,
        file: &str,
        path: &Path,
        case: &str,
        progress: &mut Progress,
    ) -> io::Result<()> {
        let line = match self.deidentified(path)? {
            Ok(image) if image.study_uid == case => {
                let sha256 = sha256_of(&image.file);
                progress.put(&sha256, &image.file)?;
                Line::Ready(ImageLine {
                    file: file.to_owned(),
                    sha256,
                    bytes: image.file.len() as u64,
                    sop_class_uid: image.sop_class_uid,
                    sop_instance_uid: image.sop_instance_uid,
                    transfer_syntax_uid: image.transfer_syntax.to_owned(),
                })
            }
            Ok(_) => withheld(file, Withheld::Uid.code()),
            Err(reason) => withheld(file, reason),
        };
        progress.note(line)
    }

    /// The image, or the code of why it stays.
    ///
    /// # Errors
    /// When the disk fails: that says nothing of the image, which must be tried again.
    fn deidentified(&self, path: &Path) -> io::Result<Result<Deidentified, &'static str>> {
        let work = || {
            let mut header = match header::read_header(&at_rest::stored(path)) {
                Ok(header) => header,
                Err(header::Error::Read { source }) if !is_the_files(&source) => return Err(source),
                Err(_) => return Ok(Err("malformed")),
            };
            self.character_sets.apply(&mut header);
            match deidentify::deidentify(&at_rest::stored(path), &header, &Names(&self.key), &self.policy) {
                Err(Withheld::Read { source }) if !is_the_files(&source) => Err(source),
                other => Ok(other.map_err(|reason| reason.code())),
            }
        };
        // A codec that panics on somebody's picture must not take the daemon along.
        catch_unwind(AssertUnwindSafe(work)).unwrap_or(Ok(Err("undecodable")))
    }
}

/// Whether a file is to blame and not the disk, which may be better tomorrow.
fn is_the_files(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    matches!(error.kind(), InvalidData | NotFound | UnexpectedEof)
}

fn withheld(file: &str, reason: &str) -> Line {
    Line::Withheld {
        file: file.to_owned(),
        reason: reason.to_owned(),
    }
}

/// The middle image, in a stack the one most likely to show something; then others, evenly over the study.
fn chosen(instances: &[PathBuf]) -> impl Iterator<Item = &PathBuf> {
    let middle = instances.len() / 2;
    let step = instances.len().div_ceil(MOST_PICTURES).max(1);
    let others = (0..instances.len())
        .step_by(step)
        .filter(move |number| *number != middle);
    std::iter::once(middle)
        .chain(others)
        .filter_map(|number| instances.get(number))
}

/// Made from the image as it leaves, so that nothing shows that was blanked.
fn picture(path: &Path, is_key: bool, most: usize) -> Option<Vec<u8>> {
    let make = || {
        let header = header::read_header(&at_rest::stored(path)).ok()?;
        let image = pixels::load_gray(&at_rest::stored(path), &header).ok()?;
        let sides: &[u32] = if is_key { &KEY_SIDES } else { &[SMALL_SIDE] };
        sides
            .iter()
            .filter_map(|side| render::preview_jpeg(&image, *side).ok())
            .find(|jpeg| jpeg.len() <= most)
    };
    catch_unwind(AssertUnwindSafe(make)).ok().flatten()
}

pub(super) fn sha256_of(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref().iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_comes_first_and_the_others_are_spread() {
        let paths: Vec<PathBuf> = (0..100).map(|number| PathBuf::from(number.to_string())).collect();
        let order: Vec<_> = chosen(&paths).collect();
        assert_eq!(order[0], &paths[50]);
        assert!(MOST_PICTURES <= order.len() && order.len() <= MOST_PICTURES + 1);
        let single: Vec<_> = chosen(&paths[..1]).collect();
        assert_eq!(single, [&paths[0]]);
        assert_eq!(chosen(&[]).count(), 0);
    }
}
