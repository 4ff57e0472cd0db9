//! The controls of the bench: which picture, what corrupts it, what attacks it.

use leptos::prelude::*;
use sparring_core::attack::Norm;
use sparring_core::platform::parse_f64;

use super::examiner::Examiner;
use crate::model::examine::Setup;
use crate::model::offers;
use crate::page::kit::{Button, Choices, Field, FileField, Folded, NumberField, Says, Select, Slider};
use crate::words::bench as words;

/// Which picture.
#[component]
pub fn Chooser(
    /// What it puts the picture before.
    examiner: Examiner,
) -> impl IntoView {
    let (index, count) = (move || f64::from(untrack(|| examiner.index())), move || untrack(|| examiner.count()) as f64);
    // Any other, never the same again: 1 to count - 1 further.
    let other = move || index() + 1.0 + (js_sys::Math::random() * (count() - 1.0)).floor().max(0.0);
    let enter = move |text: String| {
        let index = parse_f64(&text);
        index.into_iter().for_each(|index| examiner.go(index.max(0.0)));
        index.is_some()
    };
    view! {
        <div class="row chooser" role="group" aria-label=words::PICTURE>
            <Field label=words::TEST_IMAGE value=Signal::derive(move || words::of(examiner.count())) class="row">
                <NumberField
                    label=words::TEST_IMAGE
                    testid="bench-index"
                    range=["0", "", "1"]
                    value=Signal::derive(move || examiner.index().to_string())
                    on_enter=enter
                />
            </Field>
            <Button label=words::PREVIOUS testid="bench-previous" on_press=move || examiner.go(index() - 1.0) />
            <Button label=words::NEXT testid="bench-next" on_press=move || examiner.go(index() + 1.0) />
            <Button label=words::RANDOM testid="bench-random" on_press=move || examiner.go(other()) />
            <Button label=words::KNOWN testid="bench-known" on_press=move || examiner.seek() />
            <Folded summary=words::OWN>
                <OwnPicture examiner />
            </Folded>
        </div>
    }
}

/// A visitor's own picture.
#[component]
fn OwnPicture(examiner: Examiner) -> impl IntoView {
    let unreadable = move || if examiner.unreadable.get() { words::NOT_A_PICTURE.to_owned() } else { String::new() };
    view! {
        <Says class="quiet" text=words::OWN_ABOUT />
        <FileField
            label=words::OWN
            testid="bench-file"
            accept="image/*"
            on_files=move |files| files.into_iter().take(1).for_each(|file| examiner.take(file))
        />
        <Says class="note" text=Signal::derive(unreadable) />
    }
}

/// A number of the setup.
#[component]
fn SetupSlider(
    setup: RwSignal<Setup>,
    /// Its name.
    label: &'static str,
    /// For tests.
    testid: &'static str,
    /// Its lowest value, and its highest.
    ends: [&'static str; 2],
    /// Where it stands in the setup.
    value: fn(&mut Setup) -> &mut u32,
    /// The same in words.
    spoken: fn(&Setup) -> String,
    /// While it would do nothing.
    #[prop(optional, into)]
    disabled: Signal<bool>,
) -> impl IntoView {
    let [min, max] = ends;
    let spoken = Signal::derive(move || setup.with(spoken));
    let slide = move |text: String| {
        let number = text.parse().ok();
        number.into_iter().for_each(|number| setup.update(|s| *value(s) = number));
        number.is_some()
    };
    view! {
        <Field label=label value=spoken>
            <Slider
                testid=testid
                range=[min, max, "1"]
                value=Signal::derive(move || value(&mut setup.get()).to_string())
                spoken=spoken
                disabled=disabled
                on_slide=slide
            />
        </Field>
    }
}

/// What corrupts the picture.
#[component]
pub fn Corrupting(
    /// Where the controls stand.
    setup: RwSignal<Setup>,
) -> impl IntoView {
    let choose = move |name: String| {
        if let Ok(kind) = name.parse() {
            // A kind at no severity would show nothing of it.
            setup.update(|s| (s.kind, s.severity) = (kind, if s.severity == 0 { 3 } else { s.severity }));
        }
    };
    view! {
        <fieldset class="doing">
            <legend>{words::CORRUPT}</legend>
            <Field label=words::KIND>
                <Select
                    testid="bench-kind"
                    choices=Choices::default().groups(offers::corruptions())
                    value=Signal::derive(move || setup.with(|s| s.kind.name().to_owned()))
                    on_choose=choose
                />
            </Field>
            <SetupSlider
                setup
                label=words::SEVERITY
                testid="bench-severity"
                ends=["0", "5"]
                value=|s| &mut s.severity
                spoken=|s| words::severity(s.severity)
            />
        </fieldset>
    }
}

/// What attacks the picture.
#[component]
pub fn Attacking(
    /// Where the controls stand.
    setup: RwSignal<Setup>,
) -> impl IntoView {
    const NORMS: [Option<Norm>; 3] = [None, Some(Norm::Linf), Some(Norm::L2)];
    let name = |norm: Option<Norm>| norm.map_or("none", Norm::name);
    let idle = Signal::derive(move || setup.with(|s| s.norm.is_none()));
    let allowed = Signal::derive(move || setup.with(|s| words::allowed(s.norm, s.eps_linf, s.eps_l2)));
    view! {
        <fieldset class="doing">
            <legend>{words::ATTACK}</legend>
            <Field label=words::NORM>
                <Select
                    testid="bench-norm"
                    choices=Choices::new(NORMS.map(|norm| (name(norm), words::norm(norm))))
                    value=Signal::derive(move || setup.with(|s| name(s.norm).to_owned()))
                    on_choose=move |name| setup.update(|s| s.norm = name.parse().ok())
                />
            </Field>
            <SetupSlider
                setup
                label=words::EPSILON
                testid="bench-epsilon"
                ends=["0", "64"]
                disabled=idle
                value=|s| if s.norm == Some(Norm::L2) { &mut s.eps_l2 } else { &mut s.eps_linf }
                spoken=|s| words::epsilon(s.norm, s.eps_linf, s.eps_l2)
            />
            <SetupSlider
                setup
                label=words::STEPS
                testid="bench-steps"
                ends=["1", "50"]
                disabled=idle
                value=|s| &mut s.steps
                spoken=|s| words::steps(s.steps)
            />
            <Says class="quiet" text=allowed />
        </fieldset>
    }
}
