//! Small pictures and their tables as text: SVG and HTML that a view puts in whole.
//!
//! The page's policy forbids inline styles, so lengths are attributes of SVG. Whatever text comes from outside is escaped here.

use std::fmt::Write;

use crate::figures::nice_step;

/// Text that HTML takes as it is.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// A bar of this share, with ticks across it: (share, class).
pub fn bar(share: f64, ticks: &[(f64, &str)]) -> String {
    let mut out = String::from("<svg class=\"meter\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    rect(&mut out, "fill", 0.0, 1.0, share * 100.0, 8.0);
    for (at, class) in ticks {
        rect(&mut out, class, (at * 100.0).min(99.0), 0.0, 1.0, 10.0);
    }
    out.push_str("</svg>");
    out
}

fn rect(out: &mut String, class: &str, x: f64, y: f64, width: f64, height: f64) {
    // Writing to a String cannot fail.
    let _ = write!(out, "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"/>");
}

/// Words of an axis.
pub fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = write!(out, "<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(words));
}

/// Rows of cells, the first of each its head; columns have heads. Cells are HTML.
pub fn table(caption: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = format!("<table><caption>{}</caption><thead><tr>", escape(caption));
    for head in heads {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(head));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let _ = if i == 0 { write!(out, "<th scope=\"row\">{cell}</th>") } else { write!(out, "<td>{cell}</td>") };
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>");
    out
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 40.0;
const BASE: f64 = HEIGHT - 20.0;

fn open(label: &str) -> String {
    format!("<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escape(label))
}

/// Shares in 0..=1 over epochs: (class, points).
pub fn lines(label: &str, epochs: f64, series: &[(&str, Vec<(f64, f64)>)]) -> String {
    let mut out = open(label);
    let x = |epoch: f64| LEFT + epoch / epochs.max(1.0) * (WIDTH - LEFT - 8.0);
    let y = |share: f64| BASE - share * (BASE - 8.0);
    for share in [0.0, 0.5, 1.0] {
        let at = y(share);
        let _ = write!(out, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>", WIDTH - 8.0);
        text(&mut out, LEFT - 6.0, at + 4.0, "end", &format!("{:.0}%", share * 100.0));
    }
    let step = nice_step(epochs, 6).max(1.0);
    let mut epoch = 0.0;
    while epoch <= epochs {
        text(&mut out, x(epoch), HEIGHT - 4.0, "middle", &format!("{epoch:.0}"));
        epoch += step;
    }
    for (class, points) in series {
        let _ = write!(out, "<path class=\"line {class}\" d=\"");
        for (i, (epoch, share)) in points.iter().enumerate() {
            let _ = write!(out, "{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, x(*epoch), y(*share));
        }
        out.push_str("\"/>");
        if let Some((epoch, share)) = points.last() {
            let _ = write!(out, "<circle class=\"dot {class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>", x(*epoch), y(*share));
        }
    }
    out.push_str("</svg>");
    out
}

/// Counts in equal bins, the ends and the middle of their range written below.
pub fn histogram(label: &str, counts: &[u32], ends: [&str; 3]) -> String {
    let mut out = open(label);
    let most = f64::from(counts.iter().copied().max().unwrap_or(0).max(1));
    let width = (WIDTH - 16.0) / counts.len().max(1) as f64;
    for (i, count) in counts.iter().enumerate() {
        // The roots: tails of a few weights are seen beside thousands.
        let height = (f64::from(*count) / most).sqrt() * (BASE - 8.0);
        rect(&mut out, "fill", 8.0 + i as f64 * width, BASE - height, width * 0.9, height);
    }
    let _ = write!(out, "<line class=\"grid\" x1=\"8\" x2=\"{:.0}\" y1=\"{BASE}\" y2=\"{BASE}\"/>", WIDTH - 8.0);
    for (x, anchor, words) in [(8.0, "start", ends[0]), (WIDTH / 2.0, "middle", ends[1]), (WIDTH - 8.0, "end", ends[2])] {
        text(&mut out, x, HEIGHT - 4.0, anchor, words);
    }
    out.push_str("</svg>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_become_markup() {
        assert_eq!(escape("<b title=\"x\">&"), "&lt;b title=&quot;x&quot;>&amp;");
        assert!(table("<i>", &["<i>"], &[]).contains("<caption>&lt;i></caption>"));
        assert!(
            lines("\"><script>", 2.0, &[])
                .starts_with("<svg class=\"plot\" viewBox=\"0 0 420 150\" role=\"img\" aria-label=\"&quot;>&lt;script>\">")
        );
    }

    #[test]
    fn bars_are_as_long_as_their_share() {
        let bar = bar(0.25, &[(1.0, "erk")]);
        assert!(bar.contains("<rect class=\"fill\" x=\"0.00\" y=\"1.00\" width=\"25.00\" height=\"8.00\"/>"), "{bar}");
        assert!(bar.contains("<rect class=\"erk\" x=\"99.00\""), "a tick at the end is still seen: {bar}");
    }

    #[test]
    fn a_line_goes_through_its_points() {
        let svg = lines("l", 4.0, &[("sparse", vec![(0.0, 0.0), (4.0, 1.0)])]);
        assert!(svg.contains("d=\"M40.0 130.0L412.0 8.0\""), "{svg}");
    }

    #[test]
    fn the_fullest_bin_is_highest_and_an_empty_one_has_no_height() {
        let svg = histogram("h", &[0, 4, 1], ["-1", "0", "1"]);
        assert!(svg.contains("height=\"0.00\"") && svg.contains("height=\"122.00\"") && svg.contains("height=\"61.00\""), "{svg}");
    }
}
