use super::Text;

/// A person name for reading (PS3.5 section 6.2.1): the ideographic group where there is one, else the alphabetic, else
/// the phonetic; components parted by single spaces.
#[must_use]
pub fn person_name_display(name: &Text) -> String {
    let groups: Vec<String> = name.value.split('=').take(3).map(spaced).collect();
    let ideographic = groups.get(1).filter(|group| !group.is_empty());
    ideographic
        .or_else(|| groups.iter().find(|group| !group.is_empty()))
        .cloned()
        .unwrap_or_default()
}

fn spaced(group: &str) -> String {
    let words: Vec<&str> = group
        .split(|c: char| c == '^' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}
