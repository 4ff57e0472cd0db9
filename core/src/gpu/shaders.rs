//! The WGSL sources: a table that `build.rs` writes from the folder, or one text that the page fetches where there is a GPU.
//!
//! They need one preprocessor step: a line `#import NAME` is replaced by `shaders/shared/NAME.wgsl`, once a shader. Everything else is
//! plain WGSL with pipeline-overridable constants.

use std::sync::OnceLock;

#[cfg(feature = "embedded-shaders")]
include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

#[cfg(not(feature = "embedded-shaders"))]
const STAGES: &[(&str, &str)] = &[];
#[cfg(not(feature = "embedded-shaders"))]
const SHARED: &[(&str, &str)] = &[];

/// What begins a shader in the provided text, before its name.
const MARK: &str = "@shader ";

/// All shaders as one text, where the program does not carry them: before each a line `@shader NAME`.
static PROVIDED: OnceLock<String> = OnceLock::new();

/// Takes the shaders as one text. The first text stays.
pub fn provide(text: String) {
    let _ = PROVIDED.set(text);
}

/// Whether there are shaders.
pub fn ready() -> bool {
    !STAGES.is_empty() || PROVIDED.get().is_some()
}

/// A shader of the provided text.
fn find(text: &'static str, name: &str) -> Option<&'static str> {
    text.split(MARK).find_map(|part| part.strip_prefix(name)?.strip_prefix('\n'))
}

/// The names of all embedded stages.
pub fn names() -> impl Iterator<Item = &'static str> {
    STAGES.iter().map(|(name, _)| *name)
}

/// The complete WGSL of a stage; `None` where there is none of that name, or an import is missing.
pub fn source(name: &str) -> Option<String> {
    let text = lookup(STAGES, name)?;
    let mut out = String::new();
    expand(text, &mut Vec::new(), &mut out)?;
    Some(out)
}

fn lookup(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let embedded = table.iter().find(|(n, _)| *n == name).map(|(_, text)| *text);
    embedded.or_else(|| find(PROVIDED.get()?, name))
}

fn expand(text: &'static str, seen: &mut Vec<&'static str>, out: &mut String) -> Option<()> {
    for line in text.lines() {
        match line.strip_prefix("#import ") {
            Some(name) if seen.contains(&name) => {}
            Some(name) => {
                seen.push(name);
                expand(lookup(SHARED, name)?, seen, out)?;
            }
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_provided_text_gives_each_shader_by_its_whole_name() {
        let text = "@shader relu\nfn a() {}\n@shader relu_grad\n#import grid\nfn b() {}\n";
        assert_eq!(find(text, "relu"), Some("fn a() {}\n"));
        assert_eq!(find(text, "relu_grad"), Some("#import grid\nfn b() {}\n"));
        assert_eq!((find(text, "rel"), find(text, "grad")), (None, None));
        assert!(ready() && source("relu_grad").unwrap().contains("fn "));
    }
}
