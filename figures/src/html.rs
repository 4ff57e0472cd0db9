//! HTML that goes with figures: escaped words, tables of the numbers behind them, and the key of their lines.
//!
//! Whatever text comes from outside is escaped here and nowhere else. A second escape would sooner or later know fewer characters than the
//! first, and the name of a run could become markup.

use std::fmt::Write;

/// Text that HTML and SVG take as it is, inside and outside of quoted attributes. What XML cannot carry becomes U+FFFD.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A row of a table: the class of its colour, and its cells as HTML, of which the first is its head.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Class of the row; none where empty.
    pub class: String,
    /// Cells, as HTML.
    pub cells: Vec<String>,
}

impl From<Vec<String>> for Row {
    fn from(cells: Vec<String>) -> Self {
        Self { class: String::new(), cells }
    }
}

impl Row {
    /// A row of words, which are escaped.
    pub fn of_words(class: impl Into<String>, cells: &[impl AsRef<str>]) -> Self {
        Self { class: class.into(), cells: cells.iter().map(|cell| escape(cell.as_ref())).collect() }
    }
}

/// A table whose columns and rows have heads. A caption is left out where it is empty; caption and heads are words, cells are HTML.
pub fn table(caption: &str, heads: &[impl AsRef<str>], rows: impl IntoIterator<Item = impl Into<Row>>) -> String {
    let heads: Vec<&str> = heads.iter().map(AsRef::as_ref).collect();
    written(caption, &heads, &mut rows.into_iter().map(Into::into))
}

// One function, whatever the rows come from.
fn written(caption: &str, heads: &[&str], rows: &mut dyn Iterator<Item = Row>) -> String {
    let mut out = String::from("<table>");
    // Writing to a String cannot fail.
    if !caption.is_empty() {
        let _ = write!(out, "<caption>{}</caption>", escape(caption));
    }
    out.push_str("<thead><tr>");
    for head in heads {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(head));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        let _ = if row.class.is_empty() { write!(out, "<tr>") } else { write!(out, "<tr class=\"{}\">", row.class) };
        for (i, cell) in row.cells.iter().enumerate() {
            let _ = if i == 0 { write!(out, "<th scope=\"row\">{cell}</th>") } else { write!(out, "<td>{cell}</td>") };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>");
    out
}

/// An entry of a key: a sample of the line, whose it is, and its value where there is one.
pub fn key_entry(sample: &str, label: &str, value: Option<&str>) -> String {
    let value = value.map(|value| format!("<b>{}</b>", escape(value))).unwrap_or_default();
    format!("<li>{sample}<span>{}</span>{value}</li>", escape(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_become_markup() {
        assert_eq!(escape("<b title=\"x\" id='y'>&amp;"), "&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;");
        assert_eq!(escape("a\u{0}\u{b}\u{1b}\u{ffff}\tb\n"), "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}\tb\n");
        assert_eq!(escape("\u{dc}n\u{ef}c\u{f6}de \u{1f94a} \u{2028}"), "\u{dc}n\u{ef}c\u{f6}de \u{1f94a} \u{2028}");
        let hostile = "\"><script>alert(1)</script>";
        for html in [table(hostile, &[hostile], [Row::of_words("", &[hostile])]), key_entry("", hostile, Some(hostile))] {
            assert!(!html.contains("<script") && !html.contains("\"><s"), "{html}");
        }
    }

    #[test]
    fn tables_have_heads_on_both_sides() {
        let rows = [Row::of_words("dense", &["a<b", "1"]), vec!["<i>c</i>".to_owned(), "2".to_owned()].into()];
        let html = table("What", &["Name", "n"], rows);
        assert!(html.starts_with("<table><caption>What</caption><thead><tr><th scope=\"col\">Name</th>"), "{html}");
        assert!(html.contains("<tr class=\"dense\"><th scope=\"row\">a&lt;b</th><td>1</td></tr>"), "{html}");
        assert!(html.contains("<tr><th scope=\"row\"><i>c</i></th><td>2</td></tr>"), "{html}");
        assert!(!table("", &["Name"], Vec::<Row>::new()).contains("caption"));
    }

    #[test]
    fn a_key_shows_a_value_where_there_is_one() {
        assert_eq!(key_entry("<svg/>", "a", None), "<li><svg/><span>a</span></li>");
        assert_eq!(key_entry("<svg/>", "a", Some("1%")), "<li><svg/><span>a</span><b>1%</b></li>");
    }
}
