use super::Error;

/// The text settings came from, to point at.
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    pub(super) file: &'a str,
}

impl Source<'_> {
    /// Of keys of `[table]`, each with whether it is zero.
    pub(super) fn at_least_one<const N: usize>(
        &self,
        table: &str,
        keys: [(&str, bool); N],
    ) -> Result<(), Error> {
        match keys.into_iter().find(|(_, zero)| *zero) {
            Some((key, _)) => Err(self.error(table, key, "must be at least 1")),
            None => Ok(()),
        }
    }

    pub(super) fn error(&self, table: &str, key: &str, problem: &str) -> Error {
        Error::Setting {
            file: self.file.to_owned(),
            line: self.line_of(table, key),
            key: format!("{table}.{key}"),
            problem: problem.to_owned(),
        }
    }

    /// What the parser refused; the key is read off the line it points at.
    pub(super) fn refused(&self, error: &toml::de::Error) -> Error {
        let at = error.span().map_or(0, |span| span.start);
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
        let content = self.text.lines().nth(line - 1).unwrap_or_default();
        let key = content.split('=').next().unwrap_or_default().trim();
        Error::Setting {
            file: self.file.to_owned(),
            line,
            key: key.to_owned(),
            problem: error.message().to_owned(),
        }
    }

    /// The line of `key` in `[table]`, or of the table's header when the key is not there.
    fn line_of(&self, table: &str, key: &str) -> usize {
        let mut header = 1;
        let mut inside = false;
        for (line, content) in self
            .text
            .lines()
            .enumerate()
            .map(|(at, text)| (at + 1, text.trim()))
        {
            if content.starts_with('[') {
                inside = content == format!("[{table}]");
                if inside {
                    header = line;
                }
            } else if inside && content.split('=').next().is_some_and(|name| name.trim() == key) {
                return line;
            }
        }
        header
    }
}
