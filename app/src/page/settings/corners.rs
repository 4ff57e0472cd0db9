//! The network, the learners, and everything about how they train.

use leptos::prelude::*;
use sparring_core::config::{Allocation, LearnerConfig, Method, Preset as Recipe, Semantics};
use sparring_core::net::zoo::Model;
use sparring_core::platform::parse_f64;
use sparring_figures::Tone;

use super::setting::SettingField;
use crate::model::offers;
use crate::model::race::{self, Race};
use crate::model::teacher::MOST_SEEDS;
use crate::page::kit::{Button, Check, Choices, Field, Folded, NumberField, Says, Select, Slider};
use crate::page::lab::{Phase, use_lab};
use crate::words::ring;
use crate::words::settings as words;

/// More than this no chart can show calmly.
const MOST_LEARNERS: usize = 4;

/// Who trains, and how.
#[component]
pub fn Corners() -> impl IntoView {
    let lab = use_lab();
    let config = lab.config;
    let count = Memo::new(move |_| config.with(|c| c.learners.len()));
    let choose_model = move |name: String| {
        if let Ok(model) = name.parse() {
            config.update(|c| c.model = model);
        }
    };
    let add = move || config.update(|c| c.learners.push(LearnerConfig::new(Method::RigL, 0.2)));
    let paper = move || {
        config.update(|c| {
            let (subset, control) = (c.subset, c.control);
            *c = c.clone().preset(Recipe::Paper);
            (c.subset, c.control) = (subset, control);
        });
    };
    view! {
        <div class="card" data-part="corners">
            <h2>{words::CORNERS}</h2>
            <Field label=words::NETWORK why=words::NETWORK_WHY>
                <Select
                    testid="model-select"
                    choices=Choices::new(Model::ALL.iter().map(|model| (model.to_string(), words::model(*model))))
                    value=Signal::derive(move || config.with(|c| c.model.to_string()))
                    on_choose=choose_model
                />
            </Field>
            <SettingField of=&words::WIDTH />
            <div class="settings">{move || (0..count.get()).map(|index| view! { <Corner index /> }).collect_view()}</div>
            <div class="row">
                <Button
                    label=words::ADD
                    testid="add-learner"
                    disabled=Signal::derive(move || count.get() >= MOST_LEARNERS)
                    on_press=add
                />
            </div>
            <SettingField of=&words::CONTROL />
            <SettingField of=&words::EPOCHS />
            <Seeds />
            <Folded summary=words::ADVANCED_SUMMARY>
                <SettingField of=&words::BALANCED />
                {words::ADVANCED.iter().map(|of| view! { <SettingField of /> }).collect_view()}
                <RateNow />
                <Button label=words::PAPER testid="paper-recipe" on_press=paper />
            </Folded>
        </div>
    }
}

/// How often the race is run.
#[component]
fn Seeds() -> impl IntoView {
    let lab = use_lab();
    let enter = move |text: String| {
        let seeds = text.parse().ok().filter(|n| (1..=MOST_SEEDS).contains(n));
        seeds.into_iter().for_each(|n| lab.teacher.update(|t| t.more_seeds = n - 1));
        seeds.is_some()
    };
    view! {
        <Field label=ring::SEEDS why=ring::SEEDS_WHY class="field inline">
            <NumberField
                testid="seeds-input"
                range=["1", "10", "1"]
                value=Signal::derive(move || lab.seeds().to_string())
                on_enter=enter
            />
        </Field>
    }
}

/// One learner of the form.
#[component]
fn Corner(
    /// Its place in the form.
    index: usize,
) -> impl IntoView {
    let lab = use_lab();
    let config = lab.config;
    let learner = Memo::new(move |_| config.with(|c| c.learners.get(index).copied().unwrap_or(LearnerConfig::DENSE)));
    let edit = move |change: &dyn Fn(&mut LearnerConfig)| config.update(|c| c.learners.get_mut(index).into_iter().for_each(change));
    let choose_method = move |name: String| {
        let Ok(method) = name.parse::<Method>() else { return };
        edit(&|l| {
            let density = match (method, l.method) {
                (Method::Dense, _) => 1.0,
                (_, Method::Dense) => 0.2,
                _ => l.density,
            };
            // Options of one method seldom fit another.
            *l = LearnerConfig::new(method, density);
        });
    };
    let remove = move || {
        config.update(|c| {
            if c.learners.len() > 1 && index < c.learners.len() {
                c.learners.remove(index);
            }
        });
    };
    let tone = move || config.with(|c| race::tones(&c.learners).get(index).copied().unwrap_or(Tone::Fourth));
    let about = Signal::derive(move || learner.get().method.about().to_owned());
    // Those of a race that the form does not say are none of this corner's.
    let same = lab.form_is_shown;
    let weights = Signal::derive(move || {
        let of = |r: &Race| r.corners().nth(index).map(|l| words::weights(l.now.active_parameters, l.now.parameters));
        if same.get() { lab.race.with(of).unwrap_or_default() } else { String::new() }
    });
    view! {
        <fieldset class=move || format!("corner {}", tone().class()) aria-label=words::learner(index + 1)>
            <div class="row">
                <Select
                    label=words::METHOD
                    testid="method-select"
                    choices=Choices::new(offers::methods())
                    value=Signal::derive(move || learner.get().method.name().to_owned())
                    on_choose=choose_method
                />
                <Button
                    class="small"
                    testid="remove-learner"
                    label=words::REMOVE
                    disabled=Signal::derive(move || config.with(|c| c.learners.len() < 2))
                    on_press=remove
                />
            </div>
            <Sparsity index learner />
            <Says class="quiet" text=about />
            <Says class="quiet" text=weights />
        </fieldset>
    }
}

/// How sparse a learner is, where, and of which kind.
#[component]
fn Sparsity(
    /// Its place in the form.
    index: usize,
    /// The learner.
    learner: Memo<LearnerConfig>,
) -> impl IntoView {
    let lab = use_lab();
    let edit = move |change: &dyn Fn(&mut LearnerConfig)| lab.config.update(|c| c.learners.get_mut(index).into_iter().for_each(change));
    let slid = move |text: String| {
        let density = parse_f64(&text);
        if let Some(density) = density {
            edit(&|l| l.density = density.clamp(0.01, 1.0));
        }
        density.is_some()
    };
    let shown = Signal::derive(move || format!("{:.2}", learner.get().density));
    // A corner of the race that runs: the form's density can be given to it.
    let runs = Memo::new(move |_| {
        let entered = lab.race.with(|r| r.corners().nth(index).is_some_and(|l| l.info.learner != "dense"));
        entered && lab.phase.with(|p| matches!(p, Phase::Training | Phase::Paused))
    });
    let allocations = Choices::new([("as", words::ALLOCATION_OWN.to_owned())].into_iter().chain(offers::allocations()));
    let semantics = |masked: bool| if masked { Semantics::Masked } else { Semantics::Sparse };
    view! {
        <div class="settings" hidden=move || learner.get().method == Method::Dense>
            <Field label=words::DENSITY value=shown why=words::DENSITY_WHY>
                <Slider
                    testid="density-slider"
                    range=["0.01", "1", "0.01"]
                    value=Signal::derive(move || learner.get().density.to_string())
                    spoken=shown
                    on_slide=slid
                />
            </Field>
            <div class="row" hidden=move || !runs.get()>
                <Button
                    class="small"
                    testid="density-now"
                    label=words::DENSITY_NOW
                    on_press=move || lab.set_density(index, learner.get_untracked().density)
                />
            </div>
            <Folded summary=words::VARY>
                <Field label=words::ALLOCATION why=words::ALLOCATION_WHY>
                    <Select
                        testid="allocation-select"
                        choices=allocations
                        value=Signal::derive(move || learner.get().allocation.map_or("as", Allocation::name).to_owned())
                        on_choose=move |name| edit(&|l| l.allocation = name.parse().ok())
                    />
                </Field>
                <Check
                    label=words::MASKED
                    why=words::MASKED_WHY
                    testid="masked-check"
                    on=Signal::derive(move || learner.get().semantics == Semantics::Masked)
                    on_change=move |masked| edit(&|l| l.semantics = semantics(masked))
                />
            </Folded>
        </div>
    }
}

/// The learning rate of the race that runs.
#[component]
fn RateNow() -> impl IntoView {
    let lab = use_lab();
    let typed = RwSignal::new(String::new());
    let rate = move || parse_f64(&typed.get()).map(|r| r as f32).filter(|r| (0.0..=1000.0).contains(r));
    let enter = move |text| {
        typed.set(text);
        true
    };
    view! {
        <div class="live" hidden=move || !lab.phase.with(|p| matches!(p, Phase::Training | Phase::Paused))>
            <Field label=words::RATE class="field inline">
                <NumberField testid="rate-now" range=["0", "1000", "any"] value=typed on_enter=enter />
            </Field>
            <div class="row">
                <Button
                    testid="rate-use"
                    label=words::RATE_USE
                    disabled=Signal::derive(move || rate().is_none())
                    on_press=move || lab.set_lr(untrack(rate))
                />
                <Button testid="rate-back" label=words::RATE_BACK on_press=move || lab.set_lr(None) />
            </div>
        </div>
    }
}
