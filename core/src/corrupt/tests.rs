//! Statistics of the random kinds, determinism, grey and odd images. What is not random is tested by the golden cases too.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::data::builtin::builtin;

const BLURS: [Corruption; 5] =
    [Corruption::GaussianBlur, Corruption::DefocusBlur, Corruption::GlassBlur, Corruption::MotionBlur, Corruption::ZoomBlur];

fn flat(c: usize, side: usize, value: f32) -> Picture {
    Picture { c, h: side, w: side, data: vec![value; c * side * side] }
}

fn run(image: &Picture, kind: Corruption, severity: Severity, index: u64) -> Picture {
    let mut image = image.clone();
    corrupt(&mut image, kind, severity, &mut stream(7, Split::Test, index, kind, severity));
    image
}

/// Values of many flat images of 0.5 after a corruption.
fn values(kind: Corruption, severity: Severity, value: f32) -> Vec<f64> {
    (0..30).flat_map(|i| run(&flat(3, 32, value), kind, severity, i).data).map(f64::from).collect()
}

fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64;
    (mean, variance.sqrt())
}

fn distance(a: &Picture, b: &Picture) -> f32 {
    a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.data.len() as f32
}

fn photographs() -> Vec<Picture> {
    let data = builtin(0.5, 12, 0, 3);
    data.train.bytes.chunks_exact(3072).map(|bytes| Picture::from_bytes(data.extent, bytes).unwrap()).collect()
}

#[test]
fn noise_has_the_mean_and_spread_it_should() {
    for (i, severity) in Severity::ALL.into_iter().enumerate() {
        let normal = [0.04, 0.06, 0.08, 0.09, 0.10][i];
        let photons: f64 = [500.0, 250.0, 100.0, 75.0, 50.0][i];
        let speckle = 0.5 * [0.06, 0.1, 0.12, 0.16, 0.2][i];
        for (kind, sd) in
            [(Corruption::GaussianNoise, normal), (Corruption::ShotNoise, (0.5 / photons).sqrt()), (Corruption::SpeckleNoise, speckle)]
        {
            // 92,160 values: the mean is good to 0.0005 at four of its deviations, the spread to 1 %.
            let (mean, found) = mean_and_sd(&values(kind, severity, 0.5));
            assert!((mean - 0.5).abs() < 0.015 * sd, "{kind} {i}: mean {mean}");
            assert!((found / sd - 1.0).abs() < 0.015, "{kind} {i}: spread {found}, expected {sd}");
        }
        let salt = [0.01, 0.02, 0.03, 0.05, 0.07][i] / 2.0;
        let values = values(Corruption::ImpulseNoise, severity, 0.5);
        for extreme in [0.0, 1.0] {
            let share = values.iter().filter(|v| **v == extreme).count() as f64 / values.len() as f64;
            assert!((share - salt).abs() < 5.0 * (salt / values.len() as f64).sqrt(), "{i}: {share} of {extreme}");
        }
        assert!(values.iter().all(|v| [0.0, 0.5, 1.0].contains(v)));
    }
    let black = flat(3, 32, 0.0);
    assert_eq!(run(&black, Corruption::SpeckleNoise, Severity(5), 0), black);
    assert_eq!(run(&black, Corruption::ShotNoise, Severity(5), 0), black);
}

#[test]
fn poisson_numbers_have_poisson_moments() {
    for mean in [0.3f64, 4.0, 9.9, 10.1, 40.0, 500.0] {
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let drawn: Vec<f64> = (0..100_000).map(|_| f64::from(noise::poisson(mean as f32, &mut stream))).collect();
        let (found, sd) = mean_and_sd(&drawn);
        let third = drawn.iter().map(|k| (k - found).powi(3)).sum::<f64>() / drawn.len() as f64;
        assert!((found - mean).abs() < 5.0 * (mean / 1e5).sqrt(), "{mean}: {found}");
        assert!((sd * sd / mean - 1.0).abs() < 0.05, "{mean}: variance {}", sd * sd);
        // The third central moment is the mean too: a normal number's would be 0. Its deviation is about sqrt(15 mean^3 / n).
        assert!((third - mean).abs() < 5.0 * (15.0 * mean.powi(3) / 1e5).sqrt().max(0.02), "{mean}: third moment {third}");
    }
}

#[test]
fn poisson_numbers_come_as_often_as_they_should() {
    for mean in [0.4f64, 1.0, 3.7, 40.0, 249.5, 500.0] {
        let (n, last) = (200_000, 700);
        let mut stream = Stream::new(2, Purpose::Test, 0, 0);
        let mut counts = vec![0.0; last + 1];
        (0..n).for_each(|_| counts[noise::poisson(mean as f32, &mut stream) as usize] += 1.0);
        let expected = (0..=last).map(|k| f64::from(n) * libm::exp(k as f64 * libm::log(mean) - mean - libm::lgamma(k as f64 + 1.0)));
        let rare = (0.0, 0.0);
        let (mut chi, mut terms, mut rest) = (0.0f64, 0.0f64, rare);
        for (count, expected) in counts.iter().zip(expected) {
            // Rare numbers are counted together.
            rest = (rest.0 + count, rest.1 + expected);
            if rest.1 >= 20.0 {
                chi += (rest.0 - rest.1) * (rest.0 - rest.1) / rest.1;
                terms += 1.0;
                rest = rare;
            }
        }
        // Chi-squared: its mean is the number of terms less one, its variance twice that.
        assert!(chi < terms - 1.0 + 5.0 * (2.0 * terms).sqrt(), "{mean}: {chi} over {terms}");
    }
}

#[test]
fn blurs_leave_flat_images_alone_and_spread_a_spot() {
    for kind in BLURS {
        for severity in Severity::ALL {
            let grey = flat(3, 32, 0.4);
            assert!(distance(&run(&grey, kind, severity, 0), &grey) < 1e-5, "{kind}");
        }
    }
    let mut spot = flat(1, 33, 0.0);
    spot.data[16 * 33 + 16] = 1.0;
    let mut angles = std::collections::BTreeSet::new();
    for index in 0..20 {
        let moved = run(&spot, Corruption::MotionBlur, Severity(5), index);
        assert!((moved.data.iter().sum::<f32>() - 1.0).abs() < 1e-5, "light is kept");
        // A line towards the left, at most 45 degrees up or down.
        let lit: Vec<(i32, i32)> =
            (0..33 * 33).filter(|i| moved.data[*i] > 1e-3).map(|i| (i as i32 / 33 - 16, i as i32 % 33 - 16)).collect();
        assert!(lit.len() >= 6 && lit.iter().all(|(y, x)| *x <= 0 && y.abs() <= x.abs() + 1), "{lit:?}");
        assert!(moved.data[16 * 33 + 16] > 0.25, "most of it where it was");
        angles.insert(lit);
    }
    assert!(angles.len() > 10, "angles vary");
}

#[test]
fn glass_only_moves_pixels_where_it_does_not_blur() {
    let image = &photographs()[0];
    let moved = run(image, Corruption::GlassBlur, Severity(1), 0);
    assert_ne!(&moved, image);
    let sorted = |p: &Picture| {
        let mut pixels: Vec<[u32; 3]> = (0..1024).map(|i| [0, 1, 2].map(|c| p.data[c * 1024 + i].to_bits())).collect();
        pixels.sort_unstable();
        pixels
    };
    assert_eq!(sorted(&moved), sorted(image), "every pixel is still there");
    let share = (0..1024).filter(|i| moved.data[*i] != image.data[*i]).count();
    assert!((400..1000).contains(&share), "{share} of 1024 moved");
}

#[test]
fn fog_spans_its_range_and_grows_thicker() {
    let mut before = 1.0;
    for (severity, weight) in Severity::ALL.into_iter().zip([0.2, 0.5, 0.75, 1.0, 1.5]) {
        let fog = run(&flat(1, 32, 0.5), Corruption::Fog, severity, 3);
        let factor = 0.5 / (0.5 + weight);
        let (low, high) = fog.data.iter().fold((1.0f32, 0.0f32), |(l, h), v| (l.min(*v), h.max(*v)));
        assert!((low - 0.5 * factor).abs() < 1e-5 && (high - 0.5).abs() < 1e-5, "{low}..{high}");
        assert!(low < before);
        before = low;
        let (mean, _) = mean_and_sd(&values(Corruption::Fog, severity, 0.5));
        let middle = f64::from((low + high) / 2.0);
        assert!((mean - middle).abs() < 0.25 * f64::from(high - low), "{mean} around {middle}");
    }
    // A slower decay is a rougher cloud.
    let rough = |decay: usize| {
        let fog = run(&flat(1, 64, 0.5), Corruption::Fog, Severity(decay as u8), 1);
        let (_, sd) = mean_and_sd(&fog.data.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
        let bends = fog.data.chunks_exact(64).flat_map(|row| row.windows(3)).map(|p| f64::from((p[0] - 2.0 * p[1] + p[2]).abs()));
        bends.sum::<f64>() / sd
    };
    assert!(rough(5) > 1.5 * rough(1), "{} and {}", rough(5), rough(1));
}

#[test]
fn weather_covers_what_it_should() {
    for severity in Severity::ALL {
        let grey = flat(1, 32, 0.3);
        // Snow falls both ways: the layer and itself turned by half a circle.
        let snow = run(&grey, Corruption::Snow, severity, 5);
        let turned: Vec<f32> = snow.data.iter().rev().copied().collect();
        assert!(snow.data.iter().zip(&turned).all(|(a, b)| (a - b).abs() < 1e-6));
        let (mean, sd) = mean_and_sd(&values(Corruption::Snow, severity, 0.3));
        assert!(mean > 0.3 && sd > 0.005, "severity {}: {mean} {sd}", severity.number());
        // Frost adds its share of a texture that is neither black nor white.
        let (of_image, of_frost) = severity.of([(1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)]);
        let (mean, sd) = mean_and_sd(&values(Corruption::Frost, severity, 0.3));
        let texture = (mean - 0.3 * of_image) / of_frost;
        assert!((0.4..0.85).contains(&texture) && sd / of_frost > 0.1, "texture {texture}, spread {sd}");
        let share = |value: f32| {
            let all = values(Corruption::Spatter, severity, value);
            let changed = all.iter().filter(|v| (**v - f64::from(value)).abs() > 1e-6).count() as f64 / all.len() as f64;
            (changed, all)
        };
        let (changed, all) = share(0.4);
        assert!((0.005..0.9).contains(&changed), "severity {}: {changed}", severity.number());
        match severity.number() {
            1..=3 => assert!(all.iter().all(|v| *v >= 0.4 - 1e-6), "water only adds light"),
            _ => assert!(all.iter().all(|v| *v <= 0.4 + 1e-6), "mud only takes light"),
        }
    }
}

#[test]
fn an_affine_map_keeps_a_ramp_straight() {
    let ramp = |c: usize, side: usize| Picture {
        c,
        h: side,
        w: side,
        data: (0..side * side).map(|i| 0.2 + 0.6 * (i % side) as f32 / side as f32).collect(),
    };
    let mapped = run(&ramp(1, 32), Corruption::ElasticTransform, Severity(1), 2);
    assert_ne!(mapped, ramp(1, 32));
    for y in 10..22 {
        for x in 10..22 {
            let at = |dx: usize| mapped.data[y * 32 + x + dx];
            assert!((at(0) - 2.0 * at(1) + at(2)).abs() < 1e-4, "bent at {y}, {x}");
        }
    }
    // A displacement bends it.
    let bent = run(&ramp(1, 32), Corruption::ElasticTransform, Severity(4), 2);
    let most = (10..20).map(|x| (bent.data[512 + x] - 2.0 * bent.data[513 + x] + bent.data[514 + x]).abs()).fold(0.0, f32::max);
    assert!(most > 1e-3, "{most}");
    let grey = flat(3, 32, 0.6);
    assert!(distance(&run(&grey, Corruption::ElasticTransform, Severity(5), 0), &grey) < 1e-5);
}

#[test]
fn jpeg_keeps_flat_images_and_loses_more_at_lower_quality() {
    for value in [0u8, 60, 128, 255] {
        let grey = flat(3, 24, f32::from(value) / 255.0);
        assert!(distance(&run(&grey, Corruption::JpegCompression, Severity(5), 0), &grey) < 1.01 / 255.0, "{value}");
    }
    let lost = |severity| photographs().iter().map(|p| distance(&run(p, Corruption::JpegCompression, severity, 0), p)).sum::<f32>();
    let lost: Vec<f32> = Severity::ALL.into_iter().map(lost).collect();
    assert!(lost.windows(2).all(|pair| pair[0] < pair[1]), "{lost:?}");
}

#[test]
fn the_strongest_severity_changes_more_than_the_weakest() {
    // Smooth images, many of them: on noisy ones the blur within a corruption takes away the noise that its swaps or blocks move.
    let data = builtin(0.0, 100, 0, 3);
    let smooth: Vec<Picture> = data.train.bytes.chunks_exact(3072).map(|b| Picture::from_bytes(data.extent, b).unwrap()).collect();
    for kind in Corruption::ALL.iter().copied() {
        let far = |severity| smooth.iter().enumerate().map(|(i, p)| distance(&run(p, kind, severity, i as u64), p)).sum::<f32>();
        let (weak, strong) = (far(Severity(1)), far(Severity(5)));
        assert!(weak > 0.0, "{kind} does nothing");
        // By their constants these change in kind, not only in strength: saturate takes colour away first and adds some later,
        // spatter turns from water to mud, and the affine map of elastic-transform shrinks as its displacement sets in.
        if !matches!(kind, Corruption::Saturate | Corruption::ElasticTransform | Corruption::Spatter) {
            assert!(strong > 1.2 * weak, "{kind}: {weak} to {strong}");
        }
    }
}

#[test]
fn any_extent_stays_within_bounds_and_repeats() {
    for (c, h, w) in [(1, 28, 28), (3, 64, 64), (3, 5, 7), (1, 1, 1), (2, 16, 33), (3, 2, 40)] {
        let mut random = Stream::new(4, Purpose::Test, 0, 0);
        let image = Picture { c, h, w, data: (0..c * h * w).map(|_| random.uniform()).collect() };
        for kind in Corruption::ALL.iter().copied() {
            for severity in Severity::ALL {
                let once = run(&image, kind, severity, 9);
                assert!(once.data.iter().all(|v| (0.0..=1.0).contains(v)), "{kind} at {c}x{h}x{w}");
                assert_eq!(once, run(&image, kind, severity, 9), "{kind}");
            }
        }
    }
}

#[test]
fn random_kinds_differ_by_image_and_others_do_not() {
    let image = &photographs()[1];
    let fixed = [
        Corruption::GaussianBlur,
        Corruption::DefocusBlur,
        Corruption::ZoomBlur,
        Corruption::Contrast,
        Corruption::Brightness,
        Corruption::Saturate,
        Corruption::JpegCompression,
        Corruption::Pixelate,
    ];
    for kind in Corruption::ALL.iter().copied() {
        let same = run(image, kind, Severity(3), 0) == run(image, kind, Severity(3), 1);
        assert_eq!(same, fixed.contains(&kind), "{kind}");
    }
    let name = |part, index, kind, severity| stream(1, part, index, kind, severity).next_u32();
    let first = name(Split::Train, 0, Corruption::Snow, Severity(1));
    assert_ne!(first, name(Split::Test, 0, Corruption::Snow, Severity(1)));
    assert_ne!(first, name(Split::Train, 1, Corruption::Snow, Severity(1)));
    assert_ne!(first, name(Split::Train, 0, Corruption::Frost, Severity(1)));
    assert_ne!(first, name(Split::Train, 0, Corruption::Snow, Severity(2)));
}

#[test]
fn lengths_grow_with_the_side() {
    let small = &photographs()[2];
    let large = Picture {
        c: 3,
        h: 64,
        w: 64,
        data: (0..3 * 4096).map(|i| small.data[i / 4096 * 1024 + i % 4096 / 128 * 32 + i % 64 / 2]).collect(),
    };
    for kind in [Corruption::GaussianBlur, Corruption::ZoomBlur] {
        let (a, b) = (run(small, kind, Severity(5), 0), run(&large, kind, Severity(5), 0));
        let halved: Vec<f32> = (0..3072)
            .map(|i| {
                let at = i / 1024 * 4096 + i % 1024 / 32 * 128 + i % 32 * 2;
                (b.data[at] + b.data[at + 1] + b.data[at + 64] + b.data[at + 65]) / 4.0
            })
            .collect();
        let b = Picture { data: halved, ..a.clone() };
        assert!(distance(&a, &b) < 0.35 * distance(&a, small), "{kind}: {} of {}", distance(&a, &b), distance(&a, small));
    }
}

#[test]
fn grey_pictures_agree_with_grey_in_colour() {
    let grey: Vec<f32> = photographs()[3].data[..1024].to_vec();
    let colour = Picture { c: 3, h: 32, w: 32, data: [grey.clone(), grey.clone(), grey.clone()].concat() };
    let grey = Picture { c: 1, h: 32, w: 32, data: grey };
    for kind in [
        Corruption::Brightness,
        Corruption::Contrast,
        Corruption::GaussianBlur,
        Corruption::Fog,
        Corruption::Snow,
        Corruption::JpegCompression,
    ] {
        let (a, b) = (run(&grey, kind, Severity(3), 0), run(&colour, kind, Severity(3), 0));
        for plane in b.data.chunks_exact(1024) {
            let plane = Picture { data: plane.to_vec(), ..a.clone() };
            assert!(distance(&a, &plane) < 2e-3, "{kind}: {}", distance(&a, &plane));
        }
    }
    let saturated = run(&grey, Corruption::Saturate, Severity(5), 0);
    assert_eq!(saturated, grey);
}

#[test]
fn a_plan_corrupts_what_it_is_asked_and_draws_evenly() {
    let data = builtin(0.5, 40, 20, 1);
    let plan = Plan { kinds: "snow,contrast".parse().unwrap(), severities: Severities::Mixed, seed: 5 };
    let train: Vec<u32> = (0..30).collect();
    let seen = plan.apply(&data, &train, &[0, 3]).unwrap();
    assert_eq!(seen, plan.apply(&data, &train, &[0, 3]).unwrap());
    for (i, (a, b)) in seen.train.bytes.chunks_exact(3072).zip(data.train.bytes.chunks_exact(3072)).enumerate() {
        assert_eq!(a != b, i < 30, "training image {i}");
        if let Some((kind, severity)) = plan.draw(Split::Train, i as u32).filter(|_| i < 30) {
            let mut bytes = b.to_vec();
            corrupt_bytes(&mut bytes, data.extent, kind, severity, &mut stream(5, Split::Train, i as u64, kind, severity)).unwrap();
            assert_eq!(a, bytes);
        }
    }
    let changed = |i: usize| seen.test.bytes[i * 3072..(i + 1) * 3072] != data.test.bytes[i * 3072..(i + 1) * 3072];
    assert_eq!((0..20).filter(|i| changed(*i)).collect::<Vec<_>>(), [0, 3]);
    let mut counts = [[0; 5]; 2];
    for i in 0..10_000 {
        let (kind, severity) = plan.draw(Split::Train, i).unwrap();
        counts[usize::from(kind == Corruption::Snow)][usize::from(severity.0) - 1] += 1;
    }
    // 1000 expected of each, standard deviation 30.
    assert!(counts.iter().flatten().all(|n| (850..1150).contains(n)), "{counts:?}");
    assert!(plan.apply(&data, &[40], &[]).unwrap_err().to_string().contains("3072 bytes"));
    let one = Plan { severities: Severities::One(Severity(4)), ..plan };
    assert!((0..50).all(|i| one.draw(Split::Test, i).unwrap().1 == Severity(4)));
    assert_eq!(Plan { kinds: CorruptionSet::NONE, ..plan }.draw(Split::Train, 0), None);
}

#[test]
fn wrong_input_is_an_error() {
    assert!(Picture::from_bytes((3, 2, 2), &[0; 11]).unwrap_err().to_string().contains("3x2x2"));
    assert!(Picture::from_bytes((0, 2, 2), &[]).is_err());
    assert!(Severity::new(0).is_err() && Severity::new(6).is_err() && Severity::new(3).unwrap().number() == 3);
}
