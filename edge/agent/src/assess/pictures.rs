//! What a version of a study leaves to look at: pictures for pages, and where the model looked for experts and archives.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use barefoot_imaging::pixels::GrayImage;
use barefoot_imaging::render;

use super::sum::Looked;
use crate::at_rest;
use crate::heat_layer::{self, HeatLayer};
use crate::mask_layers::{self, MaskLayer, MaskLayers};

/// The longest side of a picture on a page, pixels.
const PICTURE_SIDE: u32 = 1024;

/// Pictures are a convenience that can be made again: a failure costs the picture, not the assessment.
pub(super) fn save(
    image: &GrayImage,
    looked: Option<&Looked>,
    presented: Option<&GrayImage>,
    directory: &Path,
) -> Vec<String> {
    let saved = |name: &str, picture: Result<Vec<u8>, render::Error>| {
        let outcome = picture.map_err(std::io::Error::other).and_then(|bytes| {
            fs::create_dir_all(directory)?;
            at_rest::write(&directory.join(format!("{name}.jpg")), &bytes).map(drop)
        });
        if let Err(error) = &outcome {
            tracing::warn!(%error, picture = name, "A picture could not be made.");
        }
        outcome.is_ok().then(|| name.to_owned())
    };
    let layer = || {
        let kept = save_layer(image, looked, directory).and_then(|()| save_masks(looked, directory));
        if let Err(error) = kept {
            tracing::warn!(%error, "The heat map for experts and archives could not be kept.");
        }
    };
    // Somebody waits for them: side by side.
    std::thread::scope(|scope| {
        scope.spawn(layer);
        // Made small once for both.
        let small = match render::fitted(image, PICTURE_SIDE) {
            Ok(small) => Arc::new(small),
            Err(error) => {
                tracing::warn!(%error, "Pictures could not be made.");
                return Vec::new();
            }
        };
        let saved = &saved;
        let heated = looked.map(|looked| {
            let small = Arc::clone(&small);
            scope.spawn(move || {
                let overlay = render::overlay_heat_map(&small, &looked.map, PICTURE_SIDE);
                saved("heat_map", overlay)
            })
        });
        let presented = presented.and_then(|presented| {
            let jpeg = render::preview_jpeg(presented, PICTURE_SIDE);
            saved("presented", jpeg)
        });
        let preview = saved("preview", render::preview_jpeg(&small, PICTURE_SIDE));
        let heated = heated.and_then(|thread| thread.join().ok().flatten());
        preview.into_iter().chain(heated).chain(presented).collect()
    })
}

/// The map by itself: experts lay it over the image at the hub.
fn save_layer(image: &GrayImage, looked: Option<&Looked>, directory: &Path) -> std::io::Result<()> {
    let Some(looked) = looked else {
        return heat_layer::remove(directory);
    };
    let size = (image.width, image.height);
    let png = render::heat_layer(size, &looked.map, heat_layer::SIDE).map_err(std::io::Error::other)?;
    let layer = HeatLayer {
        file: looked.place.file.clone(),
        frame: looked.place.frame,
        finding: looked.finding.as_str().to_owned(),
        png,
    };
    layer.save(directory)
}

/// What a model drew, for archives.
fn save_masks(looked: Option<&Looked>, directory: &Path) -> std::io::Result<()> {
    let Some(looked) = looked.filter(|looked| !looked.masks.is_empty()) else {
        return mask_layers::remove(directory);
    };
    let masks = looked.masks.iter().map(|mask| {
        let png = render::mask_png(&mask.map).map_err(std::io::Error::other)?;
        Ok(MaskLayer {
            finding: mask.finding.as_str().to_owned(),
            png,
        })
    });
    let masks = masks.collect::<std::io::Result<_>>()?;
    MaskLayers { masks }.save(directory)
}
