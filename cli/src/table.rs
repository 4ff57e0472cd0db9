//! Plain text tables for people.

use crate::text;

/// A cell is cut below so many characters only where nothing else is left to cut,
const LEAST: usize = 8;
/// and never below so many, which a share in per cent has.
const NARROWEST: usize = 6;

/// The table as [`render`] makes it, in lines of at most `width` characters: headers are cut first, then the widest columns, the first of
/// them in the middle, where a name says least.
pub fn fit(header: &[&str], rows: &[Vec<String>], width: Option<u16>) -> String {
    let Some(width) = width.map(usize::from) else { return render(header, rows) };
    let longest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..header.len()).map(|i| longest(i).max(header[i].chars().count())).collect();
    let gaps = 2 * header.len().saturating_sub(1);
    // First the headers, then long names, then everything but short numbers.
    let stages: [&dyn Fn(usize) -> usize; 3] = [&|column| longest(column).max(NARROWEST), &|_| LEAST, &|_| NARROWEST];
    for least in stages {
        while widths.iter().sum::<usize>() + gaps > width {
            let Some(widest) = (0..widths.len()).filter(|i| widths[*i] > least(*i)).max_by_key(|i| widths[*i]) else { break };
            widths[widest] -= 1;
        }
    }
    let cut = |column: usize, cell: &str| {
        let (all, room): (Vec<char>, _) = (text::line(cell).chars().collect(), widths[column]);
        if all.len() <= room {
            return all.into_iter().collect();
        }
        let tail = if column == 0 { (room - 1) / 2 } else { 0 };
        let head = room - 1 - tail;
        all[..head].iter().chain(&['…']).chain(&all[all.len() - tail..]).collect::<String>()
    };
    let row = |row: &[String]| row.iter().enumerate().map(|(i, cell)| cut(i, cell)).collect::<Vec<_>>();
    let header = row(&header.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>());
    let rows: Vec<Vec<String>> = rows.iter().map(|cells| row(cells)).collect();
    // A terminal that is narrower than all of this gets the beginning of every line.
    let whole = render(&header.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
    whole.lines().map(|line| clipped(line, width) + "\n").collect()
}

/// A line in at most so many characters.
pub fn clipped(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Columns padded to their widest cell; the first is left-aligned, the others right.
pub fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| text::line(cell)).collect()).collect();
    let mut widths: Vec<usize> = header.iter().map(|h| h.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .enumerate()
            .map(|(i, (cell, &width))| if i == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") })
            .collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let mut out = line(&mut header.iter().copied());
    out += &line(&mut widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>().iter().map(String::as_str));
    for row in &rows {
        out += &line(&mut row.iter().map(String::as_str));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_cut_to_the_terminal() {
        let rows = [vec!["resnet20-dense-set-rigl-0123456789ab".to_owned(), "finished".into(), "dense,set@0.2,rigl@0.1".into()]];
        let header = ["run", "state", "learners"];
        let cut = fit(&header, &rows, Some(50));
        assert!(cut.lines().all(|line| line.chars().count() <= 50), "{cut}");
        assert!(cut.contains("789ab") && cut.contains("finished") && cut.contains('…'), "{cut}");
        assert_eq!(fit(&header, &rows, None), render(&header, &rows), "a file gets all of it");
        for width in [3, 8, 20, 60, 80] {
            let cut = fit(&header, &rows, Some(width));
            assert!(cut.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}: {cut}");
            assert_eq!(cut.lines().count(), 3, "{cut}");
        }
        let nine: Vec<String> = (0..9).map(|i| format!("a cell of column {i}")).collect();
        let names = ["run", "state", "model", "learners", "data", "epochs", "accuracy %", "judged by", "date"];
        let cut = fit(&names, &[nine], Some(70));
        assert!(cut.lines().all(|line| line.chars().count() <= 70), "{cut}");
        assert_eq!(cut.lines().nth(1).unwrap_or_default().split_whitespace().count(), 9, "all columns are there: {cut}");
        let results = [vec!["dense on random".to_owned(), "1.0000".into(), "24,346".into(), "12.50%".into()]];
        let cut = fit(&["learner", "density", "parameters", "hard half"], &results, Some(39));
        assert_eq!(cut.lines().last(), Some("dense on random  1.0000  24,346  12.50%"), "headers give way to numbers: {cut}");
    }

    #[test]
    fn a_name_breaks_no_line() {
        let text = render(&["class", "n"], &[vec!["a\nb\t".into(), "10".into()]]);
        assert_eq!(text, "class   n\n-----  --\na\u{fffd}b\u{fffd}   10\n");
    }

    #[test]
    fn columns_align() {
        let text = render(&["name", "n"], &[vec!["a".into(), "10".into()], vec!["longer".into(), "1".into()]]);
        assert_eq!(text, "name     n\n------  --\na       10\nlonger   1\n");
    }
}
