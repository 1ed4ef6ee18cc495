use std::sync::OnceLock;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{addresses, document};

/// The document's own address.
pub(crate) fn router() -> Router {
    Router::new().route("/api/openapi.json", get(show))
}

async fn show() -> impl IntoResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document::document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str())
}

/// Serves of `router` what stands in the table; a route that is in no row is not there.
pub(crate) fn only_listed(router: Router) -> Router {
    router.layer(from_fn(check))
}

async fn check(request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let is_listed = |path: &MatchedPath| addresses().any(|address| address.path == path.as_str());
    if matched.is_some_and(|path| !is_listed(path)) {
        tracing::error!(
            ?matched,
            "An address is in no row of the table of addresses, so it is not served."
        );
        return StatusCode::NOT_FOUND.into_response();
    }
    next.run(request).await
}
