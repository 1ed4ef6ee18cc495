use std::collections::BTreeSet;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use tower::ServiceExt;

use super::address::Who;
use super::{addresses, document, only_listed};
use crate::people::{ProgramRole, Role, need_allows};

#[test]
fn each_row_stands_once_and_never_opens_what_the_guard_shuts() {
    let mut seen = BTreeSet::new();
    for address in addresses() {
        assert!(seen.insert((address.verb.word(), address.path)), "{address:?}");
        assert!(!address.gives.is_empty(), "{} says nothing", address.path);
        let described =
            document::document()["paths"][address.path.replace("{*", "{")][address.verb.word()].clone();
        let roles = |key: &str| -> Vec<String> { serde_json::from_value(described[key].clone()).unwrap() };
        let (people, programs) = (roles("x-barefoot-people"), roles("x-barefoot-programs"));
        for role in Role::ALL {
            let listed = people.iter().any(|word| word == role.word());
            assert!(
                !listed || need_allows(address.path, |right| role.may(right)),
                "{} {role:?}",
                address.path
            );
        }
        for role in ProgramRole::ALL {
            let listed = programs.iter().any(|word| word == role.word());
            assert!(
                !listed || need_allows(address.path, |right| role.may(right)),
                "{} {role:?}",
                address.path
            );
        }
        let is_open = described["security"].as_array().unwrap().is_empty();
        assert_eq!(is_open, address.who == Who::Anybody, "{}", address.path);
    }
    assert!(80 < seen.len(), "{}", seen.len());
}

#[test]
fn the_document_is_whole() {
    let document = document::document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (verb, operation) in methods.as_object().unwrap() {
            let named = operation["operationId"].as_str().unwrap().to_owned();
            assert!(names.insert(named), "{verb} {path}");
            let parameters = operation["parameters"].as_array().unwrap();
            let in_path = parameters.iter().filter(|one| one["in"] == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{path}");
            assert!(
                operation["responses"].as_object().unwrap().len() > 1,
                "{verb} {path}"
            );
        }
    }
}

#[tokio::test]
async fn an_address_in_no_row_is_not_served() {
    let said = || get(|| async { "here" });
    let router = Router::new()
        .route("/list", said())
        .route("/unheard-of", said())
        .route("/cases/{clinic}/{other}", said());
    let router = only_listed(router);
    for (path, status) in [
        ("/list", StatusCode::OK),
        ("/unheard-of", StatusCode::NOT_FOUND),
        ("/cases/a/b", StatusCode::NOT_FOUND),
        ("/nowhere", StatusCode::NOT_FOUND),
    ] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let body = to_bytes(answer.into_body(), 64).await.unwrap();
        assert_eq!(body.is_empty(), status != StatusCode::OK, "{path}");
    }
}
