//! What others can send to the hub, read without a hub: for `tests/fuzz`.

pub use crate::dicomweb::fuzzing::{
    Search, accepted_media, frames, parts, range, search, workitem, workitem_search,
};
pub use crate::people::fuzzing::{Vouched, flow, key_set, provider, signed, signed_out, vouched};
