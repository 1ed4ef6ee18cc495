use super::*;

const EXAMPLE: &str = include_str!("../../../../../provisioning/sites/policy.example.toml");

fn parse(text: &str) -> Result<SitePolicy, String> {
    let policy: SitePolicy = toml::from_str(text).map_err(|error| error.to_string())?;
    policy.check()?;
    Ok(policy)
}

#[test]
fn the_example_loads_and_comes_back_from_what_is_written() {
    let policy = parse(EXAMPLE).unwrap();
    assert_eq!(policy.nodes.of("pacs"), NodeGets::Originals);
    assert_eq!(policy.nodes.of("nobody-knows"), NodeGets::Nothing);
    assert!(policy.learning.is_some() && policy.recipient("county-hospital").is_some());
    let written = toml::to_string(&policy).unwrap();
    assert_eq!(parse(&written).unwrap(), policy);
}

#[test]
fn what_is_left_out_is_closed() {
    let empty = parse("").unwrap();
    assert_eq!((empty.learning, empty.research.len()), (None, 0));
    assert_eq!(empty.nodes.of("pacs"), NodeGets::Nothing);
    let absent = SitePolicy::care_only();
    assert_eq!(absent.nodes.of("pacs"), NodeGets::Originals);
    assert!(absent.learning.is_none() && absent.research.is_empty());
    let closed = SitePolicy::results_only();
    assert!(!closed.hub.sends(Urgency::Critical) && !closed.hub.free_text && !closed.hub.stick);
    assert_eq!(closed.nodes.of("pacs"), NodeGets::Nothing);
}

#[test]
fn what_cannot_be_is_named() {
    let recipient = "[[research]]\nname = \"a\"\npurpose = \"b\"\nuntil = \"2027-12-31\"\n";
    parse(recipient).unwrap();
    for (text, expected) in [
        ("typo = 1", "typo"),
        ("[hub]\ntypo = 1", "typo"),
        ("[hub]\nimages_of = [\"urgent\"]", "urgent"),
        ("[nodes]\nunlisted = \"everything\"", "everything"),
        ("[nodes.by_name]\n\"../pacs\" = \"originals\"", "a-z"),
        ("[minors]\nage = 5", "minors"),
        ("[learning]\nconsent = \"opt_out\"", "minimum_cohort"),
        (&recipient.replace("2027-12-31", "next year"), "until"),
        (&recipient.replace("\"a\"", "\"A b\""), "a-z"),
        (&format!("{recipient}{recipient}"), "twice"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_recipient_gets_nothing_after_its_last_day() {
    let recipient = Recipient {
        name: "a".into(),
        purpose: "b".into(),
        dates: ResearchDates::Removed,
        sex_and_age_band: false,
        names: ResearchNames::Recipient,
        until: "2026-11-23".into(),
    };
    // 2026-11-23T12:00:00Z and a day later.
    assert!(recipient.is_open_at(1_795_435_200_000));
    assert!(!recipient.is_open_at(1_795_521_600_000));
}
