//! What of an association request is accepted (PS3.8 section 7.1.1, PS3.7 annex D.3). Pure.

use std::collections::BTreeMap;

use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason as Reason, RequestorRoles, UserVariableItem,
};

use super::{APPLICATION_CONTEXT, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION};

/// PS3.8 section 9.3.2.2: an id is odd and of one byte.
const MAX_CONTEXTS: usize = 128;
const IMPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";
/// PS3.7 annex D.3.3.3: asynchronous operations window.
const ASYNCHRONOUS_OPERATIONS_WINDOW: u8 = 0x53;

/// What the requestor may be, in the words of role selection (PS3.7 annex D.3.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    pub scu: bool,
    pub scp: bool,
}

impl Roles {
    /// Without role selection the requestor is the user, the acceptor the provider.
    pub(crate) const DEFAULT: Self = Self {
        scu: true,
        scp: false,
    };
}

/// What we offer for an abstract syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offered {
    pub transfer_syntaxes: &'static [&'static str],
    /// What the requestor may be.
    pub roles: Roles,
}

pub(crate) trait Offers: Send + Sync {
    /// `None`: not offered.
    fn offer(&self, abstract_syntax: &str) -> Option<Offered>;
}

/// A presentation context both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    pub abstract_syntax: String,
    pub transfer_syntax: String,
    /// What the requestor is.
    pub roles: Roles,
}

/// By presentation context id.
pub(crate) type Contexts = BTreeMap<u8, Context>;

pub(super) struct Negotiated {
    pub(super) answer: AssociationAC,
    pub(super) contexts: Contexts,
    /// 0: no limit.
    pub(super) peer_max_pdu: u32,
}

/// `None` when the request's presentation contexts are doubled, even or too many: that is no DICOM.
pub(super) fn negotiate(
    request: &AssociationRQ,
    offers: &dyn Offers,
    our_max_pdu: u32,
) -> Option<Negotiated> {
    if MAX_CONTEXTS < request.presentation_contexts.len() {
        return None;
    }
    let mut contexts = Contexts::new();
    let mut results = Vec::new();
    for proposed in &request.presentation_contexts {
        if proposed.id % 2 == 0
            || results
                .iter()
                .any(|r: &PresentationContextResult| r.id == proposed.id)
        {
            return None;
        }
        let (reason, transfer_syntax) = match decide(proposed, offers, roles_proposed(request, proposed)) {
            Ok(context) => {
                let chosen = context.transfer_syntax.clone();
                contexts.insert(proposed.id, context);
                (Reason::Acceptance, chosen)
            }
            // The transfer syntax of a refused context means nothing, but must be there.
            Err(reason) => (reason, IMPLICIT_VR_LITTLE_ENDIAN.to_owned()),
        };
        results.push(PresentationContextResult {
            id: proposed.id,
            reason,
            transfer_syntax,
        });
    }
    let answer = AssociationAC {
        protocol_version: 1,
        calling_ae_title: request.calling_ae_title.clone(),
        called_ae_title: request.called_ae_title.clone(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: results,
        user_variables: user_variables(request, &contexts, offers, our_max_pdu),
    };
    let peer_max_pdu = request.user_variables.iter().find_map(|item| match item {
        UserVariableItem::MaxLength(bytes) => Some(*bytes),
        _ => None,
    });
    Some(Negotiated {
        answer,
        contexts,
        peer_max_pdu: peer_max_pdu.unwrap_or(0),
    })
}

fn decide(
    proposed: &PresentationContextProposed,
    offers: &dyn Offers,
    asked: Option<Roles>,
) -> Result<Context, Reason> {
    let abstract_syntax = trimmed(&proposed.abstract_syntax);
    let offered = offers
        .offer(abstract_syntax)
        .ok_or(Reason::AbstractSyntaxNotSupported)?;
    let roles = agreed(asked, offered.roles);
    if !roles.scu && !roles.scp {
        return Err(Reason::UserRejection);
    }
    let known = |uid: &&str| offered.transfer_syntaxes.contains(uid);
    let candidates = || {
        proposed
            .transfer_syntaxes
            .iter()
            .map(|uid| trimmed(uid))
            .filter(known)
    };
    // The first that was proposed; but where another one is there, not the one that loses the value representations.
    let chosen = candidates()
        .find(|uid| *uid != IMPLICIT_VR_LITTLE_ENDIAN)
        .or_else(|| candidates().next())
        .ok_or(Reason::TransferSyntaxesNotSupported)?;
    Ok(Context {
        abstract_syntax: abstract_syntax.to_owned(),
        transfer_syntax: chosen.to_owned(),
        roles,
    })
}

fn agreed(asked: Option<Roles>, allowed: Roles) -> Roles {
    let asked = asked.unwrap_or(Roles::DEFAULT);
    Roles {
        scu: asked.scu && allowed.scu,
        scp: asked.scp && allowed.scp,
    }
}

fn roles_proposed(request: &AssociationRQ, context: &PresentationContextProposed) -> Option<Roles> {
    let wanted = trimmed(&context.abstract_syntax);
    request.user_variables.iter().find_map(|item| match item {
        UserVariableItem::ScuScpRoleSelectionSubItem(uid, roles) if trimmed(uid) == wanted => Some(Roles {
            scu: roles.scu,
            scp: roles.scp,
        }),
        _ => None,
    })
}

fn user_variables(
    request: &AssociationRQ,
    contexts: &Contexts,
    offers: &dyn Offers,
    our_max_pdu: u32,
) -> Vec<UserVariableItem> {
    let mut items = vec![
        UserVariableItem::MaxLength(our_max_pdu),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS_UID.to_owned()),
    ];
    for item in &request.user_variables {
        match item {
            // One at a time in both directions, said because it was asked.
            UserVariableItem::Unknown(ASYNCHRONOUS_OPERATIONS_WINDOW, _) => {
                items.push(UserVariableItem::Unknown(
                    ASYNCHRONOUS_OPERATIONS_WINDOW,
                    vec![0, 1, 0, 1],
                ));
            }
            UserVariableItem::ScuScpRoleSelectionSubItem(uid, asked) => {
                let uid = trimmed(uid);
                let accepted = contexts.values().any(|context| context.abstract_syntax == uid);
                if let Some(offered) = offers.offer(uid).filter(|_| accepted) {
                    let asked = Roles {
                        scu: asked.scu,
                        scp: asked.scp,
                    };
                    let roles = agreed(Some(asked), offered.roles);
                    items.push(UserVariableItem::ScuScpRoleSelectionSubItem(
                        uid.to_owned(),
                        RequestorRoles {
                            scu: roles.scu,
                            scp: roles.scp,
                        },
                    ));
                }
            }
            _ => {}
        }
    }
    items.push(UserVariableItem::ImplementationVersionName(
        IMPLEMENTATION_VERSION.to_owned(),
    ));
    items
}

/// UIDs are padded with NUL by some, with a space by others.
pub(super) fn trimmed(uid: &str) -> &str {
    uid.trim_end_matches(['\0', ' '])
}

#[cfg(test)]
mod tests;
