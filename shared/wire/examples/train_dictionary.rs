//! Trains the dictionary for batches and says what it saves:
//!
//! ```sh
//! cargo run -p barefoot-wire --example train_dictionary -- train shared/wire/src/dictionaries/1.zdict
//! cargo run -p barefoot-wire --example train_dictionary -- sample shared/wire/tests/samples/batch_dictionary_1.bin
//! cargo run -p barefoot-wire --example train_dictionary -- measure
//! ```
//!
//! The samples are made from seeds, so that no real result is in the file. A dictionary that was released stays as it is:
//! write the new one to a new file, give it the next id in `batch.rs`, and keep reading the old one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a developer's tool whose assumption breaks must stop"
)]

#[path = "../tests/samples/mod.rs"]
mod samples;

use barefoot_wire::{Packing, encode_batch, v1};
use prost::Message;

/// Larger ones saved less than a byte a result more.
const DICTIONARY_BYTES: usize = 4096;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["train", file] => train(file),
        ["sample", file] => sample(file),
        ["measure"] => measure(),
        _ => {
            eprintln!("usage: train_dictionary train <file> | sample <file> | measure");
            std::process::exit(64);
        }
    }
}

fn train(file: &str) {
    let samples: Vec<Vec<u8>> = (0..400)
        .flat_map(|seed| samples::envelopes(seed, 8))
        .map(|envelope| {
            let envelope = vec![envelope.encode_to_vec()];
            v1::Batch { envelope }.encode_to_vec()
        })
        .collect();
    let dictionary = zstd::dict::from_samples(&samples, DICTIONARY_BYTES).expect("the samples suffice");
    std::fs::write(file, &dictionary).expect("the file can be written");
    println!(
        "{file}: {} bytes from {} samples",
        dictionary.len(),
        samples.len()
    );
}

/// A batch as boxes send it, for the test that a released dictionary stays as it is.
fn sample(file: &str) {
    let envelopes = samples::envelopes(20_261_122, 5);
    let encoded = envelopes.iter().map(Message::encode_to_vec).collect();
    std::fs::write(file, encode_batch(encoded, Packing::Dictionary)).expect("the file can be written");
}

fn measure() {
    println!("Bytes a result, by envelopes in the batch:");
    for count in [1, 2, 4, 8, 16, 32, 64, 128] {
        let envelopes = samples::envelopes(1_000_003 + count as u64, count);
        let encoded: Vec<Vec<u8>> = envelopes.iter().map(Message::encode_to_vec).collect();
        let bytes = |packing| encode_batch(encoded.clone(), packing).len() / count;
        println!(
            "{count:4}  plain {:4}  zstd {:4}  dictionary {:4}",
            bytes(Packing::Plain),
            bytes(Packing::Zstd),
            bytes(Packing::Dictionary)
        );
    }
}
