//! The contact sheet: the hardest and the easiest training images of every class, as one page without scripts or links.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::Value;
use sparring_core::data::Dataset;
use sparring_core::hardness::{ScoreName, Scores};
use sparring_figures::html::escape;

use super::number;
use crate::report;

/// Images of each kind a class.
const SHOWN: usize = 12;
/// The same where there are so many classes that the page would grow heavy.
const SHOWN_OF_MANY: usize = 6;
const MANY_CLASSES: usize = 20;

const SHEET_STYLE: &str = ".strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(76px, 1fr)); gap: 8px; margin: 0; padding: 0; list-style: none; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(380px, 100%), 1fr)); gap: 16px; }
.strip img { display: block; width: 100%; aspect-ratio: 1; image-rendering: pixelated; border-radius: 4px; border: 2px solid transparent; }
.strip .wrong img { border-color: var(--alarm); }
.strip li { font-size: .74rem; line-height: 1.35; color: var(--quiet); font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.strip b { color: var(--ink); font-weight: 600; }
.strip .wrong span { color: var(--alarm); }
";

/// The whole page, ranked by `score`.
///
/// # Errors
/// Where there is no such score, or an image cannot be encoded.
pub fn render(scores: &Scores, score: ScoreName, data: &Dataset) -> Result<String> {
    let column = scores.get(score)?;
    let mut order: Vec<usize> = (0..column.train.len()).collect();
    let hardness = |i: usize| score.sign() * column.train[i];
    order.sort_by(|a, b| hardness(*b).total_cmp(&hardness(*a)));
    let mut classes: Vec<Vec<usize>> = vec![Vec::new(); data.classes.len()];
    for i in order {
        if let Some(class) = classes.get_mut(usize::from(data.train.labels[i])) {
            class.push(i);
        }
    }

    let title = format!("Hardest and easiest of {} by {score}", data.name);
    let mut out = report::open(&title, SHEET_STYLE, &lead(scores, score)) + "</header>\n";
    for (class, samples) in data.classes.iter().zip(&classes).filter(|(_, s)| !s.is_empty()) {
        let _ = writeln!(out, "<section aria-label=\"{0}\">\n<h2>{0}</h2>\n<div class=\"pair\">", escape(class));
        let shown = if classes.len() > MANY_CLASSES { SHOWN_OF_MANY } else { SHOWN }.min(samples.len());
        let easiest: Vec<usize> = samples.iter().rev().take(shown).copied().collect();
        for (words, strip) in [("Hardest", &samples[..shown]), ("Easiest", &easiest[..])] {
            let _ = writeln!(out, "<figure>\n<figcaption>{words}</figcaption>\n<ul class=\"strip\">");
            for &i in strip {
                image(&mut out, scores, data, i, column.train[i])?;
            }
            out += "</ul>\n</figure>\n";
        }
        out += "</div>\n</section>\n";
    }
    Ok(out + report::CLOSE)
}

/// What the score is, and who gave it.
fn lead(scores: &Scores, score: ScoreName) -> String {
    let card: Value = serde_json::from_str(&scores.card).unwrap_or(Value::Null);
    let config = &card["config"];
    let scorer = match (config["model"].as_str(), config["epochs"].as_u64(), card["config_hash"].as_str()) {
        (Some(model), Some(epochs), Some(hash)) => {
            format!(
                " Scored by {model} after {epochs} epoch(s), mean of {} run(s), configuration {hash}.",
                card["runs"].as_u64().unwrap_or(1)
            )
        }
        _ => String::new(),
    };
    let answers = if scores.answers.is_some() {
        " Under each image: its score, and what the (first) scorer answered, framed where it is wrong."
    } else {
        ""
    };
    format!("{}{scorer}{answers}", score.doc())
}

fn image(out: &mut String, scores: &Scores, data: &Dataset, i: usize, value: f32) -> Result<()> {
    let png = encode(data, i).with_context(|| format!("encoding image {i}"))?;
    let label = usize::from(data.train.labels[i]);
    let answer = scores.answers.as_ref().and_then(|a| a.train.get(i)).map(|a| usize::from(*a));
    let name = |class: usize| data.classes.get(class).map_or("?", String::as_str);
    let wrong = answer.is_some_and(|a| a != label);
    let _ = write!(
        out,
        "<li{}><img alt=\"{}, training image {i}\" title=\"training image {i}\" src=\"data:image/png;base64,{}\"><b>{}</b>",
        if wrong { " class=\"wrong\"" } else { "" },
        escape(name(label)),
        base64(&png),
        if value.is_finite() { number(value.into()) } else { "never right".into() }
    );
    if let Some(answer) = answer {
        let _ = write!(out, "<br><span>{}</span>", escape(name(answer)));
    }
    *out += "</li>\n";
    Ok(())
}

fn encode(data: &Dataset, i: usize) -> Result<Vec<u8>> {
    let (c, h, w) = data.extent;
    let size = data.image_bytes();
    let planes = &data.train.bytes[i * size..][..size];
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, w as u32, h as u32);
    encoder.set_color(if c == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    let pixels: Vec<u8> = (0..h * w).flat_map(|p| (0..c.min(3)).map(move |c| planes[c * h * w + p])).collect();
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(out)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let used = digit <= chunk.len();
            out.push(if used { DIGITS[(word >> (18 - 6 * digit) & 63) as usize].into() } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::data::builtin::builtin;
    use sparring_core::hardness::{Answers, Column};

    #[test]
    fn base64_is_rfc_4648s() {
        for (text, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }

    #[test]
    fn every_class_shows_its_ends_in_order_and_the_page_stands_alone() {
        let data = builtin(0.5, 1000, 10, 1);
        let train: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        let answers = Answers { train: (0..1000).map(|i| if i < 500 { data.train.labels[i] } else { 0 }).collect(), test: vec![0; 10] };
        let columns = vec![Column { score: ScoreName::Loss, train, test: Vec::new() }];
        let scores = Scores { columns, answers: Some(answers), card: String::new() };
        let html = render(&scores, ScoreName::Loss, &data).unwrap();
        assert_eq!(html.matches("<section").count(), data.classes.len());
        assert_eq!(html.matches("<img").count(), 2 * SHOWN * data.classes.len());
        assert!(!html.contains("http") && !html.contains("<script") && html.contains("light-dark("));
        let first = data.train.labels[999];
        let section = html.split("<section").nth(usize::from(first) + 1).unwrap();
        assert!(section.split("<img").nth(1).unwrap().contains("training image 999"), "the hardest comes first");
        let wrong =
            (0..1000).filter(|i| html.contains(&format!("training image {i}\"")) && *i >= 500 && data.train.labels[*i] != 0).count();
        assert_eq!(html.matches("class=\"wrong\"").count(), wrong);
        assert!(render(&scores, ScoreName::Grand, &data).is_err());
    }
}
