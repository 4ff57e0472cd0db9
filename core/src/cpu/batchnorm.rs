//! The twins of `ops::batchnorm`, each one pass over its tensors.
//!
//! Sums run over fixed pieces of a channel: short runs in the values' own type, from there on in float64. Statistics are taken about one
//! of the channel's values, which makes the one-pass variance safe.

use pulp::{Simd, WithSimd};

use super::activation::{Activation, ActivationMut, Room, blocks, clear_padding, wide};
use super::lent::Lent;
use super::pieces::Pieces;
use super::reduce::sum_partials;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::{BatchNormApply, BatchNormInputGrad, BatchNormReduceGrad, BatchNormStats, Gate, NormOnLoad, Shape, StepParams};
use crate::platform::parallel;
use crate::platform::parallel_for;

/// A channel's constants: mean, 1/std, gamma, beta.
#[derive(Clone, Copy)]
struct Channel<T> {
    mean: T,
    inv_std: T,
    gamma: T,
    beta: T,
}

impl<T: Real> Channel<T> {
    /// What BatchNorm makes of a value, before a residual and ReLU. Every kernel that needs it computes it here, so that a sign which is
    /// found again is the sign that was.
    #[inline(always)]
    fn normalized(self, x: T) -> T {
        (x - self.mean) * (self.gamma * self.inv_std) + self.beta
    }
    #[inline(always)]
    fn normalize(self, relu: bool, x: impl Iterator<Item = T>, y: &mut [T]) {
        if relu {
            for (y, x) in y.iter_mut().zip(x) {
                *y = floor(self.normalized(x));
            }
        } else {
            for (y, x) in y.iter_mut().zip(x) {
                *y = self.normalized(x);
            }
        }
    }
}

/// Statistics and affine parameters as a kernel reads them.
#[derive(Clone, Copy)]
pub struct Norm<'a, T> {
    /// Extent.
    shape: Shape,
    /// Real lanes.
    n_valid: usize,
    /// `[2][C]` mean, then 1/std (train) or variance (eval).
    stats: &'a [T],
    /// Running statistics.
    eval: bool,
    /// Added to the running variance.
    eps: T,
    /// `[2][C]` gamma, beta; absent where only the statistics matter.
    affine: Option<&'a [T]>,
}

impl<'a, T: Real> Norm<'a, T> {
    /// An op's, over the extent of its input; the affine parameters where it binds them.
    fn of(shape: Shape, (eval, eps): (bool, f32), lent: &Lent<'a, T>, step: &StepParams) -> Result<Self> {
        let (stats, affine) = (lent.read("stats")?, lent.read_some("affine")?);
        Ok(Self { shape, n_valid: step.n_valid as usize, stats, eval, eps: T::from_f32(eps), affine })
    }
    fn channel(&self, c: usize) -> Channel<T> {
        let second = self.stats[self.shape.c + c];
        Channel {
            mean: self.stats[c],
            inv_std: if self.eval { T::ONE / (second + self.eps).sqrt() } else { second },
            gamma: self.affine.map_or(T::ONE, |a| a[c]),
            beta: self.affine.map_or(T::ZERO, |a| a[self.shape.c + c]),
        }
    }
    fn count(&self) -> usize {
        self.shape.h * self.shape.w * self.n_valid.min(self.shape.n)
    }
}

/// [`BatchNormApply`] without a residual, as whoever loads an activation applies it.
#[derive(Clone, Copy)]
pub struct OnLoad<'a, T> {
    norm: Norm<'a, T>,
    relu: bool,
}

impl<'a, T: Real> OnLoad<'a, T> {
    /// What an op asks for, if it does, over its input's extent.
    pub fn of(op: Option<NormOnLoad>, shape: Shape, lent: &Lent<'a, T>, step: &StepParams) -> Result<Option<Self>> {
        let Some(NormOnLoad { eval, eps, relu, .. }) = op else { return Ok(None) };
        Ok(Some(Self { norm: Norm::of(shape, (eval, eps), lent, step)?, relu }))
    }
    /// Some whole runs of lanes of a channel, normalised; zero beyond the valid lanes.
    pub fn copy(&self, channel: usize, x: Activation<'_, T>, y: &mut [T]) {
        pulp::Arch::new().dispatch(Load { constants: self.norm.channel(channel), relu: self.relu, x, y: &mut *y });
        clear_padding(self.norm.shape.n, self.norm.n_valid, y);
    }
}

/// Some of a channel, normalised.
struct Load<'a, T> {
    constants: Channel<T>,
    relu: bool,
    x: Activation<'a, T>,
    y: &'a mut [T],
}

impl<T: Real> WithSimd for Load<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { constants, relu, x, y } = self;
        match x {
            Activation::Full(x) => constants.normalize(relu, x.iter().copied(), y),
            Activation::Half(x) => constants.normalize(relu, x.iter().map(|&x| wide(x)), y),
        }
    }
}

/// Independent accumulators of a sum: enough for two of the widest vectors. A block of values is added up in their own type before the sum
/// goes on in float64.
const LANES: usize = 32;

/// Two sums in float64, lane by lane.
struct Totals([[f64; LANES]; 2]);

impl Totals {
    #[inline(always)]
    fn new() -> Self {
        Self([[0.0; LANES]; 2])
    }
    /// Adds those of a run.
    #[inline(always)]
    fn add<T: Real>(&mut self, sums: [[T; LANES]; 2]) {
        for (totals, sums) in self.0.iter_mut().zip(sums) {
            for lane in 0..LANES {
                totals[lane] += sums[lane].to_f64();
            }
        }
    }
    /// Over all lanes.
    #[inline(always)]
    fn sums(self) -> [f64; 2] {
        self.0.map(|lanes| lanes.into_iter().sum())
    }
}

/// The last values of a block as whole vectors, filled up with `beyond`.
#[inline(always)]
fn filled<T: Real>(rest: &[T], beyond: T) -> [T; LANES] {
    let mut vectors = [beyond; LANES];
    vectors[..rest.len()].copy_from_slice(rest);
    vectors
}

#[inline(always)]
fn add_moments<T: Real>(sums: &mut [[T; LANES]; 2], x: &[T; LANES], pivot: T) {
    for lane in 0..LANES {
        let distance = x[lane] - pivot;
        sums[0][lane] += distance;
        sums[1][lane] += distance * distance;
    }
}

/// [`Moments`] of each piece, about its channel's first value.
fn batchnorm_stats<T: Real>(shape: Shape, n_valid: usize, x: Activation<'_, T>) -> Vec<[f64; 2]> {
    let pieces = Pieces::new(shape);
    parallel::map(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        // Where all lanes are valid its runs are one.
        let (run, valid) = if n_valid < shape.n { (shape.n, n_valid) } else { (len, len) };
        pulp::Arch::new().dispatch(Moments { x: x.part(start, len), run, valid, pivot: pivot(shape, x, c) })
    })
}

/// Sum and sum of squares of a piece's distances from `pivot`, a value of the channel: so close to the mean that squares of float32 are safe.
#[derive(Clone, Copy)]
struct Moments<'a, T> {
    x: Activation<'a, T>,
    /// Floats of a run, and how many of its first ones count.
    run: usize,
    valid: usize,
    pivot: T,
}

impl<T: Real> WithSimd for Moments<'_, T> {
    type Output = [f64; 2];
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f64; 2] {
        let Self { x, run, valid, pivot } = self;
        let (mut totals, mut room) = (Totals::new(), Room::new());
        for start in (0..x.len()).step_by(run) {
            let x = x.part(start, valid);
            for (start, len) in blocks(valid) {
                let mut sums = [[T::ZERO; LANES]; 2];
                let (vectors, rest) = x.block(start, len, &mut room).as_chunks::<LANES>();
                for vectors in vectors {
                    add_moments(&mut sums, vectors, pivot);
                }
                if !rest.is_empty() {
                    add_moments(&mut sums, &filled(rest, pivot), pivot);
                }
                totals.add(sums);
            }
        }
        let sums = totals.sums();
        if sums[1].is_finite() { sums } else { self.of_huge() }
    }
}

impl<T: Real> Moments<'_, T> {
    /// The same of values whose squares overflow in their own type.
    #[cold]
    fn of_huge(self) -> [f64; 2] {
        let valid = (0..self.x.len()).filter(|i| i % self.run < self.valid);
        valid.map(|i| self.x.at(i).to_f64() - self.pivot.to_f64()).fold([0.0; 2], |[sum, squares], d| [sum + d, squares + d * d])
    }
}

/// A value of the channel, of a lane that is always valid.
fn pivot<T: Real>(shape: Shape, x: Activation<'_, T>, c: usize) -> T {
    x.at(c * shape.plane())
}

/// Batch statistics into `saved`, and a step of the running ones.
fn batchnorm_finish<T: Real>(
    op: &BatchNormStats,
    n_valid: usize,
    (x, partials): (Activation<'_, T>, &[[f64; 2]]),
    saved: &mut [T],
    running: &mut [T],
) {
    let (shape, momentum, eps) = (op.shape, T::from_f32(op.momentum), T::from_f32(op.eps));
    let count = (shape.h * shape.w * n_valid.min(shape.n)).max(1) as f64;
    for (c, [sum, squares]) in sum_partials(Pieces::new(shape), partials).into_iter().enumerate() {
        let distance = sum / count;
        let mean = pivot(shape, x, c).to_f64() + distance;
        // Rounding may take a variance of zero below zero; a NaN stays one.
        let variance = squares / count - distance * distance;
        let variance = if variance < 0.0 { 0.0 } else { variance };
        saved[c] = T::from_f64(mean);
        saved[shape.c + c] = T::from_f64(1.0 / (variance + eps.to_f64()).sqrt());
        let unbiased = variance * count / (count - 1.0).max(1.0);
        let step = |old: T, new: f64| (T::ONE - momentum) * old + momentum * T::from_f64(new);
        running[c] = step(running[c], mean);
        running[shape.c + c] = step(running[shape.c + c], unbiased);
    }
}

#[inline(always)]
fn floor<T: Real>(value: T) -> T {
    if value < T::ZERO { T::ZERO } else { value }
}

/// `y = relu(gamma * xhat + beta + residual)`, zero beyond the valid lanes.
fn batchnorm_apply<T: Real>(
    norm: Norm<'_, T>,
    x: Activation<'_, T>,
    residual: Option<Activation<'_, T>>,
    relu: bool,
    y: ActivationMut<'_, T>,
) {
    let shape = norm.shape;
    let pieces = Pieces::new(shape);
    let y = y.share();
    parallel_for(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        // SAFETY: pieces are disjoint.
        let mut y = unsafe { y.part(start, len) };
        let (x, residual, constants) = (x.part(start, len), residual.map(|r| r.part(start, len)), norm.channel(c));
        pulp::Arch::new().dispatch(ApplyPiece { constants, x, residual, relu, y: &mut y });
        y.clear_padding(shape.n, norm.n_valid);
    });
}

/// A piece of [`batchnorm_apply`].
struct ApplyPiece<'a, 'y, T> {
    constants: Channel<T>,
    x: Activation<'a, T>,
    residual: Option<Activation<'a, T>>,
    relu: bool,
    y: &'a mut ActivationMut<'y, T>,
}

impl<T: Real> WithSimd for ApplyPiece<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { constants, x, residual, relu, y } = self;
        let mut rooms = [Room::new(), Room::new(), Room::new()];
        let [for_x, for_residual, for_y] = &mut rooms;
        for (start, len) in blocks(x.len()) {
            let (x, y) = (x.block(start, len, for_x), y.overwrite(start, len, for_y));
            match residual {
                None => constants.normalize(relu, x.iter().copied(), y.floats),
                Some(residual) => {
                    for ((y, &x), &r) in y.floats.iter_mut().zip(x).zip(residual.block(start, len, for_residual)) {
                        let pre = constants.normalized(x) + r;
                        *y = if relu { floor(pre) } else { pre };
                    }
                }
            }
        }
    }
}

/// Where the ReLU that followed let through.
#[derive(Clone, Copy)]
enum Passed<'a, T> {
    Everywhere,
    Output(Activation<'a, T>),
    Again,
}

impl<'a, T: Real> Passed<'a, T> {
    fn of(gate: Gate, lent: &Lent<'a, T>) -> Result<Self> {
        Ok(match gate {
            Gate::Open => Self::Everywhere,
            Gate::Output(_) => Self::Output(lent.activation("y")?),
            Gate::Again => Self::Again,
        })
    }
    fn part(self, start: usize, len: usize) -> Self {
        match self {
            Self::Output(y) => Self::Output(y.part(start, len)),
            other => other,
        }
    }
}

/// The gradient before ReLU.
#[inline(always)]
fn before_relu<T: Real>(y: T, dy: T) -> T {
    if y <= T::ZERO { T::ZERO } else { dy }
}

/// Adds `sum dpre * (x - mean)` and `sum dpre` of a block, where `dpre(y, x, dy)` is the gradient before ReLU.
#[inline(always)]
fn add_gradient_sums<T: Real>(totals: &mut Totals, [dy, y, x]: [&[T]; 3], mean: T, dpre: impl Fn(T, T, T) -> T + Copy) {
    let mut sums = [[T::ZERO; LANES]; 2];
    let ((dy, dy_rest), (y, y_rest), (x, x_rest)) = (dy.as_chunks::<LANES>(), y.as_chunks::<LANES>(), x.as_chunks::<LANES>());
    for ((dy, y), x) in dy.iter().zip(y).zip(x) {
        add_products(&mut sums, [dy, y, x], mean, dpre);
    }
    if !x_rest.is_empty() {
        let rest = [filled(dy_rest, T::ZERO), filled(y_rest, T::ZERO), filled(x_rest, mean)];
        add_products(&mut sums, [&rest[0], &rest[1], &rest[2]], mean, dpre);
    }
    totals.add(sums);
}

#[inline(always)]
fn add_products<T: Real>(sums: &mut [[T; LANES]; 2], [dy, y, x]: [&[T; LANES]; 3], mean: T, dpre: impl Fn(T, T, T) -> T) {
    for lane in 0..LANES {
        let dpre = dpre(y[lane], x[lane], dy[lane]);
        sums[0][lane] += dpre * (x[lane] - mean);
        sums[1][lane] += dpre;
    }
}

/// `[sum dpre * (x - mean), sum dpre]` of each piece. Padded lanes of `dy` are zero and so add nothing.
fn batchnorm_reduce_grad<T: Real>(norm: Norm<'_, T>, dy: Activation<'_, T>, passed: Passed<'_, T>, x: Activation<'_, T>) -> Vec<[f64; 2]> {
    let pieces = Pieces::new(norm.shape);
    parallel::map(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        let (dy, x, passed) = (dy.part(start, len), x.part(start, len), passed.part(start, len));
        pulp::Arch::new().dispatch(GradientSums { constants: norm.channel(c), dy, passed, x })
    })
}

/// `[sum dpre * (x - mean), sum dpre]` of a piece.
struct GradientSums<'a, T> {
    constants: Channel<T>,
    dy: Activation<'a, T>,
    passed: Passed<'a, T>,
    x: Activation<'a, T>,
}

impl<T: Real> WithSimd for GradientSums<'_, T> {
    type Output = [f64; 2];
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f64; 2] {
        let Self { constants, dy, passed, x } = self;
        let (mean, mut totals, mut rooms) = (constants.mean, Totals::new(), [Room::new(), Room::new(), Room::new()]);
        let [for_dy, for_y, for_x] = &mut rooms;
        for (start, len) in blocks(x.len()) {
            let (dy, x) = (dy.block(start, len, for_dy), x.block(start, len, for_x));
            // Where no output is needed any slice of its length will do.
            match passed {
                Passed::Everywhere => add_gradient_sums(&mut totals, [dy, dy, x], mean, |_, _, dy| dy),
                Passed::Output(y) => {
                    let y = y.block(start, len, for_y);
                    add_gradient_sums(&mut totals, [dy, y, x], mean, |y, _, dy| before_relu(y, dy));
                }
                Passed::Again => {
                    add_gradient_sums(&mut totals, [dy, x, x], mean, |_, x, dy| before_relu(constants.normalized(x), dy));
                }
            }
        }
        totals.sums()
    }
}

/// Operands of [`batchnorm_input_grad`].
struct InputGrad<'a, T> {
    /// Statistics and affine parameters.
    norm: Norm<'a, T>,
    /// Gradient of `y`; `None` where it stands in `dx`.
    dy: Option<Activation<'a, T>>,
    /// The ReLU that followed.
    passed: Passed<'a, T>,
    /// Forward input.
    x: Activation<'a, T>,
    /// `[2][C]` of [`BatchNormReduceGrad`] (train only).
    daffine: Option<&'a [T]>,
    /// Gradient of `x`.
    dx: ActivationMut<'a, T>,
    /// Add to `dx` instead of overwriting it.
    accumulate: bool,
    /// Gradient of the residual, and whether to add to it.
    dresidual: Option<(ActivationMut<'a, T>, bool)>,
}

/// Gradient of the input and of the residual.
fn batchnorm_input_grad<T: Real>(args: InputGrad<'_, T>) {
    let InputGrad { norm, dy, passed, x, daffine, dx, accumulate, dresidual } = args;
    let shape = norm.shape;
    let count = T::from_f64(norm.count().max(1) as f64);
    let pieces = Pieces::new(shape);
    let dx = dx.share();
    let dresidual = dresidual.map(|(d, accumulate)| (d.share(), accumulate));
    parallel_for(pieces.count(), |i| {
        let (c, start, len) = pieces.get(i);
        let constants = norm.channel(c);
        let scale = constants.gamma * constants.inv_std;
        let (shift, slope) = match daffine {
            None => (T::ZERO, T::ZERO),
            Some(d) => (scale * d[shape.c + c] / count, scale * d[c] / count * constants.inv_std),
        };
        // SAFETY: pieces are disjoint.
        let mut dx = unsafe { dx.part(start, len) };
        // SAFETY: pieces are disjoint.
        let dresidual = dresidual.as_ref().map(|(d, accumulate)| (unsafe { d.part(start, len) }, *accumulate));
        let (x, passed, dy) = (x.part(start, len), passed.part(start, len), dy.map(|dy| dy.part(start, len)));
        let gradient = Gradient { scale, shift, slope };
        pulp::Arch::new().dispatch(InputGradPiece { constants, gradient, dy, passed, x, dx: &mut dx, accumulate, dresidual });
        dx.clear_padding(shape.n, norm.n_valid);
    });
}

/// `dx = scale * dpre - shift - slope * (x - mean)`
#[derive(Clone, Copy)]
struct Gradient<T> {
    scale: T,
    shift: T,
    slope: T,
}

/// A piece of [`batchnorm_input_grad`].
struct InputGradPiece<'a, 'dx, T> {
    constants: Channel<T>,
    gradient: Gradient<T>,
    dy: Option<Activation<'a, T>>,
    passed: Passed<'a, T>,
    x: Activation<'a, T>,
    dx: &'a mut ActivationMut<'dx, T>,
    accumulate: bool,
    dresidual: Option<(ActivationMut<'a, T>, bool)>,
}

impl<T: Real> WithSimd for InputGradPiece<'_, '_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { constants, gradient: Gradient { scale, shift, slope }, dy, passed, x, dx, accumulate, mut dresidual } = self;
        // `dx` may be `dy`, and every reader of `dpre` must see it before `dx` is written.
        let mut dpre = Room::new();
        let mut rooms = [Room::new(), Room::new(), Room::new()];
        let [for_x, for_y, room] = &mut rooms;
        for (start, len) in blocks(x.len()) {
            let x = x.block(start, len, for_x);
            let dpre = dpre.copied(dy.unwrap_or(dx.read()).block(start, len, room));
            match passed {
                Passed::Everywhere => {}
                Passed::Output(y) => {
                    for (dpre, &y) in dpre.iter_mut().zip(y.block(start, len, for_y)) {
                        *dpre = before_relu(y, *dpre);
                    }
                }
                Passed::Again => {
                    for (dpre, &x) in dpre.iter_mut().zip(x) {
                        *dpre = before_relu(constants.normalized(x), *dpre);
                    }
                }
            }
            if let Some((dresidual, adds)) = &mut dresidual {
                if *adds {
                    for (d, &dpre) in dresidual.update(start, len, room).floats.iter_mut().zip(&*dpre) {
                        *d += dpre;
                    }
                } else {
                    dresidual.overwrite(start, len, room).floats.copy_from_slice(dpre);
                }
            }
            if accumulate {
                for ((dx, &dpre), &x) in dx.update(start, len, room).floats.iter_mut().zip(&*dpre).zip(x) {
                    *dx += scale * dpre - shift - slope * (x - constants.mean);
                }
            } else {
                for ((dx, &dpre), &x) in dx.overwrite(start, len, room).floats.iter_mut().zip(&*dpre).zip(x) {
                    *dx = scale * dpre - shift - slope * (x - constants.mean);
                }
            }
        }
    }
}

impl<T: Real> Run<T> for BatchNormStats {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let (x, n_valid) = (lent.activation("x")?, step.n_valid as usize);
        let partials = batchnorm_stats(self.shape, n_valid, x);
        batchnorm_finish(self, n_valid, (x, &partials), lent.write("saved")?, lent.write("running")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for BatchNormApply {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let norm = Norm::of(self.shape, (self.eval, self.eps), lent, step)?;
        batchnorm_apply(norm, lent.activation("x")?, lent.activation_some("residual")?, self.relu, lent.activation_mut("y")?);
        Ok(())
    }
}

impl<T: Real> Run<T> for BatchNormReduceGrad {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let norm = Norm::of(self.shape, (self.eval, self.eps), lent, step)?;
        let partials = batchnorm_reduce_grad(norm, lent.activation("dy")?, Passed::of(self.gate, lent)?, lent.activation("x")?);
        let daffine = lent.write("daffine")?;
        for (c, [centred, plain]) in sum_partials(Pieces::new(self.shape), &partials).into_iter().enumerate() {
            daffine[c] = T::from_f64(centred * norm.channel(c).inv_std.to_f64());
            daffine[self.shape.c + c] = T::from_f64(plain);
        }
        Ok(())
    }
}

impl<T: Real> Run<T> for BatchNormInputGrad {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let norm = Norm::of(self.shape, (self.eval, self.eps), lent, step)?;
        let accumulate_residual = self.dresidual.is_some_and(|(_, accumulate)| accumulate);
        batchnorm_input_grad(InputGrad {
            norm,
            dy: lent.activation_some("dy")?,
            passed: Passed::of(self.gate, lent)?,
            x: lent.activation("x")?,
            daffine: lent.read_some("daffine")?,
            dx: lent.activation_mut("dx")?,
            accumulate: self.accumulate,
            dresidual: lent.activation_mut_some("dresidual")?.map(|d| (d, accumulate_residual)),
        });
        Ok(())
    }
}
