//! What a teacher gives a class: the words at the top of the page, and the builder of links.
//!
//! The builder is a form as HTML: what it says is read from its fields when something changes, so it costs no signal a field.

use leptos::prelude::*;
use sparring_figures::html::escape;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};

use super::kit::{self, heard, never, told};
use super::lab::{Lab, address};
use crate::teacher::{MOST_TEXT, PARTS, Teacher};
use crate::words::teacher as words;

/// The teacher's own words, and what of the link was not understood. Empty where there is neither.
pub fn banner(lab: Lab) -> AnyView {
    let html = told(move || {
        let mut out = String::new();
        lab.teacher.with(|t| {
            if !t.text.is_empty() {
                let text = escape(&t.text).replace('\n', "<br>");
                out.push_str(&format!(
                    "<section aria-label=\"{}\" data-testid=\"teacher-text\"><p>{text}</p></section>",
                    words::FROM_TEACHER
                ));
            }
        });
        lab.remarks.with(|remarks| {
            for remark in remarks {
                out.push_str(&format!("<p role=\"alert\" data-testid=\"link-remark\">{}</p>", escape(remark)));
            }
        });
        out
    });
    kit::html("from-teacher", "", html)
}

/// The form for lessons of these titles, the link that it makes, and its button.
pub fn builder(lab: Lab, titles: impl Fn() -> Vec<String> + Send + Sync + 'static) -> AnyView {
    let built = RwSignal::new(Teacher::default());
    // Titles arrive late: the form that has them says what was filled in before.
    let form = told(move || form(&titles(), &built.get_untracked()));
    let link = move || {
        let teacher = Teacher { more_seeds: lab.seeds() - 1, ..built.get() };
        lab.config.with(|c| address(c, &teacher)).unwrap_or_default()
    };
    let read = move |event: &web_sys::Event| {
        let target = event.target().and_then(|t| t.dyn_into::<Element>().ok());
        if let Some(form) = target.and_then(|t| t.closest(".builder").ok().flatten()) {
            built.set(fields(&form));
        }
    };
    let shown = told(move || {
        let link = escape(&link());
        format!("<a data-testid=\"teacher-link\" href=\"{link}\">{link}</a>")
    });
    let copy = kit::button("", "teacher-copy", kit::words(words::COPY), never(), move || {
        super::device::copy(lab, words::LINK, Some(untrack(link)));
    });
    let content = vec![
        kit::heading(words::BUILDER),
        kit::says("wide", "", kit::words(words::ABOUT)),
        heard("form", "", form, read),
        kit::html("remark", "", shown),
        kit::part("row", vec![copy]),
    ];
    kit::part("card builder", content)
}

/// The form's fields with these lessons, filled in.
fn form(titles: &[String], filled: &Teacher) -> String {
    let mut out = format!("<label class=\"field\"><span>{}</span><select><option value=\"\">{}</option>", words::WHICH, words::NO_LESSON);
    for (i, title) in titles.iter().enumerate() {
        let selected = if filled.lesson == Some(i) { " selected" } else { "" };
        out.push_str(&format!("<option value=\"{i}\"{selected}>{}</option>", escape(title)));
    }
    out.push_str(&format!("</select></label><fieldset><legend>{}</legend>", words::HIDE));
    for (bit, (_, label)) in PARTS.iter().enumerate() {
        let checked = if filled.hide >> bit & 1 == 1 { " checked" } else { "" };
        out.push_str(&format!("<label class=\"check\"><input type=\"checkbox\" value=\"{bit}\"{checked}><span>{label}</span></label>"));
    }
    out.push_str(&format!(
        "</fieldset><label class=\"field\"><span>{}</span><textarea rows=\"3\" maxlength=\"{MOST_TEXT}\">\n{}</textarea></label>",
        words::OWN,
        escape(&filled.text)
    ));
    out
}

/// What the form says.
fn fields(form: &Element) -> Teacher {
    let find = |selector: &str| form.query_selector(selector).ok().flatten();
    let lesson = find("select").and_then(|e| e.dyn_into::<HtmlSelectElement>().ok()).and_then(|s| s.value().parse().ok());
    let text = find("textarea").and_then(|e| e.dyn_into::<HtmlTextAreaElement>().ok()).map(|t| t.value()).unwrap_or_default();
    let mut hide = 0;
    for bit in 0..PARTS.len() {
        let ticked = find(&format!("input[value=\"{bit}\"]")).and_then(|e| e.dyn_into::<HtmlInputElement>().ok());
        if ticked.is_some_and(|input| input.checked()) {
            hide |= 1 << bit;
        }
    }
    Teacher { lesson, hide, text, ..Teacher::default() }
}
