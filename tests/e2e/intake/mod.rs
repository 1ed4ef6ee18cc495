//! What scanners sent and heard, and what the box then holds: read from its folder, without a line of its own code.

mod holdings;
pub(crate) use holdings::Holdings;

mod load;
pub(crate) use load::{Answered, Fate, Plan, Sample, sending};

use std::path::PathBuf;

use barefoot_test_support::daemons::{Edge, EdgeOptions, Region};

/// A box by itself: no hub, and no model, so that it starts at once and every processor is the intake's.
pub(crate) fn lone_box(region: &Region, options: EdgeOptions) -> Edge {
    let options = EdgeOptions {
        bundle: PathBuf::from("/nonexistent/bundle"),
        ..options
    };
    region
        .edge(crate::story::CLINIC, "127.0.0.1:9", &options)
        .unwrap()
}
