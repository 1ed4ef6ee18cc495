//! `docs/DEIDENTIFICATION.md` tells what becomes of every attribute: its tables are made of what the code goes by.
//!
//! `UPDATE_DEIDENTIFICATION=1 cargo test` writes them anew.

use std::fmt::Write as _;
use std::fs;

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_dictionary_std::StandardDataDictionary;

use super::attributes::{self, Fate, fate};
use super::kept::Rule;
use super::tests::{DICTIONARY, Names, marked};
use super::{Characteristics, Dates, Policy, annex_e, clean_attributes, kept, tag_of};
use crate::data_set::{Content, DataSet, Vr};
use crate::tags::{self, Tag};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/DEIDENTIFICATION.md");

fn name(tag: Tag) -> String {
    StandardDataDictionary
        .by_tag(dicom_core::Tag(tag.0, tag.1))
        .map(|entry| entry.alias().to_owned())
        .unwrap_or_default()
}

/// Every line of the table: tag, action, options.
fn rows() -> impl Iterator<Item = (Tag, &'static str, &'static str)> {
    include_str!("annex_e.tsv").lines().map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        (tag_of(columns[0]).unwrap(), columns[1], columns[2])
    })
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Remove => "X",
        Fate::Empty => "Z",
        Fate::Dummy => "D",
        Fate::Keep(rule) => match rule {
            Rule::Uid => "U",
            Rule::Date | Rule::DateTime => "C moved",
            Rule::Time => "K time of day",
            Rule::Age => "K up to 90 years",
            Rule::AgeBand => "C ten years",
            Rule::Class => "K class",
            Rule::Code(_) => "K of a list",
            Rule::Number(_) => "K numbers",
            Rule::Words => "C known words",
            Rule::Orientation => "K directions",
            Rule::TagValue => "K tags",
            Rule::Table => "K table",
            Rule::Coded => "C public codes",
            Rule::Items => "C items",
            Rule::Pixels => "C picture",
        },
    }
}

/// The action with a policy's defaults, and what the policy's other words make of it.
fn cell(tag: Tag, base: &Policy, others: &[(&str, Policy)]) -> String {
    let usual = fate(tag, base);
    let mut text = word(usual).to_owned();
    for (when, policy) in others {
        let other = fate(tag, policy);
        if other != usual {
            let _ = write!(text, "; {when}: {}", word(other));
        }
    }
    if matches!(usual, Fate::Keep(Rule::Date | Rule::DateTime)) {
        text.push_str("; dates kept: K");
    }
    text
}

fn care(tag: Tag) -> String {
    let without = Policy {
        characteristics: Characteristics::Removed,
        ..Policy::care()
    };
    cell(tag, &Policy::care(), &[("characteristics removed", without)])
}

fn research(tag: Tag) -> String {
    let shifted = Policy {
        dates: Dates::Shifted,
        ..Policy::research()
    };
    let band = Policy {
        characteristics: Characteristics::SexAndAgeBand,
        ..Policy::research()
    };
    let text = cell(
        tag,
        &Policy::research(),
        &[("dates shifted", shifted), ("sex and age", band)],
    );
    // Research has no dates that are kept.
    text.replace("; dates kept: K", "")
}

fn table_of_the_standard() -> String {
    let mut text =
        "\n| tag | attribute | basic | UIDs | device | institution | patient | full dates | modified dates \
                    | descriptors | structured | graphics | **care** | **research** |\n\
                    |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    let said = |options: &str, letter, action: &'static str| {
        if options.contains(letter) { action } else { "" }
    };
    for (tag, basic, options) in rows() {
        let device = [said(options, 'V', "K"), said(options, 'v', "C")].concat();
        let patient = [said(options, 'P', "K"), said(options, 'p', "C")].concat();
        let star = if basic == "X/Z/U" { "*" } else { "" };
        let _ = writeln!(
            text,
            "| {tag} | {} | {basic}{star} | {} | {device} | {} | {patient} | {} | {} | {} | {} | {} | {} | {} |",
            name(tag),
            said(options, 'U', "K"),
            said(options, 'I', "K"),
            said(options, 'T', "K"),
            said(options, 'T', "C"),
            said(options, 'D', "C"),
            said(options, 'S', "C"),
            said(options, 'G', "C"),
            care(tag),
            research(tag),
        );
    }
    for (tags, name, option) in annex_e::REPEATING {
        let graphics = if option == "G" { "C" } else { "" };
        let _ = writeln!(
            text,
            "| {tags} | {name} | X | | | | | | | | | {graphics} | X | X |"
        );
    }
    text
}

fn what_else_stays() -> String {
    let mut text = "\n| tag | attribute | **care** | **research** |\n|---|---|---|---|\n".to_owned();
    for (tag, _) in kept::all().filter(|(tag, _)| annex_e::row(*tag).is_none()) {
        let _ = writeln!(
            text,
            "| {tag} | {} | {} | {} |",
            name(tag),
            care(tag),
            research(tag)
        );
    }
    text
}

fn codes() -> String {
    let mut text = "\n| purpose | (0012,0064), CID 7050 | (0028,0303) |\n|---|---|---|\n".to_owned();
    let with = |dates, characteristics, base: Policy| Policy {
        dates,
        characteristics,
        ..base
    };
    let (all, band, none) = (
        Characteristics::Kept,
        Characteristics::SexAndAgeBand,
        Characteristics::Removed,
    );
    for (purpose, policy) in [
        ("care", Policy::care()),
        ("care, dates kept", with(Dates::Kept, all, Policy::care())),
        (
            "care, characteristics removed",
            with(Dates::Shifted, none, Policy::care()),
        ),
        ("research", Policy::research()),
        (
            "research, dates shifted",
            with(Dates::Shifted, none, Policy::research()),
        ),
        (
            "research, sex and age",
            with(Dates::Removed, band, Policy::research()),
        ),
    ] {
        let clean = clean_attributes(&DataSet::default(), "id", &Names, &policy);
        let view = clean.view();
        let codes: Vec<String> = view
            .items(tags::DEIDENTIFICATION_CODES)
            .map(|item| {
                let said = |tag| item.string(tag).unwrap();
                format!("{} {}", said(tags::CODE_VALUE), said(tags::CODE_MEANING))
            })
            .collect();
        let longitudinal = view.string(tags::LONGITUDINAL_MODIFIED).unwrap();
        let _ = writeln!(text, "| {purpose} | {} | {longitudinal} |", codes.join("; "));
    }
    text
}

/// The document with `content` between the marks of `name`.
fn filled(document: &str, name: &str, content: &str) -> String {
    let begin = format!("<!-- generated: {name} -->\n");
    let (before, rest) = document.split_once(&begin).expect("the mark is there");
    let (_, after) = rest.split_once("<!-- end -->").expect("its end is there");
    format!("{before}{begin}{content}\n<!-- end -->{after}")
}

#[test]
fn the_document_tells_what_becomes_of_every_attribute() {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let mut expected = filled(&document, "table", &table_of_the_standard());
    expected = filled(&expected, "kept", &what_else_stays());
    expected = filled(&expected, "codes", &codes());
    if std::env::var_os("UPDATE_DEIDENTIFICATION").is_some() {
        fs::write(DOCUMENT, &expected).unwrap();
        return;
    }
    assert!(
        document == expected,
        "docs/DEIDENTIFICATION.md is behind the code: UPDATE_DEIDENTIFICATION=1 cargo test writes its tables"
    );
}

#[test]
fn every_attribute_of_the_table_has_a_name() {
    let nameless: Vec<String> = rows()
        .filter(|(tag, ..)| name(*tag).is_empty())
        .map(|(tag, ..)| tag.to_string())
        .collect();
    assert!(nameless.is_empty(), "{nameless:?}");
}

/// What the tables say is what is done: each attribute alone goes through, and is gone, empty, another, or there as they say.
#[test]
fn what_is_done_is_what_the_document_says() {
    let of_table: Vec<Tag> = rows().map(|(tag, ..)| tag).collect();
    let set_anew = [
        tags::PATIENT_NAME,
        tags::PATIENT_ID,
        tags::CHARACTER_SET,
        tags::IDENTITY_REMOVED,
        tags::DEIDENTIFICATION_METHOD,
        tags::DEIDENTIFICATION_CODES,
        tags::LONGITUDINAL_MODIFIED,
    ];
    let mut others = Vec::new();
    for policy in [Policy::care(), Policy::research()] {
        for tag in of_table.iter().chain(DICTIONARY.iter()).copied() {
            if set_anew.contains(&tag) {
                continue;
            }
            let mut set = DataSet::default();
            set.put(tag, marked(tag, Vr::of(tag)));
            let clean = clean_attributes(&set, "id", &Names, &policy);
            let left = clean.get(tag).map(|element| match &element.content {
                Content::Value(bytes) => bytes.len(),
                Content::Items(items) => items.len(),
                Content::Fragments(_) => 0,
            });
            let is_type_2 = attributes::TYPE_2.contains(&tag);
            let is_as_said = match fate(tag, &policy) {
                Fate::Remove => left.is_none() || (is_type_2 && left == Some(0)),
                Fate::Empty => left == Some(0),
                Fate::Dummy => left.is_none_or(|bytes| bytes != 0),
                Fate::Keep(Rule::Uid) => left.is_some(),
                // A marker has the shape of no attribute that stays.
                Fate::Keep(Rule::Items) => left.is_some(),
                // Its values have places: what is in no list becomes OTHER.
                Fate::Keep(Rule::Code(_)) if tag == tags::IMAGE_TYPE => left.is_some(),
                Fate::Keep(_) => left.is_none_or(|bytes| bytes == 0),
            };
            if !is_as_said {
                others.push(format!("{tag}: {left:?} is left"));
            }
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}
