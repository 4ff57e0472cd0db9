//! What a person sees while a study runs: on a terminal a line a process and one for all of it, drawn anew; in a pipe a line an event.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::Console;
use crate::text;

/// In a pipe, how far all of it is, is said this often.
const EVERY: Duration = Duration::from_secs(60);

/// The lines.
pub struct Live {
    console: Console,
    bars: Option<(MultiProgress, Vec<ProgressBar>)>,
    said: Instant,
}

impl Live {
    /// Lines for so many processes.
    pub fn new(console: Console, processes: usize) -> Self {
        let bars = console.terminal().then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bars = (0..=processes).map(|_| all.add(ProgressBar::new_spinner().with_style(style.clone()))).collect();
            (all, bars)
        });
        Self { console, bars, said: Instant::now() }
    }
    /// What a process does.
    pub fn process(&self, place: usize, text: String) {
        if let Some(bar) = self.bars.as_ref().and_then(|(_, bars)| bars.get(place)) {
            bar.set_message(text);
        }
    }
    /// How far all of it is.
    pub fn all(&mut self, text: String) {
        match &self.bars {
            Some((_, bars)) => bars.iter().last().into_iter().for_each(|bar| bar.set_message(text.clone())),
            None if self.said.elapsed() >= EVERY => self.line(&text),
            None => {}
        }
    }
    /// A line that stays, on the way to the result.
    pub fn line(&mut self, text: &str) {
        self.said = Instant::now();
        match &self.bars {
            Some((all, _)) => {
                let _ = all.println(text::line(text));
            }
            None => self.console.say(text::line(text)),
        }
    }
    /// A warning.
    pub fn warn(&mut self, text: &str) {
        match &self.bars {
            Some(_) => self.line(text),
            None => self.console.message(text),
        }
    }
    /// Takes away what is drawn anew.
    pub fn close(&mut self) {
        if let Some((all, bars)) = self.bars.take() {
            bars.iter().for_each(ProgressBar::finish_and_clear);
            let _ = all.clear();
        }
    }
}
