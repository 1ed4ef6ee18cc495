use proptest::prelude::*;

use super::{Text, decode, decode_known, is_character_set, person_name_display};

const NAME: &str = "张三^建国";
const GB: &[u8] = b"\xD5\xC5\xC8\xFD^\xBD\xA8\xB9\xFA";
const UTF8: &[u8] = NAME.as_bytes();

fn check(raw: &[u8], declared: Option<&[u8]>, value: &str, guessed: bool) {
    let text = decode(raw, declared);
    assert_eq!(
        text.value,
        value,
        "declared {:?}",
        declared.map(<[u8]>::escape_ascii).map(|d| d.to_string())
    );
    assert_eq!(text.guessed, guessed, "{value}");
}

/// What it is, its bytes, what is declared, how it reads, whether that is a guess.
type DeclaredRow<'a> = (&'a str, &'a [u8], Option<&'a str>, &'a str, bool);
/// Its bytes, what is declared, what is known, how it reads, whether that is a guess.
type KnownRow<'a> = (&'a [u8], Option<&'a str>, &'a str, &'a str, bool);

/// How a name arrives, and what becomes of it. The first seven rows are those that other programs get wrong.
#[test]
fn every_way_a_chinese_name_arrives_is_readable_and_guesses_are_marked() {
    const ISO_2022: &[u8] = b"\x1B$)A\xD5\xC5\xC8\xFD^\x1B$)A\xBD\xA8\xB9\xFA ";
    const BIG5: &[u8] = b"\xB1i\xA4T^\xAB\xD8\xB0\xEA";
    let cut_gb = GB.split_last().unwrap().1;
    let cut_utf8 = UTF8.split_last().unwrap().1;
    let rows: &[DeclaredRow<'_>] = &[
        ("GB18030", GB, Some("GB18030"), NAME, false),
        ("GBK", GB, Some("GBK "), NAME, false),
        (
            "ISO 2022, second value",
            ISO_2022,
            Some("\\ISO 2022 IR 58"),
            NAME,
            false,
        ),
        ("GBK said to be Latin-1", GB, Some("ISO_IR 100"), NAME, true),
        ("GBK, nothing said", GB, None, NAME, true),
        ("UTF-8", UTF8, Some("ISO_IR 192"), NAME, false),
        ("an illegal pair", GB, Some("GB18030\\ISO IR 192"), NAME, false),
        (
            "GB 2312 without escapes, though escapes are declared",
            GB,
            Some("\\ISO 2022 IR 58"),
            NAME,
            true,
        ),
        ("GB 2312 as some devices call it", GB, Some("GB2312"), NAME, false),
        (
            "ISO 2022 as the first value",
            ISO_2022,
            Some("ISO 2022 IR 58"),
            NAME,
            false,
        ),
        (
            "ISO 2022, not repeated after the delimiter",
            b"\x1B$)A\xD5\xC5\xC8\xFD^\xBD\xA8\xB9\xFA",
            Some("\\ISO 2022 IR 58"),
            NAME,
            false,
        ),
        (
            "three groups, as the standard's example has it",
            b"Zhang^XiaoDong=\x1B$)A\xD5\xC5^\x1B$)A\xD0\xA1\xB6\xAB=",
            Some("\\ISO 2022 IR 58"),
            "Zhang^XiaoDong=张^小东=",
            false,
        ),
        ("UTF-8, nothing said", UTF8, None, NAME, true),
        ("UTF-8 said to be Latin-1", UTF8, Some("ISO_IR 100"), NAME, true),
        (
            "UTF-8 cut inside a character",
            cut_utf8,
            Some("ISO_IR 192"),
            "张三^建\u{FFFD}",
            false,
        ),
        ("the same, nothing said", cut_utf8, None, "张三^建\u{FFFD}", true),
        (
            "the same, said to be Latin-1",
            cut_utf8,
            Some("ISO_IR 100"),
            "张三^建\u{FFFD}",
            true,
        ),
        (
            "GB18030 cut inside a character",
            cut_gb,
            Some("GB18030"),
            "张三^建\u{FFFD}",
            true,
        ),
        (
            "a pair whose second byte is a delimiter",
            b"\x81\x5E^\x81\x5C",
            Some("GB18030"),
            "乛^乗",
            false,
        ),
        (
            "four bytes a character",
            b"\x95\x32\x82\x36",
            Some("GB18030"),
            "\u{20000}",
            false,
        ),
        (
            "Big5, declared by no standard's term",
            BIG5,
            Some("BIG5"),
            "張三^建國",
            false,
        ),
        (
            "Big5, nothing said: not readable, and marked",
            BIG5,
            None,
            "±i¤T^«Ø°ê",
            true,
        ),
        ("a term nobody knows", GB, Some("CP936"), NAME, true),
        ("an empty value", b"", Some("GB18030"), "", false),
        ("an empty value, nothing said", b"", None, "", false),
        (
            "an empty declaration",
            b"Zhang^San ",
            Some(""),
            "Zhang^San",
            false,
        ),
    ];
    for (way, raw, declared, value, guessed) in rows {
        let text = decode(raw, declared.map(str::as_bytes));
        assert_eq!(text.value, *value, "{way}");
        assert_eq!(text.guessed, *guessed, "{way}");
    }
}

#[test]
fn a_set_known_from_elsewhere_counts_instead_of_the_declared_one() {
    const BIG5: &[u8] = b"\xB1i\xA4T^\xAB\xD8\xB0\xEA";
    const ISO_2022: &[u8] = b"\x1B$)A\xD5\xC5";
    // One character is too little to guess from: as Latin letters it is as good.
    let rows: &[KnownRow<'_>] = &[
        (b"\xD5\xC5", Some("ISO_IR 144"), "GB18030", "张", false),
        (GB, None, "GBK", NAME, false),
        (BIG5, None, "BIG5", "張三^建國", false),
        (BIG5, Some("ISO_IR 100"), "BIG5", "張三^建國", false),
        (b"M\xFCller", Some("GB18030"), "ISO_IR 100", "Müller", false),
        // What cannot be of the known set is guessed as ever.
        (UTF8, Some("ISO_IR 192"), "GB18030", NAME, true),
        (ISO_2022, Some("\\ISO 2022 IR 58"), "GB18030", "张", false),
        (ISO_2022, None, "GB18030", "张", true),
    ];
    for (raw, declared, known, value, guessed) in rows {
        let text = decode_known(raw, declared.map(str::as_bytes), known);
        assert_eq!((text.value.as_str(), text.guessed), (*value, *guessed), "{known}");
    }
    for (term, known) in [
        ("GB18030", true),
        ("ISO_IR 192", true),
        ("ISO 2022 IR 6", true),
        ("BIG5", true),
        ("", false),
        ("Chinese", false),
        ("GB18030\\ISO_IR 192", false),
    ] {
        assert_eq!(is_character_set(term), known, "{term}");
    }
}

#[test]
fn wrong_declarations_between_utf8_and_gb18030_are_seen() {
    check(UTF8, None, NAME, true);
    check(UTF8, Some(b"ISO_IR 100"), NAME, true);
    check(UTF8, Some(b"GB18030"), NAME, true);
    check(GB, Some(b"ISO_IR 192"), NAME, true);
    // Outside GB 2312, in GBK only.
    check("镕基".as_bytes(), Some(b"GBK"), "镕基", true);
    check(b"\xE9F\xBB\xF9", None, "镕基", true);
}

#[test]
fn declared_single_byte_sets_are_believed() {
    check(b"M\xFCller^J\xF6rg", Some(b"ISO_IR 100"), "Müller^Jörg", false);
    check(b"Jos\xE9^Garc\xEDa", Some(b"ISO_IR 100"), "José^García", false);
    check(b"\xBB\xEE\xDA", Some(b"ISO_IR 144"), "Люк", false);
    check(b"Wa\xB3\xEAsa", Some(b"ISO_IR 101"), "Wałęsa", false);
    check(b"\xC4\xE9\xEF\xED", Some(b"ISO_IR 126"), "Διον", false);
    check(
        b"\xD4\xCF\xC0\xDE\xC0\xDB\xB3",
        Some(b"ISO_IR 13"),
        "ﾔﾏﾀﾞﾀﾛｳ",
        false,
    );
    check(b"plain", Some(b"nonsense"), "plain", false);
}

#[test]
fn escape_sequences_of_the_standards_examples_are_followed() {
    check(
        b"Yamada^Tarou=\x1B$B;3ED\x1B(B^\x1B$BB@O:\x1B(B=\x1B$B$d$^$@\x1B(B^\x1B$B$?$m$&\x1B(B",
        Some(b"\\ISO 2022 IR 87"),
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        false,
    );
    check(
        b"Hong^Gildong=\x1B$)C\xFB\xF3^\x1B$)C\xD1\xCE\xD4\xD7",
        Some(b"\\ISO 2022 IR 149"),
        "Hong^Gildong=洪^吉洞",
        false,
    );
    // The same bytes without a declaration that allows them.
    check(b"\x1B$)A\xD5\xC5", None, "张", true);
}

#[test]
fn a_name_cut_inside_a_character_stays_in_its_set() {
    let text = decode(&UTF8[..5], Some(b"ISO_IR 192"));
    assert!(text.value.starts_with('张') && !text.guessed);
}

#[test]
fn names_are_shown_in_their_ideographic_form() {
    let show = |value: &str| {
        person_name_display(&Text {
            value: value.to_owned(),
            guessed: false,
        })
    };
    assert_eq!(show("Zhang^Jianguo=张^建国=zhang"), "张 建国");
    assert_eq!(show("张三^建国"), "张三 建国");
    assert_eq!(
        show("Adams^John Robert Quincy^^Rev.^B.A. "),
        "Adams John Robert Quincy Rev. B.A."
    );
    assert_eq!(show("Zhang^San=="), "Zhang San");
    assert_eq!(show("==ヤマダ"), "ヤマダ");
    assert_eq!(show("^^^"), "");
}

#[test]
fn text_does_not_show_in_debug() {
    assert!(!format!("{:?}", decode(UTF8, None)).contains('张'));
}

proptest! {
    #[test]
    fn any_bytes_give_printable_text(raw: Vec<u8>, declared: Option<Vec<u8>>) {
        let text = decode(&raw, declared.as_deref());
        prop_assert!(!text.value.chars().any(char::is_control));
        prop_assert!(!person_name_display(&text).chars().any(char::is_control));
    }

    #[test]
    fn any_bytes_under_each_known_set_give_printable_text(
        raw: Vec<u8>,
        declared in prop::sample::select(vec![
            "", "GB18030", "GBK", "ISO_IR 192", "ISO_IR 13", "ISO_IR 100", "ISO_IR 166",
            "\\ISO 2022 IR 58", "\\ISO 2022 IR 87", "ISO 2022 IR 13\\ISO 2022 IR 159", "\\ISO 2022 IR 149",
        ]),
        escape in prop::sample::select(vec!["", "\x1B$B", "\x1B$(D", "\x1B$)A", "\x1B$)C", "\x1B", "\x1B$"]),
    ) {
        let bytes = [escape.as_bytes(), &raw].concat();
        prop_assert!(!decode(&bytes, Some(declared.as_bytes())).value.chars().any(char::is_control));
    }

    #[test]
    fn chinese_text_survives_each_of_its_sets(name in "[\u{4E00}-\u{9FA5}]{1,4}\\^[\u{4E00}-\u{9FA5}]{1,4}") {
        let (gb, _, _) = encoding_rs::GB18030.encode(&name);
        prop_assert_eq!(&decode(name.as_bytes(), Some(b"ISO_IR 192")).value, &name);
        prop_assert_eq!(&decode(&gb, Some(b"GB18030")).value, &name);
    }
}
