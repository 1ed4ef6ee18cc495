use axum::http::StatusCode;

use super::*;
use crate::people::AccountError;

#[tokio::test]
async fn a_one_time_code_is_good_once_for_three_days_and_shows_nothing_twice() {
    let house = House::new().await;
    let (_, code) = house.add("li.wei", "reader").await;
    let mut browser = Browser::default();
    let page = browser
        .get(&house, &format!("/set-up?code={}", code.to_lowercase()))
        .await;
    assert!(
        page.body.contains("<svg class=\"square\"") && page.body.contains("li.wei"),
        "{}",
        page.body
    );
    let again = browser.get(&house, &format!("/set-up?code={code}")).await;
    assert_ne!(
        page.field("secret"),
        again.field("secret"),
        "who looked before knows nothing"
    );

    house.set_up(&code).await;
    let used = browser.get(&house, &format!("/set-up?code={code}")).await;
    assert_eq!(used.status, StatusCode::FORBIDDEN);
    assert!(used.body.contains("not valid") && !used.body.contains("<svg"));

    let (_, late) = house.add("wu.min", "reader").await;
    house.pass(72 * 3600);
    assert_eq!(
        browser.get(&house, &format!("/set-up?code={late}")).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_mistake_while_setting_up_can_be_mended() {
    let house = House::new().await;
    let (_, code) = house.add("li.wei", "reader").await;
    let mut browser = Browser::default();
    let page = browser.get(&house, &format!("/set-up?code={code}")).await;
    let (csrf, secret) = (page.field("csrf"), page.field("secret"));
    let first = totp::code(&totp::read(&secret).unwrap(), house.now_ms());
    for (password, repeated, typed, said) in [
        ("short", "short", first.as_str(), "at least 10"),
        (PASSWORD, "another horse", first.as_str(), "differ"),
        ("aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", first.as_str(), "too easy"),
        (PASSWORD, PASSWORD, "000000", "code is not right"),
    ] {
        let fields = [
            ("set_up_code", code.as_str()),
            ("secret", secret.as_str()),
            ("password", password),
            ("repeated", repeated),
            ("code", typed),
        ];
        let answer = browser.send(&house, "/set-up", &csrf, &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(said), "{said}: {}", answer.body);
        assert_eq!(answer.field("secret"), secret, "the app has it already");
    }
}

#[tokio::test]
async fn a_changed_password_opens_and_the_old_one_does_not() {
    let house = House::new().await;
    let known = house.known("li.wei", "reader").await;
    let mut browser = house.signed_in(&known).await;
    let mut other = house.signed_in(&known).await;
    let csrf = browser.get(&house, "/account").await.field("csrf");
    let new = "another horse entirely";
    let code = house.code(&known);
    let mut fields = [
        ("old", "wrong horse battery"),
        ("code", code.as_str()),
        ("password", new),
        ("repeated", new),
    ];
    let wrong = browser.send(&house, "/account/password", &csrf, &fields).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    fields[0].1 = PASSWORD;
    let changed = browser.send(&house, "/account/password", &csrf, &fields).await;
    assert_eq!(changed.location(), "/account?done=true", "{}", changed.body);
    assert_eq!(browser.get(&house, "/").await.status, StatusCode::OK);
    assert_eq!(
        other.get(&house, "/").await.status,
        StatusCode::SEE_OTHER,
        "other sessions ended"
    );
    let code = house.code(&known);
    assert_eq!(
        other.sign_in(&house, "li.wei", PASSWORD, &code).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        other.sign_in(&house, "li.wei", new, &code).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_new_authenticator_takes_the_place_of_the_old() {
    let house = House::new().await;
    let mut known = house.known("li.wei", "reader").await;
    let mut browser = house.signed_in(&known).await;
    let page = browser.get(&house, "/account/authenticator").await;
    let secret = totp::read(&page.field("secret")).unwrap();
    let old = house.code(&known);
    let new = totp::code(&secret, house.now_ms());
    let text = page.field("secret");
    let fields = [
        ("password", PASSWORD),
        ("code", &old),
        ("secret", &text),
        ("new_code", &new),
    ];
    let changed = browser
        .send(&house, "/account/authenticator", &page.field("csrf"), &fields)
        .await;
    assert_eq!(changed.location(), "/account?done=true", "{}", changed.body);
    let code = house.code(&known);
    let refused = Browser::default()
        .sign_in(&house, "li.wei", PASSWORD, &code)
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    known.secret = secret;
    house.signed_in(&known).await;
}

#[tokio::test]
async fn an_operator_makes_accounts_and_gives_new_codes() {
    let house = House::new().await;
    let operator = house.known("op.one", "operator").await;
    let mut desk = house.signed_in(&operator).await;
    let csrf = desk.get(&house, "/people/new").await.field("csrf");
    let mut fields = vec![
        ("name", "li.wei"),
        ("display_name", "李伟"),
        ("title", "主任医师"),
        ("institution", "县医院"),
        ("role_chief", "on"),
        ("tier", "city"),
        ("subspecialties", "chest ct"),
        ("language", "zh"),
        ("active", "on"),
    ];
    let made = desk.send(&house, "/people/new", &csrf, &fields).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let code = made
        .body
        .split("<code class=\"key\">")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    let person = house.people.by_name("li.wei").await.unwrap();
    assert!(!person.set_up && person.has(Role::Reader) && person.subspecialties == ["chest", "ct"]);
    let again = desk.send(&house, "/people/new", &csrf, &fields).await;
    assert!(again.status == StatusCode::UNPROCESSABLE_ENTITY && again.body.contains("taken"));
    fields[0].1 = "Li Wei";
    assert!(
        desk.send(&house, "/people/new", &csrf, &fields)
            .await
            .body
            .contains("2 to 32")
    );

    let secret = house.set_up(&code).await;
    let known = Known {
        id: person.id.clone(),
        name: "li.wei".into(),
        secret,
    };
    let mut reader = house.signed_in(&known).await;
    let key = house.archive.signing_key(&known.id).await.unwrap().unwrap();
    let reset = desk
        .send(&house, &format!("/people/{}/reset", known.id), &csrf, &[])
        .await;
    assert_eq!(reset.status, StatusCode::OK);
    assert_eq!(reader.get(&house, "/").await.status, StatusCode::SEE_OTHER);
    assert!(
        house.archive.signing_key(&known.id).await.unwrap().is_none(),
        "the old key signs nothing more"
    );
    let code = reset
        .body
        .split("<code class=\"key\">")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    house.set_up(&code).await;
    let new = house.archive.signing_key(&known.id).await.unwrap().unwrap();
    assert_ne!(key.public_key, new.public_key);

    // Nobody locks the last door behind themselves.
    let own = format!("/people/{}", operator.id);
    let refused = desk.send(&house, &own, &csrf, &fields[1..]).await;
    assert!(
        refused.body.contains("cannot disable yourself"),
        "{}",
        refused.body
    );
    let unknown = house.people.reset(Actor::Console, "nobody").await.err().unwrap();
    assert!(matches!(unknown, AccountError::Unknown));
}
