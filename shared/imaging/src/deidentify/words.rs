//! Free text in descriptions, cleaned: only words of a fixed vocabulary stay, in their order.
//!
//! The Clean Descriptors Option asks for what says how a picture was made without what says of whom. A list of what may
//! stay cannot miss a name as a list of names would.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The longest value that leaves; LO has 64 characters.
const MOST_CHARS: usize = 64;

static VOCABULARY: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    include_str!("words.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .collect()
});

static LONGEST_HAN: LazyLock<usize> = LazyLock::new(|| {
    VOCABULARY
        .iter()
        .filter(|word| !word.is_ascii())
        .map(|word| word.chars().count())
        .max()
        .unwrap_or(0)
});

/// What of the text is in the vocabulary; `None` where nothing is.
pub(super) fn cleaned(text: &str) -> Option<String> {
    let mut kept = String::new();
    let mut add = |word: &str| {
        if kept.chars().count() + 1 + word.chars().count() <= MOST_CHARS {
            if !kept.is_empty() {
                kept.push(' ');
            }
            kept.push_str(word);
        }
    };
    for run in text.split(|c: char| !c.is_alphanumeric()) {
        if run.is_ascii() {
            let lower = run.to_ascii_lowercase();
            if VOCABULARY.contains(lower.as_str()) {
                add(run);
            }
        } else {
            han_words(run, &mut add);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// Chinese writes no blanks: the longest word of the vocabulary at each place. Where none starts, one character goes.
fn han_words(run: &str, add: &mut impl FnMut(&str)) {
    let mut rest = run;
    while let Some(first) = rest.chars().next() {
        let found = (1..=*LONGEST_HAN).rev().find_map(|length| {
            let end = rest.char_indices().nth(length).map_or(rest.len(), |(at, _)| at);
            let word = rest.get(..end)?;
            (word.chars().count() == length && VOCABULARY.contains(word)).then_some(word)
        });
        let taken = match found {
            Some(word) => {
                add(word);
                word.len()
            }
            None => first.len_utf8(),
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_and_the_examination_stays() {
        for (text, wanted) in [
            ("CHEST PA", Some("CHEST PA")),
            ("Chest_PA for Zhang San, bed 12", Some("Chest PA")),
            ("张三 胸部正位", Some("胸部 正位")),
            ("头颅CT平扫李四", Some("头颅 平扫")),
            ("王小明", None),
            ("", None),
        ] {
            assert_eq!(cleaned(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn no_value_grows_beyond_its_representation() {
        assert!(cleaned(&"chest ".repeat(100)).unwrap().chars().count() <= MOST_CHARS);
    }
}
