//! Somebody else's scores: `.npy`, `.csv` with a header, or `.safetensors`. Nothing is guessed: what does not fit the dataset sample
//! by sample is refused, with what was found.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use sparring_core::Error;
use sparring_core::data::Dataset;
use sparring_core::hardness::{Answers, Column, ScoreName, Scores};

use crate::npy::Npy;

/// Reads scores of this dataset. `score` names those of a file that does not say what they are.
///
/// # Errors
/// `Format` where the file is none of the three forms, or holds other samples than the dataset.
pub fn read(path: &Path, score: ScoreName, data: &Dataset) -> Result<Scores> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("reading the scores {name}"))?;
    let mut scores = match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("npy") => {
            let values = Npy::read(&name, &mut bytes.as_slice(), bytes.len())?.floats(&name)?;
            Scores { columns: vec![split(&name, score, values, data)?], ..Scores::default() }
        }
        Some("csv") => {
            let text = String::from_utf8(bytes).map_err(|_| Error::format(&name, "UTF-8 text", "other bytes"))?;
            csv(&name, &text, data)?
        }
        Some("safetensors") => Scores::from_bytes(&name, &bytes)?,
        other => {
            let found = other.map_or("no ending".to_owned(), |e| format!(".{e}"));
            return Err(Error::format(name, "a file of scores that ends in .npy, .csv or .safetensors", found).into());
        }
    };
    scores.check(data)?;
    // What is not ours says at least where it came from.
    if scores.card.is_empty() {
        scores.card = json!({ "from": name }).to_string();
    }
    Ok(scores)
}

/// Scores of the training file, or of the training and then the test file.
fn split(file: &str, score: ScoreName, mut train: Vec<f32>, data: &Dataset) -> Result<Column, Error> {
    let (n, m) = (data.train.len(), data.test.len());
    if train.len() != n && train.len() != n + m {
        let expected = format!("{n} scores (training samples of {}) or {} (with the test samples after them)", data.name, n + m);
        return Err(Error::format(file, expected, train.len()));
    }
    let test = train.split_off(n);
    Ok(Column { score, train, test })
}

/// A table with a column a score; `file` (train or test), `index`, `label` and `prediction` are understood, and `scored_by`, a
/// configuration's hash, is kept.
/// Without `index`, rows are in the dataset's order; a label that is given must be the dataset's.
fn csv(file: &str, text: &str, data: &Dataset) -> Result<Scores, Error> {
    const KNOWN: [&str; 5] = ["file", "index", "label", "prediction", "scored_by"];
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let (header, _) = lines.next().ok_or_else(|| Error::format(file, "a header line", "an empty file"))?;
    let header: Vec<&str> = header.split(',').map(str::trim).collect();
    let mut columns: Vec<(usize, ScoreName)> = Vec::new();
    for (at, name) in header.iter().enumerate().filter(|(_, name)| !KNOWN.contains(name)) {
        let score: ScoreName = name.parse().map_err(|e| Error::format(format!("{file}, line 1"), "names of scores", e))?;
        columns.push((at, score));
    }
    for (at, name) in header.iter().enumerate() {
        if header[..at].contains(name) {
            return Err(Error::format(format!("{file}, line 1"), "each column once", format!("'{name}' twice")));
        }
    }
    if columns.is_empty() {
        return Err(Error::format(format!("{file}, line 1"), "a column named as a score (such as el2n)", header.join(",")));
    }
    let place = |name: &str| header.iter().position(|h| *h == name);
    let (file_at, index_at, label_at, prediction_at) = (place("file"), place("index"), place("label"), place("prediction"));
    let files = [&data.train, &data.test];
    let mut values = columns.iter().map(|_| files.map(|f| vec![f32::NAN; f.len()])).collect::<Vec<_>>();
    let (mut answers, mut seen) = (files.map(|f| vec![0u16; f.len()]), files.map(|f| vec![false; f.len()]));
    let (mut next, mut card) = ([0; 2], String::new());
    for (line, number) in lines {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let wrong = |expected: String, found: String| Error::format(format!("{file}, line {number}"), expected, found);
        if cells.len() != header.len() {
            return Err(wrong(format!("{} cells", header.len()), cells.len().to_string()));
        }
        let part = match file_at.map(|at| cells[at]) {
            Some("train") => 0,
            Some("test") => 1,
            Some(other) => return Err(wrong("train or test".into(), format!("'{other}'"))),
            None => usize::from(index_at.is_none() && next[0] == files[0].len()),
        };
        let count = |at: usize| cells[at].parse::<usize>().map_err(|_| wrong(format!("a {}", header[at]), format!("'{}'", cells[at])));
        let index = index_at.map_or(Ok(next[part]), count)?;
        next[part] += 1;
        let Some(seen) = seen[part].get_mut(index) else {
            return Err(wrong(format!("an index below {}", files[part].len()), index.to_string()));
        };
        if std::mem::replace(seen, true) {
            return Err(wrong("each sample once".into(), format!("sample {index} again")));
        }
        if let Some(at) = place("scored_by").filter(|at| card.is_empty() && !cells[*at].is_empty()) {
            card = json!({ "config_hash": cells[at] }).to_string();
        }
        if let Some(at) = label_at {
            let (label, expected) = (count(at)?, usize::from(files[part].labels[index]));
            if label != expected {
                return Err(wrong(format!("label {expected}, as sample {index} of {} has", data.name), label.to_string()));
            }
        }
        if let Some(at) = prediction_at {
            let answer = count(at)?;
            let class = u16::try_from(answer).ok().filter(|c| usize::from(*c) < data.classes.len());
            answers[part][index] = class.ok_or_else(|| wrong(format!("a class below {}", data.classes.len()), answer.to_string()))?;
        }
        for ((at, _), values) in columns.iter().zip(&mut values) {
            let value = cells[*at].parse::<f32>().ok().filter(|v| !v.is_nan());
            values[part][index] = value.ok_or_else(|| wrong("a number".into(), format!("'{}'", cells[*at])))?;
        }
    }
    let rows = seen.each_ref().map(|seen| seen.iter().filter(|s| **s).count());
    if rows[0] != files[0].len() || (rows[1] != 0 && rows[1] != files[1].len()) {
        let expected = format!(
            "a row for each of the {} training samples of {} and for all or none of its {} test samples",
            files[0].len(),
            data.name,
            files[1].len()
        );
        return Err(Error::format(file, expected, format!("{} and {} rows", rows[0], rows[1])));
    }
    let tested = rows[1] > 0;
    let column = |((_, score), [train, test]): (&(usize, ScoreName), [Vec<f32>; 2])| Column {
        score: *score,
        train,
        test: if tested { test } else { Vec::new() },
    };
    let columns = columns.iter().zip(values).map(column).collect();
    let [train, test] = answers;
    let answers = prediction_at.filter(|_| tested).map(|_| Answers { train, test });
    Ok(Scores { columns, answers, card })
}

/// The table that [`read`] understands: a line a sample with every score. `hash` is the scoring configuration's.
pub fn to_csv(scores: &Scores, data: &Dataset, hash: &str) -> String {
    use std::fmt::Write;
    let names: Vec<&str> = scores.columns.iter().map(|c| c.score.name()).collect();
    let mut out = format!("file,index,label,{}{},scored_by\n", names.join(","), if scores.answers.is_some() { ",prediction" } else { "" });
    for (part, images, test) in [("train", &data.train, false), ("test", &data.test, true)] {
        if test && scores.columns.iter().any(|c| c.test.is_empty()) {
            break;
        }
        for (i, label) in images.labels.iter().enumerate() {
            let _ = write!(out, "{part},{i},{label}");
            for column in &scores.columns {
                let _ = write!(out, ",{}", if test { column.test[i] } else { column.train[i] });
            }
            if let Some(answers) = &scores.answers {
                let _ = write!(out, ",{}", if test { answers.test[i] } else { answers.train[i] });
            }
            let _ = writeln!(out, ",{hash}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::data::builtin::builtin;

    fn scores() -> Scores {
        let column = |score, train: &[f32], test: &[f32]| Column { score, train: train.to_vec(), test: test.to_vec() };
        Scores {
            columns: vec![
                column(ScoreName::El2n, &[0.5, 1.25e-7, 2.0], &[1.0, 0.1]),
                column(ScoreName::Forgetting, &[0.0, f32::INFINITY, 3.0], &[1.0, 2.0]),
            ],
            answers: Some(Answers { train: vec![1, 2, 3], test: vec![9, 0] }),
            card: r#"{"config_hash":"0123456789ab"}"#.into(),
        }
    }

    #[test]
    fn our_own_table_comes_back_exactly_in_any_order() {
        let data = builtin(0.5, 3, 2, 1);
        let text = to_csv(&scores(), &data, "0123456789ab");
        assert!(text.starts_with("file,index,label,el2n,forgetting,prediction,scored_by\ntrain,0,"));
        assert_eq!(csv("a", &text, &data).unwrap(), scores());
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1..].reverse();
        assert_eq!(csv("a", &lines.join("\n"), &data).unwrap(), scores());
    }

    #[test]
    fn a_bare_column_is_in_the_datasets_order() {
        let data = builtin(0.5, 3, 2, 1);
        let read = |text: &str| csv("s.csv", text, &data);
        let column = |train: &[f32], test: &[f32]| Column { score: ScoreName::Loss, train: train.to_vec(), test: test.to_vec() };
        assert_eq!(read("loss\n1\n2\n3\n").unwrap().columns, [column(&[1.0, 2.0, 3.0], &[])]);
        assert_eq!(read("loss\n1\n2\n3\n4\n5").unwrap().columns, [column(&[1.0, 2.0, 3.0], &[4.0, 5.0])]);
        assert_eq!(read("index,loss\r\n2,1\r\n0,2\r\n1,3\r\n").unwrap().columns, [column(&[2.0, 3.0, 1.0], &[])]);
    }

    #[test]
    fn whatever_does_not_fit_is_refused_with_its_line() {
        let data = builtin(0.5, 3, 2, 1);
        let wrong_label = format!("index,label,loss\n0,{},1\n1,0,1\n2,0,1", data.train.labels[0] + 1);
        for (text, words) in [
            ("", "an empty file"),
            ("hardness\n1\n2\n3", "line 1: expected names of scores"),
            ("index,label\n0,1", "a column named as a score"),
            ("loss,loss\n1,2", "'loss' twice"),
            ("loss\n1\n2", "found 2 and 0 rows"),
            ("loss\n1\n2\n3\n4", "found 3 and 1 rows"),
            ("loss\n1\n2\n3\n4\n5\n6", "line 7: expected an index below 2"),
            ("loss\n1\nx\n3", "line 3: expected a number, found 'x'"),
            ("loss\n1\nNaN\n3", "line 3: expected a number, found 'NaN'"),
            ("loss\n1,2\n2\n3", "line 2: expected 1 cells, found 2"),
            ("index,loss\n0,1\n0,2\n1,3", "sample 0 again"),
            ("index,loss\n0,1\n-1,2\n1,3", "line 3: expected a index, found '-1'"),
            ("file,index,loss\nvalid,0,1", "expected train or test, found 'valid'"),
            (&wrong_label, "as sample 0 of builtin has"),
        ] {
            let message = csv("s.csv", text, &data).unwrap_err().to_string();
            assert!(message.starts_with("s.csv") && message.contains(words), "{text:?}: {message}");
        }
    }

    #[test]
    fn lengths_and_endings_are_checked() {
        let data = builtin(0.5, 3, 2, 1);
        assert_eq!(split("a", ScoreName::Grand, vec![1.0; 5], &data).unwrap().test.len(), 2);
        assert!(split("a", ScoreName::Grand, vec![1.0; 3], &data).unwrap().test.is_empty());
        let message = split("a.npy", ScoreName::Grand, vec![1.0; 4], &data).unwrap_err().to_string();
        assert!(message.contains("expected 3 scores") && message.contains("or 5"), "{message}");
        let path = std::env::temp_dir().join(format!("sparring-scores-{}.txt", std::process::id()));
        std::fs::write(&path, "1").unwrap();
        let message = read(&path, ScoreName::Loss, &data).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(message.contains("ends in .npy, .csv or .safetensors, found .txt"), "{message}");
    }
}
