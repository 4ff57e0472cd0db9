//! The place of findings: studies that ship with the page or were brought as files, and one more seed of any of their points.

use std::sync::Arc;

use leptos::prelude::*;
use sparring_core::record::StudyFile;
use sparring_figures::html::escape;
use wasm_bindgen_futures::spawn_local;

use super::entries::refresh;
use super::kit::{self, acted, holds, memo, told};
use super::lab::{Lab, Phase};
use super::place::Place;
use super::tag::tag;
use crate::findings::Shown;
use crate::trainer::fetch::{self, Missing};
use crate::words::findings as words;

/// Fetches the studies that ship with the page, once.
fn fetch_shipped(lab: Lab) {
    if lab.studies_asked.get_value() {
        return;
    }
    lab.studies_asked.set_value(true);
    lab.studies_say.set(words::FETCHING.to_owned());
    spawn_local(async move {
        match shipped().await {
            Ok(shipped) => {
                lab.studies.update(|studies| studies.extend(shipped.into_iter().map(Arc::new)));
                lab.studies_say.set(String::new());
            }
            Err(why) => {
                lab.studies_say.set(words::missing(&why));
                // The next visit asks again.
                lab.studies_asked.set_value(false);
            }
        }
    });
}

async fn shipped() -> Result<Vec<StudyFile>, String> {
    let file = async |name: &str| match fetch::get(&format!("findings/{name}"), &mut |_| true).await {
        Ok(bytes) => Ok(bytes),
        Err(Missing::Broken(words)) => Err(words),
        Err(_) => Err(format!("findings/{name} is not on this server")),
    };
    let index = file("index.json").await?;
    let names: Vec<String> = serde_json::from_slice(&index).map_err(|e| e.to_string())?;
    let mut studies = Vec::new();
    for name in names {
        studies.push(StudyFile::read(&file(&name).await?).map_err(|e| format!("{name}: {e}"))?);
    }
    Ok(studies)
}

/// A study that was brought as a file is shown, first of all.
pub fn bring(lab: Lab, study: StudyFile) {
    lab.visit(Place::Findings);
    lab.remark.set(Some(words::brought(&study.name)));
    lab.studies.update(|studies| studies.insert(0, Arc::new(study)));
}

/// The place.
pub fn findings(lab: Lab) -> AnyView {
    fetch_shipped(lab);
    refresh(lab.runs);
    let busy = holds(move || lab.phase.with(Phase::busy));
    let shown = memo(move || {
        let of = |study: &Arc<StudyFile>| {
            let own = lab.runs.with(|runs| runs.iter().filter_map(|entry| entry.file.clone().ok()).collect::<Vec<_>>());
            (study.clone(), Shown::new(study, own.iter().map(|file| &**file)))
        };
        lab.studies.with(|studies| studies.iter().map(of).collect::<Vec<_>>())
    });
    let cards = told(move || {
        let card = |(i, (study, shown)): (usize, &(Arc<StudyFile>, Shown))| {
            let question = if study.question.is_empty() { &study.name } else { &study.question };
            format!(
                "<section class=\"card study\" aria-label=\"{}\"><h3>{}</h3><p>{}</p><ul class=\"key\">{}</ul><figure>{}</figure>\
                 <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">{}</div></section>",
                escape(&study.name),
                escape(question),
                escape(&study.verdict),
                shown.key(),
                shown.figure(study).unwrap_or_default(),
                words::POINTS,
                shown.table(study, i, busy.get())
            )
        };
        shown.with(|shown| shown.iter().enumerate().map(card).collect())
    });
    let clicked = move |ev: &web_sys::Event| {
        let Some((act, element)) = acted(ev) else { return };
        let number = |name: &str| element.get_attribute(name).and_then(|text| text.parse::<usize>().ok());
        if act == "seed"
            && ev.type_() == "click"
            && let (Some(study), Some(point)) = (number("data-study"), number("data-point"))
            && let Some(next) = shown.with_untracked(|shown| Some(shown.get(study)?.1.points.get(point)?.next.clone()))
        {
            lab.config.set(next);
            lab.visit(Place::Ring);
            lab.train();
        }
    };
    let content = vec![
        kit::heading(words::TITLE),
        tag("p").text(words::ABOUT).view(),
        kit::says("quiet", "findings-say", lab.studies_say.into()),
        kit::heard("studies", "findings", cards, clicked),
    ];
    tag("div").is("class", "card findings").all(content).view()
}
