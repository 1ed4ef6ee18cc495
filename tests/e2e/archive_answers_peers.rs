//! The clinic's small archive and worklist, asked by other people's programs.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use barefoot_test_support::Charset;
use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::phantom::CtSlice;
use barefoot_test_support::scanner::DicomFile;
use barefoot_test_support::wait::wait_for;
use encoding_rs::GB18030;
use serde_json::Value;

use crate::peers::{peer, python, run, text};
use crate::story::{SOON, Story};

fn options(more: String) -> EdgeOptions {
    EdgeOptions {
        scanners: vec!["SIM_DR1".into(), "DCMTK".into()],
        more,
        ..EdgeOptions::default()
    }
}

fn port(story: &Story) -> String {
    let address = story.edge.address("dicom").unwrap();
    address.split_once(':').unwrap().1.to_owned()
}

async fn ask(story: &Story, arguments: &[&str]) -> Value {
    let mut command = Command::new(python());
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/ask_archive.py"))
        .arg(port(story))
        .args(arguments);
    let output = run(command).await;
    assert!(output.status.success(), "{}\n{}", text(&output), story.logs());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn dcmtk(name: &str, story: &Story, options: &[&str]) -> Command {
    let mut command = Command::new(peer(name, "dcmtk"));
    command.args(["-aet", "DCMTK", "-aec", "BAREFOOT"]);
    command.args(options).args(["127.0.0.1", &port(story)]);
    command
}

/// Slices of one study, its names in this character set.
fn slices(folder: &Path, seed: u64, count: u32, charset: Charset) -> Vec<DicomFile> {
    let slice = |number| {
        let path = folder.join(format!("{seed}-{number}.dcm"));
        let slice = CtSlice {
            seed,
            number,
            charset,
        };
        slice.instance().save(&path).unwrap();
        DicomFile::open(&path).unwrap()
    };
    (1..=count).map(slice).collect()
}

fn study_of(files: &[DicomFile]) -> &str {
    files[0].study_uid.as_deref().unwrap()
}

/// Waits until the box knows the studies: the answer to the scanner comes first.
async fn found(story: &Story, charset: &str, name: &str, studies: usize) -> Value {
    let waited = wait_for("the studies to be found", SOON, async || {
        let answer = ask(story, &["find", charset, name]).await;
        match answer["studies"].as_array().map(Vec::len) {
            Some(count) if count == studies => Ok(answer),
            _ => Err(answer),
        }
    });
    waited
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", story.logs()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chinese_name_is_found_whatever_set_it_is_asked_and_kept_in() {
    let story = Story::begin(&options(String::new())).await;
    let folder = tempfile::tempdir().unwrap();
    let utf8 = slices(folder.path(), 1, 2, Charset::Utf8);
    let gb = slices(folder.path(), 2, 3, Charset::Gb18030);
    story.store(&utf8).await;
    story.store(&gb).await;
    for (charset, answered) in [
        ("GB18030", "GB18030"),
        ("ISO_IR 192", "ISO_IR 192"),
        ("GBK", "GB18030"),
    ] {
        let said = found(&story, charset, "模拟*", 2).await;
        assert_eq!(said["status"], 0, "{said}");
        assert_eq!(said["charsets"], serde_json::json!([answered]));
        assert_eq!(said["without the study"], 0xA900, "{said}");
        let images = said["images"].as_array().unwrap();
        let studies = said["studies"].as_array().unwrap();
        assert_eq!(studies[0]["instances"].as_u64(), Some(images.len() as u64));
        for study in studies {
            assert!(study["name"].as_str().unwrap().contains("=模拟^患者"), "{study}");
            assert_eq!(study["retrieve"], "BAREFOOT");
        }
        assert_eq!(said["patients"].as_array().unwrap().len(), 2);
    }
    // dcmtk sends the bytes of a query file as they are.
    let mut query = Command::new(peer("dump2dcm", "dcmtk"));
    let (dump, file) = (folder.path().join("query.txt"), folder.path().join("query.dcm"));
    let mut text_of = b"(0008,0005) CS [GB18030]\n(0008,0052) CS [STUDY]\n(0010,0010) PN [".to_vec();
    text_of.extend_from_slice(&GB18030.encode("*=模拟*").0);
    text_of.extend_from_slice(b"]\n(0020,000d) UI\n");
    fs::write(&dump, text_of).unwrap();
    query.args([&dump, &file]);
    let output = run(query).await;
    assert!(output.status.success(), "{}", text(&output));
    let mut find = dcmtk("findscu", &story, &["-S", "-v"]);
    find.arg(&file);
    let output = run(find).await;
    for study in [study_of(&utf8), study_of(&gb)] {
        assert!(text(&output).contains(study), "{}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_comes_back_by_getscu_and_pynetdicom() {
    let story = Story::begin(&options(String::new())).await;
    let folder = tempfile::tempdir().unwrap();
    let files = slices(folder.path(), 3, 4, Charset::Gb18030);
    story.store(&files).await;
    found(&story, "GB18030", "模拟*", 1).await;
    let got = tempfile::tempdir().unwrap();
    let (study, into) = (
        format!("0020,000d={}", study_of(&files)),
        got.path().to_str().unwrap(),
    );
    let options = ["-S", "-v", "-k", "0008,0052=STUDY", "-k", &study, "-od", into];
    let output = run(dcmtk("getscu", &story, &options)).await;
    assert!(output.status.success(), "{}\n{}", text(&output), story.logs());
    let equal = compare(&files, got.path()).await;
    assert_eq!(equal, 4, "{}", text(&output));
    // In a transfer syntax they were not sent in.
    let got = tempfile::tempdir().unwrap();
    let said = ask(&story, &["get", study_of(&files), got.path().to_str().unwrap()]).await;
    assert_eq!(
        (&said["status"], &said["completed"]),
        (&0.into(), &4.into()),
        "{said}"
    );
    assert_eq!(compare(&files, got.path()).await, 4);
    let said = ask(&story, &["get", "1.2.3.4", got.path().to_str().unwrap()]).await;
    assert_eq!(
        (&said["status"], &said["completed"]),
        (&0.into(), &0.into()),
        "{said}"
    );
}

/// How many files of `sent` are in `got` with equal elements, as pydicom reads both.
async fn compare(sent: &[DicomFile], got: &Path) -> usize {
    // dcmtk's programs give no ending.
    for entry in fs::read_dir(got).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "dcm") {
            let name = format!("{}.dcm", path.file_name().unwrap().to_str().unwrap());
            fs::rename(&path, path.with_file_name(name)).unwrap();
        }
    }
    let names: Vec<String> = sent.iter().map(|file| file.path.display().to_string()).collect();
    let list = tempfile::NamedTempFile::new().unwrap();
    fs::write(list.path(), names.join("\n")).unwrap();
    let mut compare = Command::new(python());
    compare
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/compare_corpus.py"))
        .arg(got)
        .stdin(Stdio::from(fs::File::open(list.path()).unwrap()));
    let output = run(compare).await;
    assert!(output.status.success(), "{}", text(&output));
    let verdicts: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts = verdicts.as_object().unwrap();
    verdicts.values().filter(|verdict| *verdict == "equal").count()
}

struct Storescp(Child);

impl Drop for Storescp {
    fn drop(&mut self) {
        // It is gone already, or goes now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_study_moves_on_to_a_named_node_and_to_no_other() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let destination = format!(
        "[[deliver]]\nname = \"destination\"\nae_title = \"DESTINATION\"\nhost = \"127.0.0.1\"\nport = {free}\n"
    );
    let story = Story::begin(&options(destination)).await;
    let folder = tempfile::tempdir().unwrap();
    let files = slices(folder.path(), 4, 3, Charset::Utf8);
    story.store(&files).await;
    found(&story, "ISO_IR 192", "模拟*", 1).await;
    let moved = tempfile::tempdir().unwrap();
    let study = format!("0020,000d={}", study_of(&files));
    let call = |to: &str| {
        let options = ["-aem", to, "-S", "-d", "-k", "0008,0052=STUDY", "-k", &study];
        dcmtk("movescu", &story, &options)
    };
    let output = run(call("DESTINATION")).await;
    assert!(
        text(&output).contains("0xa702"),
        "nobody listens there: {}",
        text(&output)
    );
    let mut receiver = Command::new(peer("storescp", "dcmtk"));
    receiver
        .args(["-aet", "DESTINATION", "-od"])
        .arg(moved.path())
        .arg(free.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _receiver = Storescp(receiver.spawn().unwrap());
    wait_for("storescp to listen", SOON, async || {
        tokio::net::TcpStream::connect(("127.0.0.1", free))
            .await
            .map(drop)
    })
    .await
    .unwrap();
    let output = run(call("DESTINATION")).await;
    assert!(output.status.success(), "{}\n{}", text(&output), story.logs());
    assert_eq!(compare(&files, moved.path()).await, 3, "{}", text(&output));
    let output = run(call("ELSEWHERE")).await;
    assert!(
        text(&output).to_lowercase().contains("0xa801"),
        "{}",
        text(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_dropped_as_a_file_is_listed_until_it_was_carried_out() {
    let drop_folder = tempfile::tempdir().unwrap();
    let more = format!(
        "[worklist]\ndrop_folder = \"{}\"\npoll_ms = 100\n",
        drop_folder.path().display()
    );
    let story = Story::begin(&options(more)).await;
    let order = "MSH|^~\\&|HIS|镇卫生院|BAREFOOT|BOX|20260102080000||ORM^O01|1|P|2.5|||||CHN|GB 18030-2000\r\
                 PID|1||P7^^^HIS||张^三^^^^^^I~Zhang^San^^^^^^A||19800229|M\r\
                 ORC|NW|A1|||||||||||||20991231090000\r\
                 OBR|1|A1||C1^胸部正位^99LOCAL||||||||||||||ACC1|RP1|SPS1||||DX\r";
    fs::write(drop_folder.path().join("1.part"), GB18030.encode(order).0).unwrap();
    fs::rename(
        drop_folder.path().join("1.part"),
        drop_folder.path().join("1.hl7"),
    )
    .unwrap();
    let ask_list = async |name: &str, count: usize| {
        let waited = wait_for("the worklist", SOON, async || {
            let said = ask(&story, &["list", "GB18030", name, "20991231"]).await;
            match said["orders"].as_array().map(Vec::len) {
                Some(found) if found == count => Ok(said),
                _ => Err(said),
            }
        });
        waited
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", story.logs()))
    };
    let said = ask_list("张*", 1).await;
    let order = &said["orders"][0];
    assert_eq!(order["name"], "Zhang^San=张^三", "{said}");
    assert_eq!(
        (&order["accession"], &order["charset"]),
        (&"ACC1".into(), &"GB18030".into())
    );
    assert_eq!(order["description"], "胸部正位");
    ask_list("李*", 0).await;
    let options = ["-W", "-v", "-k", "0010,0010", "-k", "0040,0100[0].0008,0060=DX"];
    let output = run(dcmtk("findscu", &story, &options)).await;
    assert!(text(&output).contains("Zhang^San"), "{}", text(&output));
    let study = order["study"].as_str().unwrap();
    let said = ask(&story, &["perform", study, "1.2.3.1", "1.2.3.2"]).await;
    let nothing = Value::Null;
    for (what, status, error) in [
        ("begins completed", 0x0106, &nothing),
        ("unknown", 0x0112, &nothing),
        ("created", 0, &nothing),
        ("again", 0x0111, &nothing),
        ("completed", 0, &nothing),
        ("changed after", 0x0110, &Value::from(0xA710)),
    ] {
        assert_eq!(
            (&said[what][0], &said[what][1]),
            (&status.into(), error),
            "{what}: {said}"
        );
    }
    ask_list("张*", 0).await;
}
