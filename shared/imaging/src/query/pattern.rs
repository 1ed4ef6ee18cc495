/// Text with the wild cards of PS3.4 section C.2.2.2.4: `*` for any run of characters, `?` for any one.
pub(super) struct Pattern(Vec<char>);

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self(text.chars().collect())
    }

    /// Stands for itself only.
    pub(super) fn is_plain(&self) -> bool {
        !self.0.iter().any(|c| matches!(c, '*' | '?'))
    }

    /// Nothing but stars, which also match what has no value.
    pub(super) fn is_universal(&self) -> bool {
        self.0.iter().all(|c| *c == '*')
    }

    /// Goes back to the last star only, so the work is bounded by the product of both lengths.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut place) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while let Some(character) = text.get(at) {
            match self.0.get(place) {
                Some('*') => {
                    star = Some((place, at));
                    place += 1;
                }
                Some(wanted) if *wanted == '?' || wanted == character => {
                    place += 1;
                    at += 1;
                }
                _ => {
                    let Some((last, taken)) = star else {
                        return false;
                    };
                    star = Some((last, taken + 1));
                    place = last + 1;
                    at = taken + 1;
                }
            }
        }
        self.0.iter().skip(place).all(|c| *c == '*')
    }
}
