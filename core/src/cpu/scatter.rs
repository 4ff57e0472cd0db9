//! The twins of `ops::scatter`. Where values stand is kept with their index: walking the index in every call took longer than what follows.

use std::sync::Arc;

use super::conv::index::{Csr, Entry};
use super::lent::Lent;
use super::made::{Kept, Purpose};
use super::{Real, Run, conv};
use crate::error::Result;
use crate::ops::{ConvShape, Gather, Scatter, StepParams};

/// Where the values of an index stand in the dense tensor `[c_out][c_in][kh][kw]`, in their own order.
struct Places(Vec<u32>);

impl Kept for Places {
    fn bytes(&self) -> usize {
        4 * self.0.len()
    }
}

/// Of an index whose rows are output channels.
fn places(shape: &ConvShape, csr: Csr<'_>) -> Arc<Places> {
    // The same for every extent and batch of the images.
    let of = ConvShape { h_in: 0, w_in: 0, h_out: 0, w_out: 0, n: 0, ..*shape };
    csr.kept(of, Purpose::Whole, || {
        let mut places = vec![0; csr.len()];
        for co in 0..shape.c_out {
            for Entry { channel, ky, kx, position } in csr.row(co) {
                places[position] = (((co * shape.c_in + channel) * shape.kh + ky) * shape.kw + kx) as u32;
            }
        }
        Places(places)
    })
}

/// Values put among others.
fn scatter<T: Real>(places: &Places, values: &[T], whole: &mut [T]) {
    places.0.iter().zip(values).for_each(|(&place, &value)| whole[place as usize] = value);
}

/// Values taken out.
fn gather<T: Real>(places: &Places, whole: &[T], values: &mut [T]) {
    places.0.iter().zip(values).for_each(|(&place, value)| *value = whole[place as usize]);
}

impl<T: Real> Run<T> for Scatter {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        scatter(&places(&self.shape, conv::rows(&self.shape, lent)?), lent.read("values")?, lent.write("whole")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for Gather {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        gather(&places(&self.shape, conv::rows(&self.shape, lent)?), lent.read("whole")?, lent.write("values")?);
        Ok(())
    }
}
