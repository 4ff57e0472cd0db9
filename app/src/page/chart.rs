//! One chart with series chips: lines of every learner, a crosshair for pointer and keys, and the table behind it.
//!
//! Own SVG: it must redraw ten times a second, share colours and dashes with the rest, and stay small.

use leptos::{html, prelude::*};

use super::lab::Lab;
use crate::figures::{self, nice_step};
use crate::race::{Race, Series, Tone};

const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;

/// Half as high as wide, within what a phone and a desk can show beside the controls.
fn height(width: f64) -> f64 {
    (width * 0.52).clamp(240.0, 400.0)
}

/// What the x axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Against {
    Epochs,
    Flops,
}

#[derive(Clone, PartialEq)]
struct Line {
    tone: Tone,
    control: bool,
    label: String,
    points: Vec<(f64, f64)>,
}

/// Everything that is drawn, in data units.
#[derive(Clone, PartialEq)]
struct Figure {
    series: Series,
    against: Against,
    lines: Vec<Line>,
    x_max: f64,
    y: (f64, f64),
    y_step: f64,
    x_step: f64,
}

impl Figure {
    fn of(race: &Race, series: Series, against: Against, epochs: u32) -> Self {
        let lines: Vec<Line> = race
            .learners
            .iter()
            .map(|l| Line {
                tone: l.tone,
                control: l.info.control,
                label: l.name(),
                points: match against {
                    Against::Epochs => l.points(series),
                    Against::Flops => l.points(series).into_iter().map(|(x, y)| (l.flops_at(x), y)).collect(),
                },
            })
            .collect();
        let values = || lines.iter().flat_map(|l| l.points.iter().map(|p| p.1));
        let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), y| (a.min(y), b.max(y)));
        let accuracy = series != Series::Loss;
        let (low, high) = match (low.is_finite(), accuracy) {
            (true, true) => (low, high.max(low + 0.1)),
            (true, false) => (0.0, high.max(0.1)),
            (false, true) => (0.0, 1.0),
            (false, false) => (0.0, 2.5),
        };
        let y_step = nice_step(high - low, 5);
        let (bottom, top) = ((low / y_step).floor() * y_step, (high / y_step).ceil() * y_step);
        let y = if accuracy { (bottom.max(0.0), top.min(1.0)) } else { (bottom, top) };
        let x_max = match against {
            Against::Epochs => f64::from(epochs.max(1)),
            Against::Flops => race.learners.iter().map(|l| l.flops_at(f64::from(epochs))).fold(1.0, f64::max),
        };
        let x_step = match against {
            Against::Epochs => nice_step(x_max, 6).max(1.0),
            Against::Flops => nice_step(x_max, 5),
        };
        Self { series, against, lines, x_max, y, y_step, x_step }
    }
    fn to_x(&self, x: f64, width: f64) -> f64 {
        LEFT + x / self.x_max * (width - LEFT - RIGHT)
    }
    fn to_y(&self, y: f64, width: f64) -> f64 {
        let (low, high) = self.y;
        TOP + (high - y) / (high - low).max(1e-9) * (height(width) - TOP - BOTTOM)
    }
    fn path(&self, line: &Line, width: f64) -> String {
        let mut d = String::with_capacity(line.points.len() * 14);
        for (i, (x, y)) in line.points.iter().enumerate() {
            d.push(if i == 0 { 'M' } else { 'L' });
            d.push_str(&format!("{:.1} {:.1}", self.to_x(*x, width), self.to_y(*y, width)));
        }
        d
    }
    fn ticks(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
        let count = ((high - low) / step + 1e-6).floor().max(0.0) as usize;
        (0..=count.min(50)).map(move |i| low + i as f64 * step)
    }
    fn x_label(&self, x: f64) -> String {
        match self.against {
            Against::Epochs => format!("{x:.0}"),
            Against::Flops if x == 0.0 => "0".into(),
            Against::Flops => figures::flops(x),
        }
    }
    fn y_label(&self, y: f64) -> String {
        if self.series == Series::Loss { format!("{y:.*}", if self.y_step < 0.1 { 2 } else { 1 }) } else { format!("{:.0}%", y * 100.0) }
    }
    /// Every x that has a point, for the keys.
    fn stops(&self) -> Vec<f64> {
        let mut stops: Vec<f64> = self.lines.iter().flat_map(|l| l.points.iter().map(|p| p.0)).collect();
        stops.sort_by(f64::total_cmp);
        stops.dedup();
        stops
    }
    fn nearest(points: &[(f64, f64)], x: f64) -> Option<(f64, f64)> {
        points.iter().copied().min_by(|a, b| (a.0 - x).abs().total_cmp(&(b.0 - x).abs()))
    }
    fn count(&self) -> usize {
        self.lines.iter().map(|l| l.points.len()).sum()
    }
}

/// The width that the chart has on this screen, in CSS pixels.
fn measured_width(target: NodeRef<html::Div>) -> RwSignal<f64> {
    let width = RwSignal::new(640.0);
    let measure = move || {
        if let Some(element) = target.get_untracked() {
            let now = f64::from(element.client_width());
            if now > 0.0 && (now - width.get_untracked()).abs() > 0.5 {
                width.set(now);
            }
        }
    };
    Effect::new(move |_| {
        target.track();
        measure();
    });
    let on_resize = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || on_resize.remove());
    width
}

/// The chart, its chips, its key and its table.
#[component]
pub fn Chart() -> impl IntoView {
    let lab = Lab::get();
    let holder = NodeRef::<html::Div>::new();
    let width = measured_width(holder);
    let against = RwSignal::new(Against::Epochs);
    let cross = RwSignal::new(None::<f64>);
    let series = Memo::new(move |_| lab.series.get().unwrap_or_else(|| lab.race.with(Race::natural_series)));
    let figure = Memo::new(move |_| {
        lab.race.with(|race| {
            let epochs = if race.epochs > 0 { race.epochs } else { lab.config.with(|c| c.epochs) };
            Figure::of(race, series.get(), against.get(), epochs)
        })
    });
    let point_at = move |client_x: i32| {
        let Some(element) = holder.get_untracked() else { return };
        let left = element.get_bounding_client_rect().left();
        figure.with_untracked(|f| {
            let share = (f64::from(client_x) - left - LEFT) / (width.get_untracked() - LEFT - RIGHT);
            cross.set((-0.02..=1.02).contains(&share).then(|| share.clamp(0.0, 1.0) * f.x_max));
        });
    };
    let by_key = move |ev: web_sys::KeyboardEvent| {
        let stops = figure.with_untracked(Figure::stops);
        let (Some(first), Some(last)) = (stops.first().copied(), stops.last().copied()) else { return };
        let here = cross.get_untracked().unwrap_or(last);
        let next = match ev.key().as_str() {
            "ArrowLeft" => stops.iter().copied().rev().find(|x| *x < here).unwrap_or(first),
            "ArrowRight" => stops.iter().copied().find(|x| *x > here).unwrap_or(last),
            "Home" => first,
            "End" => last,
            "Escape" => {
                cross.set(None);
                return;
            }
            _ => return,
        };
        ev.prevent_default();
        cross.set(Some(next));
    };
    let summary = move || {
        figure.with(|f| {
            format!(
                "{} against {}. Arrow keys move the reading; the table below has the numbers.",
                f.series.about(),
                if f.against == Against::Epochs { "epochs" } else { "training FLOPs" }
            )
        })
    };
    view! {
        <div class="chips" role="group" aria-label="What the chart shows">
            {Series::ALL.into_iter().map(|s| view! {
                <button type="button" class="chip" aria-pressed=move || (series.get() == s).to_string() on:click=move |_| lab.series.set(Some(s))>
                    {s.label()}
                </button>
            }).collect_view()}
            <button
                type="button"
                class="chip apart"
                aria-pressed=move || (against.get() == Against::Flops).to_string()
                on:click=move |_| {
                    cross.set(None);
                    against.update(|a| *a = if *a == Against::Flops { Against::Epochs } else { Against::Flops });
                }
            >
                "Against FLOPs"
            </button>
        </div>
        <Key figure cross/>
        <div class="chart" node_ref=holder>
            <svg
                data-testid="chart"
                data-points=move || lab.race.with(|r| r.reports)
                data-series=move || series.get().label()
                viewBox=move || format!("0 0 {} {}", width.get(), height(width.get()))
                height=move || height(width.get())
                role="img"
                tabindex="0"
                aria-label=summary
                on:pointermove=move |ev| point_at(ev.client_x())
                on:pointerdown=move |ev| point_at(ev.client_x())
                on:pointerleave=move |_| cross.set(None)
                on:blur=move |_| cross.set(None)
                on:keydown=by_key
            >
                {move || figure.with(|f| axes(f, width.get()))}
                {move || figure.with(|f| lines(f, width.get()))}
                {move || cross.get().map(|x| figure.with(|f| crosshair(f, x, width.get())))}
            </svg>
            <Show when=move || figure.with(|f| f.count() == 0)>
                <p class="empty">{move || empty_words(lab, series.get())}</p>
            </Show>
        </div>
        <Table series/>
    }
}

fn empty_words(lab: Lab, series: Series) -> &'static str {
    let live = matches!(series, Series::Train | Series::Loss);
    let evaluated = lab.race.with(|r| r.learners.iter().any(|l| !l.evaluations.is_empty()));
    match (lab.started.with(Option::is_some), live) {
        (false, _) => "Press Train and the curves grow here.",
        (true, true) => "The first steps are under way.",
        (true, false) if evaluated => "This race does not split its test set into halves.",
        (true, false) => "This is measured at the end of each epoch; Train and Loss move before.",
    }
}

fn axes(f: &Figure, width: f64) -> impl IntoView + use<> {
    let rows = Figure::ticks(f.y.0, f.y.1, f.y_step)
        .map(|y| {
            let at = f.to_y(y, width);
            view! {
                <line class="grid" x1=LEFT x2=width - RIGHT y1=at y2=at></line>
                <text class="tick" x=LEFT - 8.0 y=at + 4.0 text-anchor="end">{f.y_label(y)}</text>
            }
        })
        .collect_view();
    let columns = Figure::ticks(0.0, f.x_max, f.x_step)
        .map(|x| {
            let at = f.to_x(x, width);
            let anchor = if f.against == Against::Flops && at > width - 40.0 { "end" } else { "middle" };
            view! { <text class="tick" x=at y=height(width) - 8.0 text-anchor=anchor>{f.x_label(x)}</text> }
        })
        .collect_view();
    (rows, columns)
}

fn line_class(line: &Line) -> String {
    format!("line {}{}", line.tone.class(), if line.control { " control" } else { "" })
}

fn lines(f: &Figure, width: f64) -> impl IntoView + use<> {
    // Controls first, so that the race itself lies on top.
    let mut order: Vec<&Line> = f.lines.iter().collect();
    order.sort_by_key(|l| !l.control);
    order
        .into_iter()
        .map(|line| {
            let end = line.points.last().map(|(x, y)| {
                let radius = if line.control { 2.0 } else { 3.5 };
                view! { <circle class=format!("dot {}", line.tone.class()) cx=f.to_x(*x, width) cy=f.to_y(*y, width) r=radius></circle> }
            });
            view! {
                <path class=line_class(line) d=f.path(line, width)></path>
                {end}
            }
        })
        .collect_view()
}

fn crosshair(f: &Figure, x: f64, width: f64) -> impl IntoView + use<> {
    let at = f.to_x(x, width);
    let dots = f
        .lines
        .iter()
        .filter_map(|l| Some((l, Figure::nearest(&l.points, x)?)))
        .map(|(l, (px, py))| view! { <circle class=format!("dot {}", l.tone.class()) cx=f.to_x(px, width) cy=f.to_y(py, width) r="3.5"></circle> })
        .collect_view();
    view! {
        <line class="cross" x1=at x2=at y1=TOP y2=height(width) - BOTTOM></line>
        {dots}
    }
}

/// Who is which line, with the value at the crosshair or the latest.
#[component]
fn Key(figure: Memo<Figure>, cross: RwSignal<Option<f64>>) -> impl IntoView {
    let entries = move || {
        figure.with(|f| {
            f.lines
                .iter()
                .map(|l| {
                    let point = cross.get().map_or_else(|| l.points.last().copied(), |x| Figure::nearest(&l.points, x));
                    (line_class(l), l.label.clone(), point.map(|p| f.series.show(p.1)).unwrap_or_default())
                })
                .collect::<Vec<_>>()
        })
    };
    let place = move || {
        cross.get().map(|x| {
            figure.with(|f| if f.against == Against::Epochs { format!("at epoch {x:.1}") } else { format!("at {}", figures::flops(x)) })
        })
    };
    view! {
        <ul class="key" data-testid="chart-key">
            {move || entries().into_iter().map(|(class, label, value)| view! {
                <li>
                    <svg width="26" height="8" aria-hidden="true"><line class=class x1="1" x2="25" y1="4" y2="4"></line></svg>
                    <span>{label}</span>
                    <b>{value}</b>
                </li>
            }).collect_view()}
            <li class="place">{place}</li>
        </ul>
    }
}

/// The numbers of the completed epochs, latest first.
#[component]
fn Table(series: Memo<Series>) -> impl IntoView {
    let lab = Lab::get();
    let heads = Memo::new(move |_| lab.race.with(|r| r.learners.iter().map(crate::race::Learner::name).collect::<Vec<_>>()));
    let rows = Memo::new(move |_| {
        let series = series.get();
        lab.race.with(|r| {
            let last = r.learners.iter().filter_map(|l| l.evaluations.last().map(|e| e.epoch)).max().unwrap_or(0);
            (1..=last)
                .rev()
                .map(|epoch| {
                    let lr = r.learners.iter().find_map(|l| l.evaluations.iter().find(|e| e.epoch == epoch).map(|e| e.lr));
                    let cells: Vec<_> = r
                        .learners
                        .iter()
                        .map(|l| l.at_epoch(epoch, series).map_or_else(|| "\u{2013}".into(), |v| series.show(v)))
                        .collect();
                    (epoch, lr.map(|lr| lr.to_string()).unwrap_or_default(), cells)
                })
                .collect::<Vec<_>>()
        })
    });
    view! {
        <details class="table">
            <summary>"The numbers behind the chart"</summary>
            <Show when=move || !rows.with(Vec::is_empty) fallback=|| view! { <p class="quiet">"One row an epoch, once the first is done."</p> }>
                <div class="scroll" tabindex="0" role="region" aria-label="Numbers by epoch">
                    <table>
                        <caption>{move || series.get().about()}</caption>
                        <thead>
                            <tr>
                                <th scope="col">"Epoch"</th>
                                <th scope="col">"Rate"</th>
                                {move || heads.get().into_iter().map(|h| view! { <th scope="col">{h}</th> }).collect_view()}
                            </tr>
                        </thead>
                        <tbody>
                            {move || rows.get().into_iter().map(|(epoch, lr, cells)| view! {
                                <tr>
                                    <th scope="row">{epoch}</th>
                                    <td>{lr}</td>
                                    {cells.into_iter().map(|c| view! { <td>{c}</td> }).collect_view()}
                                </tr>
                            }).collect_view()}
                        </tbody>
                    </table>
                </div>
            </Show>
        </details>
    }
}
