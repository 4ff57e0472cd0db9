//! The page's address: what it asks for, and what it says of the form.

use leptos::prelude::*;
use sparring_core::config::{ExperimentConfig, FORMAT_VERSION};
use wasm_bindgen::JsValue;

use super::Lab;
use crate::model::link;
use crate::model::replay::{FIRST, Player};
use crate::model::teacher::{self, Link, Teacher};

impl Lab {
    /// Has the address say what the form and the lesson say.
    pub fn remember(self) {
        let address = self.config.with_untracked(|config| self.address_of(config));
        // Another address, though it is the same, has a browser fetch the page's icon again.
        let query = |address: &str| address.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
        let now = query(&window().location().search().unwrap_or_default());
        // A browser may refuse (too many changes a second, a sandbox); the form still works, only the address lags.
        if let (Some(address), Ok(history)) = (address.filter(|address| query(address) != now), window().history()) {
            let place = window().location().hash().unwrap_or_default();
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("{address}{place}")));
        }
    }

    /// The address that shows what is on screen: a recorded run, an experiment, or before there is one the form's.
    pub fn shown_address(self) -> Option<String> {
        let recorded = |player: &Player| player.recording().and_then(|recording| recording.file.clone());
        let nothing_more = self.teacher.with_untracked(|teacher| *teacher == Teacher::default());
        match (self.player.with_untracked(recorded).filter(|_| nothing_more), self.shown.get_untracked()) {
            (Some(name), _) => run_address(&name),
            (None, Some(shown)) => self.address_of(&shown),
            (None, None) => self.config.with_untracked(|form| self.address_of(form)),
        }
    }

    /// The address of an experiment with what a teacher says: that of the recorded run whose it is, where the page's own address has none.
    pub fn address_of(self, config: &ExperimentConfig) -> Option<String> {
        let teacher = self.teacher.get_untracked();
        match self.of_run.get_value().filter(|(_, of)| teacher == Teacher::default() && config == of) {
            Some((run, _)) => run_address(&run),
            None => address(config, &teacher),
        }
    }

    /// Whether this is the experiment of the recorded run that the address asks for, which nobody chose.
    pub fn is_of_run(self, config: &ExperimentConfig) -> bool {
        self.of_run.get_value().is_some_and(|(_, of)| *config == of)
    }

    /// Puts the experiment of a recorded run that the address asks for into the form; what was chosen meanwhile stays.
    pub fn begin_with(self, run: &str, config: &ExperimentConfig) {
        let device = self.config.with_untracked(|form| form.device);
        let idle = self.started.with_untracked(Option::is_none);
        if idle && self.config.with_untracked(|form| *form == ExperimentConfig { device, ..ExperimentConfig::default() }) {
            let config = ExperimentConfig { device, ..config.clone() };
            self.of_run.set_value(Some((run.to_owned(), config.clone())));
            self.take(config);
        }
    }
}

/// The recorded run that the page's address asks for.
pub fn asked_run() -> Option<String> {
    given().shows().map(str::to_owned)
}

/// What the page's address says.
pub(super) fn given() -> Link {
    teacher::take(query_pairs())
}

fn query_pairs() -> Vec<(String, String)> {
    let search = window().location().search().unwrap_or_default();
    let Ok(params) = web_sys::UrlSearchParams::new_with_str(&search) else { return Vec::new() };
    js_sys::Array::from(&params)
        .iter()
        .filter_map(|pair| {
            let pair = js_sys::Array::from(&pair);
            Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
        })
        .collect()
}

/// The address that shows a recorded run; the one of a first visit needs no name.
pub fn run_address(name: &str) -> Option<String> {
    let page = page_address()?;
    Some(if name == FIRST { page } else { format!("{page}?run={name}") })
}

/// The address of this page, which names nothing.
pub fn page_address() -> Option<String> {
    let location = window().location();
    Some(format!("{}{}", location.origin().ok()?, location.pathname().ok()?))
}

/// The address of a lesson, which brings its own experiment, with what else a teacher adds.
pub fn bare_address(teacher: &Teacher) -> Option<String> {
    Some(format!("{}?{}", page_address()?, teacher.query()))
}

/// The address of an experiment on this page, with what a teacher adds.
pub fn address(config: &ExperimentConfig, teacher: &Teacher) -> Option<String> {
    // A browser reads a plus in an address as a space. Defaults have a name too: an address without one shows a recorded run.
    let query = match link::query(config).ok()?.replace('+', "%2B") {
        defaults if defaults.is_empty() => format!("version={FORMAT_VERSION}"),
        query => query,
    };
    let more = teacher.query();
    let between = if more.is_empty() { "" } else { "&" };
    Some(format!("{}?{query}{between}{more}", page_address()?))
}
