//! The chart's place on the page: chips and sliders that say how it is looked at, pointer and keys that read and zoom it.

use leptos::{html, prelude::*};

use super::kit::{self, Input, holds, never, told, words};
use super::lab::Lab;
use crate::chart::{self, Figure, LEFT, Look, RIGHT, height};
use crate::race::{Race, Series};
use crate::words::ring as say;

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

/// The figure of the race that is shown, with those of its other seeds.
pub fn figure(lab: Lab, look: Look) -> Figure {
    lab.past.with(|past| {
        lab.race.with(|race| {
            let epochs = if race.epochs > 0 { race.epochs } else { lab.config.with(|c| c.epochs) };
            let races: Vec<&Race> = past.iter().chain([race]).collect();
            Figure::of(&races, look, epochs)
        })
    })
}

/// What the chart shows now.
pub fn look(lab: Lab) -> Look {
    let series = lab.series.get().unwrap_or_else(|| lab.race.with(Race::natural_series));
    Look { series, ..lab.look.get() }
}

/// The chart, its chips, its key and its table.
pub fn chart(lab: Lab) -> AnyView {
    let holder = NodeRef::<html::Div>::new();
    let width = measured_width(holder);
    let cross = RwSignal::new(None::<f64>);
    // Where a press began; moved away from, it draws out a part to zoom to.
    let pressed = StoredValue::new(None::<f64>);
    let now = Memo::new(move |_| look(lab));
    let figure = Memo::new(move |_| figure(lab, now.get()));
    let change = move |edit: fn(&mut Look)| {
        cross.set(None);
        lab.look.update(edit);
    };
    let place = move |client_x: i32| {
        let left = holder.get_untracked()?.get_bounding_client_rect().left();
        let share = (f64::from(client_x) - left - LEFT) / (width.get_untracked() - LEFT - RIGHT);
        (-0.02..=1.02).contains(&share).then(|| figure.with_untracked(|f| f.x_at(share)))
    };
    let zoom = move |a: f64, b: f64| {
        let to = figure.with_untracked(|f| f.zoom_to(a, b));
        if to.1 - to.0 > 0.01 {
            lab.look.update(|l| l.zoom = to);
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
                lab.look.update(|l| l.zoom = (0.0, 1.0));
                here
            }
            "Escape" => None,
            _ => return,
        };
        ev.prevent_default();
        cross.set(next);
    };
    let chip = move |s: Series| {
        // What only some races measure is offered by those.
        let hidden = holds(move || matches!(s, Series::Robust | Series::Corrupted) && !lab.race.with(|r| r.has(s)));
        let down = holds(move || now.get().series == s);
        let chip = kit::toggle("chip", s.name(), words(s.label()), down, move || lab.series.set(Some(s)));
        view! { <span hidden=hidden>{chip}</span> }.into_any()
    };
    let mut chips: Vec<AnyView> = Series::ALL.into_iter().map(chip).collect();
    chips.push(kit::toggle("chip", "chart-log", words(say::LOG), holds(move || now.get().log), move || change(|l| l.log = !l.log)));
    let flops = holds(move || now.get().flops);
    chips.push(kit::toggle("chip", "chart-flops", words(say::AGAINST_FLOPS), flops, move || change(|l| l.flops = !l.flops)));
    let whole = kit::button("chip", "chart-whole", words(say::WHOLE), never(), move || change(|l| l.zoom = (0.0, 1.0)));
    chips.push(kit::when(holds(move || now.get().zoom != (0.0, 1.0)), "", vec![whole]));
    let slider = Input { kind: "range", label: "", testid: "chart-smooth", min: "0", max: "95", step: "5" };
    let at = told(move || format!("{:.0}", now.get().smooth * 100.0));
    let shown = told(move || format!("{}%", at.get()));
    let smooth = kit::input(slider, at, shown, never(), move |text| {
        let share = sparring_core::platform::parse_f64(&text).map(|p| (p / 100.0).clamp(0.0, 0.95));
        lab.look.update(|l| l.smooth = share.unwrap_or(l.smooth));
        share.is_some()
    });
    let live = holds(move || matches!(now.get().series, Series::Train | Series::Loss));
    let smooth = kit::when(live, "smooth", vec![kit::field("field", words(say::SMOOTH), shown, "", smooth)]);
    let key = told(move || figure.with(|f| f.key(cross.get())));
    let empty = told(move || {
        let evaluated = lab.race.with(|r| r.has(Series::Test));
        let nothing = figure.with(|f| f.count() == 0);
        if nothing { say::empty(lab.started.with(Option::is_some), evaluated, now.get().series).into() } else { String::new() }
    });
    let bins = Memo::new(move |_| lab.race.with(|r| chart::bins(r, say::BINS_CAPTION)));
    view! {
        <div class="chips" role="group" aria-label=say::CHART>{chips}</div>
        {smooth}
        <ul class="key" data-testid="chart-key" inner_html=key></ul>
        <div class="chart" node_ref=holder>
            <svg
                data-testid="chart"
                data-points=move || lab.race.with(|r| r.reports)
                data-series=move || now.get().series.label()
                viewBox=move || format!("0 0 {} {}", width.get(), height(width.get()))
                height=move || height(width.get())
                role="img"
                tabindex="0"
                aria-label=told(move || figure.with(Figure::summary))
                on:pointermove=move |ev| cross.set(place(ev.client_x()))
                on:pointerdown=move |ev| {
                    cross.set(place(ev.client_x()));
                    pressed.set_value(place(ev.client_x()));
                }
                on:pointerup=move |ev| released(ev.client_x())
                on:dblclick=move |_| lab.look.update(|l| l.zoom = (0.0, 1.0))
                on:pointerleave=move |_| cross.set(None)
                on:blur=move |_| cross.set(None)
                on:keydown=by_key
                inner_html=told(move || figure.with(|f| f.drawing(width.get(), cross.get())))
            ></svg>
            {kit::says("empty", "", empty)}
        </div>
        {kit::behind(say::BEHIND, say::BEHIND, "chart-table", told(move || lab.race.with(|r| chart::table(r, now.get().series, say::BY_EPOCH))))}
        {kit::when(holds(move || bins.with(Option::is_some)), "bins", vec![kit::folded("table", say::BINS, vec![
            kit::html("", "bins", told(move || bins.with(|b| b.as_ref().map(|b| b.0.clone()).unwrap_or_default()))),
            kit::scrolled("", say::BINS_CAPTION, "bins-table", told(move || bins.with(|b| b.as_ref().map(|b| b.1.clone()).unwrap_or_default()))),
        ])])}
    }
    .into_any()
}
