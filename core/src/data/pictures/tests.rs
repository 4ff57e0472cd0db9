//! Pictures made here, down to the bits of a JPEG: read, cut, lied about, resized by hand-computed weights.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// A PNG of the given samples.
pub(in crate::data) fn png_of(width: u32, height: u32, kind: png::ColorType, samples: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(kind);
    encoder.write_header().unwrap().write_image_data(samples).unwrap();
    out
}

/// A baseline JPEG whose 8x8 blocks each have one value: `blocks` by component, row after row; no chroma subsampling.
///
/// Quantisation is all ones, so a block of value v has the DC coefficient 8(v - 128), and no other. DC categories have four-bit
/// codes in order, and the one AC symbol, end of block, is a single zero bit.
pub(in crate::data) fn jpeg_of(width: u16, height: u16, blocks: &[Vec<u8>]) -> Vec<u8> {
    let components = blocks.len() as u8;
    let mut out = vec![0xff, 0xd8];
    let mut segment = |marker: u8, content: &[u8]| {
        out.extend([0xff, marker]);
        out.extend((content.len() as u16 + 2).to_be_bytes());
        out.extend(content);
    };
    segment(0xdb, &[vec![0], vec![1; 64]].concat());
    let mut frame = vec![8];
    frame.extend(height.to_be_bytes());
    frame.extend(width.to_be_bytes());
    frame.push(components);
    (1..=components).for_each(|id| frame.extend([id, 0x11, 0]));
    segment(0xc0, &frame);
    let mut dc = vec![0x00, 0, 0, 0, 12];
    dc.extend([0; 12]);
    dc.extend(0..12);
    segment(0xc4, &dc);
    let mut ac = vec![0x10, 1];
    ac.extend([0; 15]);
    ac.push(0);
    segment(0xc4, &ac);
    let mut scan = vec![components];
    (1..=components).for_each(|id| scan.extend([id, 0x00]));
    scan.extend([0, 63, 0]);
    segment(0xda, &scan);
    let mut bits: Vec<bool> = Vec::new();
    let mut push = |value: u32, count: u32| bits.extend((0..count).rev().map(|i| value >> i & 1 == 1));
    let mut before = vec![0i32; blocks.len()];
    for block in 0..blocks[0].len() {
        for (component, values) in blocks.iter().enumerate() {
            let value = 8 * (i32::from(values[block]) - 128);
            let difference = value - std::mem::replace(&mut before[component], value);
            let category = 32 - difference.unsigned_abs().leading_zeros();
            push(category, 4);
            push((if difference < 0 { difference - 1 } else { difference }) as u32 & ((1 << category) - 1), category);
            push(0, 1);
        }
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    for byte in bits.chunks(8).map(|b| b.iter().fold(0u8, |byte, bit| byte << 1 | u8::from(*bit))) {
        out.push(byte);
        if byte == 0xff {
            out.push(0);
        }
    }
    out.extend([0xff, 0xd9]);
    out
}

#[test]
fn png_of_every_kind_becomes_colour() {
    use png::ColorType::{Grayscale, GrayscaleAlpha, Rgb, Rgba};
    let pixels = |kind, samples: &[u8]| decode(&png_of(2, 1, kind, samples)).unwrap().rgb;
    assert_eq!(pixels(Grayscale, &[7, 200]), [7, 7, 7, 200, 200, 200]);
    assert_eq!(pixels(GrayscaleAlpha, &[100, 255, 100, 51]), [100, 100, 100, 20, 20, 20]);
    assert_eq!(pixels(Rgb, &[1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(pixels(Rgba, &[9, 9, 9, 0, 10, 20, 30, 255]), [0, 0, 0, 10, 20, 30]);
}

#[test]
fn jpeg_in_grey_and_in_colour() {
    let grey = decode(&jpeg_of(16, 8, &[vec![0, 255]])).unwrap();
    assert_eq!((grey.width, grey.height), (16, 8));
    assert!((0..8).all(|y| (0..16).all(|x| grey.rgb[(y * 16 + x) * 3..][..3] == [if x < 8 { 0 } else { 255 }; 3])));
    // Y, Cb, Cr of 100, 128, 228: red is 100 + 1.402 * 100 = 240, green 100 - 0.714 * 100 = 29, blue 100.
    let colour = decode(&jpeg_of(8, 8, &[vec![100], vec![128], vec![228]])).unwrap();
    let near = |a: u8, b: u8| a.abs_diff(b) <= 1;
    assert!(colour.rgb.chunks_exact(3).all(|p| near(p[0], 240) && near(p[1], 29) && near(p[2], 100)), "{:?}", &colour.rgb[..3]);
}

#[test]
fn what_breaks_off_is_damaged_wherever_it_does() {
    let values: Vec<u8> = (0..64).map(|i| (i * 37 % 251) as u8).collect();
    let jpeg = jpeg_of(64, 64, &[values.clone(), values.clone(), values]);
    let png = png_of(16, 16, png::ColorType::Rgb, &(0..768).map(|i| (i * 7) as u8).collect::<Vec<_>>());
    for end in 0..jpeg.len() {
        assert!(decode(&jpeg[..end]).is_err(), "JPEG cut at {end} of {}", jpeg.len());
    }
    for end in 0..png.len() - 1 {
        assert!(decode(&png[..end]).is_err(), "PNG cut at {end} of {}", png.len());
    }
    assert_eq!(decode(b"GIF89a"), Err(Fault::Unknown));
    assert_eq!(decode(b""), Err(Fault::Unknown));
}

#[test]
fn extents_that_lie_are_refused_before_memory_is_reserved() {
    let mut jpeg = jpeg_of(8, 8, &[vec![9]]);
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert!(matches!(decode(&jpeg), Err(Fault::TooLarge(words)) if words.starts_with("65535x65535 pixels")));
    let mut png = png_of(8, 8, png::ColorType::Grayscale, &[0; 64]);
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..29]);
    png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    assert!(matches!(decode(&png), Err(Fault::TooLarge(words)) if words.starts_with("65536x65536 pixels")));
}

#[test]
fn centre_cut_and_exact_fit() {
    // A row of 4 over a height of 2: the middle two columns are the square.
    let picture = Picture { width: 4, height: 2, rgb: (0..24).collect() };
    assert_eq!(Fit::Centre(2).image(&picture).unwrap(), [3, 6, 15, 18, 4, 7, 16, 19, 5, 8, 17, 20]);
    assert_eq!(Fit::Exactly(2).image(&picture), Err(Fault::Extent("4x2 pixels instead of 2x2".into())));
}

#[test]
fn resizing_by_hand() {
    let row = |values: &[u8]| Picture {
        width: values.len(),
        height: values.len(),
        rgb: values.iter().cycle().take(values.len() * values.len()).flat_map(|v| [*v; 3]).collect(),
    };
    // 4 to 2: centres at 1 and 3, radius 2. Weights over 0.5, 1.5, 2.5 are 3/4, 3/4, 1/4 (3.5 has -1/4: none) of 7/4.
    let half = Fit::Centre(2).image(&row(&[0, 70, 140, 210])).unwrap();
    assert_eq!(half[..2], [50, 160]);
    // 2 to 4: centres at 1/4, 3/4, 5/4, 7/4 input pixels: the ends repeat, between them 3/4 and 1/4.
    let double = Fit::Centre(4).image(&row(&[40, 80])).unwrap();
    assert_eq!(double[..4], [40, 50, 70, 80]);
}

#[test]
fn damaged_pictures_are_named_or_counted() {
    let good = png_of(2, 2, png::ColorType::Grayscale, &[1, 2, 3, 4]);
    let files: Vec<Vec<u8>> = vec![good.clone(), good[..20].to_vec(), b"text".to_vec(), good];
    let items: Vec<Item> = (0..4).map(|i| Item { name: format!("p{i}.png"), label: i }).collect();
    let mut skipped = Vec::new();
    let load = |damaged, skipped: &mut Vec<Skipped>| images(&items, |i| Ok(files[i].clone()), Fit::Exactly(2), damaged, skipped, &|_| {});
    let kept = load(Damaged::Skip, &mut skipped).unwrap();
    assert_eq!((kept.labels, kept.bytes.len()), (vec![0, 3], 24));
    assert_eq!(skipped.iter().map(Skipped::to_string).collect::<Vec<_>>(), ["1 damaged: p1.png", "1 neither PNG nor JPEG: p2.png"]);
    let message = load(Damaged::Fail, &mut Vec::new()).unwrap_err().to_string();
    assert!(message.starts_with("p1.png: expected a whole PNG or JPEG picture, found damaged: "), "{message}");
}

proptest! {
    #[test]
    fn one_colour_stays_one_colour(width in 1usize..40, height in 1usize..40, side in 1usize..40, value in any::<u8>()) {
        let picture = Picture { width, height, rgb: vec![value; 3 * width * height] };
        prop_assert_eq!(Fit::Centre(side).image(&picture).unwrap(), vec![value; 3 * side * side]);
    }

    #[test]
    fn noise_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..3, at in 0usize..200) {
        let start = match kind {
            0 => jpeg_of(16, 16, &[vec![1, 2, 3, 4]]),
            1 => png_of(4, 4, png::ColorType::Grayscale, &[5; 16]),
            _ => Vec::new(),
        };
        bytes.splice(0..0, start.into_iter().take(at));
        let _ = decode(&bytes);
    }
}
