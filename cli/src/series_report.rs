//! `report.html` of a series: what several seeds say, in one file without scripts that links to the reports of its runs.
//!
//! The sentence comes first, then means and differences as pictures, then the same as numbers. An interval is drawn wherever
//! a mean is; the seeds themselves are the pale dots.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use sparring_core::ExperimentConfig;
use sparring_core::config::Scenario;
use sparring_core::record::comparison::{Comparison, Difference, Estimate, Mean, Metric, Outcome};

use crate::report::{self, escape, ticks};
use crate::series::{Place, points};
use crate::{clock, rundir};

const STYLE: &str = include_str!("series_report.css");
const WIDTH: f64 = 520.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 42.0;

/// The whole page, to stand in the folder `at`.
pub fn render(
    scenario: Option<Scenario>,
    config: &ExperimentConfig,
    comparison: &Comparison,
    members: &[Place],
    at: &Path,
    summary: &Value,
) -> String {
    let mut out = String::new();
    let what = scenario.map_or("Sparse against dense", |s| match s {
        Scenario::Nature => "Hard by nature",
        Scenario::Corruption => "Hard by corruption",
        Scenario::Attack => "Hard by attack",
    });
    let title = format!("{what}: {} on {}", config.model, config.dataset);
    let finished = members.iter().filter(|m| m.summary.is_some()).count();
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Sparring: {0}</title>\n<style>\n{1}{STYLE}</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"brand\">Sparring</p>\n<h1>{0}</h1>\n<p class=\"verdict\">{2}</p>\n",
        escape(&title),
        report::STYLE,
        escape(&comparison.verdict)
    );
    if finished < members.len() {
        let _ = writeln!(out, "<p class=\"note\">{finished} of {} runs are finished; the numbers are theirs.</p>", members.len());
    }
    out += "</header>\n";
    let styles = Styles::new(comparison);
    styles.legend(&mut out);
    figures(&mut out, comparison, &styles);
    difference_table(&mut out, comparison, &styles);
    mean_table(&mut out, comparison, &styles);
    runs(&mut out, members, at);
    card(&mut out, config, summary);
    out += "</main>\n</body>\n</html>\n";
    out
}

/// Colour classes by learner, in the order of the learners.
struct Styles(Vec<(String, String)>);

impl Styles {
    fn new(comparison: &Comparison) -> Self {
        let (mut all, mut sparse): (Vec<(String, String)>, Vec<String>) = (Vec::new(), Vec::new());
        for mean in &comparison.means {
            if all.iter().any(|(name, _)| *name == mean.learner) {
                continue;
            }
            let family = mean.learner.split(" on ").next().unwrap_or(&mean.learner).to_owned();
            let colour = if mean.density >= 1.0 {
                "dense".to_owned()
            } else {
                let place = sparse.iter().position(|name| *name == family).unwrap_or_else(|| {
                    sparse.push(family);
                    sparse.len() - 1
                });
                format!("sparse s{}", place % 4)
            };
            all.push((mean.learner.clone(), if mean.control { format!("{colour} control") } else { colour }));
        }
        Self(all)
    }
    fn of(&self, learner: &str) -> &str {
        self.0.iter().find(|(name, _)| name == learner).map_or("", |(_, class)| class)
    }
    fn legend(&self, out: &mut String) {
        *out += "<ul class=\"legend\">\n";
        for (name, class) in &self.0 {
            let _ = writeln!(
                out,
                "<li><svg width=\"30\" height=\"12\" aria-hidden=\"true\"><g class=\"{class}\"><line class=\"bar\" x1=\"2\" y1=\"6\" x2=\"28\" y2=\"6\"/><circle class=\"point\" cx=\"15\" cy=\"6\" r=\"4\"/></g></svg>{}</li>",
                escape(name)
            );
        }
        *out += "</ul>\n";
    }
}

/// A line of a forest: name, class, estimate, seeds, and a word.
struct Row<'a> {
    name: &'a str,
    class: &'a str,
    estimate: &'a Estimate,
    values: &'a [(u64, f64)],
    text: String,
}

fn figures(out: &mut String, comparison: &Comparison, styles: &Styles) {
    let mut metrics: Vec<Metric> = Metric::ALL.to_vec();
    metrics.sort_by_key(|m| *m != comparison.deciding);
    metrics.retain(|m| comparison.means.iter().any(|mean| mean.metric == *m));
    *out += "<section aria-label=\"Figures\">\n<div class=\"figures\">\n";
    for metric in metrics {
        let (name, share) = (capital(metric.doc()), metric.higher_is_better());
        let means: Vec<&Mean> = comparison.means.iter().filter(|m| m.metric == metric).collect();
        let differences: Vec<&Difference> = comparison.differences.iter().filter(|d| d.metric == metric).collect();
        if comparison.fractions.len() > 1 {
            curves(out, &name, &comparison.fractions, &means, share, styles);
        } else {
            let rows = means.iter().map(|m| Row {
                name: &m.learner,
                class: styles.of(&m.learner),
                estimate: &m.estimate,
                values: &m.values,
                text: format!("{:.1}", 100.0 * m.estimate.mean),
            });
            forest(out, &name, "per cent", &[(String::new(), rows.collect())], false, share);
        }
        let groups = comparison.fractions.iter().map(|fraction| {
            let rows = differences.iter().filter(|d| d.fraction == *fraction).map(|d| Row {
                name: &d.sparse,
                class: styles.of(&d.sparse),
                estimate: &d.estimate,
                values: &d.values,
                text: d.outcome.name().to_owned(),
            });
            let title = if comparison.fractions.len() > 1 { format!("p_data {fraction}") } else { String::new() };
            (title, rows.collect::<Vec<_>>())
        });
        let better = if metric.higher_is_better() { "right" } else { "left" };
        let title = format!("{name}: sparse minus dense");
        forest(out, &title, &format!("points; {better} of the line sparse is better"), &groups.collect::<Vec<_>>(), true, false);
    }
    *out += "</div>\n<p class=\"small\">Bars are 95 % Student-t intervals over seeds, pale dots are the seeds. Differences are paired by seed: each is of two learners with the same first weights, data and order. Between two means it is the difference's interval that counts, not whether theirs overlap. With one seed bars are of the test set alone.</p>\n</section>\n";
}

/// What an estimate's bar covers, in per cent; that of an accuracy is drawn no further than accuracies go.
fn bar(e: &Estimate, share: bool) -> (f64, f64) {
    let half = e.half_width.unwrap_or(e.test_set_noise);
    let (low, high) = (100.0 * (e.mean - half), 100.0 * (e.mean + half));
    if share { (low.max(0.0), high.min(100.0)) } else { (low, high) }
}

/// The range of bars and seeds, in per cent.
fn range<'a>(all: impl Iterator<Item = (&'a Estimate, &'a [(u64, f64)])>, share: bool) -> Option<(f64, f64)> {
    let ends = all.flat_map(|(e, values)| {
        let (low, high) = bar(e, share);
        values.iter().map(|v| 100.0 * v.1).chain([low, high]).collect::<Vec<_>>()
    });
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    (low <= high).then_some((low, high))
}

/// Means against the fraction of the data; fractions are evenly spaced.
fn curves(out: &mut String, title: &str, fractions: &[f64], means: &[&Mean], share: bool, styles: &Styles) {
    const HEIGHT: f64 = 320.0;
    const LEFT: f64 = 52.0;
    const RIGHT: f64 = 14.0;
    let Some((low, high)) = range(means.iter().map(|m| (&m.estimate, m.values.as_slice())), share) else { return };
    let steps = ticks(low, high, 5);
    let (low, high) = (steps.first().copied().unwrap_or(low).min(low), steps.last().copied().unwrap_or(high).max(high));
    let y = |v: f64| HEIGHT - BOTTOM - (v - low) / (high - low).max(f64::MIN_POSITIVE) * (HEIGHT - TOP - BOTTOM);
    let column = (WIDTH - LEFT - RIGHT) / fractions.len() as f64;
    let middle = |i: usize| LEFT + (i as f64 + 0.5) * column;
    let _ = write!(
        out,
        "<figure>\n<figcaption>{0}</figcaption>\n<p class=\"small\">per cent, against the fraction of the data</p>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0} against the fraction of the data, with intervals\">\n",
        escape(title)
    );
    for tick in steps {
        let at = y(tick);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            report::round(tick)
        );
    }
    for (i, fraction) in fractions.iter().enumerate() {
        let _ = writeln!(
            out,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{fraction}</text>",
            middle(i),
            HEIGHT - BOTTOM + 18.0
        );
    }
    let _ = writeln!(
        out,
        "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">fraction of the training data (p_data)</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 4.0
    );
    let learners = styles.0.len().max(1) as f64;
    let dodge = (column * 0.7 / learners).min(22.0);
    for (l, (learner, class)) in styles.0.iter().enumerate() {
        let own: Vec<(f64, &&Mean)> = fractions
            .iter()
            .enumerate()
            .filter_map(|(i, f)| {
                let mean = means.iter().find(|m| m.learner == *learner && m.fraction == *f)?;
                Some((middle(i) + (l as f64 - (learners - 1.0) / 2.0) * dodge, mean))
            })
            .collect();
        let join: String = own.iter().map(|(x, m)| format!("{x:.1},{:.1} ", y(100.0 * m.estimate.mean))).collect();
        let _ = writeln!(out, "<g class=\"{class}\"><polyline class=\"join {class}\" points=\"{}\"/>", join.trim_end());
        for (x, mean) in own {
            let (from, to) = bar(&mean.estimate, share);
            for (_, value) in &mean.values {
                let _ = writeln!(out, "<circle class=\"seed\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\"/>", x + 5.0, y(100.0 * value));
            }
            let _ = writeln!(
                out,
                "<line class=\"bar\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/><circle class=\"point\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4.2\"><title>{}, p_data {}: {:.2} % ({from:.2} to {to:.2})</title></circle>",
                y(from),
                y(to),
                y(100.0 * mean.estimate.mean),
                escape(learner),
                mean.fraction,
                100.0 * mean.estimate.mean
            );
        }
        *out += "</g>\n";
    }
    *out += "</svg>\n</figure>\n";
}

/// One line an estimate, grouped; `zero` draws the line of no difference.
fn forest(out: &mut String, title: &str, unit: &str, groups: &[(String, Vec<Row>)], zero: bool, share: bool) {
    const LINE: f64 = 30.0;
    const LEFT: f64 = 150.0;
    const RIGHT: f64 = 96.0;
    let all = || groups.iter().flat_map(|(_, rows)| rows);
    let Some((low, high)) = range(all().map(|r| (r.estimate, r.values)), share) else { return };
    let (low, high) = if zero { (low.min(0.0), high.max(0.0)) } else { (low, high) };
    let steps = ticks(low, high, 4);
    let (low, high) = (steps.first().copied().unwrap_or(low).min(low), steps.last().copied().unwrap_or(high).max(high));
    let x = |v: f64| LEFT + (v - low) / (high - low).max(f64::MIN_POSITIVE) * (WIDTH - LEFT - RIGHT);
    let lines = all().count() + groups.iter().filter(|(name, _)| !name.is_empty()).count();
    let bottom = TOP + LINE * lines as f64;
    let _ = write!(
        out,
        "<figure>\n<figcaption>{0}</figcaption>\n<p class=\"small\">{unit}</p>\n<svg viewBox=\"0 0 {WIDTH} {1}\" role=\"img\" aria-label=\"{0}, with intervals\">\n",
        escape(title),
        bottom + 26.0
    );
    for tick in steps {
        let (at, class) = (x(tick), if zero && tick.abs() < 1e-9 { "zero" } else { "grid" });
        let _ = writeln!(
            out,
            "<line class=\"{class}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text class=\"tick\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}{}</text>",
            bottom + 18.0,
            if zero && tick > 1e-9 { "+" } else { "" },
            report::round(tick)
        );
    }
    let mut y = TOP + LINE / 2.0;
    for (name, rows) in groups {
        if !name.is_empty() {
            let _ = writeln!(out, "<text class=\"group\" x=\"0\" y=\"{:.1}\">{}</text>", y + 6.0, escape(name));
            y += LINE;
        }
        for row in rows {
            let (from, to) = bar(row.estimate, share);
            let _ =
                writeln!(out, "<g class=\"{}\"><text class=\"name\" x=\"0\" y=\"{:.1}\">{}</text>", row.class, y + 4.5, escape(row.name));
            for (seed, value) in row.values {
                let at = x(100.0 * value);
                let _ = writeln!(
                    out,
                    "<circle class=\"seed\" cx=\"{at:.1}\" cy=\"{:.1}\" r=\"2.6\"><title>seed {seed}: {:.2}</title></circle>",
                    y + 8.0,
                    100.0 * value
                );
            }
            let _ = writeln!(
                out,
                "<line class=\"bar\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><circle class=\"point\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4.2\"><title>{:.2} ({from:.2} to {to:.2})</title></circle><text class=\"value\" x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{}</text></g>",
                x(from),
                x(to),
                x(100.0 * row.estimate.mean),
                100.0 * row.estimate.mean,
                y + 4.5,
                escape(&row.text)
            );
            y += LINE;
        }
    }
    *out += "</svg>\n</figure>\n";
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A table up to its first row.
fn head(out: &mut String, label: &str, columns: &[&str]) {
    let _ = write!(out, "<section aria-label=\"{label}\">\n<h2>{label}</h2>\n<div class=\"scroll\"><table>\n<thead><tr>");
    columns.iter().for_each(|name| {
        let _ = write!(out, "<th scope=\"col\">{name}</th>");
    });
    *out += "</tr></thead>\n<tbody>\n";
}

fn row(out: &mut String, class: &str, first: &str, cells: &[(String, &str)]) {
    let _ = write!(out, "<tr class=\"{class}\"><th scope=\"row\">{}</th>", escape(first));
    for (cell, class) in cells {
        let _ = write!(out, "<td class=\"{class}\">{}</td>", escape(cell));
    }
    *out += "</tr>\n";
}

const FOOT: &str = "</tbody>\n</table></div>\n</section>\n";

fn difference_table(out: &mut String, comparison: &Comparison, styles: &Styles) {
    head(out, "Sparse minus dense, paired by seed", &["learner", "p_data", "outcome", "points (95 % interval)", "metric", "seeds"]);
    let mut differences: Vec<&Difference> = comparison.differences.iter().collect();
    differences.sort_by_key(|d| d.metric != comparison.deciding);
    for d in differences {
        let class = match d.outcome {
            Outcome::Won => "won",
            Outcome::Lost => "lost",
            Outcome::CannotTell | Outcome::OneSeed => "",
        };
        let cells = [
            (d.fraction.to_string(), ""),
            (d.outcome.name().to_owned(), class),
            (points(&d.estimate), ""),
            (d.metric.to_string(), ""),
            (d.estimate.seeds.to_string(), ""),
        ];
        row(out, styles.of(&d.sparse), &d.sparse, &cells);
    }
    *out += FOOT;
    let decides = escape(comparison.deciding.doc());
    let _ = writeln!(
        out,
        "<p class=\"small\">What decides is {decides}. Each interval holds by itself: of twenty comparisons without a difference, one is expected to look like one.</p>"
    );
    for (learner, seed, fraction) in &comparison.failed {
        let _ = writeln!(
            out,
            "<p class=\"note\"><b>{}</b> failed with seed {seed} at p_data {fraction}; that run counts in no mean of it, which flatters it.</p>",
            escape(learner)
        );
    }
}

fn mean_table(out: &mut String, comparison: &Comparison, styles: &Styles) {
    head(out, "Means over seeds", &["learner", "p_data", "mean", "95 % interval", "metric", "density", "seeds"]);
    let mut means: Vec<&Mean> = comparison.means.iter().collect();
    means.sort_by_key(|m| m.metric != comparison.deciding);
    for m in means {
        let interval =
            m.estimate.interval().map_or_else(|| "-".into(), |(low, high)| format!("{:.1} to {:.1} %", 100.0 * low, 100.0 * high));
        let cells = [
            (m.fraction.to_string(), ""),
            (format!("{:.1} %", 100.0 * m.estimate.mean), ""),
            (interval, ""),
            (m.metric.to_string(), ""),
            (format!("{:.4}", m.density), ""),
            (m.estimate.seeds.to_string(), ""),
        ];
        row(out, styles.of(&m.learner), &m.learner, &cells);
    }
    *out += FOOT;
}

fn runs(out: &mut String, members: &[Place], at: &Path) {
    head(out, "Runs", &["run", "seed", "p_data", "state", "took"]);
    for member in members {
        let name = member.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let state = if member.summary.is_some() { "finished" } else { "not finished" };
        let link = member.summary.as_ref().and_then(|_| relative(at, &member.path.join(rundir::REPORT)));
        let name = link.map_or_else(|| escape(&name), |link| format!("<a href=\"{link}\">{}</a>", escape(&name)));
        let seconds = member.summary.as_ref().and_then(|s| s["seconds"].as_f64());
        let took = seconds.map_or_else(|| "-".into(), clock::duration);
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td><td>{state}</td><td>{took}</td></tr>",
            member.config.seed, member.config.p_data
        );
    }
    *out += FOOT;
}

/// The way from a folder to a file, as a link; `None` where there is none.
fn relative(folder: &Path, file: &Path) -> Option<String> {
    let whole = |path: &Path| std::path::absolute(path).ok();
    let (folder, file) = (whole(folder)?, whole(file)?);
    let (from, to): (Vec<_>, Vec<_>) = (folder.components().collect(), file.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return None;
    }
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let down = to[shared..].iter().map(|c| percent_encoded(&c.as_os_str().to_string_lossy()));
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

fn percent_encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~@+".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn card(out: &mut String, config: &ExperimentConfig, summary: &Value) {
    *out += "<section aria-label=\"Series card\">\n<h2>Series card</h2>\n<dl>\n";
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let mut device: Vec<String> = Vec::new();
    for run in summary["runs"].as_array().into_iter().flatten() {
        if let Some(name) = run["device"].as_str().filter(|name| !device.iter().any(|d| d == name)) {
            device.push(name.to_owned());
        }
    }
    for (name, value) in [
        ("scenario", text(&summary["scenario"])),
        ("scale", text(&summary["scale"])),
        ("series hash", text(&summary["series_hash"])),
        ("device", device.join(", ")),
        ("system", text(&summary["system"])),
        ("version", format!("{} ({})", text(&summary["version"]), text(&summary["commit"]))),
        ("date", text(&summary["date"])),
        ("all runs took", clock::duration(summary["seconds"].as_f64().unwrap_or(0.0))),
    ] {
        if !value.is_empty() && value != "null" {
            let _ = writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
        }
    }
    *out += "</dl>\n<details>\n<summary>Complete configuration (seed and p_data are those of the list above)</summary>\n<pre>";
    *out += &escape(&toml::to_string_pretty(config).unwrap_or_default());
    *out += "</pre>\n</details>\n</section>\n";
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::results::samples;
    use serde_json::json;
    use sparring_core::record::comparison::Member;

    fn page(fractions: &[f64], seeds: u64) -> String {
        let mut members = Vec::new();
        for (f, &fraction) in fractions.iter().enumerate() {
            for seed in 1..=seeds {
                let mut learners = samples::history(20).summary.unwrap().learners;
                for (l, learner) in learners.iter_mut().enumerate() {
                    let wobble = 0.01 * (seed as f64 * 1.7 + l as f64).sin();
                    learner.scores.test.accuracy += 0.05 * f as f64 + wobble;
                    learner.scores.test_hard = Some(learner.scores.test);
                }
                members.push(Member { seed, fraction, learners });
            }
        }
        let comparison = Comparison::new(Some(Scenario::Nature), &members);
        let places = members.iter().map(|m| Place {
            config: ExperimentConfig { seed: m.seed, p_data: m.fraction, ..Default::default() },
            path: Path::new("runs").join(format!("a<b-{}", m.seed)),
            summary: (m.seed == 1).then(|| json!({ "seconds": 3.0 })),
        });
        let places: Vec<Place> = places.collect();
        render(Some(Scenario::Nature), &ExperimentConfig::default(), &comparison, &places, Path::new("series/x"), &json!({ "date": "now" }))
    }

    #[test]
    fn the_page_says_it_first_and_stands_alone() {
        let html = page(&[0.1, 0.5, 1.0], 3);
        let verdict = html.find("Judged by accuracy on the hard half of the test set, over 3 seeds").unwrap();
        assert!(verdict < html.find("<figure").unwrap());
        // Two metrics: means against the fraction, and differences.
        assert_eq!(html.matches("<figure>").count(), 4);
        assert_eq!(html.matches("<polyline").count(), 2 * 4);
        // A seed's dot for every value: 4 learners and 2 differences, at 3 fractions, of 3 seeds, for 2 metrics.
        assert_eq!(html.matches("class=\"seed\"").count(), 6 * 3 * 3 * 2);
        assert!(html.contains("set@0.2 on random") && html.contains("3 of 9 runs are finished"));
        assert!(html.contains("<a href=\"../../runs/a%3Cb-1/report.html\">a&lt;b-1</a>"), "finished runs are linked");
        assert!(!html.contains("http") && !html.contains("<script") && !html.contains("NaN") && !html.contains(">inf"));
        // Written for looking at where a test run asks for it.
        if let Ok(path) = std::env::var("SPARRING_SAMPLE_SERIES") {
            std::fs::write(path, html).unwrap();
        }
    }

    #[test]
    fn one_fraction_one_seed_and_nothing_are_drawn_too() {
        let html = page(&[1.0], 2);
        assert!(!html.contains("<polyline") && html.matches("<figure>").count() == 4);
        assert!(page(&[1.0], 1).contains("One seed cannot tell"));
        assert!(!page(&[], 0).contains("<figure>"));
    }
}
