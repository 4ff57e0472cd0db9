//! Small pictures: a bar that stands in a cell of a table, counts in bins, shares over a few epochs.
//!
//! The page's policy forbids inline styles, so the length of a bar is an attribute of SVG. What the pictures show stands in a table beside
//! them, so each is either told by one sentence or not at all.

use crate::chart::{Axes, Frame};
use crate::number;
use crate::scale::Scale;
use crate::svg::{Anchor, Svg, Told};

const FRAME: Frame = Frame { width: 420.0, height: 150.0, left: 44.0, right: 8.0, top: 8.0, bottom: 22.0, glyph: Frame::GLYPH };

/// A bar of this share of the room it is put in, with ticks across it: (share, class).
pub fn bar(share: f64, ticks: &[(f64, &str)]) -> String {
    let mut svg = Svg::stretched("meter", 100.0, 10.0);
    svg.rect("fill", (0.0, 1.0), 100.0 * share.clamp(0.0, 1.0), 8.0);
    for (at, class) in ticks {
        // One at the end is still seen.
        svg.rect(class, ((100.0 * at).clamp(0.0, 99.0), 0.0), 1.0, 10.0);
    }
    svg.finish()
}

/// Shares in 0..=1 over an axis of whole numbers from and to these ends: (classes, points).
pub fn shares(label: &str, (from, to): (f64, f64), series: &[(&str, Vec<(f64, f64)>)]) -> String {
    let axes = Axes { frame: FRAME, x: Scale::linear(from, to, 6).whole(), y: Scale::linear(0.0, 1.0, 2) };
    let mut svg = Svg::new("plot", FRAME.width, FRAME.height, Told::By(label));
    axes.rules(&mut svg, |tick| number::percent(tick, 0));
    axes.feet(&mut svg, |tick| axes.x.label(tick));
    for (classes, points) in series {
        axes.line(&mut svg, classes, points);
        if let Some(last) = points.last() {
            axes.dot(&mut svg, classes, *last, 3.0);
        }
    }
    svg.finish()
}

/// Counts in equal bins, with the ends and the middle of their range written below. Heights are the roots of the counts: tails of a few are
/// seen beside thousands.
pub fn histogram(label: &str, counts: &[u32], ends: [&str; 3]) -> String {
    let (left, (right, base)) = (FRAME.right, FRAME.end());
    let mut svg = Svg::new("plot", FRAME.width, FRAME.height, Told::By(label));
    let most = f64::from(counts.iter().copied().max().unwrap_or(0).max(1));
    let width = (right - left) / counts.len().max(1) as f64;
    for (i, count) in counts.iter().enumerate() {
        let height = (f64::from(*count) / most).sqrt() * (base - FRAME.top);
        svg.rect("fill", (left + i as f64 * width, base - height), 0.9 * width, height);
    }
    svg.line("grid", (left, base), (right, base));
    for (x, anchor, words) in [(left, Anchor::Start, ends[0]), (FRAME.width / 2.0, Anchor::Middle, ends[1]), (right, Anchor::End, ends[2])]
    {
        svg.text("tick", (x, base + 18.0), anchor, words);
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        let svg = bar(0.25, &[(1.0, "erk"), (f64::NAN, "tick")]);
        assert!(svg.contains("<rect class=\"fill\" x=\"0\" y=\"1\" width=\"25\" height=\"8\"/>"), "{svg}");
        assert!(svg.contains("<rect class=\"erk\" x=\"99\""), "a tick at the end is still seen: {svg}");
        assert!(bar(7.0, &[]).contains("width=\"100\"") && bar(f64::NAN, &[]).contains("width=\"0\""));
    }

    #[test]
    fn shares_lie_between_nothing_and_all() {
        let svg = shares("l", (0.0, 4.0), &[("sparse", vec![(0.0, 0.0), (4.0, 1.0)])]);
        assert!(svg.contains("d=\"M44 128L412 8\"") && svg.contains(">100%</text>") && svg.contains(">4</text>"), "{svg}");
        assert!(
            shares("\"><script>", (0.0, 0.0), &[("dense", Vec::new())])
                .starts_with("<svg class=\"plot\" viewBox=\"0 0 420 150\" role=\"img\" aria-label=\"&quot;&gt;&lt;script&gt;\">")
        );
    }

    #[test]
    fn the_fullest_bin_is_highest_and_an_empty_one_has_no_height() {
        let svg = histogram("h", &[0, 4, 1], ["-1", "0", "1"]);
        assert!(svg.contains("height=\"0\"") && svg.contains("height=\"120\"") && svg.contains("height=\"60\""), "{svg}");
        assert!(histogram("h", &[], ["", "", ""]).ends_with("</svg>") && !histogram("h", &[0], ["", "", ""]).contains("NaN"));
    }
}
