//! Convolutions in three directions, dense and sparse.

use super::{Data, bind_topology, compare, gpu, topology};
use crate::device::Device;
use crate::ops::{BiasGrad, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, NormOnLoad, Op, Shape, Weight};

/// (input, c_out, k, stride, pad, n_valid): sizes that are no multiple of any tile, one image, linear layers.
const CASES: &[(Shape, usize, usize, usize, usize, usize)] = &[
    (Shape { c: 3, h: 5, w: 7, n: 4 }, 5, 3, 1, 1, 3),
    (Shape { c: 3, h: 8, w: 8, n: 4 }, 17, 3, 2, 1, 1),
    (Shape { c: 4, h: 7, w: 5, n: 8 }, 33, 1, 2, 0, 7),
    (Shape { c: 2, h: 9, w: 9, n: 4 }, 3, 5, 1, 2, 4),
    (Shape { c: 2, h: 9, w: 10, n: 4 }, 3, 7, 2, 3, 3),
    (Shape { c: 2, h: 13, w: 12, n: 4 }, 2, 11, 1, 5, 4),
    (Shape { c: 3, h: 13, w: 14, n: 4 }, 5, 11, 4, 5, 3),
    (Shape { c: 3, h: 9, w: 8, n: 4 }, 4, 3, 4, 1, 4),
    (Shape { c: 5, h: 6, w: 6, n: 4 }, 4, 3, 1, 0, 4),
    (Shape { c: 70, h: 1, w: 1, n: 12 }, 10, 1, 1, 0, 9),
    (Shape { c: 9, h: 1, w: 1, n: 4 }, 70, 1, 1, 0, 1),
    (Shape { c: 20, h: 16, w: 16, n: 8 }, 40, 3, 1, 1, 8),
    (Shape { c: 2, h: 1, w: 1, n: 4 }, 2, 3, 1, 1, 4),
    (Shape { c: 3, h: 2, w: 1, n: 4 }, 2, 2, 2, 1, 4),
    // Enough work for 8, 4 and 2 columns a thread, forward or back.
    (Shape { c: 2, h: 32, w: 32, n: 8 }, 70, 3, 1, 1, 7),
    (Shape { c: 2, h: 16, w: 16, n: 8 }, 140, 3, 1, 1, 8),
    (Shape { c: 2, h: 16, w: 16, n: 8 }, 70, 3, 1, 1, 8),
    (Shape { c: 70, h: 32, w: 31, n: 8 }, 2, 3, 2, 1, 8),
];

fn layer(s: &ConvShape, weight: Weight, x: usize, ids: &[crate::ops::BufferId]) -> Vec<Op> {
    let [xb, y, dx, added, dw, dy, bias, dbias] = std::array::from_fn(|i| ids[x + i]);
    vec![
        Op::ConvForward(ConvForward { shape: *s, x: xb, norm: None, weight, bias: Some(bias), y }),
        Op::ConvInputGrad(ConvInputGrad { shape: *s, dy, weight, dx, accumulate: false }),
        Op::ConvInputGrad(ConvInputGrad { shape: *s, dy, weight, dx: added, accumulate: true }),
        Op::ConvWeightGrad(ConvWeightGrad { shape: *s, x: xb, norm: None, dy, topology: weight.topology(), dw }),
        Op::BiasGrad(BiasGrad { shape: s.output(), dy, dbias }),
    ]
}

fn tensors(s: &ConvShape, values: usize, n_valid: usize) -> Vec<Data> {
    vec![
        Data::activation(s.input(), n_valid, 1),
        Data::zeros(s.output().len()),
        Data::random(s.input().len(), 2),
        Data::activation(s.input(), n_valid, 3),
        Data::random(values, 4),
        Data::activation(s.output(), n_valid, 5),
        Data::random(s.c_out, 6),
        Data::zeros(s.c_out),
    ]
}

#[test]
fn dense_convolutions_agree_with_the_oracle() {
    let Some(gpu) = gpu() else { return };
    let mut gpu = Device::Gpu(Box::new(gpu));
    for &(input, c_out, k, stride, pad, n_valid) in CASES {
        let s = ConvShape::new(input, c_out, k, stride, pad).unwrap();
        let mut data = vec![Data::random(s.weights(), 7)];
        data.extend(tensors(&s, s.weights(), n_valid));
        compare(&mut gpu, &format!("dense {s:?}"), &data, n_valid, &|ids| layer(&s, Weight::Dense { values: ids[0] }, 1, ids));
    }
}

#[test]
fn sparse_convolutions_agree_with_the_oracle() {
    let Some(gpu) = gpu() else { return };
    let mut gpu = Device::Gpu(Box::new(gpu));
    for &(input, c_out, k, stride, pad, n_valid) in CASES {
        let s = ConvShape::new(input, c_out, k, stride, pad).unwrap();
        for density in [0.0, 0.05, 0.3, 1.0] {
            let (mut data, nnz) = topology(&s, density, 9);
            data.push(Data::random(nnz, 7));
            data.extend(tensors(&s, nnz, n_valid));
            compare(&mut gpu, &format!("density {density} {s:?}"), &data, n_valid, &|ids| {
                layer(&s, Weight::Sparse { values: ids[6], topology: bind_topology(ids, nnz) }, 7, ids)
            });
        }
    }
}

#[test]
fn norms_on_load_agree_with_the_oracle() {
    let Some(gpu) = gpu() else { return };
    let mut gpu = Device::Gpu(Box::new(gpu));
    let modes = [(false, true), (true, true), (false, false), (true, false)];
    for (&(input, c_out, k, stride, pad, n_valid), (eval, relu)) in CASES.iter().zip(modes.into_iter().cycle()) {
        let s = ConvShape::new(input, c_out, k, stride, pad).unwrap();
        for density in [None, Some(0.3)] {
            let (mut data, nnz) = density.map_or((Vec::new(), s.weights()), |density| topology(&s, density, 9));
            let first = data.len();
            data.push(Data::random(nnz, 7));
            data.extend(tensors(&s, nnz, n_valid));
            // A mean and a positive deviation for each channel, then gamma and beta, whose padded lanes would not stay zero.
            data.push(Data::F32((0..2 * s.c_in).map(|i| if i < s.c_in { 0.3 } else { 0.7 + 0.1 * i as f32 }).collect()));
            data.push(Data::random(2 * s.c_in, 8));
            compare(&mut gpu, &format!("{density:?} eval {eval} relu {relu} {s:?}"), &data, n_valid, &|ids| {
                let values = ids[first];
                let weight =
                    if density.is_some() { Weight::Sparse { values, topology: bind_topology(ids, nnz) } } else { Weight::Dense { values } };
                let [x, y, _, _, dw, dy, bias, _, stats, affine] = std::array::from_fn(|i| ids[first + 1 + i]);
                let norm = Some(NormOnLoad { stats, eval, eps: 1e-5, affine, relu });
                vec![
                    Op::ConvForward(ConvForward { shape: s, x, norm, weight, bias: Some(bias), y }),
                    Op::ConvWeightGrad(ConvWeightGrad { shape: s, x, norm, dy, topology: weight.topology(), dw }),
                ]
            });
        }
    }
}
