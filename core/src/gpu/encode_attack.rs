//! Steps and projections of attacks: one thread a vec4 of the batch, and a workgroup a vec4 of lanes for norms.

use super::launch::{Launch, flag, read, read_or_nothing, write};
use crate::ops::{LaneNorm, ProjectL2, Shape, StepL2, StepLinf};

/// Threads of a workgroup.
const THREADS: usize = 256;

fn map(op: &'static str, shader: &'static str, s: Shape, constants: &[(&'static str, f64)]) -> Launch {
    let mut all = vec![("N4", (s.n / 4) as f64)];
    all.extend(constants);
    Launch { op, shader, constants: all, bindings: Vec::new(), groups: (s.len() / 4).div_ceil(THREADS), cost: 4.0 * s.len() as f64 }
}

pub fn lane_norm(o: &LaneNorm) -> Vec<Launch> {
    let s = o.shape;
    let mut l = map("LaneNorm", "lane_norm", s, &[("ROWS", (s.c * s.h * s.w) as f64), ("MINUS", flag(o.minus.is_some()))]);
    l.groups = s.n / 4;
    l.bindings = vec![read("x", o.x, s.len()), read_or_nothing("minus", o.minus, s.len()), write("norms", o.norms, s.n)];
    vec![l]
}

pub fn step_linf(o: &StepLinf) -> Vec<Launch> {
    let s = o.shape;
    let mut l = map("StepLinf", "step_linf", s, &[("STEP", o.step.into()), ("EPS", o.eps.into())]);
    l.bindings = vec![read("clean", o.clean, s.len()), read("grad", o.grad, s.len()), write("x", o.x, s.len())];
    vec![l]
}

pub fn step_l2(o: &StepL2) -> Vec<Launch> {
    let s = o.shape;
    let mut l = map("StepL2", "step_l2", s, &[("STEP", o.step.into())]);
    l.bindings = vec![read("grad", o.grad, s.len()), read("norms", o.norms, s.n), write("x", o.x, s.len())];
    vec![l]
}

pub fn project_l2(o: &ProjectL2) -> Vec<Launch> {
    let s = o.shape;
    let mut l = map("ProjectL2", "project_l2", s, &[("EPS", o.eps.into())]);
    l.bindings = vec![read("clean", o.clean, s.len()), read("norms", o.norms, s.n), write("x", o.x, s.len())];
    vec![l]
}
