//! `kill -9` in the middle of a load, again and again in the same folder.

use std::time::Duration;

use barefoot_test_support::daemons::{EdgeOptions, Region};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::intake::{Answered, Holdings, Plan, Sample, lone_box, sending};

const KILLS: u32 = 100;
const SCANNERS: u32 = 4;

/// New studies in every round, one of them large images, and the last round's again.
fn round(number: u32) -> Plan {
    let study = |number: u32, scanner: u32| {
        let side = if scanner == 0 { 256 } else { 48 };
        (1..=40)
            .map(|slice| Sample::slice(&format!("round {number} scanner {scanner}"), slice, side, 0))
            .collect::<Vec<_>>()
    };
    let mut plan: Vec<_> = (0..SCANNERS).map(|scanner| study(number, scanner)).collect();
    if let Some(before) = number.checked_sub(1) {
        plan.push(study(before, 1));
    }
    Plan(plan)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_under_load_lose_and_tear_nothing() {
    let region = Region::new().unwrap();
    let mut edge = lone_box(&region, EdgeOptions::default());
    let mut random = StdRng::seed_from_u64(1);
    let (mut sent, mut answered) = (Plan::default(), Vec::<Answered>::new());
    edge.start().await.unwrap();
    for number in 0..KILLS {
        let plan = round(number);
        let load = sending(edge.address("dicom").unwrap(), &plan);
        sent.0.extend(plan.0);
        // Chance is the point: the kill falls anywhere from before the first image to after the last.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..400))).await;
        edge.kill9();
        answered.extend(load.answers().await);
        edge.start().await.unwrap();
        if number % 10 == 9 {
            let holdings = Holdings::read(edge.state());
            let mut problems = holdings.against(&sent, &answered);
            problems.extend(holdings.against_page(&edge).await);
            assert!(
                problems.is_empty(),
                "after kill {}:\n{}\n{}",
                number + 1,
                problems.join("\n"),
                edge.log()
            );
        }
    }
    let holdings = Holdings::read(edge.state());
    println!(
        "{KILLS} kills; {} images acknowledged, {} kept",
        answered.len(),
        holdings.instances()
    );
    assert!(answered.iter().all(|answer| answer.status == 0));
    assert!(KILLS as usize * 5 < answered.len(), "the kills left no load");
}
