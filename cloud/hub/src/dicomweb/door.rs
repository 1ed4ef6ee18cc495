//! Accounts, tokens and the audit log, as DICOMweb asks for them.

use axum::http::request::Parts;
use barefoot_domain::CaseId;

use super::access::{Access, Act, Audit, By, Caller, Entry, Later, NotWritten, Refused, Right};
use crate::audit::{self, Action, Actor, Object};
use crate::people;

/// Whoever the guard before all pages let in.
#[derive(Debug)]
pub(crate) struct Accounts;

impl Access for Accounts {
    fn caller<'a>(&'a self, request: &'a Parts) -> Later<'a, Result<Caller, Refused>> {
        Box::pin(async move {
            let caller = request
                .extensions
                .get::<people::Caller>()
                .ok_or(Refused::Unknown)?;
            let (id, name, by) = match caller {
                people::Caller::Person(signed) => {
                    (&signed.person.id, &signed.person.display_name, By::Session)
                }
                people::Caller::Program(program) => (&program.id, &program.name, By::Token),
            };
            let may = [
                (people::Right::SeeImages, Right::SeeImages),
                (people::Right::StoreImages, Right::StoreImages),
                (people::Right::SeeCases, Right::SeeWork),
                (people::Right::WorkOnCases, Right::DoWork),
            ];
            Ok(Caller {
                id: id.clone(),
                name: name.clone(),
                by,
                may: may
                    .into_iter()
                    .filter(|(asked, _)| caller.may(*asked))
                    .map(|(_, right)| right)
                    .collect(),
            })
        })
    }
}

/// The hub's own log.
#[derive(Debug)]
pub(crate) struct Log(pub(crate) audit::Audit);

impl Audit for Log {
    fn record<'a>(&'a self, entry: Entry<'a>) -> Later<'a, Result<(), NotWritten>> {
        Box::pin(async move {
            let caller = entry.caller;
            let actor = match caller.by {
                By::Session => Actor::person(&caller.id, &caller.name),
                By::Token => Actor::Program {
                    id: caller.id.clone(),
                    name: caller.name.clone(),
                },
            };
            let action = match entry.act {
                Act::View => Action::ViewImages,
                Act::Export => Action::Export,
                Act::Store => Action::Store,
            };
            let object = match CaseId::new(entry.case) {
                Ok(case) => Object::case(entry.clinic, &case),
                Err(_) => Object::subject(entry.case),
            };
            let entry = audit::Entry::new(actor, action, object).details("DICOMweb");
            self.0.record(entry).await.map_err(|_| NotWritten)
        })
    }
}
