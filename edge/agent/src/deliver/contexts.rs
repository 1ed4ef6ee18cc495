//! What is proposed to a node for a batch of instances, and which presentation context then takes each.

use std::collections::BTreeSet;

use crate::upper_layer::{Contexts, Proposed};

/// What the box can always make of a stored object, the better one first.
const FALLBACK: [&str; 2] = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"];

/// PS3.8 section 9.3.2.2.
const MAX_CONTEXTS: usize = 128;

/// SOP class and stored transfer syntax.
pub(super) type Kind = (String, String);

/// How an instance can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    AsStored {
        context: u8,
    },
    /// Into this transfer syntax.
    Transcoded {
        context: u8,
        syntax: String,
    },
    /// The class or every syntax was refused.
    None,
}

/// How many instances from the first on fit into one association's contexts.
pub(super) fn fitting(kinds: &[Kind]) -> usize {
    let mut seen = BTreeSet::new();
    let mut classes = BTreeSet::new();
    for (number, kind) in kinds.iter().enumerate() {
        seen.insert(kind);
        classes.insert(&kind.0);
        if MAX_CONTEXTS < seen.len() + classes.len() {
            return number;
        }
    }
    kinds.len()
}

/// One context for each stored form alone, so that the node cannot prefer another; behind it one for each class with what
/// the box could make instead.
pub(super) fn propose<'a>(kinds: impl IntoIterator<Item = &'a Kind>) -> Vec<Proposed> {
    let kinds: BTreeSet<&Kind> = kinds.into_iter().collect();
    let classes: BTreeSet<&String> = kinds.iter().map(|(class, _)| class).collect();
    let stored = kinds.iter().map(|(class, syntax)| Proposed {
        abstract_syntax: class.clone(),
        transfer_syntaxes: vec![syntax.clone()],
    });
    let instead = classes.into_iter().filter_map(|class| {
        let left = FALLBACK
            .into_iter()
            .filter(|syntax| !kinds.contains(&(class.clone(), (*syntax).to_owned())));
        let transfer_syntaxes: Vec<String> = left.map(str::to_owned).collect();
        (!transfer_syntaxes.is_empty()).then(|| Proposed {
            abstract_syntax: class.clone(),
            transfer_syntaxes,
        })
    });
    stored.chain(instead).collect()
}

/// The stored form wherever the node takes it, else the best it can be turned into.
pub(super) fn choose(agreed: &Contexts, (class, stored): &Kind) -> Way {
    let of_class = || {
        agreed
            .iter()
            .filter(|(_, context)| context.abstract_syntax == *class && context.roles.scu)
    };
    if let Some((id, _)) = of_class().find(|(_, context)| context.transfer_syntax == *stored) {
        return Way::AsStored { context: *id };
    }
    for syntax in FALLBACK {
        if let Some((id, _)) = of_class().find(|(_, context)| context.transfer_syntax == syntax) {
            return Way::Transcoded {
                context: *id,
                syntax: syntax.to_owned(),
            };
        }
    }
    Way::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upper_layer::{Context, Roles};

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const J2K: &str = "1.2.840.10008.1.2.4.90";
    const IMPLICIT: &str = FALLBACK[1];
    const EXPLICIT: &str = FALLBACK[0];

    fn kind(class: &str, syntax: &str) -> Kind {
        (class.to_owned(), syntax.to_owned())
    }

    fn agreed(all: &[(u8, &str)]) -> Contexts {
        let context = |syntax: &str| Context {
            abstract_syntax: CT.to_owned(),
            transfer_syntax: syntax.to_owned(),
            roles: Roles::DEFAULT,
        };
        all.iter().map(|(id, syntax)| (*id, context(syntax))).collect()
    }

    #[test]
    fn the_stored_form_is_proposed_alone_and_first() {
        let kinds = [kind(CT, J2K), kind(CT, IMPLICIT), kind(CT, J2K)];
        let proposed: Vec<Vec<String>> = propose(&kinds)
            .into_iter()
            .map(|it| it.transfer_syntaxes)
            .collect();
        assert_eq!(proposed, [vec![IMPLICIT], vec![J2K], vec![EXPLICIT]]);
        let both = [kind(CT, EXPLICIT), kind(CT, IMPLICIT)];
        assert_eq!(propose(&both).len(), 2, "nothing is left to make");
    }

    #[test]
    fn what_the_node_takes_decides() {
        let stored = kind(CT, J2K);
        let check = |all: &[(u8, &str)]| choose(&agreed(all), &stored);
        assert_eq!(check(&[(3, EXPLICIT), (1, J2K)]), Way::AsStored { context: 1 });
        let into = |context, syntax: &str| Way::Transcoded {
            context,
            syntax: syntax.to_owned(),
        };
        assert_eq!(check(&[(1, IMPLICIT), (3, EXPLICIT)]), into(3, EXPLICIT));
        assert_eq!(check(&[(5, IMPLICIT)]), into(5, IMPLICIT));
        assert_eq!(check(&[]), Way::None);
        assert_eq!(choose(&agreed(&[(1, J2K)]), &kind("1.2", J2K)), Way::None);
    }

    #[test]
    fn a_batch_ends_where_the_contexts_are_used_up() {
        let kinds: Vec<Kind> = (0..100).map(|n| kind(&format!("1.2.{n}"), J2K)).collect();
        assert_eq!(fitting(&kinds), 64);
        assert!(propose(&kinds[..64]).len() <= MAX_CONTEXTS);
        assert_eq!(fitting(&kinds[..10]), 10);
    }
}
