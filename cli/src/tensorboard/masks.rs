//! A layer's mask as a small PNG, in the colours that the page draws it in by day.
//!
//! What a pixel stands for is the page's too; its legend is not at hand in TensorBoard, so every picture says what its colours mean.

use anyhow::{Context, Result};
use sparring_core::train::session::inspection::LayerView;
use sparring_figures::mask::{Grid, Mask};

use super::record::Picture;

/// What a picture of a mask shows.
pub const LEGEND: &str =
    "Outputs down, inputs and positions of the kernel across. Grey: a weight; green: grown at the latest update; black: pruned at it.";
/// Pixels across and down at most: a picture is there for every layer and epoch, and TensorBoard enlarges it.
const MOST: (usize, usize) = (96, 96);
/// No weight, a weight, one that grew, one that went.
const COLOURS: [[u8; 3]; 4] = [[250, 248, 243], [180, 184, 189], [31, 154, 74], [27, 31, 36]];

/// Draws a layer.
pub fn draw(view: &LayerView) -> Result<Picture> {
    let LayerView { rows, columns, active, grown, pruned, .. } = view;
    let grid = Grid::of(&Mask { rows: *rows, columns: *columns, active, grown, pruned }, MOST);
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, grid.width as u32, grid.height as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&grid.paint(COLOURS))).context("drawing a mask")?;
    Ok(Picture { width: grid.width, height: grid.height, png })
}
