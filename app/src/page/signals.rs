//! The signals that views are made of: one type for text, one for conditions, and what is done when they change.
//!
//! All take closures, boxed at the door: a signal around each closure's own type would be compiled again wherever one is made.

use leptos::prelude::*;

/// A condition that never changes.
pub fn never() -> Signal<bool> {
    Signal::stored(false)
}

/// Text that never changes.
pub fn words(text: impl Into<String>) -> Signal<String> {
    Signal::stored(text.into())
}

/// Text that follows what it reads.
pub fn told(text: impl Fn() -> String + Send + Sync + 'static) -> Signal<String> {
    derived(Box::new(text))
}

// One closure type for all of them: the signal around it is compiled once.
fn derived(text: Box<dyn Fn() -> String + Send + Sync>) -> Signal<String> {
    Signal::derive(text)
}

/// A condition that follows what it reads.
pub fn holds(condition: impl Fn() -> bool + Send + Sync + 'static) -> Signal<bool> {
    memo(condition).into()
}

/// A value that is worked out again when what it read has changed, and that tells when it is another.
pub fn memo<T: PartialEq + Send + Sync + 'static>(value: impl Fn() -> T + Send + Sync + 'static) -> Memo<T> {
    worked_out(Box::new(value))
}

fn worked_out<T: PartialEq + Send + Sync + 'static>(value: Box<dyn Fn() -> T + Send + Sync>) -> Memo<T> {
    Memo::new(move |_| value())
}

/// What is done now, and again whenever something that it read has changed.
pub fn effect(act: impl Fn() + 'static) {
    done_again(Box::new(act));
}

fn done_again(act: Box<dyn Fn()>) {
    Effect::new(act);
}
