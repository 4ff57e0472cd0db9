//! Files that a person brings: runs, studies, and the files of a run's folder.

use leptos::prelude::*;
use sparring_core::record::StudyFile;
use sparring_core::record::run_file::RunFile;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{File, FileList};

use crate::model::kept;
use crate::page::entries::IMPORTED;
use crate::page::findings;
use crate::page::lab::Lab;
use crate::protocol::Command;
use crate::trainer::stream;
use crate::words::runs as words;

async fn bytes(file: &File) -> Result<Vec<u8>, String> {
    let buffer = JsFuture::from(file.array_buffer()).await.map_err(stream::words)?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}

/// Takes in dropped or chosen files, if there are any.
pub fn bring(lab: Lab, files: Vec<File>) {
    if !files.is_empty() {
        lab.revive();
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
        read.push((words::FOLDER.to_owned(), run.map(|run| RunFile { name: crate::model::names::name(&run.config), ..run })));
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
