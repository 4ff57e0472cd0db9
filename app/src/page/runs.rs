//! The place of runs: recorded ones, those kept in this browser, those brought as files. Open, go on, compare, rename, take away, delete.
//!
//! The list is text with one listener; a run that cannot be read has its own line and its own reason, and disturbs no other.

use std::sync::Arc;

use leptos::prelude::*;
use sparring_core::ExperimentConfig;
use sparring_core::record::StudyFile;
use sparring_core::record::run_file::{self, RunFile};
use sparring_figures::html::{escape, table};
use sparring_figures::number;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, File, FileList, HtmlCanvasElement, HtmlElement, HtmlImageElement, StorageEstimate};

use super::canvas::{context, stamp};
use super::chart;
use super::compare::comparison;
use super::entries::{Entry, IMPORTED, day, fetch_recorded, refresh};
use super::findings;
use super::kit::{self, acted, holds, never, told, words as fixed};
use super::lab::{Lab, Phase};
use super::tag::{self, tag};
use crate::export;
use crate::kept::{self, Shelf};
use crate::protocol::{Command, Message};
use crate::race::{LearnerView, Race};
use crate::replay::Source;
use crate::trainer::store::{Store, manager};
use crate::words::runs as words;

/// Of a chart that is taken away, in pixels.
const CHART_WIDTH: f64 = 900.0;

/// The list as a table.
fn list(runs: &[Entry], chosen: &[String], busy: bool) -> String {
    let button = |act: &str, words: &str, run: &str, disabled: bool| {
        let disabled = if disabled { " disabled" } else { "" };
        format!("<button type=\"button\" class=\"small\" data-act=\"{act}\" data-run=\"{}\"{disabled}>{words}</button>", escape(run))
    };
    let row = |entry: &Entry| {
        let run = &entry.run;
        let own = entry.source != Source::Recorded;
        let (name, kind) = (escape(entry.name()), entry.source.label());
        let delete = if own { button("delete", words::DELETE, run, false) } else { String::new() };
        let file = match &entry.file {
            Ok(file) => file,
            Err(why) => {
                return vec![
                    String::new(),
                    format!("<b>{name}</b><small>{}</small>", escape(&words::unreadable(why))),
                    String::new(),
                    delete,
                ];
            }
        };
        let (epochs, _) = file.extent();
        let tick = if chosen.contains(run) { " checked" } else { "" };
        let check = format!(
            "<input type=\"checkbox\" data-act=\"choose\" data-run=\"{}\" aria-label=\"{}\"{tick}>",
            escape(run),
            escape(&words::compare_this(entry.name()))
        );
        let about = escape(&words::about(kind, epochs, file.config.epochs, &file.device.name, day(file)));
        let mut acts = button("open", words::OPEN, run, busy);
        if entry.resumes {
            acts.push_str(&button("go-on", words::GO_ON, run, busy));
        }
        if own {
            acts.push_str(&button("rename", words::RENAME, run, false));
        }
        acts.push_str(&button("save", words::SAVE, run, false));
        acts.push_str(&button("card", words::CARD, run, false));
        acts.push_str(&delete);
        vec![check, format!("<b>{name}</b><small>{about}</small><div class=\"row\">{acts}</div>")]
    };
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    table(words::CAPTION, &words::COLUMNS, rows)
}

/// Files of the learners that the trainer holds.
fn weights(race: &Race) -> String {
    let row = |(i, l): (usize, LearnerView)| {
        let button = |act: &str, words: &str| {
            format!("<button type=\"button\" class=\"small\" data-act=\"{act}\" data-learner=\"{i}\">{words}</button>")
        };
        let acts = format!("{}{}", button("weights", words::WEIGHTS), button("masks", words::MASKS));
        vec![escape(&l.name()), format!("<div class=\"row\">{acts}</div>")]
    };
    let rows: Vec<Vec<String>> = race.learners().enumerate().map(row).collect();
    table(words::HELD, &[words::LEARNER, words::FILES], rows)
}

/// Hands what an address names to the person, as a file.
fn hand_out(name: &str, address: &str) -> Result<(), JsValue> {
    let link: HtmlElement = document().create_element("a")?.unchecked_into();
    link.set_attribute("href", address)?;
    link.set_attribute("download", name)?;
    link.click();
    Ok(())
}

/// Hands a file (text or bytes) to the person.
fn download(lab: Lab, name: &str, content: &JsValue) {
    let parts = js_sys::Array::of1(content);
    let done = || {
        let address = web_sys::Url::create_object_url_with_blob(&Blob::new_with_buffer_source_sequence(&parts)?)?;
        hand_out(name, &address)?;
        web_sys::Url::revoke_object_url(&address)
    };
    if let Err(error) = done() {
        lab.remark.set(Some(words::not_saved(&crate::trainer::stream::words(error))));
    }
}

/// A drawing as a picture of twice its size, as an address.
async fn png(svg: &str) -> Result<String, JsValue> {
    let image = HtmlImageElement::new()?;
    image.set_src(&format!("data:image/svg+xml,{}", String::from(js_sys::encode_uri_component(svg))));
    JsFuture::from(image.decode()).await?;
    let canvas: HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
    let (width, height) = (2 * image.width(), 2 * image.height());
    canvas.set_width(width);
    canvas.set_height(height);
    if let Some(context) = context(&canvas) {
        context.draw_image_with_html_image_element_and_dw_and_dh(&image, 0.0, 0.0, f64::from(width), f64::from(height))?;
    }
    canvas.to_data_url()
}

/// The chart as it is set in the ring, as a file.
fn take_chart(lab: Lab, as_png: bool) {
    let view = untrack(move || chart::view(lab));
    let (figure, name) = untrack(move || (chart::figure(lab, view), lab.race_name()));
    let svg = figure.document(CHART_WIDTH, &name);
    if !as_png {
        download(lab, &file_name(&format!("{name}.svg")), &svg.into());
        return;
    }
    spawn_local(async move {
        let done = match png(&svg).await {
            Ok(address) => hand_out(&file_name(&format!("{name}.png")), &address),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            lab.remark.set(Some(words::not_saved(&crate::trainer::stream::words(error))));
        }
    });
}

/// A name that every system takes for a file's.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "@.+_".contains(c) { c } else { '-' }).take(100).collect()
}

async fn bytes(file: &File) -> Result<Vec<u8>, String> {
    let buffer = JsFuture::from(file.array_buffer()).await.map_err(crate::trainer::stream::words)?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}

/// Takes in dropped or chosen files, if there are any.
pub fn bring(lab: Lab, files: Vec<File>) {
    if !files.is_empty() {
        spawn_local(import(lab, files));
    }
}

/// Reads dropped or chosen files: run files, or the files of a run's folder. Each that is no run is said so by name.
async fn import(lab: Lab, files: Vec<File>) {
    let named = |name: &str| files.iter().find(|f| f.name() == name);
    let mut read: Vec<(String, Result<RunFile, String>)> = Vec::new();
    let mut studies = Vec::new();
    if let (Some(summary), Some(metrics)) = (named("summary.json"), named("metrics.jsonl")) {
        let run = match (bytes(summary).await, bytes(metrics).await) {
            (Ok(summary), Ok(metrics)) => RunFile::of_folder("", &summary, &metrics).map_err(|e| e.to_string()),
            (Err(why), _) | (_, Err(why)) => Err(why),
        };
        read.push((words::FOLDER.to_owned(), run.map(|run| RunFile { name: crate::race::name(&run.config), ..run })));
    } else {
        for file in &files {
            let runs = match bytes(file).await {
                _ if ["metrics.jsonl", "config.toml", "summary.json"].contains(&file.name().as_str()) => Err(words::MORE_FILES.to_owned()),
                Ok(bytes) if StudyFile::is_study(&bytes) => StudyFile::read(&bytes).map_err(|e| e.to_string()).map(|study| {
                    studies.push(study);
                    Vec::new()
                }),
                Ok(bytes) => RunFile::read_all(&bytes).map_err(|e| e.to_string()),
                Err(why) => Err(why),
            };
            match runs {
                Ok(runs) => read.extend(runs.into_iter().map(|run| (file.name(), Ok(run)))),
                Err(why) => read.push((file.name(), Err(why))),
            }
        }
    }
    let mut said = Vec::new();
    for (at, (name, run)) in read.into_iter().enumerate() {
        match run.map(|run| (run.to_json(), run.name)) {
            Ok((Ok(text), name)) => {
                lab.ask(&Command::Keep { run: kept::id(js_sys::Date::now() + at as f64, IMPORTED) }, text.into());
                said.push(words::imported(&name));
            }
            Ok((Err(e), _)) => said.push(words::not_imported(&name, &e.to_string())),
            Err(why) => said.push(words::not_imported(&name, &why)),
        }
    }
    if !said.is_empty() {
        lab.remark.set(Some(said.join(" ")));
    }
    studies.into_iter().for_each(|study| findings::bring(lab, study));
}

/// The files of a list.
pub fn files_of(list: Option<FileList>) -> Vec<File> {
    list.map(|list| (0..list.length()).filter_map(|i| list.get(i)).collect()).unwrap_or_default()
}

impl Lab {
    fn entry(self, run: &str) -> Option<(Entry, Arc<RunFile>)> {
        self.runs.with_untracked(|runs| runs.iter().find(|e| e.run == run).and_then(|e| Some((e.clone(), e.file.clone().ok()?))))
    }
    /// What the race that is shown is called.
    fn race_name(self) -> String {
        let shown = self.player.with(|p| p.run().map(|run| run.name.clone()));
        shown.unwrap_or_else(|| self.started.with(|s| s.as_ref().map(crate::race::name)).unwrap_or_default())
    }
    /// The run that was kept last and has not come to its end.
    pub fn unfinished(self) -> Option<(String, ExperimentConfig, u32, String)> {
        self.runs.with(|runs| {
            let entry = runs.iter().find(|e| e.resumes)?;
            let file = entry.file.as_ref().ok()?;
            Some((entry.run.clone(), file.config.clone(), file.extent().0, file.name.clone()))
        })
    }
    /// Goes on with a kept run.
    pub fn go_on_with(self, run: &str) {
        if let Some((_, file)) = self.entry(run) {
            self.go_on(run, file.config.clone());
        }
    }
    fn act(self, act: &str, run: &str) {
        if act == "delete" {
            let name = self.runs.with_untracked(|runs| runs.iter().find(|e| e.run == run).map(|e| e.name().to_owned())).unwrap_or_default();
            if window().confirm_with_message(&words::really_delete(&name)).unwrap_or(false) {
                let run = run.to_owned();
                spawn_local(async move {
                    let store = Store::open().await;
                    for file in kept::shelves(&store.names().await).iter().filter(|s| s.run == run).flat_map(Shelf::files) {
                        store.remove(&file).await;
                    }
                    self.remark.set(Some(words::deleted(&name)));
                    refresh(self.runs);
                });
            }
            return;
        }
        let Some((entry, file)) = self.entry(run) else { return };
        match act {
            "open" => {
                self.show((*file).clone(), entry.source, true);
                let _ = window().location().set_hash("ring");
            }
            "go-on" => {
                self.go_on(run, file.config.clone());
                let _ = window().location().set_hash("ring");
            }
            "rename" => {
                let asked = window().prompt_with_message_and_default(words::NEW_NAME, &file.name);
                let name = asked.ok().flatten().map(|n| n.trim().chars().take(120).collect::<String>()).filter(|n| !n.is_empty());
                if let Some(Ok(text)) = name.map(|name| RunFile { name, ..(*file).clone() }.to_json()) {
                    self.ask(&Command::Keep { run: run.to_owned() }, text.into());
                }
            }
            "save" => {
                if let Ok(text) = file.to_json() {
                    download(self, &file_name(&format!("{}.json", file.name)), &text.into());
                }
            }
            "card" => download(self, &file_name(&format!("{}.txt", file.name)), &export::card(&file).into()),
            _ => {}
        }
    }
}

/// What the browser keeps for this page, and could.
async fn storage() -> Option<String> {
    let estimate: StorageEstimate = JsFuture::from(manager()?.estimate().ok()?).await.ok()?.unchecked_into();
    let (used, quota) = (estimate.get_usage()?, estimate.get_quota()?);
    Some(words::storage(&number::bytes(used as u64), &number::bytes(quota as u64)))
}

/// The place.
pub fn runs(lab: Lab) -> AnyView {
    refresh(lab.runs);
    fetch_recorded(lab.runs);
    let chosen = RwSignal::new(Vec::<String>::new());
    let used = RwSignal::new(String::new());
    kit::effect(move || {
        lab.runs.track();
        spawn_local(async move { used.set(storage().await.unwrap_or_default()) });
    });
    lab.listen(move |message, attachment| {
        if let Message::Weights { file } = message {
            download(lab, &file_name(file), attachment);
        }
    });
    on_cleanup(move || lab.listen(|_, _| {}));
    let busy = holds(move || lab.phase.with(Phase::busy));
    // What is chosen is untracked: the boxes hold it themselves.
    let list = kit::memo(move || lab.runs.with(|runs| list(runs, &chosen.get_untracked(), busy.get())));
    // What the trainer holds: nobody while a run is only shown again.
    let held = stamp(lab);
    let held = holds(move || held.with(Option::is_some));
    let held = told(move || if held.get() { lab.race.with_untracked(weights) } else { String::new() });
    let clicked = move |ev: web_sys::Event| {
        let Some((act, element)) = acted(&ev) else { return };
        let of = |name: &str| element.get_attribute(name).unwrap_or_default();
        let run = of("data-run");
        if act == "choose" {
            chosen.update(|chosen| match chosen.iter().position(|c| *c == run) {
                Some(place) => drop(chosen.remove(place)),
                None => chosen.push(run),
            });
        } else if let Ok(learner) = of("data-learner").parse() {
            lab.ask(&Command::Weights { learner, masks: act == "masks" }, JsValue::UNDEFINED);
        } else {
            lab.act(&act, &run);
        }
    };
    // The chosen ones, or all.
    let wanted = move || -> Vec<Arc<RunFile>> {
        lab.runs.with_untracked(|runs| {
            let chosen = chosen.get_untracked();
            runs.iter().filter(|e| chosen.is_empty() || chosen.contains(&e.run)).filter_map(|e| e.file.clone().ok()).collect()
        })
    };
    let csv = kit::button("", "runs-csv", fixed(words::CSV), never(), move || {
        download(lab, "sparring-runs.csv", &export::csv(wanted().iter().map(|file| &**file)).into());
    });
    let json = kit::button("", "runs-json", fixed(words::JSON), never(), move || {
        if let Ok(text) = run_file::all_to_json(wanted().iter().map(|file| &**file)) {
            download(lab, "sparring-runs.json", &text.into());
        }
    });
    let charts = vec![
        kit::button("", "chart-svg", fixed(words::CHART_SVG), never(), move || take_chart(lab, false)),
        kit::button("", "chart-png", fixed(words::CHART_PNG), never(), move || take_chart(lab, true)),
    ];
    let chosen_files = move |ev: web_sys::Event| {
        if let Some(input) = tag::field(&ev) {
            bring(lab, files_of(input.files()));
            input.set_value("");
        }
    };
    let chooser = tag("input").is("type", "file").is("multiple", "multiple").is("accept", ".json,.jsonl,.toml");
    let chooser = chooser.is("data-testid", "runs-import").on("change", chosen_files).view();
    let content = vec![
        kit::heading(words::TITLE),
        kit::scrolled("", words::CAPTION, "runs-list", list.into()),
        kit::part("row", vec![csv, json, kit::when(holds(move || lab.race.with(|r| !r.tracks.is_empty())), "row", charts)]),
        kit::field("field", fixed(words::BRING), fixed(""), "", chooser),
        kit::html("", "runs-held", held),
        kit::says("quiet", "", told(move || used.get())),
        comparison(lab.runs, chosen),
    ];
    tag("div").is("class", "card runs").on("click", clicked).all(content).view()
}
