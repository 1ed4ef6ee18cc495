use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::File;
use super::files::FILES;

/// A name with a hash in it never means anything else.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The licences keep one name.
const FOR_AN_HOUR: &str = "public, max-age=3600";

/// A worker lives under the policy of its own file: here, and only here, decoders may be compiled.
const POLICY: &str =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; frame-ancestors 'none'";

pub(crate) fn router() -> Router {
    Router::new().route("/viewer/{name}", get(file))
}

async fn file(Path(name): Path<String>, asked: HeaderMap) -> Response {
    FILES.iter().find(|file| file.name == name).map_or_else(
        || StatusCode::NOT_FOUND.into_response(),
        |file| answer(file, &asked),
    )
}

fn answer(file: &File, asked: &HeaderMap) -> Response {
    let caching = if file.name.ends_with(".txt") {
        FOR_AN_HOUR
    } else {
        FOR_EVER
    };
    let common: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_TYPE, file.kind),
        (header::CACHE_CONTROL, caching),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::VARY, "accept-encoding"),
    ];
    match file.gzip {
        Some(packed) if takes_gzip(asked) => {
            (common, [(header::CONTENT_ENCODING, "gzip")], packed).into_response()
        }
        _ => (common, file.plain).into_response(),
    }
}

/// RFC 9110 12.5.3, as far as one encoding needs it.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let values = asked.get_all(header::ACCEPT_ENCODING).iter();
    let texts = values.filter_map(|value: &HeaderValue| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|choice| {
        let (coding, weight) = choice.split_once(';').unwrap_or((choice, "q=1"));
        let refused = weight
            .trim()
            .strip_prefix("q=")
            .and_then(|weight| weight.parse::<f32>().ok())
            .is_some_and(|weight| weight <= 0.0);
        coding.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer_assets::{entry, is_built, page_policy};

    const SAMPLE: File = File {
        name: "main-abc.js",
        kind: "text/javascript; charset=utf-8",
        plain: b"plain",
        gzip: Some(b"packed"),
    };

    fn asking(encodings: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(encodings))])
    }

    #[test]
    fn gzip_goes_to_those_who_take_it() {
        for (encodings, packed) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("identity", false),
            ("gzip;q=0", false),
            ("", false),
        ] {
            let response = answer(&SAMPLE, &asking(encodings));
            assert_eq!(
                response.headers().contains_key(header::CONTENT_ENCODING),
                packed,
                "{encodings}"
            );
            assert_eq!(response.headers()[header::VARY], "accept-encoding");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_hashed_name_is_kept_for_ever_and_only_its_own_policy_compiles() {
        let response = answer(&SAMPLE, &HeaderMap::new());
        assert_eq!(response.headers()[header::CACHE_CONTROL], FOR_EVER);
        let own = response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(own.contains("'wasm-unsafe-eval'"));
        assert!(!page_policy().to_str().unwrap().contains("unsafe"));
    }

    #[tokio::test]
    async fn what_the_entry_names_is_there_and_nothing_else() {
        let get = |name: &str| file(Path(name.to_owned()), HeaderMap::new());
        assert_eq!(get("manifest.json").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(get("../Cargo.toml").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(entry().is_some(), is_built());
        if let Some(entry) = entry() {
            for address in [entry.script, entry.style] {
                let name = address.strip_prefix("/viewer/").unwrap();
                assert_eq!(get(name).await.status(), StatusCode::OK, "{address}");
            }
            assert!(FILES.iter().any(|file| file.kind == "application/wasm"));
            assert!(FILES.iter().any(|file| file.name == "licenses.txt"));
        }
    }
}
