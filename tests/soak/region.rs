//! The region while it lives: hub, broker, clinics, and the blows that strike them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use barefoot_test_support::bundle;
use barefoot_test_support::daemons::{self, Broker, EdgeOptions, Hub};
use barefoot_test_support::line::Line;
use barefoot_test_support::wait::wait_for;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::clinic::{Clinic, Lines};
use crate::holdings;
use crate::plan::{Blow, Plan};
use crate::report::Report;

/// Everything that waits must have gone by then.
const SETTLES_WITHIN: Duration = Duration::from_secs(2 * 3600);

pub(crate) struct Region {
    pub(crate) clinics: Vec<Clinic>,
    hub: Hub,
    broker: Broker,
    hub_kills: u32,
    broker_kills: u32,
    // Last, so that its folder goes after the programs that use it.
    _region: daemons::Region,
}

impl Region {
    pub(crate) async fn start(clinics: usize) -> anyhow::Result<Self> {
        let region = daemons::Region::new()?;
        let broker = Broker::start(&region).await?;
        let mut hub = region.imaging_hub_behind(&broker)?;
        hub.start().await?;
        let bundle = bundle::urgent(region.folder())?;
        let mut all = Vec::new();
        for number in 1..=clinics {
            let lines = Lines {
                results: Line::start(broker.address()).await?,
                images: Line::start(hub.address("images")?).await?,
            };
            let options = EdgeOptions {
                after_release_ms: 0,
                quiet_period_ms: 1_000,
                bundle: bundle.clone(),
                link: "max_backoff_s = 5\n".to_owned(),
                more: format!(
                    "[images]\nhub = \"{}\"\nmax_backoff_s = 5\n",
                    lines.images.address
                ),
                ..EdgeOptions::default()
            };
            let name = format!("clinic-{number}");
            let mut edge = region.edge(&name, &lines.results.address.to_string(), &options)?;
            edge.set_policy("[hub]\nimages_of = [\"critical\"]\n")?;
            edge.start().await?;
            all.push(Clinic {
                name,
                edge,
                lines: Arc::new(lines),
                stored: Vec::new(),
                kills: 0,
                sent_again: 0,
            });
        }
        Ok(Self {
            clinics: all,
            hub,
            broker,
            hub_kills: 0,
            broker_kills: 0,
            _region: region,
        })
    }

    /// All clinics at once, and the blows between.
    pub(crate) async fn live(&mut self, plan: &Plan, hour: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        let lines: Vec<Arc<Lines>> = self
            .clinics
            .iter()
            .map(|clinic| Arc::clone(&clinic.lines))
            .collect();
        let mut days = JoinSet::new();
        for (mut clinic, events) in self.clinics.drain(..).zip(plan.clinics.clone()) {
            days.spawn_local(async move {
                let lived = clinic.live(&events, begun, hour).await;
                lived.with_context(|| format!("{}:\n{}", clinic.name, tail(&clinic.edge.log())))?;
                anyhow::Ok(clinic)
            });
        }
        for (at, blow) in &plan.blows {
            sleep_until(begun + at.mul_f64(hour.as_secs_f64() / 3600.0)).await;
            match blow {
                Blow::Hub => {
                    self.hub.kill9();
                    self.hub.start().await?;
                    let address = self.hub.address("images")?;
                    lines.iter().for_each(|lines| lines.images.lead_to(address));
                    self.hub_kills += 1;
                }
                Blow::Broker => {
                    self.broker.kill9();
                    self.broker.restart().await?;
                    self.broker_kills += 1;
                }
            }
        }
        while let Some(clinic) = days.join_next().await {
            self.clinics.push(clinic??);
            println!("{} of {} clinics are through.", self.clinics.len(), lines.len());
        }
        Ok(())
    }

    /// Good lines, and nothing waits any more.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        for clinic in &self.clinics {
            clinic.lines.restore();
        }
        for clinic in &self.clinics {
            let what = format!("{} to have sent everything", clinic.name);
            let sent = wait_for(&what, SETTLES_WITHIN, async || {
                let cases = holdings::cases(&clinic.edge)
                    .await
                    .map_err(|error| error.to_string())?;
                let status = clinic.edge.status().await.map_err(|error| error.to_string())?;
                let receipted = cases.values().filter(|case| case.receipted).count();
                if receipted == clinic.stored.len() && status.queue.pending == 0 {
                    Ok(())
                } else {
                    Err(format!(
                        "{receipted} of {} studies receipted, {} in the queue",
                        clinic.stored.len(),
                        status.queue.pending
                    ))
                }
            });
            sent.await
                .with_context(|| format!("{}:\n{}", clinic.name, tail(&clinic.edge.log())))?;
        }
        Ok(())
    }

    pub(crate) fn hub_state(&self) -> &Path {
        self.hub.state()
    }

    /// What is there of what should be.
    pub(crate) async fn count(&self) -> anyhow::Result<Report> {
        let rows = holdings::results(self.hub.state())?;
        let mut report = Report {
            broker_kills: self.broker_kills,
            hub_kills: self.hub_kills,
            ..Report::default()
        };
        for clinic in &self.clinics {
            report.box_kills += clinic.kills;
            report.sent_again += clinic.sent_again;
            report.stored += clinic.stored.len();
            let cases = holdings::cases(&clinic.edge).await?;
            report.left_in_queues += clinic.edge.status().await?.queue.pending;
            let pictures = holdings::pictures(self.hub.state(), &clinic.name)?;
            for stored in &clinic.stored {
                let times = cases
                    .get(&stored.study)
                    .and_then(|case| rows.get(&(clinic.name.clone(), case.id.clone())))
                    .map_or(0, |row| row.times);
                match times {
                    0 => report.lost += 1,
                    1 => report.once += 1,
                    _ => report.doubled += 1,
                }
                if let Some(pixels) = &stored.pixels {
                    match pictures.contains(pixels) {
                        true => report.pictures += 1,
                        false => report.pictures_lost += 1,
                    }
                }
            }
        }
        report.strange = rows.len().saturating_sub(report.once + report.doubled);
        Ok(report)
    }
}

fn tail(log: &str) -> &str {
    let from = log.len().saturating_sub(4_000);
    let from = (from..log.len())
        .find(|at| log.is_char_boundary(*at))
        .unwrap_or(0);
    log.get(from..).unwrap_or_default()
}
