//! A field of the configuration by its name: which control it is, and what is said where a value cannot be taken.

use leptos::prelude::*;
use sparring_core::platform::parse_f64;
use sparring_figures::number;

use crate::model::link;
use crate::model::offers;
use crate::page::kit::{Check, Choices, Field, NumberField, Says, Select, Slider};
use crate::page::lab::use_lab;
use crate::words::settings::{self as words, Kind, Setting};

/// The control of a setting.
#[component]
pub fn SettingField(
    /// Which.
    of: &'static Setting,
) -> impl IntoView {
    let lab = use_lab();
    let value = Signal::derive(move || lab.fields.with(|fields| link::value(fields, of.name)));
    let wrong = RwSignal::new(String::new());
    // What was said of a value that was not taken is old once there is another one.
    Effect::watch(move || value.get(), move |_, _, _| wrong.set(String::new()), false);
    // Text that is no such value is not taken; a field of numbers says what would be.
    let write = move |text: &str| lab.edit(of.name, text).is_ok();
    let number = move |low: &'static str, high: &'static str, step: &'static str| {
        let enter = move |text: String| {
            let inside = |v: f64| parse_f64(low).is_some_and(|l| v >= l) && parse_f64(high).is_some_and(|h| v <= h);
            let taken = parse_f64(&text).is_some_and(inside) && write(&text);
            wrong.set(if taken { String::new() } else { words::wrong(of.label, &text, low, high) });
            taken
        };
        view! {
            <div>
                <Field label=of.label why=of.why class="field inline">
                    <NumberField testid=of.name range=[low, high, step] value on_enter=enter />
                </Field>
                <Says class="note" text=wrong />
            </div>
        }
        .into_any()
    };
    let select = move |choices: Choices| {
        view! {
            <Field label=of.label why=of.why>
                <Select
                    testid=of.name
                    choices
                    value
                    on_choose=move |text| {
                        write(&text);
                    }
                />
            </Field>
        }
        .into_any()
    };
    match of.kind {
        Kind::Check => view! {
            <Check
                label=of.label
                why=of.why
                testid=of.name
                on=Signal::derive(move || value.with(|v| v == "true"))
                on_change=move |on| {
                    write(&on.to_string());
                }
            />
        }
        .into_any(),
        Kind::Choice(all) => select(Choices::new(all.iter().copied())),
        Kind::Corruptions(all) => select(Choices::new(all.iter().copied()).groups(offers::corruptions())),
        Kind::Whole(low, high) => number(low, high, "1"),
        Kind::Real(low, high) => number(low, high, "any"),
        Kind::Share => {
            let shown = Signal::derive(move || value.with(|v| number::share(parse_f64(v).unwrap_or(1.0))));
            view! {
                <Field label=of.label value=shown why=of.why>
                    <Slider
                        testid=of.name
                        range=["5", "100", "5"]
                        value=Signal::derive(move || value.with(|v| format!("{:.0}", parse_f64(v).unwrap_or(1.0) * 100.0)))
                        spoken=shown
                        on_slide=move |text| parse_f64(&text).is_some_and(|p| write(&(p / 100.0).to_string()))
                    />
                </Field>
            }
            .into_any()
        }
        Kind::Eps(linf, l2) => {
            let in_l2 = Memo::new(move |_| lab.fields.with(|fields| link::value(fields, "norm") == "l2"));
            // Pixel values count in 255ths, a length in twentieths.
            let slider = move |most: &'static str, parts: f64, show: fn(f64) -> String| {
                let now = move || value.with(|v| parse_f64(v).unwrap_or(0.0));
                let shown = Signal::derive(move || show(now()));
                view! {
                    <Field label=of.label value=shown why=of.why>
                        <Slider
                            testid=of.name
                            range=["0", most, "1"]
                            value=Signal::derive(move || format!("{:.0}", now() * parts))
                            spoken=shown
                            on_slide=move |text| parse_f64(&text).is_some_and(|k| write(&(k as f32 / parts as f32).to_string()))
                        />
                    </Field>
                }
            };
            let field = move || match in_l2.get() {
                true => slider(l2, 20.0, |length| number::fixed(length, 2)),
                false => slider(linf, 255.0, |radius| format!("{:.0}/255", radius * 255.0)),
            };
            view! { <div>{field}</div> }.into_any()
        }
    }
}
