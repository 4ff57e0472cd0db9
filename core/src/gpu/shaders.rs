//! The WGSL sources, embedded as `build.rs` leaves them or provided as one text (the page fetches them where there is a GPU), and the one preprocessor step they need: a line `#import NAME` is replaced by
//! `shaders/shared/NAME.wgsl`, once a shader. Everything else is plain WGSL with pipeline-overridable constants.

use std::sync::OnceLock;

#[cfg(feature = "embedded-shaders")]
macro_rules! embed {
    ($folder:literal: $($name:ident),* $(,)?) => {
        &[$((stringify!($name), include_str!(concat!(env!("OUT_DIR"), "/shaders/", $folder, stringify!($name), ".wgsl")))),*]
    };
}

#[cfg(feature = "embedded-shaders")]
const STAGES: &[(&str, &str)] = embed!("":
    adam_update, add, augment, avg_pool, avg_pool_grad, batchnorm_apply, batchnorm_finish, batchnorm_input_grad,
    batchnorm_reduce_grad, batchnorm_sample_norm, batchnorm_stats, bias_grad, conv_forward, conv_input_grad,
    conv_sample_norm, conv_weight_grad, fill, lane_norm, max_pool, max_pool_grad, normalize, project_l2, relu,
    relu_grad, sgd_update, shortcut_a, shortcut_a_grad, softmax_cross_entropy, sparse_conv_forward,
    sparse_conv_input_grad, sparse_conv_weight_grad, step_l2, step_linf, sum_partials,
);

#[cfg(not(feature = "embedded-shaders"))]
const STAGES: &[(&str, &str)] = &[];

/// Those of AutoAttack.
#[cfg(feature = "autoattack")]
const AUTOATTACK: &[(&str, &str)] = embed!("":
    apgd_keep, apgd_step, fab_keep, fab_step, lane_loss, square_keep, square_step,
);
#[cfg(not(feature = "autoattack"))]
const AUTOATTACK: &[(&str, &str)] = &[];

#[cfg(feature = "embedded-shaders")]
const SHARED: &[(&str, &str)] = embed!("shared/":
    batchnorm, channel_sums, conv_shape, forward_taps, gemm, grid, sparse_rows, step,
);

#[cfg(not(feature = "embedded-shaders"))]
const SHARED: &[(&str, &str)] = &[];

#[cfg(feature = "autoattack")]
const LANES: &[(&str, &str)] = embed!("shared/": lanes);
#[cfg(not(feature = "autoattack"))]
const LANES: &[(&str, &str)] = &[];

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
    STAGES.iter().chain(AUTOATTACK).map(|(name, _)| *name)
}

/// The complete WGSL of a stage; `None` where there is none of that name, or an import is missing.
pub fn source(name: &str) -> Option<String> {
    let text = lookup(STAGES, name).or_else(|| lookup(AUTOATTACK, name))?;
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
                expand(lookup(SHARED, name).or_else(|| lookup(LANES, name))?, seen, out)?;
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
