//! Plain text tables for people.

/// A cell is never cut below so many characters.
const LEAST: usize = 8;

/// The table as [`render`] makes it, in lines of at most `width` characters: the widest columns are cut, the first of them in the middle,
/// where a name says least.
pub fn fit(header: &[&str], rows: &[Vec<String>], width: Option<u16>) -> String {
    let Some(width) = width.map(usize::from) else { return render(header, rows) };
    let longest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let least = |column: usize| header[column].chars().count().max(LEAST);
    let mut widths: Vec<usize> = (0..header.len()).map(|i| longest(i).max(header[i].chars().count())).collect();
    let gaps = 2 * header.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let Some(widest) = (0..widths.len()).filter(|i| widths[*i] > least(*i)).max_by_key(|i| widths[*i]) else { break };
        widths[widest] -= 1;
    }
    let cut = |column: usize, cell: &String| {
        let all: Vec<char> = cell.chars().collect();
        let room = widths[column];
        if all.len() <= room {
            return cell.clone();
        }
        let tail = if column == 0 { (room - 1) / 2 } else { 0 };
        let head = room - 1 - tail;
        all[..head].iter().chain(&['…']).chain(&all[all.len() - tail..]).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().enumerate().map(|(i, cell)| cut(i, cell)).collect()).collect();
    render(header, &rows)
}

/// Columns padded to their widest cell; the first is left-aligned, the others right.
pub fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|h| h.chars().count()).collect();
    for row in rows {
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
    for row in rows {
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
        assert!(fit(&header, &rows, Some(3)).contains("finished"), "no column vanishes");
    }

    #[test]
    fn columns_align() {
        let text = render(&["name", "n"], &[vec!["a".into(), "10".into()], vec!["longer".into(), "1".into()]]);
        assert_eq!(text, "name     n\n------  --\na       10\nlonger   1\n");
    }
}
