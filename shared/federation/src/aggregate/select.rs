//! Krum's choice among updates by their distances.
//!
//! Where a score sums over one neighbour only, two clients that are each other's nearest always tie; then the next
//! neighbour's distance decides, and after it the order in which the clients are listed.

use std::cmp::Ordering;

use super::distance::Distances;

/// A client and its neighbours, nearest first, as (neighbour, squared distance).
type Neighbours = Vec<(usize, f64)>;

/// Sum over the nearest, and the distance of the next.
#[derive(Debug, Clone, Copy)]
struct Score(f64, f64);

impl Score {
    fn compare(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(self.1.total_cmp(&other.1))
    }
}

/// The `keep` clients with the lowest Krum scores, in ascending order.
pub(super) fn krum(distances: &Distances, f: usize, keep: usize) -> Vec<usize> {
    let neighbours = neighbours(distances);
    let mut scores: Vec<(Score, usize)> = (0..distances.clients())
        .zip(&neighbours)
        .map(|(client, others)| (score(others, nearest(distances.clients(), f), &[]), client))
        .collect();
    scores.sort_by(|a, b| a.0.compare(&b.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<usize> = scores.into_iter().take(keep).map(|(_, client)| client).collect();
    chosen.sort_unstable();
    chosen
}

/// Bulyan's first stage: Krum again and again, each time without those already chosen, until `n - 2f` are.
/// In ascending order.
pub(super) fn bulyan(distances: &Distances, f: usize) -> Vec<usize> {
    let clients = distances.clients();
    let neighbours = neighbours(distances);
    let mut chosen = vec![false; clients];
    for left in (2 * f + 1..=clients).rev() {
        let best = (0..clients)
            .zip(&neighbours)
            .filter(|(client, _)| !contains(&chosen, *client))
            .map(|(client, others)| (score(others, nearest(left, f), &chosen), client))
            .min_by(|a, b| a.0.compare(&b.0).then(a.1.cmp(&b.1)));
        if let Some(taken) = best.and_then(|(_, client)| chosen.get_mut(client)) {
            *taken = true;
        }
    }
    (0..clients).filter(|client| contains(&chosen, *client)).collect()
}

/// Neighbours a score sums over among `clients`: `n - f - 2`, and one when that would be none.
fn nearest(clients: usize, f: usize) -> usize {
    clients.saturating_sub(f + 2).max(1)
}

fn neighbours(distances: &Distances) -> Vec<Neighbours> {
    (0..distances.clients())
        .map(|client| {
            let others = distances.of(client).iter().copied().enumerate();
            let mut others: Neighbours = others.filter(|(other, _)| *other != client).collect();
            others.sort_by(|a, b| a.1.total_cmp(&b.1));
            others
        })
        .collect()
}

fn score(others: &Neighbours, nearest: usize, without: &[bool]) -> Score {
    let mut remaining = others
        .iter()
        .filter(|(other, _)| !contains(without, *other))
        .map(|(_, distance)| distance);
    let sum = remaining.by_ref().take(nearest).sum();
    Score(sum, remaining.next().copied().unwrap_or_default())
}

fn contains(set: &[bool], client: usize) -> bool {
    set.get(client).copied().unwrap_or_default()
}
