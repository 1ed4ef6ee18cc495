use barefoot_domain::{Part, Presence, Region, Shape};
use barefoot_wire::{decode_case_state, decode_correction, decode_report, decode_signed_report, topics};

use super::*;

/// A box that somebody drew around what they saw, as the viewer writes it.
fn mark() -> String {
    let uid = IMAGE.instance_uid();
    format!(
        r#"[{{"id":"m1","instance":"{uid}","frame":1,"shape":"rectangle","points":[[10.5,20],[30,41.25]],"finding":"pneumonia"}}]"#
    )
}

fn region() -> Region {
    Region {
        instance: IMAGE.instance_uid(),
        frame: 1,
        shape: Shape::Rectangle,
        points: vec![(10.5, 20.0), (30.0, 41.25)],
    }
}

#[tokio::test]
async fn a_mark_drawn_by_the_expert_goes_down_to_the_clinic() {
    let hospital = Hospital::with_case().await;
    let mut reader = hospital.holder("li.wei").await;
    let marks = mark();
    let fields = [
        ("description", "Patchy opacity."),
        ("impression", "Pneumonia on the right."),
        ("finding-pneumonia", "present"),
        ("side-pneumonia", "right"),
        ("finding-pneumothorax", "absent"),
        ("marks", marks.as_str()),
    ];
    // Once more from the page as it was saved.
    let mut draft = vec![("revision", "0")];
    draft.extend(fields);
    reader.act(&hospital, "draft", &draft).await;
    let page = reader.page(&hospital).await;
    let kept = page.field("marks").replace("&#34;", "\"").replace("&quot;", "\"");
    assert!(
        kept.contains("rectangle") && kept.contains(&IMAGE.instance_uid()),
        "{kept}"
    );
    let kept = [("marks", kept.as_str())];
    let signed = reader.sign(&hospital, &[&fields[..5], &kept[..]].concat()).await;
    assert_eq!(signed.status, StatusCode::SEE_OTHER, "{}", signed.body);

    let clinic = key().clinic;
    let down = hospital.down().await;
    let reports: Vec<_> = down
        .iter()
        .filter(|(_, kind, _)| *kind == v1::Kind::Report)
        .collect();
    let [(topic, _, body)] = reports[..] else {
        panic!("{} reports", reports.len())
    };
    assert_eq!(*topic, topics::down_case(&clinic));
    let report = decode_report(&decode_signed_report(body).unwrap().content).unwrap();
    let pneumonia = report
        .statements
        .iter()
        .find(|one| one.finding.as_str() == "pneumonia")
        .unwrap();
    assert_eq!(pneumonia.presence, Presence::Present);
    assert_eq!(pneumonia.regions, [region()]);
    assert_eq!(
        report.assessment.unwrap().model.unwrap().id,
        "cxr",
        "it names the model"
    );
    let corrections: Vec<_> = down
        .iter()
        .filter(|(_, kind, _)| *kind == v1::Kind::Correction)
        .map(|(topic, _, body)| {
            assert_eq!(*topic, topics::down_correction(&clinic));
            let correction = decode_correction(body).unwrap();
            (
                correction.finding.as_str().to_owned(),
                correction.present,
                correction.regions,
            )
        })
        .collect();
    assert_eq!(
        corrections,
        [
            ("pneumonia".to_owned(), true, vec![region()]),
            ("pneumothorax".to_owned(), false, vec![]),
        ]
    );
    // And that the case is reported, behind the report itself.
    let (_, kind, state) = down.last().unwrap();
    assert_eq!(*kind, v1::Kind::CaseState);
    assert_eq!(
        decode_case_state(state).unwrap().progress,
        barefoot_domain::Progress::Reported
    );

    // Whoever opens the case sees the mark where it was drawn.
    let mut other = hospital.reader("zhang.min", "reader", "county").await;
    let shown = other.get(&hospital, &at("viewer.json")).await;
    let shown: serde_json::Value = serde_json::from_slice(&shown.bytes).unwrap();
    assert_eq!(
        shown["marks"][0]["points"],
        serde_json::json!([[10.5, 20.0], [30.0, 41.25]])
    );
    assert_eq!(shown["mayMark"], false);
}

#[tokio::test]
async fn nothing_is_signed_without_both_factors_an_impression_and_a_word_on_each_call() {
    let hospital = Hospital::with_case().await;
    let mut reader = hospital.holder("li.wei").await;
    let code = hospital.house.code(&reader.known);
    let whole = [
        ("version", "1"),
        ("impression", "Pneumonia."),
        ("finding-pneumonia", "present"),
        ("password", PASSWORD),
        ("code", code.as_str()),
    ];
    let without = |name: &str, value: &'static str| -> Vec<(&str, &str)> {
        whole
            .iter()
            .map(|&(field, old)| (field, if field == name { value } else { old }))
            .collect()
    };
    for (fields, status, wanted) in [
        (
            without("impression", " "),
            StatusCode::UNPROCESSABLE_ENTITY,
            "Write an impression",
        ),
        (
            without("finding-pneumonia", ""),
            StatusCode::UNPROCESSABLE_ENTITY,
            "each finding the AI called",
        ),
        (
            without("code", ""),
            StatusCode::FORBIDDEN,
            "code of the authenticator",
        ),
        (
            without("password", "wrong horse battery"),
            StatusCode::FORBIDDEN,
            "not right",
        ),
    ] {
        let revision = reader.page(&hospital).await.field("revision");
        let mut fields = fields;
        fields.push(("revision", revision.as_str()));
        let answer = reader.act(&hospital, "sign", &fields).await;
        assert_eq!(answer.status, status, "{wanted}");
        assert!(answer.body.contains(wanted), "{wanted}: {}", answer.body);
    }
    assert!(hospital.reports().await.is_empty());
    assert!(
        reader
            .page(&hospital)
            .await
            .body
            .contains(">Pneumonia.</textarea>"),
        "what was written is kept"
    );
    let signed = reader
        .sign(
            &hospital,
            &[("impression", "Pneumonia."), ("finding-pneumonia", "present")],
        )
        .await;
    assert_eq!(signed.status, StatusCode::SEE_OTHER, "{}", signed.body);
    let page = reader.page(&hospital).await;
    assert!(
        page.body.contains("Dr li.wei · MD · County hospital"),
        "{}",
        page.body
    );
    // Once is enough.
    let twice = reader
        .act(
            &hospital,
            "sign",
            &[("impression", "Another."), ("password", PASSWORD)],
        )
        .await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert_eq!(hospital.reports().await.len(), 1);
    assert_eq!(hospital.logged("sign_report").await.len(), 1);
}

#[tokio::test]
async fn a_signed_report_never_changes_and_what_is_added_names_it() {
    let hospital = Hospital::with_case().await;
    let mut reader = hospital.holder("li.wei").await;
    let early = reader
        .act(
            &hospital,
            "addendum",
            &[("impression", "More."), ("password", PASSWORD)],
        )
        .await;
    assert_eq!(early.status, StatusCode::NOT_FOUND, "nothing is there to add to");
    reader
        .sign(
            &hospital,
            &[("impression", "Pneumonia."), ("finding-pneumonia", "present")],
        )
        .await;
    let before = hospital.reports().await.remove(0);

    let mut other = hospital.reader("zhang.min", "reader", "county").await;
    let code = hospital.house.code(&other.known);
    let wrong = other
        .act(
            &hospital,
            "addendum",
            &[("impression", "And a nodule."), ("password", PASSWORD)],
        )
        .await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert!(wrong.body.contains("code of the authenticator"), "{}", wrong.body);
    let added = other
        .act(
            &hospital,
            "addendum",
            &[
                ("impression", "And a nodule."),
                ("password", PASSWORD),
                ("code", &code),
            ],
        )
        .await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.body);
    let reports = hospital.reports().await;
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0], before);
    assert_eq!(reports[1].addendum_to.as_ref(), Some(&before.id));
    assert_eq!(reports[1].signer, other.known.id);
    assert_eq!(hospital.logged("addendum").await.len(), 1);
    let down = hospital.down().await;
    let sent: Vec<Option<String>> = down
        .iter()
        .filter(|(_, kind, _)| *kind == v1::Kind::Report)
        .map(|(_, _, body)| {
            let content = decode_signed_report(body).unwrap().content;
            decode_report(&content).unwrap().addendum_to
        })
        .collect();
    assert_eq!(sent, [None, Some(before.id.clone())]);
    let page = reader.get(&hospital, &format!("/reports/{}", before.id)).await;
    let of = |text: &str| {
        page.body
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {}", page.body))
    };
    assert!(of("Pneumonia.") < of("And a nodule."));
}

#[tokio::test]
async fn two_readers_who_differ_leave_it_to_a_third() {
    let hospital = Hospital::with_case().await;
    let mut first = hospital.holder("li.wei").await;
    assert_eq!(
        first.act(&hospital, "second", &[]).await.status,
        StatusCode::SEE_OTHER
    );
    let given = first
        .sign(
            &hospital,
            &[
                ("impression", "The first word."),
                ("finding-pneumonia", "present"),
            ],
        )
        .await;
    assert_eq!(given.status, StatusCode::SEE_OTHER, "{}", given.body);
    assert!(hospital.reports().await.is_empty());
    let again = first.act(&hospital, "claim", &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.body.contains("You read this case before"), "{}", again.body);

    let mut second = hospital.holder("zhang.min").await;
    let page = second.page(&hospital).await;
    assert!(!page.body.contains("The first word."), "{}", page.body);
    let differs = second
        .sign(
            &hospital,
            &[
                ("impression", "The second word."),
                ("finding-pneumonia", "absent"),
            ],
        )
        .await;
    assert_eq!(differs.status, StatusCode::SEE_OTHER, "{}", differs.body);
    assert!(hospital.reports().await.is_empty(), "they differ");

    let mut third = hospital.reader("chen.jie", "reader", "city").await;
    third.act(&hospital, "claim", &[]).await;
    let page = third.page(&hospital).await;
    for word in ["The first word.", "The second word.", "Dr li.wei", "Dr zhang.min"] {
        assert!(page.body.contains(word), "{word}: {}", page.body);
    }
    let decided = third
        .sign(
            &hospital,
            &[("impression", "Decided."), ("finding-pneumonia", "present")],
        )
        .await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER, "{}", decided.body);
    let reports = hospital.reports().await;
    let report = decode_report(&reports[0].signed.content).unwrap();
    let readers: Vec<(&str, Part)> = report
        .readers
        .iter()
        .map(|reader| (reader.person.as_str(), reader.part))
        .collect();
    assert_eq!(
        readers,
        [
            (first.known.id.as_str(), Part::First),
            (second.known.id.as_str(), Part::Second),
            (third.known.id.as_str(), Part::Adjudicator),
        ]
    );
}

#[tokio::test]
async fn new_images_between_opening_and_signing_are_not_signed_unseen() {
    let hospital = Hospital::with_case().await;
    let mut reader = hospital.holder("li.wei").await;
    let draft = [
        ("revision", "0"),
        ("impression", "Pneumonia."),
        ("finding-pneumonia", "present"),
    ];
    reader.act(&hospital, "draft", &draft).await;
    hospital.result(2).await;
    assert_eq!(hospital.case().await.life.version, 2);
    let code = hospital.house.code(&reader.known);
    let late = [
        ("revision", "1"),
        ("version", "1"),
        ("impression", "Pneumonia."),
        ("finding-pneumonia", "present"),
        ("password", PASSWORD),
        ("code", code.as_str()),
    ];
    let refused = reader.act(&hospital, "sign", &late).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("New images have come"), "{}", refused.body);
    assert!(hospital.reports().await.is_empty());
    let signed = reader
        .sign(
            &hospital,
            &[("impression", "Pneumonia."), ("finding-pneumonia", "present")],
        )
        .await;
    assert_eq!(signed.status, StatusCode::SEE_OTHER, "{}", signed.body);
    assert_eq!(hospital.reports().await[0].version, 2);
}
