//! The list of runs that can be shown: recorded ones, those kept in this browser, those brought as files.

use std::collections::BTreeSet;

use leptos::prelude::*;
use sparring_core::record::RunFile;
use wasm_bindgen_futures::spawn_local;

use crate::locks;
use crate::model::kept::{self, Shelf};
use crate::model::replay::{Recording, Source};
use crate::trainer::fetch::{self, Missing};
use crate::trainer::store::Store;
use crate::words::runs as words;

/// Marks the id of a run that came as a file.
pub const IMPORTED: &str = "file";

/// A run of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its id, or the name of its file.
    pub run: String,
    /// Where it comes from.
    pub source: Source,
    /// The number under which it lies, to know it again.
    number: u32,
    /// Whether it can be gone on with.
    pub resumes: bool,
    /// What it holds, or why it cannot be read.
    pub file: Result<Recording, String>,
}

impl Entry {
    /// What the run is called, or its file.
    pub fn name(&self) -> &str {
        self.file.as_ref().map_or(self.run.as_str(), |file| file.name.as_str())
    }
}

/// How the list is looked for.
#[derive(Default)]
pub struct Looks {
    /// The number of the last look.
    last: u64,
    /// Locks of runs whose end is waited for.
    waited: BTreeSet<String>,
}

/// The newest state of a kept run that can be read.
async fn read_kept(store: &Store, shelf: &Shelf) -> Entry {
    let source = if shelf.run.ends_with(IMPORTED) { Source::Imported } else { Source::Kept };
    let mut entry = Entry { run: shelf.run.clone(), source, number: 0, resumes: false, file: Err(words::CANNOT_OPEN.to_owned()) };
    for number in shelf.runs.iter().copied() {
        let Some(bytes) = store.read(&kept::run_file(&shelf.run, number)).await else { continue };
        entry.number = number;
        match RunFile::read(&bytes).map(Recording::from) {
            Ok(file) => {
                entry.resumes = !file.extent().1 && shelf.checkpoint(number).is_some();
                entry.file = Ok(file);
                break;
            }
            Err(why) if entry.file.is_err() => entry.file = Err(why.to_string()),
            Err(_) => {}
        }
    }
    entry
}

/// Looks at what is kept; what is known is not read again. Looks overlap where runs come one after the other: only the last one counts, for
/// an earlier one may end later and knows less.
pub fn refresh(runs: RwSignal<Vec<Entry>>, looks: StoredValue<Looks>) {
    looks.update_value(|looks| looks.last += 1);
    let look = looks.with_value(|looks| looks.last);
    spawn_local(async move {
        let store = Store::open().await;
        let shelves = kept::shelves(&store.names().await);
        let known = runs.get_untracked();
        let taken = locks::held().await;
        let mut list = Vec::new();
        for shelf in &shelves {
            let same =
                |e: &&Entry| e.run == shelf.run && shelf.runs.first() == Some(&e.number) && e.resumes != shelf.checkpoints.is_empty();
            list.push(match known.iter().find(same) {
                Some(entry) => entry.clone(),
                None => read_kept(&store, shelf).await,
            });
        }
        if looks.with_value(|looks| looks.last) != look {
            return;
        }
        // What trains, in this tab or in another one, is not offered before it has ended.
        for entry in list.iter_mut().filter(|e| e.resumes) {
            let name = locks::of_run(&entry.run);
            if taken.contains(&name) {
                entry.resumes = false;
                // Every look finds it taken; one wait is enough.
                if looks.try_update_value(|looks| looks.waited.insert(name.clone())) == Some(true) {
                    spawn_local(async move {
                        let free = locks::is_free(&name).await;
                        looks.update_value(|looks| _ = looks.waited.remove(&name));
                        if free {
                            refresh(runs, looks);
                        }
                    });
                }
            }
        }
        // Recorded runs may have come in the meantime.
        runs.update(|runs| {
            list.extend(std::mem::take(runs).into_iter().filter(|e| e.source == Source::Recorded));
            *runs = list;
        });
    });
}

/// Fetches the recorded runs that are not in the list yet, or could not be fetched the last time.
pub fn fetch_recorded(runs: RwSignal<Vec<Entry>>) {
    let there = |runs: &Vec<Entry>| {
        let mut recorded = runs.iter().filter(|e| e.source == Source::Recorded).map(|e| e.file.is_ok()).peekable();
        recorded.peek().is_some() && recorded.all(|there| there)
    };
    if runs.with_untracked(there) {
        return;
    }
    spawn_local(async move {
        let index = fetch::get("runs/index.json", &mut |_| true).await.unwrap_or_default();
        let names: Vec<String> = std::str::from_utf8(&index).ok().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        for run in names {
            let file = recorded(run.strip_suffix(".json").unwrap_or(&run)).await;
            let entry = Entry { run, source: Source::Recorded, number: 0, resumes: false, file };
            runs.update(|runs| {
                runs.retain(|e| e.run != entry.run || e.file.is_ok());
                if runs.iter().all(|e| e.run != entry.run) {
                    runs.push(entry);
                }
            });
        }
    });
}

/// What fetching or reading the recorded run of this name came to, in words where it did not.
pub async fn recorded(name: &str) -> Result<Recording, String> {
    match fetch::get(&format!("runs/{name}.json"), &mut |_| true).await {
        Ok(bytes) => Recording::read(&bytes).map(|run| run.shipped_as(name)).map_err(|e| e.to_string()),
        Err(Missing::Broken(words)) => Err(words),
        Err(_) => Err("it is not on this server".into()),
    }
}

/// A kept run that has not come to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// Its id.
    pub run: String,
    /// What it is called.
    pub name: String,
    /// How many of its epochs are done.
    pub epochs: u32,
}

/// The run that was kept last and has not come to its end.
pub fn unfinished(runs: &[Entry]) -> Option<Unfinished> {
    let entry = runs.iter().find(|entry| entry.resumes)?;
    let file = entry.file.as_ref().ok()?;
    Some(Unfinished { run: entry.run.clone(), name: file.name.clone(), epochs: file.extent().0 })
}

/// A run of the list that can be read.
pub fn find(runs: &[Entry], run: &str) -> Option<(Source, Recording)> {
    let entry = runs.iter().find(|entry| entry.run == run)?;
    Some((entry.source, entry.file.clone().ok()?))
}

/// The day of a date.
pub fn day(run: &RunFile) -> &str {
    run.date.get(..10).unwrap_or(&run.date)
}
