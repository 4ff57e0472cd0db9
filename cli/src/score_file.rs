//! Somebody else's scores: `.npy`, `.csv` with a header, or `.safetensors`.
//!
//! Nothing is guessed: what does not fit the dataset sample by sample is refused, with what was found. Columns that are no scores are
//! passed over.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use sparring_core::Error;
use sparring_core::data::Dataset;
use sparring_core::hardness::{Answers, Column, ScoreName, Scores};
use sparring_core::names::bare;

use crate::npy::Npy;

/// Reads scores of this dataset. `score` names those of a file that does not say what they are; `column` is the column of a table that
/// holds it, empty for the one of its name.
///
/// # Errors
/// `Format` where the file is none of the three forms, or holds other samples than the dataset.
pub fn read(path: &Path, score: ScoreName, column: &str, data: &Dataset) -> Result<Scores> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("reading the scores {name}"))?;
    parse(&name, bytes, score, column, data)
}

/// The same from the bytes of a file, whose name ends as its form asks.
///
/// # Errors
/// As [`read`].
pub fn parse(name: &str, bytes: Vec<u8>, score: ScoreName, column: &str, data: &Dataset) -> Result<Scores> {
    let ending = Path::new(name).extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    if !column.is_empty() && matches!(ending.as_deref(), Some("npy" | "safetensors")) {
        return Err(Error::format(name, "a table (.csv) to take a column of", format_args!(".{}", ending.unwrap_or_default())).into());
    }
    let mut scores = match ending.as_deref() {
        Some("npy") => {
            let values = Npy::read(name, &mut bytes.as_slice(), bytes.len())?.floats(name)?;
            Scores { columns: vec![split(name, score, values, data)?], ..Scores::default() }
        }
        Some("csv" | "tsv" | "txt") => {
            let text = String::from_utf8(bytes).map_err(|_| Error::format(name, "UTF-8 text", "other bytes"))?;
            table(name, &text, (score, column), data)?
        }
        Some("safetensors") => Scores::from_bytes(name, &bytes)?,
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

/// The column that says which sample a row is of, and what others call it.
const INDEX: &str = "index";
const INDICES: [&str; 6] = ["idx", "id", "sample_id", "sample_index", "sample_idx", "sample"];

/// Where the columns of a table are that mean something.
struct Columns {
    scores: Vec<(usize, ScoreName)>,
    file: Option<usize>,
    index: Option<usize>,
    label: Option<usize>,
    prediction: Option<usize>,
    scored_by: Option<usize>,
}

impl Columns {
    /// Finds them in a header, and in the first row. `wanted`: a score, and the column that holds it if that is not its name.
    fn find(header: &csv::StringRecord, first: Option<&csv::StringRecord>, (score, column): (ScoreName, &str)) -> Result<Self, String> {
        // What is called an id may be a name.
        let numbers = |at: &usize| first.is_none_or(|row| row.get(*at).is_some_and(|cell| cell.parse::<usize>().is_ok()));
        let place = |name: &str| -> Result<Option<usize>, String> {
            let places = |same: &dyn Fn(&str) -> bool| header.iter().enumerate().filter(|(_, h)| same(h)).map(|(at, _)| at).collect();
            let alike: Vec<usize> = places(&|h| bare(h) == bare(name));
            let exact: Vec<usize> = if name == column { places(&|h| h == name) } else { Vec::new() };
            match (exact.as_slice(), alike.as_slice()) {
                ([one], _) | (_, [one]) => Ok(Some(*one)),
                (_, []) => Ok(None),
                _ => Err(format!("'{name}' twice; each column once was expected")),
            }
        };
        let scores = if column.is_empty() {
            let known = ScoreName::ALL.iter().map(|score| Ok(place(score.name())?.map(|at| (at, *score))));
            let mut found = known.filter_map(Result::transpose).collect::<Result<Vec<_>, String>>()?;
            found.sort_unstable_by_key(|(at, _)| *at);
            found
        } else {
            let at = place(column)?.ok_or_else(|| format!("no column '{column}' among {}", shown(header)))?;
            vec![(at, score)]
        };
        if scores.is_empty() {
            return Err(format!("no column named as a score (such as el2n) among {}; --column NAME takes one", shown(header)));
        }
        // pandas writes its index under no name.
        let nameless = || header.get(0).filter(|first| first.is_empty() || first.eq_ignore_ascii_case("unnamed: 0")).map(|_| 0);
        Ok(Self {
            file: place("file")?,
            index: INDICES
                .into_iter()
                .try_fold(place(INDEX)?, |found, name| Ok::<_, String>(found.or(place(name)?.filter(numbers))))?
                .or_else(nameless),
            label: place("label")?,
            prediction: place("prediction")?,
            scored_by: place("scored_by")?,
            scores,
        })
    }
}

fn shown(header: &csv::StringRecord) -> String {
    header.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

/// What separates the cells of a header: the first of comma, semicolon and tab that it has.
fn separator(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    [b',', b';', b'\t'].into_iter().find(|separator| header.as_bytes().contains(separator)).unwrap_or(b',')
}

/// A table with a column a score; `file` (train or test), `index`, `label` and `prediction` are understood, and `scored_by`, a
/// configuration's hash, is kept. Other columns are passed over.
/// Without `index`, rows are in the dataset's order; without `file`, test samples follow the training samples. A label that is given
/// must be the dataset's.
fn table(file: &str, text: &str, wanted: (ScoreName, &str), data: &Dataset) -> Result<Scores, Error> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().delimiter(separator(text)).trim(csv::Trim::All).from_reader(text.as_bytes());
    let torn = |e: csv::Error| {
        let (at, problem) = (e.position().map_or(0, csv::Position::line), e.to_string());
        match e.into_kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                Error::format(format_args!("{file}, line {at}"), format_args!("{expected_len} cells"), len)
            }
            _ => Error::format(file, "a table of cells", problem),
        }
    };
    let header = reader.headers().map_err(torn)?.clone();
    if header.is_empty() {
        return Err(Error::format(file, "a header line", "an empty file"));
    }
    let rows = reader.records().map(|row| row.map_err(torn)).collect::<Result<Vec<_>, Error>>()?;
    let columns = Columns::find(&header, rows.first(), wanted)
        .map_err(|found| Error::format(format_args!("{file}, line 1"), "scores by name", found))?;
    let files = [&data.train, &data.test];
    let mut values = columns.scores.iter().map(|_| files.map(|f| vec![f32::NAN; f.len()])).collect::<Vec<_>>();
    let (mut answers, mut seen) = (files.map(|f| vec![0u16; f.len()]), files.map(|f| vec![false; f.len()]));
    let (mut next, mut card) = ([0; 2], String::new());
    for row in rows {
        let number = row.position().map_or(0, csv::Position::line);
        let wrong = |expected: String, found: String| Error::format(format!("{file}, line {number}"), expected, found);
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let count = |at: usize| {
            let name = header.get(at).filter(|name| !name.is_empty()).unwrap_or(INDEX);
            // pandas makes floats of a column with a gap.
            let whole = cell(at).strip_suffix(".0").unwrap_or(cell(at)).parse::<usize>();
            whole.map_err(|_| wrong(format!("a {name}"), format!("'{}'", cell(at))))
        };
        let mut index = columns.index.map(count).transpose()?;
        let part = match (columns.file.map(|at| bare(cell(at))), index) {
            (Some(file), _) => match file.as_str() {
                "train" => 0,
                "test" => 1,
                _ => return Err(wrong("train or test".into(), format!("'{}'", columns.file.map_or("", cell)))),
            },
            (None, Some(at)) if (files[0].len()..files[0].len() + files[1].len()).contains(&at) => {
                index = Some(at - files[0].len());
                1
            }
            (None, Some(_)) => 0,
            (None, None) => usize::from(next[0] == files[0].len()),
        };
        let index = index.unwrap_or(next[part]);
        next[part] += 1;
        let Some(seen) = seen[part].get_mut(index) else {
            return Err(wrong(format!("an index below {}", files[part].len()), index.to_string()));
        };
        if std::mem::replace(seen, true) {
            return Err(wrong("each sample once".into(), format!("sample {index} again")));
        }
        if let Some(at) = columns.scored_by.filter(|at| card.is_empty() && !cell(*at).is_empty()) {
            card = json!({ "config_hash": cell(at) }).to_string();
        }
        let class = |at: usize| match data.classes.iter().position(|class| class == cell(at)) {
            Some(class) => Ok(class),
            None => count(at),
        };
        if let Some(at) = columns.label {
            let (label, expected) = (class(at)?, usize::from(files[part].labels[index]));
            if label != expected {
                return Err(wrong(format!("label {expected}, as sample {index} of {} has", data.name), label.to_string()));
            }
        }
        if let Some(at) = columns.prediction {
            let answer = class(at)?;
            let class = u16::try_from(answer).ok().filter(|c| usize::from(*c) < data.classes.len());
            answers[part][index] = class.ok_or_else(|| wrong(format!("a class below {}", data.classes.len()), answer.to_string()))?;
        }
        for ((at, _), values) in columns.scores.iter().zip(&mut values) {
            let value = cell(*at).parse::<f32>().ok().filter(|v| !v.is_nan());
            let value = value.ok_or_else(|| wrong("a number".into(), format!("'{}'", cell(*at))))?;
            // Not what was written, but what was too large for us.
            if value.is_infinite() && cell(*at).contains(|c: char| c.is_ascii_digit()) {
                return Err(wrong(format!("a number up to {:e}", f32::MAX), format!("'{}'", cell(*at))));
            }
            values[part][index] = value;
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
    let scores = columns.scores.iter().zip(values).map(column).collect();
    let [train, test] = answers;
    let answers = columns.prediction.filter(|_| tested).map(|_| Answers { train, test });
    Ok(Scores { columns: scores, answers, card })
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

    fn csv(file: &str, text: &str, data: &Dataset) -> Result<Scores, Error> {
        table(file, text, (ScoreName::Loss, ""), data)
    }

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
            (
                "hardness\n1\n2\n3",
                "line 1: expected scores by name, found no column named as a score (such as el2n) among 'hardness'; --column",
            ),
            ("index,label\n0,1", "no column named as a score"),
            ("loss,loss\n1,2", "'loss' twice"),
            ("loss\n1\n2", "found 2 and 0 rows"),
            ("loss\n1\n2\n3\n4", "found 3 and 1 rows"),
            ("loss\n1\n2\n3\n4\n5\n6", "line 7: expected an index below 2"),
            ("loss\n1\nx\n3", "line 3: expected a number, found 'x'"),
            ("loss\n1\nNaN\n3", "line 3: expected a number, found 'NaN'"),
            ("loss\n1,2\n2\n3", "line 2: expected 1 cells, found 2"),
            ("index,loss\n0,1\n0,2\n1,3", "sample 0 again"),
            ("index,loss\n0,1\n-1,2\n1,3", "line 3: expected a index, found '-1'"),
            (",loss\n0,1\n1,2\n1,3", "sample 1 again"),
            (",loss\n0,1\n9,2\n1,3", "an index below 3, found 9"),
            ("loss;noise\n1\n2\n3", "line 2: expected 2 cells, found 1"),
            ("file,index,loss\nvalid,0,1", "expected train or test, found 'valid'"),
            (&wrong_label, "as sample 0 of builtin has"),
        ] {
            let message = csv("s.csv", text, &data).unwrap_err().to_string();
            assert!(message.starts_with("s.csv") && message.contains(words), "{text:?}: {message}");
        }
    }

    #[test]
    fn tables_of_other_programs_are_read() {
        let data = builtin(0.5, 3, 2, 1);
        let want = |values: &[f32], test: &[f32]| vec![Column { score: ScoreName::Loss, train: values.to_vec(), test: test.to_vec() }];
        let class = |i: usize| data.classes[usize::from(data.train.labels[i])].clone();
        let labelled = format!("\"loss\",\"label\"\n\"1\",{}\n2,{}\n3,\"{}\"\n", class(0), class(1), class(2));
        for (text, test) in [
            // A byte-order mark; pandas' index; quotes, with a separator and a line's end inside; other columns; other separators.
            ("\u{feff}index,loss\n0,1\n1,2\n2,3\n", &[][..]),
            (",loss\n2,3\n0,1\n1,2\n", &[]),
            ("Unnamed: 0,loss\n2,3\n0,1\n1,2\n", &[]),
            ("\"loss\",\"name\"\n\"1\",\"a,b\"\n\"2\",\"c\nd\"\n\"3\",\"\"\"e\"\"\"\n", &[]),
            ("loss;path\r\n1;a\r\n2;b\r\n3;c\r\n", &[]),
            ("Loss\tpath\n1\ta\n2\tb\n3\tc\n", &[]),
            (",loss\n0,1\n1,2\n2,3\n3,4\n4,5\n", &[4.0, 5.0]),
            ("index,loss\n0.0,1\n1.0,2\n2.0,3\n", &[]),
            ("File,Index,LOSS\nTrain,0,1\nTRAIN,1,2\ntrain,2,3\nTest,0,4\nTest,1,5\n", &[4.0, 5.0]),
            (&labelled, &[]),
            ("sample_id,loss\n2,3\n0,1\n1,2\n", &[]),
        ] {
            assert_eq!(
                csv("s.csv", text, &data).unwrap_or_else(|e| panic!("{text:?}: {e}")).columns,
                want(&[1.0, 2.0, 3.0], test),
                "{text:?}"
            );
        }
        let named = |column| table("s.csv", "id,hardness,el2n\na,1,7\nb,2,8\nc,3,9\n", (ScoreName::Loss, column), &data);
        assert_eq!(named("hardness").unwrap().columns, want(&[1.0, 2.0, 3.0], &[]));
        assert_eq!(named("").unwrap().columns[0].train, [7.0, 8.0, 9.0]);
        let norm = table("s.csv", "El2n_Norm\n1\n2\n3\n", (ScoreName::Loss, ""), &data).unwrap();
        assert_eq!(norm.columns[0].score, ScoreName::El2nNorm);
        let either = table("s.csv", "a_b,ab\n7,1\n8,2\n9,3\n", (ScoreName::Loss, "ab"), &data).unwrap();
        assert_eq!(either.columns, want(&[1.0, 2.0, 3.0], &[]), "the column that is named exactly");
        assert!(named("score").unwrap_err().to_string().contains("no column 'score' among 'id', 'hardness', 'el2n'"));
        assert!(named("id").unwrap_err().to_string().contains("expected a number, found 'a'"));
    }

    #[test]
    fn lengths_and_endings_are_checked() {
        let data = builtin(0.5, 3, 2, 1);
        assert_eq!(split("a", ScoreName::Grand, vec![1.0; 5], &data).unwrap().test.len(), 2);
        assert!(split("a", ScoreName::Grand, vec![1.0; 3], &data).unwrap().test.is_empty());
        let message = split("a.npy", ScoreName::Grand, vec![1.0; 4], &data).unwrap_err().to_string();
        assert!(message.contains("expected 3 scores") && message.contains("or 5"), "{message}");
        let path = std::env::temp_dir().join(format!("sparring-scores-{}.mat", std::process::id()));
        std::fs::write(&path, "1").unwrap();
        let message = read(&path, ScoreName::Loss, "", &data).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(message.contains("ends in .npy, .csv or .safetensors, found .mat"), "{message}");
    }
}
