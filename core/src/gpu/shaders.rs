//! The WGSL sources: a table that `build.rs` writes from the folder, or one text that the page fetches where there is a GPU.
//!
//! They need one preprocessor step. A line `#import NAME` is replaced by `shaders/shared/NAME.wgsl`, once a shader. `#args NAME: TYPE, ...`
//! names numbers that a dispatch brings along, read as `args.NAME`. A binding of the type `activation` holds vec4s of lanes, in 32 bits a
//! float or in 16: it gets the type of what is bound, and `load_NAME(i)` and `store_NAME(i, v)`. Everything else is plain WGSL.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

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

/// Changes with any embedded shader: what was measured with others does not count.
pub fn fingerprint() -> String {
    let mut hash = Sha256::new();
    for (name, text) in STAGES.iter().chain(SHARED) {
        hash.update(name);
        hash.update(text);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The names of all embedded stages.
pub fn names() -> impl Iterator<Item = &'static str> {
    STAGES.iter().map(|(name, _)| *name)
}

/// A stage's complete WGSL.
pub struct Shader {
    /// What a device compiles.
    pub text: String,
    /// What each dispatch gives it, in the order of the uniform's words.
    pub args: Vec<Arg>,
}

/// A number that a dispatch brings along: a size or a switch, for which no stage needs to be compiled again.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// As in `args.NAME`.
    pub name: &'static str,
    /// Else a u32; a switch is 0 or 1.
    float: bool,
}

impl Arg {
    /// The uniform's word for a value.
    pub fn word(&self, value: f64) -> u32 {
        if self.float { (value as f32).to_bits() } else { value as u32 }
    }
}

/// The WGSL of a stage over these activations that are stored in 16 bits, the others in 32; `None` where there is no stage of that name, an
/// import is missing, or the preprocessor does not understand a line.
pub fn source(name: &str, halves: &[&str]) -> Option<Shader> {
    let mut source = Source { halves, imported: Vec::new(), args: Vec::new(), out: String::new() };
    source.expand(lookup(STAGES, name)?)?;
    source.finish();
    Some(Shader { text: source.out, args: source.args })
}

fn lookup(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let embedded = table.iter().find(|(n, _)| *n == name).map(|(_, text)| *text);
    embedded.or_else(|| find(PROVIDED.get()?, name))
}

/// A source being written.
struct Source<'a> {
    halves: &'a [&'a str],
    imported: Vec<&'static str>,
    args: Vec<Arg>,
    out: String,
}

impl Source<'_> {
    fn expand(&mut self, text: &'static str) -> Option<()> {
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("#import ") {
                self.import(name)?;
            } else if let Some(args) = line.strip_prefix("#args ") {
                self.args(args)?;
            } else if let Some(binding) = line.strip_suffix("activation;").and_then(|line| line.trim_end().strip_suffix(':')) {
                self.activation(binding)?;
            } else {
                self.out.push_str(line);
                self.out.push('\n');
            }
        }
        Some(())
    }
    fn import(&mut self, name: &'static str) -> Option<()> {
        if self.imported.contains(&name) {
            return Some(());
        }
        self.imported.push(name);
        self.expand(lookup(SHARED, name)?)
    }
    /// `NAME: TYPE, ...`, perhaps with a comment behind it.
    fn args(&mut self, line: &'static str) -> Option<()> {
        let list = line.split("//").next()?;
        for arg in list.split(',') {
            let (name, ty) = arg.split_once(':')?;
            let (name, float) = (name.trim(), matches!(ty.trim(), "f32"));
            if !float && !matches!(ty.trim(), "u32" | "bool") {
                return None;
            }
            // An import and the stage may both need it.
            if self.args.iter().all(|known| known.name != name) {
                self.args.push(Arg { name, float });
            }
        }
        Some(())
    }
    /// The uniform, once everything has named what it reads of it.
    fn finish(&mut self) {
        if self.args.is_empty() {
            return;
        }
        let fields: Vec<_> = self.args.iter().map(|arg| format!("{}: {}", arg.name, if arg.float { "f32" } else { "u32" })).collect();
        self.out.push_str(&format!("struct Args {{ {} }}\n@group(1) @binding(1) var<uniform> args: Args;\n", fields.join(", ")));
    }
    /// `binding` ends with the variable's name.
    fn activation(&mut self, binding: &str) -> Option<()> {
        let (_, name) = binding.rsplit_once(' ')?;
        let half = self.halves.contains(&name);
        if half {
            self.import("bf16")?;
        }
        let (word, load, store) = if half { ("vec2<u32>", "widened", "rounded") } else { ("vec4<f32>", "", "") };
        self.out.push_str(&format!("{binding}: array<{word}>;\n"));
        self.out.push_str(&format!("fn load_{name}(i: u32) -> vec4<f32> {{ return {load}({name}[i]); }}\n"));
        if binding.contains("read_write") {
            self.out.push_str(&format!("fn store_{name}(i: u32, v: vec4<f32>) {{ {name}[i] = {store}(v); }}\n"));
        }
        Some(())
    }
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
        assert!(ready() && source("relu_grad", &[]).unwrap().text.contains("fn "));
    }

    #[test]
    fn arguments_become_words_of_one_uniform() {
        let mut source = Source { halves: &[], imported: Vec::new(), args: Vec::new(), out: String::new() };
        source.expand("#args width: u32, scale: f32 // in pixels\nfn f() {}\n#args relu: bool, width: u32").unwrap();
        source.finish();
        assert!(
            source.out.ends_with("struct Args { width: u32, scale: f32, relu: u32 }\n@group(1) @binding(1) var<uniform> args: Args;\n")
        );
        let words: Vec<_> = source.args.iter().zip([7.0, 0.5, 1.0]).map(|(arg, value)| arg.word(value)).collect();
        assert_eq!(words, [7, 0.5f32.to_bits(), 1]);
        assert_eq!(source.expand("#args far: i64"), None);
    }
}
