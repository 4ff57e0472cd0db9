//! Sums over a channel in two stages (slices of the plane, then the slices), so that few channels still fill a GPU and the order of
//! additions never changes. BatchNorm and the weight gradients use the same second stage.

use super::super::launch::{Binding, Launch};
use super::{ENOUGH_GROUPS, Encode, Operands};
use crate::error::Result;
use crate::ops::{BiasGrad, Shape};

/// The least a workgroup of `channel_sums` should add: 4 vec4s a thread.
const LEAST_SPAN: usize = 4 * 256;

/// The slices of a channel's plane: how many, and how many vec4s each.
pub fn slices(shape: Shape) -> (usize, usize) {
    let plane = shape.plane() / 4;
    let wanted = ENOUGH_GROUPS.div_ceil(shape.c).min(plane.div_ceil(LEAST_SPAN)).max(1);
    let span = plane.div_ceil(wanted);
    (plane.div_ceil(span), span)
}

/// What a stage asks for whose threads know their channel and place.
pub fn plane_of(shape: Shape) -> [(&'static str, f64); 3] {
    [("channels", shape.c as f64), ("plane", (shape.plane() / 4) as f64), ("N4", (shape.n / 4) as f64)]
}

/// The first stage: `sums` partial results a channel and slice.
pub fn channel_sums(shader: &'static str, shape: Shape, sums: usize, mut bindings: Vec<Binding>) -> Launch {
    let (count, span) = slices(shape);
    bindings.push(Binding::scratch_out("partials", sums * count * shape.c));
    let launch = Launch::new(shader, bindings, shape.c * count, 2.0 * shape.len() as f64);
    launch.with(plane_of(shape)).with([("span", span as f64)])
}

/// The second stage: adds the partial results of all slices into `out`, in order.
pub fn sum_partials(out: Binding, slices: usize) -> Launch {
    let len = out.words;
    Launch::new("sum_partials", vec![Binding::scratch_in("partials", slices * len), out], len.div_ceil(64), (slices * len) as f64)
}

impl Encode for BiasGrad {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let first = channel_sums("bias_grad", self.shape, 1, operands.bind(["dy"])?);
        Ok(vec![first, sum_partials(operands.get("dbias")?, slices(self.shape).0)])
    }
}
