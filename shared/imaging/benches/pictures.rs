//! What stands between a stored object and a model's input, on a radiograph of 3000×2500 pixels and a CT slice.
//!
//! `cargo bench -p barefoot-imaging`: medians in milliseconds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark's broken assumption must stop it"
)]

use std::io::Write;
use std::time::Instant;

use barefoot_imaging::header::read_header;
use barefoot_imaging::pixels::load_gray;
use barefoot_imaging::render::{Filter, HeatMap, overlay_heat_map, preview_jpeg, resize_gray};
use barefoot_imaging::statistics::statistics;

const ROUNDS: usize = 15;

fn main() {
    for (name, rows, columns, window) in [
        ("DX 3000x2500, windowed", 3000, 2500, true),
        ("DX 3000x2500, stretched", 3000, 2500, false),
        ("CT 512x512", 512, 512, true),
    ] {
        measure(name, rows, columns, window);
    }
}

fn measure(name: &str, rows: u16, columns: u16, window: bool) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&object(rows, columns, window)).unwrap();
    let path = file.path();
    let header = read_header(path).unwrap();
    let image = load_gray(path, &header).unwrap();
    let map = HeatMap {
        width: 14,
        height: 14,
        values: (0..196).map(|cell| cell as f32 / 195.0).collect(),
    };
    println!("{name}");
    time("read_header", || drop(read_header(path).unwrap()));
    time("load_gray", || drop(load_gray(path, &header).unwrap()));
    time("statistics", || {
        std::hint::black_box(statistics(&image));
    });
    time("resize_gray to 224", || {
        drop(resize_gray(&image, 224, 224, Filter::Triangle).unwrap());
    });
    time("preview_jpeg 1024", || drop(preview_jpeg(&image, 1024).unwrap()));
    time("overlay_heat_map 1024", || {
        drop(overlay_heat_map(&image, &map, 1024).unwrap())
    });
}

fn time(name: &str, work: impl Fn()) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("  {name:24} {:8.2} ms", times[ROUNDS / 2]);
}

/// An explicit little endian file with twelve stored bits.
fn object(rows: u16, columns: u16, window: bool) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut put = |group: u16, element: u16, vr: &[u8; 2], value: &[u8]| {
        bytes.extend(group.to_le_bytes());
        bytes.extend(element.to_le_bytes());
        bytes.extend(vr);
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
    };
    put(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0");
    put(8, 0x16, b"UI", b"1.2.3\0");
    put(8, 0x18, b"UI", b"1.2.4\0");
    put(0x20, 0x0D, b"UI", b"1.2.5\0");
    put(0x28, 0x04, b"CS", b"MONOCHROME2 ");
    put(0x28, 0x10, b"US", &rows.to_le_bytes());
    put(0x28, 0x11, b"US", &columns.to_le_bytes());
    put(0x28, 0x100, b"US", &16_u16.to_le_bytes());
    put(0x28, 0x101, b"US", &12_u16.to_le_bytes());
    put(0x28, 0x102, b"US", &11_u16.to_le_bytes());
    if window {
        put(0x28, 0x1050, b"DS", b"2000");
        put(0x28, 0x1051, b"DS", b"3000");
    }
    let pixels = u32::from(rows) * u32::from(columns);
    bytes.extend(b"\xE0\x7F\x10\x00OW\0\0");
    bytes.extend((pixels * 2).to_le_bytes());
    // Noise enough that nothing is predicted.
    let samples = (0..pixels).map(|pixel| (pixel.wrapping_mul(2_654_435_761) >> 20) as u16);
    bytes.extend(samples.flat_map(u16::to_le_bytes));
    bytes
}
