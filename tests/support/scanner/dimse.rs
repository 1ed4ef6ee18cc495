//! C-ECHO and C-STORE commands (PS3.7 sections 9.1.1 and 9.1.5), always Implicit VR Little Endian.

const ECHO_REQUEST: u16 = 0x0030;
const STORE_REQUEST: u16 = 0x0001;

/// (0000,0800): any other value announces a data set.
const NO_DATA_SET: u16 = 0x0101;

pub(super) fn echo_request(message: u16) -> Vec<u8> {
    command(&[
        uid(0x0002, "1.2.840.10008.1.1"),
        short(0x0100, ECHO_REQUEST),
        short(0x0110, message),
        short(0x0800, NO_DATA_SET),
    ])
}

pub(super) fn store_request(message: u16, sop_class: &str, sop_instance: &str) -> Vec<u8> {
    command(&[
        uid(0x0002, sop_class),
        short(0x0100, STORE_REQUEST),
        short(0x0110, message),
        short(0x0700, 0),
        short(0x0800, 0x0001),
        uid(0x1000, sop_instance),
    ])
}

/// What a receiver said to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Message ID Being Responded To (0000,0120).
    pub message_id: u16,
    /// (0000,0900).
    pub status: u16,
    /// Error Comment (0000,0902).
    pub comment: Option<String>,
}

/// `None` when this is no answer.
pub(super) fn answer(response: &[u8]) -> Option<Answer> {
    let mut rest = response;
    let (mut message_id, mut status, mut comment) = (None, None, None);
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        let [g0, g1, e0, e1, length @ ..] = *head;
        let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let value = tail.get(..length)?;
        let number = || Some(u16::from_le_bytes(*value.first_chunk::<2>()?));
        match (u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1])) {
            (0x0000, 0x0120) => message_id = Some(number()?),
            (0x0000, 0x0900) => status = number(),
            (0x0000, 0x0902) => comment = Some(String::from_utf8_lossy(value).trim().to_owned()),
            _ => {}
        }
        rest = tail.get(length..)?;
    }
    Some(Answer {
        message_id: message_id?,
        status: status?,
        comment,
    })
}

/// The status of the answer to `message`; `None` when this is no such answer.
pub(super) fn status_of(response: &[u8], message: u16) -> Option<u16> {
    answer(response)
        .filter(|answer| answer.message_id == message)
        .map(|answer| answer.status)
}

/// PS3.4 section B.2.3 and PS3.7 annex C.
pub(super) fn status_name(status: u16) -> &'static str {
    match status {
        0x0000 => "success",
        0x0105..=0x0110 => "no such attribute, invalid value or processing failure",
        0x0117 => "invalid SOP instance",
        0x0122 => "SOP class not supported",
        0x0124 => "not authorised",
        0x0211 => "unrecognised operation",
        0x0212 => "mistyped argument",
        0xA700..=0xA7FF => "refused: out of resources",
        0xA900..=0xA9FF => "error: data set does not match SOP class",
        0xC000..=0xCFFF => "error: cannot understand",
        0xB000 => "warning: coercion of data elements",
        0xB006 => "warning: elements discarded",
        0xB007 => "warning: data set does not match SOP class",
        _ => "failure",
    }
}

/// Stored, perhaps with a remark.
pub(super) fn is_accepted(status: u16) -> bool {
    status == 0 || status & 0xF000 == 0xB000
}

fn command(elements: &[Vec<u8>]) -> Vec<u8> {
    let body = elements.concat();
    let mut bytes = vec![0, 0, 0, 0, 4, 0, 0, 0];
    // At most four elements of at most 64 bytes each.
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or_default().to_le_bytes());
    bytes.extend(body);
    bytes
}

fn short(element: u16, value: u16) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend_from_slice(&element.to_le_bytes());
    bytes.extend_from_slice(&2_u32.to_le_bytes());
    bytes.extend_from_slice(&value.to_le_bytes());
    bytes
}

fn uid(element: u16, value: &str) -> Vec<u8> {
    let mut value = value.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(0);
    }
    let mut bytes = vec![0, 0];
    bytes.extend_from_slice(&element.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(value.len()).unwrap_or_default().to_le_bytes());
    bytes.extend(value);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(message: u16, status: u16) -> Vec<u8> {
        command(&[
            short(0x0100, 0x8001),
            short(0x0120, message),
            short(0x0900, status),
        ])
    }

    #[test]
    fn the_status_is_read_from_the_right_answer() {
        assert_eq!(status_of(&response(7, 0xA700), 7), Some(0xA700));
        assert_eq!(status_of(&response(6, 0), 7), None);
        assert_eq!(status_of(&response(7, 0)[..20], 7), None);
        assert_eq!(status_of(b"", 7), None);
    }

    proptest::proptest! {
        #[test]
        fn any_response_is_survived(bytes: Vec<u8>) {
            let _ = answer(&bytes);
        }
    }
}
