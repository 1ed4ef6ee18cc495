//! Do critical results go first? All lines are cut, routine results pile up, critical ones come last; then the lines are
//! whole again.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use barefoot_test_support::wait::wait_for;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::clinic::Clinic;
use crate::holdings;
use crate::plan::{Kind, share};
use crate::region::Region;
use crate::report::Critical;

/// A number no study of the days has.
const FIRST: u32 = 1_000_000;
const CRITICAL_EACH: u32 = 5;
const WITHIN: Duration = Duration::from_secs(3600);

pub(crate) async fn measure(region: &mut Region, waiting: u32) -> anyhow::Result<Critical> {
    let clinics = region.clinics.len();
    let mut piling = JoinSet::new();
    for (number, clinic) in region.clinics.drain(..).enumerate() {
        piling.spawn_local(pile(clinic, share(waiting, clinics, number)));
    }
    let mut before = Vec::new();
    while let Some(piled) = piling.join_next().await {
        let (clinic, known) = piled??;
        region.clinics.push(clinic);
        before.push(known);
    }
    let mut routine_waiting = 0;
    for clinic in &region.clinics {
        routine_waiting += clinic.edge.status().await?.queue.pending;
    }
    let line_back_ms = now_ms();
    let mut connecting = JoinSet::new();
    for (clinic, known) in region.clinics.drain(..).zip(before) {
        clinic.lines.restore();
        connecting.spawn_local(async move {
            let connected_ms = connected(&clinic).await?;
            anyhow::Ok((clinic, known, connected_ms))
        });
    }
    let mut answered = Vec::new();
    while let Some(done) = connecting.join_next().await {
        let (clinic, known, connected_ms) = done??;
        answered.push((known, connected_ms));
        region.clinics.push(clinic);
    }
    region.settle().await?;
    let rows = holdings::results(region.hub_state())?;
    let (mut critical, mut from_line, mut routine) = (Vec::new(), Vec::new(), Vec::new());
    for (clinic, (known, connected_ms)) in region.clinics.iter().zip(&answered) {
        let cases = holdings::cases(&clinic.edge).await?;
        for stored in clinic
            .stored
            .iter()
            .filter(|stored| !known.contains(&stored.study))
        {
            let case = cases.get(&stored.study).context("a case of the study")?;
            let row = rows
                .get(&(clinic.name.clone(), case.id.clone()))
                .context("a result at the hub")?;
            if stored.pixels.is_some() {
                critical.push(row.committed_at_ms - connected_ms);
                from_line.push(row.committed_at_ms - line_back_ms);
            } else {
                routine.push(row.committed_at_ms - connected_ms);
            }
        }
    }
    Ok(Critical {
        results: critical.len(),
        routine_waiting: routine_waiting.saturating_sub(critical.len() as u64),
        p50_ms: percentile(&mut critical, 50),
        p99_ms: percentile(&mut critical, 99),
        p99_from_line_ms: percentile(&mut from_line, 99),
        routine_p50_ms: percentile(&mut routine, 50),
    })
}

/// Cuts the line and sees patients, the urgent ones last. Gives the studies from before.
async fn pile(mut clinic: Clinic, waiting: u32) -> anyhow::Result<(Clinic, BTreeSet<String>)> {
    clinic.lines.cut();
    let known: BTreeSet<String> = clinic.stored.iter().map(|stored| stored.study.clone()).collect();
    for number in 0..waiting {
        clinic.patient(FIRST + number, Kind::Small).await?;
    }
    for number in 0..CRITICAL_EACH {
        clinic.patient(FIRST + waiting + number, Kind::Radiograph).await?;
    }
    let wanted = clinic.stored.len();
    let name = clinic.name.clone();
    let what = format!("{name} to queue everything");
    let queued = wait_for(&what, WITHIN, async || {
        let pending = clinic
            .edge
            .status()
            .await
            .map_err(|error| error.to_string())?
            .queue
            .pending;
        let new = (wanted - known.len()) as u64;
        if new <= pending {
            Ok(())
        } else {
            Err(format!("{pending} of {new}"))
        }
    });
    queued.await?;
    Ok((clinic, known))
}

async fn connected(clinic: &Clinic) -> anyhow::Result<i64> {
    let begun = Instant::now();
    while begun.elapsed() < WITHIN {
        if clinic.edge.status().await?.link == "connected" {
            return Ok(now_ms());
        }
        sleep(Duration::from_millis(5)).await;
    }
    anyhow::bail!("{} does not connect", clinic.name)
}

fn percentile(values: &mut [i64], percent: usize) -> i64 {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    values
        .get((last * percent).div_ceil(100))
        .copied()
        .unwrap_or_default()
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
