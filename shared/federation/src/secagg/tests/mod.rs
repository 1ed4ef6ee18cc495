//! A whole round in memory: clients, the server, and drop-outs at every step.

mod client;
mod quantise;
mod round;
mod server;

use std::collections::{BTreeMap, BTreeSet};

use barefoot_domain::ClinicId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// The last step a clinic takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stays {
    Advert,
    Shares,
    Masks,
    Answers,
}

fn clinic(n: usize) -> ClinicId {
    ClinicId::new(format!("clinic-{n}")).unwrap()
}

fn params(participants: u16, threshold: u16, values: usize) -> Params {
    let context = RoundContext {
        run: "run-7".to_owned(),
        round: 3,
        model: [9; 32],
    };
    Params::new(participants, threshold, values, 1.0, 1000, context).unwrap()
}

fn clients(params: &Params, seed: u64) -> Vec<Client> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..usize::from(params.participants()))
        .map(|n| Client::new(params.clone(), clinic(n), &mut rng))
        .collect()
}

fn adverts(clients: &[Client]) -> Vec<(ClinicId, Advert)> {
    clients
        .iter()
        .map(|c| (c.id().clone(), c.advert().unwrap()))
        .collect()
}

/// A quantised vector as a client would mask it, the weight last.
fn vector(params: &Params, rng: &mut StdRng) -> Vec<u32> {
    let largest = params.quantiser().largest();
    (0..params.length())
        .map(|_| rng.random_range(0..=largest))
        .collect()
}

fn chunks(params: &Params) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let length = params.length();
    (0..params.chunks()).map(move |chunk| {
        (
            chunk,
            chunk * CHUNK_VALUES..length.min((chunk + 1) * CHUNK_VALUES),
        )
    })
}

fn killed_and_restarted(client: &mut Client) {
    *client = Client::from_bytes(&client.to_bytes().unwrap()).unwrap();
}

struct Outcome {
    unmasked: Vec<u32>,
    plain: Vec<u32>,
    contributors: usize,
}

/// Plays a round in which clinic `n` takes part up to `stays[n]`; all of them are killed and restarted at each step.
fn play(params: &Params, stays: &[Stays], seed: u64) -> Result<Outcome, Error> {
    let mut clients = clients(params, seed);
    let mut server = Server::new(params.clone());
    for (clinic, advert) in adverts(&clients) {
        server.advert(clinic, advert)?;
    }
    let roster = server.close_adverts()?.clone();
    let members = || roster.members().map(|(clinic, advert)| (clinic.clone(), *advert));

    let taking_part = |step: Stays| stays.iter().map(move |stays| step <= *stays);
    for (client, _) in clients
        .iter_mut()
        .zip(taking_part(Stays::Shares))
        .filter(|(_, here)| *here)
    {
        killed_and_restarted(client);
        let shares = client.share(members())?;
        killed_and_restarted(client);
        assert_eq!(
            client.share(members())?,
            shares,
            "a step repeated gives the same message"
        );
        server.shares(client.id().clone(), shares)?;
    }
    server.close_shares()?;

    let mut rng = StdRng::seed_from_u64(seed ^ 1);
    let mut sum = vec![0; params.length()];
    let mut plain = vec![0_u32; params.length()];
    let mut survivors = BTreeSet::new();
    for (client, stays) in clients
        .iter_mut()
        .zip(stays)
        .filter(|(_, stays)| Stays::Shares <= **stays)
    {
        let inbox = server.inbox(client.id())?;
        assert!(client.open(&inbox)?.unreadable.is_empty());
        killed_and_restarted(client);
        if *stays < Stays::Masks {
            continue;
        }
        let values = vector(params, &mut rng);
        for (chunk, range) in chunks(params) {
            let masked = client.mask(chunk, &values[range.clone()])?;
            add_masked(&mut sum[range], &masked);
            killed_and_restarted(client);
        }
        for (sum, value) in plain.iter_mut().zip(&values) {
            *sum = sum
                .checked_add(*value)
                .expect("the quantiser's scale leaves room for all");
        }
        survivors.insert(client.id().clone());
    }
    server.close_masking(survivors.clone())?;

    for (client, _) in clients
        .iter_mut()
        .zip(taking_part(Stays::Answers))
        .filter(|(_, here)| *here)
    {
        let answer = client.unmask(&survivors)?;
        killed_and_restarted(client);
        assert_eq!(client.unmask(&survivors)?, answer);
        assert_eq!(server.unmask_shares(client.id().clone(), answer)?, []);
    }
    let unmasker = server.reconstruct()?;
    for (chunk, range) in chunks(params) {
        unmasker.unmask_chunk(chunk, &mut sum[range])?;
    }
    Ok(Outcome {
        unmasked: sum,
        plain,
        contributors: unmasker.contributors(),
    })
}

/// A round up to the point where everybody can mask, all clinics present.
fn masking(params: &Params, seed: u64) -> (Vec<Client>, Server) {
    let mut clients = clients(params, seed);
    let mut server = Server::new(params.clone());
    let adverts = adverts(&clients);
    for (clinic, advert) in &adverts {
        server.advert(clinic.clone(), *advert).unwrap();
    }
    server.close_adverts().unwrap();
    for client in &mut clients {
        let shares = client.share(adverts.clone()).unwrap();
        server.shares(client.id().clone(), shares).unwrap();
    }
    server.close_shares().unwrap();
    for client in &mut clients {
        client.open(&server.inbox(client.id()).unwrap()).unwrap();
    }
    (clients, server)
}

fn ids(clinics: impl IntoIterator<Item = usize>) -> BTreeSet<ClinicId> {
    clinics.into_iter().map(clinic).collect()
}

type Inbox = BTreeMap<ClinicId, Envelope>;
