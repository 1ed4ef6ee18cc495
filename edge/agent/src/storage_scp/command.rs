//! The DIMSE command set (PS3.7 section 9.3 and annex E): always implicit little endian, group 0000.
//!
//! Ours rather than dicom-object's reader, which trusts a length before looking at what is there.

/// A command set is a few hundred bytes; whoever sends more is no scanner.
pub(super) const MAX_COMMAND_BYTES: usize = 16 * 1024;

const COMMAND_GROUP_LENGTH: u16 = 0x0000;
const AFFECTED_SOP_CLASS_UID: u16 = 0x0002;
const COMMAND_FIELD: u16 = 0x0100;
const MESSAGE_ID: u16 = 0x0110;
const MESSAGE_ID_RESPONDED_TO: u16 = 0x0120;
const COMMAND_DATA_SET_TYPE: u16 = 0x0800;
const STATUS: u16 = 0x0900;
const ERROR_COMMENT: u16 = 0x0902;
const AFFECTED_SOP_INSTANCE_UID: u16 = 0x1000;

/// "No data set follows" (PS3.7 annex E.1).
const NO_DATA_SET: u16 = 0x0101;

const C_STORE_RQ: u16 = 0x0001;
const C_ECHO_RQ: u16 = 0x0030;
const C_CANCEL_RQ: u16 = 0x0FFF;
const RESPONSE: u16 = 0x8000;

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Echo {
        message_id: u16,
    },
    Store {
        message_id: u16,
        sop_class_uid: String,
        sop_instance_uid: String,
    },
    /// Nothing to cancel in the services offered; the standard wants no answer.
    Cancel,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Error {
    #[error("the command set is cut off or its lengths do not add up")]
    Malformed,
    #[error("the command set lacks {0}")]
    Missing(&'static str),
    #[error("the command 0x{0:04X} is not offered")]
    NotOffered(u16),
}

/// Takes a complete command set apart.
pub(super) fn parse(mut bytes: &[u8]) -> Result<Request, Error> {
    let (mut class, mut instance) = (None, None);
    let (mut field, mut message_id, mut data_set) = (None, None, None);
    while !bytes.is_empty() {
        let (group, element, value, rest) = split_element(bytes).ok_or(Error::Malformed)?;
        bytes = rest;
        if group != 0 {
            return Err(Error::Malformed);
        }
        match element {
            AFFECTED_SOP_CLASS_UID => class = Some(uid(value)),
            AFFECTED_SOP_INSTANCE_UID => instance = Some(uid(value)),
            COMMAND_FIELD => field = Some(number(value)?),
            MESSAGE_ID => message_id = Some(number(value)?),
            COMMAND_DATA_SET_TYPE => data_set = Some(number(value)?),
            _ => {}
        }
    }
    let has_data_set = data_set.ok_or(Error::Missing("Command Data Set Type"))? != NO_DATA_SET;
    let message_id = message_id.ok_or(Error::Missing("Message ID"));
    match field.ok_or(Error::Missing("Command Field"))? {
        C_ECHO_RQ if !has_data_set => Ok(Request::Echo {
            message_id: message_id?,
        }),
        C_STORE_RQ if has_data_set => Ok(Request::Store {
            message_id: message_id?,
            sop_class_uid: class.ok_or(Error::Missing("Affected SOP Class UID"))?,
            sop_instance_uid: instance.ok_or(Error::Missing("Affected SOP Instance UID"))?,
        }),
        C_STORE_RQ | C_ECHO_RQ => Err(Error::Malformed),
        C_CANCEL_RQ => Ok(Request::Cancel),
        other => Err(Error::NotOffered(other)),
    }
}

fn split_element(bytes: &[u8]) -> Option<(u16, u16, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let [g0, g1, e0, e1, l0, l1, l2, l3] = *head;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
    let (value, rest) = rest.split_at_checked(length)?;
    Some((
        u16::from_le_bytes([g0, g1]),
        u16::from_le_bytes([e0, e1]),
        value,
        rest,
    ))
}

fn uid(value: &[u8]) -> String {
    String::from_utf8_lossy(value)
        .trim_matches(['\0', ' '])
        .to_owned()
}

fn number(value: &[u8]) -> Result<u16, Error> {
    value
        .first_chunk()
        .map(|bytes| u16::from_le_bytes(*bytes))
        .ok_or(Error::Malformed)
}

/// The answer to a C-ECHO.
pub(super) fn echo_response(message_id: u16) -> Vec<u8> {
    const VERIFICATION: &str = "1.2.840.10008.1.1";
    let mut body = Vec::new();
    put_text(&mut body, AFFECTED_SOP_CLASS_UID, VERIFICATION, 0);
    put_numbers(&mut body, C_ECHO_RQ, message_id, 0);
    with_group_length(body)
}

/// The answer to a C-STORE. `comment` is shown by many scanners; at most 64 characters are sent.
pub(super) fn store_response(
    message_id: u16,
    sop_class_uid: &str,
    sop_instance_uid: &str,
    status: u16,
    comment: Option<&str>,
) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, AFFECTED_SOP_CLASS_UID, sop_class_uid, 0);
    put_numbers(&mut body, C_STORE_RQ, message_id, status);
    if let Some(comment) = comment {
        let short: String = comment.chars().filter(char::is_ascii).take(64).collect();
        put_text(&mut body, ERROR_COMMENT, &short, b' ');
    }
    put_text(&mut body, AFFECTED_SOP_INSTANCE_UID, sop_instance_uid, 0);
    with_group_length(body)
}

fn put_numbers(body: &mut Vec<u8>, request: u16, message_id: u16, status: u16) {
    put(body, COMMAND_FIELD, &(request | RESPONSE).to_le_bytes());
    put(body, MESSAGE_ID_RESPONDED_TO, &message_id.to_le_bytes());
    put(body, COMMAND_DATA_SET_TYPE, &NO_DATA_SET.to_le_bytes());
    put(body, STATUS, &status.to_le_bytes());
}

fn put_text(body: &mut Vec<u8>, element: u16, text: &str, padding: u8) {
    let mut value = text.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(padding);
    }
    put(body, element, &value);
}

fn put(body: &mut Vec<u8>, element: u16, value: &[u8]) {
    body.extend_from_slice(&0u16.to_le_bytes());
    body.extend_from_slice(&element.to_le_bytes());
    body.extend_from_slice(&u32::try_from(value.len()).unwrap_or(0).to_le_bytes());
    body.extend_from_slice(value);
}

fn with_group_length(body: Vec<u8>) -> Vec<u8> {
    let mut whole = Vec::with_capacity(body.len() + 12);
    let length = u32::try_from(body.len()).unwrap_or(0);
    put(&mut whole, COMMAND_GROUP_LENGTH, &length.to_le_bytes());
    whole.extend_from_slice(&body);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn store_request() -> Vec<u8> {
        let mut body = Vec::new();
        put_text(&mut body, AFFECTED_SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.7", 0);
        put(&mut body, COMMAND_FIELD, &C_STORE_RQ.to_le_bytes());
        put(&mut body, MESSAGE_ID, &7u16.to_le_bytes());
        put(&mut body, COMMAND_DATA_SET_TYPE, &1u16.to_le_bytes());
        put_text(&mut body, AFFECTED_SOP_INSTANCE_UID, "1.2.3", 0);
        with_group_length(body)
    }

    #[test]
    fn a_store_request_is_understood() {
        let request = Request::Store {
            message_id: 7,
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.7".into(),
            sop_instance_uid: "1.2.3".into(),
        };
        assert_eq!(parse(&store_request()), Ok(request));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut cut = store_request();
        cut.truncate(cut.len() - 3);
        assert_eq!(parse(&cut), Err(Error::Malformed));
        let mut find = Vec::new();
        put(&mut find, COMMAND_FIELD, &0x0020u16.to_le_bytes());
        put(&mut find, MESSAGE_ID, &1u16.to_le_bytes());
        put(&mut find, COMMAND_DATA_SET_TYPE, &1u16.to_le_bytes());
        assert_eq!(parse(&find), Err(Error::NotOffered(0x0020)));
        assert_eq!(parse(&[]), Err(Error::Missing("Command Data Set Type")));
    }

    #[test]
    fn responses_have_even_values_and_a_true_group_length() {
        for bytes in [
            echo_response(1),
            store_response(2, "1.2.3", "1.2.3.4", 0xA900, Some("UID differs")),
        ] {
            let (_, element, value, mut rest) = split_element(&bytes).unwrap();
            assert_eq!(element, COMMAND_GROUP_LENGTH);
            assert_eq!(u32::from_le_bytes(value.try_into().unwrap()) as usize, rest.len());
            while !rest.is_empty() {
                let (group, _, value, after) = split_element(rest).unwrap();
                assert_eq!((group, value.len() % 2), (0, 0));
                rest = after;
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_parse_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
