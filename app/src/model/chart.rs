//! The chart of a race: which lines are shown, over epochs or FLOPs, with which axes, and the key and the table behind them.
//!
//! How they are drawn is the business of `sparring_figures`. The drawing is text: it is made anew ten times a second, and is also what is
//! exported.

use sparring_core::argsort::{argsort, ascending};
use sparring_figures::bars::shares;
use sparring_figures::chart::{Axes, Frame};
use sparring_figures::scale::Scale;
use sparring_figures::svg::{Anchor, Svg, line_sample};
use sparring_figures::{Tone, number};

use crate::model::race::{Curve, LearnerView, Race};
use crate::words::ring as words;

/// Room beside the drawing for the numbers of the axes.
pub const LEFT: f64 = 54.0;
/// Room at its other side.
pub const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;

/// Half as high as wide, within what a phone and a desk can show beside the controls.
fn height(width: f64) -> f64 {
    (width * 0.32).clamp(240.0, 360.0)
}

/// A line of the chart in words.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyItem {
    /// A sample of it, as SVG.
    pub sample: String,
    /// Whose it is.
    pub label: String,
    /// What it is where the chart is read; empty where it is nothing.
    pub value: String,
}

/// The numbers behind a drawing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// The heads of the columns.
    pub columns: Vec<String>,
    /// The rows, a cell for each column.
    pub rows: Vec<Vec<String>>,
}

/// How the chart is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// What is drawn.
    pub series: Curve,
    /// The x axis counts training FLOPs, not epochs.
    pub flops: bool,
    /// Equal factors are equal distances on the y axis.
    pub log: bool,
    /// How much of a live point its predecessors decide, in 0..1.
    pub smooth: f64,
    /// The part of the x axis that is shown, as shares of it.
    pub zoom: (f64, f64),
}

impl View {
    /// All of a series, as it is.
    pub fn at(series: Curve) -> Self {
        Self { series, flops: false, log: false, smooth: 0.0, zoom: (0.0, 1.0) }
    }
    /// A difference can be below zero, which no logarithmic axis has.
    fn is_log(&self) -> bool {
        self.log && self.series != Curve::Gap
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
    /// The point that the key is of: the latest one, and of what is measured after epochs that of the last epoch that all have done, as the
    /// big numbers are.
    told: Option<usize>,
}

/// Everything that is drawn, in data units.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    view: View,
    lines: Vec<Line>,
    /// The end of all of the x axis.
    x_max: f64,
    x: Scale,
    y: Scale,
}

/// Values of a learner's series after epochs, less those of `base`.
fn evaluated(learner: &LearnerView, series: Curve, base: Option<&LearnerView>) -> Vec<(f64, f64)> {
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
fn line<'a>(races: &[&'a Race], learner: LearnerView<'a>, view: View) -> Line {
    let label = learner.name();
    let same = |race: &&'a Race| race.learners().find(|l| l.name() == label);
    let all: Vec<(&'a Race, LearnerView<'a>)> = races.iter().filter_map(|r| Some((*r, same(r)?))).collect();
    let of = |(race, l): &(&Race, LearnerView)| match view.series {
        Curve::Train | Curve::Loss => smoothed(l.points(view.series), view.smooth),
        Curve::Gap => race.dense().map(|dense| evaluated(l, race.deciding().into(), Some(&dense))).unwrap_or_default(),
        series => evaluated(l, series, None),
    };
    let live = matches!(view.series, Curve::Train | Curve::Loss);
    let far = races.iter().filter_map(|race| race.common_epoch()).max().map(f64::from);
    let (mut points, mut band) = (all.last().map(of).unwrap_or_default(), Vec::new());
    if all.len() > 1 && !live {
        // At the end those count that the big numbers are of: all whose learners are as far as the furthest.
        let counts = |race: &Race, x: f64| far.is_none_or(|far| x < far) || race.common_epoch().is_some_and(|epoch| f64::from(epoch) >= x);
        let each: Vec<Vec<(f64, f64)>> = all.iter().map(|both| of(both).into_iter().filter(|p| counts(both.0, p.0)).collect()).collect();
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
    let common = far.filter(|_| !live && learner.failed.is_none());
    let told = points.iter().rposition(|p| common.is_none_or(|far| p.0 <= far));
    if view.flops {
        points.iter_mut().for_each(|p| p.0 = learner.flops_at(p.0));
    }
    Line { tone: learner.tone, control: learner.info.control, label, mark: None, points, band, told }
}

/// The y axis that fits what is seen of the lines.
fn y_axis(lines: &[Line], x: Scale, view: View) -> Scale {
    let seen = |l: &Line| {
        let at = |i: usize| l.band.get(i).copied().unwrap_or((l.points[i].1, l.points[i].1));
        (0..l.points.len())
            .filter(|i| (x.low()..=x.high()).contains(&l.points[*i].0))
            .map(at)
            .filter(|(low, high)| low.is_finite() && high.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)))
    };
    let (low, high) = lines.iter().map(seen).fold((f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    let known = low.is_finite();
    let log = view.is_log();
    let (low, high) = match view.series {
        Curve::Loss if known => (if log { low.max(1e-4) } else { 0.0 }, high.max(low + 0.1)),
        Curve::Loss => (if log { 0.1 } else { 0.0 }, 2.5),
        Curve::Gap if known => (low.min(-0.01), high.max(0.01)),
        Curve::Gap => (-0.1, 0.1),
        _ if known => (low, high.max(low + 0.1)),
        _ => (0.0, 1.0),
    };
    if log {
        return Scale::log(low.max(1e-3) * 0.9, high * 1.1);
    }
    let scale = Scale::rounded(low, high, 5);
    if matches!(view.series, Curve::Loss | Curve::Gap) { scale } else { scale.within(0.0, 1.0) }
}

impl Figure {
    /// The races of several seeds, the one that is shown last; `epochs` to go.
    pub fn of(races: &[&Race], view: View, epochs: u32) -> Self {
        let learners = || races.last().into_iter().flat_map(|r| r.learners());
        let shown = learners().filter(|l| view.series != Curve::Gap || l.tone != Tone::Dense);
        let lines: Vec<Line> = shown.map(|l| line(races, l, view)).collect();
        let end = f64::from(epochs.max(1));
        let x_max = if view.flops { learners().map(|l| l.flops_at(f64::from(epochs))).fold(1.0, f64::max) } else { end };
        Self::around(lines, x_max, view)
    }
    /// Several runs in one drawing, over epochs; the lines of each end in its letter.
    pub fn overlaid(races: &[Race], view: View) -> Self {
        let mut lines = Vec::new();
        for (race, mark) in races.iter().zip('A'..='Z') {
            let shown = race.learners().filter(|l| view.series != Curve::Gap || l.tone != Tone::Dense);
            lines.extend(shown.map(|l| Line { label: format!("{mark} \u{b7} {}", l.name()), mark: Some(mark), ..line(&[race], l, view) }));
        }
        let epochs = races.iter().map(|r| r.epochs).max().unwrap_or(1).max(1);
        Self::around(lines, f64::from(epochs), view)
    }
    /// With axes that fit.
    fn around(lines: Vec<Line>, x_max: f64, view: View) -> Self {
        let x = Scale::linear(view.zoom.0 * x_max, view.zoom.1 * x_max, 6);
        let x = if view.flops || x.high() - x.low() < 3.0 { x } else { x.whole() };
        Self { view, x_max, x, y: y_axis(&lines, x, view), lines }
    }
    /// How many points there are.
    pub fn count(&self) -> usize {
        self.lines.iter().map(|l| l.points.len()).sum()
    }
    /// The place on the x axis under a share of the drawing's width.
    pub fn x_at(&self, share: f64) -> f64 {
        self.x.value(share.clamp(0.0, 1.0))
    }
    /// The zoom that shows these two places and what lies between.
    pub fn zoom_to(&self, a: f64, b: f64) -> (f64, f64) {
        ((a.min(b) / self.x_max).max(0.0), (a.max(b) / self.x_max).min(1.0))
    }
    fn axes(&self, width: f64) -> Axes {
        let frame = Frame { width, height: height(width), left: LEFT, right: RIGHT, top: TOP, bottom: BOTTOM, glyph: Frame::GLYPH };
        Axes { frame, x: self.x, y: self.y }
    }
    fn x_label(&self, x: f64) -> String {
        match self.view.flops {
            true => self.x.si(x, "FLOP"),
            // The first one says what is counted.
            false if x == 0.0 => words::EPOCH_0.to_owned(),
            false => self.x.label(x),
        }
    }
    fn y_label(&self, y: f64) -> String {
        match self.view.series {
            Curve::Loss => self.y.label(y),
            Curve::Gap if y == 0.0 => "0".into(),
            Curve::Gap => number::points(y, self.y.decimals().saturating_sub(2)),
            _ => self.y.percent(y),
        }
    }
    /// Every x that has a point, for the keys.
    pub fn stops(&self) -> Vec<f64> {
        let inside = |x: &f64| (self.x.low()..=self.x.high()).contains(x);
        let all: Vec<f64> = self.lines.iter().flat_map(|l| l.points.iter().map(|p| p.0)).filter(inside).collect();
        let mut stops: Vec<f64> = argsort(all.iter().map(|x| ascending(*x))).into_iter().map(|i| all[i as usize]).collect();
        stops.dedup();
        stops
    }
    /// In a sentence.
    pub fn summary(&self) -> String {
        let against = if self.view.flops { "training FLOPs" } else { "epochs" };
        format!(
            "{} against {against}. Arrow keys move the reading, plus and minus zoom; the table below has the numbers.",
            self.view.series.about()
        )
    }

    /// The whole `<svg>` for a drawing of this width, with a reading at `cross`.
    pub fn svg(&self, width: f64, cross: Option<f64>) -> String {
        let mut svg = Svg::of_height(width, height(width));
        self.draw(&mut svg, width, cross);
        svg.finish()
    }

    fn draw(&self, svg: &mut Svg, width: f64, cross: Option<f64>) {
        let axes = self.axes(width);
        axes.rules(svg, |y| self.y_label(y));
        axes.feet(svg, |x| self.x_label(x));
        // What lies outside a zoomed part is cut off.
        axes.clipped(svg, |svg| {
            // Controls first, so that the race itself lies on top.
            for control in [true, false] {
                self.lines.iter().filter(|l| l.control == control).for_each(|line| line.draw(svg, &axes));
            }
            if let Some(x) = cross {
                let at = axes.x(x);
                svg.line("cross", (at, TOP), (at, axes.frame.end().1));
                for line in &self.lines {
                    if let Some(point) = nearest(&line.points, x) {
                        line.dot(svg, &axes, point);
                    }
                }
            }
        });
    }

    /// A drawing of its own, to keep: with its colours, its title, its key, and where it is from.
    pub fn document(&self, width: f64, title: &str, from: &str) -> String {
        const LINE: f64 = 18.0;
        let high = height(width);
        let title = format!("{title}: {}", self.view.series.about());
        let mut svg = Svg::document(width, high + 24.0 + LINE * self.lines.len() as f64, &title);
        svg.text("tick", (width - RIGHT, high + 16.0), Anchor::End, from);
        self.draw(&mut svg, width, None);
        for (i, line) in self.lines.iter().enumerate() {
            let y = high + 12.0 + LINE * i as f64;
            svg.line(&format!("line {}", line.classes()), (LEFT, y), (LEFT + 26.0, y));
            svg.text("tick", (LEFT + 34.0, y + 4.0), Anchor::Start, &format!("{} {}", line.label, self.shown(line.points.last().copied())));
        }
        svg.finish()
    }

    /// Who is which line, with the value at the reading, or where there is none as it stands.
    pub fn key(&self, cross: Option<f64>) -> Vec<KeyItem> {
        let item = |line: &Line| {
            let point = cross.map_or_else(|| line.points.get(line.told?).copied(), |x| nearest(&line.points, x));
            KeyItem { sample: line_sample(&line.classes()), label: line.label.clone(), value: self.shown(point) }
        };
        self.lines.iter().map(item).collect()
    }
    /// Where the reading is, in words; empty where there is none.
    pub fn place(&self, cross: Option<f64>) -> String {
        let place = |x| if self.view.flops { format!("at {}", number::flops(x)) } else { format!("at epoch {x:.1}") };
        cross.map(place).unwrap_or_default()
    }
    /// The value of a point.
    fn shown(&self, point: Option<(f64, f64)>) -> String {
        point.map(|p| self.view.series.show(p.1)).unwrap_or_default()
    }
}

impl Line {
    fn classes(&self) -> String {
        self.tone.classes(self.control)
    }
    fn dot(&self, svg: &mut Svg, axes: &Axes, point: (f64, f64)) {
        axes.dot(svg, self.tone.class(), point, if self.control { 2.5 } else { 3.5 });
    }
    fn draw(&self, svg: &mut Svg, axes: &Axes) {
        let band: Vec<_> = self.points.iter().zip(&self.band).map(|((x, _), (low, high))| (*x, *low, *high)).collect();
        axes.band(svg, self.tone.class(), &band);
        axes.line(svg, &self.classes(), &self.points);
        if let Some(last) = self.points.last() {
            self.dot(svg, axes, *last);
        }
        // A letter has its own place on the way, so that those of lines with one end stay apart. Controls are told by their thin lines.
        if let Some(mark) = self.mark.filter(|_| !self.control) {
            let back = 2 + 2 * (mark as usize - 'A' as usize) + usize::from(self.tone != Tone::Dense);
            if let Some((x, y)) = self.points.get(self.points.len().saturating_sub(back)) {
                let (x, y) = (axes.x(*x), axes.y(*y));
                svg.circle("mark", (x, y), 8.0, "");
                svg.text(&format!("mark {}", self.tone.class()), (x, y + 4.5), Anchor::Middle, &mark.to_string());
            }
        }
    }
}

fn nearest(points: &[(f64, f64)], x: f64) -> Option<(f64, f64)> {
    points.iter().copied().min_by(|a, b| (a.0 - x).abs().total_cmp(&(b.0 - x).abs()))
}

/// The numbers of the completed epochs, latest first.
pub fn table(race: &Race, series: Curve) -> Numbers {
    let learners: Vec<LearnerView> = race.learners().collect();
    let columns = ["Epoch".to_owned(), "Learning rate".to_owned()].into_iter().chain(learners.iter().map(LearnerView::name)).collect();
    let last = learners.iter().map(|l| l.epochs_done()).max().unwrap_or(0);
    let value = |l: &LearnerView, epoch| match series {
        Curve::Gap => Some(l.value(epoch, race.deciding().into())? - race.dense()?.value(epoch, race.deciding().into())?),
        _ => l.value(epoch, series),
    };
    let row = |epoch| {
        let lr = learners.iter().find_map(|l| l.epochs.iter().find(|e| e.epoch == epoch).map(|e| e.lr));
        let cells = learners.iter().map(|l| value(l, epoch).map_or_else(|| "\u{2013}".into(), |v| series.show(v)));
        [epoch.to_string(), lr.map(|lr| lr.to_string()).unwrap_or_default()].into_iter().chain(cells).collect()
    };
    Numbers { columns, rows: (1..=last).rev().map(row).collect() }
}

/// Accuracy by difficulty at the last evaluation, easiest bin first, as a drawing and as numbers; `None` where the test set has no bins.
pub fn bins(race: &Race, caption: &str) -> Option<(String, Numbers)> {
    let scores = |l: &LearnerView| l.latest().map(|scores| scores.by_hardness.bins.clone()).unwrap_or_default();
    let binned: Vec<LearnerView> = race.learners().filter(|l| !scores(l).is_empty()).collect();
    let count = binned.iter().map(|l| scores(l).len()).max()?;
    let classes: Vec<String> = binned.iter().map(|l| l.tone.classes(l.info.control)).collect();
    let lines: Vec<(&str, Vec<(f64, f64)>)> = binned
        .iter()
        .zip(&classes)
        .map(|(l, class)| (class.as_str(), scores(l).iter().enumerate().map(|(i, s)| (i as f64 + 1.0, s.accuracy)).collect()))
        .collect();
    let columns = ["Bin".to_owned()].into_iter().chain(binned.iter().map(|l| l.name())).collect();
    let row = |i: usize| -> Vec<String> {
        let cells = binned.iter().map(|l| scores(l).get(i).map_or_else(|| "\u{2013}".into(), |s| number::percent(s.accuracy, 1)));
        [(i + 1).to_string()].into_iter().chain(cells).collect()
    };
    Some((shares(caption, (1.0, count as f64), &lines), Numbers { columns, rows: (0..count).map(row).collect() }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::model::race::tests::{epoch_end, info, started};
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
        let figure = Figure::of(&[&race], View::at(Curve::Hard), 2);
        assert_eq!((figure.count(), figure.x.high(), figure.y.low(), figure.y.high()), (4, 2.0, 0.4, 0.6));
        let svg = figure.svg(466.0, Some(1.0));
        // 400 units for two epochs: the first is in the middle; 0.4 is the bottom, the height of the axis is 240 - 26.
        assert!(svg.contains("<path class=\"line dense\" d=\"M254 214L454 112\"/>"), "{svg}");
        assert!(svg.contains("class=\"cross\" x1=\"254\"") && svg.contains(">50%</text>"), "{svg}");
        let values = |cross| figure.key(cross).into_iter().map(|item| item.value).collect::<Vec<_>>();
        assert_eq!((values(Some(1.0)), values(None)), (vec!["40.0%".into(), "50.0%".into()], vec!["50.0%".to_owned(), "60.0%".to_owned()]));
        assert_eq!((figure.place(Some(1.0)).as_str(), figure.place(None).as_str()), ("at epoch 1.0", ""));
        assert_eq!(figure.stops(), [1.0, 2.0]);
    }

    #[test]
    fn the_gap_is_sparse_minus_dense() {
        let figure = Figure::of(&[&race([0.4, 0.45])], View::at(Curve::Gap), 2);
        assert_eq!(figure.lines.len(), 1);
        assert!((figure.lines[0].points[1].1 - 0.05).abs() < 1e-12);
        assert_eq!(figure.key(None)[0].value, "+5.0");
        let numbers = table(&race([0.4, 0.45]), Curve::Gap);
        assert_eq!(numbers.columns, ["Epoch", "Learning rate", "Dense", "SET 0.2"]);
        assert_eq!(numbers.rows[0], ["2", "0.1", "+0.0", "+5.0"]);
    }

    #[test]
    fn the_key_says_what_the_big_numbers_say_while_one_is_ahead() {
        let mut race = race([0.4, 0.5]);
        race.apply(&epoch_end(0, 3, 0.9, 100));
        let values = |figure: &Figure| figure.key(None).into_iter().map(|item| item.value).collect::<Vec<_>>();
        let figure = Figure::of(&[&race], View::at(Curve::Hard), 3);
        assert_eq!(values(&figure), ["50.0%", "60.0%"], "both after epoch 2, though one has done 3");
        let by_work = Figure::of(&[&race], View { flops: true, ..View::at(Curve::Hard) }, 3);
        assert_eq!(values(&by_work), ["50.0%", "60.0%"]);
        race.apply(&epoch_end(1, 3, 0.8, 100));
        assert_eq!(values(&Figure::of(&[&race], View::at(Curve::Hard), 3)), ["90.0%", "80.0%"]);
    }

    #[test]
    fn seeds_make_a_band_around_their_mean() {
        let (a, b) = (race([0.4, 0.5]), race([0.2, 0.7]));
        let figure = Figure::of(&[&a, &b], View::at(Curve::Hard), 2);
        assert!((figure.lines[0].points[0].1 - 0.3).abs() < 1e-12);
        assert_eq!((figure.lines[0].band[0], figure.lines[1].band[0]), ((0.2, 0.4), (0.5, 0.7)));
        assert!(figure.svg(466.0, None).contains("<path class=\"band dense\""));
    }

    #[test]
    fn a_seed_counts_at_the_end_once_all_its_learners_are_there() {
        let (first, mut second) = (race([0.4, 0.5]), race([0.2, 0.7]));
        second.apply(&epoch_end(0, 3, 0.3, 100));
        let mut whole = first.clone();
        whole.apply(&epoch_end(0, 3, 0.9, 100));
        whole.apply(&epoch_end(1, 3, 0.8, 100));
        let values =
            |races: &[&Race]| Figure::of(races, View::at(Curve::Hard), 3).key(None).into_iter().map(|i| i.value).collect::<Vec<_>>();
        assert_eq!(values(&[&whole, &second]), ["90.0%", "80.0%"], "the second one's other learner is behind");
        second.apply(&epoch_end(1, 3, 0.6, 100));
        assert_eq!(values(&[&whole, &second]), ["60.0%", "70.0%"]);
    }

    #[test]
    fn a_zoomed_chart_shows_its_part_and_scales_to_it() {
        let race = race([0.4, 0.5]);
        let whole = Figure::of(&[&race], View::at(Curve::Hard), 2);
        let zoom = whole.zoom_to(2.0, 1.5);
        assert_eq!(zoom, (0.75, 1.0));
        let figure = Figure::of(&[&race], View { zoom, ..View::at(Curve::Hard) }, 2);
        assert_eq!((figure.x.low(), figure.x.high(), figure.stops()), (1.5, 2.0, vec![2.0]));
        assert!(figure.y.low() >= 0.5, "what is outside does not count: {:?}", figure.y);
    }

    #[test]
    fn a_loss_can_have_a_log_axis_and_a_difference_cannot() {
        let log = |series| Figure::of(&[], View { log: true, ..View::at(series) }, 2);
        let ticks = log(Curve::Loss).y.ticks();
        assert!(ticks.contains(&1.0) && ticks.contains(&0.2), "{ticks:?}");
        assert!(log(Curve::Gap).y.low() < 0.0);
    }

    #[test]
    fn smoothing_follows_slowly_and_keeps_what_is_level() {
        assert_eq!(smoothed(vec![(0.0, 1.0), (1.0, 3.0)], 0.5), [(0.0, 1.0), (1.0, 2.0)]);
        assert_eq!(smoothed(vec![(0.0, 2.0), (1.0, 2.0)], 0.9), [(0.0, 2.0), (1.0, 2.0)]);
    }

    #[test]
    fn runs_in_one_drawing_have_their_letters() {
        let races = [race([0.4, 0.5]), race([0.3, 0.7])];
        let figure = Figure::overlaid(&races, View::at(Curve::Hard));
        assert_eq!(figure.count(), 8);
        let key: Vec<(String, String)> = figure.key(None).into_iter().map(|item| (item.label, item.value)).collect();
        assert_eq!(key[0], ("A \u{b7} Dense".into(), "50.0%".into()));
        assert_eq!(key[3], ("B \u{b7} SET 0.2".into(), "80.0%".into()));
        let svg = figure.svg(466.0, None);
        assert!(["A", "B"].iter().all(|l| svg.matches(&format!(">{l}</text>")).count() == 2), "{svg}");
        assert_eq!(Figure::overlaid(&races, View::at(Curve::Gap)).lines.len(), 2);
        assert_eq!(Figure::overlaid(&[], View::at(Curve::Hard)).count(), 0);
    }

    #[test]
    fn a_kept_drawing_stands_alone() {
        let document = Figure::of(&[&race([0.4, 0.5])], View::at(Curve::Hard), 2).document(640.0, "A <b> title", "sparring.example");
        assert!(document.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && document.ends_with("</svg>"));
        assert!(document.contains("A &lt;b&gt; title") && document.contains(">SET 0.2 60.0%</text>"), "{document}");
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
        assert!(svg.contains("class=\"line dense\""), "{svg}");
        assert_eq!(
            (table.columns, table.rows),
            (vec!["Bin".into(), "Dense".into()], vec![vec!["1".into(), "90.0%".into()], vec!["2".into(), "30.0%".to_owned()]])
        );
    }
}
