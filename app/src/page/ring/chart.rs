//! The chart's place on the page: chips and sliders that say how it is looked at, pointer and keys that read and zoom it.

use leptos::prelude::*;
use sparring_figures::number;

use crate::model::chart::{self, Figure, LEFT, RIGHT, View};
use crate::model::race::{Curve, Race};
use crate::page::kit::{Button, Chips, Choices, Drawing, Field, Folded, Key, Says, Scroll, Slider, Table, Toggle, width_of};
use crate::page::lab::{Lab, Phase, use_lab};
use crate::words::ring as words;

/// The figure of the race that is shown, with those of its other seeds.
pub fn figure(lab: Lab, view: View) -> Figure {
    lab.past.with(|past| {
        lab.race.with(|race| {
            let epochs = if race.epochs > 0 { race.epochs } else { lab.config.with(|c| c.epochs) };
            let races: Vec<&Race> = past.iter().chain([race]).collect();
            Figure::of(&races, view, epochs)
        })
    })
}

/// What the chart shows now.
pub fn view(lab: Lab) -> View {
    let series = lab.series.get().unwrap_or_else(|| lab.race.with(Race::natural_series));
    View { series, ..lab.view.get() }
}

/// What can be drawn, of that which is offered.
pub fn curves(offered: impl Fn(Curve) -> bool) -> Choices {
    Choices::new(Curve::ALL.into_iter().filter(|curve| offered(*curve)).map(|curve| (curve.name(), curve.label())))
}

/// The chart, its chips, its key and its table.
#[component]
pub fn Chart() -> impl IntoView {
    let lab = use_lab();
    let holder = NodeRef::new();
    let width = width_of(holder);
    let cross = RwSignal::new(None::<f64>);
    // Where a press began; moved away from, it draws out a part to zoom to.
    let pressed = StoredValue::new(None::<f64>);
    let now = Memo::new(move |_| view(lab));
    let figure = Memo::new(move |_| figure(lab, now.get()));
    let change = move |edit: fn(&mut View)| {
        cross.set(None);
        lab.view.update(edit);
    };
    let place = move |client_x: i32| {
        let left = holder.get_untracked()?.get_bounding_client_rect().left();
        let share = (f64::from(client_x) - left - LEFT) / (width.get_untracked() - LEFT - RIGHT);
        (-0.02..=1.02).contains(&share).then(|| figure.with_untracked(|f| f.x_at(share)))
    };
    let zoom = move |a: f64, b: f64| {
        let to = figure.with_untracked(|f| f.zoom_to(a, b));
        if to.1 - to.0 > 0.01 {
            lab.view.update(|l| l.zoom = to);
        }
    };
    let released = move |client_x: i32| {
        let from = pressed.get_value();
        pressed.set_value(None);
        if let (Some(a), Some(b)) = (from, place(client_x)) {
            // A tremble of the hand is no zoom.
            if figure.with_untracked(|f| (a - b).abs() > 0.04 * (f.x_at(1.0) - f.x_at(0.0))) {
                zoom(a, b);
            }
        }
    };
    let by_key = move |ev: web_sys::KeyboardEvent| {
        let (stops, low, high) = figure.with_untracked(|f| (f.stops(), f.x_at(0.0), f.x_at(1.0)));
        let here = cross.get_untracked();
        let next = match ev.key().as_str() {
            "ArrowLeft" => stops.iter().copied().rev().find(|x| here.is_none_or(|h| *x < h)),
            "ArrowRight" => stops.iter().copied().find(|x| here.is_some_and(|h| *x > h)).or(stops.last().copied()),
            "Home" => stops.first().copied(),
            "End" => stops.last().copied(),
            "+" | "=" => {
                let middle = here.unwrap_or((low + high) / 2.0);
                zoom(middle - (high - low) / 4.0, middle + (high - low) / 4.0);
                here
            }
            "-" => {
                lab.view.update(|l| l.zoom = (0.0, 1.0));
                here
            }
            "Escape" => None,
            _ => return,
        };
        ev.prevent_default();
        cross.set(next);
    };
    // What only some races measure is offered by those.
    let offered = move |series: Curve| !matches!(series, Curve::Robust | Curve::Corrupted) || lab.race.with(|r| r.shows(series));
    let choices = Memo::new(move |_| curves(offered));
    let smooth = move |text: String| {
        let share = sparring_core::platform::parse_f64(&text).map(|p| (p / 100.0).clamp(0.0, 0.95));
        lab.view.update(|l| l.smooth = share.unwrap_or(l.smooth));
        share.is_some()
    };
    let smoothed = Signal::derive(move || number::percent(now.get().smooth, 0));
    let of_steps = move || matches!(now.get().series, Curve::Train | Curve::Loss);
    let empty = Signal::derive(move || {
        let evaluated = lab.race.with(|r| r.shows(Curve::Test));
        let nobody = lab.started.with(Option::is_none) && lab.race.with(|r| r.tracks.is_empty());
        if figure.with(|f| f.count() > 0) {
            return String::new();
        }
        match now.get().series {
            _ if nobody || lab.phase.with(|phase| matches!(phase, Phase::Failed(_))) => words::EMPTY_BEFORE,
            Curve::Train | Curve::Loss => words::EMPTY_STEPS,
            _ if !evaluated => words::EMPTY_EPOCH,
            Curve::Gap if lab.race.with(|r| r.dense().is_none()) => words::EMPTY_GAP,
            _ => words::EMPTY_NEVER,
        }
        .to_owned()
    });
    let table = Memo::new(move |_| lab.race.with(|r| chart::table(r, now.get().series)));
    let of_one = Memo::new(move |_| lab.past.with(|past| !past.is_empty()));
    let caption = move || if of_one.get() { words::BY_EPOCH_OF_ONE } else { words::BY_EPOCH };
    view! {
        <div>
            <div class="chips">
                <Chips
                    name="curve"
                    label=words::CHART
                    choices
                    value=Signal::derive(move || now.get().series.name().to_owned())
                    on_choose=move |name| lab.series.set(Curve::named(&name))
                />
                <Toggle
                    class="chip"
                    testid="chart-log"
                    label=words::LOG
                    down=Signal::derive(move || now.get().log)
                    on_press=move || change(|l| l.log = !l.log)
                />
                <Toggle
                    class="chip"
                    testid="chart-flops"
                    label=words::AGAINST_FLOPS
                    down=Signal::derive(move || now.get().flops)
                    on_press=move || change(|l| l.flops = !l.flops)
                />
                <Show when=move || now.get().zoom != (0.0, 1.0)>
                    <Button class="chip" testid="chart-whole" label=words::WHOLE on_press=move || change(|l| l.zoom = (0.0, 1.0)) />
                </Show>
            </div>
            <Key
                testid="chart-key"
                items=Signal::derive(move || figure.with(|f| f.key(cross.get())))
                place=Signal::derive(move || figure.with(|f| f.place(cross.get())))
            />
            <div class="chart" node_ref=holder>
                // A drawing is put in whole; what hears and is named is the box around it, so that the focus stays.
                <div
                    class="drawing"
                    id="chart"
                    data-testid="chart"
                    role="img"
                    tabindex="0"
                    data-points=move || lab.race.with(|r| r.reports.to_string())
                    data-series=move || now.get().series.label()
                    aria-label=move || figure.with(Figure::summary)
                    on:pointermove=move |ev| cross.set(place(ev.client_x()))
                    on:pointerdown=move |ev| {
                        cross.set(place(ev.client_x()));
                        pressed.set_value(place(ev.client_x()));
                    }
                    on:pointerup=move |ev| released(ev.client_x())
                    on:dblclick=move |_| lab.view.update(|l| l.zoom = (0.0, 1.0))
                    on:pointerleave=move |_| cross.set(None)
                    on:blur=move |_| cross.set(None)
                    on:keydown=by_key
                >
                    <Drawing svg=Signal::derive(move || figure.with(|f| f.svg(width.get(), cross.get()))) />
                </div>
                <Says class="empty" text=empty />
            </div>
            // It comes and goes with the series: below the drawing, which then stays where it is.
            <Show when=of_steps>
                <div class="smooth">
                    <Field label=words::SMOOTH value=smoothed>
                        <Slider
                            testid="chart-smooth"
                            range=["0", "95", "5"]
                            value=Signal::derive(move || format!("{:.0}", now.get().smooth * 100.0))
                            spoken=smoothed
                            on_slide=smooth
                        />
                    </Field>
                </div>
            </Show>
            <Folded class="table" summary=words::BEHIND>
                <Scroll label=words::BEHIND testid="chart-table">
                    {move || table.with(|t| view! { <Table caption=caption() columns=t.columns.clone() rows=t.rows.clone() /> })}
                </Scroll>
            </Folded>
            <Bins />
        </div>
    }
}

/// Accuracy by how hard the images are.
#[component]
fn Bins() -> impl IntoView {
    let lab = use_lab();
    let bins = Memo::new(move |_| lab.race.with(|r| chart::bins(r, words::BINS_CAPTION)));
    let table = move || {
        bins.with(|bins| {
            let numbers = bins.as_ref().map(|(_, numbers)| numbers.clone())?;
            Some(view! { <Table caption=words::BINS_CAPTION columns=numbers.columns rows=numbers.rows /> })
        })
    };
    view! {
        <div class="bins" hidden=move || bins.with(Option::is_none)>
            <Folded class="table" summary=words::BINS>
                <Drawing testid="bins" svg=Signal::derive(move || bins.with(|b| b.as_ref().map(|b| b.0.clone()).unwrap_or_default())) />
                <Scroll label=words::BINS_CAPTION testid="bins-table">{table}</Scroll>
            </Folded>
        </div>
    }
}
