//! What makes the samples hard: preset, scenario, images, which part of them, and how much data there is.

use leptos::prelude::*;
use sparring_core::config::{Scale, Scenario};
use sparring_core::data::DatasetName;
use sparring_core::hardness::{Part, ScoreName, Subset};
use sparring_core::platform::parse_f64;

use super::setting::SettingField;
use crate::model::offers;
use crate::model::presets::Preset;
use crate::page::kit::{Choices, Field, FileField, Folded, NumberField, Says, Select, Slider};
use crate::page::lab::{Phase, use_lab};
use crate::words::presets::PRESETS;
use crate::words::settings as words;

/// So many are the first ones until a person says otherwise.
const FIRST: usize = 5_000;
/// At most so many: all of CIFAR-10's training split.
const MOST: &str = "45000";

/// The choice that is no preset.
const OWN: &str = "own";

/// Preset, what makes the images hard, and how much of them there is.
#[component]
pub fn Hardness() -> impl IntoView {
    let lab = use_lab();
    let preset = Memo::new(move |_| lab.config.with(|c| Preset::of(c).map(|p| p.name)));
    let about = move || preset.get().and_then(Preset::named).map_or(words::OWN_ABOUT, |p| p.about).to_owned();
    let choose = move |name: String| {
        if let Some(preset) = Preset::named(&name) {
            lab.choose_preset(preset);
        }
    };
    let scenario = Memo::new(move |_| lab.config.with(|c| c.hard_by()));
    let harden = move |name: String| {
        if let Ok(scenario) = name.parse() {
            lab.config.update(|c| *c = c.clone().harden(scenario, Scale::Demo));
        }
    };
    view! {
        <div class="card" data-part="hardness">
            <h2>{words::HARD}</h2>
            <Field label=words::PRESET>
                <Select
                    testid="preset-select"
                    choices=Choices::new(PRESETS.iter().map(|p| (p.name, p.label)).chain([(OWN, words::OWN)]))
                    value=Signal::derive(move || preset.get().unwrap_or(OWN).to_owned())
                    on_choose=choose
                />
            </Field>
            <Says class="quiet" text=Signal::derive(about) />
            <Field label=words::HARD_BY why=words::HARD_BY_WHY>
                <Select
                    testid="scenario-select"
                    choices=Choices::new(words::SCENARIOS)
                    value=Signal::derive(move || scenario.get().name().to_owned())
                    on_choose=harden
                />
            </Field>
            <div class="settings" hidden=move || scenario.get() != Scenario::Corruption>
                <SettingField of=&words::CORRUPTION />
                <SettingField of=&words::SEVERITY />
            </div>
            <div class="settings" hidden=move || scenario.get() != Scenario::Attack>
                {words::ATTACK.iter().map(|of| view! { <SettingField of /> }).collect_view()}
            </div>
            <SettingField of=&words::DATASET />
            <SubsetFields />
            <SettingField of=&words::DATA />
            <Archive />
        </div>
    }
}

/// The parts of a subset as the form asks for them: which part, by which score, how much.
fn parts_of(subset: Subset) -> (&'static str, &'static str, f64) {
    match subset {
        Subset::All => ("all", "el2n", 1.0),
        Subset::First(_) => ("first", "el2n", 1.0),
        Subset::Random(fraction) => ("random", "el2n", fraction),
        Subset::Ranked { score, part, fraction } => (part.name(), score.name(), fraction),
    }
}

fn subset_of(part: &str, score: &str, fraction: f64) -> Subset {
    match (part, part.parse::<Part>(), score.parse::<ScoreName>()) {
        ("random", ..) => Subset::Random(fraction),
        ("first", ..) => Subset::First(FIRST),
        (_, Ok(part), Ok(score)) => Subset::Ranked { score, part, fraction },
        _ => Subset::All,
    }
}

/// Which images: the part, the score, how much.
#[component]
fn SubsetFields() -> impl IntoView {
    let lab = use_lab();
    let config = lab.config;
    let now = move || config.with(|c| c.subset);
    let change = move |edit: &dyn Fn(&'static str, &'static str, f64) -> Subset| {
        let (part, score, fraction) = parts_of(untrack(now));
        config.update(|c| c.subset = edit(part, score, fraction));
    };
    let slid = move |text: String| {
        let taken = parse_f64(&text).map(|p| (p / 100.0).clamp(0.05, 1.0));
        if let Some(fraction) = taken {
            change(&|part, score, _| subset_of(part, score, fraction));
        }
        taken.is_some()
    };
    let shown = Signal::derive(move || words::subset(now()));
    let first = move || if let Subset::First(count) = now() { Some(count) } else { None };
    let wrong = RwSignal::new(String::new());
    // What was said of a number that another part does not have.
    Effect::watch(now, move |_, _, _| wrong.set(String::new()), false);
    let counted = move |text: String| {
        let inside = parse_f64(&text).zip(parse_f64(MOST)).is_some_and(|(count, most)| count <= most);
        let taken = inside && lab.edit("subset", &format!("first:{text}")).is_ok();
        wrong.set(if taken { String::new() } else { words::wrong(words::HOW_MANY, &text, "1", MOST) });
        taken
    };
    view! {
        <Field label=words::PART why=words::PART_WHY>
            <Select
                testid="subset-select"
                choices=Choices::new(words::PARTS)
                value=Signal::derive(move || parts_of(now()).0.to_owned())
                on_choose=move |part| change(&|_, score, fraction| subset_of(&part, score, if fraction >= 1.0 { 0.5 } else { fraction }))
            />
        </Field>
        <div hidden=move || !now().needs_scores()>
            <Field label=words::SCORE why=words::SCORE_WHY>
                <Select
                    testid="score-select"
                    choices=Choices::new(offers::scores())
                    value=Signal::derive(move || parts_of(now()).1.to_owned())
                    on_choose=move |score| change(&|part, _, fraction| subset_of(part, &score, fraction))
                />
            </Field>
        </div>
        <div hidden=move || first().is_none()>
            <Field label=words::HOW_MANY class="field inline">
                <NumberField
                    testid="first-count"
                    range=["1", MOST, "1"]
                    value=Signal::derive(move || first().unwrap_or(FIRST).to_string())
                    on_enter=counted
                />
            </Field>
            <Says class="note" text=wrong />
        </div>
        <div hidden=move || now() == Subset::All || first().is_some()>
            <Field label=words::HOW_MUCH value=shown>
                <Slider
                    testid="share-slider"
                    range=["5", "100", "5"]
                    value=Signal::derive(move || format!("{:.0}", parts_of(now()).2 * 100.0))
                    spoken=shown
                    on_slide=slid
                />
            </Field>
        </div>
    }
}

/// The official archive from the visitor's own disk.
#[component]
fn Archive() -> impl IntoView {
    let lab = use_lab();
    let unwanted = move || lab.config.with(|c| c.dataset != DatasetName::Cifar10);
    let busy = Signal::derive(move || lab.phase.with(|p| p.busy() || *p == Phase::Starting));
    view! {
        <div hidden=unwanted>
            <Folded summary=words::ARCHIVE>
                <p class="quiet">{words::ARCHIVE_ABOUT}</p>
                <FileField
                    label=words::ARCHIVE_FILE
                    testid="archive-input"
                    accept=".gz,.tgz,.tar,application/gzip,application/x-tar"
                    disabled=busy
                    on_files=move |files| files.first().into_iter().for_each(|file| lab.drop_archive(file))
                />
            </Folded>
        </div>
    }
}
