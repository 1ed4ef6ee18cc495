use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use proptest::prelude::*;

use super::file::{CHUNK, HEADER, SEALED_CHUNK};
use super::*;

const BOTH: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::Sm4Gcm];
const SCOPE: Scope = Scope([3; 16]);

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 251) as u8).collect()
}

fn sealed(cipher: Cipher, key: &Key, plain: &[u8]) -> Vec<u8> {
    let mut writer = Writer::begin(Cursor::new(Vec::new()), cipher).unwrap();
    writer.write_all(plain).unwrap();
    let written = writer.complete().unwrap();
    written.seal(SCOPE, Purpose::Image, key).unwrap().into_inner()
}

fn reader(file: Vec<u8>, key: &Key) -> io::Result<Reader<Cursor<Vec<u8>>>> {
    let head = file.first_chunk::<HEADER>().ok_or(Error::Form)?;
    let head = Header::parse(*head)?;
    Reader::open(Cursor::new(file), &head, key)
}

fn opened(file: Vec<u8>, key: &Key) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    reader(file, key)?.read_to_end(&mut plain)?;
    Ok(plain)
}

#[test]
fn files_of_any_length_come_back() {
    let key = Key::random().unwrap();
    for cipher in BOTH {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 17] {
            let plain = content(length);
            let file = sealed(cipher, &key, &plain);
            assert!(is_sealed_file(&file));
            assert_eq!(reader(file.clone(), &key).unwrap().length(), length as u64);
            assert!(opened(file, &key).unwrap() == plain, "{cipher:?} {length}");
        }
    }
}

#[test]
fn the_head_says_whose_the_file_is_and_what_for() {
    let key = Key::random().unwrap();
    let file = sealed(Cipher::Sm4Gcm, &key, b"some");
    let head = Header::parse(*file.first_chunk().unwrap()).unwrap();
    assert_eq!(
        (head.scope(), head.purpose(), head.key()),
        (SCOPE, Purpose::Image, key.id())
    );
}

#[test]
fn one_flipped_bit_anywhere_opens_nothing() {
    let key = Key::random().unwrap();
    for cipher in BOTH {
        let file = sealed(cipher, &key, &content(100));
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(opened(changed, &key).is_err(), "{cipher:?} byte {at}");
        }
    }
}

#[test]
fn a_file_that_was_cut_reordered_lengthened_or_mixed_does_not_open() {
    let key = Key::random().unwrap();
    for cipher in BOTH {
        let (plain, other) = (content(3 * CHUNK), vec![9; 3 * CHUNK]);
        let (file, other) = (sealed(cipher, &key, &plain), sealed(cipher, &key, &other));
        let edge = |number: usize| HEADER + number * SEALED_CHUNK;
        for cut in [
            0,
            1,
            HEADER - 1,
            HEADER,
            edge(1) - 1,
            edge(1),
            edge(2),
            edge(2) + 1,
            edge(3) - 1,
        ] {
            assert!(opened(file[..cut].to_vec(), &key).is_err(), "cut at {cut}");
        }
        let swapped = [
            &file[..HEADER],
            &file[edge(1)..edge(2)],
            &file[edge(0)..edge(1)],
            &file[edge(2)..],
        ]
        .concat();
        assert!(opened(swapped, &key).is_err());
        let twice = [&file[..edge(2)], &file[edge(1)..]].concat();
        assert!(opened(twice, &key).is_err());
        let mixed = [&file[..edge(1)], &other[edge(1)..edge(2)], &file[edge(2)..]].concat();
        assert!(opened(mixed, &key).is_err());
        let foreign_head = [&other[..HEADER], &file[HEADER..]].concat();
        assert!(opened(foreign_head, &key).is_err());
        assert!(opened([&file[..], b"x"].concat(), &key).is_err());
    }
}

#[test]
fn another_key_opens_nothing_and_says_which_it_lacks() {
    let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
    let error = opened(sealed(Cipher::Aes256Gcm, &key, b"some"), &other).unwrap_err();
    assert!(error.to_string().contains(&key.id().to_string()), "{error}");
    let value = seal_value(Cipher::Aes256Gcm, &key, b"here", b"some").unwrap();
    assert!(matches!(
        open_value(|_| None, b"here", &value),
        Err(Error::UnknownKey(id)) if id == key.id()
    ));
    let renamed = [&value[..5], &other.id().0, &value[13..]].concat();
    assert!(matches!(
        open_value(|_| Some(&key), b"here", &renamed),
        Err(Error::Forged)
    ));
}

#[test]
fn what_was_begun_and_never_headed_is_no_file() {
    let mut writer = Writer::begin(Cursor::new(Vec::new()), Cipher::Aes256Gcm).unwrap();
    writer.write_all(&content(2 * CHUNK)).unwrap();
    let file = writer.get_ref().get_ref().clone();
    assert!(is_sealed_file(&file));
    assert!(matches!(
        Header::parse(*file.first_chunk().unwrap()),
        Err(Error::Form)
    ));
}

#[test]
fn what_is_written_can_be_read_before_it_has_its_head() {
    let mut writer = Writer::begin(Cursor::new(Vec::new()), Cipher::Aes256Gcm).unwrap();
    writer.write_all(&content(CHUNK + 5)).unwrap();
    let mut written = writer.complete().unwrap();
    let mut plain = Vec::new();
    written.reader().unwrap().read_to_end(&mut plain).unwrap();
    assert!(plain == content(CHUNK + 5));
}

#[test]
fn what_is_gathered_is_written_at_once_and_the_same_file() {
    let key = Key::random().unwrap();
    let plain = content(5 * CHUNK + 9);
    let mut buffer = vec![7; 100];
    for written_after in [1, 3, 9] {
        let mut writer = Writer::begin_in(Cursor::new(Vec::new()), Cipher::Aes256Gcm, buffer).unwrap();
        for piece in plain.chunks(50_000) {
            writer.gather(piece).unwrap();
            if written_after * SEALED_CHUNK <= writer.gathered() {
                writer.write_out().unwrap();
                assert!(writer.gathered() < BLOCK);
                assert_eq!(writer.get_ref().get_ref().len() % BLOCK, 0);
            }
        }
        let all_waits = writer.get_ref().get_ref().is_empty();
        assert_eq!(all_waits, written_after == 9);
        let written = writer.complete().unwrap();
        let (file, back) = written.seal_and_return(SCOPE, Purpose::Image, &key).unwrap();
        buffer = back;
        assert!(
            opened(file.into_inner(), &key).unwrap() == plain,
            "{written_after}"
        );
    }
}

/// Remembers where in memory each piece lay that it was given.
#[derive(Default)]
struct Places(Vec<(usize, usize)>);

impl Write for Places {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push((bytes.as_ptr().addr(), bytes.len()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn in_a_large_buffer_pieces_lie_at_whole_blocks() {
    // Every start an allocator may give is one or another of these.
    for _ in 0..4 {
        let buffer = Vec::with_capacity(4 * SEALED_CHUNK + BLOCK);
        let mut writer = Writer::begin_in(Places::default(), Cipher::Aes256Gcm, buffer).unwrap();
        for piece in content(12 * CHUNK).chunks(30_000) {
            writer.gather(piece).unwrap();
            if 2 * SEALED_CHUNK <= writer.gathered() {
                writer.write_out().unwrap();
            }
        }
        let places = &writer.get_ref().0;
        assert!(3 < places.len());
        assert!(
            places
                .iter()
                .all(|(at, length)| at % BLOCK == 0 && length % BLOCK == 0)
        );
    }
}

#[test]
fn nothing_of_a_key_or_text_shows() {
    let key = Key::random().unwrap();
    assert!(!format!("{key:?}").contains(&format!("{:?}", key.secret.bytes())));
    for cipher in BOTH {
        let marker = b"Wang^Xiaoming".repeat(10_000);
        for bytes in [
            sealed(cipher, &key, &marker),
            seal_value(cipher, &key, b"", &marker).unwrap(),
        ] {
            assert!(!bytes.windows(4).any(|it| it == b"Wang"));
        }
    }
}

#[test]
fn a_newer_file_says_so() {
    let key = Key::random().unwrap();
    let mut file = sealed(Cipher::Aes256Gcm, &key, b"");
    file[8] = 2;
    assert!(matches!(
        Header::parse(*file.first_chunk().unwrap()),
        Err(Error::Version(2))
    ));
}

#[test]
fn keys_outlive_the_key_of_their_box_and_no_generation_that_is_gone_opens_them() {
    let first = BoxKeys::random().unwrap();
    let key = Key::random().unwrap();
    let old = key.wrap(Cipher::Aes256Gcm, &first, SCOPE).unwrap();
    let both = BoxKeys::parse(&first.with_next().unwrap().to_text()).unwrap();
    let opened = Key::unwrap(&old, &both, key.id(), SCOPE).unwrap();
    assert_eq!(opened.secret.bytes(), key.secret.bytes());
    let new = opened.wrap(Cipher::Sm4Gcm, &both, SCOPE).unwrap();
    let newest = both.newest_only();
    assert_eq!(newest.generations(), 1);
    assert!(Key::unwrap(&new, &newest, key.id(), SCOPE).is_ok());
    assert!(matches!(
        Key::unwrap(&old, &newest, key.id(), SCOPE),
        Err(Error::UnknownKey(_))
    ));
    assert!(matches!(
        Key::unwrap(&new, &newest, key.id(), Scope::default()),
        Err(Error::Forged)
    ));
}

#[test]
fn a_damaged_box_key_is_none() {
    let text = BoxKeys::random().unwrap().to_text();
    for bad in [
        "",
        "barefoot-box-key 2\n",
        "barefoot-box-key 1\n",
        &text[..text.len() - 4],
    ] {
        assert!(BoxKeys::parse(bad).is_err(), "{} bytes", bad.len());
    }
}

proptest! {
    #[test]
    fn any_part_of_a_file_is_what_was_written(
        length in 0..(3 * CHUNK),
        pieces in proptest::collection::vec(1..CHUNK, 1..5),
        reads in proptest::collection::vec((0..(3 * CHUNK as u64), 0..2000usize), 1..6),
    ) {
        let key = Key::random().unwrap();
        let plain = content(length);
        let mut writer = Writer::begin(Cursor::new(Vec::new()), Cipher::Aes256Gcm).unwrap();
        let mut rest = &plain[..];
        for piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(*piece));
            writer.write_all(now).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        let file = writer.complete().unwrap().seal(SCOPE, Purpose::State, &key).unwrap().into_inner();
        let mut reader = reader(file, &key).unwrap();
        for (from, count) in reads {
            reader.seek(SeekFrom::Start(from)).unwrap();
            let mut part = Vec::new();
            Read::by_ref(&mut reader).take(count as u64).read_to_end(&mut part).unwrap();
            let from = (from as usize).min(length);
            prop_assert_eq!(&part[..], &plain[from..length.min(from + count)]);
        }
    }

    #[test]
    fn values_come_back_in_their_context_only_and_whole_only(
        plain in proptest::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
        sm4 in any::<bool>(),
    ) {
        let key = Key::random().unwrap();
        let cipher = BOTH[usize::from(sm4)];
        let value = seal_value(cipher, &key, b"here", &plain).unwrap();
        let open = |context: &[u8], bytes: &[u8]| open_value(|id| (id == key.id()).then_some(&key), context, bytes);
        prop_assert!(is_sealed_value(&value));
        prop_assert_eq!(open(b"here", &value).unwrap(), plain);
        prop_assert!(open(b"there", &value).is_err());
        let mut changed = value.clone();
        changed[at.index(value.len())] ^= 1 << bit;
        prop_assert!(open(b"here", &changed).is_err());
        prop_assert!(open(b"here", &value[..at.index(value.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let key = Key::random().unwrap();
        let _ = open_value(|_| Some(&key), b"", &bytes);
        let started = [b"BRFTSEAL\x01\x01\x10\x01".as_slice(), &bytes].concat();
        let _ = opened(started, &key);
        let _ = BoxKeys::parse(&String::from_utf8_lossy(&bytes));
    }
}
