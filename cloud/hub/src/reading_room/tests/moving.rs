use barefoot_domain::{Author, Subject, Tier};
use barefoot_wire::decode_message;

use super::*;
use crate::worklist::life::State as CaseState;

#[tokio::test]
async fn of_two_who_claim_one_reads_and_the_other_is_told() {
    let hospital = Hospital::with_case().await;
    let mut first = hospital.reader("li.wei", "reader", "county").await;
    let mut second = hospital.reader("zhang.min", "reader", "county").await;
    // Both have the page open.
    for reader in [&mut first, &mut second] {
        assert!(reader.page(&hospital).await.body.contains("Read this case"));
    }
    let (one, other) = tokio::join!(
        first.act(&hospital, "claim", &[]),
        second.act(&hospital, "claim", &[])
    );
    let (holder, mut loser, refused) = if one.status == StatusCode::SEE_OTHER {
        (first, second, other)
    } else {
        (second, first, one)
    };
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(
        refused.body.contains("Another reader has this case") && refused.body.contains(&address(&key())),
        "{}",
        refused.body
    );
    assert!(hospital.case().await.life.is_held_by(&holder.known.id));
    assert_eq!(
        hospital.logged("claim").await,
        [(holder.known.id.clone(), String::new())]
    );
    let page = loser.page(&hospital).await;
    assert!(
        page.body.contains(&format!("Dr {}", holder.known.name)),
        "{}",
        page.body
    );
    for act in ["release", "renew", "second"] {
        let answer = loser.act(&hospital, act, &[]).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{act}");
    }
}

#[tokio::test]
async fn a_case_goes_up_with_a_reason_and_the_next_tier_takes_it() {
    let hospital = Hospital::with_case().await;
    let mut county = hospital.holder("li.wei").await;
    let mut colleague = hospital.reader("zhang.min", "reader", "county").await;
    let mut city = hospital.reader("chen.jie", "reader", "city").await;
    let silent = county.act(&hospital, "refer", &[("to", ""), ("why", " ")]).await;
    assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(silent.body.contains("Say why first"), "{}", silent.body);

    let referred = county
        .act(&hospital, "refer", &[("to", ""), ("why", "a rare pattern")])
        .await;
    assert_eq!(referred.location(), "/worklist");
    let case = hospital.case().await;
    assert_eq!(
        (case.life.state, case.life.tier),
        (CaseState::Waiting, Tier::City)
    );
    assert_eq!(
        hospital.logged("refer").await,
        [(county.known.id.clone(), "a rare pattern".to_owned())]
    );
    let refused = colleague.act(&hospital, "claim", &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("a tier above yours"), "{}", refused.body);
    let page = city.page(&hospital).await;
    assert!(page.body.contains("a rare pattern"), "{}", page.body);
    assert_eq!(
        city.act(&hospital, "claim", &[]).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_case_is_referred_to_somebody_who_can_read_it() {
    let hospital = Hospital::with_case().await;
    let mut holder = hospital.holder("li.wei").await;
    let operator = hospital.house.known_at("op.li", "operator", "county").await;
    for nobody in [operator.id.as_str(), "01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
        let refused = holder
            .act(&hospital, "refer", &[("to", nobody), ("why", "yours")])
            .await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        assert!(hospital.case().await.life.is_held_by(&holder.known.id));
    }
    let named = hospital.house.known_at("chen.jie", "reader", "city").await;
    let referred = holder
        .act(&hospital, "refer", &[("to", &named.id), ("why", "yours")])
        .await;
    assert_eq!(referred.status, StatusCode::SEE_OTHER, "{}", referred.body);
    let offer = hospital.case().await.life.offer.unwrap();
    assert_eq!(offer.person, named.id);
    let taken = holder.act(&hospital, "claim", &[]).await;
    assert_eq!(
        taken.status,
        StatusCode::CONFLICT,
        "it is kept for whom it was offered"
    );
}

#[tokio::test]
async fn more_images_are_asked_for_and_the_case_waits_for_them() {
    let hospital = Hospital::with_case().await;
    let mut holder = hospital.holder("li.wei").await;
    let mut other = hospital.reader("zhang.min", "reader", "county").await;
    let wanted = [("text", "A lateral view, please."), ("want_images", "yes")];
    let refused = other.act(&hospital, "message", &wanted).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "only who reads it asks");
    let long = "x".repeat(2001);
    for text in ["", "  ", "\u{7}", long.as_str()] {
        let answer = holder.act(&hospital, "message", &[("text", text)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("1 to 2000 characters"), "{}", answer.body);
    }
    let asked = holder.act(&hospital, "message", &wanted).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.body);
    assert_eq!(hospital.case().await.life.state, CaseState::ImagesWanted);
    assert_eq!(
        hospital.logged("message").await,
        [(holder.known.id.clone(), "images wanted".to_owned())]
    );
    let message = hospital
        .down()
        .await
        .into_iter()
        .find(|(_, kind, _)| *kind == v1::Kind::Message)
        .map(|(_, _, body)| decode_message(&body).unwrap())
        .unwrap();
    assert_eq!(
        (message.author, message.subject, message.text.as_str()),
        (Author::Expert, Subject::WantImages, "A lateral view, please.")
    );
    // They come, and the case is on the list again.
    hospital.result(2).await;
    let case = hospital.case().await;
    assert_eq!((case.life.state, case.life.version), (CaseState::Waiting, 2));
    let claimed = other.act(&hospital, "claim", &[]).await;
    assert_eq!(claimed.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_chief_keeps_the_teaching_file_and_takes_cases_off_the_list() {
    let hospital = Hospital::with_case().await;
    let mut chief = hospital.reader("wang.fang", "chief", "county").await;
    let listed = async |chief: &mut Reader| {
        let list = chief.get(&hospital, "/worklist?scope=teaching").await;
        list.body.contains(&address(&key()))
    };
    assert!(!listed(&mut chief).await);
    let marked = chief.act(&hospital, "teaching", &[("on", "yes")]).await;
    assert_eq!(marked.status, StatusCode::SEE_OTHER);
    assert!(listed(&mut chief).await);
    chief.act(&hospital, "teaching", &[("on", "no")]).await;
    assert!(!listed(&mut chief).await);
    let by_chief = |details: &str| (chief.known.id.clone(), details.to_owned());
    assert_eq!(
        hospital.logged("teaching").await,
        [by_chief("on"), by_chief("off")]
    );

    let silent = chief.act(&hospital, "withdraw", &[]).await;
    assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY);
    let gone = chief
        .act(&hospital, "withdraw", &[("why", "a test exposure")])
        .await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER, "{}", gone.body);
    assert_eq!(hospital.case().await.life.state, CaseState::Withdrawn);
}
