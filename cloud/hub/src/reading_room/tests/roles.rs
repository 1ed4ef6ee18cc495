use super::*;
use crate::audit::Actor;
use crate::people::ProgramRole;

const ACTS: [&str; 12] = [
    "claim", "release", "renew", "refer", "second", "withdraw", "teaching", "message", "draft", "sign",
    "addendum", "reveal",
];

fn images() -> [String; 5] {
    let uid = IMAGE.instance_uid();
    [
        at("viewer.json"),
        at(&format!("instances/{uid}")),
        at(&format!("drawn/{uid}")),
        at("quick/0"),
        at("heat/0"),
    ]
}

#[tokio::test]
async fn an_operator_sees_the_case_and_neither_images_nor_a_form() {
    let hospital = Hospital::with_case().await;
    let mut operator = hospital.reader("op.li", "operator", "county").await;
    let page = operator.page(&hospital).await;
    assert!(page.body.contains("Pneumonia"));
    for absent in ["id=\"report\"", "viewer.json", "/drawn/", "Read this case"] {
        assert!(!page.body.contains(absent), "{absent}: {}", page.body);
    }
    for image in images() {
        let answer = operator.get(&hospital, &image).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{image}");
    }
    // `reveal` only says what the operator sees anyway.
    for act in ACTS.iter().filter(|act| **act != "reveal") {
        let fields = [
            ("why", "x"),
            ("text", "x"),
            ("impression", "x"),
            ("password", PASSWORD),
        ];
        let answer = operator.act(&hospital, act, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{act}");
    }
    assert!(hospital.reports().await.is_empty());
    assert!(hospital.logged("view_images").await.is_empty());
}

#[tokio::test]
async fn a_maintainer_and_an_auditor_see_no_case_at_all() {
    let hospital = Hospital::with_case().await;
    for role in ["maintainer", "auditor"] {
        let mut person = hospital.reader(&format!("{role}.li"), role, "county").await;
        let pages = [
            address(&key()),
            "/worklist".into(),
            "/worklist/list".into(),
            "/dashboard".into(),
            "/roster".into(),
        ];
        for page in pages.iter().chain(&images()) {
            let answer = person.get(&hospital, page).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{role} {page}");
        }
        for act in ACTS {
            let answer = person.act(&hospital, act, &[("why", "x")]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{role} {act}");
        }
    }
}

#[tokio::test]
async fn a_reader_keeps_neither_roster_nor_teaching_file_nor_list() {
    let hospital = Hospital::with_case().await;
    let mut reader = hospital.reader("li.wei", "reader", "county").await;
    for act in ["teaching", "withdraw"] {
        let answer = reader.act(&hospital, act, &[("on", "yes"), ("why", "x")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{act}");
    }
    let roster = reader.get(&hospital, "/roster").await;
    assert_eq!(roster.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn nobody_without_a_sign_in_and_no_program_comes_in() {
    let hospital = Hospital::with_case().await;
    let mut stranger = Browser::default();
    for page in [address(&key()), "/worklist".into()].iter().chain(&images()) {
        let answer = stranger.get(&hospital.house, page).await;
        assert!(answer.location().starts_with("/sign-in?next="), "{page}");
    }
    let token = hospital
        .house
        .people
        .add_program(Actor::Console, "ris", ProgramRole::Reader, 1)
        .await
        .unwrap();
    for act in ACTS {
        let answer = stranger
            .send(&hospital.house, &at(act), "", &[("why", "x")])
            .await;
        assert!(answer.location().starts_with("/sign-in"), "{act}");
        let request = Browser::default()
            .request("POST", &at(act))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("why=x&impression=x".into())
            .unwrap();
        let answer = hospital.house.ask(request).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{act}: only a person may");
    }
    assert!(hospital.case().await.life.lease.is_none());
}

#[tokio::test]
async fn a_form_without_the_sessions_token_changes_nothing() {
    let hospital = Hospital::with_case().await;
    let mut reader = hospital.reader("li.wei", "chief", "county").await;
    for act in ACTS {
        let answer = reader
            .browser
            .send(
                &hospital.house,
                &at(act),
                "stolen",
                &[("why", "x"), ("on", "yes")],
            )
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{act}");
    }
    let case = hospital.case().await;
    assert!(case.life.lease.is_none() && !case.teaching && case.life.state.is_open());
}
