use std::sync::LazyLock;

use barefoot_domain::ClinicId;
use proptest::prelude::*;
use time::{Duration, OffsetDateTime};

use super::*;
use crate::{Authority, TlsPaths};

struct Hub {
    identity: TlsIdentity,
    now_ms: i64,
}

fn hub() -> Hub {
    let folder = tempfile::tempdir().unwrap();
    let now = OffsetDateTime::now_utc();
    let authority = Authority::create(folder.path(), "Test region", now).unwrap();
    let issued = authority.issue_hub(&["localhost".into()], now, Duration::days(30));
    issued.unwrap().save(folder.path(), "hub").unwrap();
    let identity = TlsIdentity::load(&TlsPaths {
        authority: folder.path().join("authority.crt"),
        certificate: folder.path().join("hub.crt"),
        key: folder.path().join("hub.key"),
    })
    .unwrap();
    Hub {
        identity,
        now_ms: now.unix_timestamp() * 1000,
    }
}

static HUB: LazyLock<Hub> = LazyLock::new(hub);

/// `count` entries with a head after every third and one at the end.
fn export(hub: &Hub, count: u64) -> Vec<String> {
    let (mut previous, mut last_head) = (NOTHING, NOTHING);
    let mut lines = Vec::new();
    let mut newest = None;
    for number in 1..=count {
        let entry = AuditEntry {
            number,
            at_ms: hub.now_ms,
            actor_kind: "person".into(),
            actor: format!("id{number}"),
            actor_name: "李伟".into(),
            action: "view_case".into(),
            clinic: "clinic-7".into(),
            case: format!("2.25.{number}"),
            ..AuditEntry::default()
        };
        let hash = entry.hash(&previous);
        lines.push(entry_line(&entry, &previous, &hash));
        previous = hash;
        if number % 3 == 0 || number == count {
            let head = hub
                .identity
                .sign_head(number, hash, hub.now_ms, last_head)
                .unwrap();
            last_head = head.name();
            lines.push(head_line(&head));
            newest = Some(head);
        }
    }
    let until = newest.unwrap_or_else(|| {
        let head = hub.identity.sign_head(0, NOTHING, hub.now_ms, NOTHING).unwrap();
        lines.push(head_line(&head));
        head
    });
    lines.insert(0, until_line(&until));
    lines
}

fn check(hub: &Hub, lines: &[String]) -> Result<Whole, BadLine> {
    let mut checker = Checker::new(hub.identity.authorities());
    for line in lines {
        checker.line(line)?;
    }
    checker.finish()
}

#[test]
fn a_whole_log_holds_and_an_empty_one_too() {
    let whole = check(&HUB, &export(&HUB, 7)).unwrap();
    assert_eq!((whole.entries, whole.heads), (7, 3));
    assert_eq!(check(&HUB, &export(&HUB, 0)).unwrap().entries, 0);
}

#[test]
fn the_first_bad_line_is_named_with_what_was_done_to_it() {
    let good = export(&HUB, 7);
    let fault = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = good.clone();
        change(&mut lines);
        check(&HUB, &lines).unwrap_err().to_string()
    };
    // Line 1 is the beginning, 2 to 4 are entries, 5 a head, 6 to 8 entries, 9 a head, 10 an entry, 11 the last head.
    for (said, wanted) in [
        (
            fault(&|lines| drop(lines.remove(2))),
            "line 3: entries 2 to 2 were deleted",
        ),
        (
            fault(&|lines| lines[5] = lines[5].replace("2.25.4", "2.25.5")),
            "line 6: entry 4 was altered",
        ),
        (
            fault(&|lines| lines.insert(3, lines[2].clone())),
            "line 4: entry 2 stands where 3 belongs",
        ),
        (
            fault(&|lines| lines.swap(1, 2)),
            "line 2: entries 1 to 1 were deleted",
        ),
        (
            fault(&|lines| lines.truncate(8)),
            "line 9: the end was cut off: 7 entries were signed, 6 are here",
        ),
        (
            fault(&|lines| drop(lines.remove(4))),
            "line 8: a head that was signed before entry 6 is missing",
        ),
        (
            fault(&|lines| drop(lines.pop())),
            "line 11: the head that ends the log is missing",
        ),
        (
            fault(&|lines| drop(lines.remove(0))),
            "line 1: the file does not begin",
        ),
        (
            fault(&|lines| lines.push(lines[0].clone())),
            "line 12: a second beginning",
        ),
        (fault(&|lines| lines[3].clear()), "line 4: this is no line"),
        (fault(&Vec::clear), "line 1: the file does not begin"),
    ] {
        assert!(said.starts_with(wanted), "{said} is not: {wanted}");
    }
}

#[test]
fn a_log_written_anew_lacks_the_hubs_signature() {
    let stranger = hub();
    let forged = export(&stranger, 7);
    let error = check(&HUB, &forged).unwrap_err();
    assert!(matches!(error.fault, Fault::HeadCertificate { .. }), "{error}");
    // Written anew from entry 2 on, with every hash right, and the heads that were there.
    let mut lines = export(&HUB, 7);
    let mut previous = NOTHING;
    for line in &mut lines {
        if let Line::Entry { mut entry, .. } = serde_json::from_str(line).unwrap() {
            entry.actor_name = "another".into();
            let hash = entry.hash(&previous);
            *line = entry_line(&entry, &previous, &hash);
            previous = hash;
        }
    }
    let error = check(&HUB, &lines).unwrap_err();
    assert!(matches!(error.fault, Fault::Rewritten { number: 3 }), "{error}");
}

#[test]
fn what_was_noted_elsewhere_must_be_there() {
    let lines = export(&HUB, 3);
    let check = |number, hash| {
        let mut checker = Checker::new(HUB.identity.authorities()).expecting(number, hash);
        lines.iter().try_for_each(|line| checker.line(line))?;
        checker.finish()
    };
    let Line::Entry { hash, .. } = serde_json::from_str(&lines[2]).unwrap() else {
        panic!("the third line is the second entry")
    };
    let hash = read_hash(&hash.to_uppercase()).unwrap();
    check(2, hash).unwrap();
    assert!(matches!(
        check(2, [1; 32]).unwrap_err().fault,
        Fault::Rewritten { number: 2 }
    ));
    let longer = check(9, hash).unwrap_err();
    assert!(
        matches!(longer.fault, Fault::CutOff { signed: 9, found: 3 }),
        "{longer}"
    );
    assert!(read_hash("00").is_none());
}

#[test]
fn the_log_of_a_box_is_its_own_and_may_begin_where_older_entries_were_removed() {
    let folder = tempfile::tempdir().unwrap();
    let now = OffsetDateTime::now_utc();
    let authority = Authority::create(folder.path(), "Test region", now).unwrap();
    let clinic = ClinicId::new("clinic-7").unwrap();
    let issued = authority.issue_clinic(&clinic, now, Duration::days(30));
    issued.unwrap().save(folder.path(), "clinic-7").unwrap();
    let identity = TlsIdentity::load(&TlsPaths {
        authority: folder.path().join("authority.crt"),
        certificate: folder.path().join("clinic-7.crt"),
        key: folder.path().join("clinic-7.key"),
    })
    .unwrap();
    let a_box = Hub {
        identity,
        now_ms: now.unix_timestamp() * 1000,
    };
    let lines = export(&a_box, 7);
    let check = |clinic: &str, lines: &[String], noted: Option<(u64, Hash)>| {
        let clinic = ClinicId::new(clinic).unwrap();
        let mut checker = Checker::of_clinic(a_box.identity.authorities(), clinic);
        if let Some((number, hash)) = noted {
            checker = checker.expecting(number, hash);
        }
        lines.iter().try_for_each(|line| checker.line(line))?;
        checker.finish()
    };
    assert_eq!(check("clinic-7", &lines, None).unwrap().since_ms, None);
    let of_another = check("clinic-8", &lines, None).unwrap_err();
    assert!(matches!(of_another.fault, Fault::OfAnother), "{of_another}");
    let as_the_hubs = self::check(&a_box, &lines).unwrap_err();
    assert!(matches!(as_the_hubs.fault, Fault::OfAnother), "{as_the_hubs}");

    // Entries 1 to 3 and their head are gone; that head comes first instead.
    let Some(Kept::Head(head)) = read_line(&lines[4]) else {
        panic!("the fifth line is a head")
    };
    let (third, third_hash) = (head.number, head.hash);
    let mut shorter = vec![lines[0].clone(), since_line(&head)];
    shorter.extend_from_slice(&lines[5..]);
    let whole = check("clinic-7", &shorter, Some((third, third_hash))).unwrap();
    assert_eq!((whole.entries, whole.since_ms), (4, Some(a_box.now_ms)));
    let removed = check("clinic-7", &shorter, Some((1, third_hash))).unwrap_err();
    assert!(matches!(removed.fault, Fault::Removed { number: 1 }), "{removed}");
    let rewritten = check("clinic-7", &shorter, Some((third, NOTHING))).unwrap_err();
    assert!(
        matches!(rewritten.fault, Fault::Rewritten { number: 3 }),
        "{rewritten}"
    );
    // Not in the middle, and not without a signature.
    let mut late = lines.clone();
    late.insert(5, since_line(&head));
    assert!(matches!(
        check("clinic-7", &late, None).unwrap_err().fault,
        Fault::SecondBeginning
    ));
    shorter[1] = since_line(&Head { number: 2, ..head });
    assert!(matches!(
        check("clinic-7", &shorter, None).unwrap_err().fault,
        Fault::HeadSignature
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_single_change_is_found(
        count in 1_u64..12,
        what in 0_u8..4,
        at in any::<proptest::sample::Index>(),
        to in any::<proptest::sample::Index>(),
        byte in any::<proptest::sample::Index>(),
        value in 0x20_u8..0x7f,
    ) {
        let good = export(&HUB, count);
        let mut lines = good.clone();
        let (at, to) = (at.index(lines.len()), to.index(lines.len()));
        match what {
            0 => drop(lines.remove(at)),
            1 => lines.swap(at, to),
            2 => lines.insert(to, good[at].clone()),
            _ => {
                let mut bytes = lines[at].clone().into_bytes();
                let byte = byte.index(bytes.len());
                if bytes[byte].is_ascii() {
                    bytes[byte] = value;
                }
                lines[at] = String::from_utf8(bytes).unwrap();
            }
        }
        prop_assume!(lines != good);
        prop_assert!(check(&HUB, &lines).is_err());
    }

    #[test]
    fn lines_of_others_never_stop_the_check(text in "\\PC*") {
        let mut checker = Checker::new(HUB.identity.authorities());
        prop_assert!(checker.line(&text).is_err());
    }
}
