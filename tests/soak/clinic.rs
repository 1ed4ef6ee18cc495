//! One clinic: its box, its two lines, its patients.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use barefoot_test_support::daemons::Edge;
use barefoot_test_support::line::{Line, Portal, Quality};
use barefoot_test_support::phantom::{Chest, Size};
use barefoot_test_support::scanner::raw::{Error, Proposal, RawAssociation};
use barefoot_test_support::{CT_IMAGE, DX_FOR_PRESENTATION, Instance, Radiograph};
use ring::digest::{SHA256, digest};
use tokio::time::{Instant, sleep, sleep_until};

use crate::plan::{Event, Kind};

const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
const SIDE: u16 = 32;

/// Bytes of a small chest: 500 by 600, two each.
const PIXELS: usize = 500 * 600 * 2;

/// A scanner tries again after this long.
const AGAIN: Duration = Duration::from_millis(200);

/// What a scanner was told is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stored {
    pub(crate) study: String,
    /// SHA-256 of a radiograph's pixels.
    pub(crate) pixels: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(crate) struct Clinic {
    pub(crate) name: String,
    pub(crate) edge: Edge,
    pub(crate) lines: Arc<Lines>,
    pub(crate) stored: Vec<Stored>,
    pub(crate) kills: u32,
    /// Studies that were sent anew because the box went in the middle.
    pub(crate) sent_again: u32,
}

/// Both ways to the hub break together.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) results: Line,
    pub(crate) images: Line,
}

impl Lines {
    fn each(&self, act: impl Fn(&Line)) {
        act(&self.results);
        act(&self.images);
    }

    pub(crate) fn cut(&self) {
        self.each(Line::cut);
    }

    pub(crate) fn restore(&self) {
        self.each(Line::restore);
    }
}

impl Clinic {
    /// Its days, one event after the other, none before its time.
    pub(crate) async fn live(
        &mut self,
        events: &[(Duration, Event)],
        begun: Instant,
        hour: Duration,
    ) -> anyhow::Result<()> {
        let pace = hour.as_secs_f64() / 3600.0;
        for (at, event) in events {
            sleep_until(begun + at.mul_f64(pace)).await;
            match event {
                Event::Study { number, kind } => self.patient(*number, *kind).await?,
                Event::Cut => self.lines.cut(),
                Event::Township => self.lines.each(|line| line.set(Quality::TOWNSHIP)),
                Event::Strand => self.lines.each(Line::strand),
                Event::Portal => self.lines.each(|line| line.capture(Portal::Page)),
                Event::Restore => self.lines.restore(),
                Event::KillBox => {
                    self.edge.kill9();
                    self.edge.start().await?;
                    self.kills += 1;
                }
            }
        }
        Ok(())
    }

    /// One study, sent until the box says that it has it.
    pub(crate) async fn patient(&mut self, number: u32, kind: Kind) -> anyhow::Result<()> {
        let study = format!("{} {number}", self.name);
        let instance = match kind {
            Kind::Small => {
                let samples = (0..u32::from(SIDE) * u32::from(SIDE))
                    .map(|at| i16::try_from((at ^ number) % 2000).unwrap_or(0));
                Instance::filler_slice(&study, 1, SIDE, samples.collect())
            }
            Kind::Radiograph => {
                let seed = u64::from(number) << 16 | self.name.bytes().map(u64::from).sum::<u64>();
                Chest::varied(seed, Size::Small, Radiograph::Dx).instance()
            }
        };
        let class = match kind {
            Kind::Small => CT_IMAGE,
            Kind::Radiograph => DX_FOR_PRESENTATION,
        };
        let data_set = Arc::new(instance.data_set().context("a phantom can be written")?);
        let uid = instance.sop_instance_uid.clone();
        let mut first = true;
        loop {
            let address = self.edge.address("dicom")?.to_owned();
            let (bytes, uid) = (Arc::clone(&data_set), uid.clone());
            let sent = tokio::task::spawn_blocking(move || store(&address, class, &uid, &bytes)).await?;
            match sent {
                Ok(0) => break,
                Ok(status) => anyhow::bail!("{}: the box answered 0x{status:04X}", self.name),
                Err(_) => {
                    self.edge.check()?;
                    self.sent_again += u32::from(first);
                    first = false;
                    sleep(AGAIN).await;
                }
            }
        }
        self.stored.push(Stored {
            study: instance.study_uid.clone(),
            pixels: (kind == Kind::Radiograph).then(|| {
                // The pixels are the last element.
                let at = data_set.len().saturating_sub(PIXELS);
                digest(&SHA256, data_set.get(at..).unwrap_or_default())
                    .as_ref()
                    .to_vec()
            }),
        });
        Ok(())
    }
}

fn store(address: &str, class: &str, uid: &str, data_set: &[u8]) -> Result<u16, Error> {
    let proposal = Proposal::new("BAREFOOT", "SIM_DR1").with(class, EXPLICIT_LITTLE_ENDIAN);
    let mut association = RawAssociation::open(address, &proposal)?;
    let answer = association.store(0, class, uid, data_set)?;
    association.release()?;
    Ok(answer.status)
}
