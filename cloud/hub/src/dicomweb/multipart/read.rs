use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use memchr::memmem::Finder;

/// Of one part, its name and values together.
const MOST_HEADER: usize = 8 * 1024;

/// RFC 2046 section 5.1.1.
const MOST_BOUNDARY: usize = 70;

/// Why a body is no multipart.
#[derive(Debug, thiserror::Error)]
pub(in crate::dicomweb) enum Error {
    #[error("the body ends before its last boundary")]
    Truncated,
    #[error("a part's header is longer than {MOST_HEADER} bytes or none")]
    Header,
    #[error("the body cannot be read")]
    Body { source: axum::Error },
}

/// What a part says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dicomweb) struct Head {
    /// In lower case, without its parameters; empty where it is missing.
    pub(in crate::dicomweb) content_type: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first boundary, or within a part.
    Content,
    /// Just behind a boundary.
    Boundary,
    End,
}

/// Takes a body apart as it comes; memory holds a piece of it and a header.
pub(in crate::dicomweb) struct Reader<S> {
    stream: S,
    buffer: BytesMut,
    delimiter: Finder<'static>,
    at: At,
}

/// The boundary a Content-Type of `multipart/related` names.
pub(in crate::dicomweb) fn boundary_of(content_type: &str) -> Option<String> {
    let (media, parameters) = content_type.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("boundary");
        named.then(|| value.trim().trim_matches('"').to_owned())
    })?;
    let fits = (1..=MOST_BOUNDARY).contains(&boundary.len()) && boundary.is_ascii();
    fits.then_some(boundary)
}

impl<S: Stream<Item = Result<Bytes, axum::Error>> + Unpin> Reader<S> {
    pub(in crate::dicomweb) fn new(stream: S, boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        Self {
            stream,
            // The first boundary may stand at the very start.
            buffer: BytesMut::from("\r\n"),
            delimiter: Finder::new(delimiter.as_bytes()).into_owned(),
            at: At::Content,
        }
    }

    /// The next part's header; what was left of the one before is passed over.
    pub(in crate::dicomweb) async fn next_part(&mut self) -> Result<Option<Head>, Error> {
        while self.at == At::Content {
            self.piece().await?;
        }
        if self.at == At::End {
            return Ok(None);
        }
        while self.buffer.len() < 2 {
            self.more().await?;
        }
        if self.buffer.starts_with(b"--") {
            self.at = At::End;
            return Ok(None);
        }
        // From the boundary's own line end: a part without a header begins with an empty line.
        let end = loop {
            let found = memchr::memmem::find(&self.buffer, b"\r\n\r\n");
            if let Some(end) = found {
                break end;
            }
            // However it is cut: what ends within the bound would have been found.
            if MOST_HEADER + 4 <= self.buffer.len() {
                return Err(Error::Header);
            }
            self.more().await?;
        };
        if MOST_HEADER < end {
            return Err(Error::Header);
        }
        let header = self.buffer.split_to(end + 4);
        self.at = At::Content;
        let text = str::from_utf8(&header).map_err(|_| Error::Header)?;
        let content_type = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let value = value.split(';').next().unwrap_or_default();
            let named = name.trim().eq_ignore_ascii_case("content-type");
            named.then(|| value.trim().to_ascii_lowercase())
        });
        Ok(Some(Head {
            content_type: content_type.unwrap_or_default(),
        }))
    }

    /// The next piece of the part; `None` at its end.
    pub(in crate::dicomweb) async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        if self.at != At::Content {
            return Ok(None);
        }
        loop {
            let length = self.delimiter.needle().len();
            match self.delimiter.find(&self.buffer) {
                Some(0) => {
                    self.buffer.advance(length);
                    self.at = At::Boundary;
                    return Ok(None);
                }
                Some(at) => return Ok(Some(self.buffer.split_to(at).freeze())),
                // A boundary may have begun in the last bytes.
                None if length <= self.buffer.len() => {
                    let sure = self.buffer.len() - (length - 1);
                    return Ok(Some(self.buffer.split_to(sure).freeze()));
                }
                None => self.more().await?,
            }
        }
    }

    async fn more(&mut self) -> Result<(), Error> {
        match self.stream.next().await {
            Some(Ok(bytes)) => {
                self.buffer.extend_from_slice(&bytes);
                Ok(())
            }
            Some(Err(source)) => Err(Error::Body { source }),
            None => Err(Error::Truncated),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    type Parts = Vec<(String, Vec<u8>)>;

    fn read(chunks: Vec<Vec<u8>>, boundary: &str) -> Result<Parts, Error> {
        let stream = stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk))));
        let mut reader = Reader::new(stream, boundary);
        let read = async {
            let mut parts = Vec::new();
            while let Some(head) = reader.next_part().await? {
                let mut content = Vec::new();
                while let Some(piece) = reader.piece().await? {
                    content.extend(piece);
                }
                parts.push((head.content_type, content));
            }
            Ok(parts)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(read)
    }

    fn cut(bytes: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
        let mut rest = bytes;
        let mut chunks = Vec::new();
        for size in sizes {
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk.to_vec());
            rest = after;
        }
        chunks.push(rest.to_vec());
        chunks
    }

    #[test]
    fn parts_are_found_behind_a_preamble_and_without_headers() {
        let body = b"preamble\r\n--b\r\nContent-Type: Application/DICOM; x=y\r\n\r\none\r\n--b \r\n\r\ntwo\r\n--b--\r\nend";
        // A blank behind the boundary belongs to its line.
        let parts = read(vec![body.to_vec()], "b").unwrap();
        assert_eq!(parts[0], ("application/dicom".to_owned(), b"one".to_vec()));
        assert_eq!(parts[1].1, b"two");
        let truncated = read(vec![b"--b\r\n\r\none".to_vec()], "b");
        assert!(matches!(truncated, Err(Error::Truncated)));
        let endless = [b"--b\r\n".to_vec(), vec![b'x'; 20_000]].concat();
        assert!(matches!(read(cut(&endless, &[700; 20]), "b"), Err(Error::Header)));
    }

    #[test]
    fn a_boundary_is_read_off_the_content_type() {
        let of = |text| boundary_of(text);
        assert_eq!(
            of("multipart/related; type=\"application/dicom\"; boundary=\"a-b\"").as_deref(),
            Some("a-b")
        );
        assert_eq!(of("Multipart/Related;boundary=x;type=y").as_deref(), Some("x"));
        assert_eq!(of("multipart/form-data; boundary=x"), None);
        assert_eq!(of("multipart/related; boundary="), None);
    }

    proptest! {
        /// Wherever the network cuts a body, the same parts come out, their bytes as they were.
        #[test]
        fn any_cut_gives_the_same_parts(
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..4),
            sizes in proptest::collection::vec(0..40_usize, 0..40),
        ) {
            let mut body = Vec::new();
            for content in &contents {
                body.extend(b"\r\n--limit-4711\r\nContent-Type: application/dicom\r\n\r\n");
                body.extend(content);
            }
            body.extend(b"\r\n--limit-4711--");
            let parts = read(cut(&body, &sizes), "limit-4711").unwrap();
            let found: Vec<Vec<u8>> = parts.into_iter().map(|(_, content)| content).collect();
            prop_assert_eq!(found, contents);
        }

        #[test]
        fn any_bytes_end(body: Vec<u8>, sizes in proptest::collection::vec(0..20_usize, 0..9)) {
            let _ = read(cut(&body, &sizes), "b");
        }
    }
}
