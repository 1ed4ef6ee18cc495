//! A record that the other side will not take does not come for ever.

use barefoot_queue::{Config, Lane, Queue, Refused};

use crate::all;

#[test]
fn a_poison_record_is_set_aside_after_its_last_chance() {
    let place = tempfile::tempdir().unwrap();
    let config = Config {
        refusals: 3,
        ..Config::default()
    };
    let open = || Queue::open(place.path(), config.clone()).unwrap();
    let queue = open();
    queue.append(Lane::Results, "poison", b"x", 1).unwrap();
    queue.append(Lane::Results, "good", b"y", 2).unwrap();
    assert_eq!(
        queue.refused("poison", "no such case", 10).unwrap(),
        Refused::Waits { refusals: 1 }
    );
    drop(queue);
    let queue = open();
    assert_eq!(
        queue.refused("poison", "no such case", 11).unwrap(),
        Refused::Waits { refusals: 2 }
    );
    assert_eq!(all(&queue).len(), 2);
    assert_eq!(
        queue.refused("poison", "still no such case", 12).unwrap(),
        Refused::SetAside
    );
    assert_eq!(queue.refused("poison", "late", 13).unwrap(), Refused::SetAside);
    assert_eq!(queue.refused("unknown", "why", 14).unwrap(), Refused::Unknown);
    drop(queue);

    let queue = open();
    assert_eq!(all(&queue)[0].id, "good");
    assert_eq!((queue.depth().pending, queue.depth().set_aside), (1, 1));
    let aside = &queue.set_aside_records(9).unwrap()[0];
    assert_eq!((aside.reason.as_str(), aside.refusals), ("still no such case", 3));
    assert_eq!(aside.refused_at_ms, Some(12));
    assert_eq!(aside.record.payload, b"x");

    // A person decides.
    let mut changed = queue.changed();
    changed.mark_unchanged();
    assert!(queue.try_again("poison").unwrap());
    assert!(
        changed.has_changed().unwrap(),
        "there is more to send than before"
    );
    assert!(!queue.try_again("poison").unwrap());
    let ids: Vec<_> = all(&queue).into_iter().map(|record| record.id).collect();
    assert_eq!(ids, ["poison", "good"], "back in its place");
    drop(queue);
    let queue = open();
    assert_eq!(
        queue.refused("poison", "again", 20).unwrap(),
        Refused::Waits { refusals: 1 }
    );
    assert!(queue.receipt("poison").unwrap());
    assert!(queue.set_aside_records(9).unwrap().is_empty());
}
