//! Who is sent when.

use barefoot_queue::{Lane, Queue};

use crate::open;

fn fill(queue: &Queue, lane: Lane, count: usize) {
    let payload = [1; 744];
    for number in 0..count {
        queue
            .append(lane, &format!("{lane:?}-{number}"), &payload, 1)
            .unwrap();
    }
}

#[test]
fn images_do_not_starve_and_critical_ones_never_wait() {
    let place = tempfile::tempdir().unwrap();
    let queue = open(place.path());
    fill(&queue, Lane::Results, 200);
    fill(&queue, Lane::Images, 200);
    let lanes = |limit: usize, queue: &Queue| -> Vec<Lane> {
        let pending = queue.pending(limit, |_| false).unwrap();
        pending.into_iter().map(|record| record.lane).collect()
    };
    let images = |lanes: &[Lane]| lanes.iter().filter(|lane| **lane == Lane::Images).count();
    assert_eq!(images(&lanes(110, &queue)), 30, "3 of 11");
    assert_eq!(lanes(110, &queue), lanes(110, &queue), "asking changes nothing");

    // A window of four: each receipt makes room for one more.
    let mut under_way: Vec<(u64, String)> = Vec::new();
    let mut sent = Vec::new();
    while sent.len() < 110 {
        let known = |sequence| under_way.iter().any(|(known, _)| *known == sequence);
        for record in queue.pending(4 - under_way.len(), known).unwrap() {
            sent.push(record.lane);
            under_way.push((record.sequence, record.id));
        }
        let (_, id) = under_way.remove(0);
        assert!(queue.receipt(&id).unwrap());
    }
    assert!((28..=32).contains(&images(&sent)), "{} images", images(&sent));

    fill(&queue, Lane::Critical, 3);
    assert_eq!(lanes(3, &queue), [Lane::Critical; 3]);
    let of_images = queue.pending_of(&[Lane::Images], 5, |_| false).unwrap();
    assert!(of_images.len() == 5 && of_images.iter().all(|record| record.lane == Lane::Images));
    assert!(queue.pending_of(&[], 5, |_| false).unwrap().is_empty());
}

#[test]
fn each_lane_says_how_long_its_first_record_waits() {
    let place = tempfile::tempdir().unwrap();
    let queue = open(place.path());
    queue.append(Lane::Results, "b", b"x", 50).unwrap();
    queue.append(Lane::Results, "a", b"x", 60).unwrap();
    queue.append(Lane::Images, "c", b"x", 70).unwrap();
    let depth = queue.depth();
    assert_eq!(depth.oldest_of(Lane::Results), Some(50));
    assert_eq!(depth.oldest_of(Lane::Images), Some(70));
    assert_eq!(depth.oldest_of(Lane::Critical), None);
    assert_eq!(depth.oldest_queued_at_ms, Some(50));
    queue.receipt("b").unwrap();
    assert_eq!(queue.depth().oldest_of(Lane::Results), Some(60));
}
