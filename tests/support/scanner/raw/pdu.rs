//! The upper layer's bytes (PS3.8 section 9.3), written and read by hand.

use std::io::{self, Read};

use super::{Error, Proposal};

/// DICOM application context name, PS3.7 annex A.2.1.
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
const IMPLEMENTATION_CLASS: &str = "2.25.108928046921968995913044600304754501387";

pub(super) const ASSOCIATE_AC: u8 = 0x02;
pub(super) const ASSOCIATE_RJ: u8 = 0x03;
pub(super) const P_DATA: u8 = 0x04;
pub(super) const RELEASE_RP: u8 = 0x06;
pub(super) const ABORT: u8 = 0x07;

pub(super) const RELEASE_RQ: [u8; 10] = [0x05, 0, 0, 0, 0, 4, 0, 0, 0, 0];
pub(super) const ABORT_RQ: [u8; 10] = [ABORT, 0, 0, 0, 0, 4, 0, 0, 0, 0];

/// No answer of a receiver is longer.
const LONGEST_ANSWER: u32 = 1 << 20;

const PRESENTATION_CONTEXT_RQ: u8 = 0x20;
const PRESENTATION_CONTEXT_AC: u8 = 0x21;
const USER_INFORMATION: u8 = 0x50;
const MAXIMUM_LENGTH: u8 = 0x51;

/// A-ASSOCIATE-RQ, section 9.3.2.
pub(super) fn associate_request(proposal: &Proposal) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    body.extend(title(&proposal.called));
    body.extend(title(&proposal.calling));
    body.extend([0; 32]);
    body.extend(item(0x10, APPLICATION_CONTEXT.as_bytes()));
    for (place, (sop_class, syntaxes)) in proposal.contexts.iter().enumerate() {
        let mut context = vec![context_id(place), 0, 0, 0];
        context.extend(item(0x30, sop_class.as_bytes()));
        for syntax in syntaxes {
            context.extend(item(0x40, syntax.as_bytes()));
        }
        body.extend(item(PRESENTATION_CONTEXT_RQ, &context));
    }
    let mut user = item(MAXIMUM_LENGTH, &(128 * 1024_u32).to_be_bytes());
    user.extend(item(0x52, IMPLEMENTATION_CLASS.as_bytes()));
    body.extend(item(USER_INFORMATION, &user));
    let mut pdu = vec![0x01, 0];
    pdu.extend_from_slice(&length(body.len()).to_be_bytes());
    pdu.extend(body);
    pdu
}

/// Ids are odd (section 9.3.2.2).
pub(super) fn context_id(place: usize) -> u8 {
    u8::try_from(2 * place + 1).unwrap_or(u8::MAX)
}

/// What an A-ASSOCIATE-AC (section 9.3.3) granted: the transfer syntax of each accepted context by its id, and the
/// longest PDU the peer takes, 0 for any.
pub(super) fn granted(body: &[u8]) -> Option<(Vec<(u8, String)>, u32)> {
    let (mut accepted, mut limit) = (Vec::new(), 0);
    for (kind, content) in items(body.get(68..)?)? {
        match kind {
            PRESENTATION_CONTEXT_AC => {
                let (head, syntaxes) = content.split_first_chunk::<4>()?;
                let [id, _, result, _] = *head;
                if result == 0 {
                    let (_, syntax) = items(syntaxes)?.into_iter().next()?;
                    let text = String::from_utf8_lossy(syntax);
                    accepted.push((id, text.trim_end_matches(['\0', ' ']).to_owned()));
                }
            }
            USER_INFORMATION => {
                for (kind, content) in items(content)? {
                    if kind == MAXIMUM_LENGTH {
                        limit = u32::from_be_bytes(*content.first_chunk()?);
                    }
                }
            }
            _ => {}
        }
    }
    Some((accepted, limit))
}

/// One P-DATA-TF with one value (section 9.3.5), appended.
pub(super) fn put_value(to: &mut Vec<u8>, context: u8, is_command: bool, is_last: bool, data: &[u8]) {
    to.extend([P_DATA, 0]);
    to.extend(length(data.len() + 6).to_be_bytes());
    to.extend(length(data.len() + 2).to_be_bytes());
    to.push(context);
    to.push(u8::from(is_command) | u8::from(is_last) << 1);
    to.extend_from_slice(data);
}

/// The values of a P-DATA-TF: whether each is the last of its message's part, and its bytes.
pub(super) fn values(mut body: &[u8]) -> Option<Vec<(bool, &[u8])>> {
    let mut found = Vec::new();
    while let Some((head, rest)) = body.split_first_chunk::<4>() {
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*head)).ok()?)?;
        let ([_, flags], data) = value.split_first_chunk::<2>()?;
        found.push((flags & 2 != 0, data));
        body = rest;
    }
    body.is_empty().then_some(found)
}

/// The next PDU's type and body.
pub(super) fn read(from: &mut impl Read) -> Result<(u8, Vec<u8>), Error> {
    let mut head = [0; 6];
    from.read_exact(&mut head).map_err(broken)?;
    let [kind, _, length @ ..] = head;
    let length = u32::from_be_bytes(length);
    if LONGEST_ANSWER < length {
        return Err(Error::Malformed);
    }
    let mut body = Vec::new();
    let wanted = u64::from(length);
    if from.take(wanted).read_to_end(&mut body).map_err(broken)? as u64 != wanted {
        return Err(Error::Closed);
    }
    Ok((kind, body))
}

pub(super) fn broken(source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Error::Closed
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Silent,
        _ => Error::Network { source },
    }
}

fn items(mut body: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while let Some((head, rest)) = body.split_first_chunk::<4>() {
        let [kind, _, l0, l1] = *head;
        let (content, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        found.push((kind, content));
        body = rest;
    }
    body.is_empty().then_some(found)
}

fn item(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 0];
    bytes.extend(u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

fn title(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(16, b' ');
    bytes
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_written_are_read_again() {
        let mut pdu = Vec::new();
        put_value(&mut pdu, 5, false, true, b"abc");
        let (kind, body) = read(&mut pdu.as_slice()).unwrap();
        assert_eq!(kind, P_DATA);
        assert_eq!(values(&body).unwrap(), [(true, &b"abc"[..])]);
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_survived(bytes: Vec<u8>) {
            let _ = granted(&bytes);
            let _ = values(&bytes);
            let _ = read(&mut bytes.as_slice());
        }
    }
}
