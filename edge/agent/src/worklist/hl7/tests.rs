use encoding_rs::GB18030;
use proptest::prelude::*;

use super::*;

pub(crate) fn orm(control: &str, placer: &str, charset: &str) -> String {
    format!(
        "MSH|^~\\&|HIS|镇卫生院|BAREFOOT|BOX|20260102080000||ORM^O01|1|P|2.5|||||CHN|{charset}\r\
         PID|1||P7^^^HIS||张^三^^^^^^I~Zhang^San^^^^^^A||19800229|M\r\
         PV1|1|O|门诊||||D1^李^四|D2^王^五\r\
         ORC|{control}|{placer}|F9||||^^^20260103093000^^R||20260102|||D3^赵^六\r\
         OBR|1|{placer}|F9|C1^胸部正位^99LOCAL||||||||||||||ACC1|RP1|SPS1||||DX\r"
    )
}

fn one(text: &str) -> Result<Asked, Error> {
    orders(text.as_bytes()).map(|mut asked| {
        assert_eq!(asked.len(), 1);
        asked.remove(0)
    })
}

#[test]
fn an_order_is_read_in_each_character_set() {
    let expected = one(&orm("NW", "A1", "UNICODE UTF-8")).unwrap();
    let wish = &expected.wish;
    assert_eq!(expected.action, Action::Wish);
    assert_eq!(wish.patient.name, "Zhang^San=张^三");
    assert_eq!(
        (wish.patient.id.as_str(), wish.patient.id_issuer.as_str()),
        ("P7", "HIS")
    );
    assert_eq!(
        (wish.patient.birth_date.as_str(), wish.patient.sex.as_str()),
        ("19800229", "M")
    );
    assert_eq!((wish.placer.as_str(), wish.filler.as_str()), ("A1", "F9"));
    assert_eq!(
        (wish.accession.as_str(), wish.procedure_id.as_str()),
        ("ACC1", "RP1")
    );
    assert_eq!((wish.step_id.as_str(), wish.modality.as_str()), ("SPS1", "DX"));
    assert_eq!((wish.date.as_str(), wish.time.as_str()), ("20260103", "093000"));
    assert_eq!(
        (wish.description.as_str(), wish.priority.as_str()),
        ("胸部正位", "ROUTINE")
    );
    assert_eq!(wish.referring_physician, "王^五");
    assert_eq!(wish.requesting_physician, "赵^六");
    for (charset, gb) in [("GB 18030-2000", true), ("", true), ("", false), ("ASCII", true)] {
        let text = orm("NW", "A1", charset);
        let bytes = match gb {
            true => GB18030.encode(&text).0.into_owned(),
            false => text.into_bytes(),
        };
        assert!(
            orders(&bytes).unwrap()
                == [Asked {
                    action: Action::Wish,
                    wish: wish.clone()
                }],
            "{charset}"
        );
    }
}

#[test]
fn characters_whose_second_byte_is_a_separator_stay_whole() {
    // 厊 is 85 7C in GB 18030, and 7C is `|`.
    let text = orm("NW", "A1", "GB 18030-2000").replace('张', "厊");
    let asked = orders(&GB18030.encode(&text).0).unwrap();
    let name = &asked[0].wish.patient.name;
    assert!(
        GB18030.encode("厊").0.contains(&b'|') && name.contains('厊'),
        "{name}"
    );
}

#[test]
fn controls_and_frames() {
    for (control, action) in [
        ("NW", Action::Wish),
        ("XO", Action::Wish),
        ("CA", Action::TakeBack),
        ("DC", Action::TakeBack),
    ] {
        assert_eq!(one(&orm(control, "A1", "")).unwrap().action, action, "{control}");
    }
    let framed = format!("\u{b}{}\u{1c}\r", orm("NW", "A1", "UNICODE UTF-8"));
    assert!(orders(framed.as_bytes()).is_ok());
    assert!(orders(orm("NW", "A1", "").replace('\r', "\r\n").as_bytes()).is_ok());
}

#[test]
fn an_imaging_order_names_the_scanner_and_several_orders_are_all_read() {
    let omi = orm("NW", "A1", "").replace("ORM^O01", "OMI^O23^OMI_O23")
        + "TQ1|1||||||20260105110000||S\rIPC|ACC2|RP2|1.2.3|SPS2|CT|||CT1|CTAE\rORC|CA|A2\r";
    let asked = orders(omi.as_bytes()).unwrap();
    assert_eq!(asked.len(), 2);
    let wish = &asked[0].wish;
    assert_eq!((wish.station_ae.as_str(), wish.modality.as_str()), ("CTAE", "CT"));
    assert_eq!((wish.date.as_str(), wish.priority.as_str()), ("20260105", "STAT"));
    assert_eq!(wish.study_uid, "1.2.3");
    assert_eq!(
        (asked[1].action, asked[1].wish.placer.as_str()),
        (Action::TakeBack, "A2")
    );
}

#[test]
fn escapes_are_resolved() {
    let text = orm("NW", "A1", "").replace("胸部正位", "a\\T\\b\\F\\c\\H\\d\\.br\\e\\");
    assert_eq!(one(&text).unwrap().wish.description, "a&b|cd e/");
}

#[test]
fn what_is_wrong_is_named_without_its_value() {
    let good = || orm("NW", "A1", "");
    for (text, expected) in [
        (good().replace("ORM^O01", "ADT^A01"), Error::NotAnOrder),
        (good().replace("ORC|NW", "ORC|SC"), Error::Control),
        (good().replace("ORC|", "ZZZ|"), Error::NoOrder),
        (
            good().replace("|A1|", "||").replace("|F9|", "||"),
            Error::Missing("ORC-2, the placer order number,"),
        ),
        (good().replace("PID|", "ZZZ|"), Error::Missing("PID")),
        (
            good().replace("P7^^^HIS", ""),
            Error::Missing("PID-3, the patient's number,"),
        ),
        (
            good().replace("|DX\r", "|\r"),
            Error::Unusable("OBR-24 or IPC-5, the modality,"),
        ),
        (
            good().replace("ACC1", &"1".repeat(17)),
            Error::Unusable("OBR-18 or IPC-1, the accession number,"),
        ),
        (good().replace("MSH|^~\\&|", "MSH|||||"), Error::NoHeader),
        (format!("{}{}", good(), good()), Error::SeveralMessages),
        (good().replace("CHN|", "CHN|BIG-5"), Error::CharacterSet),
        ("\u{feff}".to_owned(), Error::NoHeader),
        (format!("{}{}", good(), "ZZZ\r".repeat(1001)), Error::TooMany),
    ] {
        let error = orders(text.as_bytes()).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains('张'));
    }
    assert_eq!(orders(&vec![b'a'; MAX_BYTES + 1]).unwrap_err(), Error::TooLong);
    let mut wrong = orm("NW", "A1", "UNICODE UTF-8").into_bytes();
    wrong.push(0xFF);
    assert_eq!(orders(&wrong).unwrap_err(), Error::CharacterSet);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = orders(&bytes);
        let _ = orders(&[b"MSH|^~\\&|", bytes.as_slice()].concat());
    }

    #[test]
    fn a_changed_message_is_read_or_refused(changes in prop::collection::vec((0_usize..500, any::<u8>()), 1..8)) {
        let mut bytes = orm("NW", "A1", "").into_bytes();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        for asked in orders(&bytes).unwrap_or_default() {
            prop_assert!(asked.wish.patient.id.chars().count() <= 64);
        }
    }
}
