//! A choice of one out of several.

use std::borrow::Cow;

use leptos::prelude::*;

type Words = Cow<'static, str>;

/// A value, and what it is called.
type Choice = (Words, Words);

/// What a [`Select`] offers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    plain: Vec<Choice>,
    groups: Vec<(Words, Vec<Choice>)>,
}

impl Choices {
    /// Values and what they are called.
    pub fn new(all: impl IntoIterator<Item = (impl Into<Words>, impl Into<Words>)>) -> Self {
        Self { plain: all.into_iter().map(|(value, label)| (value.into(), label.into())).collect(), groups: Vec::new() }
    }
    /// More of them in groups, each under a name.
    pub fn groups(mut self, all: impl IntoIterator<Item = (String, Vec<(&'static str, String)>)>) -> Self {
        self.groups.extend(all.into_iter().map(|(label, choices)| (label.into(), Self::new(choices).plain)));
        self
    }
}

/// A list that one value is chosen from.
#[component]
pub fn Select(
    /// What it offers.
    #[prop(into)]
    choices: Signal<Choices>,
    /// What is chosen.
    #[prop(into)]
    value: Signal<String>,
    /// Takes the value that a person chose.
    on_choose: impl Fn(String) + 'static,
    /// For tests.
    testid: &'static str,
    /// Its name, where no label says it.
    #[prop(optional)]
    label: Option<&'static str>,
    /// While it cannot be chosen.
    #[prop(optional, into)]
    disabled: Signal<bool>,
) -> impl IntoView {
    // A property, not an attribute: a person who has chosen has parted the two. It is set on options as they are made, also where the list
    // becomes another and the value stays.
    let option = move |(own, label): Choice| {
        let chosen = own.clone();
        view! { <option value=own prop:selected=move || value.with(|value| *value == chosen)>{label}</option> }
    };
    let group =
        move |(label, all): (Words, Vec<Choice>)| view! { <optgroup label=label>{all.into_iter().map(option).collect_view()}</optgroup> };
    let options = move || {
        let Choices { plain, groups } = choices.get();
        (plain.into_iter().map(option).collect_view(), groups.into_iter().map(group).collect_view())
    };
    view! {
        <select aria-label=label data-testid=testid disabled=disabled on:change:target=move |ev| on_choose(ev.target().value())>
            {options}
        </select>
    }
}

/// The same choice with all of it in sight: one stop for the Tab key, and arrow keys within.
#[component]
pub fn Chips(
    /// What it offers.
    #[prop(into)]
    choices: Signal<Choices>,
    /// What is chosen.
    #[prop(into)]
    value: Signal<String>,
    /// Takes the value that a person chose.
    on_choose: impl Fn(String) + Clone + Send + 'static,
    /// Its name in the document: no two at once have the same.
    name: &'static str,
    /// Its name in words.
    label: &'static str,
) -> impl IntoView {
    let chip = move |(own, label): Choice| {
        let (on_choose, testid, chosen) = (on_choose.clone(), own.clone(), own.clone());
        view! {
            <label class="chip" data-testid=testid>
                <input
                    type="radio"
                    name=name
                    value=own
                    prop:checked=move || value.with(|value| *value == chosen)
                    on:change:target=move |ev| on_choose(ev.target().value())
                />
                {label}
            </label>
        }
    };
    view! {
        <div class="radios" role="radiogroup" aria-label=label>
            <For each=move || choices.get().plain key=Choice::clone children=chip />
        </div>
    }
}
