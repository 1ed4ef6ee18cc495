use super::*;

const FILE: Node = Node(1);

fn place(name: &str) -> Place {
    Place {
        folder: ROOT,
        name: name.into(),
    }
}

/// A file is made, written, perhaps synced, renamed, and its folder perhaps synced. Each step takes the time from its
/// number to the next.
fn recording(steps: Vec<Action>) -> Recording {
    Recording {
        bytes: vec![7; 4 * SECTOR],
        operations: (0..)
            .zip(steps)
            .map(|(number, action)| Operation {
                begin: number * 10,
                end: number * 10 + 9,
                action,
            })
            .collect(),
        is_folder: vec![true, false],
    }
}

fn stored(file_synced: bool, folder_synced: bool) -> Recording {
    let mut steps = vec![
        Action::Name {
            node: FILE,
            at: place("part"),
        },
        Action::Write {
            node: FILE,
            offset: 0,
            data: 0..4 * SECTOR,
        },
    ];
    if file_synced {
        steps.push(Action::Sync { node: FILE });
    }
    steps.push(Action::Rename {
        node: FILE,
        from: place("part"),
        to: place("final"),
    });
    if folder_synced {
        steps.push(Action::Sync { node: ROOT });
    }
    recording(steps)
}

fn images(recording: &Recording, cut: u64) -> Vec<Image> {
    (0..200)
        .map(|seed| recording.image(cut, Syncs::All, seed))
        .collect()
}

fn is_whole(image: &Image) -> bool {
    let content = image.files.get(Path::new("final"));
    content.is_some_and(|bytes| bytes.len() == 4 * SECTOR && bytes.iter().all(|byte| *byte == 7))
}

#[test]
fn what_was_synced_with_its_name_is_always_there() {
    let recording = stored(true, true);
    assert!(images(&recording, 1_000).iter().all(is_whole));
    assert!(is_whole(&recording.whole()));
}

#[test]
fn either_sync_left_out_loses_it_in_some_cut() {
    for (file, folder) in [(false, true), (true, false), (false, false)] {
        let recording = stored(file, folder);
        let images = images(&recording, 1_000);
        assert!(images.iter().any(|image| !is_whole(image)), "{file} {folder}");
        assert!(images.iter().any(is_whole), "{file} {folder}");
    }
}

#[test]
fn a_sync_that_has_not_ended_promises_nothing() {
    let recording = stored(true, true);
    // The folder's sync runs from 40 to 49.
    assert!(images(&recording, 45).iter().any(|image| !is_whole(image)));
    assert!(images(&recording, 49).iter().all(is_whole));
}

#[test]
fn syncs_ignored_lose_even_that() {
    let recording = stored(true, true);
    let lost = (0..200).filter(|seed| !is_whole(&recording.image(1_000, Syncs::None, *seed)));
    assert!(20 < lost.count());
}

#[test]
fn a_write_is_torn_at_sectors_only() {
    let recording = stored(false, true);
    let mut torn = 0;
    for image in images(&recording, 1_000) {
        for bytes in image.files.values() {
            for sector in bytes.chunks(SECTOR) {
                assert!(sector.iter().all(|byte| *byte == 7) || sector.iter().all(|byte| *byte == 0));
            }
            torn += usize::from(bytes.contains(&7) && (bytes.contains(&0) || bytes.len() < 4 * SECTOR));
        }
    }
    assert!(10 < torn);
}

#[test]
fn an_image_written_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let image = stored(true, true).whole();
    image.write(dir.path()).unwrap();
    assert!(Image::read(dir.path()).unwrap().differences(&image).is_empty());
    fs::write(dir.path().join("more"), b"x").unwrap();
    let differing = Image::read(dir.path()).unwrap().differences(&image);
    assert_eq!(differing, [PathBuf::from("more")]);
}
