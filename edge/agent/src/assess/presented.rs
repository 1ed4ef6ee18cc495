//! The picture to show as a presentation state of the study wants it. Models never see it so: what they were tried on is
//! what their manifest says.

use std::path::Path;

use barefoot_imaging::header::Header;
use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::presented::{self, State};

use crate::at_rest;
use crate::open_pictures::guarded;

/// States of one study that are looked at.
const MOST_STATES: usize = 256;

/// By the newest state that is about the picture's middle frame; `None` where there is none, or it cannot be applied.
pub(super) fn presented<'a>(
    states: impl Iterator<Item = (&'a Path, &'a Header)>,
    (path, header): (&Path, &Header),
) -> Option<GrayImage> {
    let (instance, middle) = (header.sop_instance_uid(), header.frames() / 2);
    let read = |(path, header): (&Path, &Header)| match State::read(&at_rest::stored(path), header) {
        Ok(state) => state.is_of(instance, middle).then_some(state),
        Err(error) => {
            tracing::warn!(%error, "A presentation state cannot be read; its image is shown as it is.");
            None
        }
    };
    let newest = states
        .take(MOST_STATES)
        .filter_map(read)
        .max_by(|one, other| one.made_at().cmp(other.made_at()))?;
    let shown = guarded(|| presented::presented(&at_rest::stored(path), header, middle, &newest));
    shown
        .inspect_err(|reason| {
            tracing::warn!(
                reason,
                "A presentation state could not be applied; its image is shown as it is."
            )
        })
        .ok()
}
