//! The client: as fast as the server lets it be.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use barefoot_test_support::scanner::raw::{Message, Proposal, RawAssociation};

use super::corpus::Corpus;

const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

fn proposal(corpus: &Corpus) -> Proposal {
    // A server that serves one association at a time lets the others wait.
    let mut proposal = Proposal::new("BAREFOOT", "SIM_DR1").with(corpus.sop_class, EXPLICIT_LITTLE_ENDIAN);
    proposal.timeout = Duration::from_secs(300);
    proposal
}

/// Cuts every instance into PDUs of the size this server asks for.
pub(crate) fn prepare(address: &str, corpus: &Corpus) -> anyhow::Result<Vec<Message>> {
    let association = RawAssociation::open(address, &proposal(corpus))?;
    association
        .agreed(0)
        .context("the server does not take the corpus")?;
    let messages = corpus
        .instances
        .iter()
        .map(|one| association.prepare(0, corpus.sop_class, &one.sop_instance, &one.data_set))
        .collect();
    association.release()?;
    Ok(messages)
}

/// Sends everything over so many associations at once.
pub(crate) fn run(
    address: &str,
    corpus: &Corpus,
    messages: &[Message],
    associations: usize,
) -> anyhow::Result<Duration> {
    let proposal = proposal(corpus);
    let share = messages.len().div_ceil(associations);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let senders: Vec<_> = messages
            .chunks(share)
            .map(|share| scope.spawn(|| send(address, &proposal, share)))
            .collect();
        for sender in senders {
            match sender.join() {
                Ok(sent) => sent?,
                Err(_) => bail!("a sending thread panicked"),
            }
        }
        Ok(())
    })?;
    Ok(begun.elapsed())
}

fn send(address: &str, proposal: &Proposal, messages: &[Message]) -> anyhow::Result<()> {
    let mut association = RawAssociation::open(address, proposal)?;
    for message in messages {
        let answer = association.send(message)?;
        if answer.status != 0 {
            bail!("status 0x{:04X}: {:?}", answer.status, answer.comment);
        }
    }
    association.release()?;
    Ok(())
}
