//! The elements of a drawing, each written in one place.
//!
//! A drawing is text: it is put into a page whole, stands in a report without scripts, and is a file of its own where it is taken away.
//! Coordinates are rounded to a tenth and are always finite, so that no number of a run can break the drawing around it.

use std::fmt::{self, Write};

use crate::html::escape;
use crate::tone;

/// A coordinate as it is written: to a tenth, without a needless zero. What is not a number is 0, what is far away is near enough.
struct Px(f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round().clamp(-1e6, 1e6) as i64;
        let sign = if tenths < 0 { "-" } else { "" };
        match (tenths.abs() / 10, tenths.abs() % 10) {
            (whole, 0) => write!(f, "{sign}{whole}"),
            (whole, tenth) => write!(f, "{sign}{whole}.{tenth}"),
        }
    }
}

/// Which end of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// How a drawing is told to those who do not see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// By this sentence.
    By(&'a str),
    /// By what is around it.
    Elsewhere,
}

/// A drawing that is being written.
#[derive(Clone, Debug)]
pub struct Svg {
    out: String,
}

// Writing to a String cannot fail: what `write!` returns is dropped everywhere here.
impl Svg {
    /// An empty drawing of this size. An empty class is none.
    pub fn new(class: &str, width: f64, height: f64, told: Told) -> Self {
        Self::open(class, width, height, told, "")
    }
    /// An empty drawing that is stretched to wherever it is put.
    pub fn stretched(class: &str, width: f64, height: f64) -> Self {
        Self::open(class, width, height, Told::Elsewhere, " preserveAspectRatio=\"none\"")
    }
    /// An empty drawing that is as high as its units say, whatever a style sheet makes of its width.
    pub fn of_height(width: f64, height: f64) -> Self {
        Self::open("", width, height, Told::Elsewhere, &format!(" height=\"{}\"", Px(height)))
    }
    /// An empty drawing of exactly this size.
    pub fn of_size(width: f64, height: f64) -> Self {
        Self::open("", width, height, Told::Elsewhere, &format!(" width=\"{}\" height=\"{}\"", Px(width), Px(height)))
    }
    fn open(class: &str, width: f64, height: f64, told: Told, more: &str) -> Self {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let told = match told {
            Told::By(sentence) => format!("role=\"img\" aria-label=\"{}\"", escape(sentence)),
            Told::Elsewhere => "aria-hidden=\"true\"".into(),
        };
        Self { out: format!("<svg{class} viewBox=\"0 0 {} {}\"{more} {told}>", Px(width), Px(height)) }
    }
    /// A file of its own: with its colours, on paper, its title above the drawing.
    pub fn document(width: f64, height: f64, title: &str) -> Self {
        const TITLE: f64 = 24.0;
        let (width, all, title) = (Px(width), Px(height + TITLE), escape(title));
        let style = tone::standalone();
        let mut svg = Self {
            out: format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{all}\" viewBox=\"0 {} {width} {all}\">\
                 <title>{title}</title><style>{style}</style><rect y=\"{}\" width=\"100%\" height=\"100%\" fill=\"{}\"/>",
                Px(-TITLE),
                Px(-TITLE),
                tone::PAPER
            ),
        };
        let _ = write!(svg.out, "<text class=\"title\" x=\"8\" y=\"-6\">{title}</text>");
        svg
    }
    /// The text of the drawing.
    pub fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }

    /// A part that is drawn as one, of a class.
    pub fn group(&mut self, class: &str, draw: impl FnOnce(&mut Self)) {
        let _ = write!(self.out, "<g class=\"{class}\">");
        draw(self);
        self.out.push_str("</g>\n");
    }
    /// A part of which nothing shows outside of this rectangle.
    pub fn clipped(&mut self, x: f64, y: f64, width: f64, height: f64, draw: impl FnOnce(&mut Self)) {
        let (x, y, w, h) = (Px(x), Px(y), Px(width), Px(height));
        let _ = write!(self.out, "<svg class=\"lines\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" viewBox=\"{x} {y} {w} {h}\">");
        draw(self);
        self.out.push_str("</svg>");
    }
    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (x1, y1, x2, y2) = (Px(from.0), Px(from.1), Px(to.0), Px(to.1));
        let _ = write!(self.out, "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>");
    }
    /// A line through points; one that is not finite leaves a gap.
    pub fn path(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let _ = write!(self.out, "<path class=\"{class}\" d=\"");
        self.points(points);
        self.out.push_str("\"/>\n");
    }
    /// A surface around points.
    pub fn area(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let _ = write!(self.out, "<path class=\"{class}\" d=\"");
        self.points(points);
        self.out.push_str("Z\"/>\n");
    }
    fn points(&mut self, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut letter = 'M';
        for (x, y) in points {
            if x.is_finite() && y.is_finite() {
                let _ = write!(self.out, "{letter}{} {}", Px(x), Px(y));
                letter = 'L';
            } else {
                letter = 'M';
            }
        }
    }
    /// A dot, and what is said of it where a pointer rests on it; nothing where empty.
    pub fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64, says: &str) {
        let _ = write!(self.out, "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"", Px(x), Px(y), Px(radius));
        let _ = if says.is_empty() { write!(self.out, "/>") } else { writeln!(self.out, "><title>{}</title></circle>", escape(says)) };
    }
    /// A filled rectangle, from its upper left corner.
    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), width: f64, height: f64) {
        let (w, h) = (Px(width), Px(height));
        let _ = write!(self.out, "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{w}\" height=\"{h}\"/>", Px(x), Px(y));
    }
    /// A picture, from its upper left corner, by its address; its pixels stay squares.
    pub fn image(&mut self, (x, y): (f64, f64), width: f64, height: f64, address: &str) {
        let (x, y, w, h, address) = (Px(x), Px(y), Px(width), Px(height), escape(address));
        let _ = write!(
            self.out,
            "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\" image-rendering=\"pixelated\" href=\"{address}\"/>"
        );
    }
    /// Words on a line whose base is at `y`.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, words: &str) {
        let (anchor, words) = (anchor.name(), escape(words));
        let _ = write!(self.out, "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{words}</text>", Px(x), Px(y));
    }
}

/// A sample of a line, for a key.
pub fn line_sample(classes: &str) -> String {
    let mut svg = Svg::of_size(30.0, 8.0);
    svg.line(&format!("line {classes}"), (1.0, 4.0), (29.0, 4.0));
    svg.finish()
}

/// A sample of a mean with its interval, for a key.
pub fn estimate_sample(classes: &str) -> String {
    let mut svg = Svg::of_size(30.0, 12.0);
    svg.group(classes, |svg| {
        svg.line("interval", (2.0, 6.0), (28.0, 6.0));
        svg.circle("mean", (15.0, 6.0), 4.2, "");
    });
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short_and_finite() {
        let values = [0.0, -0.04, 12.0, 12.345, -3.16, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        assert_eq!(values.map(|v| Px(v).to_string()), ["0", "0", "12", "12.3", "-3.2", "0", "100000", "-100000"]);
    }

    #[test]
    fn a_drawing_is_well_formed_and_words_are_escaped() {
        let hostile = "\"><script>x</script>";
        let mut svg = Svg::new("plot", 100.0, 50.5, Told::By(hostile));
        svg.group("dense", |svg| {
            svg.clipped(0.0, 0.0, 10.0, 10.0, |svg| svg.line("grid", (0.0, 0.0), (1.0, 1.0)));
            svg.circle("dot", (1.0, 2.0), 3.0, hostile);
            svg.circle("dot", (1.0, 2.0), 3.0, "");
        });
        svg.text("tick", (1.0, 2.0), Anchor::End, hostile);
        let text = svg.finish();
        assert!(text.starts_with("<svg class=\"plot\" viewBox=\"0 0 100 50.5\" role=\"img\" aria-label=\"&quot;&gt;&lt;script"), "{text}");
        assert!(!text.contains("<script") && text.matches("<svg").count() == text.matches("</svg>").count(), "{text}");
        assert_eq!(text.matches("<g ").count(), text.matches("</g>").count());
        assert!(Svg::of_height(10.0, 20.0).finish().contains("height=\"20\" aria-hidden=\"true\""));
    }

    #[test]
    fn a_broken_point_is_a_gap() {
        let mut svg = Svg::of_size(1.0, 1.0);
        svg.path("line", [(f64::NAN, 0.0), (0.0, 1.0), (1.0, f64::INFINITY), (2.0, 3.0), (4.0, 5.0)]);
        assert!(svg.finish().contains("d=\"M0 1M2 3L4 5\""));
    }

    #[test]
    fn a_document_has_its_namespace_its_style_and_no_variables() {
        let text = Svg::document(640.0, 300.0, "a < b").finish();
        assert!(
            text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"324\" viewBox=\"0 -24 640 324\">"),
            "{text}"
        );
        assert!(text.contains("<title>a &lt; b</title>") && !text.contains("var(") && !text.contains("light-dark"), "{text}");
    }
}
