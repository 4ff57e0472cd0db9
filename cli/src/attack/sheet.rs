//! A PNG of what an attack did: clean image, perturbation times ten around grey, adversarial image.

use anyhow::{Context, Result};
use sparring_core::data::Dataset;

use super::victim::Attacked;

/// Images drawn at most.
const COUNT: usize = 8;
/// Pixels of the sheet a pixel of an image, for images of 32 pixels.
const ZOOM: usize = 4;
/// Pixels between images.
const GAP: usize = 8;
/// How much the perturbation is magnified.
const MAGNIFY: f32 = 10.0;

/// The picture, and a line of words for each of its rows.
pub struct Sheet {
    pub png: Vec<u8>,
    pub lines: Vec<String>,
}

/// Draws the first samples that were right before the attack and wrong after it; where there are fewer, others.
pub fn draw(result: &Attacked, data: &Dataset) -> Result<Sheet> {
    let mut order: Vec<usize> = (0..result.attempts.len()).collect();
    order.sort_by_key(|&i| (result.attempts[i].robust || !result.attempts[i].clean.1, i));
    order.truncate(COUNT);
    let (c, h, w) = data.extent;
    let (plane, size) = (h * w, c * h * w);
    let (tile_w, tile_h) = (w * ZOOM, h * ZOOM);
    let (width, height) = (3 * tile_w + 4 * GAP, order.len() * (tile_h + GAP) + GAP);
    let mut rgb = vec![255u8; width * height * 3];
    let mut lines = Vec::new();
    for (row, &i) in order.iter().enumerate() {
        let attempt = result.attempts[i];
        let sample = attempt.sample as usize;
        let bytes = &data.test.bytes[sample * size..][..size];
        let adversarial = &result.adversarial[i * size..][..size];
        let value = |column: usize, at: usize| {
            let clean = f32::from(bytes[at]) / 255.0;
            match column {
                0 => clean,
                1 => 0.5 + MAGNIFY * (adversarial[at] - clean),
                _ => adversarial[at],
            }
        };
        for column in 0..3 {
            for y in 0..tile_h {
                for x in 0..tile_w {
                    let pixel = (y / ZOOM) * w + x / ZOOM;
                    let at = (GAP + row * (tile_h + GAP) + y) * width + GAP + column * (tile_w + GAP) + x;
                    for channel in 0..3 {
                        // A grey image has one channel for all three.
                        let value = value(column, channel.min(c - 1) * plane + pixel);
                        rgb[3 * at + channel] = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
                    }
                }
            }
        }
        let name = |class: u16| data.classes.get(usize::from(class)).map_or("?", String::as_str);
        lines.push(format!(
            "image {sample}, a {}: taken for {} clean, for {} attacked",
            name(data.test.labels[sample]),
            name(attempt.clean.0),
            name(attempt.attacked)
        ));
    }
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&rgb)).context("drawing the sheet")?;
    Ok(Sheet { png, lines })
}
