use axum::http::StatusCode;

use super::*;
use crate::people::{ProgramError, ProgramRole};

async fn ask(house: &House, path: &str, token: &str) -> StatusCode {
    let request = Request::get(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    house.ask(request).await.status
}

#[tokio::test]
async fn a_token_opens_what_its_role_is_for_until_it_is_revoked_or_over() {
    let house = House::new().await;
    let people = &house.people;
    let token = people
        .add_program(Actor::Console, "viewer 1", ProgramRole::Viewer, 30)
        .await
        .unwrap();
    for (path, status) in [
        ("/api/results", StatusCode::OK),
        ("/dicom-web/studies", StatusCode::OK),
        ("/quick-look/a", StatusCode::OK),
        ("/people", StatusCode::FORBIDDEN),
        ("/audit", StatusCode::FORBIDDEN),
        ("/who", StatusCode::FORBIDDEN),
        ("/account", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(ask(&house, path, &token).await, status, "{path}");
    }
    assert_eq!(
        ask(&house, "/api/results", "bft_wrong").await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(ask(&house, "/api/results", "").await, StatusCode::UNAUTHORIZED);
    let monitor = people
        .add_program(Actor::Console, "wall", ProgramRole::Monitor, 30)
        .await
        .unwrap();
    assert_eq!(ask(&house, "/api/status", &monitor).await, StatusCode::OK);
    assert_eq!(ask(&house, "/api/results", &monitor).await, StatusCode::FORBIDDEN);

    let taken = people
        .add_program(Actor::Console, "wall", ProgramRole::Viewer, 1)
        .await;
    assert!(matches!(taken, Err(ProgramError::Taken)));
    assert!(matches!(
        people
            .add_program(Actor::Console, " ", ProgramRole::Viewer, 1)
            .await,
        Err(ProgramError::Name)
    ));
    people.revoke_program(Actor::Console, "wall").await.unwrap();
    assert_eq!(
        ask(&house, "/api/status", &monitor).await,
        StatusCode::UNAUTHORIZED
    );
    assert!(matches!(
        people.revoke_program(Actor::Console, "wall").await,
        Err(ProgramError::Unknown)
    ));
    house.pass(30 * 86_400);
    assert_eq!(
        ask(&house, "/api/results", &token).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(people.programs().await.unwrap().len(), 2);
    assert_eq!(
        house.actions().await,
        ["token_revoked", "token_made", "token_made"]
    );
}

#[tokio::test]
async fn a_wrong_token_is_not_saved_by_a_cookie() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let browser = house.signed_in(&known).await;
    let request = browser
        .request("GET", "/api/results")
        .header(header::AUTHORIZATION, "Bearer bft_wrong")
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        house.ask(request).await.location(),
        "/sign-in?next=%2Fapi%2Fresults"
    );
}
