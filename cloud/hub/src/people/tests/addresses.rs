use axum::http::StatusCode;

use super::*;

/// A role, what is open to it, what is not, and where it begins if that is not the front page.
type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str], Option<&'a str>);

#[tokio::test]
async fn everybody_sees_what_their_role_is_for_and_begins_there() {
    let house = House::new().await;
    let table: [Row<'_>; 5] = [
        (
            "reader",
            &[
                "/",
                "/api/results",
                "/api/status",
                "/quick-look/a",
                "/account",
                "/list",
            ],
            &[
                "/models",
                "/people",
                "/audit",
                "/audit/export",
                "/audit/export/dicom",
            ],
            None,
        ),
        (
            "chief",
            &["/", "/quick-look/a", "/models"],
            &["/people", "/audit"],
            None,
        ),
        (
            "operator",
            &["/", "/people", "/people/new", "/models", "/api/status"],
            &["/quick-look/a", "/audit"],
            None,
        ),
        (
            "maintainer",
            &["/models", "/api/status", "/account"],
            &[
                "/quick-look/a",
                "/api/results",
                "/list",
                "/people",
                "/audit",
                "/whatever",
            ],
            Some("/models"),
        ),
        (
            "auditor",
            &["/audit", "/audit/export", "/audit/export/dicom", "/account"],
            &[
                "/quick-look/a",
                "/api/results",
                "/api/status",
                "/models",
                "/people",
            ],
            Some("/audit"),
        ),
    ];
    for (role, open, closed, home) in table {
        let known = house.known(role, role).await;
        let mut browser = house.signed_in(&known).await;
        for path in open {
            assert_eq!(
                browser.get(&house, path).await.status,
                StatusCode::OK,
                "{role} {path}"
            );
        }
        for path in closed {
            let answer = browser.get(&house, path).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{role} {path}");
        }
        if let Some(home) = home {
            assert_eq!(browser.get(&house, "/").await.location(), home);
        }
    }
}

#[tokio::test]
async fn a_role_that_is_taken_away_is_gone_with_the_next_request() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let mut browser = house.signed_in(&known).await;
    assert_eq!(browser.get(&house, "/quick-look/a").await.status, StatusCode::OK);
    let mut typed = TypedProfile {
        display_name: "Li".into(),
        roles: "maintainer".into(),
        tier: "county".into(),
        language: "en".into(),
        active: true,
        ..TypedProfile::default()
    };
    house
        .people
        .change_profile(Actor::Console, &known.id, &typed)
        .await
        .unwrap();
    assert_eq!(
        browser.get(&house, "/quick-look/a").await.status,
        StatusCode::FORBIDDEN
    );
    typed.roles = "doctor".into();
    assert!(
        house
            .people
            .change_profile(Actor::Console, &known.id, &typed)
            .await
            .is_err()
    );
    assert!(Roles::parse("maintainer").unwrap().has(Role::Maintainer));
}

#[tokio::test]
async fn the_auditor_reads_and_takes_away_a_log_that_holds() {
    let house = House::new().await;
    let known = house.known("an.ke", "auditor").await;
    let mut browser = house.signed_in(&known).await;
    let page = browser.get(&house, "/audit?action=sign_in&lang=en").await;
    assert!(
        page.body.contains("Dr an.ke") && page.body.contains("<td>sign_in</td>"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("<td>account_set_up</td>"), "filtered");
    assert!(
        browser
            .get(&house, "/audit?case=2.25.1")
            .await
            .body
            .contains("No entry fits")
    );
    let copy = browser.get(&house, "/audit/export").await;
    let authorities = house.people.0.identity.authorities();
    let mut checker = barefoot_trust::audit::Checker::new(authorities);
    for line in copy.body.lines() {
        checker.line(line).unwrap();
    }
    assert!(4 <= checker.finish().unwrap().entries);
    let log = house.actions().await;
    assert_eq!(log[0], "export");
    assert!(log.contains(&"read_audit".to_owned()));
}
