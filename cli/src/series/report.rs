//! `report.html` of a series: what several seeds say, in one file without scripts that links to the reports of its runs.
//!
//! The sentence comes first, then means and differences as pictures, then the same as numbers. An interval is drawn wherever
//! a mean is; the seeds themselves are the pale dots.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use sparring_core::ExperimentConfig;
use sparring_core::config::Scenario;
use sparring_core::record::comparison::{Comparison, Difference, Mean, Metric, Outcome};
use sparring_figures::forest::{self, Columns, Forest};
use sparring_figures::html::{Row, escape};
use sparring_figures::number;

use super::MemberRun;
use crate::estimates::{self, Styles, capital, drawn, figure, points, relative};
use crate::report::{self, card_section, table_section, words};
use crate::rundir;

/// The whole page, to stand in the folder `at`.
pub fn render(
    scenario: Option<Scenario>,
    config: &ExperimentConfig,
    comparison: &Comparison,
    members: &[MemberRun],
    at: &Path,
    summary: &Value,
) -> String {
    let what = scenario.map_or("Sparse against dense", |s| match s {
        Scenario::Nature => "Hard by nature",
        Scenario::Corruption => "Hard by corruption",
        Scenario::Attack => "Hard by attack",
    });
    let mut out = report::open(&format!("{what}: {} on {}", config.model, config.dataset), estimates::STYLE, &comparison.verdict);
    let finished = members.iter().filter(|m| m.summary.is_some()).count();
    if finished < members.len() {
        let _ = writeln!(out, "<p class=\"note\">{finished} of {} runs are finished; the numbers are theirs.</p>", members.len());
    }
    out += "</header>\n";
    let styles = Styles::new(comparison.means.iter().map(|mean| (mean.learner.as_str(), mean.control)));
    out += &styles.key();
    figures(&mut out, comparison, &styles);
    difference_table(&mut out, comparison, &styles);
    mean_table(&mut out, comparison, &styles);
    runs(&mut out, members, at);
    card(&mut out, config, summary);
    out + report::CLOSE
}

fn figures(out: &mut String, comparison: &Comparison, styles: &Styles) {
    let mut metrics: Vec<Metric> = Metric::ALL.to_vec();
    metrics.sort_by_key(|m| *m != comparison.deciding);
    metrics.retain(|m| comparison.means.iter().any(|mean| mean.metric == *m));
    *out += "<section aria-label=\"Figures\">\n<div class=\"figures\">\n";
    for metric in metrics {
        let (name, share) = (capital(metric.doc()), metric.higher_is_better());
        let means: Vec<&Mean> = comparison.means.iter().filter(|m| m.metric == metric).collect();
        if comparison.fractions.len() > 1 {
            let drawing = columns(&name, &comparison.fractions, &means, share, styles).svg();
            figure(out, &name, "per cent, against the fraction of the data", drawing);
        } else {
            let row = |m: &&Mean| forest::Row {
                name: m.learner.clone(),
                classes: styles.of(&m.learner).into(),
                estimate: drawn(&m.estimate, &m.values, "", share),
                word: number::fixed(100.0 * m.estimate.mean, 1),
            };
            let groups = vec![(String::new(), means.iter().map(row).collect())];
            figure(out, &name, "per cent", Forest { label: format!("{name}, with intervals"), groups, differences: false }.svg());
        }
        let differences: Vec<&Difference> = comparison.differences.iter().filter(|d| d.metric == metric).collect();
        let groups = comparison.fractions.iter().map(|fraction| {
            let rows = differences.iter().filter(|d| d.fraction == *fraction).map(|d| forest::Row {
                name: d.sparse.clone(),
                classes: styles.of(&d.sparse).into(),
                estimate: drawn(&d.estimate, &d.values, "", false),
                word: d.outcome.name().to_owned(),
            });
            let heading = if comparison.fractions.len() > 1 { format!("p_data {fraction}") } else { String::new() };
            (heading, rows.collect())
        });
        let better = if metric.higher_is_better() { "right" } else { "left" };
        let title = format!("{name}: sparse minus dense");
        let forest = Forest { label: format!("{title}, with intervals"), groups: groups.collect(), differences: true };
        figure(out, &title, &format!("points; {better} of the line sparse is better"), forest.svg());
    }
    *out += "</div>\n<p class=\"small\">Bars are 95% Student-t intervals over seeds, pale dots are the seeds. Differences are paired by seed: each is of two learners with the same first weights, data and order. Between two means it is the difference's interval that counts, not whether theirs overlap. With one seed bars are of the test set alone.</p>\n</section>\n";
}

/// Means against the fraction of the data; fractions are evenly spaced.
fn columns(title: &str, fractions: &[f64], means: &[&Mean], share: bool, styles: &Styles) -> Columns {
    let of = |learner: &str, fraction: f64| {
        let mean = means.iter().find(|m| m.learner == learner && m.fraction == fraction)?;
        Some(drawn(&mean.estimate, &mean.values, &format!("{learner}, p_data {fraction}, "), share))
    };
    let learner = |(name, classes): &(String, String)| forest::Learner {
        name: name.clone(),
        classes: classes.clone(),
        estimates: fractions.iter().map(|f| of(name, *f)).collect(),
    };
    Columns {
        label: format!("{title} against the fraction of the data, with intervals"),
        caption: "fraction of the training data (p_data)".into(),
        conditions: fractions.iter().map(f64::to_string).collect(),
        learners: styles.iter().map(learner).collect(),
    }
}

fn difference_table(out: &mut String, comparison: &Comparison, styles: &Styles) {
    let mut differences: Vec<&Difference> = comparison.differences.iter().collect();
    differences.sort_by_key(|d| d.metric != comparison.deciding);
    let row = |d: &&Difference| {
        let outcome = match d.outcome {
            Outcome::Won | Outcome::Lost => format!("<b>{}</b>", d.outcome.name()),
            Outcome::CannotTell | Outcome::OneSeed => d.outcome.name().to_owned(),
        };
        let seeds = d.estimate.seeds.to_string();
        let cells = vec![escape(&d.sparse), d.fraction.to_string(), outcome, points(&d.estimate), d.metric.to_string(), seeds];
        Row { class: styles.of(&d.sparse).into(), cells }
    };
    let heads = ["learner", "p_data", "outcome", "points (95% interval)", "metric", "seeds"];
    table_section(out, "Sparse minus dense, paired by seed", &heads, differences.iter().map(row));
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
    let mut means: Vec<&Mean> = comparison.means.iter().collect();
    means.sort_by_key(|m| m.metric != comparison.deciding);
    let row = |m: &&Mean| {
        let between = |(low, high)| format!("{} to {}", number::fixed(100.0 * low, 1), number::percent(high, 1));
        let cells = [
            m.learner.clone(),
            m.fraction.to_string(),
            number::percent(m.estimate.mean, 1),
            m.estimate.interval().map_or_else(|| "-".into(), between),
            m.metric.to_string(),
            format!("{:.4}", m.density),
            m.estimate.seeds.to_string(),
        ];
        Row::of_words(styles.of(&m.learner), &cells)
    };
    let heads = ["learner", "p_data", "mean", "95% interval", "metric", "density", "seeds"];
    table_section(out, "Means over seeds", &heads, means.iter().map(row));
}

fn runs(out: &mut String, members: &[MemberRun], at: &Path) {
    let row = |member: &MemberRun| {
        let name = escape(&member.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()));
        let link = member.summary.as_ref().and_then(|_| relative(at, &member.path.join(rundir::REPORT)));
        let name = link.map_or_else(|| name.clone(), |link| format!("<a href=\"{link}\">{name}</a>"));
        let state = if member.summary.is_some() { "finished" } else { "not finished" };
        let seconds = member.summary.as_ref().and_then(|s| s["seconds"].as_f64());
        let took = seconds.map_or_else(|| "-".into(), number::duration);
        Row::from(vec![name, member.config.seed.to_string(), member.config.p_data.to_string(), state.to_owned(), took])
    };
    table_section(out, "Runs", &["run", "seed", "p_data", "state", "took"], members.iter().map(row));
}

fn card(out: &mut String, config: &ExperimentConfig, summary: &Value) {
    let mut device: Vec<String> = Vec::new();
    for run in summary["runs"].as_array().into_iter().flatten() {
        if let Some(name) = run["device"].as_str().filter(|name| !device.iter().any(|d| d == name)) {
            device.push(name.to_owned());
        }
    }
    let lines = [
        ("scenario", words(&summary["scenario"])),
        ("scale", words(&summary["scale"])),
        ("series hash", words(&summary["series_hash"])),
        ("device", device.join(", ")),
        ("system", words(&summary["system"])),
        ("version", format!("{} ({})", words(&summary["version"]), words(&summary["commit"]))),
        ("date", words(&summary["date"])),
        ("all runs took", number::duration(summary["seconds"].as_f64().unwrap_or(0.0))),
    ];
    card_section(out, "Series card", &lines, "Complete configuration (seed and p_data are those of the list above)", config);
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
        let comparison = Comparison::new(Metric::HardHalf, &members);
        let places = members.iter().map(|m| MemberRun {
            config: ExperimentConfig { seed: m.seed, p_data: m.fraction, ..Default::default() },
            path: Path::new("runs").join(format!("a<b-{}", m.seed)),
            summary: (m.seed == 1).then(|| json!({ "seconds": 3.0 })),
        });
        let places: Vec<MemberRun> = places.collect();
        render(Some(Scenario::Nature), &ExperimentConfig::default(), &comparison, &places, Path::new("series/x"), &json!({ "date": "now" }))
    }

    #[test]
    fn the_page_says_it_first_and_stands_alone() {
        let html = page(&[0.1, 0.5, 1.0], 3);
        let verdict = html.find("Judged by accuracy on the hard half of the test set, over 3 seeds").unwrap();
        assert!(verdict < html.find("<figure").unwrap());
        // Two metrics: means against the fraction, and differences.
        assert_eq!(html.matches("<figure>").count(), 4);
        assert_eq!(html.matches("class=\"join\"").count(), 2 * 4);
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
        assert!(!html.contains("class=\"join\"") && html.matches("<figure>").count() == 4);
        assert!(page(&[1.0], 1).contains("One seed cannot tell"));
        assert!(!page(&[], 0).contains("<figure>"));
    }
}
