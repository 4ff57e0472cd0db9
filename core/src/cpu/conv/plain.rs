//! Convolution in its three directions by plain loops, generic over f32 and f64: the oracle of both backends.
//!
//! Dense and sparse weights run through the same loops over a row's entries, so one oracle checks both; the inner loop
//! is always a contiguous run of lanes.

use super::super::real::Real;
use super::index::{Entry, Index};
use super::{Forward, InputGrad, WeightGrad};
use crate::ops::ConvShape;
use crate::platform::parallel;

/// For one tap, the output rows and columns whose input lies inside, as `(out, in)` index pairs along one axis.
fn overlap(out: usize, input: usize, stride: usize, pad: usize, k: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    (0..out).filter_map(move |o| {
        let i = (o * stride + k).checked_sub(pad)?;
        (i < input).then_some((o, i))
    })
}

/// Calls `run(out_start, in_start)` for every position that a tap connects, as starts of runs of `n` lanes in a plane.
pub fn positions(shape: &ConvShape, ky: usize, kx: usize, mut run: impl FnMut(usize, usize)) {
    let columns = overlap(shape.w_out, shape.w_in, shape.stride, shape.pad, kx);
    for (oy, iy) in overlap(shape.h_out, shape.h_in, shape.stride, shape.pad, ky) {
        for (ox, ix) in columns.clone() {
            run((oy * shape.w_out + ox) * shape.n, (iy * shape.w_in + ix) * shape.n);
        }
    }
}

fn axpy<T: Real>(a: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// In eight sums, so that no product waits for the sum before it.
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [T::ZERO; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(&a, &b)| a * b);
    sums.into_iter().chain(rest).sum()
}

/// `y = conv(x, w) (+ bias on the valid lanes)`.
pub fn forward<T: Real>(index: Index<'_>, args: Forward<'_, T>) {
    let Forward { shape, x, weight, bias, n_valid, y } = args;
    let (n, plane_in, plane_out) = (shape.n, shape.input().plane(), shape.output().plane());
    let x = x.loaded(plane_in);
    y.first(shape.output().len()).chunks(plane_out, |co, y| {
        y.with_whole(false, |y| {
            y.fill(T::ZERO);
            for entry in index.row(&shape, co) {
                let x = &x[entry.channel * plane_in..][..plane_in];
                positions(&shape, entry.ky, entry.kx, |o, i| axpy(weight[entry.position], &x[i..i + n], &mut y[o..o + n]));
            }
            if let Some(bias) = bias {
                add_bias(bias[co], n, n_valid, y);
            }
        });
    });
}

/// Adds a channel's bias to the valid lanes of some of its positions.
pub fn add_bias<T: Real>(bias: T, n: usize, n_valid: usize, y: &mut [T]) {
    for run in y.chunks_mut(n) {
        for y in run.iter_mut().take(n_valid) {
            *y += bias;
        }
    }
}

/// `dx (+)= the transposed convolution of dy`.
pub fn input_grad<T: Real>(index: Index<'_>, args: InputGrad<'_, T>) {
    let InputGrad { shape, dy, weight, accumulate, dx } = args;
    let (n, plane_in, plane_out) = (shape.n, shape.input().plane(), shape.output().plane());
    let dy = dy.whole();
    dx.first(shape.input().len()).chunks(plane_in, |ci, dx| {
        dx.with_whole(accumulate, |dx| {
            if !accumulate {
                dx.fill(T::ZERO);
            }
            for entry in index.transposed_row(&shape, ci) {
                let dy = &dy[entry.channel * plane_out..][..plane_out];
                positions(&shape, entry.ky, entry.kx, |o, i| axpy(weight[entry.position], &dy[o..o + n], &mut dx[i..i + n]));
            }
        });
    });
}

/// `dw = sum of dy * x` at every weight that exists.
pub fn weight_grad<T: Real>(index: Index<'_>, args: WeightGrad<'_, T>) {
    let WeightGrad { shape, x, dy, dw } = args;
    let (n, plane_in, plane_out) = (shape.n, shape.input().plane(), shape.output().plane());
    let (x, dy) = (x.loaded(plane_in), dy.whole());
    let rows = parallel::map(shape.c_out, |co| {
        let dy = &dy[co * plane_out..][..plane_out];
        let gradient = |entry: Entry| {
            let x = &x[entry.channel * plane_in..][..plane_in];
            let mut sum = T::ZERO;
            positions(&shape, entry.ky, entry.kx, |o, i| {
                sum += dot(&dy[o..o + n], &x[i..i + n]);
            });
            (entry.position, sum)
        };
        index.row(&shape, co).into_iter().map(gradient).collect::<Vec<_>>()
    });
    for (position, sum) in rows.into_iter().flatten() {
        dw[position] = sum;
    }
}
