//! Lines of logs.

use std::io;
use std::path::Path;

use barefoot_trust::at_rest::{key_of_value, open_value, seal_value};
use data_encoding::BASE64;

use super::of;

/// What a sealed line begins with; no JSON does.
const MARK: char = '~';

/// A line as it goes into the log at `path`.
///
/// # Errors
/// When the key cannot be made or read.
pub(crate) fn seal_line(path: &Path, line: String) -> io::Result<String> {
    let Some((vault, scope)) = of(path) else {
        return Ok(line);
    };
    let key = vault.record_key(scope)?;
    let sealed = seal_value(vault.cipher(), &key, &vault.context(path, scope), line.as_bytes())?;
    Ok(format!("{MARK}{}", BASE64.encode(&sealed)))
}

/// What a line says; `None` where it does not open.
pub(crate) fn open_line(path: &Path, line: &str) -> Option<String> {
    let Some(sealed) = line.strip_prefix(MARK) else {
        return Some(line.to_owned());
    };
    let (vault, scope) = of(path)?;
    let sealed = BASE64.decode(sealed.as_bytes()).ok()?;
    let key = vault.find(scope, key_of_value(&sealed).ok()?).ok()?;
    let plain = open_value(|_| Some(&*key), &vault.context(path, scope), &sealed).ok()?;
    String::from_utf8(plain).ok()
}
