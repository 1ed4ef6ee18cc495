use super::pattern::Pattern;

/// A person name asked for (PS3.4 section C.2.2.2.1, PS3.5 section 6.2.1.2).
///
/// Each group of the question must be some group of the name, whichever: devices write Chinese into the alphabetic group
/// as often as into the ideographic one. Case and full-width forms do not count, and where there are ideographs neither
/// does the mark between family and given name, which one device writes and the next leaves out.
pub(super) struct NamePattern {
    groups: Vec<Group>,
}

struct Group {
    spaced: Pattern,
    joined: Pattern,
}

impl NamePattern {
    pub(super) fn new(text: &str) -> Self {
        let groups = text.split('=').map(folded).filter(|group| !group.is_empty());
        Self {
            groups: groups
                .map(|group| Group {
                    spaced: Pattern::new(&group),
                    joined: Pattern::new(&joined(&group)),
                })
                .collect(),
        }
    }

    pub(super) fn is_universal(&self) -> bool {
        self.groups.iter().all(|group| group.spaced.is_universal())
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let groups: Vec<String> = name.split('=').map(folded).collect();
        self.groups.iter().all(|wanted| {
            let mut given = groups.iter().filter(|group| !group.is_empty());
            given.any(|group| {
                wanted.spaced.matches(group) || !group.is_ascii() && wanted.joined.matches(&joined(group))
            })
        })
    }
}

/// Lower case, half width, single spaces, none around `^`, no `^` at the end.
fn folded(group: &str) -> String {
    let narrow: String = group.chars().map(narrow).collect();
    let components = narrow.split('^').map(|component| {
        let words: Vec<&str> = component.split_whitespace().collect();
        words.join(" ")
    });
    let components: Vec<String> = components.collect();
    components.join("^").trim_end_matches('^').to_lowercase()
}

fn narrow(character: char) -> char {
    match character {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(character) - 0xFEE0).unwrap_or(character),
        '\u{3000}' => ' ',
        _ => character,
    }
}

fn joined(group: &str) -> String {
    group.chars().filter(|c| *c != '^' && *c != ' ').collect()
}
