//! A file on a stick that a new box is to be enrolled by.

use barefoot_edge::fuzzing::set_up;
use barefoot_trust::enrolment::Code;

pub(crate) fn check(bytes: &[u8]) {
    let Some([line, hub, code]) = set_up(bytes) else {
        return;
    };
    assert!(!line.is_empty() && !line.starts_with('#') && !line.contains('\n'));
    assert!(line.contains(&hub) && line.contains(&code));
    // What is no UTF-8 becomes the sign for that, three bytes for one.
    assert!(line.len() <= 3 * bytes.len());
    if let Some(code) = Code::parse(&code) {
        let again = Code::parse(&code.to_string()).expect("a code as it is read out is that code");
        assert!(again == code && again.id() == code.id());
    }
}
