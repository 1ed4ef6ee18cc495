use super::*;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const JPEG: &str = "1.2.840.10008.1.2.4.70";
const IMAGE: &str = "1.2.840.10008.5.1.4.1.1.7";
const QUERY: &str = "1.2.840.10008.5.1.4.1.2.2.1";

struct Offer;

impl Offers for Offer {
    fn offer(&self, abstract_syntax: &str) -> Option<Offered> {
        let (transfer_syntaxes, scp): (&[&str], bool) = match abstract_syntax {
            IMAGE => (&[IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT, JPEG], true),
            QUERY => (&[IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT], false),
            _ => return None,
        };
        Some(Offered {
            transfer_syntaxes,
            roles: Roles { scu: true, scp },
        })
    }
}

fn request(contexts: &[(&str, &[&str])], user_variables: Vec<UserVariableItem>) -> AssociationRQ {
    let ids = (1..=255u8).step_by(2);
    AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "CT_1".to_owned(),
        called_ae_title: "BAREFOOT".to_owned(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: ids
            .zip(contexts)
            .map(|(id, (class, syntaxes))| PresentationContextProposed {
                id,
                abstract_syntax: (*class).to_owned(),
                transfer_syntaxes: syntaxes.iter().map(|uid| (*uid).to_owned()).collect(),
            })
            .collect(),
        user_variables,
    }
}

#[test]
fn each_context_is_answered_for_itself() {
    let request = request(
        &[
            (IMAGE, &[IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT]),
            (IMAGE, &[IMPLICIT_VR_LITTLE_ENDIAN]),
            (IMAGE, &["1.2.840.10008.1.2.4.70\0"]),
            (IMAGE, &["1.2.3"]),
            ("1.2.3", &[EXPLICIT]),
        ],
        Vec::new(),
    );
    let negotiated = negotiate(&request, &Offer, 16_384).unwrap();
    let chosen: Vec<_> = negotiated
        .contexts
        .values()
        .map(|context| context.transfer_syntax.as_str())
        .collect();
    assert_eq!(chosen, [EXPLICIT, IMPLICIT_VR_LITTLE_ENDIAN, JPEG]);
    let reasons: Vec<_> = negotiated
        .answer
        .presentation_contexts
        .iter()
        .map(|result| result.reason.clone())
        .collect();
    use Reason::{AbstractSyntaxNotSupported, Acceptance, TransferSyntaxesNotSupported};
    assert_eq!(
        reasons,
        [
            Acceptance,
            Acceptance,
            Acceptance,
            TransferSyntaxesNotSupported,
            AbstractSyntaxNotSupported
        ]
    );
}

#[test]
fn roles_are_granted_where_both_sides_can_play_them() {
    let role = |uid: &str, scu, scp| {
        UserVariableItem::ScuScpRoleSelectionSubItem(uid.to_owned(), RequestorRoles { scu, scp })
    };
    let request = request(
        &[(IMAGE, &[EXPLICIT]), (QUERY, &[EXPLICIT])],
        vec![
            role(IMAGE, false, true),
            role(QUERY, true, true),
            role("1.2.3", true, true),
        ],
    );
    let negotiated = negotiate(&request, &Offer, 16_384).unwrap();
    let roles: Vec<_> = negotiated
        .contexts
        .values()
        .map(|context| context.roles)
        .collect();
    let granted = |scu, scp| Roles { scu, scp };
    assert_eq!(roles, [granted(false, true), granted(true, false)]);
    let answered: Vec<_> = negotiated
        .answer
        .user_variables
        .iter()
        .filter(|item| matches!(item, UserVariableItem::ScuScpRoleSelectionSubItem(..)))
        .cloned()
        .collect();
    assert_eq!(answered, [role(IMAGE, false, true), role(QUERY, true, false)]);
}

#[test]
fn a_context_in_which_nobody_can_do_anything_is_refused() {
    let nobody = UserVariableItem::ScuScpRoleSelectionSubItem(
        QUERY.to_owned(),
        RequestorRoles {
            scu: false,
            scp: true,
        },
    );
    let negotiated = negotiate(&request(&[(QUERY, &[EXPLICIT])], vec![nobody]), &Offer, 16_384).unwrap();
    assert!(negotiated.contexts.is_empty());
}

#[test]
fn limits_and_the_window_are_answered_where_asked() {
    let asked = vec![
        UserVariableItem::MaxLength(4096),
        UserVariableItem::Unknown(ASYNCHRONOUS_OPERATIONS_WINDOW, vec![0, 8, 0, 8]),
    ];
    let negotiated = negotiate(&request(&[(IMAGE, &[EXPLICIT])], asked), &Offer, 16_384).unwrap();
    assert_eq!(negotiated.peer_max_pdu, 4096);
    let items = &negotiated.answer.user_variables;
    assert!(items.contains(&UserVariableItem::MaxLength(16_384)));
    let window = UserVariableItem::Unknown(ASYNCHRONOUS_OPERATIONS_WINDOW, vec![0, 1, 0, 1]);
    assert!(items.contains(&window), "one operation at a time");
    let unasked = negotiate(&request(&[(IMAGE, &[EXPLICIT])], Vec::new()), &Offer, 16_384).unwrap();
    assert!(!unasked.answer.user_variables.contains(&window));
}
