//! The place of findings: studies that ship with the page or were brought as files, and one more seed of any of their points.

use std::sync::Arc;

use leptos::prelude::*;
use sparring_core::record::StudyFile;
use wasm_bindgen_futures::spawn_local;

use super::entries::refresh;
use super::kit::{Drawing, Says, Scroll, TableHead};
use super::lab::{Lab, Phase, use_lab};
use super::place::Place;
use crate::model::findings::{Point, Shown};
use crate::model::names::in_words;
use crate::model::replay::Recording;
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
#[component]
pub fn Findings() -> impl IntoView {
    let lab = use_lab();
    fetch_shipped(lab);
    refresh(lab.runs, lab.looks);
    // A study stays the same one, wherever others are put before it.
    let same = |study: &Arc<StudyFile>| Arc::as_ptr(study) as usize;
    view! {
        <div class="card findings">
            <h2>{words::TITLE}</h2>
            <p>{words::ABOUT}</p>
            <Says class="quiet" testid="findings-say" text=lab.studies_say />
            <div class="studies" data-testid="findings">
                <For each=move || lab.studies.get() key=same children=|study| view! { <Study study /> } />
            </div>
        </div>
    }
}

/// A study, with the visitor's own runs.
#[component]
fn Study(
    /// The study as it came.
    study: Arc<StudyFile>,
) -> impl IntoView {
    let lab = use_lab();
    let (name, verdict) = (study.name.clone(), in_words(&study.verdict));
    let question = if study.question.is_empty() { name.clone() } else { study.question.clone() };
    let scrolled = words::points_of(&name);
    let study = StoredValue::new(study);
    let shown = Memo::new(move |_| {
        let of = |study: &Arc<StudyFile>| {
            lab.runs.with(|runs| {
                Shown::new(study, runs.iter().filter_map(|entry| entry.file.as_ref().ok()).flat_map(Recording::runs).map(Arc::as_ref))
            })
        };
        study.with_value(of)
    });
    let figure = move || study.with_value(|study| shown.with(|shown| shown.figure(study).unwrap_or_default()));
    let places = move || shown.with(|shown| shown.points.iter().map(Point::place).collect::<Vec<_>>());
    view! {
        <section class="card study" aria-label=name>
            <h3>{question}</h3>
            <p>{verdict}</p>
            <figure>
                <Drawing svg=Signal::derive(figure) />
            </figure>
            <Scroll label=scrolled>
                <table>
                    <TableHead caption=words::POINTS columns=words::COLUMNS.map(str::to_owned) />
                    <tbody>
                        <For each=places key=|place| *place children=move |place| view! { <PointRow study shown place /> } />
                    </tbody>
                </table>
            </Scroll>
        </section>
    }
}

/// A point with its numbers and the way to one more seed. It stays while its numbers change.
#[component]
fn PointRow(
    /// The study as it came.
    study: StoredValue<Arc<StudyFile>>,
    /// The same with the visitor's own runs.
    shown: Memo<Shown>,
    /// Which point: its condition and its learner.
    place: (usize, usize),
) -> impl IntoView {
    let lab = use_lab();
    let busy = Memo::new(move |_| lab.phase.with(Phase::busy));
    let point = move || shown.with(|shown| shown.points.iter().find(|point| point.place() == place).cloned());
    let said = Memo::new(move |_| study.with_value(|study| point().map(|point| point.said(study)).unwrap_or_default()));
    let train = move |_| {
        if let Some(point) = untrack(point) {
            lab.take(point.next);
            lab.visit(Place::Ring);
            lab.train();
        }
    };
    view! {
        <tr>
            <th scope="row">{move || said.with(|said| said.learner.clone())}</th>
            <td>{move || said.with(|said| said.condition.clone())}</td>
            <td>{move || said.with(|said| said.mean.clone())}</td>
            <td>{move || said.with(|said| said.seeds.clone())}</td>
            <td>
                <button
                    type="button"
                    class="small"
                    aria-label=move || said.with(|said| words::one_more(&said.learner, &said.condition))
                    disabled=busy
                    on:click=train
                >
                    {words::ONE_MORE}
                </button>
            </td>
        </tr>
    }
}
