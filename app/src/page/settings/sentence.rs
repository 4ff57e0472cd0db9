//! The experiment in one sentence, whose bold words are controls; all the others are in the form.

use leptos::prelude::*;
use sparring_core::config::{ExperimentConfig, LearnerConfig, Method};
use sparring_core::net::zoo::Model;
use sparring_core::platform::parse_f64;

use super::estimate::sentence;
use crate::model::{estimate, names, offers};
use crate::page::kit::{Button, Choices, Says, Select, Toggle};
use crate::page::lab::{Phase, use_lab};
use crate::words::settings::{self as words, Kind};

/// Densities that the sentence offers.
const DENSITIES: [f64; 6] = [0.5, 0.3, 0.2, 0.1, 0.05, 0.02];
/// Parts of the images that it offers.
const SUBSETS: [&str; 7] = ["el2n-hard:0.5", "el2n-hard:0.2", "el2n-middle:0.5", "el2n-easy:0.5", "random:0.5", "first:5000", "all"];
/// Epochs that it offers.
const EPOCHS: [u32; 7] = [2, 5, 10, 20, 50, 100, 200];

/// These values and their words; the present one too, where it is none of them.
fn offered(all: impl IntoIterator<Item = String>, now: &str, called: impl Fn(&str) -> String) -> Choices {
    let mut all: Vec<String> = all.into_iter().collect();
    if !all.iter().any(|value| value == now) {
        all.push(now.to_owned());
    }
    Choices::new(all.into_iter().map(|value| {
        let label = called(&value);
        (value, label)
    }))
}

/// "Train SET at 0.2 against dense, ResNet-20, on the hardest 50% of CIFAR-10, for 20 epochs."
#[component]
pub fn Sentence() -> impl IntoView {
    let lab = use_lab();
    let config = lab.config;
    let text = move |of: fn(&ExperimentConfig) -> String| Signal::derive(move || config.with(of));
    let (model, subset, epochs) = (text(|c| c.model.to_string()), text(|c| c.subset.to_string()), text(|c| c.epochs.to_string()));
    let dataset = text(|c| c.dataset.name().to_owned());
    let of_images = move |subset: &str| words::value("subset", subset);
    // A text that is no such value is offered nowhere.
    let edit = move |name: &'static str| move |text: String| drop(lab.edit(name, &text));
    let sparse = Memo::new(move |_| {
        let of = |(index, learner): (usize, &LearnerConfig)| (learner.method != Method::Dense).then_some(index);
        config.with(|c| c.learners.iter().enumerate().filter_map(of).collect::<Vec<_>>())
    });
    let against = move || {
        let dense = config.with(|c| c.learners.iter().any(|learner| learner.method == Method::Dense));
        match (sparse.with(Vec::is_empty), dense) {
            (true, _) => words::DENSE_ALONE,
            (false, true) => words::AGAINST_DENSE,
            (false, false) => "",
        }
    };
    let learner = move |(place, index): (usize, usize)| view! { {(place > 0).then_some(words::AND)} <Sparse index /> };
    let Kind::Choice(datasets) = words::DATASET.kind else { return ().into_any() };
    view! {
        <p class="sentence" data-testid="experiment">
            {words::TRAIN} " " {move || sparse.get().into_iter().enumerate().map(learner).collect_view()} {against} ", "
            <span>
                <Select
                    label=words::NETWORK
                    testid="say-model"
                    choices=Choices::new(Model::ALL.iter().map(|model| (model.to_string(), words::model(*model))))
                    value=model
                    on_choose=edit("model")
                /> ","
            </span> {words::ON}
            <Select
                label=words::PART
                testid="say-subset"
                choices=Signal::derive(move || offered(SUBSETS.map(str::to_owned), &subset.get(), of_images))
                value=subset
                on_choose=edit("subset")
            /> {words::OF}
            <span>
                <Select
                    label=words::DATASET.label
                    testid="say-dataset"
                    choices=Choices::new(datasets.iter().copied())
                    value=dataset
                    on_choose=edit("dataset")
                /> ","
            </span> {words::FOR}
            <span>
                <Select
                    label=words::EPOCHS.label
                    testid="say-epochs"
                    choices=Signal::derive(move || offered(EPOCHS.map(|n| n.to_string()), &epochs.get(), words::epochs))
                    value=epochs
                    on_choose=edit("epochs")
                /> "."
            </span> " "
            <Toggle class="small" testid="form-toggle" label=words::MORE down=lab.form on_press=move || lab.form.update(|open| *open = !*open) />
        </p>
    }
    .into_any()
}

/// What is to be said of the experiment: that it cannot be, that another one is on screen.
#[component]
pub fn Remarks() -> impl IntoView {
    let lab = use_lab();
    let config = lab.config;
    let misfit = Memo::new(move |_| config.with(|c| estimate::misfit(c).map(|why| words::misfit(&why, c.model))).unwrap_or_default());
    let differing =
        Memo::new(move |_| lab.shown.get().map(|shown| config.with(|config| names::differences(&shown, config))).unwrap_or_default());
    let differ = move || differing.with(|all| !all.is_empty());
    let differs = Signal::derive(move || match (differ(), lab.phase.with(Phase::busy)) {
        (false, _) => String::new(),
        (true, true) => words::DIFFERS.to_owned(),
        (true, false) => differing.with(|all| words::shows_another(all)),
    });
    let take = move || lab.shown.get_untracked().into_iter().for_each(|shown| lab.take(shown));
    view! {
        <div class="remarks">
            <Says class="note" testid="misfit" text=misfit />
            <Says class="note" testid="differs" text=differs />
            <Show when=differ>
                <Button class="small" testid="take-shown" label=words::TAKE_SHOWN on_press=take />
            </Show>
        </div>
    }
}

/// How long it takes on this device, as long as it does not train.
#[component]
pub fn Estimate() -> impl IntoView {
    let lab = use_lab();
    let estimate = sentence(lab);
    let idle = Signal::derive(move || if lab.phase.with(Phase::busy) { String::new() } else { estimate.get() });
    // Its line is there before it is: nothing moves when it comes.
    view! { <p class="quiet" data-testid="estimate">{idle}</p> }
}

/// A sparse learner: its method, and its density.
#[component]
fn Sparse(
    /// Its place in the form.
    index: usize,
) -> impl IntoView {
    let config = use_lab().config;
    let learner = Memo::new(move |_| config.with(|c| c.learners.get(index).copied().unwrap_or(LearnerConfig::DENSE)));
    let edit = move |change: &dyn Fn(&mut LearnerConfig)| config.update(|c| c.learners.get_mut(index).into_iter().for_each(change));
    let density = Signal::derive(move || learner.get().density.to_string());
    // Options of one method seldom fit another.
    let choose = move |name: String| {
        name.parse().into_iter().for_each(|method: Method| edit(&|learner| *learner = LearnerConfig::new(method, learner.density)));
    };
    let methods = offers::methods().into_iter().filter(|(name, _)| *name != Method::Dense.name());
    view! {
        <Select
            label=words::METHOD
            testid="say-method"
            choices=Choices::new(methods)
            value=Signal::derive(move || learner.get().method.name().to_owned())
            on_choose=choose
        />
        {words::AT}
        <Select
            label=words::DENSITY
            testid="say-density"
            choices=Signal::derive(move || offered(DENSITIES.map(|d| d.to_string()), &density.get(), str::to_owned))
            value=density
            on_choose=move |text| parse_f64(&text).into_iter().for_each(|density| edit(&|learner| learner.density = density))
        />
    }
}
