//! Images as they leave a clinic.

use barefoot_imaging::data_set::{self, Content, DataSet, Element, Vr};
use barefoot_imaging::deidentify::{Dates, Policy, Pseudonyms, deidentify};
use barefoot_imaging::header::read_header;
use barefoot_imaging::tags;
use barefoot_wire::images::{Instance, ObjectId, ObjectRef};
use ring::digest::{SHA256, digest};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// What an image is to be. Its UIDs are small numbers below one root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image {
    pub(crate) study: u32,
    pub(crate) series: u32,
    pub(crate) instance: u32,
    pub(crate) modality: &'static str,
    pub(crate) patient: u32,
    pub(crate) date: &'static str,
    pub(crate) frames: u16,
    pub(crate) rows: u16,
    /// In colours, pixel by pixel.
    pub(crate) colour: bool,
    /// Another picture with the same names.
    pub(crate) shade: u8,
}

impl Default for Image {
    fn default() -> Self {
        Self {
            study: 1,
            series: 1,
            instance: 1,
            modality: "DX",
            patient: 1,
            date: "20260105",
            frames: 1,
            rows: 64,
            colour: false,
            shade: 0,
        }
    }
}

struct Names(u32);

impl Pseudonyms for Names {
    fn uid(&self, uid: &str) -> String {
        format!("2.25.{}", uid.replace('.', "0"))
    }

    fn patient(&self, _: &str) -> String {
        pseudonym(self.0)
    }

    fn days(&self, _: &str) -> i64 {
        0
    }
}

pub(super) fn pseudonym(patient: u32) -> String {
    format!("P{patient:032X}")
}

pub(super) fn uid(kind: u32, number: u32) -> String {
    format!("2.25.10{kind}0{number}")
}

impl Image {
    pub(crate) fn study_uid(&self) -> String {
        uid(1, self.study)
    }

    pub(super) fn series_uid(&self) -> String {
        uid(2, self.series)
    }

    pub(crate) fn instance_uid(&self) -> String {
        uid(3, self.instance)
    }

    pub(super) fn path(&self) -> String {
        format!(
            "/studies/{}/series/{}/instances/{}",
            self.study_uid(),
            self.series_uid(),
            self.instance_uid()
        )
    }

    pub(super) fn samples(&self) -> usize {
        if self.colour { 3 } else { 1 }
    }

    /// One frame's samples.
    pub(super) fn pixels(&self, frame: u16) -> Vec<u8> {
        let count = usize::from(self.rows) * 64 * self.samples();
        (0..count)
            .map(|at| {
                ((at / 64) as u8)
                    .wrapping_add(self.shade)
                    .wrapping_add(frame as u8 * 40)
            })
            .collect()
    }

    /// As a scanner made it, with somebody's name.
    pub(super) fn identified(&self) -> Vec<u8> {
        let mut set = DataSet::default();
        let class = match self.modality {
            "CT" => "1.2.840.10008.5.1.4.1.1.2",
            _ => "1.2.840.10008.5.1.4.1.1.1.1",
        };
        let (study, series) = (format!("1.{}", self.study), format!("2.{}", self.series));
        let instance = format!("3.{}", self.instance);
        let number = self.instance.to_string();
        for (tag, value) in [
            (tags::SOP_CLASS, class),
            (tags::SOP_INSTANCE, &format!("1.{instance}")),
            (tags::STUDY_UID, &format!("1.{study}")),
            (tags::SERIES_UID, &format!("1.{series}")),
            (tags::MODALITY, self.modality),
            (tags::STUDY_DATE, self.date),
            (tags::STUDY_TIME, "101500"),
            (tags::SERIES_NUMBER, &self.series.to_string()),
            (tags::INSTANCE_NUMBER, &number),
            (tags::STUDY_DESCRIPTION, "CHEST"),
            (tags::BODY_PART, "CHEST"),
            (tags::PATIENT_ID, "4711"),
            (tags::PATIENT_NAME, "Zhang^San"),
            (tags::NUMBER_OF_FRAMES, &self.frames.to_string()),
            (tags::PHOTOMETRIC, if self.colour { "RGB" } else { "MONOCHROME2" }),
        ] {
            set.put_code(tag, value);
        }
        for (tag, value) in [
            (tags::SAMPLES_PER_PIXEL, self.samples() as u16),
            (tags::ROWS, self.rows),
            (tags::COLUMNS, 64),
            (tags::BITS_ALLOCATED, 8),
            (tags::BITS_STORED, 8),
            (tags::HIGH_BIT, 7),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            set.put_u16(tag, value);
        }
        if self.colour {
            set.put_u16(tags::PLANAR_CONFIGURATION, 0);
        }
        let pixels = (0..self.frames).flat_map(|frame| self.pixels(frame)).collect();
        let content = Content::Value(pixels);
        set.put(tags::PIXEL_DATA, Element { vr: Vr::OB, content });
        let mut file = vec![0; 128];
        file.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00");
        file.extend(data_set::write(&set, EXPLICIT).unwrap());
        file
    }

    /// Without identity, and what a set says of it.
    pub(super) fn make(&self) -> (Vec<u8>, Instance) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stored.dcm");
        std::fs::write(&path, self.identified()).unwrap();
        let policy = Policy {
            dates: Dates::Kept,
            ..Policy::care()
        };
        let header = read_header(&path).unwrap();
        let out = deidentify(&path, &header, &Names(self.patient), &policy).unwrap();
        assert_eq!(out.study_uid, self.study_uid());
        let named = Instance {
            object: ObjectRef {
                id: ObjectId(digest(&SHA256, &out.file).as_ref().try_into().unwrap()),
                bytes: out.file.len() as u64,
            },
            sop_class_uid: out.sop_class_uid,
            sop_instance_uid: out.sop_instance_uid,
            transfer_syntax_uid: out.transfer_syntax.to_owned(),
        };
        (out.file, named)
    }
}
