//! A shader as it is carried: what a compiler does not read is left out. The build of this crate and that of the page share it.

/// WGSL has no strings, so that every `//` begins a comment.
pub fn bare(source: &str) -> String {
    let mut out = String::new();
    for line in source.lines().map(|line| line.split("//").next().unwrap_or_default().trim()).filter(|line| !line.is_empty()) {
        let spaces = [(", ", ","), ("; ", ";"), (": ", ":"), (" {", "{"), ("{ ", "{"), (" }", "}")];
        out += &spaces.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to));
        out.push('\n');
    }
    out
}
