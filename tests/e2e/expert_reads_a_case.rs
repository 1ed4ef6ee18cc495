//! An expert reads a hard case: from the scanner to the report beside the patient, with people at real browsers.

use std::fs;
use std::path::PathBuf;

use barefoot_test_support::Samples;
use barefoot_test_support::daemons::{Ctl, EdgeOptions};
use barefoot_test_support::line::Line;
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::scanner::DicomFile;
use serde_json::{Value, json};

use crate::disk_tells_nothing::a_hubs_disk_tells_nothing;
use crate::nodes::free_port;
use crate::peers::{peer, run};
use crate::person_at_browser::Browser;
use crate::story::Story;

pub(crate) const LI: &str = "li.wei";
const ZHANG: &str = "zhang.min";
const PASSWORD: &str = "Blaue-Berge-77-im-Regen";

pub(crate) const DESCRIPTION: &str = "右下肺野见斑片状密度增高影，边缘模糊。";
pub(crate) const IMPRESSION: &str = "右下肺炎症，建议抗感染后复查。";
const ADVICE: &str = "两周后复查胸片。";

/// A clinic, a hub with experts, and a browser for all of them.
pub(crate) struct Room {
    pub(crate) story: Story,
    pub(crate) image_line: Line,
    browser: Browser,
    /// Scheme, host and port of each page.
    hub: String,
    clinic: String,
    pub(crate) folder: tempfile::TempDir,
}

impl Room {
    pub(crate) async fn open() -> Self {
        let options = EdgeOptions {
            language: "zh",
            review_below: 1.0,
            ..EdgeOptions::default()
        };
        let page = format!("127.0.0.1:{}", free_port());
        let (story, image_line) = Story::begin_with_experts(&options, &page).await;
        Self {
            hub: format!("http://{page}"),
            clinic: format!("http://{}", story.edge.address("page").unwrap()),
            story,
            image_line,
            browser: Browser::open(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn act(&mut self, act: &str, mut what: Value) -> Value {
        what["hub"] = json!(self.hub);
        what["clinic"] = json!(self.clinic);
        self.browser.act(act, what)
    }

    /// The operator adds somebody, who sets the account up and signs in.
    pub(crate) fn person(&mut self, name: &str, display_name: &str, roles: &[&str]) {
        let mut arguments = vec!["person", "add", "--name", name, "--display-name", display_name];
        arguments.extend([
            "--tier",
            "county",
            "--title",
            "主治医师",
            "--institution",
            "县人民医院",
        ]);
        for role in roles {
            arguments.extend(["--role", role]);
        }
        let said = self.story.hub.ask(&arguments).unwrap();
        assert!(said.status.success(), "{}", crate::peers::text(&said));
        let said = String::from_utf8(said.stdout).unwrap();
        let link = said
            .split("in a browser: ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap();
        let done = self.act(
            "setUp",
            json!({"person": name, "link": link, "password": PASSWORD}),
        );
        assert_eq!(done["status"], 200, "{done}");
        self.sign_in(name, "/worklist");
    }

    pub(crate) fn sign_in(&mut self, name: &str, at: &str) {
        let done = self.act("signIn", json!({"person": name, "password": PASSWORD, "at": at}));
        assert_eq!(done["at"], at, "signed in and where they wanted to be: {done}");
    }

    pub(crate) async fn scan(&mut self, seed: u64) -> (DicomFile, Chest) {
        let chest = Chest::varied(seed, Size::Small, Default::default());
        let path = self.folder.path().join(format!("{seed}.dcm"));
        chest.instance().save(&path).unwrap();
        let file = DicomFile::open(&path).unwrap();
        self.story.store(std::slice::from_ref(&file)).await;
        (file, chest)
    }

    /// Where the patient's page at the clinic is.
    pub(crate) async fn study(&self, file: &DicomFile) -> String {
        let case = self.story.case_of(file).await.unwrap();
        case["study"].as_str().unwrap().to_owned()
    }

    /// A list of so many cases, their addresses.
    pub(crate) fn listed(&mut self, person: &str, cases: usize) -> Vec<String> {
        let list = self.act("worklist", json!({"person": person, "cases": cases}));
        let addresses = list["addresses"].as_array().unwrap();
        addresses
            .iter()
            .map(|address| address.as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn see(&mut self, person: &str, at: &str, name: &str) -> Value {
        let seen = self.act("see", json!({"person": person, "at": at, "name": name}));
        assert_eq!(seen["status"], 200, "{at}: {seen}");
        seen
    }

    pub(crate) fn write(&mut self, person: &str, name: &str) {
        let findings = json!([["pneumonia", "present", "right"], ["pneumothorax", "absent", ""]]);
        self.act(
            "write",
            json!({
                "person": person, "description": DESCRIPTION, "impression": IMPRESSION, "advice": ADVICE,
                "findings": findings, "name": name,
            }),
        );
    }

    pub(crate) fn sign(&mut self, person: &str, name: &str) -> Value {
        let signed = self.act(
            "sign",
            json!({"person": person, "password": PASSWORD, "name": name}),
        );
        assert_eq!(signed["status"], 200, "{signed}");
        says(&signed, &[IMPRESSION]);
        signed
    }

    /// A file from behind the sign-in.
    pub(crate) fn file(&mut self, person: &str, at: &str, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let got = self.act("file", json!({"person": person, "at": at, "to": path}));
        assert_eq!(got["status"], 200, "{at}: {got}");
        path
    }
}

pub(crate) fn says(page: &Value, wanted: &[&str]) {
    let text = page["text"].as_str().unwrap();
    for wanted in wanted {
        assert!(text.contains(wanted), "the page lacks \"{wanted}\":\n{text}");
    }
}

/// The picture on the screen is the one that was taken: nowhere is the darker of two clearly different places drawn brighter.
fn is_drawn(room: &mut Room, person: &str, chest: &Chest) {
    const STEP: usize = 20;
    let pixels = chest.pixels();
    let (columns, rows) = (usize::from(pixels.columns), usize::from(pixels.rows));
    let Samples::Sixteen(samples) = &pixels.samples else {
        panic!("a radiograph has 16 bits")
    };
    let mean = |column: usize, row: usize| {
        let around =
            (row - 2..=row + 2).flat_map(|row| (column - 2..=column + 2).map(move |column| (row, column)));
        around
            .map(|(row, column)| i32::from(samples[row * columns + column]))
            .sum::<i32>()
            / 25
    };
    let points: Vec<(usize, usize)> = (STEP..rows - STEP)
        .step_by(STEP)
        .flat_map(|row| {
            (STEP..columns - STEP)
                .step_by(STEP)
                .map(move |column| (column, row))
        })
        .collect();
    let seen = room.act(
        "brightness",
        json!({"person": person, "points": points, "columns": columns, "rows": rows}),
    );
    let shades: Vec<i32> = seen["shades"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shade| i32::try_from(shade.as_i64().unwrap()).unwrap())
        .collect();
    let taken: Vec<i32> = points.iter().map(|&(column, row)| mean(column, row)).collect();
    let kinds: std::collections::BTreeSet<_> = shades.iter().collect();
    assert!(32 < kinds.len(), "{} grey levels", kinds.len());
    let clear = 1 << (pixels.bits_stored - 3);
    let mut wrong = 0;
    let mut pairs = 0;
    for (one, shade) in taken.iter().zip(&shades) {
        for (other, beside) in taken.iter().zip(&shades) {
            if one + clear < *other {
                pairs += 1;
                wrong += u32::from(beside < shade);
            }
        }
    }
    assert!(1_000 < pairs, "{pairs} pairs to compare");
    assert_eq!(wrong, 0, "of {pairs} pairs so many are drawn the wrong way round");
}

/// What the hub prints with, as Debian has it.
fn has_fonts() -> bool {
    let font = std::path::Path::new("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc");
    if font.is_file() {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} must be there in CI: `cargo xtask test` installs fonts-noto-cjk",
        font.display()
    );
    eprintln!("SKIPPED: no fonts to print a PDF with; install fonts-noto-cjk");
    false
}

/// Checked by itself, without the hub.
fn ctl(arguments: &[&str], authority: &str) -> Result<String, String> {
    let all = [arguments, &["--authority", authority]].concat();
    Ctl::offline(&all).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_scanner_to_the_report_beside_the_patient() {
    let mut room = Room::open().await;
    room.person(LI, "李伟", &["reader", "chief", "operator"]);
    assert_eq!(room.listed(LI, 0), [""; 0]);

    let (file, chest) = room.scan(2).await;
    let address = room.listed(LI, 1).remove(0);
    let study = room.study(&file).await;
    room.act(
        "clinicList",
        json!({"wanted": "SIM-", "name": "clinic-list-waiting"}),
    );

    room.see(LI, &address, "case-unclaimed");
    let claimed = room.act("claim", json!({"person": LI, "name": "case-claimed"}));
    assert_eq!(claimed["isMine"], true, "{claimed}");
    is_drawn(&mut room, LI, &chest);
    room.write(LI, "case-with-draft");
    let signed = room.sign(LI, "case-signed");
    assert_eq!(signed["asked"], true, "the first signature asks for a code");
    let report = signed["report"].as_str().unwrap().to_owned();

    let clinic = room.act(
        "clinicCase",
        json!({"study": study, "wanted": IMPRESSION, "name": "clinic-case-with-report"}),
    );
    says(
        &clinic,
        &[DESCRIPTION, ADVICE, "李伟", "模拟 患者", "肺炎：有", "气胸：无"],
    );
    let list = room.act(
        "clinicList",
        json!({"wanted": "报告", "name": "clinic-list-with-report"}),
    );
    says(&list, &["模拟 患者"]);
    let paper = room.act(
        "clinicPaper",
        json!({"study": study, "report": report, "name": "clinic-paper"}),
    );
    says(
        &paper,
        &[
            "模拟 患者",
            "SIM-",
            DESCRIPTION,
            IMPRESSION,
            ADVICE,
            "李伟",
            &report,
        ],
    );
    assert_eq!(paper["buttons"], 0, "nothing to press on paper");
    room.act(
        "clinicHasRead",
        json!({"study": study, "report": report, "name": "clinic-case-read"}),
    );

    let page = room.see(LI, &format!("/reports/{report}"), "report");
    says(&page, &[IMPRESSION, "李伟"]);
    room.see(LI, "/roster", "roster");
    room.see(LI, "/dashboard", "dashboard");
    for (at, name) in [("/", "results"), ("/account", "account")] {
        let page = room.see(LI, at, name);
        assert_eq!(page["leadsToList"], true, "{at} leads on to the list");
    }
    let verified = room.act(
        "verify",
        json!({"person": LI, "report": report, "name": "verify"}),
    );
    assert_eq!(verified["status"], 200, "{verified}");
    says(&verified, &["签名有效"]);
    room.browser.is_content();

    a_hubs_disk_tells_nothing(&mut room.story.hub, &[DESCRIPTION, IMPRESSION, ADVICE]).await;
    let page = room.see(LI, &format!("/reports/{report}"), "");
    says(&page, &[DESCRIPTION, IMPRESSION]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_interrupted_and_nothing_is_lost_or_unlogged() {
    let mut room = Room::open().await;
    room.person(LI, "李伟", &["reader"]);
    room.person(ZHANG, "张敏", &["reader"]);
    let (file, _) = room.scan(2).await;
    let address = room.listed(LI, 1).remove(0);
    let due = room.see(LI, &address, "")["due"].clone();
    assert!(due.is_string(), "{due}");

    // Both have the case open; one is first, the other is told.
    room.see(ZHANG, &address, "");
    let first = room.act("claim", json!({"person": LI}));
    assert_eq!(
        (&first["status"], &first["isMine"]),
        (&json!(200), &json!(true)),
        "{first}"
    );
    let second = room.act("claim", json!({"person": ZHANG, "name": "claim-refused"}));
    assert_eq!(
        (&second["status"], &second["isMine"]),
        (&json!(409), &json!(false)),
        "{second}"
    );
    let seen = room.see(ZHANG, &address, "case-of-another");
    says(&seen, &["李伟"]);

    // The browser dies after the page has said that the draft is kept.
    room.write(LI, "");
    room.act("leave", json!({"person": LI, "forget": true}));
    room.sign_in(LI, &address);
    let kept = |room: &mut Room| {
        let draft = room.act("draft", json!({"person": LI}));
        let texts = ["description", "impression", "advice"].map(|field| draft[field].clone());
        assert_eq!(texts, [DESCRIPTION, IMPRESSION, ADVICE], "{draft}");
    };
    kept(&mut room);

    // The hub dies too; who was signed in still is, the case is still theirs and due when it was.
    for person in [LI, ZHANG] {
        room.act("hubIsAway", json!({"person": person, "away": true}));
    }
    room.story.hub.kill9();
    room.story.hub.start().await.unwrap();
    room.story.line.lead_to(room.story.hub.address("mqtt").unwrap());
    room.image_line.lead_to(room.story.hub.address("images").unwrap());
    let after = room.see(LI, &address, "");
    assert_eq!(after["due"], due);
    kept(&mut room);
    says(&room.see(ZHANG, &address, ""), &["李伟"]);
    for person in [LI, ZHANG] {
        room.act("hubIsAway", json!({"person": person, "away": false}));
    }

    let signed = room.sign(LI, "");
    let report = signed["report"].as_str().unwrap().to_owned();
    let study = room.study(&file).await;
    let clinic = room.act(
        "clinicCase",
        json!({"study": study, "wanted": IMPRESSION, "name": ""}),
    );
    says(&clinic, &["李伟"]);

    // The report proves itself, and no other one.
    let authority = room.story.region.pki().join("authority.crt");
    let authority = authority.to_str().unwrap();
    let signed = room.file(LI, &format!("/reports/{report}/file?form=signed"), "signed");
    let proof = ctl(&["report", "verify", signed.to_str().unwrap()], authority).unwrap();
    assert!(proof.contains("李伟"), "{proof}");
    let mut bytes = fs::read(&signed).unwrap();
    let impression = IMPRESSION.as_bytes();
    let place = bytes
        .windows(impression.len())
        .position(|window| window == impression)
        .unwrap();
    bytes[place + 1] ^= 1;
    let altered = room.folder.path().join("altered");
    fs::write(&altered, bytes).unwrap();
    ctl(&["report", "verify", altered.to_str().unwrap()], authority).unwrap_err();

    if has_fonts() {
        let pdf = room.file(LI, &format!("/reports/{report}/file?form=pdf"), "report.pdf");
        let mut read = std::process::Command::new(peer("pdftotext", "poppler-utils"));
        read.arg(&pdf).arg("-");
        let text = String::from_utf8(run(read).await.stdout).unwrap();
        let text: String = text.split_whitespace().collect();
        assert!(text.contains(IMPRESSION), "{text}");
    }

    // Who did what is written down, and cannot be rubbed out.
    let log = room.folder.path().join("audit");
    let made = room
        .story
        .hub
        .ask(&["audit", "export", log.to_str().unwrap()])
        .unwrap();
    assert!(made.status.success(), "{}", crate::peers::text(&made));
    ctl(&["audit", "verify", log.to_str().unwrap()], authority).unwrap();
    let written = fs::read_to_string(&log).unwrap();
    let case = address.rsplit('/').next().unwrap();
    for action in [
        "view_case",
        "view_images",
        "claim",
        "edit_draft",
        "sign_report",
        "export",
    ] {
        assert!(
            written
                .lines()
                .any(|line| line.contains(&format!("\"{action}\"")) && line.contains(case)),
            "{action} of {case} is not in the log:\n{written}"
        );
    }
    let lines: Vec<&str> = written.lines().collect();
    let gone = lines.len() / 2;
    let fewer: String = (0..lines.len())
        .filter(|at| *at != gone)
        .map(|at| format!("{}\n", lines[at]))
        .collect();
    let shorter = room.folder.path().join("shorter");
    fs::write(&shorter, fewer).unwrap();
    ctl(&["audit", "verify", shorter.to_str().unwrap()], authority).unwrap_err();
    room.browser.is_content();
}
