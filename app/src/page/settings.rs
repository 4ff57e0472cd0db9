//! The left column: what makes the samples hard, and who is in the corners. It edits a copy; the next Train takes it.
//!
//! A field of the form is a field of the configuration, read and written as text by its name, as in a link: what the form can say, a link
//! can, and there is one reader for both.

use leptos::prelude::*;
use sparring_core::config::{Allocation, LearnerConfig, Method, Preset as Recipe, Scenario, Semantics};
use sparring_core::data::DatasetName;
use sparring_core::hardness::Subset;
use sparring_core::hardness::{Part, ScoreName};
use sparring_core::net::zoo::Model;
use sparring_core::platform::parse_f64;
use sparring_figures::{Tone, number};

use super::kit::{self, Input, holds, never, told, words};
use super::lab::{Lab, Phase};
use super::tag::tag;
use crate::link;
use crate::offers;
use crate::presets::Preset;
use crate::race;
use crate::teacher::MOST_SEEDS;
use crate::words::presets::PRESETS;
use crate::words::ring;
use crate::words::settings::{self as say, Kind, Setting};

const OWN: &str = "own";
/// More than this no chart can show calmly.
const MOST_LEARNERS: usize = 4;

/// A model as papers write it.
pub fn model_label(model: Model) -> String {
    let name = match model {
        Model::Tiny => "Tiny (three convolutions)",
        Model::ResNet20 => "ResNet-20",
        Model::ResNet32 => "ResNet-32",
        Model::ResNet44 => "ResNet-44",
        Model::ResNet56 => "ResNet-56",
        Model::ResNet18 => "ResNet18",
        Model::ResNet34 => "ResNet34",
        Model::ResNet50 => "ResNet50",
        Model::Vgg16 => "VGG16",
        Model::Vgg16C => "VGG16-C",
        Model::Vgg16Like => "VGG16-like",
        Model::Vgg19 => "VGG19",
        Model::AlexNetS => "AlexNet-s",
        Model::AlexNetB => "AlexNet-b",
        Model::LeNet300 => "LeNet-300-100 (28x28 grey)",
        Model::LeNet5 => "LeNet-5 (28x28 grey)",
        Model::Mlp => "MLP (1024, 512)",
        Model::Wide { depth, factor } => return format!("WideResNet-{depth}-{factor}"),
    };
    name.to_owned()
}

/// A field of the configuration.
fn setting(lab: Lab, of: &'static Setting) -> AnyView {
    let value = told(move || lab.fields.with(|f| link::value(f, of.name)));
    let wrong = RwSignal::new(String::new());
    // Text that is no such value is not taken; the field says what would be.
    let write = move |text: &str| match lab.edit(of.name, text) {
        Ok(()) => true,
        Err(error) => {
            wrong.set(error);
            false
        }
    };
    let bounded = move |text: String, low: &'static str, high: &'static str| {
        let inside = |v: f64| parse_f64(low).is_some_and(|l| v >= l) && parse_f64(high).is_some_and(|h| v <= h);
        let taken = parse_f64(&text).is_some_and(inside) && write(&text);
        wrong.set(if taken { String::new() } else { say::wrong(of.label, &text, low, high) });
        taken
    };
    let number = |low, high, step| Input { kind: "number", label: "", testid: of.name, min: low, max: high, step };
    let control = match of.kind {
        Kind::Check => {
            let on = holds(move || value.with(|v| v == "true"));
            return kit::check(of.label, of.why, of.name, on, move |on| {
                write(if on { "true" } else { "false" });
            });
        }
        Kind::Choice(all) | Kind::Corruptions(all) => {
            let mut options = kit::options(all.iter().copied());
            if matches!(of.kind, Kind::Corruptions(_)) {
                options.push_str(&kit::choices(&offers::corruptions()));
            }
            let select = kit::select("", of.name, words(options), value, never(), move |text| {
                write(&text);
            });
            return kit::field("field", words(of.label), words(""), of.why, select);
        }
        Kind::Whole(low, high) => kit::input(number(low, high, "1"), value, words(""), never(), move |text| bounded(text, low, high)),
        Kind::Real(low, high) => kit::input(number(low, high, "any"), value, words(""), never(), move |text| bounded(text, low, high)),
        Kind::Share => {
            let shown = told(move || value.with(|v| round_percent(v)));
            let slider = Input { kind: "range", label: "", testid: of.name, min: "5", max: "100", step: "5" };
            let at = told(move || value.with(|v| format!("{:.0}", parse_f64(v).unwrap_or(1.0) * 100.0)));
            let slider =
                kit::input(slider, at, shown, never(), move |text| parse_f64(&text).is_some_and(|p| write(&(p / 100.0).to_string())));
            return kit::field("field", words(of.label), shown, of.why, slider);
        }
        Kind::Eps(linf, l2) => {
            let in_l2 = holds(move || lab.fields.with(|f| link::value(f, "norm") == "l2"));
            let slider = move |most: &'static str, parts: f64, shows: fn(&str, f64) -> String| {
                let at = told(move || value.with(|v| format!("{:.0}", parse_f64(v).unwrap_or(0.0) * parts)));
                let shown = told(move || value.with(|v| shows(v, parts)));
                let slider = Input { kind: "range", label: "", testid: of.name, min: "0", max: most, step: "1" };
                let slider = kit::input(slider, at, shown, never(), move |text| {
                    parse_f64(&text).is_some_and(|k| write(&(k as f32 / parts as f32).to_string()))
                });
                kit::field("field", words(of.label), shown, of.why, slider)
            };
            let pixels = move || slider(linf, 255.0, |v, parts| format!("{:.0}/255", parse_f64(v).unwrap_or(0.0) * parts));
            let length = move || slider(l2, 20.0, |v, _| number::fixed(parse_f64(v).unwrap_or(0.0), 2));
            return kit::part("", vec![kit::made(Box::new(move || if in_l2.get() { length() } else { pixels() }))]);
        }
    };
    kit::part("", vec![kit::field("field inline", words(of.label), words(""), of.why, control), kit::says("note", "", wrong.into())])
}

fn round_percent(fraction: &str) -> String {
    number::share(parse_f64(fraction).unwrap_or(1.0))
}

/// The parts of a subset as the form asks for them: which part, by which score, how much.
fn parts_of(subset: Subset) -> (&'static str, &'static str, f64) {
    match subset {
        Subset::All => ("all", "el2n", 1.0),
        Subset::Random(fraction) => ("random", "el2n", fraction),
        Subset::Ranked { score, part, fraction } => (part.name(), score.name(), fraction),
    }
}

fn subset_of(part: &str, score: &str, fraction: f64) -> Subset {
    match (part, part.parse::<Part>(), score.parse::<ScoreName>()) {
        ("random", ..) => Subset::Random(fraction),
        (_, Ok(part), Ok(score)) => Subset::Ranked { score, part, fraction },
        _ => Subset::All,
    }
}

/// Which images: the part, the score, how much.
fn subset(lab: Lab) -> Vec<AnyView> {
    let config = lab.config;
    let now = move || config.with(|c| c.subset);
    let change = move |edit: &dyn Fn(&'static str, &'static str, f64) -> Subset| {
        let (part, score, fraction) = parts_of(untrack(now));
        config.update(|c| c.subset = edit(part, score, fraction));
    };
    let part =
        kit::select("", "subset-select", words(kit::options(say::PARTS)), told(move || parts_of(now()).0.into()), never(), move |part| {
            change(&|_, score, fraction| subset_of(&part, score, if fraction >= 1.0 { 0.5 } else { fraction }));
        });
    let score = kit::select(
        "",
        "score-select",
        words(kit::choices(&offers::scores())),
        told(move || parts_of(now()).1.into()),
        never(),
        move |score| {
            change(&|part, _, fraction| subset_of(part, &score, fraction));
        },
    );
    let slider = Input { kind: "range", label: "", testid: "share-slider", min: "5", max: "100", step: "5" };
    let shown = told(move || say::subset(now()));
    let much = kit::input(slider, told(move || format!("{:.0}", now().fraction() * 100.0)), shown, never(), move |text| {
        let taken = parse_f64(&text).map(|p| (p / 100.0).clamp(0.05, 1.0));
        if let Some(fraction) = taken {
            change(&|part, score, _| subset_of(part, score, fraction));
        }
        taken.is_some()
    });
    vec![
        kit::field("field", words(say::PART), words(""), say::PART_WHY, part),
        kit::when(holds(move || now().needs_scores()), "", vec![kit::field("field", words(say::SCORE), words(""), say::SCORE_WHY, score)]),
        kit::when(holds(move || now() != Subset::All), "", vec![kit::field("field", words(say::HOW_MUCH), shown, "", much)]),
    ]
}

/// Preset, what makes the images hard, and how much of them there is.
pub fn hardness(lab: Lab) -> AnyView {
    let config = lab.config;
    let preset = kit::memo(move || config.with(|c| Preset::of(c).map(|p| p.name)));
    let named = move || preset.get().and_then(Preset::named);
    let presets = kit::options(PRESETS.iter().map(|p| (p.name, p.label)).chain([(OWN, say::OWN)]));
    let presets =
        kit::select("", "preset-select", words(presets), told(move || preset.get().unwrap_or(OWN).into()), never(), move |name| {
            if let Some(preset) = Preset::named(&name) {
                lab.choose_preset(preset);
            }
        });
    let scenario = move || config.with(|c| c.hard_by());
    let hard_by = |s: Scenario| holds(move || scenario() == s);
    let scenarios =
        kit::select("", "scenario-select", words(kit::options(say::SCENARIOS)), told(move || scenario().name().into()), never(), {
            move |name| {
                if let Ok(scenario) = name.parse() {
                    config.update(|c| *c = c.clone().harden(scenario, sparring_core::config::Scale::Demo));
                }
            }
        });
    let mut content = vec![
        kit::heading(say::HARD),
        kit::field("field", words(say::PRESET), words(""), "", presets),
        kit::says("quiet", "", told(move || named().map_or(say::OWN_ABOUT, |p| p.about).into())),
        kit::field("field", words(say::HARD_BY), words(""), say::HARD_BY_WHY, scenarios),
        kit::when(hard_by(Scenario::Corruption), "settings", vec![setting(lab, &say::CORRUPTION), setting(lab, &say::SEVERITY)]),
        kit::when(hard_by(Scenario::Attack), "settings", say::ATTACK.iter().map(|s| setting(lab, s)).collect()),
        setting(lab, &say::DATASET),
    ];
    content.extend(subset(lab));
    content.push(setting(lab, &say::DATA));
    content.push(archive(lab));
    kit::part("card", content)
}

/// The official archive from the visitor's own disk.
fn archive(lab: Lab) -> AnyView {
    let wanted = holds(move || lab.config.with(|c| c.dataset == DatasetName::Cifar10));
    let busy = holds(move || lab.phase.with(|p| p.busy() || *p == Phase::Starting));
    let file = kit::file(say::ARCHIVE_FILE, "archive-input", ".gz,.tgz,.tar,application/gzip,application/x-tar", busy, move |file| {
        lab.drop_archive(&file)
    });
    kit::when(wanted, "", vec![kit::folded("", say::ARCHIVE, vec![kit::says("quiet", "", words(say::ARCHIVE_ABOUT)), file])])
}

/// The network, the learners, and everything about how they train.
pub fn corners(lab: Lab) -> AnyView {
    let config = lab.config;
    let count = kit::memo(move || config.with(|c| c.learners.len()));
    let differs = told(move || {
        let busy = lab.phase.with(|p| matches!(p, Phase::Training | Phase::Paused | Phase::Loading(_)));
        if busy && lab.started.with(|s| s.as_ref() != Some(&config.get())) { say::DIFFERS.into() } else { String::new() }
    });
    let models: Vec<_> = Model::ALL.iter().map(|m| (m.to_string(), model_label(*m))).collect();
    let models = kit::options(models.iter().map(|(value, label)| (value.as_str(), label.as_str())));
    let model = kit::select("", "model-select", words(models), told(move || config.with(|c| c.model.to_string())), never(), move |name| {
        if let Ok(model) = name.parse() {
            config.update(|c| c.model = model);
        }
    });
    let add = kit::button("", "add-learner", words(say::ADD), holds(move || count.get() >= MOST_LEARNERS), move || {
        config.update(|c| c.learners.push(LearnerConfig::new(Method::RigL, 0.2)));
    });
    let paper = kit::button("", "paper-recipe", words(say::PAPER), never(), move || {
        config.update(|c| {
            let (subset, control) = (c.subset, c.control);
            *c = c.clone().preset(Recipe::Paper);
            (c.subset, c.control) = (subset, control);
        });
    });
    let advanced: Vec<_> =
        [&say::BALANCED].into_iter().chain(say::ADVANCED).map(|s| setting(lab, s)).chain([rate_now(lab), paper]).collect();
    kit::part(
        "card",
        vec![
            kit::heading(say::CORNERS),
            kit::field("field", words(say::NETWORK), words(""), say::NETWORK_WHY, model),
            setting(lab, &say::WIDTH),
            kit::made(Box::new(move || kit::part("settings", (0..count.get()).map(|i| corner(lab, i)).collect()))),
            kit::part("row", vec![add]),
            setting(lab, &say::CONTROL),
            setting(lab, &say::EPOCHS),
            seeds(lab),
            kit::folded("", say::ADVANCED_SUMMARY, advanced),
            kit::says("note", "", differs),
            kit::says("note", "estimate", super::estimate::sentence(lab)),
        ],
    )
}

/// How often the race is run.
fn seeds(lab: Lab) -> AnyView {
    let number = Input { kind: "number", label: "", testid: "seeds-input", min: "1", max: "10", step: "1" };
    let number = kit::input(number, told(move || lab.seeds().to_string()), words(""), never(), move |text| {
        let seeds = text.parse().ok().filter(|n| (1..=MOST_SEEDS).contains(n));
        seeds.into_iter().for_each(|n| lab.teacher.update(|t| t.more_seeds = n - 1));
        seeds.is_some()
    });
    kit::field("field inline", words(ring::SEEDS), words(""), ring::SEEDS_WHY, number)
}

/// One learner of the form.
fn corner(lab: Lab, index: usize) -> AnyView {
    let config = lab.config;
    let learner = kit::memo(move || config.with(|c| c.learners.get(index).copied().unwrap_or(LearnerConfig::DENSE)));
    let edit = move |change: &dyn Fn(&mut LearnerConfig)| {
        config.update(|c| c.learners.get_mut(index).into_iter().for_each(change));
    };
    let methods = kit::choices(&offers::methods());
    let method =
        kit::select(say::METHOD, "method-select", words(methods), told(move || learner.get().method.name().into()), never(), move |name| {
            if let Ok(method) = name.parse::<Method>() {
                edit(&|l| {
                    let density = match (method, l.method) {
                        (Method::Dense, _) => 1.0,
                        (_, Method::Dense) => 0.2,
                        _ => l.density,
                    };
                    // Options of one method seldom fit another.
                    *l = LearnerConfig::new(method, density);
                });
            }
        });
    let remove =
        kit::button("small", "remove-learner", words(say::REMOVE), holds(move || config.with(|c| c.learners.len() < 2)), move || {
            config.update(|c| {
                if c.learners.len() > 1 && index < c.learners.len() {
                    c.learners.remove(index);
                }
            });
        });
    let slider = Input { kind: "range", label: "", testid: "density-slider", min: "0.01", max: "1", step: "0.01" };
    let shown = told(move || format!("{:.2}", learner.get().density));
    let density = kit::input(slider, told(move || learner.get().density.to_string()), shown, never(), move |text| {
        let density = parse_f64(&text);
        if let Some(density) = density {
            edit(&|l| l.density = density.clamp(0.01, 1.0));
        }
        density.is_some()
    });
    let shared = told(move || learner.get().allocation.map_or("as", Allocation::name).into());
    let allocations = format!("{}{}", kit::options([("as", say::ALLOCATION_OWN)]), kit::choices(&offers::allocations()));
    let allocation = kit::select("", "allocation-select", words(allocations), shared, never(), move |name| {
        edit(&|l| l.allocation = name.parse().ok());
    });
    let masked =
        kit::check(say::MASKED, say::MASKED_WHY, "masked-check", holds(move || learner.get().semantics == Semantics::Masked), move |on| {
            edit(&|l| l.semantics = if on { Semantics::Masked } else { Semantics::Sparse });
        });
    let weights = told(move || {
        lab.race.with(|r| r.corners().nth(index).map(|l| say::weights(l.now.active_parameters, l.now.parameters)).unwrap_or_default())
    });
    let sparse = holds(move || learner.get().method != Method::Dense);
    // A corner of the race that runs: the form's density can be given to it.
    let runs = holds(move || {
        let entered = lab.race.with(|r| r.corners().nth(index).is_some_and(|l| l.info.learner != "dense"));
        entered && lab.phase.with(|p| matches!(p, Phase::Training | Phase::Paused))
    });
    let density_now = kit::button("small", "density-now", words(say::DENSITY_NOW), never(), move || {
        lab.set_density(index, learner.get_untracked().density);
    });
    let class =
        told(move || format!("corner {}", config.with(|c| race::tones(&c.learners).get(index).copied().unwrap_or(Tone::Fourth)).class()));
    let content = vec![
        kit::part("row", vec![method, remove]),
        kit::when(
            sparse,
            "settings",
            vec![
                kit::field("field", words(say::DENSITY), shown, say::DENSITY_WHY, density),
                kit::when(runs, "row", vec![density_now]),
                kit::folded(
                    "",
                    say::VARY,
                    vec![kit::field("field", words(say::ALLOCATION), words(""), say::ALLOCATION_WHY, allocation), masked],
                ),
            ],
        ),
        kit::says("quiet", "", told(move || learner.get().method.about().into())),
        kit::says("quiet", "", weights),
    ];
    tag("fieldset").says("class", class).is("aria-label", format!("Learner {}", index + 1)).all(content).view()
}

/// The learning rate of the race that runs.
fn rate_now(lab: Lab) -> AnyView {
    let typed = RwSignal::new(String::new());
    let rate = move || parse_f64(&typed.get()).map(|r| r as f32).filter(|r| (0.0..=1000.0).contains(r));
    let running = holds(move || lab.phase.with(|p| matches!(p, Phase::Training | Phase::Paused)));
    let number = Input { kind: "number", label: "", testid: "rate-now", min: "0", max: "1000", step: "any" };
    let number = kit::input(number, typed.into(), words(""), never(), move |text| {
        typed.set(text);
        true
    });
    let take = kit::button("", "rate-use", words(say::RATE_USE), holds(move || rate().is_none()), move || lab.set_lr(untrack(rate)));
    let back = kit::button("", "rate-back", words(say::RATE_BACK), never(), move || lab.set_lr(None));
    let field = kit::field("field inline", words(say::RATE), words(""), "", number);
    kit::when(running, "live", vec![field, kit::part("row", vec![take, back])])
}
