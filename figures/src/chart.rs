//! Lines over two axes: the room around them, rules and ticks that do not collide, lines with gaps, bands, dots.
//!
//! What a chart shows is its caller's business; how an axis, a line and a band are drawn is decided here. Each of four places once had its
//! own, and their ticks collided in different ways.

use crate::scale::Scale;
use crate::svg::{Anchor, Svg};
use crate::thin::{every, thin};

/// Places of a line that answer a pointer, at most.
const MOST_SPOTS: usize = 120;

/// A drawing's size and the room around the part that holds the lines, in its units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// All of its width.
    pub width: f64,
    /// All of its height.
    pub height: f64,
    /// For the numbers of the y axis.
    pub left: f64,
    /// At the other side.
    pub right: f64,
    /// Above.
    pub top: f64,
    /// For the numbers of the x axis, and its caption where there is one.
    pub bottom: f64,
    /// How wide a character of a tick's label is at most.
    pub glyph: f64,
}

impl Frame {
    /// Of a label of 12 pixels, in the widest of the usual fonts.
    pub const GLYPH: f64 = 7.4;

    /// Where the part that holds the lines ends: right and bottom.
    pub fn end(&self) -> (f64, f64) {
        (self.width - self.right, self.height - self.bottom)
    }
    /// How wide words are.
    pub fn wide(&self, words: &str) -> f64 {
        self.glyph * words.chars().count() as f64
    }
    /// Labels under an axis at their places, from left to right. Where they would touch, every second is left out, or two of three, and so
    /// on; one at the edge moves in.
    pub fn feet(&self, svg: &mut Svg, labels: impl IntoIterator<Item = (f64, String)>) {
        let labels: Vec<(f64, String)> = labels.into_iter().collect();
        let placed = |(x, words): &(f64, String)| {
            let wide = self.wide(words);
            if x - wide / 2.0 < 0.0 {
                (0.0, Anchor::Start, 0.0, wide)
            } else if x + wide / 2.0 > self.width {
                (self.width, Anchor::End, self.width - wide, self.width)
            } else {
                (*x, Anchor::Middle, x - wide / 2.0, x + wide / 2.0)
            }
        };
        let fits = |every: &usize| {
            let places: Vec<_> = labels.iter().step_by(*every).map(placed).collect();
            places.windows(2).all(|pair| pair[1].2 - pair[0].3 >= self.glyph)
        };
        let every = (1..labels.len()).find(fits).unwrap_or(labels.len().max(1));
        for label in labels.iter().step_by(every) {
            let (x, anchor, ..) = placed(label);
            svg.text("tick", (x, self.end().1 + 18.0), anchor, &label.1);
        }
    }
    /// What the x axis counts, at the bottom.
    pub fn caption(&self, svg: &mut Svg, words: &str) {
        svg.text("axis", ((self.left + self.end().0) / 2.0, self.height - 4.0), Anchor::Middle, words);
    }
}

/// Two axes in their frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axes {
    /// Sizes.
    pub frame: Frame,
    /// From left to right.
    pub x: Scale,
    /// From the bottom up.
    pub y: Scale,
}

impl Axes {
    /// Where a value of the x axis lies in the drawing.
    pub fn x(&self, value: f64) -> f64 {
        self.frame.left + self.x.share(value) * (self.frame.end().0 - self.frame.left)
    }
    /// Where a value of the y axis lies in the drawing.
    pub fn y(&self, value: f64) -> f64 {
        let bottom = self.frame.end().1;
        bottom - self.y.share(value) * (bottom - self.frame.top)
    }
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x(x), self.y(y))
    }

    /// Rules across, at the ticks of the y axis, and their labels. Zero has a rule of its own kind where values lie on both sides of it.
    pub fn rules(&self, svg: &mut Svg, label: impl Fn(f64) -> String) {
        let mut free = f64::INFINITY;
        for tick in self.y.ticks() {
            let at = self.y(tick);
            svg.line(rule(tick, self.y), (self.frame.left, at), (self.frame.end().0, at));
            // Labels are a line high, those at round numbers of a logarithmic axis can lie nearer.
            if free - at >= 1.8 * self.frame.glyph {
                svg.text("tick", (self.frame.left - 6.0, at + 4.0), Anchor::End, &label(tick));
                free = at;
            }
        }
    }
    /// Upright rules at the ticks of the x axis, and their labels.
    pub fn uprights(&self, svg: &mut Svg, label: impl Fn(f64) -> String) {
        for tick in self.x.ticks() {
            let at = self.x(tick);
            svg.line(rule(tick, self.x), (at, self.frame.top), (at, self.frame.end().1));
        }
        self.feet(svg, label);
    }
    /// The labels of the x axis.
    pub fn feet(&self, svg: &mut Svg, label: impl Fn(f64) -> String) {
        self.frame.feet(svg, self.x.ticks().into_iter().map(|tick| (self.x(tick), label(tick))));
    }

    /// What is drawn here shows only between the axes, and a little beyond the right end, where a last dot lies.
    pub fn clipped(&self, svg: &mut Svg, draw: impl FnOnce(&mut Svg)) {
        svg.clipped(self.frame.left, 0.0, self.frame.width - self.frame.left, self.frame.height, draw);
    }
    /// A line in the colour and the dashes of its classes. A point that is not finite is a gap, a point between two gaps a dot.
    pub fn line(&self, svg: &mut Svg, classes: &str, points: &[(f64, f64)]) {
        let points = thin(&points.iter().map(|point| self.at(*point)).collect::<Vec<_>>());
        svg.path(&format!("line {classes}"), points.iter().copied());
        let drawn = |i: Option<usize>| i.and_then(|i| points.get(i)).is_some_and(|p| p.0.is_finite() && p.1.is_finite());
        for (i, point) in points.iter().enumerate() {
            if drawn(Some(i)) && !drawn(i.checked_sub(1)) && !drawn(Some(i + 1)) {
                svg.circle(&format!("dot {classes}"), *point, 2.5, "");
            }
        }
    }
    /// What several lines span: (x, low, high).
    pub fn band(&self, svg: &mut Svg, classes: &str, points: &[(f64, f64, f64)]) {
        let known = |(x, low, high): &(f64, f64, f64)| x.is_finite() && low.is_finite() && high.is_finite();
        for part in points.chunk_by(|a, b| known(a) && known(b)).filter(|part| part.iter().all(known)) {
            let (above, below) = (part.iter().map(|p| (p.0, p.2)).collect::<Vec<_>>(), part.iter().rev().map(|p| (p.0, p.1)));
            let (above, below) = (thin(&above), thin(&below.collect::<Vec<_>>()));
            svg.area(&format!("band {classes}"), above.into_iter().chain(below).map(|point| self.at(point)));
        }
    }
    /// A dot at a point of a line.
    pub fn dot(&self, svg: &mut Svg, classes: &str, point: (f64, f64), radius: f64) {
        let (x, y) = self.at(point);
        if x.is_finite() && y.is_finite() {
            svg.circle(&format!("dot {classes}"), (x, y), radius, "");
        }
    }
    /// Places on a line that say what they are where a pointer rests on them; of many some, the last among them.
    pub fn spots(&self, svg: &mut Svg, classes: &str, points: &[(f64, f64)], says: impl Fn(f64, f64) -> String) {
        for (x, y) in every(points.len(), MOST_SPOTS).map(|i| points[i]).filter(|p| p.0.is_finite() && p.1.is_finite()) {
            svg.circle(&format!("spot {classes}"), self.at((x, y)), 5.0, &says(x, y));
        }
    }
}

/// The class of the rule at a tick.
fn rule(tick: f64, scale: Scale) -> &'static str {
    if tick == 0.0 && scale.low() < 0.0 { "zero" } else { "grid" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svg::Told;

    fn axes(x: Scale, y: Scale) -> Axes {
        let frame = Frame { width: 460.0, height: 240.0, left: 46.0, right: 14.0, top: 10.0, bottom: 30.0, glyph: Frame::GLYPH };
        Axes { frame, x, y }
    }

    fn drawn(draw: impl FnOnce(&mut Svg)) -> String {
        let mut svg = Svg::new("", 460.0, 240.0, Told::Elsewhere);
        draw(&mut svg);
        svg.finish()
    }

    fn places(svg: &str) -> Vec<f64> {
        let of = |text: &str| text.split("x=\"").nth(1).and_then(|x| x.split('"').next()).and_then(|x| x.parse().ok());
        svg.split("<text").skip(1).filter_map(of).collect()
    }

    #[test]
    fn a_line_goes_through_its_points_and_rules_lie_at_their_ticks() {
        let axes = axes(Scale::linear(0.0, 4.0, 4), Scale::linear(0.0, 1.0, 2));
        let svg = drawn(|svg| axes.line(svg, "sparse", &[(0.0, 0.0), (2.0, 0.5), (4.0, 1.0)]));
        assert!(svg.contains("<path class=\"line sparse\" d=\"M46 210L246 110L446 10\"/>"), "{svg}");
        let svg = drawn(|svg| axes.rules(svg, |tick| format!("at {tick}")));
        assert!(
            svg.contains("<line class=\"grid\" x1=\"46\" y1=\"110\" x2=\"446\" y2=\"110\"/>") && svg.contains(">at 0.5</text>"),
            "{svg}"
        );
        assert!(!svg.contains("zero"), "zero is only marked where values lie below it");
    }

    #[test]
    fn zero_is_marked_between_losses_and_gains() {
        let gap = Scale::rounded(-0.1, 0.1, 4);
        let svg = drawn(|svg| axes(gap, gap).rules(svg, |t| gap.label(t)));
        assert_eq!(svg.matches("class=\"zero\"").count(), 1);
        let svg = drawn(|svg| axes(gap, gap).uprights(svg, |t| gap.label(t)));
        assert!(svg.contains("<line class=\"zero\" x1=\"246\" y1=\"10\" x2=\"246\" y2=\"210\"/>"), "{svg}");
    }

    #[test]
    fn labels_neither_touch_nor_leave_the_drawing() {
        let axes = axes(Scale::linear(0.0, 40.0, 50), Scale::log(1e-3, 1.0));
        let svg = drawn(|svg| axes.feet(svg, |tick| format!("{tick} of forty")));
        let at = places(&svg);
        assert!(at.len() > 2 && at.windows(2).all(|x| x[1] - x[0] >= 11.0 * Frame::GLYPH), "{at:?}");
        assert!(at.windows(3).all(|x| (x[2] - 2.0 * x[1] + x[0]).abs() < 0.5), "what is left is evenly spaced: {at:?}");
        // The last would stand half outside.
        let svg = drawn(|svg| axes.frame.feet(svg, [(0.0, "a long first".into()), (455.0, "a long last".into())]));
        assert!(
            svg.contains("x=\"0\" y=\"228\" text-anchor=\"start\"") && svg.contains("x=\"460\" y=\"228\" text-anchor=\"end\""),
            "{svg}"
        );
        let low = Axes { frame: Frame { height: 80.0, ..axes.frame }, ..axes };
        let svg = drawn(|svg| low.rules(svg, |tick| low.y.label(tick)));
        assert!(svg.matches("<line").count() > svg.matches("<text").count(), "rules without room have no label: {svg}");
    }

    #[test]
    fn gaps_stay_gaps_and_a_lone_point_is_seen() {
        let axes = axes(Scale::linear(0.0, 4.0, 4), Scale::linear(0.0, 1.0, 2));
        let points = [(0.0, 0.0), (1.0, 0.5), (2.0, f64::NAN), (3.0, 1.0), (4.0, f64::INFINITY)];
        let svg = drawn(|svg| axes.line(svg, "dense", &points));
        assert!(svg.contains("d=\"M46 210L146 110M346 10\"") && svg.matches("<circle").count() == 1, "{svg}");
        assert!(drawn(|svg| axes.line(svg, "dense", &[(2.0, 0.5)])).contains("<circle class=\"dot dense\" cx=\"246\" cy=\"110\""));
        let nothing = drawn(|svg| axes.line(svg, "dense", &[]));
        assert!(nothing.contains("d=\"\"") && !nothing.contains("NaN"));
        let bands = [(0.0, 0.0, 1.0), (1.0, 0.2, 0.8), (2.0, f64::NAN, 1.0), (3.0, 0.0, 0.5), (4.0, 0.0, 0.5)];
        let svg = drawn(|svg| axes.band(svg, "dense", &bands));
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.contains("d=\"M46 10L146 50L146 170L46 210Z\""), "{svg}");
        assert!(!drawn(|svg| axes.dot(svg, "dense", (f64::NAN, 0.0), 3.0)).contains("circle"));
    }

    #[test]
    fn zeros_lie_at_the_bottom_of_a_log_axis() {
        let axes = axes(Scale::linear(0.0, 4.0, 4), Scale::log(0.001, 1.0));
        let svg = drawn(|svg| axes.line(svg, "dense", &[(0.0, 1.0), (4.0, 0.0)]));
        assert!(svg.contains("d=\"M46 10L446 210\""), "{svg}");
    }

    #[test]
    fn a_hundred_thousand_points_stay_small() {
        let axes = axes(Scale::linear(0.0, 100_000.0, 6), Scale::rounded(-1.0, 1.0, 5));
        let points: Vec<_> = (0..100_000).map(|i| (f64::from(i), (f64::from(i) * 0.37).sin())).collect();
        let line = drawn(|svg| axes.line(svg, "dense", &points));
        assert!(line.len() < 12_000, "{}", line.len());
        let band: Vec<_> = points.iter().map(|p| (p.0, p.1 - 1.0, p.1 + 1.0)).collect();
        assert!(drawn(|svg| axes.band(svg, "dense", &band)).len() < 24_000);
        assert!(drawn(|svg| axes.spots(svg, "dense", &points, |x, y| format!("{x} {y}"))).matches("<title>").count() <= MOST_SPOTS);
    }
}
