//! What arrives about images, at either end: ranges, names, sets, answers.

use barefoot_wire::images::{
    ContentRange, ObjectId, decode_image_set, decode_quick_look, decode_result_of_images,
};

pub(crate) fn check(bytes: &[u8]) {
    let _ = decode_image_set(bytes);
    let _ = decode_quick_look(bytes);
    let _ = decode_result_of_images(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(range) = text.parse::<ContentRange>() {
        assert!(range.first < range.end && range.end <= range.length);
        assert_eq!(range.to_string().parse::<ContentRange>(), Ok(range));
    }
    if let Ok(id) = text.parse::<ObjectId>() {
        assert_eq!(id.to_string(), text);
    }
}
