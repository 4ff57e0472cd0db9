//! Files that are dropped anywhere on the page: taken by what can use them, or refused in words.
//!
//! Without this a browser opens what is dropped beside its place, and the page, with the race that trains in it, is gone.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{DragEvent, Element, File};

use super::lab::{Lab, Phase};
use super::place::Place;
use super::runs;
use crate::words::drop as words;

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A run, or a part of a run's folder.
    Run,
    /// An archive of a dataset.
    Archive,
    /// A picture.
    Picture,
    /// MNIST's form.
    Idx,
    Other,
}

fn kind(name: &str) -> Kind {
    let name = name.to_lowercase();
    let ends = |all: &[&str]| all.iter().any(|end| name.ends_with(end));
    if name.contains("idx1-ubyte") || name.contains("idx3-ubyte") {
        Kind::Idx
    } else if ends(&[".json", ".jsonl", ".toml"]) {
        Kind::Run
    } else if ends(&[".gz", ".tgz", ".tar"]) {
        Kind::Archive
    } else if ends(&[".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".avif", ".svg"]) {
        Kind::Picture
    } else {
        Kind::Other
    }
}

fn take(lab: Lab, files: Vec<File>) {
    let refused = |file: &File, why: &str| lab.remark.set(Some(words::refused(&file.name(), why)));
    let Some(first) = files.first() else { return };
    match kind(&first.name()) {
        Kind::Run => {
            lab.visit(Place::Runs);
            runs::bring(lab, files);
        }
        Kind::Archive if lab.phase.with_untracked(|p| p.busy() || *p == Phase::Starting) => refused(first, words::BUSY),
        Kind::Archive => lab.drop_archive(first),
        Kind::Picture => refused(first, words::PICTURE),
        Kind::Idx => refused(first, &words::idx()),
        Kind::Other => refused(first, words::OTHER),
    }
}

/// The event, where files are dragged and no field of files takes them itself.
fn of_files(event: &web_sys::Event) -> Option<DragEvent> {
    let over = event.target().and_then(|t| t.dyn_into::<Element>().ok());
    let field = over.and_then(|e| e.closest("input[type='file']:enabled").ok().flatten());
    let event = event.dyn_ref::<DragEvent>()?.clone();
    let files = event.data_transfer()?.types().includes(&"Files".into(), 0);
    (files && field.is_none()).then_some(event)
}

/// Hears whatever is dropped.
pub fn listen(lab: Lab) {
    let over = window_event_listener(leptos::ev::dragover, |event| of_files(&event).iter().for_each(|event| event.prevent_default()));
    let dropped = window_event_listener(leptos::ev::drop, move |event| {
        if let Some(event) = of_files(&event) {
            event.prevent_default();
            take(lab, runs::files_of(event.data_transfer().and_then(|d| d.files())));
        }
    });
    on_cleanup(move || {
        over.remove();
        dropped.remove();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_names() {
        for (name, expected) in [
            ("run.JSON", Kind::Run),
            ("metrics.jsonl", Kind::Run),
            ("cifar-10-python.tar.gz", Kind::Archive),
            ("cifar.tgz", Kind::Archive),
            ("train-images-idx3-ubyte.gz", Kind::Idx),
            ("t10k-labels.idx1-ubyte", Kind::Idx),
            ("cat.JPG", Kind::Picture),
            ("thesis.pdf", Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
