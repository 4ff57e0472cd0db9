//! What the trainer says: messages with what is attached to them, how far a preparation is, and why it ended without a race.

use std::cell::Cell;
use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use sparring_core::error::Error;
use wasm_bindgen::prelude::*;
use web_sys::DedicatedWorkerGlobalScope;

use crate::protocol::{Amount, Failure, Loading, Message};

/// Why preparation ended without a race.
pub(crate) enum Halt {
    /// A stop is waiting in the inbox.
    Cancelled,
    /// It cannot be done.
    Failed(Box<Failure>),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}
impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

/// The line to the page, and the stops it has asked for.
#[derive(Clone, Default)]
pub(crate) struct Outbox {
    stops: Rc<Cell<u32>>,
    last_loading: Rc<Cell<f64>>,
}

pub(super) fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Says something to the page, or to the trainer whose race this one shares.
pub(super) fn post(message: &Message) {
    send(message, JsValue::UNDEFINED);
}

/// With bytes attached.
pub(super) fn post_with(message: &Message, bytes: &[u8]) {
    send(message, js_sys::Uint8Array::from(bytes).into());
}

fn send(message: &Message, attachment: JsValue) {
    // Plain data; non-finite numbers become null and fail to be read, which the page reports.
    if let Ok(text) = serde_json::to_string(message) {
        let _ = scope().post_message(&js_sys::Array::of2(&text.into(), &attachment));
    }
}

/// Lets messages of the page come through.
pub(super) async fn breathe() {
    TimeoutFuture::new(0).await;
}

impl Outbox {
    /// Whether a stop is waiting.
    pub(crate) fn cancelled(&self) -> bool {
        self.stops.get() > 0
    }
    /// A stop was put into the inbox.
    pub(super) fn stop_asked(&self) {
        self.stops.set(self.stops.get() + 1);
    }
    /// A stop has been taken out of the inbox.
    pub(super) fn stop_heard(&self) {
        self.stops.set(self.stops.get().saturating_sub(1));
    }
    /// Says what is being prepared, and lets it be seen.
    pub(crate) async fn loading(&self, what: &str, amount: Option<Amount>) {
        post(&Message::Loading(Loading { what: what.to_owned(), amount }));
        breathe().await;
    }
    /// The same from inside a stream: at most ten a second, without waiting.
    pub(crate) fn loading_now(&self, what: &str, amount: Amount) {
        let now = js_sys::Date::now();
        if now - self.last_loading.get() >= 100.0 {
            self.last_loading.set(now);
            post(&Message::Loading(Loading { what: what.to_owned(), amount: Some(amount) }));
        }
    }
}
