//! The chart's place on the page: chips and sliders that say how it is looked at, pointer and keys that read and zoom it.

use leptos::prelude::*;
use sparring_figures::number;
use wasm_bindgen::JsCast;

use super::kit::{self, Holder, Input, holds, measured_width, never, told, words};
use super::lab::Lab;
use super::tag::tag;
use crate::chart::{self, Figure, LEFT, RIGHT, View};
use crate::race::{Curve, Race};
use crate::words::ring as say;

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

/// The chart, its chips, its key and its table.
pub fn chart(lab: Lab) -> AnyView {
    let holder: Holder = RwSignal::new_local(None);
    let width = measured_width(holder);
    let cross = RwSignal::new(None::<f64>);
    // Where a press began; moved away from, it draws out a part to zoom to.
    let pressed = StoredValue::new(None::<f64>);
    let now = kit::memo(move || view(lab));
    let figure = kit::memo(move || figure(lab, now.get()));
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
    let by_key = move |ev: &web_sys::KeyboardEvent| {
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
    let chip = move |s: Curve| {
        // What only some races measure is offered by those.
        let hidden = holds(move || matches!(s, Curve::Robust | Curve::Corrupted) && !lab.race.with(|r| r.shows(s)));
        let down = holds(move || now.get().series == s);
        let chip = kit::toggle("chip", s.name(), words(s.label()), down, move || lab.series.set(Some(s)));
        tag("span").flag("hidden", hidden).put(chip).view()
    };
    let mut chips: Vec<AnyView> = Curve::ALL.into_iter().map(chip).collect();
    chips.push(kit::toggle("chip", "chart-log", words(say::LOG), holds(move || now.get().log), move || change(|l| l.log = !l.log)));
    let flops = holds(move || now.get().flops);
    chips.push(kit::toggle("chip", "chart-flops", words(say::AGAINST_FLOPS), flops, move || change(|l| l.flops = !l.flops)));
    let whole = kit::button("chip", "chart-whole", words(say::WHOLE), never(), move || change(|l| l.zoom = (0.0, 1.0)));
    chips.push(kit::when(holds(move || now.get().zoom != (0.0, 1.0)), "", vec![whole]));
    let slider = Input { kind: "range", label: "", testid: "chart-smooth", min: "0", max: "95", step: "5" };
    let at = told(move || format!("{:.0}", now.get().smooth * 100.0));
    let shown = told(move || number::percent(now.get().smooth, 0));
    let smooth = kit::input(slider, at, shown, never(), move |text| {
        let share = sparring_core::platform::parse_f64(&text).map(|p| (p / 100.0).clamp(0.0, 0.95));
        lab.view.update(|l| l.smooth = share.unwrap_or(l.smooth));
        share.is_some()
    });
    let live = holds(move || matches!(now.get().series, Curve::Train | Curve::Loss));
    let smooth = kit::when(live, "smooth", vec![kit::field("field", words(say::SMOOTH), shown, "", smooth)]);
    let key = told(move || figure.with(|f| f.key(cross.get())));
    let empty = told(move || {
        let evaluated = lab.race.with(|r| r.shows(Curve::Test));
        let nobody = lab.started.with(Option::is_none) && lab.race.with(|r| r.tracks.is_empty());
        if figure.with(|f| f.count() > 0) {
            return String::new();
        }
        match now.get().series {
            _ if nobody => say::EMPTY_BEFORE,
            Curve::Train | Curve::Loss => say::EMPTY_STEPS,
            _ if !evaluated => say::EMPTY_EPOCH,
            Curve::Gap if lab.race.with(|r| r.dense().is_none()) => say::EMPTY_GAP,
            _ => say::EMPTY_NEVER,
        }
        .to_owned()
    });
    let bins = kit::memo(move || lab.race.with(|r| chart::bins(r, say::BINS_CAPTION)));
    let at = |event: &web_sys::Event| event.dyn_ref::<web_sys::PointerEvent>().map_or(0, |e| e.client_x());
    // A drawing is put in whole; what hears and is named is the box around it, so that the focus stays.
    let drawing = tag("div").is("class", "drawing").is("id", "chart").is("data-testid", "chart").is("role", "img").is("tabindex", "0");
    let drawing = drawing.says("data-points", told(move || lab.race.with(|r| r.reports.to_string())));
    let drawing = drawing.says("data-series", told(move || now.get().series.label().into()));
    let drawing = drawing.says("aria-label", told(move || figure.with(Figure::summary)));
    let drawing = drawing.html(told(move || figure.with(|f| f.svg(width.get(), cross.get()))));
    let drawing = drawing
        .on("pointermove", move |event| cross.set(place(at(&event))))
        .on("pointerdown", move |event| {
            cross.set(place(at(&event)));
            pressed.set_value(place(at(&event)));
        })
        .on("pointerup", move |event| released(at(&event)))
        .on("dblclick", move |_| lab.view.update(|l| l.zoom = (0.0, 1.0)))
        .on("pointerleave", move |_| cross.set(None))
        .on("blur", move |_| cross.set(None))
        .on("keydown", move |event| event.dyn_ref().into_iter().for_each(by_key))
        .view();
    let of_bins =
        move |of: fn(&(String, String)) -> &String| told(move || bins.with(|b| b.as_ref().map(|b| of(b).clone()).unwrap_or_default()));
    let by_difficulty =
        vec![kit::html("", "bins", of_bins(|b| &b.0)), kit::scrolled("", say::BINS_CAPTION, "bins-table", of_bins(|b| &b.1))];
    let table = told(move || lab.race.with(|r| chart::table(r, now.get().series, say::BY_EPOCH)));
    kit::part(
        "",
        vec![
            tag("div").is("class", "chips").is("role", "group").is("aria-label", say::CHART).all(chips).view(),
            tag("ul").is("class", "key").is("data-testid", "chart-key").html(key).view(),
            tag("div")
                .is("class", "chart")
                .made(move |element| holder.set(Some(element)))
                .put(drawing)
                .put(kit::says("empty", "", empty))
                .view(),
            // It comes and goes with the series: below the drawing, which then stays where it is.
            smooth,
            kit::behind(say::BEHIND, say::BEHIND, "chart-table", table),
            kit::when(holds(move || bins.with(Option::is_some)), "bins", vec![kit::folded("table", say::BINS, by_difficulty)]),
        ],
    )
}
