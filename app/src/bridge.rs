//! The line to a trainer's worker: typed messages out of `postMessage`, commands kept back until it hears, and what is heard of its end. The
//! page has one, and so has a trainer to each that shares its race. A worker may end without a word; whoever waited for it would wait for ever.
//!
//! A name that it holds tells its end at once (`locks`). That knows nothing of a worker that hangs, and on an insecure origin, where a
//! browser has no locks, of no end at all. So a worker is also hailed every second, and answers between any two pieces of work. Silence is
//! no proof: a step of a large network may take longer. It is said how long it lasts, and nobody is ended for it. It is counted in hails
//! and not read off a clock, so that a tab that slept or was held back accuses nobody.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::future::TimeoutFuture;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{ErrorEvent, Event, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::locks;
use crate::protocol::{Command, Failure, Message, WayOn};
use crate::words::ring as words;

/// What was said before the worker could hear: text and an attachment.
type Waiting = Vec<(String, JsValue)>;

/// Between two hails, milliseconds.
const HAIL: u32 = 1000;

#[derive(Default)]
struct Line {
    worker: Option<Worker>,
    /// `None` once the worker hears.
    waiting: RefCell<Option<Waiting>>,
    dead: Cell<bool>,
    /// For how many hails there was no answer, while one is waited for.
    silent: Cell<Option<u32>>,
}

/// A connection to a worker; the default has none.
#[derive(Clone, Default)]
pub struct Bridge {
    line: Rc<Line>,
    /// Kept for as long as the worker may call them.
    _handlers: Rc<Vec<Handler>>,
}

enum Handler {
    Message(#[expect(dead_code, reason = "only kept alive")] Closure<dyn FnMut(MessageEvent)>),
    Error(#[expect(dead_code, reason = "only kept alive")] Closure<dyn FnMut(Event)>),
}

impl Bridge {
    /// Starts a worker; `hear` gets what it says with its attachment (undefined where there is none), and `Died` at most once.
    ///
    /// # Errors
    /// The browser's words, where it refuses to start one.
    pub fn open(hear: impl Fn(Message, JsValue) + 'static) -> Result<Self, String> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        // A name that it holds while it lives.
        let name = format!("sparring-trainer-{}-{}", js_sys::Date::now(), js_sys::Math::random());
        options.set_name(&name);
        let worker =
            Worker::new_with_options("./trainer_loader.js", &options).map_err(|e| format!("The browser refused a worker: {e:?}"))?;
        let (waiting, dead, silent) = (RefCell::new(Some(Vec::new())), Cell::new(false), Cell::new(None));
        let line = Rc::new(Line { worker: Some(worker.clone()), waiting, dead, silent });
        let hear = Rc::new(hear);
        spawn_local(hail(Rc::downgrade(&line), hear.clone()));

        let on_message = {
            let (line, hear) = (line.clone(), hear.clone());
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                // What was still on its way from one that was given up.
                if line.dead.get() {
                    return;
                }
                let parts = js_sys::Array::from(&event.data());
                let text = parts.get(0).as_string().unwrap_or_default();
                // Whatever it says is a sign of life.
                if line.silent.take().is_some_and(|seconds| seconds > 0) {
                    hear(Message::Silent { seconds: 0 }, JsValue::UNDEFINED);
                }
                match serde_json::from_str::<Message>(&text) {
                    Ok(Message::Booted) => {
                        line.hears();
                        spawn_local(watch(Rc::downgrade(&line), name.clone(), hear.clone()));
                    }
                    Ok(Message::Here) => {}
                    Ok(Message::Died(failure)) => {
                        line.end();
                        hear(Message::Died(failure), JsValue::UNDEFINED);
                    }
                    Ok(message) => hear(message, parts.get(1)),
                    Err(error) => {
                        let failure = Failure::new(
                            "The page and its trainer do not fit together",
                            format!("{error}. Reload the page to get both of one version."),
                            &[],
                        );
                        hear(Message::Failed(failure), JsValue::UNDEFINED);
                    }
                }
            })
        };
        let on_error = {
            let line = line.clone();
            Closure::<dyn FnMut(Event)>::new(move |event: Event| {
                line.end();
                // Heard: else it would be the fault of whoever started the worker too.
                event.prevent_default();
                // A script that could not be fetched is a plain event, which has no words.
                let why = event.dyn_into::<ErrorEvent>().map_or_else(|_| "Its script did not arrive".into(), |event| event.message());
                let failure = Failure::new(words::TRAINER_STOPPED, format!("{why}. {}", words::TRAINER_NEXT), &[WayOn::Retry]);
                hear(Message::Died(failure), JsValue::UNDEFINED);
            })
        };
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self { line, _handlers: Rc::new(vec![Handler::Message(on_message), Handler::Error(on_error)]) })
    }

    /// True after the worker died; commands then go nowhere.
    pub fn is_dead(&self) -> bool {
        self.line.dead.get() || self.line.worker.is_none()
    }
    /// Ends the worker.
    pub fn end(&self) {
        self.line.end();
    }
    /// Says something.
    pub fn send(&self, command: &Command) {
        self.say(command, JsValue::UNDEFINED);
    }
    /// Says something about a file or bytes.
    pub fn send_with(&self, command: &Command, attachment: JsValue) {
        self.say(command, attachment);
    }
    fn say(&self, command: &Command, attachment: JsValue) {
        // Plain data without maps or non-finite numbers: writing it cannot fail.
        let Ok(text) = serde_json::to_string(command) else { return };
        match self.line.waiting.borrow_mut().as_mut() {
            Some(waiting) => waiting.push((text, attachment)),
            None => self.line.post(&text, &attachment),
        }
    }
}

/// Waits for the end of a worker; one that nobody has heard of is told.
async fn watch(line: Weak<Line>, name: String, hear: Rc<impl Fn(Message, JsValue)>) {
    if locks::is_free(&name).await
        && let Some(line) = line.upgrade().filter(|line| !line.dead.get())
    {
        line.end();
        let failure = Failure::new(words::TRAINER_STOPPED, words::TRAINER_SILENT, &[WayOn::Retry, WayOn::UseQuickLook]);
        hear(Message::Died(failure), JsValue::UNDEFINED);
    }
}

/// Asks a worker every second whether it is there, for as long as it lives; says for how long it has not answered, or has not come.
async fn hail(line: Weak<Line>, hear: Rc<impl Fn(Message, JsValue)>) {
    loop {
        TimeoutFuture::new(HAIL).await;
        let Some(line) = line.upgrade().filter(|line| !line.dead.get()) else { return };
        let seconds = line.silent.get().map_or(0, |seconds| seconds + 1);
        line.silent.set(Some(seconds));
        if seconds > 0 {
            hear(Message::Silent { seconds }, JsValue::UNDEFINED);
        } else if let (true, Ok(text)) = (line.waiting.borrow().is_none(), serde_json::to_string(&Command::Hail)) {
            line.post(&text, &JsValue::UNDEFINED);
        }
    }
}

impl Line {
    /// The worker is dead: so are those that it started.
    fn end(&self) {
        self.dead.set(true);
        if let Some(worker) = &self.worker {
            worker.terminate();
        }
    }
    fn hears(&self) {
        for (text, attachment) in self.waiting.borrow_mut().take().unwrap_or_default() {
            self.post(&text, &attachment);
        }
    }
    fn post(&self, text: &str, attachment: &JsValue) {
        let Some(worker) = &self.worker else { return };
        // Text and files can always be cloned; a dead worker swallows them.
        let _ = worker.post_message(&js_sys::Array::of2(&text.into(), attachment));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.terminate();
        }
    }
}
