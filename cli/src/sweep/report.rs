//! `report.html` of a study, and its figures, each a file of its own: the answer first, then means and differences, then the same as numbers.
//!
//! A study has more conditions than a page has room for: a figure against an axis shows means over all the others, the table of differences
//! shows each condition by itself.

use std::collections::HashSet;
use std::fmt::Write;

use sparring_core::config::LearnerConfig;
use sparring_core::record::Metric;
use sparring_core::record::comparison::Outcome;
use sparring_core::record::study::{Average, LEVEL, Racer};
use sparring_figures::forest::{self, Columns, Forest, Learner};
use sparring_figures::html::{Row, escape};
use sparring_figures::{Tone, number};

use super::collected::{Collected, FIGURES, Place};
use super::plan::Kind;
use crate::estimates::{self, Styles, capital, drawn, figure, p, plus_minus, points, relative};
use crate::report::{self, table_section, text_card};
use crate::{clock, rundir};

/// Rows of a table that a page shows; all are in the files beside it.
const MOST_ROWS: usize = 500;
/// Rows of differences, and values of an axis, that are drawn.
const MOST_DRAWN: usize = 60;

/// A figure: a part of the page, and a file.
pub struct Figure {
    /// Its file's name.
    file: String,
    title: String,
    unit: String,
    drawing: Drawing,
}

enum Drawing {
    Forest(Forest),
    Columns(Columns),
}

impl Figure {
    fn svg(&self) -> Option<String> {
        match &self.drawing {
            Drawing::Forest(forest) => forest.svg(),
            Drawing::Columns(columns) => columns.svg(),
        }
    }
    /// Its file: name and text; `None` where there is nothing to draw.
    pub fn document(&self) -> Option<(&str, String)> {
        let drawing = match &self.drawing {
            Drawing::Forest(forest) => forest.document(&self.title),
            // What stands above it on the page, the axis says here.
            Drawing::Columns(columns) => {
                Columns { caption: format!("{} (values in per cent)", columns.caption), ..columns.clone() }.document(&self.title)
            }
        };
        Some((self.file.as_str(), drawing?))
    }
}

fn styles(collected: &Collected) -> Styles {
    Styles::new(collected.findings.ordered().into_iter().map(|(_, racer)| (racer.name.as_str(), racer.control)))
}

/// The conditions that all learners have: means over them can be compared.
fn shared(collected: &Collected, measure: Metric) -> Vec<usize> {
    collected.findings.shared(measure, &collected.conditions.all())
}

/// Of every value of an axis the conditions whose means can be compared, between its values and between learners, and how many at each.
fn against(collected: &Collected, measure: Metric, axis: usize, values: usize) -> (Vec<Vec<usize>>, usize) {
    let Collected { conditions, findings, .. } = collected;
    // A condition's values on all axes but this one.
    let others = |condition: usize| -> Vec<usize> {
        let places = conditions.axes.iter().zip(&conditions.places[condition]);
        places.filter(|(own, _)| **own != axis).map(|(_, place)| *place).collect()
    };
    let at: Vec<Vec<usize>> = (0..values).map(|place| findings.shared(measure, &conditions.with(axis, place))).collect();
    let present = at.iter().filter(|all| !all.is_empty()).map(|all| all.iter().map(|condition| others(*condition)).collect::<HashSet<_>>());
    let everywhere = present.reduce(|all, more| &all & &more).unwrap_or_default();
    let at: Vec<Vec<usize>> =
        at.into_iter().map(|all| all.into_iter().filter(|condition| everywhere.contains(&others(*condition))).collect()).collect();
    let most = at.iter().map(Vec::len).max().unwrap_or(0);
    (at, most)
}

/// What a mean is over, of how many conditions there are.
fn over(shared: usize, all: usize) -> String {
    match (shared, all) {
        (_, 0 | 1) => String::new(),
        (shared, all) if shared == all => "; means over the other axes".into(),
        (0, _) => "; no condition that all learners have, so nothing that can be compared".into(),
        (shared, all) => format!("; of the {shared} of {all} conditions that all learners have"),
    }
}

/// The figures of a study by its measure.
pub fn figures(place: &Place, collected: &Collected) -> Vec<Figure> {
    let (Place { study, measure, .. }, Collected { findings, conditions, differences, .. }) = (place, collected);
    let (styles, share, name) = (styles(collected), measure.higher_is_better(), capital(measure.doc()));
    let of = |racer: usize, conditions: &[usize], whose: &str| {
        let Average { values, estimate } = findings.mean(*measure, racer, conditions)?;
        Some((drawn(&estimate, &values, whose, share), estimate.mean))
    };
    let mut all = Vec::new();
    let shared = shared(collected, *measure);
    let racers = findings.ordered().into_iter();
    let row = |(racer, known): (usize, &Racer)| {
        let (estimate, mean) = of(racer, &shared, "")?;
        Some(forest::Row {
            name: known.name.clone(),
            classes: styles.of(&known.name).into(),
            estimate,
            word: number::fixed(100.0 * mean, 1),
        })
    };
    let forest = Forest {
        label: format!("{name} by learner, with intervals"),
        groups: vec![(String::new(), racers.clone().filter_map(row).collect())],
        differences: false,
    };
    all.push(Figure {
        file: "by-learner.svg".into(),
        title: format!("{name} by learner"),
        unit: format!("per cent{}", over(shared.len(), conditions.places.len())),
        drawing: Drawing::Forest(forest),
    });
    for &axis in conditions.axes.iter().filter(|axis| study.axes[**axis].values.len() <= MOST_DRAWN) {
        let axis_of = &study.axes[axis];
        let (at, others) = against(collected, *measure, axis, axis_of.values.len());
        let learner = |(racer, known): (usize, &Racer)| Learner {
            name: known.name.clone(),
            classes: styles.of(&known.name).into(),
            estimates: at
                .iter()
                .zip(&axis_of.words)
                .map(|(conditions, word)| Some(of(racer, conditions, &format!("{}, {} {word}, ", known.name, axis_of.field))?.0))
                .collect(),
        };
        let title = format!("{name} against {}", axis_of.field);
        let columns = Columns {
            label: format!("{title}, with intervals"),
            caption: axis_of.field.clone(),
            conditions: axis_of.words.clone(),
            learners: racers.clone().map(learner).collect(),
        };
        let order = if racers.len() > Tone::ALL.len() { "; from the left as in the key" } else { "" };
        let most = (0..axis_of.values.len()).map(|place| conditions.with(axis, place).len()).max().unwrap_or(0);
        let unit = format!("per cent{}{order}", over(others, most));
        all.push(Figure { file: format!("by-{}.svg", axis_of.field), title, unit, drawing: Drawing::Columns(columns) });
    }
    all.extend(by_density(collected, *measure, &name));
    if differences.len() <= MOST_DRAWN {
        let groups = (0..conditions.places.len()).map(|condition| {
            let rows = differences.iter().filter(|d| d.condition == condition).map(|d| forest::Row {
                name: d.sparse.clone(),
                classes: styles.of(&d.sparse).into(),
                estimate: drawn(&d.estimate, &d.values, "", false),
                word: d.outcome.name().to_owned(),
            });
            (conditions.words(study, condition), rows.collect::<Vec<_>>())
        });
        let title = format!("{name}: sparse minus dense");
        let better = if share { "right" } else { "left" };
        let forest = Forest {
            label: format!("{title}, with intervals"),
            groups: groups.filter(|(_, rows)| !rows.is_empty()).collect(),
            differences: true,
        };
        let unit = format!("points; {better} of the line sparse is better");
        all.push(Figure { file: "differences.svg".into(), title, unit, drawing: Drawing::Forest(forest) });
    }
    all
}

/// A learner without its density, and its density; `None` of a control and of a dense one.
fn density(racer: &Racer) -> Option<(String, f64)> {
    let learner: LearnerConfig = racer.name.parse().ok().filter(|_| !racer.control && !racer.dense)?;
    let text = racer.name.replacen(&format!("@{}", learner.density), "", 1);
    Some((text, learner.density))
}

/// Learners that differ in their density alone against it; `None` where there are none.
fn by_density(collected: &Collected, measure: Metric, name: &str) -> Option<Figure> {
    let racers = collected.findings.racers();
    let known: Vec<(usize, String, f64)> =
        racers.iter().enumerate().filter_map(|(i, racer)| density(racer).map(|(text, d)| (i, text, d))).collect();
    let mut densities: Vec<f64> = known.iter().map(|(_, _, d)| *d).collect();
    densities.sort_by(f64::total_cmp);
    densities.dedup();
    let mut methods: Vec<&str> = known.iter().map(|(_, text, _)| text.as_str()).collect();
    methods.sort_unstable();
    methods.dedup();
    if densities.len() < 2 || !methods.iter().any(|method| known.iter().filter(|(_, text, _)| text == method).count() > 1) {
        return None;
    }
    let shared = shared(collected, measure);
    let of = |racer: usize, whose: &str| {
        let Average { values, estimate } = collected.findings.mean(measure, racer, &shared)?;
        Some(drawn(&estimate, &values, whose, measure.higher_is_better()))
    };
    let dense = racers.iter().position(|racer| racer.dense && !racer.control);
    let names = || dense.iter().map(|i| (racers[*i].name.as_str(), false)).chain(methods.iter().map(|method| (*method, false)));
    let styles = Styles::new(names());
    let at = |method: &str, d: f64| known.iter().find(|(_, text, density)| text == method && *density == d).map(|(i, _, _)| *i);
    let learner = |(method, _): (&str, bool)| Learner {
        name: method.to_owned(),
        classes: styles.of(method).into(),
        // The dense network is what every density is compared with.
        estimates: densities
            .iter()
            .map(|d| of(at(method, *d).or(dense.filter(|i| racers[*i].name == method))?, &format!("{method}, ")))
            .collect(),
    };
    let title = format!("{name} against density");
    let columns = Columns {
        label: format!("{title}, with intervals"),
        caption: "density".into(),
        conditions: densities.iter().map(f64::to_string).collect(),
        learners: names().map(learner).collect(),
    };
    let unit = format!("per cent{}", over(shared.len(), collected.conditions.places.len()));
    let mut figure = Figure { file: "by-density.svg".into(), title, unit, drawing: Drawing::Columns(columns) };
    // Its learners are none of the page's key.
    let key: Vec<&str> = names().map(|(name, _)| name).collect();
    let _ = write!(figure.unit, "; from the left at each density: {}", key.join(", "));
    Some(figure)
}

/// The whole page.
pub fn render(place: &Place, collected: &Collected) -> String {
    let Place { study, plan, .. } = place;
    let title = if study.question.is_empty() { format!("Study {}", study.name) } else { study.question.clone() };
    let mut out = report::open(&title, estimates::STYLE, &collected.verdict);
    let (finished, all) = collected.count(plan, "finished");
    if finished < all {
        let _ = writeln!(out, "<p class=\"note\">{finished} of {all} runs are finished; the numbers are theirs.</p>");
    }
    out += "</header>\n";
    let styles = styles(collected);
    out += &styles.key();
    out += "<section aria-label=\"Figures\">\n<div class=\"figures\">\n";
    for each in figures(place, collected) {
        figure(&mut out, &each.title, &each.unit, each.svg());
    }
    let _ = writeln!(
        out,
        "</div>\n<p class=\"small\">Bars are 95% Student-t intervals over seeds, pale dots are the seeds. Differences are paired by seed: each is of two \
         learners with the same first weights, data and order. A difference counts as won or lost where its p value is at most {LEVEL} after Holm's \
         correction over all comparisons of the study; so an interval may lie off the line and the outcome be open. With one seed bars are of the test \
         set alone. Each figure is also a file in <code>{}</code>.</p>\n</section>",
        FIGURES
    );
    learner_table(&mut out, place, collected, &styles);
    difference_table(&mut out, place, collected, &styles);
    failures(&mut out, place, collected);
    runs(&mut out, place, collected);
    card(&mut out, place, collected);
    out + report::CLOSE
}

fn learner_table(out: &mut String, place: &Place, collected: &Collected, styles: &Styles) {
    let Collected { findings, conditions, differences, .. } = collected;
    let shared = shared(collected, place.measure);
    let mut metrics = vec![place.measure];
    metrics.extend(findings.metrics().filter(|metric| *metric != place.measure));
    let mut heads = vec!["learner"];
    heads.extend(metrics.iter().map(|metric| metric.name()));
    heads.extend(["density", "training FLOPs", "runs", "won", "lost", "cannot tell"]);
    let row = |(racer, known): (usize, &Racer)| {
        let mut cells = vec![known.name.clone()];
        let mean = |metric: &Metric| findings.mean(*metric, racer, &shared).map_or_else(|| "-".into(), |mean| plus_minus(&mean.estimate));
        cells.extend(metrics.iter().map(mean));
        cells.extend([format!("{:.4}", known.density), number::si(known.flops, ""), known.runs.to_string()]);
        let count = |is: &[Outcome]| differences.iter().filter(|d| d.sparse == known.name && is.contains(&d.outcome)).count().to_string();
        let counts = [count(&[Outcome::Won]), count(&[Outcome::Lost]), count(&[Outcome::CannotTell, Outcome::OneSeed])];
        cells.extend(if known.dense { ["-"; 3].map(str::to_owned) } else { counts });
        Row::of_words(styles.of(&known.name), &cells)
    };
    table_section(out, "By learner", &heads, findings.ordered().into_iter().map(row));
    let what = match (shared.len(), conditions.places.len()) {
        (_, 0 | 1) => String::new(),
        (0, _) => {
            "Learners ran under no condition in common, so there are no means to compare; the differences below are within a condition. "
                .into()
        }
        (some, all) => {
            let which = if some == all {
                format!("all {all} conditions")
            } else {
                format!("the {some} of {all} conditions that all learners have")
            };
            format!("Means are over {which}, taken within a seed first, and their intervals over seeds. ")
        }
    };
    let _ = writeln!(
        out,
        "<p class=\"small\">{what}What decides is {}. Won and lost are conditions, against dense; of a control against the dense control, and without a correction.</p>",
        escape(place.measure.doc())
    );
}

fn difference_table(out: &mut String, place: &Place, collected: &Collected, styles: &Styles) {
    let Collected { conditions, differences, .. } = collected;
    let mut heads = vec!["learner"];
    heads.extend(conditions.axes.iter().map(|axis| place.study.axes[*axis].field.as_str()));
    heads.extend(["outcome", "points (95% interval)", "p", "adjusted p", "seeds"]);
    let row = |d: &sparring_core::record::study::Paired| {
        let mut cells = vec![escape(&d.sparse)];
        cells.extend(
            conditions
                .axes
                .iter()
                .zip(&conditions.places[d.condition])
                .map(|(axis, place_of)| escape(&place.study.axes[*axis].words[*place_of])),
        );
        cells.push(match d.outcome {
            Outcome::Won | Outcome::Lost => format!("<b>{}</b>", d.outcome.name()),
            Outcome::CannotTell | Outcome::OneSeed => d.outcome.name().to_owned(),
        });
        cells.extend([points(&d.estimate), p(d.p), p(d.adjusted), d.estimate.seeds.to_string()]);
        Row { class: styles.of(&d.sparse).into(), cells }
    };
    table_section(out, "Sparse minus dense, paired by seed", &heads, differences.iter().take(MOST_ROWS).map(row));
    more(out, differences.len(), "differences");
}

/// That a table has more rows than are shown.
fn more(out: &mut String, all: usize, what: &str) {
    if all > MOST_ROWS {
        let _ = writeln!(
            out,
            "<p class=\"small\">The first {MOST_ROWS} of {} {what}; all are in <code>{}</code>.</p>",
            number::count(all as u64),
            rundir::SUMMARY
        );
    }
}

fn failures(out: &mut String, place: &Place, collected: &Collected) {
    for (run, why) in collected.failed.iter().take(MOST_ROWS) {
        let run = &place.plan[*run];
        let name = run.folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let _ = writeln!(out, "<p class=\"note\"><b>{}</b> counts in no mean: {}</p>", escape(&name), escape(why));
    }
    more(out, collected.failed.len(), "failures");
}

fn runs(out: &mut String, place: &Place, collected: &Collected) {
    let Place { study, plan, folder, .. } = place;
    let mut heads = vec!["run"];
    heads.extend(study.axes.iter().map(|axis| axis.field.as_str()));
    heads.extend(["state", "took"]);
    let of_study = || plan.iter().zip(&collected.standing).filter(|(run, _)| run.kind == Kind::Run);
    let row = |(run, standing): (&super::plan::PlannedRun, &super::state::Standing)| {
        let name = escape(&run.folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()));
        let link = if standing.state == "finished" { relative(folder, &run.folder.join(rundir::REPORT)) } else { None };
        let mut cells = vec![link.map_or_else(|| name.clone(), |link| format!("<a href=\"{link}\">{name}</a>"))];
        cells.extend(study.axes.iter().zip(&run.combination).map(|(axis, place)| escape(&axis.words[*place])));
        cells.push(standing.state.to_owned());
        cells.push(if standing.seconds > 0.0 { number::duration(standing.seconds) } else { "-".into() });
        Row::from(cells)
    };
    table_section(out, "Runs", &heads, of_study().take(MOST_ROWS).map(row));
    more(out, of_study().count(), "runs");
}

fn card(out: &mut String, place: &Place, collected: &Collected) {
    let list = |all: &std::collections::BTreeSet<String>| all.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let lines = [
        ("study", place.study.name.clone()),
        ("study hash", place.hash.to_owned()),
        ("judged by", place.measure.doc().to_owned()),
        ("device", list(&collected.devices)),
        ("system", clock::system()),
        ("version", format!("{} ({})", env!("CARGO_PKG_VERSION"), env!("SPARRING_COMMIT"))),
        ("runs made by", list(&collected.commits)),
        ("date", clock::now()),
        ("all runs took", number::duration(collected.seconds)),
    ];
    text_card(out, "Study card", &lines, "The study file", &place.study.text);
}
