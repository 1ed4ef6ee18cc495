//! Images from a stick, through the command line and the page of the running box.

use std::fs;
use std::process::Command;

use barefoot_test_support::daemons::EdgeOptions;
use barefoot_test_support::http::{get, get_json};

use crate::peers::{peer, run, text};
use crate::story::{SOON, Story, chests, ct};

#[tokio::test(flavor = "multi_thread")]
async fn a_stick_with_a_directory_is_imported_once() {
    let media = tempfile::tempdir().unwrap();
    let made = tempfile::tempdir().unwrap();
    let stick = media.path().join("stick");
    fs::create_dir_all(stick.join("IMAGES")).unwrap();
    let mut files = chests(&made, 1..3);
    files.extend(ct(&made, 4));
    for (number, file) in files.iter().enumerate() {
        fs::copy(&file.path, stick.join(format!("IMAGES/I{number}"))).unwrap();
    }
    let mut directory = Command::new(peer("dcmmkdir", "dcmtk"));
    // General purpose on a CD, whatever the images lack for it.
    directory
        .current_dir(&stick)
        .args(["+r", "+id", ".", "-Pgp", "+I", "-Nxc", "-W", "IMAGES"]);
    let output = run(directory).await;
    assert!(stick.join("DICOMDIR").is_file(), "{}", text(&output));
    fs::write(stick.join("README.TXT"), "a viewer").unwrap();
    let whole = fs::read(&files[0].path).unwrap();
    fs::write(stick.join("DAMAGED"), &whole[..whole.len() / 2]).unwrap();

    let story = Story::begin(&EdgeOptions {
        more: format!("[import]\ndirectory = \"{}\"\n", media.path().display()),
        ..EdgeOptions::default()
    })
    .await;
    let import = async |folder: &str| {
        let ended = story.edge.run_to_end(&["import", "--folder", folder], SOON).await;
        ended.unwrap().success()
    };
    assert!(!import("nothing").await);
    assert!(import("stick").await, "{}", story.logs());
    let page = story.edge.address("page").unwrap();
    let progress = async || get_json(page, "/api/import").await.unwrap()["progress"].clone();
    let first = progress().await;
    assert_eq!(
        (&first["stage"], &first["kept"]),
        (&"done".into(), &6.into()),
        "{first}"
    );
    assert_eq!(
        (&first["refused"], &first["others"]),
        (&1.into(), &1.into()),
        "{first}"
    );
    assert_eq!(first["refusals"][0]["file"], "DAMAGED");
    story.all_receipted(3).await;
    assert!(import("stick").await);
    let again = progress().await;
    assert_eq!(
        (&again["kept"], &again["duplicates"]),
        (&0.into(), &6.into()),
        "{again}"
    );
    let html = String::from_utf8(get(page, "/exchange").await.unwrap()).unwrap();
    for said in ["Import: stick", "Here already: 6", "<code>DAMAGED</code>"] {
        assert!(html.contains(said), "{said}\n{html}");
    }
}
