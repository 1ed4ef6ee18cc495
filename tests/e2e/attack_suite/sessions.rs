//! Sessions that an attacker chose or copied, and forms that somebody else's page sends.

use super::clinic::{Clinic, PIN, cookie_of};
use super::hall::{Hall, PASSWORD, Visitor};
use super::http::Request;
use super::ledger::{Attack, Ledger};
use super::routes::operations;
use super::routes_of_the_box::forms;

const SESSION: &str = "__Host-session";

#[tokio::test(flavor = "multi_thread")]
async fn no_session_is_what_an_attacker_made_it() {
    let mut ledger = Ledger::default();
    let hall = Hall::open().await;
    at_the_hub(&mut ledger, &hall).await;
    at_the_box(&mut ledger).await;
    ledger.settle();
}

async fn is_in(hall: &Hall, visitor: &Visitor) -> bool {
    visitor
        .asks("GET", "/api/results")
        .send(hall.page())
        .await
        .is_let_in()
}

fn with_session(token: &str) -> Visitor {
    let mut visitor = Visitor::from("10.2.0.1");
    visitor.put_cookie(SESSION, token);
    visitor
}

async fn at_the_hub(ledger: &mut Ledger, hall: &Hall) {
    // The attacker's own browser has a form's cookie, and puts a session of its choice beside it into the victim's.
    let attacker = Visitor::before_sign_in(hall, "10.2.0.2").await;
    let attackers_form = attacker.cookie("__Host-form").unwrap().to_owned();
    for chosen in ["A".repeat(43), attackers_form.clone(), "0".repeat(64)] {
        let name = format!("victim{}", chosen.len() + usize::from(chosen == attackers_form));
        let victim = hall.account(&name, &["reader"]).await;
        let mut browser = attacker.clone();
        browser.put_cookie(SESSION, &chosen);
        let answer = browser
            .signs_in(hall, &victim.name, PASSWORD, &victim.next_code())
            .await;
        let own = browser.cookie(SESSION).unwrap().to_owned();
        ledger.control(
            Attack::Fixation,
            "the victim signs in",
            answer.status == 303 && is_in(hall, &browser).await,
        );
        ledger.tried(
            Attack::Fixation,
            "the chosen session is the victim's now",
            own == chosen,
        );
        ledger.tried(
            Attack::Fixation,
            "the chosen session is let in",
            is_in(hall, &with_session(&chosen)).await,
        );
        let set = answer
            .headers("set-cookie")
            .find(|cookie| cookie.starts_with(SESSION))
            .unwrap();
        let is_guarded = ["HttpOnly", "Secure", "SameSite", "Path=/"]
            .iter()
            .all(|word| set.contains(word));
        ledger.tried(
            Attack::Fixation,
            &format!("a cookie that scripts or other sites get: {set}"),
            !is_guarded,
        );
    }
    // Two sessions of one person are two.
    let ended = hall.person("ended", &["reader"]).await;
    let copy = with_session(ended.cookie(SESSION).unwrap());
    ledger.control(
        Attack::Fixation,
        "a session before its end",
        is_in(hall, &copy).await,
    );
    let done = ended.clone().post(hall, "/sign-out/everywhere", &[]).await;
    assert_eq!(done.status, 303);
    ledger.tried(
        Attack::Fixation,
        "a copy of a session that was ended",
        is_in(hall, &copy).await,
    );

    let blocked = hall.person("blocked", &["reader"]).await;
    ledger.control(Attack::Fixation, "before the block", is_in(hall, &blocked).await);
    hall.console(&["person", "disable", "blocked"]);
    ledger.tried(
        Attack::Fixation,
        "a session of somebody who was blocked",
        is_in(hall, &blocked).await,
    );

    let reset = hall.person("reset", &["reader"]).await;
    hall.console(&["person", "reset", "reset"]);
    ledger.tried(
        Attack::Fixation,
        "a session from before an account was reset",
        is_in(hall, &reset).await,
    );

    // Whoever shows a token that is none is nobody, whatever cookie comes with it.
    let mut both = hall.person("both", &["reader"]).await;
    both.token = Some("bft_none".to_owned());
    ledger.tried(
        Attack::Fixation,
        "a session beside a token that is none",
        is_in(hall, &both).await,
    );
}

async fn at_the_box(ledger: &mut Ledger) {
    let clinic = Clinic::open("").await;
    clinic.add("Wang", &["doctor"]);
    let id = clinic.id_of("Wang").await;
    let is_in = async |cookie: &str| {
        let answer = Request::new("GET", "/orders")
            .header("cookie", cookie)
            .send(clinic.page())
            .await;
        answer.status == 200
    };
    for chosen in ["0".repeat(64), "f".repeat(64), "a".to_owned()] {
        let cookie = format!("barefoot-edge-session={chosen}");
        let answer = clinic.try_pin(&id, PIN, &cookie).await;
        let own = cookie_of(&answer).unwrap();
        ledger.control(
            Attack::Fixation,
            "the victim signs in at the box",
            is_in(&own).await,
        );
        ledger.tried(
            Attack::Fixation,
            "the chosen session is the victim's at the box",
            own == cookie,
        );
        ledger.tried(
            Attack::Fixation,
            "the chosen session is let in at the box",
            is_in(&cookie).await,
        );
        let out = Request::new("POST", "/sign-out")
            .header("cookie", &own)
            .send(clinic.page())
            .await;
        assert_eq!(out.status, 303);
        ledger.tried(
            Attack::Fixation,
            "a session that was ended at the box",
            is_in(&own).await,
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_asks_where_it_came_from() {
    let mut ledger = Ledger::default();
    let hall = Hall::open().await;
    // Whoever may do most, so that nothing but the form's origin stands in the way.
    let victim = hall
        .person("victim", &["chief", "operator", "auditor", "maintainer"])
        .await;
    let other = hall.person("other", &["chief", "operator"]).await;
    let before = Visitor::before_sign_in(&hall, "10.2.1.1").await;
    let (_, operations) = operations(&hall, &victim).await;
    let forms_of_the_hub: Vec<_> = operations
        .iter()
        .filter(|operation| operation.is_form())
        .collect();
    assert!(25 < forms_of_the_hub.len());
    let place = |name: &str| {
        if name == "clinic" {
            "clinic-7".to_owned()
        } else {
            "2.25.1".to_owned()
        }
    };
    for form in &forms_of_the_hub {
        // Who reads a report at a desk of the clinic may ask whether it holds without any session. The sign-in provider tells
        // of sign-outs by a token that it signed, from no browser.
        if ["/verify", "/sign-in/oidc/signed-out"].contains(&form.path.as_str()) {
            continue;
        }
        let mut whose = if form.is_open {
            before.clone()
        } else {
            victim.clone()
        };
        let right = whose.csrf.clone();
        let path = form.address(place);
        let name = format!("{} {path}", form.method);
        for wrong in [
            "",
            other.csrf.as_str(),
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            whose.csrf = wrong.to_owned();
            let answer = form.request(&whose, &path).send(hall.page()).await;
            ledger.tried(
                Attack::ForgedForms,
                &format!("{name} with the token {wrong:?}: {}", answer.status),
                answer.status != 403,
            );
        }
        whose.csrf = right;
        for (header, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
        ] {
            let answer = form
                .request(&whose, &path)
                .header(header, value)
                .send(hall.page())
                .await;
            let what = format!("{name} with {header}: {value}: {}", answer.status);
            ledger.tried(Attack::ForgedForms, &what, answer.status != 403);
        }
    }
    // The same forms as they should be; those that end the session are left to others.
    for path in [
        "/worklist/hide-ai",
        "/roster/remove",
        "/cases/clinic-7/2.25.1/claim",
    ] {
        let form = forms_of_the_hub
            .iter()
            .find(|form| form.address(place) == path)
            .unwrap();
        let answer = form
            .request(&victim, path)
            .header("sec-fetch-site", "same-origin")
            .send(hall.page())
            .await;
        ledger.control(
            Attack::ForgedForms,
            &format!("{path}: {}", answer.status),
            answer.status != 403,
        );
    }
    // What programs do by token no form can do by a cookie.
    for operation in operations
        .iter()
        .filter(|one| one.path.starts_with("/dicom-web") && !matches!(one.method.as_str(), "GET" | "OPTIONS"))
    {
        let path = operation.address(place);
        let answer = operation.request(&victim, &path).send(hall.page()).await;
        let what = format!("{} {path} by a browser: {}", operation.method, answer.status);
        ledger.tried(Attack::ForgedForms, &what, answer.is_let_in());
    }

    let clinic = Clinic::open("").await;
    clinic.add("Zhao", &["doctor", "technician", "manager"]);
    let cookie = clinic.signed_in("Zhao").await;
    for path in forms() {
        for (header, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
        ] {
            let request = Request::new("POST", &path)
                .header("cookie", &cookie)
                .header(header, value)
                .form(&[]);
            let answer = request.send(clinic.page()).await;
            let what = format!("{path} at the box with {header}: {value}: {}", answer.status);
            ledger.tried(Attack::ForgedForms, &what, answer.status != 403);
        }
    }
    let own = format!("http://{}", clinic.page());
    let request = Request::new("POST", "/search")
        .header("cookie", &cookie)
        .header("origin", &own)
        .form(&[("what", "x")]);
    let answer = request.send(clinic.page()).await;
    ledger.control(
        Attack::ForgedForms,
        &format!("the box's own form: {}", answer.status),
        answer.status == 200,
    );
    ledger.settle();
}
