//! A launch as any program can run it that owns a GPU: one WGSL text, its tensors and then one uniform in one bind group.
//!
//! Engines that share their device with foreign kernels take a text and a list of buffers, no more: no constants of a pipeline, no second
//! group. All tensors are writable in it, since such an engine may lay two of them into one buffer, which no pass can both read and write.

use super::launch::Launch;
use super::pipelines::split;
use super::shaders;
use crate::error::{Error, Result};
use crate::ops::StepParams;

/// What a foreign engine runs for a launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Portable {
    /// The WGSL, with an entry point called `main`: tensors at bindings 0, 1, ... of group 0 in the launch's order, all `read_write`, then
    /// the uniform, if `words` is not empty.
    pub text: String,
    /// The constants that stand in the text, by the bits of their values: with the shader's name they tell two texts apart.
    pub constants: Vec<(&'static str, u64)>,
    /// The uniform: parameters of the step, if the stage reads them, and the launch's arguments, padded to a multiple of 16 bytes.
    pub words: Vec<u32>,
    /// Threads of a workgroup.
    pub threads: u32,
}

/// The declarations of the second group, as `shared/step.wgsl` and the preprocessor write them, without spaces: a carried shader has fewer.
const STEP: &str = "@group(1)@binding(0)var<uniform>params:StepParams;";
const ARGS: &str = "@group(1)@binding(1)var<uniform>args:Args;";

/// A launch over activations of 32 bits, for an engine that is not this one.
///
/// # Errors
/// `Validation` where the shader is missing, is not given a number that it asks for, or says its constants in a way that is not understood.
pub fn portable(launch: &Launch, step: &StepParams) -> Result<Portable> {
    let missing = || Error::validation(format!("no shader is called '{}'", launch.shader));
    let shader = shaders::source(launch.shader, &[]).ok_or_else(missing)?;
    let (args, constants) = split(launch, &shader.args)?;
    let mut text = String::with_capacity(shader.text.len());
    let (mut reads_step, mut reads_args) = (false, false);
    for line in shader.text.lines() {
        let tight: String = line.split_whitespace().collect();
        if tight == STEP {
            reads_step = true;
        } else if tight == ARGS {
            reads_args = true;
        } else if let Some(declared) = line.strip_prefix("override ") {
            text.push_str(&constant(launch.shader, declared, &constants)?);
        } else if tight.contains("var<storage,read>") {
            text.push_str(
                &line.replace("var<storage,read>", "var<storage,read_write>").replace("var<storage, read>", "var<storage, read_write>"),
            );
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    let mut words = Vec::new();
    let mut fields = Vec::new();
    if reads_step {
        words.extend_from_slice(bytemuck::cast_slice(std::slice::from_ref(step)));
        fields.push("step: StepParams");
        text = renamed(&text, "params.", "numbers.step.");
    }
    if reads_args {
        words.extend(args);
        fields.push("args: Args");
        text = renamed(&text, "args.", "numbers.args.");
    }
    if !fields.is_empty() {
        let (fields, binding) = (fields.join(", "), launch.bindings.len());
        text.push_str(&format!("struct Numbers {{ {fields} }}\n@group(0) @binding({binding}) var<uniform> numbers: Numbers;\n"));
        words.resize(words.len().next_multiple_of(4), 0);
    }
    let threads = threads(&text).ok_or_else(|| misread(launch.shader, "its @workgroup_size is one number"))?;
    let constants = constants.into_iter().map(|(name, value)| (name, value.to_bits())).collect();
    Ok(Portable { text, constants, words, threads })
}

fn misread(shader: &str, expected: &str) -> Error {
    Error::validation(format!("shader '{shader}' cannot be handed to another engine unless {expected}"))
}

/// `NAME: TYPE = DEFAULT;`, perhaps with a comment behind it, as a constant of the text.
fn constant(shader: &str, declared: &str, constants: &[(&'static str, f64)]) -> Result<String> {
    let parts = declared.split_once(';').and_then(|(said, comment)| {
        let (name, rest) = said.split_once(':')?;
        let (ty, default) = rest.split_once('=')?;
        Some((name.trim(), ty.trim(), default.trim(), comment))
    });
    let (name, ty, default, comment) = parts.ok_or_else(|| misread(shader, "each override is one line, NAME: TYPE = DEFAULT;"))?;
    let given = constants.iter().find(|(constant, _)| *constant == name).map(|(_, value)| *value);
    let value = match (ty, given) {
        (_, None) => default.to_owned(),
        ("bool", Some(value)) => (value != 0.0).to_string(),
        ("u32", Some(value)) if f64::from(value as u32) == value => format!("{}u", value as u32),
        ("f32", Some(value)) if (value as f32).is_finite() => format!("{:?}f", value as f32),
        ("u32" | "f32", Some(_)) => return Err(misread(shader, "each number that it is given is one of its constant's type")),
        _ => return Err(misread(shader, "its overrides are of type bool, u32 or f32")),
    };
    Ok(format!("const {name}: {ty} = {value};{comment}"))
}

/// `text` with another name for a variable's fields; `from` ends in a dot. A longer name that ends in `from` stays.
fn renamed(text: &str, from: &str, to: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut parts = text.split(from).peekable();
    while let Some(part) = parts.next() {
        out.push_str(part);
        if parts.peek().is_some() {
            let inside = part.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
            out.push_str(if inside { from } else { to });
        }
    }
    out
}

/// Threads of a workgroup of the text's entry point.
fn threads(text: &str) -> Option<u32> {
    text.split_once("@workgroup_size(")?.1.split_once(')')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn constants_stand_in_the_text_with_what_was_given() {
        let given = [("ROWS", 4.0), ("NORM", 1.0), ("SCALE", 0.5)];
        assert_eq!(constant("s", "ROWS: u32 = 8u; // 8 or 4", &given).unwrap(), "const ROWS: u32 = 4u; // 8 or 4");
        assert_eq!(constant("s", "NORM: bool = false;", &given).unwrap(), "const NORM: bool = true;");
        assert_eq!(constant("s", "SCALE: f32 = 1.0;", &given).unwrap(), "const SCALE: f32 = 0.5f;");
        assert_eq!(constant("s", "KH: u32 = 3u;", &given).unwrap(), "const KH: u32 = 3u;");
        let odd = constant("s", "ROWS: i64 = 8;", &given).unwrap_err().to_string();
        assert!(odd.contains("'s'") && odd.contains("bool, u32 or f32"), "{odd}");
        assert!(constant("s", "ROWS: u32;", &given).is_err());
        for (declared, value) in [("N: u32 = 1u;", -1.0), ("N: u32 = 1u;", 0.5), ("N: u32 = 1u;", 5e9), ("N: f32 = 1.0;", 1e300)] {
            let refused = constant("s", declared, &[("N", value)]).unwrap_err().to_string();
            assert!(refused.contains("one of its constant's type"), "{declared} {value}: {refused}");
        }
    }

    #[test]
    fn only_whole_names_are_renamed() {
        assert_eq!(renamed("args.n + (args.k) - my_args.n - a.args.n", "args.", "numbers.args."), {
            "numbers.args.n + (numbers.args.k) - my_args.n - a.args.n"
        });
    }

    #[test]
    fn words_are_the_step_and_then_the_arguments() {
        let launch = Launch::new("no such stage", Vec::new(), 1, 1.0);
        assert!(portable(&launch, &StepParams::default()).is_err());
        let step = StepParams { n_valid: 7, ..StepParams::default() };
        let launch = Launch::new("fill", Vec::new(), 1, 1.0);
        let asked = shaders::source("fill", &[]).unwrap().args;
        let launch = launch.with(asked.iter().map(|arg| (arg.name, 3.0)));
        let filled = portable(&launch, &step).unwrap();
        assert_eq!((filled.words.len() % 4, filled.words.is_empty()), (0, asked.is_empty()));
        assert_eq!(filled.threads, 256);
    }
}
