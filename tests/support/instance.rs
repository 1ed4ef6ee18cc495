//! DX, CR and CT instances with every type 1 and type 2 attribute of their IOD (PS3.3 sections A.26, A.2, A.3).
//!
//! Patients are simulated and say so in their names.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ring::digest::{SHA256, digest};

use crate::data_set::{Charset, DataSet};

pub const DX_FOR_PRESENTATION: &str = "1.2.840.10008.5.1.4.1.1.1.1";
pub const COMPUTED_RADIOGRAPHY: &str = "1.2.840.10008.5.1.4.1.1.1";
pub const CT_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
const ULTRASOUND_LOOP: &str = "1.2.840.10008.5.1.4.1.1.3.1";

/// What a projection picture is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Radiograph {
    #[default]
    Dx,
    Cr,
}

/// Grey pixels, row by row.
#[derive(Debug, Clone)]
pub struct Pixels {
    pub rows: u16,
    pub columns: u16,
    pub bits_stored: u16,
    pub samples: Samples,
}

#[derive(Debug, Clone)]
pub enum Samples {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
    /// Hounsfield units.
    Signed(Vec<i16>),
}

/// What is not in the pixels.
#[derive(Debug, Clone)]
pub struct Description {
    pub charset: Charset,
    /// Everything that makes this study this study: the same seed gives the same UIDs, patient and date.
    pub seed: Vec<u8>,
    /// From 1; instances of the same seed and different numbers share a study and a series.
    pub instance_number: u32,
    /// Lowest values are white.
    pub monochrome1: bool,
    /// Millimetres between pixel centres.
    pub pixel_spacing: f64,
    /// What the lossy compression left, original size over compressed size, where the source was lossy.
    pub lossy_ratio: Option<f64>,
    pub manufacturer: &'static str,
}

/// A finished instance and its names.
#[derive(Debug, Clone)]
pub struct Instance {
    pub sop_class: &'static str,
    pub sop_instance_uid: String,
    pub study_uid: String,
    data_set: DataSet,
}

impl Instance {
    /// # Errors
    /// When the sink fails.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        self.data_set
            .write_file(self.sop_class, &self.sop_instance_uid, to)
    }

    /// The data set alone, in Explicit VR Little Endian.
    ///
    /// # Errors
    /// When a value is longer than its length field can say.
    pub fn data_set(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.data_set.write(&mut bytes)?;
        Ok(bytes)
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        self.write(&mut file)?;
        file.flush()
    }

    #[must_use]
    pub fn radiograph(kind: Radiograph, pixels: Pixels, about: &Description) -> Self {
        let sop_class = match kind {
            Radiograph::Dx => DX_FOR_PRESENTATION,
            Radiograph::Cr => COMPUTED_RADIOGRAPHY,
        };
        let modality = match kind {
            Radiograph::Dx => "DX",
            Radiograph::Cr => "CR",
        };
        let mut instance = Self::common(sop_class, modality, about);
        let set = &mut instance.data_set;
        set.text((0x0018, 0x0015), "CS", "CHEST")
            .text((0x0018, 0x5101), "CS", "PA")
            .text((0x0020, 0x0020), "CS", "L\\F")
            .text((0x0008, 0x0008), "CS", "ORIGINAL\\PRIMARY")
            .text(
                (0x0018, 0x1164),
                "DS",
                &format!("{0:.4}\\{0:.4}", about.pixel_spacing),
            );
        if kind == Radiograph::Dx {
            digital_x_ray(set, about.monochrome1);
        }
        full_range_window(set, pixels.bits_stored);
        image_pixels(set, pixels, about.monochrome1);
        instance
    }

    /// A square axial slice of a made-up study, a millimetre in every direction: for loads whose pixels mean nothing.
    ///
    /// `samples` are Hounsfield units, row by row.
    #[must_use]
    pub fn filler_slice(study: &str, number: u32, side: u16, samples: Vec<i16>) -> Self {
        let pixels = Pixels {
            rows: side,
            columns: side,
            bits_stored: 16,
            samples: Samples::Signed(samples),
        };
        let about = Description {
            charset: Charset::Utf8,
            seed: study.as_bytes().to_vec(),
            instance_number: number,
            monochrome1: false,
            pixel_spacing: 1.0,
            lossy_ratio: None,
            manufacturer: "Barefoot phantom",
        };
        Self::ct_slice(pixels, &about, 1.0)
    }

    /// One axial slice, `slice_thickness` millimetres thick; slices of a series stack along z.
    #[must_use]
    pub fn ct_slice(pixels: Pixels, about: &Description, slice_thickness: f64) -> Self {
        let mut instance = Self::common(CT_IMAGE, "CT", about);
        let z = f64::from(about.instance_number) * slice_thickness;
        let half = f64::from(pixels.columns) * about.pixel_spacing / 2.0;
        let frame = uid(&[b"frame", &about.seed]);
        let set = &mut instance.data_set;
        set.text((0x0018, 0x0015), "CS", "CHEST")
            .text((0x0008, 0x0008), "CS", "ORIGINAL\\PRIMARY\\AXIAL")
            .text((0x0018, 0x0050), "DS", &format!("{slice_thickness:.2}"))
            .text((0x0018, 0x0060), "DS", "120")
            .text((0x0018, 0x5100), "CS", "HFS")
            .text((0x0020, 0x0012), "IS", "1")
            .text(
                (0x0020, 0x0032),
                "DS",
                &format!("{:.3}\\{:.3}\\{z:.3}", -half, -half),
            )
            .text((0x0020, 0x0037), "DS", "1\\0\\0\\0\\1\\0")
            .text((0x0020, 0x0052), "UI", &frame)
            .empty((0x0020, 0x1040), "LO")
            .text((0x0020, 0x1041), "DS", &format!("{z:.3}"))
            .text(
                (0x0028, 0x0030),
                "DS",
                &format!("{0:.4}\\{0:.4}", about.pixel_spacing),
            )
            .text((0x0028, 0x1050), "DS", "40\\-600")
            .text((0x0028, 0x1051), "DS", "400\\1500")
            .text((0x0028, 0x1052), "DS", "0")
            .text((0x0028, 0x1053), "DS", "1")
            .text((0x0028, 0x1054), "LO", "HU");
        image_pixels(set, pixels, false);
        instance
    }

    /// A loop of ultrasound frames of 8 bits (PS3.3 section A.7), each of `rows` × `columns` samples.
    #[must_use]
    pub fn ultrasound_loop((rows, columns): (u16, u16), frames: &[Vec<u8>], about: &Description) -> Self {
        let mut instance = Self::common(ULTRASOUND_LOOP, "US", about);
        let set = &mut instance.data_set;
        set.text((0x0008, 0x0008), "CS", "ORIGINAL\\PRIMARY")
            .text((0x0018, 0x1063), "DS", "40")
            .text((0x0028, 0x0008), "IS", &frames.len().to_string())
            .bytes((0x0028, 0x0009), "AT", vec![0x18, 0x00, 0x63, 0x10]);
        let pixels = Pixels {
            rows,
            columns,
            bits_stored: 8,
            samples: Samples::Eight(frames.concat()),
        };
        image_pixels(set, pixels, false);
        instance
    }

    /// The patient, study, series, equipment and SOP common modules.
    fn common(sop_class: &'static str, modality: &str, about: &Description) -> Self {
        let number = about.instance_number.to_string();
        let study_uid = uid(&[b"study", &about.seed]);
        let sop_instance_uid = uid(&[b"instance", modality.as_bytes(), number.as_bytes(), &about.seed]);
        let patient = fingerprint(&[b"patient", &about.seed]) % 10_000;
        // A fixed year: the same seed must give the same bytes on every day.
        let day = fingerprint(&[b"day", &about.seed]) % 28 + 1;
        let date = format!("202601{day:02}");
        let mut set = DataSet::new(about.charset);
        set.text((0x0008, 0x0005), "CS", about.charset.defined_term())
            .text((0x0008, 0x0016), "UI", sop_class)
            .text((0x0008, 0x0018), "UI", &sop_instance_uid)
            .text((0x0008, 0x0020), "DA", &date)
            .text((0x0008, 0x0023), "DA", &date)
            .text((0x0008, 0x0030), "TM", "090000")
            .text((0x0008, 0x0033), "TM", "090000")
            .empty((0x0008, 0x0050), "SH")
            .text((0x0008, 0x0060), "CS", modality)
            .text((0x0008, 0x0070), "LO", about.manufacturer)
            .empty((0x0008, 0x0090), "PN")
            .text(
                (0x0010, 0x0010),
                "PN",
                &format!("Moni^Huanzhe {patient:04}=模拟^患者{patient:04}"),
            )
            .text((0x0010, 0x0020), "LO", &format!("SIM-{patient:04}"))
            .empty((0x0010, 0x0030), "DA")
            .text((0x0010, 0x0040), "CS", "O")
            .text((0x0020, 0x000D), "UI", &study_uid)
            .text(
                (0x0020, 0x000E),
                "UI",
                &uid(&[b"series", modality.as_bytes(), &about.seed]),
            )
            .text((0x0020, 0x0010), "SH", &format!("SIM{patient:04}"))
            .text((0x0020, 0x0011), "IS", "1")
            .text((0x0020, 0x0013), "IS", &number)
            .text((0x0028, 0x0301), "CS", "NO")
            .text(
                (0x0028, 0x2110),
                "CS",
                if about.lossy_ratio.is_some() { "01" } else { "00" },
            );
        if let Some(ratio) = about.lossy_ratio {
            set.text((0x0028, 0x2112), "DS", &format!("{ratio:.2}")).text(
                (0x0028, 0x2114),
                "CS",
                "ISO_10918_1",
            );
        }
        Self {
            sop_class,
            sop_instance_uid,
            study_uid,
            data_set: set,
        }
    }
}

/// The DX series, anatomy, image, detector and acquisition context modules (PS3.3 sections C.8.11, C.7.6.14).
fn digital_x_ray(set: &mut DataSet, monochrome1: bool) {
    let code = |value: &str, meaning: &str| {
        let mut item = DataSet::new(Charset::Utf8);
        item.text((0x0008, 0x0100), "SH", value)
            .text((0x0008, 0x0102), "SH", "SCT")
            .text((0x0008, 0x0104), "LO", meaning);
        vec![item]
    };
    // In MONOCHROME1 the low values, which show white, met few X-rays; in MONOCHROME2 the high ones.
    let (shape, sign) = if monochrome1 {
        ("INVERSE", 1_i16)
    } else {
        ("IDENTITY", -1)
    };
    set.text((0x0008, 0x0068), "CS", "FOR PRESENTATION")
        .text((0x0008, 0x0008), "CS", "ORIGINAL\\PRIMARY\\")
        .items((0x0008, 0x2218), code("51185008", "Chest"))
        .empty((0x0018, 0x1508), "CS")
        .text((0x0018, 0x7004), "CS", "SCINTILLATOR")
        .items((0x0040, 0x0555), Vec::new())
        .items((0x0054, 0x0220), code("272479007", "postero-anterior"))
        .text((0x0020, 0x0062), "CS", "U")
        .text((0x0028, 0x1040), "CS", "LOG")
        .bytes((0x0028, 0x1041), "SS", sign.to_le_bytes().to_vec())
        .text((0x0028, 0x1052), "DS", "0")
        .text((0x0028, 0x1053), "DS", "1")
        .text((0x0028, 0x1054), "LO", "US")
        .text((0x2050, 0x0020), "CS", shape);
}

/// The linear window that changes nothing (PS3.3 section C.11.2.1.2.1: c - 0.5 is the middle, w - 1 the span).
fn full_range_window(set: &mut DataSet, bits_stored: u16) {
    let levels = 1u32 << bits_stored;
    set.text((0x0028, 0x1050), "DS", &(levels / 2).to_string())
        .text((0x0028, 0x1051), "DS", &levels.to_string())
        .text((0x0028, 0x1055), "LO", "FULL RANGE");
}

fn image_pixels(set: &mut DataSet, pixels: Pixels, monochrome1: bool) {
    let (allocated, representation) = match &pixels.samples {
        Samples::Eight(_) => (8, 0),
        Samples::Sixteen(_) => (16, 0),
        Samples::Signed(_) => (16, 1),
    };
    let photometric = if monochrome1 { "MONOCHROME1" } else { "MONOCHROME2" };
    set.unsigned_short((0x0028, 0x0002), 1)
        .text((0x0028, 0x0004), "CS", photometric)
        .unsigned_short((0x0028, 0x0010), pixels.rows)
        .unsigned_short((0x0028, 0x0011), pixels.columns)
        .unsigned_short((0x0028, 0x0100), allocated)
        .unsigned_short((0x0028, 0x0101), pixels.bits_stored)
        .unsigned_short((0x0028, 0x0102), pixels.bits_stored - 1)
        .unsigned_short((0x0028, 0x0103), representation);
    match pixels.samples {
        Samples::Eight(samples) => set.bytes((0x7FE0, 0x0010), "OB", samples),
        Samples::Sixteen(samples) => set.bytes(
            (0x7FE0, 0x0010),
            "OW",
            little_endian(&samples, |s| s.to_le_bytes()),
        ),
        Samples::Signed(samples) => set.bytes(
            (0x7FE0, 0x0010),
            "OW",
            little_endian(&samples, |s| s.to_le_bytes()),
        ),
    };
}

fn little_endian<T: Copy>(samples: &[T], bytes: impl Fn(T) -> [u8; 2]) -> Vec<u8> {
    samples.iter().flat_map(|sample| bytes(*sample)).collect()
}

fn hash(parts: &[&[u8]]) -> u128 {
    let mut joined = Vec::new();
    for part in parts {
        joined.extend_from_slice(part);
        joined.push(0);
    }
    digest(&SHA256, &joined)
        .as_ref()
        .iter()
        .take(16)
        .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

fn fingerprint(parts: &[&[u8]]) -> u64 {
    u64::try_from(hash(parts) & u128::from(u64::MAX)).unwrap_or_default()
}

fn uid(parts: &[&[u8]]) -> String {
    format!("2.25.{}", hash(parts))
}
