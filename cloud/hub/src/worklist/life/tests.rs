use proptest::prelude::*;

use super::*;
use crate::worklist::rules::Worklist;

const MINUTE: i64 = 60_000;
const NOW: i64 = 1_000 * MINUTE;

fn rules() -> Rules {
    Worklist::default().rules().unwrap()
}

fn reader(person: &str, tier: Tier) -> Actor {
    Actor {
        person: person.into(),
        tier,
        chief: false,
        fits: true,
    }
}

fn critical() -> Life {
    Life::begin(1, Urgency::Critical, NOW, NOW, &rules())
}

fn review() -> Life {
    Life::begin(1, Urgency::Review, NOW - 500 * MINUTE, NOW, &rules())
}

fn after(life: &Life, event: Event, at: i64) -> Life {
    life.apply(&event, at, &rules()).unwrap().expect("a change").0
}

fn refused(life: &Life, event: Event, at: i64) -> Refused {
    life.apply(&event, at, &rules()).unwrap_err()
}

fn claim(person: &str) -> Event {
    Event::Claim {
        by: reader(person, Tier::County),
    }
}

#[test]
fn a_critical_cases_clock_starts_at_the_finding_the_others_at_the_hub() {
    let late = Life::begin(1, Urgency::Critical, NOW - 9 * MINUTE, NOW, &rules());
    assert_eq!(late.due_ms, NOW + MINUTE);
    assert_eq!(review().due_ms, NOW + 240 * MINUTE);
    // A box whose clock runs ahead gains nothing.
    let ahead = Life::begin(1, Urgency::Critical, NOW + 60 * MINUTE, NOW, &rules());
    assert_eq!(ahead.due_ms, NOW + 10 * MINUTE);
}

#[test]
fn ten_unread_minutes_bring_a_critical_case_to_the_next_tier() {
    let life = critical();
    assert_eq!(
        life.apply(&Event::Tick, NOW + 10 * MINUTE - 1, &rules()),
        Ok(None)
    );
    let (city, effects) = life
        .apply(&Event::Tick, NOW + 10 * MINUTE, &rules())
        .unwrap()
        .unwrap();
    assert_eq!((city.tier, city.due_ms), (Tier::City, NOW + 20 * MINUTE));
    assert_eq!(
        effects,
        [Effect::Escalated {
            from: Tier::County,
            to: Tier::City
        }]
    );
    let province = after(&city, Event::Tick, NOW + 20 * MINUTE);
    assert_eq!(province.tier, Tier::Province);
    // Nobody stands above: it is said again each time.
    let (still, effects) = province
        .apply(&Event::Tick, NOW + 30 * MINUTE, &rules())
        .unwrap()
        .unwrap();
    assert_eq!(
        (still.tier, still.state, effects.len()),
        (Tier::Province, State::Waiting, 1)
    );
    // Late is not forbidden: the county may still take it.
    let held = after(&still, claim("wang"), NOW + 31 * MINUTE);
    assert!(held.is_held_by("wang"));
}

#[test]
fn one_claims_and_the_other_is_told() {
    let held = after(&review(), claim("wang"), NOW);
    assert_eq!(refused(&held, claim("li"), NOW), Refused::Held);
    assert_eq!(held.progress(), Progress::BeingRead);
    let free = after(&held, Event::Tick, NOW + 15 * MINUTE);
    assert_eq!((free.state, free.lease.clone()), (State::Waiting, None));
    assert_eq!(
        refused(&free, Event::Renew { by: "wang".into() }, NOW),
        Refused::NotHolder
    );
    // A draft keeps the case.
    let drafted = after(&held, Event::Draft { by: "wang".into() }, NOW + 14 * MINUTE);
    assert_eq!(drafted.apply(&Event::Tick, NOW + 15 * MINUTE, &rules()), Ok(None));
}

#[test]
fn what_is_overdue_in_silent_hands_can_be_taken_over() {
    let held = after(&critical(), claim("wang"), NOW);
    let (overdue, effects) = held
        .apply(&Event::Tick, NOW + 10 * MINUTE, &rules())
        .unwrap()
        .unwrap();
    assert!(overdue.is_held_by("wang"), "who reads is not interrupted");
    assert_eq!(effects, [Effect::Overdue { tier: Tier::City }]);
    let zhao = Event::Claim {
        by: reader("zhao", Tier::City),
    };
    let at_work = after(&overdue, Event::Renew { by: "wang".into() }, NOW + 10 * MINUTE);
    assert_eq!(refused(&at_work, zhao.clone(), NOW + 11 * MINUTE), Refused::Held);
    let taken = after(&overdue, zhao, NOW + 11 * MINUTE);
    assert!(taken.is_held_by("zhao"));
    let sign = Event::Sign {
        by: "wang".into(),
        agrees: None,
    };
    assert_eq!(refused(&taken, sign, NOW + 12 * MINUTE), Refused::NotHolder);
}

#[test]
fn two_readers_who_agree_sign_and_two_who_differ_get_a_third() {
    let first = after(&review(), claim("wang"), NOW);
    let wanted = after(&first, Event::WantSecond { by: "wang".into() }, NOW);
    let sign = |by: &str, agrees| Event::Sign {
        by: by.into(),
        agrees,
    };
    assert_eq!(refused(&wanted, sign("wang", None), NOW), Refused::SecondWanted);
    let opinion = |by: &str, agrees| Event::Opinion {
        by: by.into(),
        agrees,
    };
    let second = after(&wanted, opinion("wang", None), NOW);
    assert_eq!(
        (second.stage, second.state, second.progress()),
        (Stage::Second, State::Waiting, Progress::SecondRead)
    );
    assert_eq!(refused(&second, claim("wang"), NOW), Refused::SameReader);
    let reading = after(&second, claim("li"), NOW);
    assert_eq!(after(&reading, sign("li", Some(true)), NOW).state, State::Signed);
    assert_eq!(refused(&reading, sign("li", Some(false)), NOW), Refused::NotNow);

    let third = after(&reading, opinion("li", Some(false)), NOW);
    assert_eq!(
        (third.stage, third.tier, third.floor),
        (Stage::Adjudication, Tier::City, Tier::City)
    );
    assert_eq!(refused(&third, claim("chen"), NOW), Refused::TierTooLow);
    let judge = Event::Claim {
        by: reader("zhao", Tier::City),
    };
    let judged = after(&after(&third, judge, NOW), sign("zhao", None), NOW);
    assert_eq!((judged.state, judged.readers.len()), (State::Signed, 3));
}

#[test]
fn an_offer_holds_the_others_back_for_a_while_but_not_when_minutes_count() {
    let offered = after(&review(), Event::Offer { person: "li".into() }, NOW);
    assert_eq!(refused(&offered, claim("wang"), NOW), Refused::Offered);
    assert!(after(&offered, claim("li"), NOW).is_held_by("li"));
    let lapsed = after(&offered, Event::Tick, NOW + 10 * MINUTE);
    assert_eq!(lapsed.offer, None);
    assert!(after(&lapsed, claim("wang"), NOW + 10 * MINUTE).is_held_by("wang"));
    let urgent = after(&critical(), Event::Offer { person: "li".into() }, NOW);
    assert!(after(&urgent, claim("wang"), NOW).is_held_by("wang"));
}

#[test]
fn what_is_referred_upward_is_not_read_below() {
    let held = after(&review(), claim("wang"), NOW);
    let up = Event::Refer {
        by: reader("wang", Tier::County),
        to: None,
    };
    let city = after(&held, up, NOW);
    assert_eq!(
        (city.tier, city.floor, city.state),
        (Tier::City, Tier::City, State::Waiting)
    );
    assert_eq!(refused(&city, claim("li"), NOW), Refused::TierTooLow);
    // Unless nobody above takes it.
    let province = after(&city, Event::Tick, NOW + 240 * MINUTE);
    let given_up = after(&province, Event::Tick, NOW + 480 * MINUTE);
    assert!(after(&given_up, claim("li"), NOW + 480 * MINUTE).is_held_by("li"));
}

#[test]
fn a_newer_version_reopens_and_an_older_one_is_nothing() {
    let arrived = |version, urgency| Event::Arrived {
        version,
        urgency,
        detected_ms: NOW,
    };
    let held = after(&review(), claim("wang"), NOW);
    let newer = after(&held, arrived(2, Urgency::Critical), NOW);
    assert!(newer.is_held_by("wang"));
    assert_eq!(
        (newer.version, newer.urgency, newer.due_ms),
        (2, Urgency::Critical, NOW + 10 * MINUTE)
    );
    assert_eq!(refused(&newer, arrived(1, Urgency::Review), NOW), Refused::Older);
    assert_eq!(newer.apply(&arrived(2, Urgency::Review), NOW, &rules()), Ok(None));
    let sign = Event::Sign {
        by: "wang".into(),
        agrees: None,
    };
    let signed = after(&newer, sign, NOW);
    let again = after(&signed, arrived(3, Urgency::Review), NOW);
    assert_eq!(
        (again.state, again.version, again.readers.len()),
        (State::Waiting, 3, 0)
    );
    assert!(signed.change < again.change);
}

#[test]
fn the_way_back_ends_with_the_clinics_own_word() {
    let held = after(&review(), claim("wang"), NOW);
    let sign = Event::Sign {
        by: "wang".into(),
        agrees: None,
    };
    let signed = after(&held, sign, NOW);
    let delivered = after(&signed, Event::Delivered, NOW);
    assert_eq!(delivered.apply(&Event::Delivered, NOW, &rules()), Ok(None));
    let read = after(&delivered, Event::ReadByClinic, NOW);
    assert_eq!((read.state, read.progress()), (State::Read, Progress::Reported));
    let asked = after(&read, Event::Asked { version: 1 }, NOW);
    assert_eq!(asked.state, State::Waiting);
    assert_eq!(refused(&review(), Event::Delivered, NOW), Refused::NotNow);
}

#[test]
fn only_a_chief_takes_a_case_off_the_list() {
    let by = |chief| Event::Withdraw {
        by: Actor {
            chief,
            ..reader("wang", Tier::County)
        },
    };
    assert_eq!(refused(&review(), by(false), NOW), Refused::NotChief);
    let gone = after(&review(), by(true), NOW);
    assert_eq!(
        (gone.state, gone.progress()),
        (State::Withdrawn, Progress::Withdrawn)
    );
    assert_eq!(refused(&gone, claim("li"), NOW), Refused::Closed);
}

fn person() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

fn tier() -> impl Strategy<Value = Tier> {
    prop::sample::select(vec![Tier::County, Tier::City, Tier::Province])
}

fn actor() -> impl Strategy<Value = Actor> {
    (person(), tier(), any::<bool>(), any::<bool>()).prop_map(|(person, tier, chief, fits)| Actor {
        person,
        tier,
        chief,
        fits,
    })
}

fn event() -> impl Strategy<Value = Event> {
    let urgency = prop::sample::select(vec![Urgency::Routine, Urgency::Review, Urgency::Critical]);
    prop_oneof![
        (1u32..5, urgency, 0i64..NOW).prop_map(|(version, urgency, detected_ms)| Event::Arrived {
            version,
            urgency,
            detected_ms
        }),
        (1u32..5).prop_map(|version| Event::Asked { version }),
        person().prop_map(|person| Event::Offer { person }),
        actor().prop_map(|by| Event::Claim { by }),
        person().prop_map(|by| Event::Renew { by }),
        person().prop_map(|by| Event::Draft { by }),
        person().prop_map(|by| Event::Release { by }),
        Just(Event::Tick),
        (person(), any::<Option<bool>>()).prop_map(|(by, agrees)| Event::Opinion { by, agrees }),
        (person(), any::<Option<bool>>()).prop_map(|(by, agrees)| Event::Sign { by, agrees }),
        person().prop_map(|by| Event::WantSecond { by }),
        (actor(), prop::option::of(person())).prop_map(|(by, to)| Event::Refer { by, to }),
        person().prop_map(|by| Event::WantImages { by }),
        Just(Event::Delivered),
        Just(Event::ReadByClinic),
        actor().prop_map(|by| Event::Withdraw { by }),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_case_is_held_by_one_or_none_and_never_lost(
        events in prop::collection::vec((event(), 0i64..20 * MINUTE), 1..60)
    ) {
        let rules = rules();
        let (mut life, mut now) = (critical(), NOW);
        for (event, passed) in events {
            now += passed;
            let Ok(Some((next, _))) = life.apply(&event, now, &rules) else {
                continue;
            };
            prop_assert_eq!(next.lease.is_some(), next.state.is_held());
            prop_assert!(next.offer.is_none() || next.state == State::Waiting);
            prop_assert_eq!(next.change, life.change + 1);
            prop_assert!(life.version <= next.version);
            prop_assert!(next.floor <= next.tier && next.tier <= rules.last_tier);
            // Off the list only by a signature or a chief.
            if life.state.is_open() && !next.state.is_open() {
                let allowed = matches!(event, Event::Sign { .. } | Event::Withdraw { .. });
                prop_assert!(allowed, "{event:?}");
            }
            // Nobody reads a case twice.
            let mut readers = next.readers.clone();
            readers.sort();
            readers.dedup();
            prop_assert_eq!(readers.len(), next.readers.len());
            // Whoever holds it may still read it.
            if let Some(lease) = &next.lease {
                prop_assert!(!next.readers.contains(&lease.person));
            }
            life = next;
        }
        // Left alone, what is open is overdue some day, in nobody's hands.
        if life.state.is_open() {
            for _ in 0..4 {
                now += 24 * 60 * MINUTE;
                if let Ok(Some((next, _))) = life.apply(&Event::Tick, now, &rules) {
                    life = next;
                }
            }
            prop_assert!(life.overdue && !life.state.is_held());
        }
    }
}
