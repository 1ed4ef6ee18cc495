//! Whatever can be guessed, guessed: quickly, from many addresses, and with the right half known.

use std::process::{Command, Stdio};

use barefoot_test_support::CT_IMAGE;
use barefoot_test_support::scanner::raw::{Proposal, RawAssociation};

use super::clinic::{Clinic, PIN, cookie_of};
use super::hall::{Hall, PASSWORD, Visitor};
use super::http::Answer;
use super::ledger::{Attack, Ledger};

const TRIES: u8 = 24;

/// Whether an answer to a sign-in made somebody a session.
fn has_session(answer: &Answer) -> bool {
    answer
        .headers("set-cookie")
        .any(|cookie| cookie.starts_with("__Host-session=") && !cookie.starts_with("__Host-session=;"))
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_leads_nowhere() {
    let mut ledger = Ledger::default();
    let hall = Hall::open().await;
    passwords_and_codes(&mut ledger, &hall).await;
    one_time_codes(&mut ledger, &hall).await;
    tokens_and_cookies(&mut ledger, &hall).await;
    pins_and_titles(&mut ledger).await;
    ledger.settle();
}

async fn passwords_and_codes(ledger: &mut Ledger, hall: &Hall) {
    // From an address of its own each, so that only the account can tell that somebody guesses.
    let victim = hall.account("victim", &["reader"]).await;
    for number in 0..TRIES {
        let mut visitor = Visitor::before_sign_in(hall, &format!("10.1.1.{number}")).await;
        let guess = format!("Blaue-Berge-{number}-im-Regen");
        let answer = visitor
            .signs_in(hall, "victim", &guess, &victim.next_code())
            .await;
        ledger.tried(
            Attack::Guessing,
            &format!("password {number}: {}", answer.status),
            has_session(&answer),
        );
    }
    let mut visitor = Visitor::before_sign_in(hall, "10.1.2.1").await;
    let answer = visitor
        .signs_in(hall, "victim", PASSWORD, &victim.next_code())
        .await;
    ledger.tried(
        Attack::Guessing,
        "the right password at last, while it is locked",
        has_session(&answer),
    );

    // The password is known, the code is not.
    let known = hall.account("known", &["reader"]).await;
    for number in 0..TRIES {
        let mut visitor = Visitor::before_sign_in(hall, &format!("10.1.3.{number}")).await;
        let right = known.next_code();
        let guess = format!(
            "{:06}",
            (right.parse::<u32>().unwrap() + 1 + u32::from(number) * 7919) % 1_000_000
        );
        let answer = visitor.signs_in(hall, "known", PASSWORD, &guess).await;
        ledger.tried(
            Attack::Guessing,
            &format!("code {number}: {}", answer.status),
            has_session(&answer),
        );
    }
    let mut visitor = Visitor::before_sign_in(hall, "10.1.4.1").await;
    let answer = visitor
        .signs_in(hall, "known", PASSWORD, &known.next_code())
        .await;
    ledger.tried(
        Attack::Guessing,
        "the right code at last, while it is locked",
        has_session(&answer),
    );

    // Many names from one address.
    for number in 0..TRIES {
        let mut visitor = Visitor::before_sign_in(hall, "10.1.5.1").await;
        let answer = visitor
            .signs_in(hall, &format!("reader{number}"), PASSWORD, "000000")
            .await;
        ledger.tried(
            Attack::Guessing,
            &format!("name {number}: {}", answer.status),
            has_session(&answer),
        );
    }

    // A code that was looked at over somebody's shoulder.
    let seen = hall.account("seen", &["reader"]).await;
    let code = seen.next_code();
    let mut visitor = Visitor::before_sign_in(hall, "10.1.6.1").await;
    let answer = visitor.signs_in(hall, "seen", PASSWORD, &code).await;
    ledger.control(Attack::Guessing, "the account's own person", has_session(&answer));
    let first = super::hall::code(seen.secret(), 0);
    for (what, again) in [
        ("the code again", code.as_str()),
        ("the code that set the account up", first.as_str()),
    ] {
        let mut visitor = Visitor::before_sign_in(hall, "10.1.6.2").await;
        let answer = visitor.signs_in(hall, "seen", PASSWORD, again).await;
        ledger.tried(Attack::Guessing, what, has_session(&answer));
    }
}

async fn one_time_codes(ledger: &mut Ledger, hall: &Hall) {
    let said = hall.console(&[
        "person",
        "add",
        "--name",
        "new",
        "--display-name",
        "New",
        "--tier",
        "county",
        "--role",
        "operator",
    ]);
    let code = said
        .lines()
        .map(str::trim)
        .find(|line| line.matches('-').count() == 5)
        .unwrap();
    let (start, last) = code.split_at(code.len() - 1);
    let other = if last == "A" { "B" } else { "A" };
    let mut guesses: Vec<String> = (0..TRIES)
        .map(|number| {
            let letter = char::from(b'A' + number);
            code.chars()
                .map(|c| if c == '-' { '-' } else { letter })
                .collect()
        })
        .collect();
    guesses.extend([
        format!("{start}{other}"),
        start.to_owned(),
        "%".to_owned(),
        "' OR 1=1 --".to_owned(),
    ]);
    for (number, guess) in guesses.iter().enumerate() {
        let mut visitor = Visitor::from(&format!("10.1.7.{number}"));
        let answer = visitor
            .get(hall, &format!("/set-up?code={}", super::http::escaped(guess)))
            .await;
        let got_in =
            answer.text().contains("name=\"set_up_code\" value") || answer.text().contains("name=\"secret\"");
        ledger.tried(
            Attack::Guessing,
            &format!("one-time code {guess}: {}", answer.status),
            got_in,
        );
    }
    let mut visitor = Visitor::from("10.1.8.1");
    let answer = visitor.get(hall, &format!("/set-up?code={code}")).await;
    ledger.control(
        Attack::Guessing,
        "the right one-time code",
        answer.text().contains("name=\"secret\""),
    );
}

async fn tokens_and_cookies(ledger: &mut Ledger, hall: &Hall) {
    let token = hall.token("a program", "reader");
    let person = hall.person("sun", &["reader"]).await;
    let session = person.cookie("__Host-session").unwrap().to_owned();
    let near = |secret: &str| -> Vec<String> {
        let mut all: Vec<String> = (1..=12)
            .map(|at| {
                let mut letters: Vec<char> = secret.chars().collect();
                let place = letters.len() - at;
                letters[place] = if letters[place] == 'A' { 'B' } else { 'A' };
                letters.into_iter().collect()
            })
            .collect();
        let half = &secret[..secret.len() / 2];
        all.extend([
            half.to_owned(),
            format!("{secret}A"),
            secret.to_ascii_uppercase(),
            format!("{half}*"),
        ]);
        all
    };
    for guess in near(&token) {
        let answer = Visitor::program(&guess)
            .asks("GET", "/api/results")
            .send(hall.page())
            .await;
        ledger.tried(
            Attack::Guessing,
            &format!("a token nearly right: {}", answer.status),
            answer.is_let_in(),
        );
    }
    for scheme in ["Basic", "Token", "Bearer,", "Bearerx"] {
        let request = Visitor::from("10.1.9.1").asks("GET", "/api/results");
        let answer = request
            .header("authorization", &format!("{scheme} {token}"))
            .send(hall.page())
            .await;
        ledger.tried(
            Attack::Guessing,
            &format!("a token as {scheme}: {}", answer.status),
            answer.is_let_in(),
        );
    }
    for guess in near(&session) {
        let mut visitor = Visitor::from("10.1.9.2");
        visitor.put_cookie("__Host-session", &guess);
        let answer = visitor.asks("GET", "/api/results").send(hall.page()).await;
        ledger.tried(
            Attack::Guessing,
            &format!("a session nearly right: {}", answer.status),
            answer.is_let_in(),
        );
    }
    for name in ["session", "__Secure-session", "__host-session"] {
        let mut visitor = Visitor::from("10.1.9.3");
        visitor.put_cookie(name, &session);
        let answer = visitor.asks("GET", "/api/results").send(hall.page()).await;
        ledger.tried(
            Attack::Guessing,
            &format!("a session as {name}: {}", answer.status),
            answer.is_let_in(),
        );
    }
    let answer = Visitor::program(&token)
        .asks("GET", "/api/results")
        .send(hall.page())
        .await;
    ledger.control(Attack::Guessing, "the right token", answer.status == 200);
    let answer = person.asks("GET", "/api/results").send(hall.page()).await;
    ledger.control(Attack::Guessing, "the right session", answer.status == 200);
}

async fn pins_and_titles(ledger: &mut Ledger) {
    let clinic = Clinic::open("").await;
    clinic.add("Wang", &["doctor"]);
    clinic.add("Zhao", &["manager"]);
    let (wang, zhao) = (clinic.id_of("Wang").await, clinic.id_of("Zhao").await);
    for number in 0..TRIES {
        let guess = (471_193 + (u32::from(number) + 1) * 101).to_string();
        let answer = clinic.try_pin(&wang, &guess, "").await;
        ledger.tried(
            Attack::Guessing,
            &format!("PIN {number}: {}", answer.status),
            cookie_of(&answer).is_some(),
        );
    }
    let answer = clinic.try_pin(&wang, PIN, "").await;
    ledger.tried(
        Attack::Guessing,
        "the right PIN at last, while it is locked",
        cookie_of(&answer).is_some(),
    );
    for user in ["", "nobody", "Wang", "../Wang", "*"] {
        let answer = clinic.try_pin(user, PIN, "").await;
        ledger.tried(
            Attack::Guessing,
            &format!("the PIN of user {user:?}"),
            cookie_of(&answer).is_some(),
        );
    }
    let answer = clinic.try_pin(&zhao, PIN, "").await;
    ledger.control(
        Attack::Guessing,
        "another user's right PIN",
        cookie_of(&answer).is_some(),
    );

    let address = clinic.edge.address("dicom").unwrap().to_owned();
    let associate = move |called: &str, calling: &str| {
        let proposal = Proposal::new(called, calling).with(CT_IMAGE, "1.2.840.10008.1.2.1");
        RawAssociation::open(&address, &proposal).is_ok()
    };
    let titles = [
        "",
        "ANY-SCP",
        "BAREFOOT",
        "ORTHANC",
        "STORESCU",
        "CT1",
        "MR1",
        "DR1",
        "sim_dr1",
        "SIM_DR",
        "SIM_DR1X",
        "SIM_DR2",
        "SIM*",
        "SIM_DR1\0",
        "PACS",
        "DCMTK",
    ];
    for title in titles {
        let got_in = tokio::task::block_in_place(|| associate("BAREFOOT", title));
        ledger.tried(Attack::Guessing, &format!("the AE title {title:?}"), got_in);
    }
    let works = tokio::task::block_in_place(|| associate("BAREFOOT", "SIM_DR1"));
    ledger.control(Attack::Guessing, "the scanner's own AE title", works);

    // A code of enrolment, at the console of a box that belongs to nobody.
    let region = barefoot_test_support::daemons::Region::new().unwrap();
    let ports = barefoot_test_support::daemons::HubPorts {
        mqtt: crate::nodes::free_port(),
        grpc: crate::nodes::free_port(),
        enrolment: crate::nodes::free_port(),
    };
    let mut hub = region.enrolling_hub(ports, "").unwrap();
    hub.start().await.unwrap();
    region.person(barefoot_trust::Role::Operator, "wang").unwrap();
    let ctl = barefoot_test_support::daemons::Ctl::new(&region, "wang", &format!("localhost:{}", ports.grpc));
    let line = ctl.run(&["site", "add", "clinic-9", "--line"]).unwrap();
    let (place, code) = line.trim().rsplit_once('/').unwrap();
    let new = region
        .new_box("new", &barefoot_test_support::daemons::EdgeOptions::default())
        .unwrap();
    let swapped: String = code.chars().rev().collect();
    let (start, last) = code.split_at(code.len() - 1);
    let other = if last == "A" { "B" } else { "A" };
    for guess in [
        "ABCD-EFGH-IJKL-MNOP-QRST",
        "AAAA-AAAA-AAAA-AAAA-AAAA",
        &swapped,
        &format!("{start}{other}"),
    ] {
        let got_in = enrols(new.config(), &format!("{place}/{guess}"));
        ledger.tried(
            Attack::Guessing,
            &format!("the code of enrolment {guess}"),
            got_in,
        );
    }
    ledger.control(
        Attack::Guessing,
        "the right code of enrolment",
        enrols(new.config(), line.trim()),
    );
    ledger.tried(Attack::Guessing, "the same code again, for another box", {
        let second = region
            .new_box("second", &barefoot_test_support::daemons::EdgeOptions::default())
            .unwrap();
        enrols(second.config(), line.trim())
    });
}

fn enrols(config: &std::path::Path, line: &str) -> bool {
    use std::io::Write as _;
    let program = std::env::current_exe().unwrap();
    let program = program.parent().unwrap().parent().unwrap().join("barefoot-edge");
    let mut process = Command::new(program)
        .arg("--config")
        .arg(config)
        .arg("enrol")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(process.stdin.take().unwrap(), "{line}").unwrap();
    process.wait().unwrap().success()
}
