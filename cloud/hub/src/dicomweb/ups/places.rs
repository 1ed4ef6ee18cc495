use std::sync::Arc;

use super::attributes::Attributes;
use super::events::Events;
use super::made::MadeWorkitems;
use super::search::Search;
use super::workitems::{Done, Fault, Request, Workitem, Workitems};
use crate::dicomweb::access::Caller;

/// All places of workitems.
#[derive(Debug, Clone)]
pub(crate) struct Ups {
    made: MadeWorkitems,
    others: Vec<Arc<dyn Workitems>>,
    events: Events,
}

impl Ups {
    /// `others` tell their events to `events`.
    pub(crate) fn new(made: MadeWorkitems, others: Vec<Arc<dyn Workitems>>, events: Events) -> Self {
        Self { made, others, events }
    }

    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    fn places(&self) -> impl Iterator<Item = &dyn Workitems> {
        let others = self.others.iter().map(AsRef::as_ref);
        std::iter::once(&self.made as &dyn Workitems).chain(others)
    }

    pub(super) async fn get(&self, uid: &str) -> Result<Workitem, Fault> {
        for place in self.places() {
            match place.get(uid).await {
                Err(Fault::NotFound) => {}
                found => return found,
            }
        }
        Err(Fault::NotFound)
    }

    pub(super) async fn search(&self, search: &Search) -> Result<Vec<Workitem>, Fault> {
        let mut found = Vec::new();
        for place in self.places() {
            found.extend(place.search(search).await?);
        }
        found.sort_by(|a, b| (a.created_at_ms, &a.uid).cmp(&(b.created_at_ms, &b.uid)));
        Ok(found)
    }

    pub(super) async fn act(&self, uid: &str, request: Request, who: &Caller) -> Result<Done, Fault> {
        for place in self.places() {
            match place.act(uid, request.clone(), who).await {
                Err(Fault::NotFound) => {}
                done => return done,
            }
        }
        Err(Fault::NotFound)
    }

    /// `NotFound` where another place has the UID is told as `Exists`.
    pub(super) async fn create(&self, uid: &str, attributes: Attributes, who: &str) -> Result<(), Fault> {
        for place in &self.others {
            match place.get(uid).await {
                Err(Fault::NotFound) => {}
                Err(fault @ Fault::Failed { .. }) => return Err(fault),
                _ => return Err(Fault::Exists),
            }
        }
        self.made.create(uid, attributes, who).await
    }
}
