//! Associations that we ask for.

use std::time::Duration;

use dicom_ul::pdu::{
    AssociationRJ, AssociationRQ, Pdu, PresentationContextProposed, PresentationContextResultReason,
    RequestorRoles, UserVariableItem,
};

use super::connection::{Connection, Ended, Stream};
use super::negotiation::{Context, Contexts, Roles, trimmed};
use super::state::{Action, Event, Role};
use super::{APPLICATION_CONTEXT, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION};

/// A presentation context we would like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposed {
    pub abstract_syntax: String,
    pub transfer_syntaxes: Vec<String>,
}

/// What we ask for.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub calling_ae_title: String,
    pub called_ae_title: String,
    /// At most 128; further ones are left out.
    pub contexts: Vec<Proposed>,
    /// Where we would be more, or other, than the user: abstract syntax and our roles.
    pub roles: Vec<(String, Roles)>,
    pub max_pdu: u32,
    /// For every wait.
    pub timeout: Duration,
}

/// Why there is no association.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the node refused the association: {0}")]
    Refused(String),
    #[error("the association was not established")]
    Ended(#[from] Ended),
}

/// Asks for an association on an open connection.
///
/// # Errors
/// When it is refused, or the peer is no DICOM node.
pub(crate) async fn request(
    stream: Box<dyn Stream>,
    proposal: &Proposal,
) -> Result<(Connection, Contexts), ConnectError> {
    let mut connection = Connection::new(stream, Role::Requestor, proposal.max_pdu, proposal.timeout);
    connection.step(Event::AssociateRequested);
    connection.step(Event::Connected);
    let contexts = numbered(proposal);
    connection
        .send_pdu(&Pdu::AssociationRQ(request_pdu(proposal, &contexts)))
        .await?;
    let (event, pdu) = connection.control_pdu().await?;
    match (connection.step(event), pdu) {
        (Action::ReportAccepted, Pdu::AssociationAC(answer)) => {
            let mut agreed = Contexts::new();
            for result in &answer.presentation_contexts {
                let proposed = contexts.iter().find(|proposed| proposed.id == result.id);
                let chosen = trimmed(&result.transfer_syntax);
                // A syntax that was not proposed is no agreement.
                let known = |context: &&PresentationContextProposed| {
                    context.transfer_syntaxes.iter().any(|uid| uid == chosen)
                };
                if let Some(context) = proposed.filter(known)
                    && result.reason == PresentationContextResultReason::Acceptance
                {
                    let roles = roles_of(&answer.user_variables, &context.abstract_syntax);
                    agreed.insert(
                        context.id,
                        Context {
                            abstract_syntax: context.abstract_syntax.clone(),
                            transfer_syntax: chosen.to_owned(),
                            roles,
                        },
                    );
                }
            }
            let max_pdu = answer.user_variables.iter().find_map(|item| match item {
                UserVariableItem::MaxLength(bytes) => Some(*bytes),
                _ => None,
            });
            connection.set_peer_max_pdu(max_pdu.unwrap_or(0));
            Ok((connection, agreed))
        }
        (Action::ReportRejected, Pdu::AssociationRJ(reject)) => Err(ConnectError::Refused(why(&reject))),
        (Action::SendAbort, _) => Err(connection
            .unexpected("the node answered the request with something else")
            .await
            .into()),
        _ => Err(Ended::Aborted.into()),
    }
}

fn numbered(proposal: &Proposal) -> Vec<PresentationContextProposed> {
    let ids = (1..=255u8).step_by(2);
    ids.zip(&proposal.contexts)
        .map(|(id, context)| PresentationContextProposed {
            id,
            abstract_syntax: context.abstract_syntax.clone(),
            transfer_syntaxes: context.transfer_syntaxes.clone(),
        })
        .collect()
}

fn request_pdu(proposal: &Proposal, contexts: &[PresentationContextProposed]) -> AssociationRQ {
    let mut user_variables = vec![
        UserVariableItem::MaxLength(proposal.max_pdu),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS_UID.to_owned()),
        UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION.to_owned()),
    ];
    for (uid, roles) in &proposal.roles {
        let roles = RequestorRoles {
            scu: roles.scu,
            scp: roles.scp,
        };
        user_variables.push(UserVariableItem::ScuScpRoleSelectionSubItem(uid.clone(), roles));
    }
    AssociationRQ {
        protocol_version: 1,
        calling_ae_title: proposal.calling_ae_title.clone(),
        called_ae_title: proposal.called_ae_title.clone(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: contexts.to_vec(),
        user_variables,
    }
}

fn roles_of(items: &[UserVariableItem], abstract_syntax: &str) -> Roles {
    let found = items.iter().find_map(|item| match item {
        UserVariableItem::ScuScpRoleSelectionSubItem(uid, roles) if trimmed(uid) == abstract_syntax => {
            Some(Roles {
                scu: roles.scu,
                scp: roles.scp,
            })
        }
        _ => None,
    });
    found.unwrap_or(Roles::DEFAULT)
}

fn why(reject: &AssociationRJ) -> String {
    format!("{} ({:?})", reject.source, reject.result).to_lowercase()
}
