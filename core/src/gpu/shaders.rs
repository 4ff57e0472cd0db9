//! The WGSL sources, embedded as `build.rs` leaves them, and the one preprocessor step they need: a line `#import NAME` is replaced by
//! `shaders/shared/NAME.wgsl`, once a shader. Everything else is plain WGSL with pipeline-overridable constants.

macro_rules! embed {
    ($folder:literal: $($name:ident),* $(,)?) => {
        &[$((stringify!($name), include_str!(concat!(env!("OUT_DIR"), "/shaders/", $folder, stringify!($name), ".wgsl")))),*]
    };
}

const STAGES: &[(&str, &str)] = embed!("":
    adam_update, add, augment, avg_pool, avg_pool_grad, batchnorm_apply, batchnorm_finish, batchnorm_input_grad,
    batchnorm_reduce_grad, batchnorm_sample_norm, batchnorm_stats, bias_grad, conv_forward, conv_input_grad,
    conv_sample_norm, conv_weight_grad, fill, lane_norm, max_pool, max_pool_grad, normalize, project_l2, relu,
    relu_grad, sgd_update, shortcut_a, shortcut_a_grad, softmax_cross_entropy, sparse_conv_forward,
    sparse_conv_input_grad, sparse_conv_weight_grad, step_l2, step_linf, sum_partials,
);

/// Those of AutoAttack.
#[cfg(feature = "autoattack")]
const AUTOATTACK: &[(&str, &str)] = embed!("":
    apgd_keep, apgd_step, fab_keep, fab_step, lane_loss, square_keep, square_step,
);
#[cfg(not(feature = "autoattack"))]
const AUTOATTACK: &[(&str, &str)] = &[];

const SHARED: &[(&str, &str)] = embed!("shared/":
    batchnorm, channel_sums, conv_shape, forward_taps, gemm, grid, sparse_rows, step,
);

#[cfg(feature = "autoattack")]
const LANES: &[(&str, &str)] = embed!("shared/": lanes);
#[cfg(not(feature = "autoattack"))]
const LANES: &[(&str, &str)] = &[];

/// The names of all stages.
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
    table.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
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
