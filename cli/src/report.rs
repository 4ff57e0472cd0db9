//! `report.html`: one file without scripts or links that shows a run as it was.
//!
//! Curves are inline SVG, once against epochs and once against training FLOPs; colours follow the reader's light or dark
//! setting. Dense is dashed blue, sparse solid orange, controls thinner and paler.

use std::fmt::Write;

use serde_json::Value;
use sparring_core::ExperimentConfig;
use sparring_core::events::Score;

use sparring_core::record::{Epoch, History, Track};

use crate::results;
use crate::table;

/// The look of every page the program writes.
pub const STYLE: &str = include_str!("report.css");
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

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

/// The whole page.
pub fn render(config: &ExperimentConfig, history: &History, summary: &Value) -> String {
    let mut out = String::new();
    let title = format!("{} on {} {}", config.model, config.dataset, config.subset);
    let verdict =
        history.summary.as_ref().map_or("Stopped before the end; these are the epochs that were completed.", |s| s.verdict.as_str());
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Sparring: {0}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"brand\">Sparring</p>\n<h1>{0}</h1>\n<p class=\"verdict\">{1}</p>\n</header>\n",
        escape(&title),
        escape(verdict)
    );
    legend(&mut out, history);
    out += "<section aria-label=\"Curves\">\n<input type=\"radio\" name=\"axis\" id=\"by-epochs\" checked><label for=\"by-epochs\">against epochs</label>\n<input type=\"radio\" name=\"axis\" id=\"by-flops\"><label for=\"by-flops\">against training FLOPs</label>\n";
    for (class, by_flops) in [("epochs", false), ("flops", true)] {
        let _ = writeln!(out, "<div class=\"charts {class}\">");
        for (name, pick, share) in CHARTS {
            chart(&mut out, history, name, pick, share, by_flops);
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
    out += "</main>\n</body>\n</html>\n";
    out
}

/// Colour class and extra class of a learner's line; several sparse learners take turns through four warm colours.
fn classes(history: &History, index: usize) -> String {
    let learner = &history.tracks[index];
    let family = |l: &Track| l.info.learner.clone();
    let mut sparse: Vec<String> = Vec::new();
    for l in history.tracks.iter().filter(|l| l.info.density < 1.0) {
        if !sparse.contains(&family(l)) {
            sparse.push(family(l));
        }
    }
    let colour = match sparse.iter().position(|name| *name == family(learner)) {
        None => "dense".to_owned(),
        Some(i) => format!("sparse s{}", i % 4),
    };
    if learner.info.control { format!("{colour} control") } else { colour }
}

fn legend(out: &mut String, history: &History) {
    *out += "<ul class=\"legend\">\n";
    for (i, l) in history.tracks.iter().enumerate() {
        let _ = writeln!(
            out,
            "<li><svg width=\"36\" height=\"10\" aria-hidden=\"true\"><line x1=\"1\" y1=\"5\" x2=\"35\" y2=\"5\" class=\"curve {}\"/></svg>{}</li>",
            classes(history, i),
            escape(&l.info.name)
        );
    }
    *out += "</ul>\n";
}

fn chart(out: &mut String, history: &History, title: &str, pick: Pick, share: bool, by_flops: bool) {
    let x_of = |p: &Epoch| if by_flops { p.flops } else { f64::from(p.epoch) };
    let curves: Vec<Vec<(f64, f64)>> = history
        .tracks
        .iter()
        .map(|l| l.epochs.iter().filter_map(|p| Some((x_of(p), pick(p).filter(|y| y.is_finite())?))).collect())
        .collect();
    let all = || curves.iter().flatten();
    if all().next().is_none() {
        return;
    }
    let x_max = all().map(|p| p.0).fold(if by_flops { 0.0 } else { f64::from(history.epochs) }, f64::max).max(1.0);
    let x_min = if by_flops { 0.0 } else { 1.0f64.min(x_max) };
    let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p.1), b.max(p.1)));
    let y_ticks = ticks(low, high, 5);
    let (y_min, y_max) = (y_ticks.first().copied().unwrap_or(0.0).min(low), y_ticks.last().copied().unwrap_or(1.0).max(high));
    let x = |v: f64| LEFT + (v - x_min) / (x_max - x_min).max(f64::MIN_POSITIVE) * (WIDTH - LEFT - RIGHT);
    let y = |v: f64| HEIGHT - BOTTOM - (v - y_min) / (y_max - y_min).max(f64::MIN_POSITIVE) * (HEIGHT - TOP - BOTTOM);
    let y_text = |v: f64| if share { format!("{} %", round(100.0 * v)) } else { round(v) };
    let x_text = |v: f64| if by_flops { table::si(v).replace(".0", "") } else { round(v) };

    let _ = write!(
        out,
        "<figure>\n<figcaption>{title}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title} of every learner\">\n"
    );
    for tick in &y_ticks {
        let at = y(*tick);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            y_text(*tick)
        );
    }
    for tick in ticks(x_min, x_max, 6).into_iter().filter(|t| *t >= x_min && *t <= x_max && (by_flops || t.fract() == 0.0)) {
        let _ = writeln!(
            out,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(tick),
            HEIGHT - BOTTOM + 18.0,
            x_text(tick)
        );
    }
    let _ = writeln!(
        out,
        "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 4.0,
        if by_flops { "training FLOPs" } else { "epochs" }
    );
    // Controls first, so that the learners themselves lie on top.
    let mut order: Vec<usize> = (0..curves.len()).collect();
    order.sort_by_key(|i| !history.tracks[*i].info.control);
    for i in order {
        let class = classes(history, i);
        let name = escape(&history.tracks[i].info.name);
        let points: String = curves[i].iter().map(|p| format!("{:.1},{:.1} ", x(p.0), y(p.1))).collect();
        let _ = writeln!(out, "<polyline class=\"curve {class}\" points=\"{}\"/>", points.trim_end());
        let lone = if curves[i].len() == 1 { " lone" } else { "" };
        for p in &curves[i] {
            let _ = writeln!(
                out,
                "<circle class=\"dot {class}{lone}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{name}, {} {}: {}</title></circle>",
                x(p.0),
                y(p.1),
                if by_flops { "FLOPs" } else { "epoch" },
                x_text(p.0),
                if share { table::percent(p.1) } else { format!("{:.4}", p.1) }
            );
        }
    }
    *out += "</svg>\n</figure>\n";
}

/// Round numbers that cover a range, about `count` of them.
pub fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = (high - low).max(high.abs() * 1e-3).max(1e-9);
    let raw = span / count as f64;
    let magnitude = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * magnitude).find(|s| *s >= raw).unwrap_or(raw);
    let first = (low / step).floor() as i64;
    let last = (high / step).ceil() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// At most four places.
pub fn round(v: f64) -> String {
    let text = format!("{v:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn result_table(out: &mut String, history: &History, summary: &Value) {
    *out += "<section aria-label=\"Results\">\n<h2>Results</h2>\n<div class=\"scroll\"><table>\n<thead><tr>";
    for name in results::HEADER {
        let _ = write!(out, "<th scope=\"col\">{name}</th>");
    }
    *out += "</tr></thead>\n<tbody>\n";
    for (i, row) in results::rows(summary).iter().enumerate() {
        let _ = write!(out, "<tr class=\"{}\">", classes(history, i));
        for (column, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            let _ = if column == 0 { write!(out, "<th scope=\"row\">{cell}</th>") } else { write!(out, "<td>{cell}</td>") };
        }
        *out += "</tr>\n";
    }
    *out += "</tbody>\n</table></div>\n</section>\n";
    let spread = |score: Score| (score.accuracy * (1.0 - score.accuracy) / score.samples.max(1) as f64).sqrt();
    if let Some(last) = history.tracks.first().and_then(|l| l.epochs.last()) {
        let _ = writeln!(
            out,
            "<p class=\"small\">Accuracies are of the last epoch; with {} test samples their standard error is about {:.1} points. One seed.</p>",
            last.scores.test.samples,
            100.0 * spread(last.scores.test)
        );
    }
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
    let _ = write!(out, "<section aria-label=\"{title}\">\n<h2>{title}</h2>\n<div class=\"scroll\"><table>\n<thead><tr>");
    for name in header {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(name.as_ref()));
    }
    *out += "</tr></thead>\n<tbody>\n";
    for row in rows {
        let learner = history.tracks.iter().position(|l| row.first() == Some(&l.info.name));
        let _ = write!(out, "<tr class=\"{}\">", learner.map(|i| classes(history, i)).unwrap_or_default());
        for (column, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            let _ = if column == 0 { write!(out, "<th scope=\"row\">{cell}</th>") } else { write!(out, "<td>{cell}</td>") };
        }
        *out += "</tr>\n";
    }
    let _ = write!(out, "</tbody>\n</table></div>\n<p class=\"small\">{note}</p>\n</section>\n");
}

fn card(out: &mut String, config: &ExperimentConfig, summary: &Value) {
    *out += "<section aria-label=\"Run card\">\n<h2>Run card</h2>\n<dl>\n";
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let mut line = |name: &str, value: String| {
        if !value.is_empty() && value != "null" {
            let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&value));
        }
    };
    line("configuration hash", text(&summary["config_hash"]));
    line("device", text(&summary["device"]["name"]));
    line("backend", text(&summary["device"]["backend"]));
    line("driver", text(&summary["device"]["driver"]));
    line("system", text(&summary["system"]));
    line("version", format!("{} ({})", text(&summary["version"]), text(&summary["commit"])));
    line("date", text(&summary["date"]));
    line("duration", crate::clock::duration(summary["seconds"].as_f64().unwrap_or(0.0)));
    *out += "</dl>\n<details>\n<summary>Complete configuration</summary>\n<pre>";
    *out += &escape(&toml::to_string_pretty(config).unwrap_or_default());
    *out += "</pre>\n</details>\n</section>\n";
}

/// Text as it stands in HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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
        let device = DeviceInfo { name: "Test device".into(), backend: "cpu".into(), driver: String::new(), software: false };
        render(&config, history, &rundir::summary(&config, history, &device, 321.0, false).unwrap())
    }

    #[test]
    fn the_page_stands_alone_and_shows_every_learner() {
        let html = page(&samples::history(20));
        assert_eq!(html.matches("<polyline").count(), 2 * 4 * 4);
        assert!(!html.contains("http") && !html.contains("<script"), "nothing is loaded and nothing runs");
        assert!(html.contains("a &lt;b&gt;warning&lt;/b&gt; &amp; more"));
        assert!(html.contains("set@0.2 on random") && html.contains("prefers-color-scheme"));
        assert!(!html.contains("NaN") && !html.contains("inf"));
        // Written for looking at where a test run asks for it.
        if let Ok(path) = std::env::var("SPARRING_SAMPLE_REPORT") {
            std::fs::write(path, html).unwrap();
        }
    }

    #[test]
    fn one_epoch_none_and_broken_numbers_are_drawn_too() {
        assert!(page(&samples::history(1)).contains("<circle"));
        let mut history = samples::history(3);
        history.tracks[0].epochs[1].scores.test.loss = f64::NAN;
        history.tracks[1].failed = Some("loss became NaN at step 12".into());
        let html = page(&history);
        assert!(!html.contains("NaN,") && html.contains("loss became NaN at step 12"));
        assert!(!page(&History::default()).contains("<polyline"));
    }

    #[test]
    fn ticks_cover_the_range_with_round_numbers() {
        assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        let t = ticks(0.412, 0.688, 5);
        assert!(t[0] <= 0.412 && *t.last().unwrap() >= 0.688 && t.len() <= 8);
        assert!(ticks(0.5, 0.5, 5).len() < 10);
    }

    #[test]
    fn hard_images_have_a_table_where_there_were_some() {
        let score = |accuracy: f64| serde_json::json!({ "loss": 1.0, "accuracy": accuracy, "samples": 10 });
        let mut out = String::new();
        let of = |by_hardness: Value| serde_json::json!({ "summary": { "learners": [{ "name": "a<b", "test": score(0.75), "by_hardness": by_hardness }] } });
        hard_images_table(&mut out, &results::samples::history(1), &of(serde_json::json!({})));
        assert!(out.is_empty());
        hard_images_table(&mut out, &results::samples::history(1), &of(serde_json::json!({ "corrupted": score(0.5) })));
        assert!(out.contains("made hard</h2>") && out.contains("a&lt;b</th><td>75.00 %</td><td>50.00 %</td>"), "{out}");
    }

    #[test]
    fn best_epochs_have_a_row_each_in_their_learner_s_colour() {
        let history = results::samples::history(1);
        let best = |name: &str, by: &str| serde_json::json!({ "name": name, "by": by, "epoch": 1 });
        let both = [best("dense", "validation"), best("set@0.2", "validation"), best("set@0.2", "robust validation")];
        let mut out = String::new();
        best_table(&mut out, &history, &serde_json::json!({ "best": both }));
        assert_eq!(out.matches("<tr class=\"sparse s0\">").count(), 2, "{out}");
        assert!(out.contains("<tr class=\"dense\">") && out.contains("<td>robust validation</td>"), "{out}");
    }
}
