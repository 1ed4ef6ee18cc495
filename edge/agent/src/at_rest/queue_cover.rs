//! Payloads in the queue: sealed each for its record.

use std::io;

use barefoot_queue::Cover;
use barefoot_trust::at_rest::{Scope, is_sealed_value, key_of_value, open_value, seal_value};

use super::Vault;

impl Cover for Vault {
    fn cover(&self, id: &str, payload: &[u8]) -> io::Result<Vec<u8>> {
        let key = self.record_key(Scope::default())?;
        Ok(seal_value(self.cipher(), &key, &context(id), payload)?)
    }

    fn uncover(&self, id: &str, kept: Vec<u8>) -> io::Result<Vec<u8>> {
        if !is_sealed_value(&kept) {
            return Ok(kept);
        }
        let key = self.find(Scope::default(), key_of_value(&kept)?)?;
        Ok(open_value(|_| Some(&*key), &context(id), &kept)?)
    }
}

fn context(id: &str) -> Vec<u8> {
    [b"queue\0", id.as_bytes()].concat()
}
