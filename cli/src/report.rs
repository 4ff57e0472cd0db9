//! `report.html`: one file without scripts or links that shows a run as it was.
//!
//! Curves are inline SVG, once against epochs and once against training FLOPs; colours follow the reader's light or dark
//! setting and are those of the page. Controls are thinner and paler.

use std::fmt::Write;

use serde_json::Value;
use sparring_core::ExperimentConfig;
use sparring_core::config::Method;
use sparring_core::device::info::{Kernel, Kernels};
use sparring_core::events::Score;
use sparring_figures::chart::{Axes, Frame};
use sparring_figures::html::{self, Row, escape};
use sparring_figures::number;
use sparring_figures::scale::Scale;
use sparring_figures::svg::{self, Svg, Told};
use sparring_figures::{Tone, tone};

use sparring_core::record::{Epoch, History};

use crate::results;

/// The look of every page the program writes, beside that of its figures.
const STYLE: &str = include_str!("report.css");
/// Labels are allowed for at the size that phones show them at.
const FRAME: Frame = Frame { width: 520.0, height: 300.0, left: 58.0, right: 14.0, top: 12.0, bottom: 44.0, glyph: 9.8 };

type Pick = fn(&Epoch) -> Option<f64>;

/// One chart: title, what it shows, and whether it is a share.
const CHARTS: [(&str, Pick, bool); 6] = [
    ("Test accuracy under attack", |p| p.scores.by_hardness.robust.map(|robust| robust.test).map(|s| s.accuracy), true),
    ("Test accuracy, corrupted images", |p| p.scores.by_hardness.corrupted.map(|s| s.accuracy), true),
    ("Test accuracy, hard half", |p| p.scores.test_hard.map(|s| s.accuracy), true),
    ("Test accuracy, easy half", |p| p.scores.test_easy.map(|s| s.accuracy), true),
    ("Test accuracy, all", |p| Some(p.scores.test.accuracy), true),
    ("Test loss, all", |p| Some(p.scores.test.loss), false),
];

/// A page up to what it shows: its title, style sheets of its own, and the sentence that comes first.
pub fn open(title: &str, style: &str, sentence: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Sparring: {0}</title>\n<style>\n{figures}{STYLE}{style}</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"brand\">Sparring</p>\n<h1>{0}</h1>\n<p class=\"verdict\">{1}</p>\n",
        escape(title),
        escape(sentence),
        figures = tone::STYLE,
    )
}

/// The end of a page.
pub const CLOSE: &str = "</main>\n</body>\n</html>\n";

/// The whole page.
pub fn render(config: &ExperimentConfig, history: &History, summary: &Value) -> String {
    let verdict =
        history.summary.as_ref().map_or("Stopped before the end; these are the epochs that were completed.", |s| s.verdict.as_str());
    let mut out = open(&format!("{} on {} {}", config.model, config.dataset, config.subset), "", verdict);
    out += "</header>\n";
    let classes = classes(history);
    let entries = history.tracks.iter().zip(&classes).map(|(l, classes)| html::key_entry(&svg::line_sample(classes), &l.info.name, None));
    let _ = writeln!(out, "<ul class=\"legend\">\n{}\n</ul>", entries.collect::<Vec<_>>().join("\n"));
    out += "<section aria-label=\"Curves\">\n<input type=\"radio\" name=\"axis\" id=\"by-epochs\" checked><label for=\"by-epochs\">against epochs</label>\n<input type=\"radio\" name=\"axis\" id=\"by-flops\"><label for=\"by-flops\">against training FLOPs</label>\n";
    for (class, by_flops) in [("epochs", false), ("flops", true)] {
        let _ = writeln!(out, "<div class=\"charts {class}\">");
        for (name, pick, share) in CHARTS {
            if let Some(drawing) = chart(history, &classes, name, pick, share, by_flops) {
                let _ = writeln!(out, "<figure>\n<figcaption>{name}</figcaption>\n{drawing}\n</figure>");
            }
        }
        out += "</div>\n";
    }
    out += "</section>\n";
    result_table(&mut out, history, summary);
    hard_images_table(&mut out, history, summary);
    bins_table(&mut out, history, summary);
    best_table(&mut out, history, summary);
    for learner in history.tracks.iter() {
        if let Some(reason) = &learner.failed {
            let _ = writeln!(out, "<p class=\"note\"><b>{}</b> failed: {}</p>", escape(&learner.info.name), escape(reason));
        }
    }
    for warning in history.warnings() {
        let _ = writeln!(out, "<p class=\"note\"><b>Warning:</b> {}</p>", escape(warning));
    }
    card(&mut out, config, summary);
    out + CLOSE
}

/// Classes of the learners' colours, in their order. A control has the tone of what it controls.
fn classes(history: &History) -> Vec<String> {
    let learners = history.tracks.iter().map(|l| &l.info);
    let tones = Tone::by_family(learners.clone().map(|info| (info.learner.as_str(), info.learner == Method::Dense.name())));
    tones.iter().zip(learners).map(|(tone, info)| tone.classes(info.control)).collect()
}

/// A chart of every learner; `None` where none has a value.
fn chart(history: &History, classes: &[String], title: &str, pick: Pick, share: bool, by_flops: bool) -> Option<String> {
    let x_of = |p: &Epoch| if by_flops { p.flops } else { f64::from(p.epoch) };
    let curves: Vec<Vec<(f64, f64)>> =
        history.tracks.iter().map(|l| l.epochs.iter().filter_map(|p| Some((x_of(p), pick(p)?))).collect()).collect();
    let known = || curves.iter().flatten().filter(|p| p.1.is_finite());
    let (low, high) = known().map(|p| (p.1, p.1)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    let x_max = known().map(|p| p.0).fold(if by_flops { 0.0 } else { f64::from(history.epochs) }, f64::max);
    let x = if by_flops { Scale::linear(0.0, x_max, 6) } else { Scale::linear(1.0, x_max.max(1.0), 6).whole() };
    let y = Scale::rounded(low, high, 5);
    let axes = Axes { frame: FRAME, x, y: if share { y.within(0.0, 1.0) } else { y } };
    let mut svg = Svg::new("", FRAME.width, FRAME.height, Told::By(&format!("{title} of every learner")));
    axes.rules(&mut svg, |tick| if share { axes.y.percent(tick) } else { axes.y.label(tick) });
    axes.feet(&mut svg, |tick| if by_flops { axes.x.si(tick, "") } else { axes.x.label(tick) });
    FRAME.caption(&mut svg, if by_flops { "training FLOPs" } else { "epochs" });
    // Controls first, so that the learners themselves lie on top.
    for control in [true, false] {
        for ((points, classes), learner) in curves.iter().zip(classes).zip(&history.tracks).filter(|(_, l)| l.info.control == control) {
            axes.line(&mut svg, classes, points);
            if let Some(last) = points.last() {
                axes.dot(&mut svg, classes, *last, if control { 2.5 } else { 3.5 });
            }
            axes.spots(&mut svg, classes, points, |x, y| {
                let at = if by_flops { number::flops(x) } else { format!("epoch {x}") };
                let value = if share { number::percent(y, 2) } else { number::fixed(y, 4) };
                format!("{}, {at}: {value}", learner.info.name)
            });
        }
    }
    Some(svg.finish())
}

fn result_table(out: &mut String, history: &History, summary: &Value) {
    let spread = |score: Score| (score.accuracy * (1.0 - score.accuracy) / score.samples.max(1) as f64).sqrt();
    let last = history.tracks.first().and_then(|l| l.epochs.last()).map(|last| {
        format!(
            "Accuracies are of the last epoch; with {} test samples their standard error is about {} points. One seed.",
            last.scores.test.samples,
            number::fixed(100.0 * spread(last.scores.test), 1)
        )
    });
    learners_table(out, history, "Results", &results::HEADER, &results::rows(summary), &last.unwrap_or_default());
}

/// Accuracy by difficulty bin, where the test set was cut into some.
fn bins_table(out: &mut String, history: &History, summary: &Value) {
    if let Some((header, rows)) = results::bins(summary) {
        let note = "Bins of equal size by the score that ranks the training samples, easiest first.";
        learners_table(out, history, "Test accuracy by difficulty", &header, &rows, note);
    }
}

/// Accuracy on corrupted and attacked images, where there were some.
fn hard_images_table(out: &mut String, history: &History, summary: &Value) {
    if let Some((header, rows)) = results::corrupted_and_attacked(summary) {
        let note =
            "Robust: right before the attack and after it. Gap: robust accuracy on training samples less that on the test set, in points.";
        learners_table(out, history, "Images as they are, and made hard", &header, &rows, note);
    }
}

/// Epochs whose weights were kept.
fn best_table(out: &mut String, history: &History, summary: &Value) {
    if let Some((header, rows)) = results::best(summary) {
        let note = "Chosen on the validation split, the first on ties; their weights lie beside this report.";
        learners_table(out, history, "Best epochs", &header, &rows, note);
    }
}

/// A table whose rows begin with a learner's name, in the learners' colours.
fn learners_table(out: &mut String, history: &History, title: &str, header: &[impl AsRef<str>], rows: &[Vec<String>], note: &str) {
    let classes = classes(history);
    // One that failed says so behind its name.
    let of = |name: &str| history.tracks.iter().position(|l| name == l.info.name || name == format!("{} (failed)", l.info.name));
    let class = |row: &Vec<String>| row.first().and_then(|name| of(name)).map(|i| classes[i].clone()).unwrap_or_default();
    table_section(out, title, header, rows.iter().map(|row| Row::of_words(class(row), row)));
    if !note.is_empty() {
        let _ = writeln!(out, "<p class=\"small\">{note}</p>");
    }
}

/// A section that is a table under its heading.
pub fn table_section(out: &mut String, title: &str, header: &[impl AsRef<str>], rows: impl Iterator<Item = Row>) {
    let table = html::table("", header, rows);
    let _ = writeln!(out, "<section aria-label=\"{title}\">\n<h2>{title}</h2>\n<div class=\"scroll\">{table}</div>\n</section>");
}

/// What a result must carry: names and values, and the configuration behind a summary of its own.
pub fn card_section(out: &mut String, title: &str, lines: &[(&str, String)], summary: &str, config: &ExperimentConfig) {
    let stored = ("activations stored as", config.precision.to_string());
    let lines: Vec<(&str, String)> = lines.iter().cloned().chain([stored]).collect();
    text_card(out, title, &lines, summary, &toml::to_string_pretty(config).unwrap_or_default());
}

/// The same with any text behind the summary.
pub fn text_card(out: &mut String, title: &str, lines: &[(&str, String)], summary: &str, text: &str) {
    let _ = writeln!(out, "<section aria-label=\"{title}\">\n<h2>{title}</h2>\n<dl>");
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty() && value != "null") {
        let _ = writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escape(value));
    }
    let text = escape(text);
    let _ = writeln!(out, "</dl>\n<details>\n<summary>{summary}</summary>\n<pre>{text}</pre>\n</details>\n</section>");
}

/// A value of a summary as words.
pub fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How many products are made by which kernel, where a device chose.
fn kernels(chosen: &Value) -> String {
    let chosen: Kernels = serde_json::from_value(chosen.clone()).unwrap_or_default();
    let count = |kernel| chosen.values().filter(|chosen| **chosen == kernel).count();
    let counts = Kernel::ALL.iter().map(|kernel| (kernel, count(*kernel))).filter(|(_, count)| *count > 0);
    counts.map(|(kernel, count)| format!("{count} by {kernel}")).collect::<Vec<_>>().join(", ")
}

fn card(out: &mut String, config: &ExperimentConfig, summary: &Value) {
    let lines = [
        ("configuration hash", words(&summary["config_hash"])),
        ("device", words(&summary["device"]["name"])),
        ("backend", words(&summary["device"]["backend"])),
        ("driver", words(&summary["device"]["driver"])),
        ("products", kernels(&summary["device"]["kernels"])),
        ("system", words(&summary["system"])),
        ("version", format!("{} ({})", words(&summary["version"]), words(&summary["commit"]))),
        ("date", words(&summary["date"])),
        ("duration", number::duration(summary["seconds"].as_f64().unwrap_or(0.0))),
    ];
    card_section(out, "Run card", &lines, "Complete configuration", config);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::results::samples;
    use crate::rundir;
    use sparring_core::DeviceInfo;

    fn page(history: &History) -> String {
        let config = ExperimentConfig::default();
        let device = DeviceInfo { name: "Test device".into(), backend: "cpu".into(), ..DeviceInfo::default() };
        render(&config, history, &rundir::summary(&config, history, &device, 321.0, false).unwrap())
    }

    #[test]
    fn the_page_stands_alone_and_shows_every_learner() {
        let html = page(&samples::history(20));
        assert_eq!(html.matches("<path class=\"line ").count(), 2 * 4 * 4);
        assert!(!html.contains("http") && !html.contains("<script"), "nothing is loaded and nothing runs");
        assert!(html.contains("a &lt;b&gt;warning&lt;/b&gt; &amp; more"));
        assert!(html.contains("set@0.2 on random") && html.contains("light-dark("));
        assert!(!html.contains("NaN") && !html.contains("inf"));
        assert!(html.contains("<dt>activations stored as</dt><dd>f32</dd>"), "the card says what a step stored");
        // Written for looking at where a test run asks for it.
        if let Ok(path) = std::env::var("SPARRING_SAMPLE_REPORT") {
            std::fs::write(path, html).unwrap();
        }
    }

    #[test]
    fn the_card_counts_what_a_device_chose() {
        assert_eq!(kernels(&serde_json::json!({ "a": "tiles-16", "b": "rows", "c": "tiles-16" })), "1 by rows, 2 by tiles-16");
        assert_eq!(kernels(&Value::Null), "");
    }

    #[test]
    fn one_epoch_none_and_broken_numbers_are_drawn_too() {
        assert!(page(&samples::history(1)).contains("<circle"));
        let mut history = samples::history(3);
        history.tracks[0].epochs[1].scores.test.loss = f64::NAN;
        history.tracks[1].failed = Some("loss became NaN at step 12".into());
        let html = page(&history);
        assert!(!html.contains("NaN,") && html.contains("loss became NaN at step 12"));
        assert!(!page(&History::default()).contains("<path"));
    }

    #[test]
    fn hard_images_have_a_table_where_there_were_some() {
        let score = |accuracy: f64| serde_json::json!({ "loss": 1.0, "accuracy": accuracy, "samples": 10 });
        let mut out = String::new();
        let of = |by_hardness: Value| serde_json::json!({ "summary": { "learners": [{ "name": "a<b", "test": score(0.75), "by_hardness": by_hardness }] } });
        hard_images_table(&mut out, &results::samples::history(1), &of(serde_json::json!({})));
        assert!(out.is_empty());
        hard_images_table(&mut out, &results::samples::history(1), &of(serde_json::json!({ "corrupted": score(0.5) })));
        assert!(out.contains("made hard</h2>") && out.contains("a&lt;b</th><td>75.00%</td><td>50.00%</td>"), "{out}");
    }

    #[test]
    fn best_epochs_have_a_row_each_in_their_learner_s_colour() {
        let history = results::samples::history(1);
        let best = |name: &str, by: &str| serde_json::json!({ "name": name, "by": by, "epoch": 1 });
        let both = [best("dense", "validation"), best("set@0.2", "validation"), best("set@0.2", "robust validation")];
        let mut out = String::new();
        best_table(&mut out, &history, &serde_json::json!({ "best": both }));
        assert_eq!(out.matches("<tr class=\"sparse\">").count(), 2, "{out}");
        assert!(out.contains("<tr class=\"dense\">") && out.contains("<td>robust validation</td>"), "{out}");
    }
}
