//! Inside the sparse network: densities, masks, what is pruned and grown, weights.
//!
//! The numbers of the layers are those of the events; only mask and histogram are asked for, one question at a time, again at each
//! topology update.

use leptos::prelude::*;
use sparring_core::events::LayerDensity;
use sparring_figures::bars::{bar, histogram, shares};
use sparring_figures::html::{escape, key_entry, table};
use sparring_figures::number;
use sparring_figures::svg::line_sample;

use super::canvas::{Raster, Stamp, pixels, stamp};
use super::kit::{self, holds, never, told, words as fixed};
use super::lab::Lab;
use super::tag::tag;
use crate::mask::{self, as_erk, colour, overall};
use crate::protocol::{self, Command, Message};
use crate::race::LearnerView;
use crate::words::inside as words;

/// Pixels of the mask's picture, across and down.
const MOST: (usize, usize) = (768, 384);

#[derive(Clone, Copy)]
struct Inside {
    lab: Lab,
    stamp: Memo<Option<Stamp>>,
    /// What a person chose; the first sparse learner otherwise.
    chosen: RwSignal<Option<usize>>,
    /// What a person chose; the first layer that is not full otherwise.
    layer: RwSignal<Option<usize>>,
    /// What was asked last, while its answer is on its way.
    flight: StoredValue<Option<(usize, usize, Stamp)>>,
    /// The answer and what it was asked for.
    seen: RwSignal<Option<(protocol::Inside, Stamp)>>,
}

/// "layer1.0.conv1.weight" without what every name has.
fn short(name: &str) -> &str {
    name.strip_suffix(".weight").unwrap_or(name)
}

fn is_sparse(learner: LearnerView) -> bool {
    learner.info.learner != "dense"
}

impl Inside {
    fn learner(self) -> usize {
        let count = self.lab.race.with(|r| r.tracks.len());
        let chosen = self.chosen.get().filter(|i| *i < count);
        chosen.unwrap_or_else(|| self.lab.race.with(|r| r.learners().position(is_sparse).unwrap_or(0)))
    }
    fn layer(self) -> usize {
        let chosen = self.layer.get();
        let of = |l: LearnerView| {
            let layers = &l.now.layers;
            chosen.filter(|i| *i < layers.len()).or_else(|| layers.iter().position(|l| l.active < l.total))
        };
        self.with(of).flatten().unwrap_or(0)
    }
    /// Tells of the chosen learner.
    fn with<T>(self, tell: impl Fn(LearnerView) -> T) -> Option<T> {
        let learner = self.learner();
        self.lab.race.with(|r| r.learner(learner).map(tell))
    }
    fn layer_name(self) -> String {
        let layer = self.layer();
        self.with(|l| l.now.layers.get(layer).map(|l| short(&l.name).to_owned())).flatten().unwrap_or_default()
    }
    fn label(self) -> String {
        self.with(|l| l.name()).unwrap_or_default()
    }
    fn wanted(self) -> Option<(usize, usize, Stamp)> {
        Some((self.learner(), self.layer(), self.stamp.get()?))
    }
    fn ask(self, wanted: Option<(usize, usize, Stamp)>) {
        let Some(wanted) = wanted else {
            self.flight.set_value(None);
            return;
        };
        let known = self.seen.with_untracked(|seen| {
            seen.as_ref().is_some_and(|(inside, stamp)| (inside.learner, inside.layer, stamp) == (wanted.0, wanted.1, &wanted.2))
        });
        if known || self.flight.with_value(Option::is_some) {
            return;
        }
        let (learner, layer) = (wanted.0, wanted.1);
        self.flight.set_value(Some(wanted));
        self.lab.ask(&Command::Inside { learner, layer }, wasm_bindgen::JsValue::UNDEFINED);
    }
    fn hear(self, message: &Message) {
        let Message::Inside(inside) = message else { return };
        let Some((learner, layer, stamp)) = self.flight.try_update_value(Option::take).flatten() else { return };
        if (inside.learner, inside.layer) == (learner, layer) {
            self.seen.set(Some((inside.clone(), stamp)));
        }
        self.ask(untrack(move || self.wanted()));
    }
    /// Tells of the chosen layer, once it is there.
    fn seen<T>(self, tell: impl Fn(&protocol::Inside) -> T) -> Option<T> {
        let (learner, layer) = (self.learner(), self.layer());
        self.seen.with(|s| s.as_ref().map(|s| &s.0).filter(|i| (i.learner, i.layer) == (learner, layer)).map(tell))
    }
}

/// The place.
pub fn inside(lab: Lab) -> AnyView {
    let inside = Inside {
        lab,
        stamp: stamp(lab),
        chosen: RwSignal::new(None),
        layer: RwSignal::new(None),
        flight: StoredValue::new(None),
        seen: RwSignal::new(None),
    };
    lab.listen(move |message, _| inside.hear(message));
    on_cleanup(move || lab.listen(|_, _| {}));
    kit::effect(move || inside.ask(inside.wanted()));
    let somebody = holds(move || lab.race.with(|r| !r.tracks.is_empty()));
    let sparse = holds(move || inside.with(is_sparse).unwrap_or(false));
    let tone = told(move || format!("inside {}", inside.with(|l| l.tone.class()).unwrap_or_default()));
    let nobody = holds(move || inside.stamp.with(Option::is_none));
    let waits = kit::made_when(nobody, move || super::canvas::nobody(lab, words::NOBODY, words::SOON, words::TRAIN));
    let shown = kit::made_when(somebody, move || {
        let of_sparse = kit::made_when(sparse, move || kit::part("", vec![mask(inside), densities_of(inside), explored(inside)]));
        let dense = kit::says("quiet", "", told(move || if sparse.get() { String::new() } else { words::DENSE.into() }));
        let content = vec![choice(inside), dense, of_sparse, weights(inside)];
        tag("div").says("class", tone).all(content).view()
    });
    kit::part("card", vec![kit::heading(words::TITLE), waits, shown])
}

fn subheading(text: &'static str) -> AnyView {
    tag("h3").text(text).view()
}

/// Whose inside, and which layer.
fn choice(inside: Inside) -> AnyView {
    let numbered = |names: Vec<(usize, String)>| {
        let all: Vec<_> = names.into_iter().map(|(i, name)| (i.to_string(), name)).collect();
        kit::options(all.iter().map(|(i, name)| (i.as_str(), name.as_str())))
    };
    // Sparse ones first; values are indices into the race.
    let learners = told(move || {
        let all: Vec<_> = inside.lab.race.with(|r| r.learners().enumerate().map(|(i, l)| (!is_sparse(l), (i, l.name()))).collect());
        let of = |dense: bool| all.iter().filter(move |l| l.0 == dense).map(|l| l.1.clone());
        numbered(of(false).chain(of(true)).collect())
    });
    let layers = told(move || {
        let names = inside.with(|l| l.now.layers.iter().map(|l| short(&l.name).to_owned()).enumerate().collect());
        numbered(names.unwrap_or_default())
    });
    let learner = kit::select("", "inside-learner", learners, told(move || inside.learner().to_string()), never(), move |i| {
        inside.chosen.set(i.parse().ok())
    });
    let layer = kit::select("", "inside-layer", layers, told(move || inside.layer().to_string()), never(), move |i| {
        inside.layer.set(i.parse().ok())
    });
    let field = |label, control| kit::field("field", fixed(label), fixed(""), "", control);
    kit::part("row choice", vec![field(words::LEARNER, learner), field(words::LAYER, layer)])
}

/// The mask's picture in the colours of its legend.
fn mask(inside: Inside) -> AnyView {
    let legend = RwSignal::new_local(None::<web_sys::Element>);
    let grid = kit::memo(move || inside.seen(|i| mask::grid(&i.view, MOST)));
    // A control may have changed the page's colours.
    let restyled = Trigger::new();
    let follow = window_event_listener(leptos::ev::change, move |_| request_animation_frame(move || restyled.notify()));
    on_cleanup(move || follow.remove());
    let raster = Signal::derive(move || {
        restyled.track();
        let entries = legend.get()?.children();
        let shade = |i: u32| {
            let swatch = entries.item(i).and_then(|entry| entry.first_element_child());
            let style = swatch.and_then(|e| window().get_computed_style(&e).ok().flatten());
            colour(&style.and_then(|s| s.get_property_value("color").ok()).unwrap_or_default())
        };
        let colours = [0, 1, 2, 3].map(shade);
        grid.with(|g| {
            g.as_ref().filter(|g| !g.cells.is_empty()).map(|g| Raster { width: g.width, height: g.height, rgba: g.paint(colours) })
        })
    });
    let label = Signal::derive(move || words::mask(&inside.label(), &inside.layer_name()));
    // The numbers of the layer are the event's; a full layer has no row in it.
    let change = move || {
        let layer = inside.layer();
        inside.with(|l| {
            let name = l.now.layers.get(layer).map(|l| l.name.as_str()).unwrap_or_default();
            let full = l.now.layers.get(layer).is_some_and(|l| l.active == l.total);
            match l.changes.iter().find(|c| c.name == name) {
                Some(c) => words::change(l.updates, c.grown, c.pruned, c.explored),
                None if full => words::FULL.into(),
                None => words::FIXED.into(),
            }
        })
    };
    let rate = move || inside.with(|l| (l.updates > 0 && l.death_rate > 0.0).then(|| words::death_rate(l.death_rate))).flatten();
    // Of a layer with very many weights only their number comes.
    let drawn = move || inside.seen(|i| i.view.active.len() == i.count).unwrap_or(false);
    let extent = move || {
        let dot = grid.with(|g| g.as_ref().map(|g| (g.rows, g.columns)))?;
        if !drawn() {
            return inside.seen(|_| words::TOO_MANY.to_owned());
        }
        inside.seen(|i| words::extent(i.view.rows, i.view.columns, i.count, dot))
    };
    let pixels = pixels(raster, label, "inside-mask");
    let entries: String = words::LEGEND.iter().map(|text| format!("<li><i aria-hidden=\"true\"></i>{text}</li>")).collect();
    let change = told(move || format!("{} {}", change().unwrap_or_default(), rate().unwrap_or_default()));
    kit::part(
        "",
        vec![
            subheading(words::MASK),
            kit::when(holds(drawn), "mask", vec![pixels]),
            tag("ul").is("class", "legend").html(fixed(entries)).made(move |ul| legend.set(Some(ul))).view(),
            kit::says("quiet", "inside-extent", told(move || extent().unwrap_or_default())),
            kit::announces("", "inside-change", change),
        ],
    )
}

/// Bars of the layers against two allocations: a table whose rows choose a layer.
fn densities_of(inside: Inside) -> AnyView {
    let layers = kit::memo(move || inside.with(|l| l.now.layers.clone()).unwrap_or_default());
    let label = kit::memo(move || inside.label());
    let erk = kit::memo(move || inside.lab.started.with(|c| c.as_ref().and_then(|c| layers.with(|l| as_erk(c, l)))));
    let compared = move || words::compared(&label.get(), layers.with(|l| overall(l)));
    let table = move || Some(erk.with(|erk| layers.with(|l| densities(l, erk.as_deref(), inside.layer()))));
    let choose = move |ev: web_sys::Event| {
        let button = ev.target().and_then(|t| wasm_bindgen::JsCast::dyn_into::<web_sys::Element>(t).ok());
        if let Some(layer) = button.and_then(|b| b.get_attribute("data-layer")).and_then(|i| i.parse().ok()) {
            inside.layer.set(Some(layer));
        }
    };
    let table = kit::scrolled("tall", words::DENSITIES, "inside-densities", told(move || table().unwrap_or_default()));
    let table = tag("div").on("click", choose).put(table).view();
    kit::part("", vec![subheading(words::DENSITIES), kit::says("quiet", "", told(compared)), table])
}

fn densities(layers: &[LayerDensity], erk: Option<&[f64]>, chosen: usize) -> String {
    let uniform = overall(layers);
    let row = |(i, layer): (usize, &LayerDensity)| {
        let density = layer.active as f64 / layer.total.max(1) as f64;
        let erk = erk.and_then(|e| e.get(i)).copied();
        let mut ticks = vec![(uniform, "uniform")];
        ticks.extend(erk.map(|e| (e, "erk")));
        vec![
            format!(
                "<button type=\"button\" class=\"link\" data-layer=\"{i}\" aria-pressed=\"{}\">{}</button>",
                i == chosen,
                escape(short(&layer.name))
            ),
            bar(density, &ticks),
            format!("{density:.3}"),
            erk.map_or_else(|| "\u{2013}".into(), |e| format!("{e:.3}")),
            number::count(layer.active as u64),
            number::count(layer.total as u64),
        ]
    };
    table(words::DENSITIES, &words::COLUMNS, layers.iter().enumerate().map(row))
}

/// How much of the positions has been tried, over the epochs.
fn explored(inside: Inside) -> AnyView {
    let points = kit::memo(move || {
        let layer = inside.layer();
        let points = inside.with(|l| {
            let of =
                |e: &sparring_core::record::history::Explored| (f64::from(e.epoch), e.all, e.layers.get(layer).copied().unwrap_or(1.0));
            l.explored.iter().map(of).collect::<Vec<_>>()
        });
        points.unwrap_or_default()
    });
    let epochs = move || inside.lab.race.with(|r| f64::from(r.epochs));
    let picture = told(move || {
        let label = words::explored(&inside.label(), &inside.layer_name());
        points.with(|p| {
            let line = |value: fn(&(f64, f64, f64)) -> f64| p.iter().map(|point| (point.0, value(point))).collect();
            shares(&label, (0.0, epochs()), &[("one", line(|p| p.2)), ("all", line(|p| p.1))])
        })
    });
    let table = told(move || {
        let layer = inside.layer_name();
        let rows: Vec<_> =
            points.with(|p| p.iter().map(|p| vec![format!("{:.0}", p.0), number::percent(p.1, 1), number::percent(p.2, 1)]).collect());
        table(words::EXPLORED, &[words::EPOCH, words::ALL_LAYERS, &layer], rows)
    });
    let key = told(move || {
        let entry = |class: &str, label: &str| key_entry(&line_sample(class), label, None);
        format!("<ul class=\"key\">{}{}</ul>", entry("all", words::ALL_LAYERS), entry("one", &inside.layer_name()))
    });
    let none = told(move || if points.with(Vec::is_empty) { words::NO_EPOCH.into() } else { String::new() });
    let drawn =
        vec![kit::html("", "", key), kit::html("", "inside-explored", picture), kit::behind(words::NUMBERS, words::EXPLORED, "", table)];
    let some = holds(move || !points.with(Vec::is_empty));
    kit::part("", vec![subheading(words::EXPLORED), kit::says("quiet", "", none), kit::when(some, "", drawn)])
}

/// How large the weights are.
fn weights(inside: Inside) -> AnyView {
    let bins = kit::memo(move || inside.seen(|i| (i.view.histogram.clone(), i.view.limit)));
    let label = move || words::weights(&inside.label(), &inside.layer_name());
    let picture = told(move || {
        let draw = |(counts, limit): &(Vec<u32>, f32)| histogram(&label(), counts, [&format!("-{limit:.3}"), "0", &format!("{limit:.3}")]);
        bins.with(|bins| bins.as_ref().map(draw)).unwrap_or_default()
    });
    let table = told(move || {
        let write = |(counts, limit): &(Vec<u32>, f32)| {
            let edge = |i: usize| format!("{:.3}", limit * (2.0 * i as f32 / counts.len().max(1) as f32 - 1.0));
            let rows: Vec<_> = counts.iter().enumerate().map(|(i, n)| vec![edge(i), edge(i + 1), number::count(u64::from(*n))]).collect();
            table(words::WEIGHTS, &words::BIN, rows)
        };
        bins.with(|bins| bins.as_ref().map(write)).unwrap_or_default()
    });
    kit::part(
        "",
        vec![
            subheading(words::WEIGHTS),
            kit::says("quiet", "", told(move || format!("{}.", label()))),
            kit::html("", "inside-histogram", picture),
            kit::behind(words::NUMBERS, words::WEIGHTS, "inside-bins", table),
        ],
    )
}
