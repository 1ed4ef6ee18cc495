//! Labelled pictures become a set; nothing else of them does.

use std::fs;

use barefoot_wire::v1::TestSet;
use image::{GrayImage, ImageFormat, Luma, RgbImage};
use prost::Message;

use crate::{ctl, refused, text, tiny_bundle};

#[test]
fn a_set_holds_features_labels_and_subgroups_and_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = tiny_bundle(folder.path());
    let pictures = folder.path().join("zhang-san");
    fs::create_dir(&pictures).unwrap();
    for number in 0..6_u32 {
        let grey = GrayImage::from_fn(64, 48, |x, y| Luma([((x * (number + 1) + y) % 256) as u8]));
        grey.save_with_format(pictures.join(format!("{number}.png")), ImageFormat::Png)
            .unwrap();
    }
    let colour = RgbImage::from_pixel(40, 40, image::Rgb([90, 90, 90]));
    colour
        .save_with_format(pictures.join("6.jpg"), ImageFormat::Jpeg)
        .unwrap();
    let mut csv = "image,stripes,dots,sex,Name\n".to_owned();
    for number in 0..6 {
        csv.push_str(&format!("zhang-san/{number}.png,{},0,F,Zhang San\n", number % 2));
    }
    csv.push_str("zhang-san/6.jpg,1,1,,Zhang San\n");
    let list = folder.path().join("list.csv");
    fs::write(&list, csv).unwrap();
    let make = |out: &str, more: &[&str]| {
        let out = folder.path().join(out);
        let arguments = [
            "test-set",
            "make",
            "--bundle",
            text(&bundle),
            "--images",
            text(&list),
            "--ignore",
            "Name",
            "--name",
            "locked",
            "--purpose",
            "evaluation",
            "--source",
            "drawn for a test",
            "--out",
            text(&out),
        ];
        let said = ctl(&[&arguments[..], more].concat())?;
        Ok::<_, String>((said, fs::read(&out).unwrap()))
    };
    let (said, bytes) = make("a.set", &[]).unwrap();
    assert!(
        said.contains("7 cases") && said.contains("stripes: 4 with, 3 without"),
        "{said}"
    );
    let set = TestSet::decode(bytes.as_slice()).unwrap();
    assert_eq!((set.finding.len(), set.channels, set.case.len()), (2, 4, 7));
    assert_eq!(set.model_id, "tiny");
    assert_eq!(set.backbone.len(), 64);
    assert!(set.case.iter().all(|case| case.feature.len() == 4));
    assert_eq!(set.case[1].present, [true, false]);
    assert_eq!(
        (set.case[0].subgroup.as_slice(), set.case[6].subgroup.len()),
        (&["sex=F".to_owned()][..], 0)
    );
    assert!(
        set.case[0].feature != set.case[5].feature,
        "different pictures look different"
    );
    let whole = String::from_utf8_lossy(&bytes).to_lowercase();
    assert!(!whole.contains("zhang") && !whole.contains(".png"));
    // The same pictures make the same set, whatever core was first.
    assert_eq!(make("b.set", &[]).unwrap().1, bytes);
    let (_, other) = make("c.set", &["--precision", "f32"]).unwrap();
    assert_ne!(TestSet::decode(other.as_slice()).unwrap().backbone, set.backbone);
    assert!(make("a.set", &[]).unwrap_err().contains("never overwritten"));

    fs::write(pictures.join("3.png"), "no picture").unwrap();
    let said = make("d.set", &[]).unwrap_err();
    assert!(
        said.contains("line 5") && said.contains("neither DICOM nor PNG"),
        "{said}"
    );
    let register = |file: &str| {
        let file = folder.path().join(file);
        refused(&["test-set", "register", text(&file)], "");
        ctl(&["test-set", "register", text(&file)]).unwrap_err()
    };
    assert!(register("a.set").contains("--hub"));
    assert!(register("list.csv").contains("no set made by"));
}
