//! Settings beside each other: in which ones several configurations differ, and how a value reads.

use serde_json::{Map, Value};

use crate::platform::parse_f64;

/// A setting, and its value in each of several configurations; `None` where one does not have it.
pub type Differing<'a> = (&'a str, Vec<Option<&'a Value>>);

/// The settings in which configurations differ, in the first one's order and then the others'.
pub fn differing<'a>(configs: &[&'a Map<String, Value>]) -> Vec<Differing<'a>> {
    let mut names: Vec<&str> = Vec::new();
    for name in configs.iter().flat_map(|config| config.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let values = |name| configs.iter().map(|config| config.get(name)).collect::<Vec<_>>();
    let all = names.into_iter().map(|name| (name, values(name)));
    all.filter(|(_, values)| values.iter().any(|value| *value != values[0])).collect()
}

/// A value without quotes; lists with commas.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A cell of a CSV file (RFC 4180). What a spreadsheet would take for a formula is text.
pub fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@']) && parse_f64(text).is_none();
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_differs_is_named_with_every_value() {
        let configs = [r#"{"a":1,"b":[1,"x"],"c":null}"#, r#"{"a":1,"b":[2],"c":null}"#, r#"{"a":1,"b":[1,"x"],"d":true}"#].map(object);
        let found = differing(&configs.iter().collect::<Vec<_>>());
        let shown: Vec<(&str, Vec<String>)> =
            found.into_iter().map(|(name, values)| (name, values.into_iter().map(|v| v.map_or("-".into(), plain)).collect())).collect();
        let row = |name, values: [&str; 3]| (name, values.map(str::to_owned).to_vec());
        assert_eq!(shown, [row("b", ["1, x", "2", "1, x"]), row("c", ["null", "null", "-"]), row("d", ["-", "-", "true"])]);
        assert!(differing(&[]).is_empty() && differing(&[&configs[0]]).is_empty());
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        for (text, cell) in [
            ("plain", "plain"),
            ("a, b", "\"a, b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@a,b", "\"'@a,b\""),
            ("-0.5", "-0.5"),
        ] {
            assert_eq!(csv_cell(text), cell);
        }
    }
}
