//! The DIMSE command set (PS3.7 section 9.3, 10.3 and annex E): always implicit little endian, group 0000.
//!
//! Ours rather than dicom-object's reader, which trusts a length before looking at what is there.

use std::collections::BTreeMap;
use std::fmt;

use barefoot_imaging::tags::Tag;

/// A command set is a few hundred bytes; whoever sends more is no scanner.
pub(crate) const MAX_COMMAND_BYTES: usize = 16 * 1024;

/// Elements of group 0000 (PS3.7 annex E.1).
pub(crate) mod element {
    pub(crate) const GROUP_LENGTH: u16 = 0x0000;
    pub(crate) const AFFECTED_SOP_CLASS_UID: u16 = 0x0002;
    pub(crate) const REQUESTED_SOP_CLASS_UID: u16 = 0x0003;
    pub(crate) const COMMAND_FIELD: u16 = 0x0100;
    pub(crate) const MESSAGE_ID: u16 = 0x0110;
    pub(crate) const MESSAGE_ID_RESPONDED_TO: u16 = 0x0120;
    pub(crate) const MOVE_DESTINATION: u16 = 0x0600;
    pub(crate) const PRIORITY: u16 = 0x0700;
    pub(crate) const DATA_SET_TYPE: u16 = 0x0800;
    pub(crate) const STATUS: u16 = 0x0900;
    pub(crate) const OFFENDING_ELEMENT: u16 = 0x0901;
    pub(crate) const ERROR_COMMENT: u16 = 0x0902;
    pub(crate) const ERROR_ID: u16 = 0x0903;
    pub(crate) const AFFECTED_SOP_INSTANCE_UID: u16 = 0x1000;
    pub(crate) const REQUESTED_SOP_INSTANCE_UID: u16 = 0x1001;
    pub(crate) const EVENT_TYPE_ID: u16 = 0x1002;
    pub(crate) const ACTION_TYPE_ID: u16 = 0x1008;
    pub(crate) const REMAINING_SUBOPERATIONS: u16 = 0x1020;
    pub(crate) const COMPLETED_SUBOPERATIONS: u16 = 0x1021;
    pub(crate) const FAILED_SUBOPERATIONS: u16 = 0x1022;
    pub(crate) const WARNING_SUBOPERATIONS: u16 = 0x1023;
    pub(crate) const MOVE_ORIGINATOR_AE: u16 = 0x1030;
    pub(crate) const MOVE_ORIGINATOR_MESSAGE_ID: u16 = 0x1031;
}

/// Command Field (0000,0100) of requests; a response's has the highest bit set.
pub(crate) mod field {
    pub(crate) const C_STORE: u16 = 0x0001;
    pub(crate) const C_GET: u16 = 0x0010;
    pub(crate) const C_FIND: u16 = 0x0020;
    pub(crate) const C_MOVE: u16 = 0x0021;
    pub(crate) const C_ECHO: u16 = 0x0030;
    pub(crate) const N_EVENT_REPORT: u16 = 0x0100;
    pub(crate) const N_SET: u16 = 0x0120;
    pub(crate) const N_ACTION: u16 = 0x0130;
    pub(crate) const N_CREATE: u16 = 0x0140;
    pub(crate) const C_CANCEL: u16 = 0x0FFF;
    pub(crate) const RESPONSE: u16 = 0x8000;
}

/// Command Data Set Type (0000,0800): nothing follows.
const NO_DATA_SET: u16 = 0x0101;
/// Any other value says that a data set follows.
const DATA_SET_FOLLOWS: u16 = 0x0001;

/// Why bytes are no command set.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Error {
    #[error("the command set is cut off or its lengths do not add up")]
    Malformed,
    #[error("the command set lacks {0}")]
    Missing(&'static str),
}

/// A command set. Its values may name a patient (a query's do not, a UID does), so `Debug` shows the field only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command {
    field: u16,
    has_data_set: bool,
    values: BTreeMap<u16, Vec<u8>>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({:#06x})", self.field)
    }
}

impl Command {
    /// Takes a complete command set apart.
    pub(crate) fn parse(mut bytes: &[u8]) -> Result<Self, Error> {
        let mut values = BTreeMap::new();
        while !bytes.is_empty() {
            let (group, element, value, rest) = split_element(bytes).ok_or(Error::Malformed)?;
            bytes = rest;
            if group != 0 {
                return Err(Error::Malformed);
            }
            values.insert(element, value.to_vec());
        }
        let mut command = Self {
            field: 0,
            has_data_set: false,
            values,
        };
        command.field = command
            .number(element::COMMAND_FIELD)
            .ok_or(Error::Missing("Command Field"))?;
        let data_set = command.number(element::DATA_SET_TYPE);
        command.has_data_set = data_set.ok_or(Error::Missing("Command Data Set Type"))? != NO_DATA_SET;
        for written_anew in [
            element::GROUP_LENGTH,
            element::COMMAND_FIELD,
            element::DATA_SET_TYPE,
        ] {
            command.values.remove(&written_anew);
        }
        Ok(command)
    }

    /// A request.
    #[must_use]
    pub(crate) fn request(field: u16, message_id: u16) -> Self {
        Self::new(field).with_number(element::MESSAGE_ID, message_id)
    }

    /// The answer to `self`, with its SOP class and instance.
    #[must_use]
    pub(crate) fn response(&self, status: u16) -> Self {
        let mut response = Self::new(self.field | field::RESPONSE)
            .with_number(element::MESSAGE_ID_RESPONDED_TO, self.message_id())
            .with_number(element::STATUS, status);
        // N-services name what they ask for as "requested", the answer as "affected" (PS3.7 section 10.3).
        let pairs = [
            (element::AFFECTED_SOP_CLASS_UID, element::REQUESTED_SOP_CLASS_UID),
            (
                element::AFFECTED_SOP_INSTANCE_UID,
                element::REQUESTED_SOP_INSTANCE_UID,
            ),
        ];
        for (affected, requested) in pairs {
            if let Some(value) = self.values.get(&affected).or_else(|| self.values.get(&requested)) {
                response.values.insert(affected, value.clone());
            }
        }
        response
    }

    fn new(field: u16) -> Self {
        Self {
            field,
            has_data_set: false,
            values: BTreeMap::new(),
        }
    }

    #[must_use]
    pub(crate) fn with_number(mut self, element: u16, number: u16) -> Self {
        self.values.insert(element, number.to_le_bytes().to_vec());
        self
    }

    /// A UID, padded with NUL (PS3.5 section 9).
    #[must_use]
    pub(crate) fn with_uid(self, element: u16, uid: &str) -> Self {
        self.with_padded(element, uid.as_bytes(), 0)
    }

    /// Printable ASCII of at most `limit` characters; other characters are left out.
    #[must_use]
    pub(crate) fn with_text(self, element: u16, text: &str, limit: usize) -> Self {
        let short: Vec<u8> = text
            .bytes()
            .filter(|b| (b' '..=b'~').contains(b))
            .take(limit)
            .collect();
        self.with_padded(element, &short, b' ')
    }

    /// Error Comment (0000,0902), which many scanners show: at most 64 characters.
    #[must_use]
    pub(crate) fn with_comment(self, comment: &str) -> Self {
        self.with_text(element::ERROR_COMMENT, comment, 64)
    }

    /// Offending Element (0000,0901).
    #[must_use]
    pub(crate) fn with_offending(mut self, tag: Tag) -> Self {
        let [group, number] = [tag.0, tag.1].map(u16::to_le_bytes);
        self.values
            .insert(element::OFFENDING_ELEMENT, [group, number].concat());
        self
    }

    fn with_padded(mut self, element: u16, bytes: &[u8], padding: u8) -> Self {
        let mut value = bytes.to_vec();
        if value.len() % 2 == 1 {
            value.push(padding);
        }
        self.values.insert(element, value);
        self
    }

    /// The request's field, or a response's with [`field::RESPONSE`].
    #[must_use]
    pub(crate) fn field(&self) -> u16 {
        self.field
    }

    #[must_use]
    pub(crate) fn has_data_set(&self) -> bool {
        self.has_data_set
    }

    /// 0 where a faulty peer sent none.
    #[must_use]
    pub(crate) fn message_id(&self) -> u16 {
        self.number(element::MESSAGE_ID).unwrap_or(0)
    }

    #[must_use]
    pub(crate) fn status(&self) -> Option<u16> {
        self.number(element::STATUS)
    }

    #[must_use]
    pub(crate) fn number(&self, element: u16) -> Option<u16> {
        let bytes = self.values.get(&element)?.first_chunk()?;
        Some(u16::from_le_bytes(*bytes))
    }

    /// A UID or AE title without its padding; empty is none.
    #[must_use]
    pub(crate) fn text(&self, element: u16) -> Option<String> {
        let value = self.values.get(&element)?;
        let text = String::from_utf8_lossy(value);
        let text = text.trim_matches(['\0', ' ']);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// As it travels.
    #[must_use]
    pub(crate) fn encode(&self, data_set_follows: bool) -> Vec<u8> {
        let data_set = match data_set_follows {
            true => DATA_SET_FOLLOWS,
            false => NO_DATA_SET,
        };
        let written = [
            (element::COMMAND_FIELD, self.field.to_le_bytes()),
            (element::DATA_SET_TYPE, data_set.to_le_bytes()),
        ];
        let mut all: Vec<(u16, &[u8])> = self.values.iter().map(|(e, v)| (*e, v.as_slice())).collect();
        all.extend(written.iter().map(|(e, v)| (*e, v.as_slice())));
        all.sort_by_key(|(element, _)| *element);
        let mut body = Vec::new();
        for (element, value) in all {
            put(&mut body, element, value);
        }
        let mut whole = Vec::with_capacity(body.len() + 12);
        let length = u32::try_from(body.len()).unwrap_or(0);
        put(&mut whole, element::GROUP_LENGTH, &length.to_le_bytes());
        whole.extend_from_slice(&body);
        whole
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

fn put(body: &mut Vec<u8>, element: u16, value: &[u8]) {
    body.extend_from_slice(&0u16.to_le_bytes());
    body.extend_from_slice(&element.to_le_bytes());
    body.extend_from_slice(&u32::try_from(value.len()).unwrap_or(0).to_le_bytes());
    body.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn store_request() -> Command {
        Command::request(field::C_STORE, 7)
            .with_uid(element::AFFECTED_SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.7")
            .with_uid(element::AFFECTED_SOP_INSTANCE_UID, "1.2.3")
    }

    #[test]
    fn what_was_encoded_is_understood() {
        let parsed = Command::parse(&store_request().encode(true)).unwrap();
        assert!(parsed.has_data_set());
        assert_eq!((parsed.field(), parsed.message_id()), (field::C_STORE, 7));
        assert_eq!(
            parsed.text(element::AFFECTED_SOP_INSTANCE_UID).as_deref(),
            Some("1.2.3")
        );
        assert!(
            !Command::parse(&store_request().encode(false))
                .unwrap()
                .has_data_set()
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut cut = store_request().encode(true);
        cut.truncate(cut.len() - 3);
        assert_eq!(Command::parse(&cut), Err(Error::Malformed));
        assert_eq!(Command::parse(&[]), Err(Error::Missing("Command Field")));
        let mut bytes = Vec::new();
        put(&mut bytes, element::COMMAND_FIELD, &field::C_ECHO.to_le_bytes());
        assert_eq!(
            Command::parse(&bytes),
            Err(Error::Missing("Command Data Set Type"))
        );
    }

    #[test]
    fn a_response_names_what_it_answers() {
        let action = Command::request(field::N_ACTION, 3)
            .with_uid(element::REQUESTED_SOP_CLASS_UID, "1.2.840.10008.1.20.1")
            .with_uid(element::REQUESTED_SOP_INSTANCE_UID, "1.2.840.10008.1.20.1.1");
        let response = Command::parse(&action.response(0).encode(false)).unwrap();
        assert_eq!(response.field(), field::N_ACTION | field::RESPONSE);
        assert_eq!(response.number(element::MESSAGE_ID_RESPONDED_TO), Some(3));
        assert_eq!(response.status(), Some(0));
        assert_eq!(
            response.text(element::AFFECTED_SOP_INSTANCE_UID).as_deref(),
            Some("1.2.840.10008.1.20.1.1")
        );
    }

    #[test]
    fn values_are_even_and_the_group_length_is_true() {
        for command in [
            Command::request(field::C_ECHO, 1).response(0),
            store_request().response(0xA900).with_comment("UID differs"),
        ] {
            let bytes = command.encode(false);
            let (_, element, value, mut rest) = split_element(&bytes).unwrap();
            assert_eq!(element, element::GROUP_LENGTH);
            assert_eq!(u32::from_le_bytes(value.try_into().unwrap()) as usize, rest.len());
            let mut last = 0;
            while !rest.is_empty() {
                let (group, element, value, after) = split_element(rest).unwrap();
                assert_eq!((group, value.len() % 2), (0, 0));
                assert!(last < element, "ascending");
                (last, rest) = (element, after);
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_parse_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(command) = Command::parse(&bytes) {
                let _ = command.response(0).encode(false);
            }
        }
    }
}
