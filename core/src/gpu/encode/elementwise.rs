//! Element-wise ops and the option-A shortcut: one thread an element, or a vec4 of the batch.

use super::super::launch::{Launch, flag};
use super::{Encode, Operands, geometry, groups_of};
use crate::error::Result;
use crate::ops::{Add, Augment, Fill, Normalize, Relu, ReluGrad, Shape, ShortcutA, ShortcutAGrad};

fn each(shader: &'static str, threads: usize, cost: usize, operands: &Operands) -> Launch {
    Launch::new(shader, operands.all(), groups_of(threads), cost as f64)
}

impl Encode for Augment {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = self.shape;
        let extent = [("c", s.c as f64), ("h", s.h as f64), ("w", s.w as f64), ("N4", (s.n / 4) as f64)];
        Ok(vec![each("augment", s.len() / 4, 4 * s.len(), operands).with(extent)])
    }
}

impl Encode for Normalize {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let s = self.shape;
        let names = ["mean0", "mean1", "mean2", "mean3", "inv_std0", "inv_std1", "inv_std2", "inv_std3"];
        let values = self.mean.into_iter().chain(self.inv_std).map(f64::from);
        let launch = each("normalize", s.len() / 4, 2 * s.len(), operands).with(names.into_iter().zip(values));
        Ok(vec![launch.with([
            ("channels", s.c as f64),
            ("plane", (s.plane() / 4) as f64),
            ("N4", (s.n / 4) as f64),
            ("in_place", flag(operands.in_place())),
        ])])
    }
}

impl Encode for Add {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![each("add", self.len.div_ceil(4), 3 * self.len, operands)])
    }
}

impl Encode for Relu {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![each("relu", self.len.div_ceil(4), 2 * self.len, operands).with([("in_place", flag(operands.in_place()))])])
    }
}

impl Encode for ReluGrad {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let switches = [("in_place", flag(operands.in_place())), ("accumulate", flag(self.accumulate))];
        Ok(vec![each("relu_grad", self.len.div_ceil(4), 3 * self.len, operands).with(switches)])
    }
}

impl Encode for Fill {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![each("fill", self.len, self.len, operands).with([("value", self.value.into())])])
    }
}

fn shortcut(shader: &'static str, threads: usize, (input, output, stride): (Shape, Shape, usize), operands: &Operands) -> Launch {
    let launch = each(shader, threads / 4, input.len() + output.len(), operands);
    launch.with(geometry(input, output, 0)).with([("pad_channels", ((output.c - input.c) / 2) as f64), ("stride", stride as f64)])
}

impl Encode for ShortcutA {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        Ok(vec![shortcut("shortcut_a", self.output.len(), (self.input, self.output, self.stride), operands)])
    }
}

impl Encode for ShortcutAGrad {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let launch = shortcut("shortcut_a_grad", self.input.len(), (self.input, self.output, self.stride), operands);
        Ok(vec![launch.with([("accumulate", flag(self.accumulate))])])
    }
}
