//! The left column: what makes the samples hard, and who is in the corners. It edits a copy; the next Train takes it.

use leptos::prelude::*;
use sparring_core::config::{DatasetName, LearnerConfig, LrSchedule, Method, OptimizerName, Subset};
use sparring_core::hardness::Part;
use sparring_core::net::zoo::{Model, Stem};
use sparring_core::platform::parse_f64;

use super::lab::{Lab, Phase};
use crate::figures::{count, percent};
use crate::presets::Preset;
use crate::race::Tone;

type Config = sparring_core::ExperimentConfig;

const OWN: &str = "own";
/// The methods that the page offers: GraSP needs double precision, which only the native program carries.
const METHODS: [Method; 10] = [
    Method::Dense,
    Method::Static,
    Method::Set,
    Method::RigL,
    Method::Snip,
    Method::SnipMask,
    Method::Gmp,
    Method::Omp,
    Method::Lth,
    Method::PreErk,
];
/// More than this no chart can show calmly.
const MOST_LEARNERS: usize = 4;

/// What the page can load; the rest is for the native program.
const DATASETS: [(DatasetName, &str); 3] =
    [(DatasetName::Cifar10, "CIFAR-10"), (DatasetName::BuiltIn, "Built-in set"), (DatasetName::BuiltInGrey, "Built-in set in grey")];

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

/// Takes a value by its text form; every option of a select has one.
fn set<T: std::str::FromStr>(config: RwSignal<Config>, text: &str, write: fn(&mut Config, T)) {
    if let Ok(value) = text.parse() {
        config.update(|c| write(c, value));
    }
}

/// The subset's kind, without its fraction.
#[derive(Clone, Copy)]
struct Kind {
    value: &'static str,
    label: &'static str,
    /// In words, before the share: "the hardest 50%".
    words: &'static str,
    make: fn(f64) -> Subset,
}

const KINDS: [Kind; 4] = [
    Kind { value: "el2n-hard", label: "The hardest by EL2N", words: "the hardest", make: Subset::el2n_hard },
    Kind { value: "el2n-easy", label: "The easiest by EL2N", words: "the easiest", make: Subset::el2n_easy },
    Kind { value: "random", label: "A random part", words: "a random", make: Subset::Random },
    Kind { value: "all", label: "All of them", words: "all", make: |_| Subset::All },
];

fn kind_of(subset: Subset) -> Kind {
    KINDS[match subset {
        // Other scores and the middle come from links; the form shows what is nearest.
        Subset::Ranked { part: Part::Easy, .. } => 1,
        Subset::Ranked { .. } => 0,
        Subset::Random(_) => 2,
        Subset::All => 3,
    }]
}

/// Preset, data, and how much of it.
#[component]
pub fn Hardness() -> impl IntoView {
    let lab = Lab::get();
    let config = lab.config;
    let preset = Memo::new(move |_| config.with(Preset::of));
    let subset = Memo::new(move |_| config.with(|c| c.subset));
    let choose_preset = move |name: String| {
        if let Ok(preset) = name.parse() {
            lab.choose_preset(preset);
        }
    };
    let choose_kind = move |value: String| {
        if let Some(kind) = KINDS.iter().find(|k| k.value == value) {
            config.update(|c| c.subset = (kind.make)(if c.subset == Subset::All { 0.5 } else { c.subset.fraction() }));
        }
    };
    let choose_share = move |percent: &str| {
        if let Some(p) = parse_f64(percent) {
            config.update(|c| c.subset = (kind_of(c.subset).make)((p / 100.0).clamp(0.05, 1.0)));
        }
    };
    view! {
        <div class="card">
            <h2>"What makes them hard"</h2>
            <label class="field">
                <span>"Preset"</span>
                <select
                    data-testid="preset-select"
                    prop:value=move || preset.get().map_or(OWN, Preset::name)
                    on:change:target=move |ev| choose_preset(ev.target().value())
                >
                    {Preset::ALL.iter().map(|p| view! { <option value=p.name()>{p.label()}</option> }).collect_view()}
                    <option value=OWN disabled=true>"My own"</option>
                </select>
            </label>
            <p class="quiet">{move || preset.get().map_or("Your own mix. A preset puts everything back.", Preset::about)}</p>
            <label class="field">
                <span>"Images"</span>
                <select
                    data-testid="dataset-select"
                    prop:value=move || config.with(|c| c.dataset.name())
                    on:change:target=move |ev| set(config, &ev.target().value(), |c, v| c.dataset = v)
                >
                    {DATASETS.map(|(d, label)| view! { <option value=d.name()>{label}</option> }).collect_view()}
                </select>
            </label>
            <label class="field">
                <span>"Train on"</span>
                <select prop:value=move || kind_of(subset.get()).value on:change:target=move |ev| choose_kind(ev.target().value())>
                    {KINDS.into_iter().map(|k| view! { <option value=k.value>{k.label}</option> }).collect_view()}
                </select>
            </label>
            <Show when=move || subset.get() != Subset::All>
                <label class="field">
                    <span>"How much of the training set" <em>{move || share(subset.get())}</em></span>
                    <input
                        type="range" min="5" max="100" step="5"
                        prop:value=move || (subset.get().fraction() * 100.0).round().to_string()
                        aria-valuetext=move || share(subset.get())
                        on:input:target=move |ev| choose_share(&ev.target().value())
                    />
                </label>
            </Show>
            <OwnArchive/>
        </div>
    }
}

fn share(subset: Subset) -> String {
    let kind = kind_of(subset);
    if subset == Subset::All { kind.words.into() } else { format!("{} {}", kind.words, percent(subset.fraction()).replace(".0%", "%")) }
}

/// The official archive from the visitor's own disk.
#[component]
fn OwnArchive() -> impl IntoView {
    let lab = Lab::get();
    let wanted = Memo::new(move |_| lab.config.with(|c| c.dataset == DatasetName::Cifar10));
    let busy = Memo::new(move |_| lab.phase.with(|p| p.busy() || *p == Phase::Starting));
    view! {
        <Show when=move || wanted.get()>
            <details>
                <summary>"Bring your own archive"</summary>
                <p class="quiet">
                    "If this server has no CIFAR-10, choose (or drop here) the official cifar-10-binary.tar.gz. It is checked, kept in this browser, and goes nowhere."
                </p>
                <input
                    type="file"
                    accept=".gz,.tgz,application/gzip"
                    aria-label="The official archive cifar-10-binary.tar.gz"
                    data-testid="archive-input"
                    disabled=move || busy.get()
                    on:change:target=move |ev| {
                        if let Some(file) = ev.target().files().and_then(|f| f.get(0)) {
                            lab.drop_archive(&file);
                            ev.target().set_value("");
                        }
                    }
                />
            </details>
        </Show>
    }
}

/// The network, the learners, and everything about how they train.
#[component]
pub fn Corners() -> impl IntoView {
    let lab = Lab::get();
    let config = lab.config;
    let count = Memo::new(move |_| config.with(|c| c.learners.len()));
    let full = Memo::new(move |_| count.get() >= MOST_LEARNERS);
    let locked = Memo::new(move |_| {
        lab.phase.with(|p| matches!(p, Phase::Training | Phase::Paused | Phase::Loading(_)))
            && lab.started.with(|s| s.as_ref() != Some(&config.get()))
    });
    view! {
        <div class="card">
            <h2>"In the corners"</h2>
            <label class="field">
                <span>"Network"</span>
                <select
                    data-testid="model-select"
                    prop:value=move || config.with(|c| c.model.to_string())
                    on:change:target=move |ev| set(config, &ev.target().value(), |c, v| c.model = v)
                >
                    {Model::ALL.iter().map(|m| view! { <option value=m.to_string()>{model_label(*m)}</option> }).collect_view()}
                </select>
            </label>
            {move || (0..count.get()).map(|i| view! { <CornerForm index=i/> }).collect_view()}
            <div class="row">
                <button
                    type="button"
                    disabled=move || full.get()
                    on:click=move |_| config.update(|c| c.learners.push(LearnerConfig::new(Method::RigL, 0.2)))
                >
                    "Add a learner"
                </button>
            </div>
            <Number label="Epochs" low=1.0 high=1000.0 step="1" testid="epochs-input" read=|c| f64::from(c.epochs) write=|c, v| c.epochs = v as u32/>
            <Advanced/>
            <Show when=move || locked.get()>
                <p class="note">"These settings differ from the race that runs. Stop or reset it, then Train takes them."</p>
            </Show>
        </div>
    }
}

#[component]
fn CornerForm(index: usize) -> impl IntoView {
    let lab = Lab::get();
    let config = lab.config;
    let learner = Memo::new(move |_| config.with(|c| c.learners.get(index).copied().unwrap_or(LearnerConfig::DENSE)));
    let tone = Memo::new(move |_| config.with(|c| Tone::assign(&c.learners).get(index).copied().unwrap_or(Tone::Fourth)));
    let alone = Memo::new(move |_| config.with(|c| c.learners.len() < 2));
    let edit = move |change: &dyn Fn(&mut LearnerConfig)| {
        config.update(|c| {
            if let Some(l) = c.learners.get_mut(index) {
                change(l);
            }
        });
    };
    let remove = move || {
        config.update(|c| {
            if c.learners.len() > 1 && index < c.learners.len() {
                c.learners.remove(index);
            }
        });
    };
    let choose_method = move |name: &str| {
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
    };
    let choose_density = move |text: &str| {
        if let Some(density) = parse_f64(text) {
            edit(&|l| l.density = density.clamp(0.01, 1.0));
        }
    };
    let weights = Memo::new(move |_| {
        lab.race.with(|r| {
            r.corners().nth(index).map(|l| {
                let (active, all) = (count(l.info.active_parameters), count(l.info.parameters));
                if active == all { format!("{all} parameters, all of them") } else { format!("{active} of {all} parameters") }
            })
        })
    });
    view! {
        <fieldset class=move || format!("corner {}", tone.get().class())>
            <legend class="visually-hidden">{format!("Learner {}", index + 1)}</legend>
            <div class="row">
                <select
                    aria-label="Method"
                    prop:value=move || learner.get().method.name()
                    on:change:target=move |ev| choose_method(&ev.target().value())
                >
                    {METHODS.iter().map(|m| view! { <option value=m.name()>{m.title()}</option> }).collect_view()}
                </select>
                <button
                    type="button" class="small" aria-label=format!("Remove learner {}", index + 1)
                    disabled=move || alone.get()
                    on:click=move |_| remove()
                >
                    "Remove"
                </button>
            </div>
            <Show when=move || learner.get().method != Method::Dense>
                <label class="field">
                    <span>"Density" <em>{move || format!("{:.2}", learner.get().density)}</em></span>
                    <input
                        type="range" min="0.01" max="1" step="0.01"
                        prop:value=move || learner.get().density.to_string()
                        on:input:target=move |ev| choose_density(&ev.target().value())
                    />
                </label>
            </Show>
            <p class="quiet">{move || learner.get().method.about()}</p>
            {move || weights.get().map(|text| view! { <p class="quiet">{text}</p> })}
        </fieldset>
    }
}

/// A number of the configuration; what is not a number in range is not taken.
#[component]
fn Number(
    label: &'static str,
    low: f64,
    high: f64,
    step: &'static str,
    #[prop(optional)] testid: &'static str,
    read: fn(&Config) -> f64,
    write: fn(&mut Config, f64),
) -> impl IntoView {
    let config = Lab::get().config;
    let value = Memo::new(move |_| config.with(read));
    // 32-bit fields would show digits that nobody typed.
    let shown = move || {
        let v = value.get();
        if f64::from(v as f32) == v { (v as f32).to_string() } else { v.to_string() }
    };
    view! {
        <label class="field inline">
            <span>{label}</span>
            <input
                type="number" min=low max=high step=step data-testid=testid inputmode="decimal"
                prop:value=shown
                on:change:target=move |ev| {
                    match parse_f64(&ev.target().value()) {
                        Some(v) if (low..=high).contains(&v) => config.update(|c| write(c, v)),
                        _ => ev.target().set_value(&shown()),
                    }
                }
            />
        </label>
    }
}

#[component]
fn Check(label: &'static str, read: fn(&Config) -> bool, write: fn(&mut Config, bool)) -> impl IntoView {
    let config = Lab::get().config;
    view! {
        <label class="check">
            <input type="checkbox" prop:checked=move || config.with(read) on:change:target=move |ev| config.update(|c| write(c, ev.target().checked()))/>
            <span>{label}</span>
        </label>
    }
}

#[component]
fn Advanced() -> impl IntoView {
    let config = Lab::get().config;
    view! {
        <details>
            <summary>"Advanced"</summary>
            <Number label="Width of the network, times" low=0.01 high=8.0 step="any" read=|c| f64::from(c.width) write=|c, v| c.width = v as f32/>
            <label class="field inline">
                <span>"A ResNet begins with"</span>
                <select prop:value=move || config.with(|c| c.stem.name()) on:change:target=move |ev| set(config, &ev.target().value(), |c, v| c.stem = v)>
                    {Stem::ALL.iter().map(|s| view! { <option value=s.name()>{match s { Stem::Auto => "What suits the images", Stem::Small => "3x3", Stem::Large => "7x7, stride 2" }}</option> }).collect_view()}
                </select>
            </label>
            <Check label="Random control: everyone also on a random subset of the same size" read=|c| c.control write=|c, v| c.control = v/>
            <Number label="Batch size" low=1.0 high=4096.0 step="1" read=|c| c.batch_size as f64 write=|c, v| c.batch_size = v as usize/>
            <Number label="Samples at once (0: the whole batch)" low=0.0 high=4096.0 step="1" read=|c| c.micro_batch as f64 write=|c, v| c.micro_batch = v as usize/>
            <Check label="Compute activations twice: less memory, more time" read=|c| c.recompute write=|c, v| c.recompute = v/>
            <label class="field inline">
                <span>"Optimiser"</span>
                <select prop:value=move || config.with(|c| c.optimizer.name()) on:change:target=move |ev| set(config, &ev.target().value(), |c, v| c.optimizer = v)>
                    {OptimizerName::ALL.iter().map(|o| view! { <option value=o.name()>{match o { OptimizerName::Sgd => "SGD", OptimizerName::Adam => "Adam" }}</option> }).collect_view()}
                </select>
            </label>
            <Number label="Learning rate" low=0.0 high=1000.0 step="any" read=|c| f64::from(c.lr) write=|c, v| c.lr = v as f32/>
            <label class="field inline">
                <span>"Schedule"</span>
                <select prop:value=move || config.with(|c| c.lr_schedule.name()) on:change:target=move |ev| set(config, &ev.target().value(), |c, v| c.lr_schedule = v)>
                    {LrSchedule::ALL.iter().map(|s| view! { <option value=s.name()>{match s { LrSchedule::Step => "Steps", LrSchedule::Cosine => "Cosine", LrSchedule::Constant => "Constant" }}</option> }).collect_view()}
                </select>
            </label>
            <Number label="Momentum" low=0.0 high=1.0 step="any" read=|c| f64::from(c.momentum) write=|c, v| c.momentum = v as f32/>
            <Number label="Weight decay" low=0.0 high=1.0 step="any" read=|c| f64::from(c.weight_decay) write=|c, v| c.weight_decay = v as f32/>
            <Check label="Augment: random crop and flip" read=|c| c.augment write=|c, v| c.augment = v/>
            <Number label="Epochs between mask updates" low=1.0 high=1000.0 step="1" read=|c| f64::from(c.update_frequency) write=|c, v| c.update_frequency = v as u32/>
            <Number label="Share replaced at the first" low=0.0 high=1.0 step="any" read=|c| c.death_rate write=|c, v| c.death_rate = v/>
            <Number label="Training images at most (0: all)" low=0.0 high=1e9 step="1" read=|c| c.limit_train as f64 write=|c, v| c.limit_train = v as usize/>
            <Number label="Test images at most (0: all)" low=0.0 high=1e9 step="1" read=|c| c.limit_test as f64 write=|c, v| c.limit_test = v as usize/>
            <Number label="Seed" low=0.0 high=9e15 step="1" read=|c| c.seed as f64 write=|c, v| c.seed = v as u64/>
            <RateNow/>
        </details>
    }
}

/// The learning rate of the race that runs.
#[component]
fn RateNow() -> impl IntoView {
    let lab = Lab::get();
    let typed = RwSignal::new(String::new());
    let rate = move || parse_f64(&typed.get()).map(|r| r as f32).filter(|r| (0.0..=1000.0).contains(r));
    let running = Memo::new(move |_| lab.phase.with(|p| matches!(p, Phase::Training | Phase::Paused)));
    view! {
        <Show when=move || running.get()>
            <div class="live">
                <label class="field inline">
                    <span>"Learning rate from here on"</span>
                    <input type="number" min="0" step="any" prop:value=move || typed.get() on:input:target=move |ev| typed.set(ev.target().value())/>
                </label>
                <div class="row">
                    <button type="button" disabled=move || rate().is_none() on:click=move |_| lab.set_lr(rate())>"Use it"</button>
                    <button type="button" on:click=move |_| lab.set_lr(None)>"Back to the schedule"</button>
                </div>
            </div>
        </Show>
    }
}
