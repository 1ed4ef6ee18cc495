//! What was tried, and `docs/ATTACKS.md`, which says the same or the test fails. `UPDATE_ATTACKS=1` writes the rows anew.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use barefoot_test_support::daemons::workspace;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    Certificates,
    OldTls,
    Guessing,
    Fixation,
    ForgedForms,
    Routes,
    RoutesOfTheBox,
    Services,
    OthersObjects,
    Traversal,
    Oversize,
    Slow,
    Document,
    MalformedMqtt,
    Bombs,
    OtherClinics,
    Rounds,
    Shares,
    LogTampering,
}

impl Attack {
    const ALL: [Self; 19] = [
        Self::Certificates,
        Self::OldTls,
        Self::Guessing,
        Self::Fixation,
        Self::ForgedForms,
        Self::Routes,
        Self::RoutesOfTheBox,
        Self::Services,
        Self::OthersObjects,
        Self::Traversal,
        Self::Oversize,
        Self::Slow,
        Self::Document,
        Self::MalformedMqtt,
        Self::Bombs,
        Self::OtherClinics,
        Self::Rounds,
        Self::Shares,
        Self::LogTampering,
    ];

    /// What it is, the fewest attempts that count as one, and the test.
    fn about(self) -> (&'static str, u32, &'static str) {
        match self {
            Self::Certificates => (
                "Certificates that are missing, foreign, expired, not valid yet, revoked, of another role: each port",
                50,
                "no_port_opens_to_a_certificate_it_should_not",
            ),
            Self::OldTls => (
                "SSL 3, TLS 1.0, 1.1, 1.2 where 1.3 is spoken, weak suites: each TLS port",
                150,
                "no_port_speaks_old_tls_or_weak_suites",
            ),
            Self::Guessing => (
                "Guessed passwords, codes, one-time codes, tokens, cookies, PINs, AE titles",
                150,
                "guessing_leads_nowhere",
            ),
            Self::Fixation => (
                "Sessions chosen by the attacker, ended, copied, of people who were blocked: hub and box",
                12,
                "no_session_is_what_an_attacker_made_it",
            ),
            Self::ForgedForms => (
                "Forms of another site, without a token, with another session's: each form of hub and box",
                150,
                "every_form_asks_where_it_came_from",
            ),
            Self::Routes => (
                "Each address of the hub by each kind of caller who may not",
                800,
                "every_address_by_every_caller",
            ),
            Self::RoutesOfTheBox => (
                "Each address of the clinic page by each role that may not",
                100,
                "every_address_of_the_clinic_page_by_every_role",
            ),
            Self::Services => (
                "Each method of the hub's services by each kind of certificate that may not",
                100,
                "every_method_by_every_certificate",
            ),
            Self::OthersObjects => (
                "Cases, drafts, reports, workitems, subscriptions, accounts of somebody else",
                15,
                "what_is_somebody_elses_stays_theirs",
            ),
            Self::Traversal => (
                "Paths that climb: pages, images' port, viewer's files",
                100,
                "no_path_climbs_out",
            ),
            Self::Oversize => (
                "Heads, addresses, bodies, lengths that are too large: each port",
                20,
                "nothing_is_taken_that_is_too_large",
            ),
            Self::Slow => (
                "Callers who dribble or are silent, and hold a place: each port",
                60,
                "who_dribbles_is_cut_and_holds_nobody_up",
            ),
            Self::Document => (
                "Requests made from the hub's OpenAPI by schemathesis: each operation, as each caller",
                400,
                "no_request_the_document_can_tell_of_breaks_the_hub",
            ),
            Self::MalformedMqtt => (
                "MQTT packets that break the protocol, and mutations of good ones",
                200,
                "no_malformed_packet_is_taken",
            ),
            Self::Bombs => (
                "Decompression bombs: batches, DICOM objects, bodies",
                8,
                "no_bomb_goes_off",
            ),
            Self::OtherClinics => (
                "Another clinic's topics, wills, results, receipts, images, rounds",
                30,
                "a_clinic_reaches_nothing_of_another",
            ),
            Self::Rounds => (
                "Clinics within a federated round: others' chunks, wrong rounds, stages, shapes, encodings, numbers, claims",
                200,
                "no_clinic_harms_a_round_from_within",
            ),
            Self::Shares => (
                "Clinics within a round of secure aggregation: shares forged, of others, twice, of the wrong kind, at the wrong time",
                70,
                "no_forged_share_makes_a_wrong_sum",
            ),
            Self::LogTampering => (
                "Audit logs with lines changed, removed, moved, added, cut; the log's own table",
                60,
                "no_log_that_was_tampered_with_holds",
            ),
        }
    }
}

#[derive(Debug)]
struct Row {
    attack: Attack,
    tried: u32,
    controls: u32,
    let_in: Vec<String>,
}

/// The attempts of one test.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Vec<Row>);

/// Tests run side by side and write one document.
static DOCUMENT: Mutex<()> = Mutex::new(());

impl Ledger {
    fn row(&mut self, attack: Attack) -> &mut Row {
        let place = self.0.iter().position(|row| row.attack == attack);
        let place = place.unwrap_or_else(|| {
            self.0.push(Row {
                attack,
                tried: 0,
                controls: 0,
                let_in: Vec::new(),
            });
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    /// An attempt, and whether it got in.
    pub(crate) fn tried(&mut self, attack: Attack, what: &str, got_in: bool) {
        let row = self.row(attack);
        row.tried += 1;
        if got_in {
            row.let_in.push(what.to_owned());
        }
    }

    /// The same by who may: it must work.
    pub(crate) fn control(&mut self, attack: Attack, what: &str, works: bool) {
        assert!(works, "a control of {attack:?} does not work: {what}");
        self.row(attack).controls += 1;
    }

    /// Nothing got in, enough was tried, and the document says so.
    pub(crate) fn settle(self) {
        let _alone = DOCUMENT.lock().unwrap_or_else(PoisonError::into_inner);
        for row in &self.0 {
            let (what, least, _) = row.attack.about();
            println!("{what}: {} tried, {} controls", row.tried, row.controls);
            assert!(row.let_in.is_empty(), "{what}: LET IN\n{}", row.let_in.join("\n"));
            assert!(least <= row.tried, "{what}: only {} were tried", row.tried);
            assert!(0 < row.controls, "{what}: without a control");
        }
        let written = fs::read_to_string(path()).unwrap_or_default();
        let mut lines: Vec<(Attack, String)> = Attack::ALL
            .into_iter()
            .filter_map(|attack| {
                let begin = format!("| {} |", attack.about().0);
                let line = written.lines().find(|line| line.starts_with(&begin))?;
                Some((attack, line.to_owned()))
            })
            .collect();
        for row in &self.0 {
            let line = line(row);
            match lines.iter_mut().find(|(attack, _)| *attack == row.attack) {
                Some(place) => place.1 = line,
                None => lines.push((row.attack, line)),
            }
        }
        let found = text(&lines);
        if std::env::var_os("UPDATE_ATTACKS").is_some() {
            fs::write(path(), found).unwrap();
            return;
        }
        assert!(
            written == found,
            "docs/ATTACKS.md says otherwise; if this is right, UPDATE_ATTACKS=1 writes it:\n{}",
            self.0.iter().map(line).collect::<Vec<_>>().join("\n")
        );
    }
}

fn path() -> PathBuf {
    workspace().join("docs/ATTACKS.md")
}

fn line(row: &Row) -> String {
    let (what, _, test) = row.attack.about();
    let refused = row.tried as usize - row.let_in.len();
    format!(
        "| {what} | {} | {refused} | {} | {} | `{test}` |",
        row.tried,
        row.let_in.len(),
        row.controls
    )
}

const HEAD: &str = "\
# Attacks

What the attack suite (`tests/e2e/attack_suite`) tries against the real programs with every run of the tests, and how often.
It fails when one attempt gets in, when fewer are made, or when this table says otherwise; `UPDATE_ATTACKS=1 cargo test --test
e2e attack_suite` writes it anew. *Controls* are the same acts by who may do them: each of them must work, or a shut door would
prove nothing. What protects what, and other tests, stand in [SECURITY.md](SECURITY.md).

| attack | tried | refused | let in | controls | test |
|---|---|---|---|---|---|
";

fn text(lines: &[(Attack, String)]) -> String {
    let mut text = HEAD.to_owned();
    let mut sums = [0_u32; 4];
    for attack in Attack::ALL {
        let Some((_, line)) = lines.iter().find(|(of, _)| *of == attack) else {
            continue;
        };
        text.push_str(line);
        text.push('\n');
        for (sum, cell) in sums.iter_mut().zip(line.split('|').skip(2)) {
            *sum += cell.trim().parse::<u32>().unwrap();
        }
    }
    let [tried, refused, let_in, controls] = sums;
    text.push_str(&format!(
        "| **all** | {tried} | {refused} | {let_in} | {controls} | |\n"
    ));
    text
}

/// No row is missing, none has let anything in.
#[test]
fn the_table_of_attacks_is_whole() {
    let _alone = DOCUMENT.lock().unwrap_or_else(PoisonError::into_inner);
    let written = fs::read_to_string(path()).unwrap();
    for attack in Attack::ALL {
        let (what, least, test) = attack.about();
        let begin = format!("| {what} |");
        let line = written.lines().find(|line| line.starts_with(&begin));
        let line = line.unwrap_or_else(|| panic!("docs/ATTACKS.md has no row for: {what}"));
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        assert!(least <= cells[2].parse().unwrap(), "{line}");
        assert_eq!((cells[3], cells[4]), (cells[2], "0"), "{line}");
        assert_eq!(cells[6], format!("`{test}`"), "{line}");
    }
}
