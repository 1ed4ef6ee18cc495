//! Style, script and icon, inside the program. Their addresses carry a checksum, so a browser keeps them as long as
//! it likes and still sees an update at once.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/page.js");
const ICON: &str = include_str!("../../assets/icon.svg");

/// Addresses of the assets.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) style: String,
    pub(super) script: String,
    pub(super) icon: String,
}

impl Addresses {
    pub(super) fn new() -> Self {
        let stamped = |name: &str, content: &str| {
            format!("/assets/{name}?sum={:08x}", crc32fast::hash(content.as_bytes()))
        };
        Self {
            style: stamped("page.css", STYLE),
            script: stamped("page.js", SCRIPT),
            icon: stamped("icon.svg", ICON),
        }
    }
}

pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}

fn asset(content_type: &'static str, content: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, content).into_response()
}
