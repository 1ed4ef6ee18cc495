//! Whoever has the hub's keys says that something is as the hub left it.

use barefoot_trust::at_rest::{Error, is_sealed_value, key_of_value, open_value, seal_value};

use super::Vault;

/// Stands in what is sealed: never changes.
const CONTEXT: &[u8] = b"hub\0backup.manifest";

impl Vault {
    /// A word that only who has the hub's keys can give for `sum`.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(crate) fn vouch(&self, sum: &[u8]) -> Result<Vec<u8>, Error> {
        seal_value(self.cipher(), self.current(), CONTEXT, sum)
    }

    /// Whether `word` was given for `sum` by a hub with these keys.
    pub(crate) fn has_vouched(&self, sum: &[u8], word: &[u8]) -> bool {
        let opened = || {
            let id = key_of_value(word).ok().filter(|_| is_sealed_value(word))?;
            let key = self.find(id).ok()?;
            open_value(|_| Some(&*key), CONTEXT, word).ok()
        };
        opened().is_some_and(|plain| plain == sum)
    }
}
