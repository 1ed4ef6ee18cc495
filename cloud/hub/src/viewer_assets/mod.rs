//! The expert's image viewer (`cloud/viewer`), inside the hub: its files, and under which policies they run.
//!
//! `cargo xtask viewer` builds them with node; a hub that was built without them has no viewer, and says so.

mod files;
mod serve;

use axum::http::{HeaderValue, header};
use axum::response::Response;

use files::{File, NAMES};

pub(crate) use serve::router;

/// What `--version` says, in the long form.
pub const LONG_VERSION: &str = if is_built() {
    concat!(env!("CARGO_PKG_VERSION"), "\nimage viewer: built in")
} else {
    concat!(
        env!("CARGO_PKG_VERSION"),
        "\nimage viewer: not built in (`cargo xtask viewer` before `cargo build` adds it)"
    )
};

/// Where a page finds the viewer: `<script type="module" src=…>` and `<link rel="stylesheet" href=…>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub script: String,
    pub style: String,
}

/// Whether this hub was built with the viewer.
#[must_use]
pub const fn is_built() -> bool {
    NAMES.is_some()
}

/// `None` in a hub that was built without the viewer.
#[must_use]
pub fn entry() -> Option<Entry> {
    NAMES.map(|(script, style)| Entry {
        script: format!("/viewer/{script}"),
        style: format!("/viewer/{style}"),
    })
}

/// A page with the viewer in it, under that page's policy.
pub(crate) fn on_a_case_page(mut page: Response) -> Response {
    page.headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, page_policy());
    page
}

/// The policy of a page with the viewer and with forms. It is as strict as that of every page, but for the viewer's workers
/// and the page's own forms: nothing may be evaluated, no picture come from elsewhere than this server.
#[must_use]
pub fn page_policy() -> HeaderValue {
    HeaderValue::from_static(
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    )
}
