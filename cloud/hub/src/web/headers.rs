use axum::http::{HeaderValue, header};
use axum::response::Response;

/// Nothing but this server's own files, no inline script or style, no frame around the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// No page here uses any of it.
const NO_DEVICES: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
                          microphone=(), midi=(), payment=(), serial=(), usb=()";

/// On every answer. Results are not to lie in caches. What has a policy of its own, or is the same for everybody and says
/// how long it may be kept, keeps that.
pub(super) async fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(POLICY));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("permissions-policy", HeaderValue::from_static(NO_DEVICES));
    headers.insert(
        "cross-origin-opener-policy",
        HeaderValue::from_static("same-origin"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    // What the settings open to another site's pages says so itself.
    let opened = headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static(if opened { "cross-origin" } else { "same-origin" }),
    );
    response
}

/// Where people reach the pages by HTTPS: for a year their browsers try nothing else.
pub(super) async fn only_https(mut response: Response) -> Response {
    response.headers_mut().insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000"),
    );
    response
}
