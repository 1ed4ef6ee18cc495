//! Whether an object that arrived is one that was made by this profile: for who takes such objects only.
//!
//! A look at the form. It cannot tell a forged pseudonym from a true one, but what was forgotten by an older program, sent
//! by a wrong one, or added on the way does not pass.

use std::io::Cursor;

use super::annex_e::{self, Action};
use super::attributes::CLEAN_PIXELS;
use super::burned_in;
use super::kept::{self, Rule};
use super::registry;
use crate::data_set::{self, Content, DataSet, Element, Limits, Vr};
use crate::header;
use crate::tags::{self, Tag};
use crate::transcode::TRANSCODE_LIMIT;

/// What was found in an object of the right form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    /// The study's, which is the case's name.
    pub study_uid: String,
    pub transfer_syntax: String,
}

/// Why an object is not taken. Names the place, never a value.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("it is no DICOM object")]
    Parse { source: header::Error },
    #[error("it does not say that identity was removed (0012,0062)")]
    NotSaid,
    #[error("it is none of the images that are sent")]
    NotAnImage,
    #[error("patient's name and ID are no pseudonym")]
    Identity,
    #[error("the profile removes {tag}")]
    Left { tag: Tag },
    #[error("the profile empties {tag}")]
    Filled { tag: Tag },
    #[error("the profile replaces the UID in {tag}")]
    Uid { tag: Tag },
    #[error("the preamble or the meta information holds something")]
    Meta,
    #[error("its bytes are more than its elements")]
    Hidden,
    #[error("the picture may have text burned in and was not cleaned")]
    BurnedIn,
}

/// Elements that the profile itself writes.
const OURS: [Tag; 8] = [
    tags::CHARACTER_SET,
    tags::IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::DEIDENTIFICATION_CODES,
    tags::LONGITUDINAL_MODIFIED,
    tags::CODE_VALUE,
    tags::CODING_SCHEME,
    tags::CODE_MEANING,
];

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

const META: [Tag; 7] = [
    Tag(0x0002, 0x0000),
    Tag(0x0002, 0x0001),
    tags::META_SOP_CLASS,
    tags::META_SOP_INSTANCE,
    tags::META_TRANSFER_SYNTAX,
    Tag(0x0002, 0x0012),
    Tag(0x0002, 0x0013),
];

/// `P` and 32 hexadecimal digits.
#[must_use]
pub fn is_pseudonym(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
    text.len() == 33 && text.strip_prefix('P').is_some_and(|rest| rest.bytes().all(digit))
}

/// # Errors
/// What does not fit the form.
pub fn check(file: &[u8]) -> Result<Checked, Fault> {
    let parse = |source| Fault::Parse { source };
    let header = header::scan(Cursor::new(file), file.len() as u64).map_err(parse)?;
    let start = usize::try_from(header.data_set_offset()).unwrap_or(usize::MAX);
    let (front, body) = file.split_at_checked(start).ok_or(Fault::Meta)?;
    check_front(front)?;
    let limits = Limits {
        bytes: TRANSCODE_LIMIT,
        elements: 2_000_000,
        ..Limits::default()
    };
    let set = data_set::read(body, header.transfer_syntax(), &limits).map_err(parse)?;
    // What a reader passes over, an element that comes twice for one, is looked at by nobody here.
    if data_set::write(&set, header.transfer_syntax()).ok().as_deref() != Some(body) {
        return Err(Fault::Hidden);
    }
    check_attributes(&set)?;
    if !burned_in::is_image(header.sop_class_uid()) {
        return Err(Fault::NotAnImage);
    }
    let view = set.view();
    let cleaned = view
        .items(tags::DEIDENTIFICATION_CODES)
        .any(|item| item.string(tags::CODE_VALUE).as_deref() == Some(CLEAN_PIXELS.0));
    let declared = view.string(tags::BURNED_IN);
    if burned_in::is_at_risk(&set) && !cleaned && declared.as_deref() != Some("NO") {
        return Err(Fault::BurnedIn);
    }
    Ok(Checked {
        sop_class_uid: header.sop_class_uid().to_owned(),
        sop_instance_uid: header.sop_instance_uid().to_owned(),
        study_uid: header.study_uid().as_str().to_owned(),
        transfer_syntax: header.transfer_syntax().to_owned(),
    })
}

/// The attributes alone.
///
/// # Errors
/// What does not fit the form.
pub fn check_attributes(set: &DataSet) -> Result<(), Fault> {
    let view = set.view();
    let said = |tag| view.string(tag).unwrap_or_default();
    if said(tags::IDENTITY_REMOVED) != "YES" {
        return Err(Fault::NotSaid);
    }
    let (name, id) = (said(tags::PATIENT_NAME), said(tags::PATIENT_ID));
    if name != id || !is_pseudonym(&id) {
        return Err(Fault::Identity);
    }
    set.iter()
        .filter(|(tag, _)| ![tags::PATIENT_NAME, tags::PATIENT_ID, tags::PIXEL_DATA].contains(tag))
        .try_for_each(|(tag, element)| element_fits(tag, element))
}

fn element_fits(tag: Tag, element: &Element) -> Result<(), Fault> {
    let items = match &element.content {
        Content::Items(items) => items.as_slice(),
        Content::Value(_) => &[],
        Content::Fragments(_) => return Err(Fault::Left { tag }),
    };
    let known = match kept::rule(tag) {
        Some(Rule::Pixels) => return Err(Fault::Left { tag }),
        Some(_) => true,
        None => OURS.contains(&tag),
    };
    if !known {
        match annex_e::row(tag) {
            Some(row) if row.temporal && Vr::of(tag).is_date_or_time() => {}
            Some(row) => match row.basic {
                Action::Remove => return Err(Fault::Left { tag }),
                Action::Empty if !is_empty(element) => return Err(Fault::Filled { tag }),
                Action::Empty | Action::Dummy | Action::RemapUid => {}
            },
            None => return Err(Fault::Left { tag }),
        }
    }
    if Vr::of(tag) == Vr::UI && holds_uid_from_inside(element) {
        return Err(Fault::Uid { tag });
    }
    items
        .iter()
        .flat_map(DataSet::iter)
        .try_for_each(|(tag, element)| element_fits(tag, element))
}

/// Whether a UID in it was not replaced and is none of the standard's.
fn holds_uid_from_inside(element: &Element) -> bool {
    match &element.content {
        Content::Value(bytes) => String::from_utf8_lossy(bytes)
            .split('\\')
            .any(|uid| !registry::may_leave(uid.trim_matches(['\0', ' ']))),
        Content::Items(_) | Content::Fragments(_) => false,
    }
}

fn is_empty(element: &Element) -> bool {
    match &element.content {
        Content::Value(bytes) => bytes.is_empty(),
        Content::Items(items) => items.is_empty(),
        Content::Fragments(_) => false,
    }
}

/// An empty preamble, and no more meta information than it takes to read the object.
fn check_front(front: &[u8]) -> Result<(), Fault> {
    let (preamble, rest) = front.split_at_checked(128).ok_or(Fault::Meta)?;
    let group = rest.strip_prefix(b"DICM").ok_or(Fault::Meta)?;
    let set =
        data_set::read(group, EXPLICIT, &Limits::default()).map_err(|source| Fault::Parse { source })?;
    let known = set.iter().all(|(tag, _)| META.contains(&tag));
    if known && preamble.iter().all(|byte| *byte == 0) {
        Ok(())
    } else {
        Err(Fault::Meta)
    }
}
