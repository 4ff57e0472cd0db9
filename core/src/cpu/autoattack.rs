//! The twins of `ops::autoattack`: a lane is gathered into a slice, a plain function works on it, and it is put back.
//!
//! Lanes are independent, so they are the tasks that threads share. Norms are summed in float64.

use super::lent::Lent;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::autoattack::{Ball, LaneLossKind, SQUARE_WORDS};
use crate::ops::{ApgdKeep, ApgdStep, FabKeep, FabStep, LaneLoss, Shape, SquareKeep, SquareStep, StepParams};
use crate::platform::parallel;

/// Added to denominators, as the authors do.
const TINY: f32 = 1e-12;
/// Newton steps of a projection on a hyperplane; each is exact until one more pixel reaches the box.
pub const PROJECTION_STEPS: usize = 32;

fn column<T: Real>(values: &[T], n: usize, lane: usize) -> Vec<T> {
    values.iter().skip(lane).step_by(n).copied().collect()
}

fn put<T: Real>(values: &mut [T], n: usize, lane: usize, column: &[T]) {
    values.iter_mut().skip(lane).step_by(n).zip(column).for_each(|(to, from)| *to = *from);
}

fn abs<T: Real>(v: T) -> T {
    if v < T::ZERO { -v } else { v }
}

fn clip<T: Real>(v: T, low: T, high: T) -> T {
    if v < low {
        low
    } else if v > high {
        high
    } else {
        v
    }
}

fn unit<T: Real>(v: T) -> T {
    clip(v, T::ZERO, T::ONE)
}

fn sign<T: Real>(v: T) -> T {
    if v > T::ZERO {
        T::ONE
    } else if v < T::ZERO {
        -T::ONE
    } else {
        T::ZERO
    }
}

fn norm<T: Real>(values: impl Iterator<Item = T>) -> f64 {
    libm::sqrt(values.map(|v| v.to_f64() * v.to_f64()).sum())
}

/// Of a difference.
fn distance<T: Real>(l2: bool, a: &[T], b: &[T]) -> T {
    let differences = a.iter().zip(b).map(|(a, b)| *a - *b);
    match l2 {
        true => T::from_f64(norm(differences)),
        false => differences.map(abs).fold(T::ZERO, |m, v| if v > m { v } else { m }),
    }
}

/// `x` onto the ball around `clean` and into the box.
fn onto_ball<T: Real>(ball: Ball, clean: &[T], x: &mut [T]) {
    let eps = T::from_f32(ball.eps);
    let scale = match ball.l2 {
        false => T::ONE,
        true => {
            let norm = norm(x.iter().zip(clean).map(|(x, c)| *x - *c));
            if norm > f64::from(ball.eps) { T::from_f64(f64::from(ball.eps) / norm) } else { T::ONE }
        }
    };
    for (x, &clean) in x.iter_mut().zip(clean) {
        let d = *x - clean;
        *x = unit(clean + if ball.l2 { d * scale } else { clip(d, -eps, eps) });
    }
}

/// The classes in order of their logits, the largest four; the last one again where there are fewer.
fn top<T: Real>(logits: &[T]) -> [usize; 4] {
    let mut top = [0; 4];
    for k in 0..4 {
        let mut best = None;
        for class in (0..logits.len()).filter(|class| !top[..k].contains(class)) {
            if best.is_none_or(|best: usize| logits[class] > logits[best]) {
                best = Some(class);
            }
        }
        top[k] = best.unwrap_or(top[k.max(1) - 1]);
    }
    top
}

/// A lane's loss, and its gradient into `gradient`, which is zero.
fn loss<T: Real>(kind: LaneLossKind, z: &[T], label: usize, target: usize, gradient: &mut [T]) -> T {
    let top = top(z);
    let other = (0..z.len()).filter(|c| *c != label).fold(None, |best, c| match best {
        Some(best) if z[c] <= z[best] => Some(best),
        _ => Some(c),
    });
    let other = other.unwrap_or(label);
    let half = T::from_f32(0.5);
    let ratio = |gradient: &mut [T], other: usize, third: usize, fourth: usize| {
        let spread = z[top[0]] - half * (z[third] + z[fourth]) + T::from_f32(TINY);
        let (difference, spread) = (z[label] - z[other], if z.len() < 3 { T::ONE } else { spread });
        gradient[label] += -T::ONE / spread;
        gradient[other] += T::ONE / spread;
        if z.len() >= 3 {
            let slope = difference / (spread * spread);
            gradient[top[0]] += slope;
            gradient[third] += -half * slope;
            gradient[fourth] += -half * slope;
        }
        -difference / spread
    };
    match kind {
        LaneLossKind::CrossEntropy => {
            let largest = z[top[0]];
            let sum: T = z.iter().map(|v| (*v - largest).exp()).sum();
            for (g, v) in gradient.iter_mut().zip(z) {
                *g = (*v - largest).exp() / sum;
            }
            gradient[label] += -T::ONE;
            sum.ln() - (z[label] - largest)
        }
        LaneLossKind::Dlr => ratio(gradient, other, top[2], top[2]),
        LaneLossKind::DlrTargeted => ratio(gradient, target, top[2], top[3]),
        LaneLossKind::Difference => {
            gradient[target] += T::ONE;
            gradient[label] += -T::ONE;
            z[target] - z[label]
        }
        LaneLossKind::Margin => {
            gradient[label] += T::ONE;
            gradient[other] += -T::ONE;
            z[label] - z[other]
        }
    }
}

/// Values and gradients of all lanes; a label or target that names no class gives NaN and no gradient.
fn lane_loss<T: Real>(op: &LaneLoss, n_valid: usize, logits: &[T], [labels, targets]: [&[u32]; 2], values: &mut [T], dlogits: &mut [T]) {
    let (classes, n) = (op.classes, op.n);
    values[..2 * n].fill(T::ZERO);
    dlogits[..classes * n].fill(T::ZERO);
    for lane in 0..n_valid.min(n) {
        let z = column(&logits[..classes * n], n, lane);
        let (label, target) = (labels[lane] as usize, targets[lane] as usize);
        if label >= classes || target >= classes {
            values[lane] = T::from_f64(f64::NAN);
            continue;
        }
        let mut gradient = vec![T::ZERO; classes];
        values[lane] = loss(op.kind, &z, label, target, &mut gradient);
        values[n + lane] = if top(&z)[0] == label { T::ZERO } else { T::ONE };
        put(&mut dlogits[..classes * n], n, lane, &gradient);
    }
}

/// Where APGD goes from `x`: `size` along the gradient, onto the ball, `weight` of that and the rest of the last move, onto the ball.
fn apgd_move<T: Real>(ball: Ball, weight: T, size: T, clean: &[T], grad: &[T], x: &[T], old: &[T]) -> Vec<T> {
    let length = T::from_f64(norm(grad.iter().copied())) + T::from_f32(TINY);
    let step = |g: T| if ball.l2 { g / length } else { sign(g) };
    let mut moved: Vec<T> = x.iter().zip(grad).map(|(x, g)| *x + size * step(*g)).collect();
    onto_ball(ball, clean, &mut moved);
    for (i, m) in moved.iter_mut().enumerate() {
        *m = x[i] + (*m - x[i]) * weight + (x[i] - old[i]) * (T::ONE - weight);
    }
    onto_ball(ball, clean, &mut moved);
    moved
}

/// What APGD decides about a lane; see the rows of `lanes` at [`crate::ops::autoattack::APGD_ROWS`].
struct Decision {
    better: bool,
    halve: bool,
}

fn apgd_decide<T: Real>(loss: T, control: &[T], lane: &mut [T]) -> Decision {
    let (interval, start) = (control[1], control[2] != T::ZERO);
    if start {
        lane[1..].copy_from_slice(&[loss, loss, T::ZERO, loss, T::ONE]);
        return Decision { better: true, halve: false };
    }
    let better = loss > lane[1];
    if better {
        lane[1] = loss;
    }
    if loss > lane[2] {
        lane[3] += T::ONE;
    }
    lane[2] = loss;
    let mut halve = false;
    if interval > T::ZERO {
        let stuck = lane[5] == T::ZERO && lane[4] >= lane[1];
        halve = stuck || lane[3] <= T::from_f32(0.75) * interval;
        (lane[3], lane[4], lane[5]) = (T::ZERO, lane[1], if halve { T::ONE } else { T::ZERO });
        if halve {
            lane[0] *= T::from_f32(0.5);
        }
    }
    Decision { better, halve }
}

/// The smallest change of `x` within the box that brings `w * x` down by `excess` (up, where it is negative): every pixel moves
/// along `w` as far as the box lets it, by `m` times one multiplier, where `m` is 1 (maximum norm) or `|w|` (Euclidean).
///
/// What is reached is a concave, piecewise linear function of the multiplier, so Newton's steps from 0 never overshoot.
pub fn project<T: Real>(l2: bool, x: &[T], w: &[T], excess: T) -> Vec<T> {
    let direction = if excess < T::ZERO { -T::ONE } else { T::ONE };
    let excess = abs(excess);
    let room = |i: usize| if direction * w[i] > T::ZERO { x[i] } else { T::ONE - x[i] };
    let rate = |i: usize| if l2 { abs(w[i]) } else { T::ONE };
    let mut multiplier = T::ZERO;
    for _ in 0..PROJECTION_STEPS {
        let (mut reached, mut slope) = (0.0, 0.0);
        for (i, w) in w.iter().enumerate() {
            let (w, wanted) = (abs(*w).to_f64(), (multiplier * rate(i)).to_f64());
            let room = room(i).to_f64();
            reached += w * wanted.min(room);
            if wanted < room {
                slope += w * rate(i).to_f64();
            }
        }
        let missing = excess.to_f64() - reached;
        // Where no pixel can move any further, the boundary is out of reach.
        if missing <= 0.0 || slope <= 0.0 {
            break;
        }
        multiplier += T::from_f64(missing / slope);
    }
    let change = |i: usize| {
        let wanted = multiplier * rate(i);
        -direction * sign(w[i]) * if wanted < room(i) { wanted } else { room(i) }
    };
    (0..x.len()).map(change).collect()
}

/// Least distance by which the shares of both projections are weighed, the greatest share of the clean image's, and overshoot.
const FAB: (f32, f32, f32) = (1e-8, 0.1, 1.05);

/// Where FAB goes from `x`.
fn fab_move<T: Real>(op: &FabStep, difference: T, clean: &[T], w: &[T], x: &[T]) -> Vec<T> {
    let (least, most, past) = (T::from_f32(FAB.0), T::from_f32(FAB.1), T::from_f32(FAB.2));
    let between: f64 = w.iter().zip(clean.iter().zip(x)).map(|(w, (c, x))| w.to_f64() * (*c - *x).to_f64()).sum();
    let near = project(op.l2, x, w, difference);
    let far = project(op.l2, clean, w, T::from_f64(difference.to_f64() + between));
    let zero = vec![T::ZERO; x.len()];
    let length = |d: &[T]| {
        let length = distance(op.l2, d, &zero);
        if length > least { length } else { least }
    };
    let (a, b) = (length(&near), length(&far));
    let share = clip(a / (a + b), T::ZERO, most);
    let mix = |i: usize| (x[i] + past * near[i]) * (T::ONE - share) + (clean[i] + past * far[i]) * share;
    (0..x.len()).map(|i| unit(mix(i))).collect()
}

/// Of a window: its rows and columns.
fn inside(window: (usize, usize), side: usize, y: usize, x: usize) -> bool {
    (window.0..window.0 + side).contains(&y) && (window.1..window.1 + side).contains(&x)
}

/// Square's proposal for a lane; see [`SQUARE_WORDS`].
fn square_move<T: Real>(op: &SquareStep, words: &[T], pyramids: &[T], clean: &[T], best: &[T]) -> Vec<T> {
    let Shape { c: channels, h, w, .. } = op.shape;
    let word = |i: usize| words[i].to_f64() as usize;
    let (first, second, side, transposed) = ((word(0), word(1)), (word(8), word(9)), word(2), word(3) == 1);
    let place = |i: usize| (i / (h * w), i / w % h, i % w);
    let eps = T::from_f32(op.ball.eps);
    let mut x = best.to_vec();
    if !op.ball.l2 {
        for (i, x) in x.iter_mut().enumerate() {
            let (c, row, col) = place(i);
            if inside(first, side, row, col) {
                *x += (eps + eps) * words[4 + c];
            }
        }
        onto_ball(op.ball, clean, &mut x);
        return x;
    }
    let mut delta: Vec<T> = best.iter().zip(clean).map(|(b, c)| *b - *c).collect();
    let whole = norm(delta.iter().copied());
    let free = (f64::from(op.ball.eps) * f64::from(op.ball.eps) - whole * whole).max(0.0) / channels as f64;
    for c in 0..channels {
        let plane = &mut delta[c * h * w..(c + 1) * h * w];
        let of = |plane: &[T], wanted: &dyn Fn(usize, usize) -> bool| {
            norm(plane.iter().enumerate().filter(|(i, _)| wanted(i / w, i % w)).map(|(_, v)| *v))
        };
        let before = T::from_f64(of(plane, &|y, x| inside(first, side, y, x))) + T::from_f32(TINY);
        let both = of(plane, &|y, x| inside(first, side, y, x) || inside(second, side, y, x));
        for (i, v) in plane.iter_mut().enumerate() {
            let (row, col) = (i / w, i % w);
            if inside(first, side, row, col) {
                let (y, x) = (row - first.0, col - first.1);
                let pyramid = if transposed { pyramids[x * side + y] } else { pyramids[y * side + x] };
                *v = words[4 + c] * pyramid + *v / before;
            } else if inside(second, side, row, col) {
                *v = T::ZERO;
            }
        }
        let now = of(plane, &|y, x| inside(first, side, y, x)) + f64::from(TINY);
        let scale = T::from_f64(libm::sqrt(free + both * both) / now);
        for (i, v) in plane.iter_mut().enumerate() {
            if inside(first, side, i / w, i % w) {
                *v *= scale;
            }
        }
    }
    let scale = T::from_f64(f64::from(op.ball.eps) / norm(delta.iter().copied()).max(f64::from(TINY)));
    clean.iter().zip(&delta).map(|(c, d)| unit(*c + *d * scale)).collect()
}

/// Writes the columns that `work` makes of each lane to `to`.
fn each_lane<T: Real>(n: usize, to: &mut [T], work: impl Fn(usize) -> Vec<T> + Sync + Send) {
    let columns = parallel::map(n, work);
    for (lane, made) in columns.iter().enumerate() {
        put(to, n, lane, made);
    }
}

impl<T: Real> Run<T> for LaneLoss {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let classes = [lent.index("labels")?, lent.index("targets")?];
        lane_loss(self, step.n_valid as usize, lent.read("logits")?, classes, lent.write("values")?, lent.write("dlogits")?);
        Ok(())
    }
}

/// See [`ApgdStep`].
fn apgd_step<T: Real>(op: &ApgdStep, [clean, grad, lanes, control]: [&[T]; 4], x: &mut [T], old: &mut [T]) {
    let n = op.shape.n;
    let before = x.to_vec();
    each_lane(n, x, |lane| {
        let [clean, grad, x, old] = [clean, grad, &before, old].map(|v| column(v, n, lane));
        apgd_move(op.ball, control[0], lanes[lane], &clean, &grad, &x, &old)
    });
    old.copy_from_slice(&before);
}

impl<T: Real> Run<T> for ApgdStep {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        let read = [lent.read("clean")?, lent.read("grad")?, lent.read("lanes")?, lent.read("control")?];
        apgd_step(self, read, lent.write("x")?, lent.write("old")?);
        Ok(())
    }
}

/// What [`apgd_keep`] writes.
struct Kept<'a, T> {
    x: &'a mut [T],
    grad: &'a mut [T],
    best: &'a mut [T],
    best_grad: &'a mut [T],
    adv: &'a mut [T],
    lanes: &'a mut [T],
}

/// See [`ApgdKeep`].
fn apgd_keep<T: Real>(n: usize, values: &[T], control: &[T], kept: Kept<'_, T>) {
    let Kept { x, grad, best, best_grad, adv, lanes } = kept;
    for lane in 0..n {
        let mut state = column(lanes, n, lane);
        let Decision { better, halve } = apgd_decide(values[lane], control, &mut state);
        put(lanes, n, lane, &state);
        let fools = values[n + lane] != T::ZERO;
        for i in (lane..x.len()).step_by(n) {
            if fools {
                adv[i] = x[i];
            }
            if better {
                (best[i], best_grad[i]) = (x[i], grad[i]);
            }
            if halve {
                (x[i], grad[i]) = (best[i], best_grad[i]);
            }
        }
    }
}

impl<T: Real> Run<T> for ApgdKeep {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        let kept = Kept {
            x: lent.write("x")?,
            grad: lent.write("grad")?,
            best: lent.write("best")?,
            best_grad: lent.write("best_grad")?,
            adv: lent.write("adv")?,
            lanes: lent.write("lanes")?,
        };
        apgd_keep(self.shape.n, lent.read("values")?, lent.read("control")?, kept);
        Ok(())
    }
}

/// See [`FabStep`].
fn fab_step<T: Real>(op: &FabStep, clean: &[T], grad: &[T], values: &[T], x: &mut [T]) {
    let n = op.shape.n;
    let before = x.to_vec();
    each_lane(n, x, |lane| {
        let [clean, grad, x] = [clean, grad, &before].map(|v| column(v, n, lane));
        fab_move(op, values[lane], &clean, &grad, &x)
    });
}

impl<T: Real> Run<T> for FabStep {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        fab_step(self, lent.read("clean")?, lent.read("grad")?, lent.read("values")?, lent.write("x")?);
        Ok(())
    }
}

/// See [`FabKeep`].
fn fab_keep<T: Real>(op: &FabKeep, clean: &[T], values: &[T], x: &mut [T], adv: &mut [T], lanes: &mut [T]) {
    let n = op.shape.n;
    for lane in (0..n).filter(|lane| values[n + lane] != T::ZERO) {
        let (clean, mut moved) = (column(clean, n, lane), column(x, n, lane));
        let distance = distance(op.l2, &moved, &clean);
        if distance < lanes[lane] {
            lanes[lane] = distance;
            put(adv, n, lane, &moved);
        }
        for (x, clean) in moved.iter_mut().zip(clean) {
            *x = unit(clean + (*x - clean) * T::from_f32(0.9));
        }
        put(x, n, lane, &moved);
    }
}

impl<T: Real> Run<T> for FabKeep {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        let (x, adv, lanes) = (lent.write("x")?, lent.write("adv")?, lent.write("lanes")?);
        fab_keep(self, lent.read("clean")?, lent.read("values")?, x, adv, lanes);
        Ok(())
    }
}

/// See [`SquareStep`].
fn square_step<T: Real>(op: &SquareStep, clean: &[T], best: &[T], proposal: &[T], pyramids: &[T], x: &mut [T]) {
    let n = op.shape.n;
    each_lane(n, x, |lane| {
        let words = &proposal[lane * SQUARE_WORDS..(lane + 1) * SQUARE_WORDS];
        square_move(op, words, pyramids, &column(clean, n, lane), &column(best, n, lane))
    });
}

impl<T: Real> Run<T> for SquareStep {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        let (proposal, pyramids) = (lent.read("proposal")?, lent.read("pyramids")?);
        square_step(self, lent.read("clean")?, lent.read("best")?, proposal, pyramids, lent.write("x")?);
        Ok(())
    }
}

/// See [`SquareKeep`].
fn square_keep<T: Real>(n: usize, x: &[T], values: &[T], best: &mut [T], lanes: &mut [T]) {
    for lane in 0..n {
        if lanes[lane] > T::ZERO && values[lane] < lanes[lane] {
            lanes[lane] = values[lane];
            put(best, n, lane, &column(x, n, lane));
        }
    }
}

impl<T: Real> Run<T> for SquareKeep {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        square_keep(self.shape.n, lent.read("x")?, lent.read("values")?, lent.write("best")?, lent.write("lanes")?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
