//! Estimates with their intervals: a line each (a forest plot), or a column each over a few conditions.
//!
//! A mean is never drawn without what it is sure of: its interval, and the single values behind it as pale dots. The line of no difference
//! is drawn where values are differences.

use crate::chart::{Axes, Frame};
use crate::scale::Scale;
use crate::svg::{Anchor, Svg, Told};

/// Width of the drawings; a page scales them.
const WIDTH: f64 = 520.0;
/// Characters of these drawings are allowed for at the size that phones show them at.
const GLYPH: f64 = 9.8;
/// Width of a sample in a key, and the room behind it.
const SAMPLE: f64 = 40.0;
/// Where names would take more than this share of the width, each stands above its line.
const NAMES: f64 = 0.42;

/// A mean, what it is sure of, and the single values behind it, in one unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// From here ...
    pub low: f64,
    /// ... to here.
    pub high: f64,
    /// Single values, each with what is said of it.
    pub values: Vec<(f64, String)>,
    /// Single values that whoever looks has added, drawn as rings.
    pub own: Vec<(f64, String)>,
    /// What is said of the mean.
    pub says: String,
}

impl Estimate {
    /// Everything that has to fit on the axis.
    fn extent(&self) -> impl Iterator<Item = f64> {
        let values = self.values.iter().chain(&self.own).map(|v| v.0);
        values.chain([self.mean, self.low, self.high]).filter(|v| v.is_finite())
    }
}

/// The least and the most of what has to fit; `None` where there is nothing.
fn range<'a>(estimates: impl Iterator<Item = &'a Estimate>) -> Option<(f64, f64)> {
    let all = estimates.flat_map(Estimate::extent);
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    (low <= high).then_some((low, high))
}

/// A line of a forest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Whose it is.
    pub name: String,
    /// Classes of its colour.
    pub classes: String,
    /// What is drawn.
    pub estimate: Estimate,
    /// A word at its end.
    pub word: String,
}

/// A forest plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forest {
    /// What it shows, in a sentence.
    pub label: String,
    /// Lines, under a heading where it is not empty.
    pub groups: Vec<(String, Vec<Row>)>,
    /// Values are differences: the axis has zero, and signs.
    pub differences: bool,
}

impl Forest {
    /// The drawing; `None` where no estimate is finite.
    pub fn svg(&self) -> Option<String> {
        self.drawn(|height| Svg::new("", WIDTH, height, Told::By(&self.label)))
    }
    /// The drawing as a file of its own, under its title; `None` where no estimate is finite.
    pub fn document(&self, title: &str) -> Option<String> {
        self.drawn(|height| Svg::document(WIDTH, height, title))
    }
    fn drawn(&self, open: impl FnOnce(f64) -> Svg) -> Option<String> {
        const HEADING: f64 = 30.0;
        const LINE: f64 = 30.0;
        const NAME: f64 = 20.0;
        let rows = || self.groups.iter().flat_map(|(_, rows)| rows);
        let (low, high) = range(rows().map(|row| &row.estimate))?;
        let (low, high) = if self.differences { (low.min(0.0), high.max(0.0)) } else { (low, high) };
        let longest = |words: &dyn Fn(&Row) -> usize| rows().map(words).max().unwrap_or(0) as f64 * GLYPH;
        let (names, words) = (longest(&|row| row.name.chars().count()), longest(&|row| row.word.chars().count()));
        let above = names > NAMES * WIDTH;
        let height = |row: &Row| if above { LINE + NAME * lines(&row.name).len() as f64 } else { LINE };
        let headings = self.groups.iter().filter(|(heading, _)| !heading.is_empty()).count() as f64 * HEADING;
        let frame = Frame {
            width: WIDTH,
            height: 12.0 + headings + rows().map(height).sum::<f64>() + 26.0,
            left: if above { 12.0 } else { names + 16.0 },
            right: words + 16.0,
            top: 12.0,
            bottom: 26.0,
            glyph: GLYPH,
        };
        let axes = Axes { frame, x: Scale::rounded(low, high, 4), y: Scale::linear(0.0, 1.0, 1) };
        let mut svg = open(frame.height);
        let plus = |tick| if self.differences && tick > 0.0 { "+" } else { "" };
        axes.uprights(&mut svg, |tick| format!("{}{}", plus(tick), axes.x.label(tick)));
        let mut y = frame.top;
        for (heading, rows) in &self.groups {
            if !heading.is_empty() {
                svg.text("group", (0.0, y + 21.0), Anchor::Start, heading);
                y += HEADING;
            }
            for row in rows {
                let middle = y + height(row) - LINE / 2.0;
                svg.group(&row.classes, |svg| {
                    let first = if above { y + 18.0 } else { middle + 4.5 };
                    for (i, part) in lines(&row.name).into_iter().enumerate() {
                        svg.text("name", (0.0, first + NAME * i as f64), Anchor::Start, part);
                    }
                    across(svg, &axes, &row.estimate, middle);
                    svg.text("word", (WIDTH, middle + 4.5), Anchor::End, &row.word);
                });
                y += height(row);
            }
        }
        Some(svg.finish())
    }
}

/// A name in lines that fit the drawing, broken where its options begin.
fn lines(name: &str) -> Vec<&str> {
    let (mut out, mut rest) = (Vec::new(), name);
    while rest.chars().count() as f64 * GLYPH > WIDTH {
        let fits = rest.char_indices().nth((WIDTH / GLYPH) as usize).map_or(rest.len(), |(at, _)| at);
        let end = rest[..fits].rfind([' ', '+']).filter(|at| *at > 0).unwrap_or(fits);
        out.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    out.push(rest);
    out
}

/// An estimate along the x axis.
fn across(svg: &mut Svg, axes: &Axes, estimate: &Estimate, y: f64) {
    for (value, says) in estimate.values.iter().filter(|v| v.0.is_finite()) {
        svg.circle("seed", (axes.x(*value), y + 8.0), 2.6, says);
    }
    for (value, says) in estimate.own.iter().filter(|v| v.0.is_finite()) {
        svg.circle("own", (axes.x(*value), y + 8.0), 4.0, says);
    }
    if let Some((low, mean, high)) = placed(estimate, axes.x).map(|at| at.map(|v| axes.x(v))).map(Into::into) {
        svg.line("interval", (low, y), (high, y));
        svg.circle("mean", (mean, y), 4.2, &estimate.says);
    }
}

/// Low, mean and high, an infinite interval cut off at the ends of the axis; `None` without a mean.
fn placed(estimate: &Estimate, scale: Scale) -> Option<[f64; 3]> {
    let end = |v: f64, else_at: f64| if v.is_nan() { else_at } else { v.clamp(scale.low(), scale.high()) };
    let mean = estimate.mean;
    mean.is_finite().then(|| [end(estimate.low, mean), mean, end(estimate.high, mean)])
}

/// Estimates of several learners under a few conditions, which are evenly spaced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// What it shows, in a sentence.
    pub label: String,
    /// What the conditions are.
    pub caption: String,
    /// The conditions.
    pub conditions: Vec<String>,
    /// The learners.
    pub learners: Vec<Learner>,
}

/// A learner's estimates under several conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learner {
    /// Whose they are.
    pub name: String,
    /// Classes of its colour.
    pub classes: String,
    /// By condition.
    pub estimates: Vec<Option<Estimate>>,
}

impl Columns {
    /// The drawing; `None` where no estimate is finite. Whose colour is whose is for a key beside it.
    pub fn svg(&self) -> Option<String> {
        Some(self.drawn(|frame| Svg::new("", frame.width, frame.height, Told::By(&self.label)))?.finish())
    }
    /// The drawing as a file of its own, under its title and over its key; `None` where no estimate is finite.
    pub fn document(&self, title: &str) -> Option<String> {
        // Places of the key's entries, from left to right and row by row.
        let (mut x, mut row, mut places) = (0.0, 0.0, Vec::new());
        for learner in &self.learners {
            let wide = SAMPLE + GLYPH * learner.name.chars().count() as f64 + 14.0;
            if x > 0.0 && x + wide > WIDTH {
                (x, row) = (0.0, row + 1.0);
            }
            places.push((x + 4.0, row));
            x += wide;
        }
        const ROW: f64 = 22.0;
        let mut bottom = 0.0;
        let mut svg = self.drawn(|frame| {
            bottom = frame.height;
            Svg::document(frame.width, frame.height + ROW * (row + 1.0) + 8.0, title)
        })?;
        for (learner, (x, row)) in self.learners.iter().zip(places) {
            let y = bottom + ROW * row + 14.0;
            svg.group(&learner.classes, |svg| {
                svg.line("interval", (x, y), (x + SAMPLE - 10.0, y));
                svg.circle("mean", (x + (SAMPLE - 10.0) / 2.0, y), 4.2, "");
                svg.text("name", (x + SAMPLE - 4.0, y + 4.5), Anchor::Start, &learner.name);
            });
        }
        Some(svg.finish())
    }
    fn drawn(&self, open: impl FnOnce(&Frame) -> Svg) -> Option<Svg> {
        let (low, high) = range(self.learners.iter().flat_map(|learner| learner.estimates.iter().flatten()))?;
        let frame = Frame { width: WIDTH, height: 320.0, left: 58.0, right: 14.0, top: 14.0, bottom: 44.0, glyph: GLYPH };
        let axes = Axes { frame, x: Scale::linear(0.0, self.conditions.len().max(1) as f64, 1), y: Scale::rounded(low, high, 5) };
        let mut svg = open(&frame);
        axes.rules(&mut svg, |tick| axes.y.label(tick));
        for between in 1..self.conditions.len() {
            let x = axes.x(between as f64);
            svg.line("grid", (x, frame.top), (x, frame.end().1));
        }
        let middle = |i: usize| axes.x(i as f64 + 0.5);
        frame.feet(&mut svg, self.conditions.iter().enumerate().map(|(i, words)| (middle(i), words.clone())));
        frame.caption(&mut svg, &self.caption);
        let all = self.learners.len().max(1) as f64;
        // Learners stand side by side, so that no interval hides another.
        let apart = (0.8 * (axes.x(1.0) - axes.x(0.0)) / all).min(40.0);
        for (l, Learner { classes, estimates, .. }) in self.learners.iter().enumerate() {
            let x = |i: usize| middle(i) + (l as f64 - (all - 1.0) / 2.0) * apart;
            svg.group(classes, |svg| {
                let means = estimates.iter().enumerate().filter_map(|(i, e)| Some((x(i), e.as_ref()?.mean)));
                let means: Vec<_> = means.filter(|(_, mean)| mean.is_finite()).map(|(x, mean)| (x, axes.y(mean))).collect();
                if means.len() > 1 {
                    svg.path("join", means);
                }
                for (i, estimate) in estimates.iter().enumerate().filter_map(|(i, e)| Some((i, e.as_ref()?))) {
                    upright(svg, &axes, estimate, x(i), (0.26 * apart).min(9.0));
                }
            });
        }
        Some(svg)
    }
}

/// An estimate along the y axis, its values a little to the right of it.
fn upright(svg: &mut Svg, axes: &Axes, estimate: &Estimate, x: f64, aside: f64) {
    for (value, says) in estimate.values.iter().filter(|v| v.0.is_finite()) {
        svg.circle("seed", (x + aside, axes.y(*value)), 2.6, says);
    }
    for (value, says) in estimate.own.iter().filter(|v| v.0.is_finite()) {
        svg.circle("own", (x + aside, axes.y(*value)), 4.0, says);
    }
    if let Some((low, mean, high)) = placed(estimate, axes.y).map(|at| at.map(|v| axes.y(v))).map(Into::into) {
        svg.line("interval", (x, low), (x, high));
        svg.circle("mean", (x, mean), 4.2, &estimate.says);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn estimate(mean: f64, half: f64) -> Estimate {
        let values = [mean - half / 2.0, mean + half / 2.0].map(|v| (v, format!("seed: {v}"))).to_vec();
        Estimate { mean, low: mean - half, high: mean + half, values, own: Vec::new(), says: format!("mean <{mean}>") }
    }

    fn row(name: &str, estimate: Estimate) -> Row {
        Row { name: name.into(), classes: "sparse".into(), estimate, word: "cannot tell".into() }
    }

    fn forest(rows: Vec<Row>) -> Forest {
        Forest { label: "F".into(), groups: vec![(String::new(), rows)], differences: true }
    }

    /// The first attribute of this name behind `from`.
    fn number(svg: &str, from: &str, name: &str) -> f64 {
        let rest = &svg[svg.find(from).unwrap()..];
        rest.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
    }

    #[test]
    fn an_estimate_lies_in_its_interval_and_differences_have_the_line_of_none() {
        let svg = forest(vec![row("a", estimate(2.0, 1.0)), row("b <i>", estimate(4.0, 1.5))]).svg().unwrap();
        assert!(svg.contains("class=\"grid\"") && !svg.contains("class=\"zero\""), "no losses: zero is the edge");
        let svg = forest(vec![row("a", estimate(2.0, 3.0)), row("b <i>", estimate(4.0, 1.5))]).svg().unwrap();
        assert_eq!((svg.matches("class=\"zero\"").count(), svg.matches("class=\"seed\"").count()), (1, 4));
        let (from, to, mean) = (number(&svg, "\"interval\"", "x1"), number(&svg, "\"interval\"", "x2"), number(&svg, "\"mean\"", "cx"));
        assert!((mean - (from + to) / 2.0).abs() < 0.11 && from < number(&svg, "\"zero\"", "x1"), "{from} {mean} {to}");
        assert!(svg.contains("b &lt;i&gt;") && svg.contains("mean &lt;2&gt;") && svg.contains(">+2</text>"), "{svg}");
    }

    #[test]
    fn long_names_and_words_have_room() {
        let wide = |name: &str| number(&forest(vec![row(name, estimate(2.0, 3.0))]).svg().unwrap(), "\"grid\"", "x1");
        assert!(wide("set@0.1 on random") >= GLYPH * 17.0, "the axis begins behind the names");
        let long = "set@0.2+masked+prune=magnitude+grow=gradient on random:0.5";
        let svg = forest(vec![row(long, estimate(2.0, 3.0)), row("b", estimate(1.0, 1.0))]).svg().unwrap();
        assert!(number(&svg, "\"name\"", "y") < number(&svg, "\"mean\"", "cy") - 10.0, "it stands above its line: {svg}");
        assert!(number(&svg, "\"mean\"", "cx") < WIDTH - GLYPH * 11.0);
        assert_eq!(lines(long), ["set@0.2+masked+prune=magnitude+grow=gradient on", "random:0.5"]);
        assert_eq!((lines(""), lines(&"\u{e9}".repeat(60)).len()), (vec![""], 2));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let nothing = Estimate { mean: f64::NAN, low: f64::NAN, high: f64::INFINITY, ..Estimate::default() };
        assert_eq!(forest(Vec::new()).svg(), None);
        assert_eq!(forest(vec![row("a", nothing.clone())]).svg(), None);
        let endless = Estimate { mean: 1.0, low: f64::NEG_INFINITY, high: f64::INFINITY, ..Estimate::default() };
        let svg = forest(vec![row("a", nothing), row("b", endless)]).svg().unwrap();
        assert_eq!((svg.matches("class=\"name\"").count(), svg.matches("class=\"mean\"").count()), (2, 1));
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("100000"), "{svg}");
        let one = Estimate { mean: 0.0, ..Estimate::default() };
        assert!(forest(vec![row("a", one)]).svg().is_some());
    }

    fn columns(conditions: &[&str], learners: usize) -> Columns {
        let estimates = |l: usize| (0..conditions.len()).map(|i| Some(estimate((i + l) as f64, 2.0))).collect();
        Columns {
            label: "C".into(),
            caption: "fraction".into(),
            conditions: conditions.iter().map(|c| (*c).to_owned()).collect(),
            learners: (0..learners)
                .map(|l| Learner { name: format!("set@0.{l}"), classes: "dense".into(), estimates: estimates(l) })
                .collect(),
        }
    }

    #[test]
    fn columns_join_the_means_of_a_learner_and_stand_apart() {
        let svg = columns(&["0.1", "0.5", "1"], 4).svg().unwrap();
        assert_eq!((svg.matches("class=\"join\"").count(), svg.matches("class=\"mean\"").count()), (4, 12));
        let mut at: Vec<f64> = svg.split("class=\"mean\" cx=\"").skip(1).map(|x| x.split('"').next().unwrap().parse().unwrap()).collect();
        at.sort_by(f64::total_cmp);
        assert!(at.windows(2).all(|x| x[1] - x[0] > 15.0), "{at:?}");
        let many = columns(&["0.1", "0.2", "0.5", "1"], 12).svg().unwrap();
        assert_eq!(many.matches("class=\"mean\"").count(), 48);
        assert!(!columns(&["1"], 2).svg().unwrap().contains("join"), "one condition has nothing to join");
        assert_eq!(columns(&[], 2).svg(), None);
    }

    #[test]
    fn a_missing_estimate_leaves_its_place_empty() {
        let mut columns = columns(&["0.1", "0.5", "1"], 1);
        columns.learners[0].estimates[1] = None;
        assert_eq!(columns.svg().unwrap().matches("class=\"mean\"").count(), 2);
    }

    #[test]
    fn a_file_of_its_own_has_its_colours_its_title_and_its_key() {
        let many = columns(&["0.1", "0.5"], 9);
        let svg = many.document("Accuracy <b>").unwrap();
        assert!(svg.starts_with("<svg xmlns=") && svg.contains("<title>Accuracy &lt;b&gt;</title>") && !svg.contains("var("), "{svg}");
        assert!(svg.contains(".dense .interval,.dense .join{stroke:#3451c6}"), "intervals have a colour: {svg}");
        assert_eq!((svg.matches("class=\"mean\"").count(), svg.matches("class=\"name\"").count()), (2 * 9 + 9, 9));
        // The key lies within the drawing, below the axis, in rows that do not leave it.
        let (high, at) = (number(&svg, "<svg", "height") - 24.0, svg.split("class=\"name\"").skip(1));
        let places: Vec<(f64, f64)> =
            at.map(|text| (number(&format!("x{text}"), "x", "x"), number(&format!("x{text}"), "x", "y"))).collect();
        assert!(places.iter().all(|(x, y)| *x < WIDTH - 60.0 && *y > 320.0 && *y < high), "{places:?} {high}");
        let forest = forest(vec![row("a", estimate(2.0, 1.0))]).document("F").unwrap();
        assert!(forest.starts_with("<svg xmlns=") && forest.contains(".sparse .mean,.sparse .seed{fill:#c8410b}"), "{forest}");
        assert_eq!((columns(&[], 2).document("C"), Forest::default().document("F")), (None, None));
    }
}
