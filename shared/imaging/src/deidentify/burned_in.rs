//! Which pictures may have text burned in, and where it is.
//!
//! Ultrasound says where its picture lies ((0018,6011) Sequence of Ultrasound Regions): everything else on the screen is
//! blanked. Where nothing says it, the site may: a scanner writes at fixed places. Else such a picture stays.

use super::{Pixels, Policy, Withheld};
use crate::data_set::DataSet;
use crate::tags::{self, Tag};

/// The classes that are sent: pictures. Reports, documents, waveforms and what else carries text by design stay.
pub(super) const IMAGES: [&str; 33] = [
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.2",
    "1.2.840.10008.5.1.4.1.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.1.3",
    "1.2.840.10008.5.1.4.1.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.2.2",
    "1.2.840.10008.5.1.4.1.1.3",
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.4.3",
    "1.2.840.10008.5.1.4.1.1.4.4",
    "1.2.840.10008.5.1.4.1.1.6",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.1",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
    "1.2.840.10008.5.1.4.1.1.7.4",
    "1.2.840.10008.5.1.4.1.1.12.1",
    "1.2.840.10008.5.1.4.1.1.12.1.1",
    "1.2.840.10008.5.1.4.1.1.12.2",
    "1.2.840.10008.5.1.4.1.1.12.2.1",
    "1.2.840.10008.5.1.4.1.1.20",
    "1.2.840.10008.5.1.4.1.1.77.1.1",
    "1.2.840.10008.5.1.4.1.1.77.1.4",
    "1.2.840.10008.5.1.4.1.1.77.1.5.1",
    "1.2.840.10008.5.1.4.1.1.77.1.5.2",
    "1.2.840.10008.5.1.4.1.1.128",
];

/// Classes whose pictures are whole screens or photographs.
const AT_RISK_CLASSES: [&str; 5] = [
    "1.2.840.10008.5.1.4.1.1.3",
    "1.2.840.10008.5.1.4.1.1.6",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.77",
    "1.2.840.10008.5.1.4.1.1.20",
];

const AT_RISK_MODALITIES: [&str; 12] = [
    "US", "IVUS", "BDUS", "SC", "OT", "XC", "ES", "GM", "OP", "DOC", "SR", "AU",
];

/// Where scanners of one kind write into their pictures, in hundredths of the picture's height and width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// Modality (0008,0060) these pictures say.
    pub modality: String,
    /// Manufacturer (0008,0070) they begin with, in any case; all, where it is empty.
    pub manufacturer: String,
    pub top: u8,
    pub bottom: u8,
    pub left: u8,
    pub right: u8,
}

/// A part of a picture that stays: columns and rows from, and up to but not with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

/// What is to be done with a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Leave(Pixels),
    KeepOnly(Vec<Area>, Pixels),
}

pub(super) fn is_image(sop_class: &str) -> bool {
    IMAGES.contains(&sop_class)
}

/// In upper case; empty where the attribute is missing.
fn code(set: &DataSet, tag: Tag) -> String {
    let said = set.view().string(tag).unwrap_or_default();
    said.trim().to_ascii_uppercase()
}

/// A screen that somebody saved as a picture of another class.
fn is_screen(set: &DataSet) -> bool {
    code(set, tags::IMAGE_TYPE).contains("SCREEN")
}

pub(super) fn is_at_risk(set: &DataSet) -> bool {
    let class = code(set, tags::SOP_CLASS);
    let in_family = |family: &&str| {
        class
            .strip_prefix(*family)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    AT_RISK_CLASSES.iter().any(in_family)
        || AT_RISK_MODALITIES.contains(&code(set, tags::MODALITY).as_str())
        || !code(set, tags::CONVERSION_TYPE).is_empty()
        || code(set, tags::BURNED_IN) == "YES"
        || is_screen(set)
}

pub(super) fn judge(set: &DataSet, policy: &Policy) -> Result<Verdict, Withheld> {
    if !is_at_risk(set) {
        return Ok(Verdict::Leave(Pixels::NotAtRisk));
    }
    let view = set.view();
    let size = |tag| view.u16(tag).map(usize::from).unwrap_or_default();
    let (rows, columns) = (size(tags::ROWS), size(tags::COLUMNS));
    let regions = regions(set, rows, columns);
    if !regions.is_empty() {
        return Ok(Verdict::KeepOnly(regions, Pixels::RegionsKept));
    }
    let (modality, maker) = (code(set, tags::MODALITY), code(set, tags::MANUFACTURER));
    let banner = policy.banners.iter().find(|banner| {
        banner.modality.eq_ignore_ascii_case(&modality)
            && maker.starts_with(&banner.manufacturer.to_ascii_uppercase())
    });
    if let Some(area) = banner.and_then(|banner| banner.picture(rows, columns)) {
        return Ok(Verdict::KeepOnly(vec![area], Pixels::BannersMasked));
    }
    if policy.trust_declared_clean && code(set, tags::BURNED_IN) == "NO" && !is_screen(set) {
        return Ok(Verdict::Leave(Pixels::DeclaredClean));
    }
    Err(Withheld::BurnedInText)
}

impl Banner {
    /// What the banners leave of a picture.
    fn picture(&self, rows: usize, columns: usize) -> Option<Area> {
        // Rounded so that a banner is never cut short.
        let part = |of: usize, percent: u8| (of * usize::from(percent)).div_ceil(100);
        let area = Area {
            left: part(columns, self.left),
            top: part(rows, self.top),
            right: columns.checked_sub(part(columns, self.right))?,
            bottom: rows.checked_sub(part(rows, self.bottom))?,
        };
        (area.left < area.right && area.top < area.bottom).then_some(area)
    }
}

/// PS3.3 section C.8.5.5: corners of each region, both inside it. One that is not inside the picture makes the whole
/// sequence unbelievable.
fn regions(set: &DataSet, rows: usize, columns: usize) -> Vec<Area> {
    let corner = |item: crate::data_set::View<'_>, tag| {
        let bytes = item.value(tag)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let areas: Option<Vec<Area>> = set
        .view()
        .items(tags::US_REGIONS)
        .map(|item| {
            let area = Area {
                left: corner(item, tags::REGION_X0)?,
                top: corner(item, tags::REGION_Y0)?,
                right: corner(item, tags::REGION_X1)?.checked_add(1)?,
                bottom: corner(item, tags::REGION_Y1)?.checked_add(1)?,
            };
            let inside = area.left < area.right
                && area.top < area.bottom
                && area.right <= columns
                && area.bottom <= rows;
            // The whole screen as one region says nothing of where the text is.
            let whole = area.left == 0 && area.top == 0 && area.right == columns && area.bottom == rows;
            (inside && !whole).then_some(area)
        })
        .collect();
    areas.unwrap_or_default()
}
