//! AutoAttack's ops against the oracle.

use super::{Data, compare, some_gpu};
use crate::ops::autoattack::*;
use crate::ops::{BufferId, Op, Shape};
use crate::rng::{Purpose, Stream};

fn pixels(shape: Shape, seed: u64) -> Data {
    let mut s = Stream::new(seed, Purpose::Test, 0, 0);
    Data::F32((0..shape.len()).map(|_| s.uniform()).collect())
}

#[test]
fn lane_ops_agree_with_the_oracle() {
    let mut gpu = some_gpu();
    use LaneLossKind::{CrossEntropy, Difference, Dlr, DlrTargeted, Margin};
    for classes in [2, 3, 10] {
        let n = 8;
        let of = |k: usize| Data::U32((0..n).map(|i| ((i * 7 + k) % classes) as u32).collect());
        let data = [Data::random(classes * n, 3), of(0), of(1), Data::random(2 * n, 4), Data::random(classes * n, 5)];
        for kind in [CrossEntropy, Dlr, DlrTargeted, Difference, Margin] {
            compare(&mut gpu, &format!("{kind:?} of {classes}"), &data, 7, &|ids| {
                let [logits, labels, targets, values, dlogits] = std::array::from_fn(|i| ids[i]);
                vec![Op::LaneLoss(LaneLoss { kind, classes, n, logits, labels, targets, values, dlogits })]
            });
        }
    }
    // More rows than threads, fewer, and not a multiple.
    for shape in [Shape { c: 3, h: 10, w: 11, n: 4 }, Shape { c: 1, h: 5, w: 7, n: 8 }] {
        let n = shape.n;
        let values = Data::F32((0..2 * n).map(|i| if i < n { i as f32 * 0.3 - 0.7 } else { (i % 3 == 0) as u8 as f32 }).collect());
        let (one, two, grad) = (pixels(shape, 1), pixels(shape, 2), Data::random(shape.len(), 3));
        let lanes = |rows: usize| Data::F32((0..rows * n).map(|i| 0.1 + (i * 5 % 7) as f32 * 0.05).collect());
        for l2 in [false, true] {
            let ball = Ball { l2, eps: 0.3 };
            let data = [one.clone(), grad.clone(), lanes(6), Data::F32(vec![0.75, 0.0, 0.0, 0.0]), two.clone(), one.clone()];
            compare(&mut gpu, &format!("APGD step {shape:?} {l2}"), &data, n, &|ids| {
                let [clean, grad, lanes, control, x, old] = std::array::from_fn(|i| ids[i]);
                vec![Op::ApgdStep(ApgdStep { shape, ball, clean, grad, lanes, control, x, old })]
            });
            let data = [one.clone(), grad.clone(), values.clone(), two.clone(), one.clone(), lanes(1)];
            compare(&mut gpu, &format!("FAB {shape:?} {l2}"), &data, n, &|ids: &[BufferId]| {
                let [clean, grad, values, x, adv, lanes] = std::array::from_fn(|i| ids[i]);
                vec![
                    Op::FabStep(FabStep { shape, l2, clean, grad, values, x }),
                    Op::FabKeep(FabKeep { shape, l2, clean, values, x, adv, lanes }),
                ]
            });
            let side = 3;
            let words = (0..n).flat_map(|i| {
                let at = |k: usize, limit: usize| ((i * k) % (limit - side + 1)) as f32;
                let sign = |k: usize| if (i + k).is_multiple_of(2) { 1.0 } else { -1.0 };
                let flip = (i % 2) as f32;
                [
                    at(1, shape.h),
                    at(3, shape.w),
                    side as f32,
                    flip,
                    sign(0),
                    sign(1),
                    sign(2),
                    0.0,
                    at(2, shape.h),
                    at(1, shape.w),
                    0.0,
                    0.0,
                ]
            });
            let pyramids = Data::random(shape.h * shape.w, 8);
            let data = [one.clone(), two.clone(), Data::F32(words.collect()), pyramids, grad.clone(), values.clone(), lanes(1)];
            compare(&mut gpu, &format!("Square {shape:?} {l2}"), &data, n, &|ids: &[BufferId]| {
                let [clean, best, proposal, pyramids, x, values, lanes] = std::array::from_fn(|i| ids[i]);
                vec![
                    Op::SquareStep(SquareStep { shape, ball, clean, best, proposal, pyramids, x }),
                    Op::SquareKeep(SquareKeep { shape, x, values, best, lanes }),
                ]
            });
        }
        for control in [[0.75, 0.0, 0.0, 0.0], [0.75, 3.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]] {
            let mut data = vec![values.clone(), Data::F32(control.to_vec())];
            data.extend((10..15).map(|seed| pixels(shape, seed)));
            // Losses about those in `values`; halved before or not.
            let state = [0.4, 0.1, 0.0, 2.0, 0.1, 0.0];
            data.push(Data::F32((0..6 * n).map(|i| if i / n == 5 { (i % 2) as f32 } else { state[i / n] }).collect()));
            compare(&mut gpu, &format!("APGD keep {shape:?} {control:?}"), &data, n, &|ids| {
                let [values, control, x, grad, best, best_grad, adv, lanes] = std::array::from_fn(|i| ids[i]);
                vec![Op::ApgdKeep(ApgdKeep { shape, values, control, x, grad, best, best_grad, adv, lanes })]
            });
        }
    }
}
