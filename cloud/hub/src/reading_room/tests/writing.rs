use serde_json::Value;

use super::*;

fn said(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.bytes).unwrap_or_else(|_| panic!("{}", answer.body))
}

#[tokio::test]
async fn a_draft_is_kept_while_it_is_written() {
    let hospital = Hospital::with_case().await;
    let mut reader = hospital.holder("li.wei").await;
    let page = reader.page(&hospital).await;
    assert_eq!(page.field("revision"), "0");

    // The script saves by itself.
    let draft = |revision: &'static str, impression: &'static str| {
        [
            ("by", "script"),
            ("revision", revision),
            ("impression", impression),
            ("finding-pneumonia", "present"),
            ("side-pneumonia", "right"),
        ]
    };
    let first = reader.act(&hospital, "draft", &draft("0", "Pneumo")).await;
    assert_eq!(
        (first.status, &said(&first)["revision"]),
        (StatusCode::OK, &1.into())
    );
    let second = reader.act(&hospital, "draft", &draft("1", "Pneumonia.")).await;
    assert_eq!(said(&second)["revision"], 2);
    assert_eq!(
        hospital.logged("edit_draft").await.len(),
        1,
        "one line, not one for each keystroke"
    );

    // Another page of the same reader has an older one: it does not overwrite the newer.
    let stale = reader.act(&hospital, "draft", &draft("1", "Old words.")).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert!(said(&stale)["said"].as_str().unwrap().contains("newer draft"));
    let by_form = reader
        .act(
            &hospital,
            "draft",
            &[("revision", "0"), ("impression", "Old words.")],
        )
        .await;
    assert_eq!(by_form.status, StatusCode::CONFLICT);
    assert!(
        by_form.body.contains("newer draft") && by_form.body.contains("class=\"said\""),
        "{}",
        by_form.body
    );

    // The browser dies; at another one it is all there.
    let mut again = Reader {
        browser: hospital.house.signed_in(&reader.known).await,
        ..reader
    };
    let page = again.page(&hospital).await;
    assert!(page.body.contains(">Pneumonia.</textarea>") && !page.body.contains("Old words"));
    assert!(
        page.body.contains("value=\"present\" selected") && page.body.contains("value=\"right\" selected")
    );
    assert_eq!(page.field("revision"), "2");
}

#[tokio::test]
async fn only_who_holds_the_case_writes_and_what_is_no_report_is_said() {
    let hospital = Hospital::with_case().await;
    let mut holder = hospital.holder("li.wei").await;
    let mut other = hospital.reader("zhang.min", "reader", "county").await;
    let fields = [("revision", "0"), ("impression", "Mine.")];
    let refused = other.act(&hospital, "draft", &fields).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("not in your hands"), "{}", refused.body);
    assert!(!other.page(&hospital).await.body.contains("id=\"report\""));

    let long = "x".repeat(4001);
    for (name, value, wanted) in [
        ("impression", long.as_str(), "at most 4000"),
        ("advice", "\u{1b}", "no text"),
        ("marks", "{", "mark in the picture"),
        ("finding-pneumonia", "perhaps", "finding is of another page"),
    ] {
        let answer = holder
            .act(&hospital, "draft", &[("revision", "0"), (name, value)])
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(answer.body.contains(wanted), "{name}: {}", answer.body);
    }
    assert_eq!(
        holder.page(&hospital).await.field("revision"),
        "0",
        "nothing of it was kept"
    );
}

/// What is put back, or lost by a lapsed lease, is found again by who wrote it and seen by nobody else.
#[tokio::test]
async fn a_draft_stays_its_writers() {
    let hospital = Hospital::with_case().await;
    let mut one = hospital.holder("li.wei").await;
    one.act(
        &hospital,
        "draft",
        &[("revision", "0"), ("impression", "Half a thought")],
    )
    .await;
    one.act(&hospital, "release", &[]).await;
    let mut other = hospital.holder("zhang.min").await;
    assert!(!other.page(&hospital).await.body.contains("Half a thought"));
    other.act(&hospital, "release", &[]).await;
    one.act(&hospital, "claim", &[]).await;
    assert!(one.page(&hospital).await.body.contains("Half a thought"));
}
