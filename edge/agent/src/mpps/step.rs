//! One performed step: what may become of it, pure.

use std::fmt;

use barefoot_imaging::data_set::{DataSet, View};
use barefoot_imaging::tags;
use serde::{Deserialize, Serialize};

/// Images one step may name.
const MOST_IMAGES: usize = 50_000;

/// Performed Procedure Step Status (0040,0252).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepState {
    InProgress,
    Completed,
    Discontinued,
}

impl StepState {
    fn named(name: &str) -> Option<Self> {
        match name {
            "IN PROGRESS" => Some(Self::InProgress),
            "COMPLETED" => Some(Self::Completed),
            "DISCONTINUED" => Some(Self::Discontinued),
            _ => None,
        }
    }

    /// Nothing changes any more (PS3.4 section F.7.2.2.2).
    pub(super) fn is_final(self) -> bool {
        self != Self::InProgress
    }
}

/// What a scanner has said so far. Identity: `Debug` says nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Performed {
    /// SOP Instance UID of the step.
    pub uid: String,
    pub state: StepState,
    pub changed_at_ms: i64,
    /// Study Instance UIDs of the scheduled steps it belongs to.
    pub studies: Vec<String>,
    /// SOP Instance UIDs, once it has said which images it made.
    pub images: Vec<String>,
}

impl fmt::Debug for Performed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Performed")
            .field("state", &self.state)
            .field("images", &self.images.len())
            .finish_non_exhaustive()
    }
}

/// Why a request changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("a step begins IN PROGRESS")]
    BeginsOtherwise,
    #[error("Performed Procedure Step Status has no such value")]
    NoSuchState,
    #[error("there is a step with this UID already")]
    Duplicate,
    #[error("there is no step with this UID")]
    Unknown,
    #[error("Performed Procedure Step Object may no longer be updated")]
    Final,
    #[error("the step names too many images")]
    TooMany,
}

impl Refused {
    /// Status (PS3.7 annex C.5, PS3.4 tables F.7.2-2 and F.7.2-3).
    pub(super) fn status(self) -> u16 {
        match self {
            Self::BeginsOtherwise | Self::NoSuchState => 0x0106,
            Self::Duplicate => 0x0111,
            Self::Unknown => 0x0112,
            Self::Final | Self::TooMany => 0x0110,
        }
    }

    /// Error ID (0000,0903).
    pub(super) fn error_id(self) -> Option<u16> {
        (self == Self::Final).then_some(0xA710)
    }
}

/// N-CREATE.
pub(super) fn begun(uid: &str, said: &DataSet, now_ms: i64) -> Result<Performed, Refused> {
    let view = said.view();
    let state = view.string(tags::PERFORMED_STATUS).unwrap_or_default();
    match StepState::named(&state) {
        Some(StepState::InProgress) => {}
        Some(_) => return Err(Refused::BeginsOtherwise),
        None => return Err(Refused::NoSuchState),
    }
    let mut studies: Vec<String> = view
        .items(tags::STEP_ATTRIBUTES)
        .filter_map(|step| step.string(tags::STUDY_UID))
        .collect();
    studies.sort();
    studies.dedup();
    Ok(Performed {
        uid: uid.to_owned(),
        state: StepState::InProgress,
        changed_at_ms: now_ms,
        studies,
        images: images(view)?.unwrap_or_default(),
    })
}

/// N-SET.
pub(super) fn changed(step: &Performed, said: &DataSet, now_ms: i64) -> Result<Performed, Refused> {
    if step.state.is_final() {
        return Err(Refused::Final);
    }
    let view = said.view();
    let state = match view.string(tags::PERFORMED_STATUS) {
        Some(name) => StepState::named(&name).ok_or(Refused::NoSuchState)?,
        None => step.state,
    };
    Ok(Performed {
        state,
        changed_at_ms: now_ms,
        images: images(view)?.unwrap_or_else(|| step.images.clone()),
        ..step.clone()
    })
}

/// What Performed Series Sequence names; `None` where it is not said. It is said whole each time (PS3.4 section F.7.2.2.1).
fn images(view: View<'_>) -> Result<Option<Vec<String>>, Refused> {
    view.data_set().get(tags::PERFORMED_SERIES).map_or(Ok(None), |_| {
        let mut images = Vec::new();
        for series in view.items(tags::PERFORMED_SERIES) {
            let references = series
                .items(tags::REFERENCED_IMAGES)
                .chain(series.items(tags::REFERENCED_NON_IMAGES));
            images.extend(references.filter_map(|image| image.string(tags::REFERENCED_SOP_INSTANCE)));
        }
        if MOST_IMAGES < images.len() {
            return Err(Refused::TooMany);
        }
        Ok(Some(images))
    })
}
