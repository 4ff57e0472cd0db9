//! The chart as text: lines of every learner over epochs or FLOPs, bands over seeds, their key and the table behind them.
//!
//! Own SVG: it is drawn anew ten times a second, shares colours and dashes with the rest of the page, and is also what is exported.

use std::fmt::Write;

use sparring_core::argsort::{argsort, ascending};

use crate::figures::{self, nice_step};
use crate::plot::{self, escape};
use crate::race::{Learner, Race, Series, Tone};

/// Room beside the drawing for the numbers of the axes.
pub const LEFT: f64 = 46.0;
/// Room at its other side.
pub const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;

/// Half as high as wide, within what a phone and a desk can show beside the controls.
fn height(width: f64) -> f64 {
    (width * 0.52).clamp(240.0, 400.0)
}

/// How the chart is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// What is drawn.
    pub series: Series,
    /// The x axis counts training FLOPs, not epochs.
    pub flops: bool,
    /// Equal factors are equal distances on the y axis.
    pub log: bool,
    /// How much of a live point its predecessors decide, in 0..1.
    pub smooth: f64,
    /// The part of the x axis that is shown, as shares of it.
    pub zoom: (f64, f64),
}

impl Look {
    /// All of a series, as it is.
    pub fn at(series: Series) -> Self {
        Self { series, flops: false, log: false, smooth: 0.0, zoom: (0.0, 1.0) }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Line {
    tone: Tone,
    control: bool,
    label: String,
    /// The letter of its run, where several are in one drawing.
    mark: Option<char>,
    points: Vec<(f64, f64)>,
    /// Lowest and highest over the seeds, at the points.
    band: Vec<(f64, f64)>,
}

/// Everything that is drawn, in data units.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    look: Look,
    lines: Vec<Line>,
    /// All of the x axis.
    x_max: f64,
    x: (f64, f64),
    y: (f64, f64),
    y_step: f64,
    x_step: f64,
}

/// Values of a learner's series after epochs, less those of `base`.
fn evaluated(learner: &Learner, series: Series, base: Option<&Learner>) -> Vec<(f64, f64)> {
    let of = |epoch: u32| Some(learner.value(epoch, series)? - base.map_or(Some(0.0), |b| b.value(epoch, series))?);
    learner.epochs.iter().filter_map(|e| Some((f64::from(e.epoch), of(e.epoch)?))).collect()
}

fn smoothed(points: Vec<(f64, f64)>, share: f64) -> Vec<(f64, f64)> {
    let mut mean = points.first().map_or(0.0, |p| p.1);
    points
        .into_iter()
        .map(|(x, y)| {
            mean = share * mean + (1.0 - share) * y;
            (x, mean)
        })
        .collect()
}

/// A learner's line: over several seeds the mean of those that have a value, with what they span.
fn line<'a>(races: &[&'a Race], learner: Learner<'a>, look: Look) -> Line {
    let label = learner.name();
    let same = |race: &&'a Race| race.learners().find(|l| l.name() == label);
    let all: Vec<(&'a Race, Learner<'a>)> = races.iter().filter_map(|r| Some((*r, same(r)?))).collect();
    let of = |(race, l): &(&Race, Learner)| match look.series {
        Series::Train | Series::Loss => smoothed(l.points(look.series), look.smooth),
        Series::Gap => evaluated(l, race.deciding().into(), race.dense().as_ref()),
        series => evaluated(l, series, None),
    };
    let live = matches!(look.series, Series::Train | Series::Loss);
    let (mut points, mut band) = (all.last().map(of).unwrap_or_default(), Vec::new());
    if all.len() > 1 && !live {
        let each: Vec<Vec<(f64, f64)>> = all.iter().map(of).collect();
        let longest = each.iter().max_by_key(|p| p.len()).cloned().unwrap_or_default();
        points = Vec::new();
        for (x, _) in longest {
            let at = each.iter().filter_map(|p| p.iter().find(|q| q.0 == x)).map(|q| q.1);
            let (sum, count, low, high) =
                at.fold((0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY), |(s, n, a, b), y| (s + y, n + 1.0, a.min(y), b.max(y)));
            points.push((x, sum / count));
            band.push((low, high));
        }
    }
    if look.flops {
        points.iter_mut().for_each(|p| p.0 = learner.flops_at(p.0));
    }
    Line { tone: learner.tone, control: learner.info.control, label, mark: None, points, band }
}

/// The limits of the y axis and the distance of its ticks.
fn range(lines: &[Line], x: (f64, f64), look: Look) -> ((f64, f64), f64) {
    let seen = |l: &Line| {
        let at = |i: usize| l.band.get(i).copied().unwrap_or((l.points[i].1, l.points[i].1));
        (0..l.points.len())
            .filter(|i| (x.0..=x.1).contains(&l.points[*i].0))
            .map(at)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)))
    };
    let (low, high) = lines.iter().map(seen).fold((f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    let known = low.is_finite();
    let (low, high) = match look.series {
        Series::Loss if known => (if look.log { low.max(1e-4) } else { 0.0 }, high.max(low + 0.1)),
        Series::Loss => (if look.log { 0.1 } else { 0.0 }, 2.5),
        Series::Gap if known => (low.min(-0.01), high.max(0.01)),
        Series::Gap => (-0.1, 0.1),
        _ if known => (low, high.max(low + 0.1)),
        _ => (0.0, 1.0),
    };
    if look.log {
        return ((low.max(1e-3) * 0.9, high * 1.1), 0.0);
    }
    let step = nice_step(high - low, 5);
    let (bottom, top) = ((low / step).floor() * step, (high / step).ceil() * step);
    let limits = if matches!(look.series, Series::Loss | Series::Gap) { (bottom, top) } else { (bottom.max(0.0), top.min(1.0)) };
    (limits, step)
}

impl Figure {
    /// The races of several seeds, the one that is shown last; `epochs` to go.
    pub fn of(races: &[&Race], look: Look, epochs: u32) -> Self {
        let learners = || races.last().into_iter().flat_map(|r| r.learners());
        let shown = learners().filter(|l| look.series != Series::Gap || l.tone != Tone::Dense);
        let lines: Vec<Line> = shown.map(|l| line(races, l, look)).collect();
        let end = f64::from(epochs.max(1));
        let x_max = if look.flops { learners().map(|l| l.flops_at(f64::from(epochs))).fold(1.0, f64::max) } else { end };
        Self::around(lines, x_max, look)
    }
    /// Several runs in one drawing, over epochs; the lines of each end in its letter.
    pub fn overlaid(races: &[Race], look: Look) -> Self {
        let mut lines = Vec::new();
        for (race, mark) in races.iter().zip('A'..='Z') {
            let shown = race.learners().filter(|l| look.series != Series::Gap || l.tone != Tone::Dense);
            lines.extend(shown.map(|l| Line { label: format!("{mark} \u{b7} {}", l.name()), mark: Some(mark), ..line(&[race], l, look) }));
        }
        let epochs = races.iter().map(|r| r.epochs).max().unwrap_or(1).max(1);
        Self::around(lines, f64::from(epochs), look)
    }
    /// With axes that fit.
    fn around(lines: Vec<Line>, x_max: f64, look: Look) -> Self {
        let x = (look.zoom.0 * x_max, look.zoom.1 * x_max);
        let (y, y_step) = range(&lines, x, look);
        let x_step = nice_step(x.1 - x.0, 6);
        Self { look, lines, x_max, x, y, y_step, x_step: if look.flops || x.1 - x.0 < 3.0 { x_step } else { x_step.max(1.0) } }
    }
    /// How many points there are.
    pub fn count(&self) -> usize {
        self.lines.iter().map(|l| l.points.len()).sum()
    }
    /// The place on the x axis under a share of the drawing's width.
    pub fn x_at(&self, share: f64) -> f64 {
        self.x.0 + share.clamp(0.0, 1.0) * (self.x.1 - self.x.0)
    }
    /// The zoom that shows these two places and what lies between.
    pub fn zoom_to(&self, a: f64, b: f64) -> (f64, f64) {
        ((a.min(b) / self.x_max).max(0.0), (a.max(b) / self.x_max).min(1.0))
    }
    fn to_x(&self, x: f64, width: f64) -> f64 {
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0).max(1e-12) * (width - LEFT - RIGHT)
    }
    fn to_y(&self, y: f64, width: f64) -> f64 {
        let scale = |v: f64| if self.look.log { v.max(1e-6).log10() } else { v };
        let (low, high) = (scale(self.y.0), scale(self.y.1));
        TOP + (high - scale(y)) / (high - low).max(1e-9) * (height(width) - TOP - BOTTOM)
    }
    fn x_label(&self, x: f64) -> String {
        match self.look.flops {
            true if x == 0.0 => "0".into(),
            true => figures::flops(x),
            false => format!("{x:.*}", usize::from(self.x_step < 1.0)),
        }
    }
    fn y_label(&self, y: f64) -> String {
        match self.look.series {
            Series::Loss if self.look.log => figures::three(y),
            Series::Loss => format!("{y:.*}", if self.y_step < 0.1 { 2 } else { 1 }),
            Series::Gap => format!("{:+.*}", usize::from(self.y_step < 0.01), y * 100.0),
            _ => format!("{:.*}%", usize::from(self.y_step > 0.0 && self.y_step < 0.01), y * 100.0),
        }
    }
    fn y_ticks(&self) -> Vec<f64> {
        if !self.look.log {
            return ticks(self.y.0, self.y.1, self.y_step);
        }
        let mut at = 10f64.powf(self.y.0.log10().floor());
        let mut out = Vec::new();
        while at <= self.y.1 && out.len() < 30 {
            out.extend([1.0, 2.0, 5.0].map(|m| m * at).into_iter().filter(|v| (self.y.0..=self.y.1).contains(v)));
            at *= 10.0;
        }
        out
    }
    /// Every x that has a point, for the keys.
    pub fn stops(&self) -> Vec<f64> {
        let inside = |x: &f64| (self.x.0..=self.x.1).contains(x);
        let all: Vec<f64> = self.lines.iter().flat_map(|l| l.points.iter().map(|p| p.0)).filter(inside).collect();
        let mut stops: Vec<f64> = argsort(all.iter().map(|x| ascending(*x))).into_iter().map(|i| all[i as usize]).collect();
        stops.dedup();
        stops
    }
    /// In a sentence.
    pub fn summary(&self) -> String {
        let against = if self.look.flops { "training FLOPs" } else { "epochs" };
        format!(
            "{} against {against}. Arrow keys move the reading, plus and minus zoom; the table below has the numbers.",
            self.look.series.about()
        )
    }

    /// The whole `<svg>` for a drawing of this width, with a reading at `cross`.
    pub fn svg(&self, width: f64, cross: Option<f64>) -> String {
        let high = height(width);
        format!("<svg viewBox=\"0 0 {width} {high}\" height=\"{high}\" aria-hidden=\"true\">{}</svg>", self.drawing(width, cross))
    }

    /// What stands inside the `<svg>`, for a drawing of this width, with a reading at `cross`.
    fn drawing(&self, width: f64, cross: Option<f64>) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        for y in self.y_ticks() {
            let at = self.to_y(y, width);
            let _ = write!(out, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>", width - RIGHT);
            plot::text(&mut out, LEFT - 8.0, at + 4.0, "end", &self.y_label(y));
        }
        for x in ticks((self.x.0 / self.x_step).ceil() * self.x_step, self.x.1, self.x_step) {
            let at = self.to_x(x, width);
            let anchor = if self.look.flops && at > width - 40.0 { "end" } else { "middle" };
            plot::text(&mut out, at, height(width) - 8.0, anchor, &self.x_label(x));
        }
        // What lies outside a zoomed part is cut off.
        let _ = write!(
            out,
            "<svg x=\"{LEFT}\" y=\"0\" width=\"{w:.1}\" height=\"{h:.1}\" viewBox=\"{LEFT} 0 {w:.1} {h:.1}\" class=\"lines\">",
            w = width - LEFT,
            h = height(width)
        );
        // Controls first, so that the race itself lies on top.
        for control in [true, false] {
            for line in self.lines.iter().filter(|l| l.control == control) {
                self.draw(&mut out, line, width);
            }
        }
        if let Some(x) = cross {
            let at = self.to_x(x, width);
            let _ = write!(out, "<line class=\"cross\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>", height(width) - BOTTOM);
            for line in &self.lines {
                if let Some((px, py)) = nearest(&line.points, x) {
                    dot(&mut out, line, self.to_x(px, width), self.to_y(py, width));
                }
            }
        }
        out.push_str("</svg>");
        out
    }
    fn draw(&self, out: &mut String, line: &Line, width: f64) {
        if !line.band.is_empty() {
            let place = |(i, high): (usize, bool)| {
                let (low, top) = line.band[i];
                (self.to_x(line.points[i].0, width), self.to_y(if high { top } else { low }, width))
            };
            let _ = write!(out, "<path class=\"band {}\" d=\"", line.tone.class());
            let count = line.points.len();
            path(out, (0..count).map(|i| (i, true)).chain((0..count).rev().map(|i| (i, false))).map(place));
            out.push_str("Z\"/>");
        }
        let _ = write!(out, "<path class=\"{}\" d=\"", line_class(line));
        path(out, line.points.iter().map(|(x, y)| (self.to_x(*x, width), self.to_y(*y, width))));
        out.push_str("\"/>");
        if let Some((x, y)) = line.points.last() {
            dot(out, line, self.to_x(*x, width), self.to_y(*y, width));
        }
        // A letter has its own place on the way, so that those of lines with one end stay apart. Controls are told by their thin lines.
        if let Some(mark) = line.mark.filter(|_| !line.control) {
            let back = 2 + 2 * (mark as usize - 'A' as usize) + usize::from(line.tone != Tone::Dense);
            if let Some((x, y)) = line.points.get(line.points.len().saturating_sub(back)) {
                let (x, y) = (self.to_x(*x, width), self.to_y(*y, width));
                let _ = write!(
                    out,
                    "<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\"/><text class=\"mark {}\" x=\"{x:.1}\" y=\"{:.1}\">{mark}</text>",
                    line.tone.class(),
                    y + 4.5
                );
            }
        }
    }

    /// A drawing of its own, to keep: with its colours, its title and its key.
    pub fn document(&self, width: f64, title: &str) -> String {
        let (high, room) = (height(width), 24.0 + 18.0 * self.lines.len() as f64);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{:.0}\" viewBox=\"0 -24 {width} {:.0}\"><style>{STYLE}</style>\
             <rect x=\"0\" y=\"-24\" width=\"100%\" height=\"100%\" fill=\"#fffefb\"/><text class=\"title\" x=\"8\" y=\"-6\">{}</text>",
            high + room + 24.0,
            high + room + 24.0,
            escape(title)
        );
        out.push_str(&self.drawing(width, None));
        for (i, line) in self.lines.iter().enumerate() {
            let y = high + 12.0 + 18.0 * i as f64;
            let _ = write!(out, "<line class=\"{}\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>", line_class(line), LEFT + 26.0);
            let value = line.points.last().map(|p| self.look.series.show(p.1)).unwrap_or_default();
            plot::text(&mut out, LEFT + 34.0, y + 4.0, "start", &format!("{} {value}", line.label));
        }
        out.push_str("</svg>");
        out
    }

    /// Who is which line, with the value at the reading or the latest.
    pub fn key(&self, cross: Option<f64>) -> String {
        let mut out = String::new();
        for line in &self.lines {
            let point = cross.map_or_else(|| line.points.last().copied(), |x| nearest(&line.points, x));
            let _ = write!(
                out,
                "<li><svg width=\"26\" height=\"8\" aria-hidden=\"true\"><line class=\"{}\" x1=\"1\" x2=\"25\" y1=\"4\" y2=\"4\"/></svg><span>{}</span><b>{}</b></li>",
                line_class(line),
                escape(&line.label),
                point.map(|p| self.look.series.show(p.1)).unwrap_or_default()
            );
        }
        let place = cross.map(|x| if self.look.flops { format!("at {}", figures::flops(x)) } else { format!("at epoch {x:.1}") });
        let _ = write!(out, "<li class=\"place\">{}</li>", place.unwrap_or_default());
        out
    }
}

fn ticks(low: f64, high: f64, step: f64) -> Vec<f64> {
    let count = ((high - low) / step + 1e-6).floor().clamp(0.0, 50.0) as usize;
    (0..=count).map(|i| low + i as f64 * step).collect()
}

fn path(out: &mut String, points: impl Iterator<Item = (f64, f64)>) {
    for (i, (x, y)) in points.enumerate() {
        let _ = write!(out, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
    }
}

fn dot(out: &mut String, line: &Line, x: f64, y: f64) {
    let _ = write!(
        out,
        "<circle class=\"dot {}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\"/>",
        line.tone.class(),
        if line.control { 2.0 } else { 3.5 }
    );
}

fn line_class(line: &Line) -> String {
    format!("line {}{}", line.tone.class(), if line.control { " control" } else { "" })
}

fn nearest(points: &[(f64, f64)], x: f64) -> Option<(f64, f64)> {
    points.iter().copied().min_by(|a, b| (a.0 - x).abs().total_cmp(&(b.0 - x).abs()))
}

/// The colours of a drawing that leaves the page; those of the light page.
const STYLE: &str = "text{font:12px sans-serif;fill:#5b616a}.title{font-size:14px;font-weight:600;fill:#1b1f24}.grid{stroke:#dfdbd1}\
.line{fill:none;stroke:var(--t);stroke-width:2.25}.line.control{stroke-width:1.25;opacity:.6}.dot{fill:var(--t);stroke:#fffefb}.band{fill:var(--t);opacity:.14}\
.dense{--t:#3451c6;stroke-dasharray:7 4.5}.sparse{--t:#c8410b}.third{--t:#1f7a3d;stroke-dasharray:10 3.5 2 3.5}.fourth{--t:#8a3aa8;stroke-dasharray:2 3.5}.dot{stroke-dasharray:none}";

/// The numbers of the completed epochs, latest first.
pub fn table(race: &Race, series: Series, caption: &str) -> String {
    let learners: Vec<Learner> = race.learners().collect();
    let names: Vec<String> = learners.iter().map(Learner::name).collect();
    let heads: Vec<&str> = ["Epoch", "Learning rate"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let last = learners.iter().map(|l| l.epochs_done()).max().unwrap_or(0);
    let value = |l: &Learner, epoch| match series {
        Series::Gap => Some(l.value(epoch, race.deciding().into())? - race.dense()?.value(epoch, race.deciding().into())?),
        _ => l.value(epoch, series),
    };
    let rows: Vec<Vec<String>> = (1..=last)
        .rev()
        .map(|epoch| {
            let lr = learners.iter().find_map(|l| l.epochs.iter().find(|e| e.epoch == epoch).map(|e| e.lr));
            let cells = learners.iter().map(|l| value(l, epoch).map_or_else(|| "\u{2013}".into(), |v| series.show(v)));
            [epoch.to_string(), lr.map(|lr| lr.to_string()).unwrap_or_default()].into_iter().chain(cells).collect()
        })
        .collect();
    plot::table(caption, &heads, &rows)
}

/// Accuracy by difficulty at the last evaluation, easiest bin first; `None` where the test set has no bins.
pub fn bins(race: &Race, caption: &str) -> Option<(String, String)> {
    let scores = |l: &Learner| l.latest().map(|scores| scores.by_hardness.bins.clone()).unwrap_or_default();
    let binned: Vec<Learner> = race.learners().filter(|l| !scores(l).is_empty()).collect();
    let count = binned.iter().map(|l| scores(l).len()).max()?;
    let classes: Vec<String> =
        binned.iter().map(|l| format!("{}{}", l.tone.class(), if l.info.control { " control" } else { "" })).collect();
    let lines: Vec<(&str, Vec<(f64, f64)>)> = binned
        .iter()
        .zip(&classes)
        .map(|(l, class)| (class.as_str(), scores(l).iter().enumerate().map(|(i, s)| (i as f64 + 1.0, s.accuracy)).collect()))
        .collect();
    let names: Vec<String> = binned.iter().map(|l| l.name()).collect();
    let heads: Vec<&str> = ["Bin"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let row = |i: usize| {
        let cells = binned.iter().map(|l| scores(l).get(i).map_or_else(|| "\u{2013}".into(), |s| figures::percent(s.accuracy)));
        [(i + 1).to_string()].into_iter().chain(cells).collect()
    };
    Some((plot::lines(caption, count as f64, &lines), plot::table(caption, &heads, &(0..count).map(row).collect::<Vec<_>>())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::race::tests::{epoch_end, info, started};
    use sparring_core::events::Event;

    fn race(hard: [f64; 2]) -> Race {
        let mut race = started(vec![info("dense", false), info("set@0.2", false)]);
        for epoch in 1..=2 {
            for (learner, hard) in hard.into_iter().enumerate() {
                race.apply(&epoch_end(learner, epoch, hard + 0.1 * f64::from(epoch - 1), 100));
            }
        }
        race
    }

    #[test]
    fn lines_go_through_their_points_and_the_axes_fit_them() {
        let race = race([0.4, 0.5]);
        let figure = Figure::of(&[&race], Look::at(Series::Hard), 2);
        assert_eq!((figure.count(), figure.x, figure.y), (4, (0.0, 2.0), (0.4, 0.6000000000000001)));
        let svg = figure.drawing(458.0, Some(1.0));
        // 400 units for two epochs: the first is in the middle; 0.4 is the bottom of 240 - 36 units.
        assert!(svg.contains("<path class=\"line dense\" d=\"M246.0 214.0L446.0 112.0\"/>"), "{svg}");
        assert!(svg.contains("class=\"cross\" x1=\"246.0\"") && svg.contains(">50%</text>"), "{svg}");
        assert!(figure.key(Some(1.0)).contains("<b>50.0%</b>") && figure.key(None).contains("<b>60.0%</b>"));
        assert_eq!(figure.stops(), [1.0, 2.0]);
    }

    #[test]
    fn the_gap_is_sparse_minus_dense() {
        let figure = Figure::of(&[&race([0.4, 0.45])], Look::at(Series::Gap), 2);
        assert_eq!(figure.lines.len(), 1);
        assert!((figure.lines[0].points[1].1 - 0.05).abs() < 1e-12);
        assert!(figure.key(None).contains("+5.0"), "{}", figure.key(None));
        assert!(table(&race([0.4, 0.45]), Series::Gap, "t").contains("+5.0"));
    }

    #[test]
    fn seeds_make_a_band_around_their_mean() {
        let (a, b) = (race([0.4, 0.5]), race([0.2, 0.7]));
        let figure = Figure::of(&[&a, &b], Look::at(Series::Hard), 2);
        assert!((figure.lines[0].points[0].1 - 0.3).abs() < 1e-12);
        assert_eq!((figure.lines[0].band[0], figure.lines[1].band[0]), ((0.2, 0.4), (0.5, 0.7)));
        assert!(figure.drawing(458.0, None).contains("<path class=\"band dense\""));
    }

    #[test]
    fn a_zoomed_chart_shows_its_part_and_scales_to_it() {
        let race = race([0.4, 0.5]);
        let whole = Figure::of(&[&race], Look::at(Series::Hard), 2);
        let zoom = whole.zoom_to(2.0, 1.5);
        assert_eq!(zoom, (0.75, 1.0));
        let figure = Figure::of(&[&race], Look { zoom, ..Look::at(Series::Hard) }, 2);
        assert_eq!((figure.x, figure.stops()), ((1.5, 2.0), vec![2.0]));
        assert!(figure.y.0 >= 0.5 - 1e-9, "what is outside does not count: {:?}", figure.y);
    }

    #[test]
    fn a_log_axis_has_ticks_at_round_numbers() {
        let figure = Figure::of(&[], Look { log: true, ..Look::at(Series::Loss) }, 2);
        let ticks = figure.y_ticks();
        assert!(ticks.iter().any(|t| (t - 1.0).abs() < 1e-9) && ticks.iter().any(|t| (t - 0.2).abs() < 1e-9), "{ticks:?}");
        assert!((figure.to_y(0.2, 640.0) - figure.to_y(0.4, 640.0) - (figure.to_y(1.0, 640.0) - figure.to_y(2.0, 640.0))).abs() < 1e-9);
    }

    #[test]
    fn smoothing_follows_slowly_and_keeps_what_is_level() {
        assert_eq!(smoothed(vec![(0.0, 1.0), (1.0, 3.0)], 0.5), [(0.0, 1.0), (1.0, 2.0)]);
        assert_eq!(smoothed(vec![(0.0, 2.0), (1.0, 2.0)], 0.9), [(0.0, 2.0), (1.0, 2.0)]);
    }

    #[test]
    fn runs_in_one_drawing_have_their_letters() {
        let races = [race([0.4, 0.5]), race([0.3, 0.7])];
        let figure = Figure::overlaid(&races, Look::at(Series::Hard));
        assert_eq!(figure.count(), 8);
        let key = figure.key(None);
        assert!(key.contains("A \u{b7} Dense") && key.contains("B \u{b7} SET 0.2</span><b>80.0%"), "{key}");
        let svg = figure.drawing(458.0, None);
        assert!(["A", "B"].iter().all(|l| svg.matches(&format!(">{l}</text>")).count() == 2), "{svg}");
        assert_eq!(Figure::overlaid(&races, Look::at(Series::Gap)).lines.len(), 2);
        assert_eq!(Figure::overlaid(&[], Look::at(Series::Hard)).count(), 0);
    }

    #[test]
    fn a_kept_drawing_stands_alone() {
        let document = Figure::of(&[&race([0.4, 0.5])], Look::at(Series::Hard), 2).document(640.0, "A <b> title");
        assert!(document.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && document.ends_with("</svg>"));
        assert!(document.contains("A &lt;b> title") && document.contains(">SET 0.2 60.0%</text>"), "{document}");
        assert_eq!(document.matches("<svg").count(), document.matches("</svg>").count());
    }

    #[test]
    fn bins_are_drawn_where_there_are_any() {
        assert_eq!(bins(&race([0.4, 0.5]), "b"), None);
        let mut race = race([0.4, 0.5]);
        let score = |accuracy| sparring_core::events::Score { loss: 1.0, accuracy, samples: 10 };
        let mut end = epoch_end(0, 3, 0.5, 100);
        if let Event::EpochEnd { scores, .. } = &mut end {
            scores.by_hardness.bins = vec![score(0.9), score(0.3)];
        }
        race.apply(&end);
        let (svg, table) = bins(&race, "b").unwrap();
        assert!(svg.contains("class=\"line dense\"") && table.contains("30.0%"), "{table}");
    }
}
