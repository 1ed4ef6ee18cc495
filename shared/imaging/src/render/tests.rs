use super::*;

fn image(width: u32, height: u32, data: Vec<f32>) -> GrayImage {
    GrayImage {
        width,
        height,
        data,
        frame_count: 1,
    }
}

fn pattern() -> GrayImage {
    let level = |x: u32, y: u32| ((7 * x + 13 * y + x * y) % 17) as f32 / 16.0;
    let data = (0..5).flat_map(|y| (0..7).map(move |x| level(x, y)));
    image(7, 5, data.collect())
}

/// Golden: Pillow 12, `Image.fromarray(pattern, mode="F").resize((w, h), Image.BILINEAR)`.
#[test]
fn resampling_equals_pillows_bilinear() {
    let check = |width, height, golden: &[f32]| {
        let resized = resize_gray(&pattern(), width, height, Filter::Triangle).unwrap();
        for (ours, theirs) in resized.data.iter().zip(golden) {
            assert!((ours - theirs).abs() < 2e-6, "{ours} {theirs}");
        }
        assert_eq!(resized.data.len(), golden.len());
    };
    check(
        3,
        2,
        &[0.457995, 0.440341, 0.424107, 0.496347, 0.357955, 0.566964],
    );
    check(
        4,
        4,
        &[
            0.313988, 0.5825, 0.43875, 0.344494, 0.477927, 0.4425, 0.432917, 0.452133, 0.490079, 0.426458,
            0.427083, 0.559772, 0.426339, 0.375, 0.42125, 0.667411,
        ],
    );
    // Larger one way, smaller the other.
    check(
        10,
        3,
        &[
            0.348214, 0.353125, 0.473214, 0.798214, 0.432589, 0.385714, 0.657589, 0.238839, 0.298214,
            0.553571, 0.5625, 0.417361, 0.380208, 0.608681, 0.3, 0.321875, 0.6625, 0.3125, 0.440625, 0.75,
            0.169643, 0.533036, 0.729911, 0.448661, 0.167411, 0.258036, 0.667411, 0.386161, 0.583036,
            0.946429,
        ],
    );
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    for (wrong, width, height) in [
        (image(2, 2, vec![0.0; 3]), 1, 1),
        (image(0, 0, Vec::new()), 1, 1),
        (pattern(), 0, 1),
    ] {
        assert!(matches!(
            resize_gray(&wrong, width, height, Filter::Triangle),
            Err(Error::Size)
        ));
    }
    assert!(preview_jpeg(&image(2, 2, vec![0.0; 3]), 10).is_err());
    let short = HeatMap {
        width: 2,
        height: 2,
        values: vec![0.0; 3],
    };
    assert!(matches!(
        overlay_heat_map(&pattern(), &short, 10),
        Err(Error::Size)
    ));
}

#[test]
fn previews_keep_their_shape_and_never_grow() {
    let size = |bytes: &[u8]| {
        let picture = image::load_from_memory(bytes).unwrap();
        (picture.width(), picture.height())
    };
    let wide = image(400, 100, vec![0.5; 40_000]);
    assert_eq!(size(&preview_jpeg(&wide, 200).unwrap()), (200, 50));
    assert_eq!(size(&preview_png(&wide, 1000).unwrap()), (400, 100));
    assert_eq!(size(&preview_png(&wide, 0).unwrap()), (1, 1));
}

#[test]
fn a_preview_shows_the_grey_levels() {
    let picture = image(2, 1, vec![0.0, 1.0]);
    let decoded = image::load_from_memory(&preview_png(&picture, 10).unwrap()).unwrap();
    assert_eq!(decoded.to_luma8().into_raw(), [0, 255]);
}

#[test]
fn heat_colours_its_place_and_leaves_the_rest_grey() {
    let picture = image(160, 160, vec![0.4; 160 * 160]);
    let map = HeatMap {
        width: 2,
        height: 1,
        values: vec![0.0, 1.0],
    };
    let overlaid = image::load_from_memory(&overlay_heat_map(&picture, &map, 160).unwrap()).unwrap();
    let overlaid = overlaid.to_rgb8();
    let [red, green, blue] = overlaid.get_pixel(10, 80).0;
    assert!(red.abs_diff(102) < 6 && green.abs_diff(102) < 6 && blue.abs_diff(102) < 6);
    let [red, _, blue] = overlaid.get_pixel(150, 80).0;
    assert!(100 < red.saturating_sub(blue), "{red} {blue}");
}

#[test]
fn a_heat_layer_laid_over_the_picture_looks_like_the_overlay() {
    let picture = image(160, 80, vec![0.4; 160 * 80]);
    let map = HeatMap {
        width: 2,
        height: 1,
        values: vec![0.0, 1.0],
    };
    let bytes = heat_layer((1600, 800), &map, 160).unwrap();
    let layer = image::load_from_memory(&bytes).unwrap().to_rgba8();
    assert_eq!(layer.dimensions(), (160, 80), "in the shape of the picture");
    let overlaid = image::load_from_memory(&overlay_heat_map(&picture, &map, 160).unwrap()).unwrap();
    let overlaid = overlaid.to_rgb8();
    assert_eq!(layer.get_pixel(10, 40).0, [0; 4]);
    for x in [100, 120, 150] {
        let [red, .., alpha] = layer.get_pixel(x, 40).0;
        let share = f32::from(alpha) / 255.0;
        let blended = 102.0 * (1.0 - share) + f32::from(red) * share;
        let expected = f32::from(overlaid.get_pixel(x, 40).0[0]);
        assert!((blended - expected).abs() < 8.0, "{x}: {blended} {expected}");
    }
    assert!(bytes.len() < 8 * 1024, "{}", bytes.len());
    assert!(matches!(heat_layer((0, 5), &map, 160), Err(Error::Size)));
}
