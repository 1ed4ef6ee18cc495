//! One range of bytes (RFC 9110 section 14). Pure.

/// What of a content of `length` bytes is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dicomweb) enum Asked {
    Whole,
    /// From, and up to but not with.
    Part(u64, u64),
    /// Nothing of it is there.
    Beyond,
}

/// Several ranges, or what is none, get the whole, as the RFC allows.
pub(in crate::dicomweb) fn asked(header: Option<&str>, length: u64) -> Asked {
    let read = || -> Option<Asked> {
        let (first, last) = header?.trim().strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| -> Option<u64> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        let (start, end) = match (first.trim(), last.trim()) {
            ("", last) => (length.saturating_sub(number(last)?), length),
            (first, "") => (number(first)?, length),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return None;
                }
                (first, length.min(last.saturating_add(1)))
            }
        };
        Some(if start < end {
            Asked::Part(start, end)
        } else {
            Asked::Beyond
        })
    };
    read().unwrap_or(Asked::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        let of = |text| asked(Some(text), 100);
        assert_eq!(of("bytes=0-9"), Asked::Part(0, 10));
        assert_eq!(of("bytes=90-"), Asked::Part(90, 100));
        assert_eq!(of("bytes=90-1000"), Asked::Part(90, 100));
        assert_eq!(of("bytes=-5"), Asked::Part(95, 100));
        assert_eq!(of("bytes=-500"), Asked::Part(0, 100));
        assert_eq!(of("bytes=100-"), Asked::Beyond);
        assert_eq!(of("bytes=-0"), Asked::Beyond);
        for whole in ["bytes=9-3", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=-"] {
            assert_eq!(of(whole), Asked::Whole, "{whole}");
        }
        assert_eq!(asked(None, 100), Asked::Whole);
    }
}
