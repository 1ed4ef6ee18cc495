//! What a node's status means for an instance (PS3.4 table B.2-1, PS3.7 annex C).

/// What became of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The node has it. `status` is a warning, or 0.
    Sent { status: u16 },
    /// Later it may go.
    Retry { reason: String },
    /// As [`Verdict::Retry`], but not for ever: see [`MAX_ATTEMPTS`].
    RetrySometimes { reason: String },
    /// It will not go by itself: a person must look.
    SetAside { reason: String },
    /// The node is not to get it.
    NotForIt,
}

/// How often an instance is sent to a node that fails on it without saying that it lacks something.
pub(super) const MAX_ATTEMPTS: u32 = 10;

/// Duplicate SOP Instance: it has it already.
const DUPLICATE: u16 = 0x0111;

/// The peer's Error Comment is left out: some write a patient's name there.
pub(super) fn of_status(status: u16) -> Verdict {
    let reason = |what: &str| format!("{what} (0x{status:04X})");
    match status {
        0x0000 | DUPLICATE | 0x0107 | 0x0116 | 0xB000..=0xBFFF => Verdict::Sent { status },
        0xA700..=0xA7FF => Verdict::Retry {
            reason: reason("the node has no room"),
        },
        0x0122 => Verdict::SetAside {
            reason: reason("the node does not store this kind of object"),
        },
        0x0124 => Verdict::SetAside {
            reason: reason("the node does not allow this box to store"),
        },
        0xA900..=0xA9FF => Verdict::SetAside {
            reason: reason("the node says that the object does not match its kind"),
        },
        0xC000..=0xCFFF => Verdict::SetAside {
            reason: reason("the node cannot understand the object"),
        },
        _ => Verdict::RetrySometimes {
            reason: reason("the node failed to store the object"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_consequence() {
        let kind = |status| match of_status(status) {
            Verdict::Sent { .. } => "sent",
            Verdict::Retry { .. } => "retry",
            Verdict::RetrySometimes { .. } => "sometimes",
            Verdict::SetAside { .. } => "aside",
            Verdict::NotForIt => "not for it",
        };
        for (status, expected) in [
            (0x0000, "sent"),
            (0x0111, "sent"),
            (0xB000, "sent"),
            (0xB006, "sent"),
            (0xB007, "sent"),
            (0xA700, "retry"),
            (0xA7FF, "retry"),
            (0xA900, "aside"),
            (0xC000, "aside"),
            (0xCFFF, "aside"),
            (0x0122, "aside"),
            (0x0110, "sometimes"),
            (0x1234, "sometimes"),
        ] {
            assert_eq!(kind(status), expected, "{status:04X}");
        }
    }
}
