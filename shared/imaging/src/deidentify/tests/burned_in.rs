//! Text in the picture itself.

use super::*;

/// Rows of a picture that say something; the rest is a gradient.
fn written_on(rows: std::ops::Range<usize>) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..64 * 64u32).map(|at| (at / 64 * 2 + at % 3) as u8).collect();
    for row in rows {
        for (to, from) in bytes[row * 64..(row + 1) * 64]
            .iter_mut()
            .zip(MARKER.bytes().cycle())
        {
            *to = from;
        }
    }
    bytes
}

fn with_region(set: &mut DataSet, [left, top, right, bottom]: [u32; 4]) {
    let mut region = DataSet::default();
    put_long(&mut region, tags::REGION_X0, left);
    put_long(&mut region, tags::REGION_Y0, top);
    put_long(&mut region, tags::REGION_X1, right);
    put_long(&mut region, tags::REGION_Y1, bottom);
    set.put_items(tags::US_REGIONS, vec![region]);
}

#[test]
fn ultrasound_keeps_its_regions_and_nothing_around_them() {
    let mut set = picture(US, "US");
    put_pixels(&mut set, written_on(0..10));
    assert!(matches!(
        deidentified(&set, &policy()),
        Err(Withheld::BurnedInText)
    ));
    with_region(&mut set, [4, 12, 59, 61]);
    let out = deidentified(&set, &policy()).unwrap();
    assert_eq!(out.pixels, Pixels::RegionsKept);
    let (before, after) = (
        set.view().value(tags::PIXEL_DATA).unwrap().to_vec(),
        pixels_of(&out),
    );
    assert!(!contains(&after, MARKER.as_bytes()) && !contains(&out.file, MARKER.as_bytes()));
    for row in 0..64 {
        for column in 0..64 {
            let at = row * 64 + column;
            let inside = (4..=59).contains(&column) && (12..=61).contains(&row);
            assert_eq!(after[at], if inside { before[at] } else { 0 }, "{row} {column}");
        }
    }
    check(&out.file).unwrap();
}

#[test]
fn unbelievable_regions_are_no_regions() {
    for region in [
        [0, 0, 63, 63],
        [4, 4, 64, 20],
        [20, 4, 10, 20],
        [0, 0, u32::MAX, 3],
    ] {
        let mut set = picture(US, "US");
        with_region(&mut set, region);
        let outcome = deidentified(&set, &policy());
        assert!(matches!(outcome, Err(Withheld::BurnedInText)), "{region:?}");
    }
}

#[test]
fn banners_of_the_site_are_blanked_in_every_colour_and_frame() {
    let banner = Banner {
        modality: "OT".to_owned(),
        manufacturer: "mind".to_owned(),
        top: 16,
        bottom: 0,
        left: 0,
        right: 0,
    };
    let policy = Policy {
        banners: vec![banner],
        ..policy()
    };
    for planar in [0, 1] {
        let mut set = picture(SC, "OT");
        set.put_code(tags::MANUFACTURER, "Mindray");
        set.put_u16(tags::SAMPLES_PER_PIXEL, 3);
        set.put_u16(tags::PLANAR_CONFIGURATION, planar);
        set.put_code(tags::PHOTOMETRIC, "RGB");
        set.put_code(tags::NUMBER_OF_FRAMES, "2");
        let colour = written_on(0..10);
        let frame: Vec<u8> = if planar == 1 {
            colour.repeat(3)
        } else {
            colour.iter().flat_map(|level| [*level; 3]).collect()
        };
        put_pixels(&mut set, frame.repeat(2));
        let out = deidentified(&set, &policy).unwrap();
        assert_eq!(out.pixels, Pixels::BannersMasked);
        let after = pixels_of(&out);
        for frame in after.chunks(64 * 64 * 3) {
            assert!(frame[..11 * 64 * 3].iter().all(|level| *level == 0) || planar == 1);
            let lit = frame.iter().filter(|level| **level != 0).count();
            assert!(64 * 50 * 3 < lit, "the picture itself stays");
        }
        let spread: Vec<u8> = MARKER.bytes().flat_map(|byte| [byte; 3]).collect();
        assert!(!contains(&after, MARKER.as_bytes()) && !contains(&after, &spread));
        set.put_code(tags::MANUFACTURER, "OTHER");
        assert!(matches!(deidentified(&set, &policy), Err(Withheld::BurnedInText)));
    }
}

#[test]
fn a_picture_is_believed_only_where_the_site_says_so() {
    let mut set = picture(SC, "CR");
    set.put_code(tags::BURNED_IN, "NO");
    assert!(matches!(
        deidentified(&set, &policy()),
        Err(Withheld::BurnedInText)
    ));
    let trusting = Policy {
        trust_declared_clean: true,
        ..policy()
    };
    assert_eq!(
        deidentified(&set, &trusting).unwrap().pixels,
        Pixels::DeclaredClean
    );
    let mut x_ray = picture(DX, "DX");
    x_ray.put_code(tags::BURNED_IN, "YES");
    assert!(matches!(
        deidentified(&x_ray, &trusting),
        Err(Withheld::BurnedInText)
    ));
}
