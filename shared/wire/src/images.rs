//! Images over HTTPS: the names of objects, ranges of them, and the messages about them, checked.

use std::fmt;
use std::str::FromStr;

use barefoot_domain::{FindingCode, StudyUid};
use prost::Message;

use crate::v1;

/// The largest message about one version of a case: 20,000 images.
pub const MAX_SET_BYTES: usize = 8 * 1024 * 1024;

/// Instances of one version, at most.
pub const MAX_INSTANCES: usize = 20_000;

/// Pictures of a quick look, at most.
pub const MAX_PICTURES: usize = 64;

/// Heat maps of a quick look, at most.
pub const MAX_HEAT_MAPS: usize = 16;

/// One of them, at most: a picture of few colours, no larger than [`MAX_HEAT_MAP_SIDE`].
pub const MAX_HEAT_MAP_BYTES: u64 = 128 * 1024;

/// Pixels of a heat map's longer side, at most.
pub const MAX_HEAT_MAP_SIDE: u32 = 512;

/// Answers HEAD and PUT: how many bytes from the start are there.
pub const UPLOAD_OFFSET: &str = "upload-offset";
/// `?1` or `?0`, as a structured field says true and false.
pub const UPLOAD_COMPLETE: &str = "upload-complete";

/// Why a message about images is refused. Names the field, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not a message of this kind")]
    Malformed,
    #[error("more than {limit} {what}")]
    TooMany { limit: usize, what: &'static str },
    #[error("{what} is missing or no such thing")]
    Field { what: &'static str },
}

/// An object's name: the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub [u8; 32]);

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ObjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = Error::Field { what: "object" };
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(wrong);
        }
        let mut id = [0; 32];
        for (to, [high, low]) in id.iter_mut().zip(pairs) {
            *to = digit(*high)
                .zip(digit(*low))
                .map(|(high, low)| high << 4 | low)
                .ok_or_else(|| wrong.clone())?;
        }
        Ok(Self(id))
    }
}

/// `Content-Range: bytes first-last/length` (RFC 9110 section 14.4), with a known length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    pub first: u64,
    /// The byte behind the last.
    pub end: u64,
    pub length: u64,
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bytes {}-{}/{}",
            self.first,
            self.end.saturating_sub(1),
            self.length
        )
    }
}

impl FromStr for ContentRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = Error::Field {
            what: "Content-Range",
        };
        let number = |text: &str| {
            let digits = (1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten()
        };
        let read = || {
            let (range, length) = text.strip_prefix("bytes ")?.split_once('/')?;
            let (first, last) = range.split_once('-')?;
            let (first, last, length) = (number(first)?, number(last)?, number(length)?);
            (first <= last && last < length).then_some(Self {
                first,
                end: last + 1,
                length,
            })
        };
        read().ok_or(wrong)
    }
}

/// An object and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectRef {
    pub id: ObjectId,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub object: ObjectRef,
    pub sop_instance_uid: String,
}

/// Where a model looked, to be laid over an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeatMapPicture {
    pub object: ObjectRef,
    pub sop_instance_uid: String,
    /// From 1.
    pub frame: u32,
    pub finding: FindingCode,
}

/// What an expert can begin with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuickLook {
    /// The key image first.
    pub pictures: Vec<Picture>,
    pub heat_maps: Vec<HeatMapPicture>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub object: ObjectRef,
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    pub transfer_syntax_uid: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageSet {
    pub instances: Vec<Instance>,
    /// Reason's code and how many stay in the clinic for it.
    pub withheld: Vec<(String, u32)>,
}

/// What became of a version's images at the hub.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageSetResult {
    /// SOP class and instance of those that are kept.
    pub referenced: Vec<(String, String)>,
    pub failed: Vec<Failed>,
    pub missing: Vec<ObjectRef>,
    pub committed_at_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub sop_class_uid: String,
    pub sop_instance_uid: String,
    /// Failure Reason (0008,1197).
    pub reason: u16,
    pub why: String,
}

/// PS3.18 table 10.5.3-1: the SOP instance cannot be understood, or not stored in this form.
pub const CANNOT_UNDERSTAND: u16 = 0xC000;
/// The data set does not match what was said of it.
pub const DATA_SET_MISMATCH: u16 = 0xA900;

#[must_use]
pub fn encode_quick_look(look: &QuickLook) -> Vec<u8> {
    let picture = |picture: &Picture| v1::QuickPicture {
        object: Some(picture.object.into()),
        sop_instance_uid: picture.sop_instance_uid.clone(),
    };
    let heat_map = |map: &HeatMapPicture| v1::HeatMapPicture {
        object: Some(map.object.into()),
        sop_instance_uid: map.sop_instance_uid.clone(),
        frame: map.frame,
        finding: map.finding.as_str().to_owned(),
    };
    let look = v1::QuickLook {
        pictures: look.pictures.iter().map(picture).collect(),
        heat_maps: look.heat_maps.iter().map(heat_map).collect(),
    };
    look.encode_to_vec()
}

/// # Errors
/// When the bytes are no quick look.
pub fn decode_quick_look(bytes: &[u8]) -> Result<QuickLook, Error> {
    let message = v1::QuickLook::decode(bytes).map_err(|_| Error::Malformed)?;
    at_most(message.pictures.len(), MAX_PICTURES, "pictures")?;
    at_most(message.heat_maps.len(), MAX_HEAT_MAPS, "heat maps")?;
    let picture = |picture: v1::QuickPicture| {
        Ok(Picture {
            object: object(picture.object)?,
            sop_instance_uid: uid(picture.sop_instance_uid, "sop_instance_uid")?,
        })
    };
    let heat_map = |map: v1::HeatMapPicture| {
        if map.frame == 0 {
            return Err(Error::Field { what: "frame" });
        }
        Ok(HeatMapPicture {
            object: object(map.object)?,
            sop_instance_uid: uid(map.sop_instance_uid, "sop_instance_uid")?,
            frame: map.frame,
            finding: FindingCode::new(map.finding).map_err(|_| Error::Field { what: "finding" })?,
        })
    };
    Ok(QuickLook {
        pictures: message
            .pictures
            .into_iter()
            .map(picture)
            .collect::<Result<_, _>>()?,
        heat_maps: message
            .heat_maps
            .into_iter()
            .map(heat_map)
            .collect::<Result<_, _>>()?,
    })
}

#[must_use]
pub fn encode_image_set(set: &ImageSet) -> Vec<u8> {
    let instance = |instance: &Instance| v1::ImageInstance {
        object: Some(instance.object.into()),
        sop_class_uid: instance.sop_class_uid.clone(),
        sop_instance_uid: instance.sop_instance_uid.clone(),
        transfer_syntax_uid: instance.transfer_syntax_uid.clone(),
    };
    let withheld = |(reason, count): &(String, u32)| v1::WithheldInstances {
        reason: reason.clone(),
        count: *count,
    };
    let set = v1::ImageSet {
        instances: set.instances.iter().map(instance).collect(),
        withheld: set.withheld.iter().map(withheld).collect(),
    };
    set.encode_to_vec()
}

/// # Errors
/// When the bytes are no image set, or name an instance twice.
pub fn decode_image_set(bytes: &[u8]) -> Result<ImageSet, Error> {
    if MAX_SET_BYTES < bytes.len() {
        return Err(Error::TooMany {
            limit: MAX_SET_BYTES,
            what: "bytes",
        });
    }
    let message = v1::ImageSet::decode(bytes).map_err(|_| Error::Malformed)?;
    at_most(message.instances.len(), MAX_INSTANCES, "instances")?;
    at_most(message.withheld.len(), 64, "reasons")?;
    let mut seen = std::collections::HashSet::new();
    let instance = |instance: v1::ImageInstance| {
        let sop_instance_uid = uid(instance.sop_instance_uid, "sop_instance_uid")?;
        if !seen.insert(sop_instance_uid.clone()) {
            return Err(Error::Field {
                what: "sop_instance_uid",
            });
        }
        Ok(Instance {
            object: object(instance.object)?,
            sop_class_uid: uid(instance.sop_class_uid, "sop_class_uid")?,
            sop_instance_uid,
            transfer_syntax_uid: uid(instance.transfer_syntax_uid, "transfer_syntax_uid")?,
        })
    };
    let withheld = |withheld: v1::WithheldInstances| {
        let code = withheld.reason;
        let known = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        known
            .then_some((code, withheld.count))
            .ok_or(Error::Field { what: "reason" })
    };
    Ok(ImageSet {
        instances: message
            .instances
            .into_iter()
            .map(instance)
            .collect::<Result<_, _>>()?,
        withheld: message
            .withheld
            .into_iter()
            .map(withheld)
            .collect::<Result<_, _>>()?,
    })
}

#[must_use]
pub fn encode_result_of_images(result: &ImageSetResult) -> Vec<u8> {
    let stored = |(class, instance): &(String, String)| v1::StoredInstance {
        sop_class_uid: class.clone(),
        sop_instance_uid: instance.clone(),
    };
    let failed = |failed: &Failed| v1::FailedInstance {
        sop_class_uid: failed.sop_class_uid.clone(),
        sop_instance_uid: failed.sop_instance_uid.clone(),
        failure_reason: failed.reason.into(),
        why: failed.why.clone(),
    };
    let result = v1::ImageSetResult {
        referenced: result.referenced.iter().map(stored).collect(),
        failed: result.failed.iter().map(failed).collect(),
        missing: result.missing.iter().copied().map(Into::into).collect(),
        committed_at_ms: result.committed_at_ms,
    };
    result.encode_to_vec()
}

/// # Errors
/// When the bytes are no such answer.
pub fn decode_result_of_images(bytes: &[u8]) -> Result<ImageSetResult, Error> {
    let message = v1::ImageSetResult::decode(bytes).map_err(|_| Error::Malformed)?;
    let said = message.referenced.len() + message.failed.len() + message.missing.len();
    at_most(said, 2 * MAX_INSTANCES, "instances")?;
    let failed = |failed: v1::FailedInstance| {
        let reason = u16::try_from(failed.failure_reason).map_err(|_| Error::Field {
            what: "failure_reason",
        })?;
        Ok(Failed {
            sop_class_uid: uid(failed.sop_class_uid, "sop_class_uid")?,
            sop_instance_uid: uid(failed.sop_instance_uid, "sop_instance_uid")?,
            reason,
            why: failed.why.chars().filter(|c| !c.is_control()).take(200).collect(),
        })
    };
    let stored = |stored: v1::StoredInstance| {
        Ok((
            uid(stored.sop_class_uid, "sop_class_uid")?,
            uid(stored.sop_instance_uid, "sop_instance_uid")?,
        ))
    };
    Ok(ImageSetResult {
        referenced: message
            .referenced
            .into_iter()
            .map(stored)
            .collect::<Result<_, _>>()?,
        failed: message.failed.into_iter().map(failed).collect::<Result<_, _>>()?,
        missing: message
            .missing
            .into_iter()
            .map(|missing| object(Some(missing)))
            .collect::<Result<_, _>>()?,
        committed_at_ms: message.committed_at_ms,
    })
}

impl From<ObjectRef> for v1::ObjectReference {
    fn from(object: ObjectRef) -> Self {
        Self {
            sha256: object.id.0.to_vec(),
            bytes: object.bytes,
        }
    }
}

fn object(object: Option<v1::ObjectReference>) -> Result<ObjectRef, Error> {
    let wrong = Error::Field { what: "object" };
    let object = object.ok_or_else(|| wrong.clone())?;
    let id = <[u8; 32]>::try_from(object.sha256.as_slice()).map_err(|_| wrong.clone())?;
    if object.bytes == 0 {
        return Err(wrong);
    }
    Ok(ObjectRef {
        id: ObjectId(id),
        bytes: object.bytes,
    })
}

fn uid(text: String, what: &'static str) -> Result<String, Error> {
    match StudyUid::new(text.as_str()) {
        Ok(_) => Ok(text),
        Err(_) => Err(Error::Field { what }),
    }
}

fn at_most(count: usize, limit: usize, what: &'static str) -> Result<(), Error> {
    if limit < count {
        return Err(Error::TooMany { limit, what });
    }
    Ok(())
}
