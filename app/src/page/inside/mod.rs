//! Inside the sparse network: densities, masks, what is pruned and grown, weights.

mod looking;

use std::array::from_fn;

use leptos::prelude::*;
use sparring_core::record::history::Explored as Point;
use sparring_figures::bars::{bar, histogram, shares};
use sparring_figures::number;
use sparring_figures::svg::line_sample;

use self::looking::{Looking, is_sparse, short};
use super::canvas::{Nobody, Pixels, Raster, Whose};
use super::kit::{Announces, Choices, Drawing, Field, Folded, Key, Says, Scroll, Select, Table, Toggle};
use super::lab::use_lab;
use crate::model::chart::KeyItem;
use crate::model::mask::{self, Allocation, allocations, as_erk, colour, overall};
use crate::model::race::LearnerView;
use crate::words::inside as words;

/// Pixels of the mask's picture, across and down.
const MOST: (usize, usize) = (768, 384);

/// From here on the legend is about the latest update.
const FIRST_OF_UPDATE: usize = 2;

/// The place.
#[component]
pub fn Inside() -> impl IntoView {
    let lab = use_lab();
    let looking = Looking::begin(lab);
    let sparse = Memo::new(move |_| looking.with(is_sparse).unwrap_or(false));
    let class = move || format!("inside {}", looking.with(|l| l.tone.class()).unwrap_or_default());
    let dense = Signal::derive(move || if sparse.get() { String::new() } else { words::DENSE.to_owned() });
    view! {
        <div class="card">
            <h2>{words::TITLE}</h2>
            <Whose />
            <Show when=move || looking.stamp.with(Option::is_none)>
                <Nobody nobody=words::NOBODY soon=words::SOON train=words::TRAIN />
            </Show>
            <Show when=move || lab.race.with(|r| !r.tracks.is_empty())>
                <div class=class>
                    <Choice looking />
                    <Says class="quiet" text=dense />
                    <Show when=move || sparse.get()>
                        <div>
                            <Mask looking />
                            <Densities looking />
                            <Explored looking />
                        </div>
                    </Show>
                    <Weights looking />
                </div>
            </Show>
        </div>
    }
}

/// Whose inside, and which layer.
#[component]
fn Choice(
    /// What is looked at.
    looking: Looking,
) -> impl IntoView {
    let numbered = |names: Vec<(usize, String)>| Choices::new(names.into_iter().map(|(i, name)| (i.to_string(), name)));
    // Choices are told again only when they are others: a list that is open stays open.
    // Sparse ones first; values are indices into the race.
    let learners = Memo::new(move |_| {
        let all: Vec<_> = looking.lab.race.with(|r| r.learners().enumerate().map(|(i, l)| (!is_sparse(l), (i, l.name()))).collect());
        let of = |dense: bool| all.iter().filter(move |l| l.0 == dense).map(|l| l.1.clone());
        numbered(of(false).chain(of(true)).collect())
    });
    let layers = Memo::new(move |_| {
        let names = looking.with(|l| l.now.layers.iter().map(|l| short(&l.name).to_owned()).enumerate().collect());
        numbered(names.unwrap_or_default())
    });
    view! {
        <div class="row choice">
            <Field label=words::LEARNER>
                <Select
                    testid="inside-learner"
                    choices=learners
                    value=Signal::derive(move || looking.learner().to_string())
                    on_choose=move |i| looking.chosen.set(i.parse().ok())
                />
            </Field>
            <Field label=words::LAYER>
                <Select
                    testid="inside-layer"
                    choices=layers
                    value=Signal::derive(move || looking.layer().to_string())
                    on_choose=move |i| looking.chosen_layer.set(i.parse().ok())
                />
            </Field>
        </div>
    }
}

/// The mask's picture in the colours of its legend.
#[component]
fn Mask(
    /// What is looked at.
    looking: Looking,
) -> impl IntoView {
    let swatches: [NodeRef<leptos::html::I>; 4] = from_fn(|_| NodeRef::new());
    let grid = Memo::new(move |_| looking.seen(|i| mask::grid(&i.view, MOST)));
    // A control may have changed the page's colours.
    let restyled = Trigger::new();
    let follow = window_event_listener(leptos::ev::change, move |_| request_animation_frame(move || restyled.notify()));
    on_cleanup(move || follow.remove());
    let shade = |swatch: NodeRef<leptos::html::I>| {
        let style = swatch.get().and_then(|swatch| window().get_computed_style(&swatch).ok().flatten());
        colour(&style.and_then(|style| style.get_property_value("color").ok()).unwrap_or_default())
    };
    let raster = Signal::derive(move || {
        restyled.track();
        let colours = swatches.map(shade);
        grid.with(|g| {
            let drawn = g.as_ref().filter(|g| !g.cells.is_empty());
            drawn.map(|g| Raster { width: g.width, height: g.height, rgba: g.paint(colours) })
        })
    });
    let label = Signal::derive(move || words::mask(&looking.label(), &looking.layer_name()));
    // Of a layer with very many weights only their number comes.
    let drawn = move || looking.seen(|i| i.view.active.len() == i.count).unwrap_or(false);
    let extent = Signal::derive(move || {
        let Some(dot) = grid.with(|g| g.as_ref().map(|g| (g.rows, g.columns))) else { return String::new() };
        if drawn() {
            looking.seen(|i| words::extent(i.view.rows, i.view.columns, i.count, dot)).unwrap_or_default()
        } else {
            words::TOO_MANY.to_owned()
        }
    });
    // Networks that ship say where weights are, not which of them came last.
    let ships = Memo::new(move |_| looking.lab.player.with(|player| player.run().is_some()));
    let swatch = move |(i, (swatch, text)): (usize, (NodeRef<leptos::html::I>, &'static str))| {
        let hidden = move || i >= FIRST_OF_UPDATE && ships.get();
        view! {
            <li hidden=hidden>
                <i aria-hidden="true" node_ref=swatch></i>
                {text}
            </li>
        }
    };
    view! {
        <div>
            <h3>{words::MASK}</h3>
            <div class="mask" hidden=move || !drawn()>
                <Pixels testid="inside-mask" raster label />
            </div>
            <ul class="legend">{swatches.into_iter().zip(words::LEGEND).enumerate().map(swatch).collect_view()}</ul>
            <Says class="quiet" testid="inside-extent" text=extent />
            <Announces testid="inside-change" text=Signal::derive(move || change(looking)) />
            <Says class="quiet" text=Signal::derive(move || if ships.get() && changed(looking) { words::EXCHANGE_UNKNOWN.into() } else { String::new() }) />
        </div>
    }
}

/// Whether the latest update was about the layer.
fn changed(looking: Looking) -> bool {
    let layer = looking.layer();
    let of = |l: LearnerView| l.now.layers.get(layer).is_some_and(|now| l.changes.iter().any(|change| change.name == now.name));
    looking.with(of).unwrap_or(false)
}

/// What the latest update did to the layer. The numbers are the event's; a full layer has no row in it.
fn change(looking: Looking) -> String {
    let layer = looking.layer();
    let told = looking.with(|l| {
        let now = l.now.layers.get(layer);
        let name = now.map(|l| l.name.as_str()).unwrap_or_default();
        let change = match l.changes.iter().find(|c| c.name == name) {
            Some(c) => words::change(l.updates, c.grown, c.pruned, c.explored),
            None if now.is_some_and(|l| l.active == l.total) => words::FULL.to_owned(),
            None => words::FIXED.to_owned(),
        };
        let rate = if l.updates > 0 && l.death_rate > 0.0 { words::death_rate(l.death_rate) } else { String::new() };
        format!("{change} {rate}")
    });
    told.unwrap_or_default()
}

/// Bars of the layers against two allocations: a table whose rows choose a layer.
#[component]
fn Densities(
    /// What is looked at.
    looking: Looking,
) -> impl IntoView {
    let layers = Memo::new(move |_| looking.with(|l| l.now.layers.clone()).unwrap_or_default());
    let erk = Memo::new(move |_| looking.lab.shown.with(|c| c.as_ref().and_then(|c| layers.with(|l| as_erk(c, l)))));
    let all = Memo::new(move |_| erk.with(|erk| layers.with(|l| allocations(l, erk.as_deref()))));
    let compared = Signal::derive(move || words::compared(&looking.label(), layers.with(|l| overall(l))));
    // The rows are made anew for other layers only: the button that was pressed keeps the focus while the numbers change.
    let names = Memo::new(move |_| layers.with(|l| l.iter().map(|l| short(&l.name).to_owned()).collect::<Vec<_>>()));
    let row = move |(i, name): (usize, String)| {
        let at = Memo::new(move |_| all.with(|all| all.get(i).copied().unwrap_or_default()));
        let told = |tell: fn(Allocation) -> String| (move || tell(at.get())).into_any();
        let down = Signal::derive(move || looking.layer() == i);
        let ticks = |of: Allocation| [Some((of.uniform, "uniform")), of.erk.map(|erk| (erk, "erk"))];
        let svg = Signal::derive(move || bar(at.get().density, &ticks(at.get()).into_iter().flatten().collect::<Vec<_>>()));
        vec![
            view! { <Toggle class="link" label=name down on_press=move || looking.chosen_layer.set(Some(i)) /> }.into_any(),
            view! { <Drawing svg /> }.into_any(),
            told(|of| format!("{:.3}", of.density)),
            told(|of| of.erk.map_or_else(|| "\u{2013}".to_owned(), |erk| format!("{erk:.3}"))),
            told(|of| number::count(of.active as u64)),
            told(|of| number::count(of.total as u64)),
        ]
    };
    let table = move || {
        let rows: Vec<Vec<AnyView>> = names.get().into_iter().enumerate().map(row).collect();
        view! { <Table caption=words::DENSITIES columns=words::COLUMNS.map(String::from).to_vec() rows /> }
    };
    view! {
        <div>
            <h3>{words::DENSITIES}</h3>
            <Says class="quiet" text=compared />
            <Scroll class="tall" label=words::DENSITIES testid="inside-densities">{table}</Scroll>
        </div>
    }
}

/// How much of the positions has been tried, over the epochs.
#[component]
fn Explored(
    /// What is looked at.
    looking: Looking,
) -> impl IntoView {
    // Of each epoch: all layers, and this one.
    let points = Memo::new(move |_| {
        let layer = looking.layer();
        let of = |e: &Point| (f64::from(e.epoch), e.all, e.layers.get(layer).copied().unwrap_or(1.0));
        looking.with(|l| l.explored.iter().map(of).collect::<Vec<_>>()).unwrap_or_default()
    });
    let layer = Memo::new(move |_| looking.layer_name());
    let svg = Signal::derive(move || {
        let epochs = looking.lab.race.with(|r| f64::from(r.epochs));
        points.with(|p| {
            let line = |value: fn(&(f64, f64, f64)) -> f64| p.iter().map(|point| (point.0, value(point))).collect();
            let lines = [("one", line(|p| p.2)), ("all", line(|p| p.1))];
            shares(&words::explored(&looking.label(), &layer.get()), (0.0, epochs), &lines)
        })
    });
    let key = Signal::derive(move || {
        let item = |class: &str, label: String| KeyItem { sample: line_sample(class), label, value: String::new() };
        vec![item("all", words::ALL_LAYERS.to_owned()), item("one", layer.get())]
    });
    let table = move || {
        let row = |p: &(f64, f64, f64)| vec![format!("{:.0}", p.0), number::percent(p.1, 1), number::percent(p.2, 1)];
        let rows: Vec<_> = points.with(|p| p.iter().map(row).collect());
        let columns = vec![words::EPOCH.to_owned(), words::ALL_LAYERS.to_owned(), layer.get()];
        view! { <Table caption=words::EXPLORED columns rows /> }
    };
    let none = move || points.with(Vec::is_empty);
    view! {
        <div>
            <h3>{words::EXPLORED}</h3>
            <Says class="quiet" text=Signal::derive(move || if none() { words::NO_EPOCH.to_owned() } else { String::new() }) />
            <div hidden=none>
                <Key items=key />
                <Drawing testid="inside-explored" svg />
                <Folded class="table" summary=words::NUMBERS>
                    <Scroll label=words::EXPLORED>{table}</Scroll>
                </Folded>
            </div>
        </div>
    }
}

/// How large the weights are.
#[component]
fn Weights(
    /// What is looked at.
    looking: Looking,
) -> impl IntoView {
    let bins = Memo::new(move |_| looking.seen(|i| (i.view.histogram.clone(), i.view.limit)));
    let label = Memo::new(move |_| words::weights(&looking.label(), &looking.layer_name()));
    let svg = Signal::derive(move || {
        let draw = |(counts, limit): &(Vec<u32>, f32)| {
            let ends = [&format!("-{limit:.3}"), "0", &format!("{limit:.3}")];
            label.with(|label| histogram(label, counts, ends))
        };
        bins.with(|bins| bins.as_ref().map(draw)).unwrap_or_default()
    });
    let write = |(counts, limit): &(Vec<u32>, f32)| {
        let edge = |i: usize| format!("{:.3}", limit * (2.0 * i as f32 / counts.len().max(1) as f32 - 1.0));
        let row = |(i, n): (usize, &u32)| vec![edge(i), edge(i + 1), number::count(u64::from(*n))];
        let rows: Vec<_> = counts.iter().enumerate().map(row).collect();
        view! { <Table caption=words::WEIGHTS columns=words::BIN.map(String::from).to_vec() rows /> }
    };
    view! {
        <div>
            <h3>{words::WEIGHTS}</h3>
            <Says class="quiet" text=Signal::derive(move || label.with(|label| format!("{label}."))) />
            <Drawing testid="inside-histogram" svg />
            <Folded class="table" summary=words::NUMBERS>
                <Scroll label=words::WEIGHTS testid="inside-bins">{move || bins.with(|bins| bins.as_ref().map(write))}</Scroll>
            </Folded>
        </div>
    }
}
