//! Convolutions in three directions, dense and sparse.

use super::{Data, bind_topology, compare, some_gpu, topology};
use crate::device::Device;
use crate::device::info::Kernel;
use crate::ops::{
    BiasGrad, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, DenseFrom, Gather, NormOnLoad, Op, Scatter, Shape, Weight,
};

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
    let mut gpu = some_gpu();
    for &(input, c_out, k, stride, pad, n_valid) in CASES {
        let s = ConvShape::new(input, c_out, k, stride, pad).unwrap();
        let mut data = vec![Data::random(s.weights(), 7)];
        data.extend(tensors(&s, s.weights(), n_valid));
        compare(&mut gpu, &format!("dense {s:?}"), &data, n_valid, &|ids| layer(&s, Weight::Dense { values: ids[0] }, 1, ids));
    }
}

#[test]
fn sparse_convolutions_agree_with_the_oracle() {
    let mut gpu = some_gpu();
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

/// Each kernel wherever the geometry lets it.
#[test]
fn every_kernel_of_a_product_agrees_with_the_oracle() {
    for &kernel in Kernel::ALL {
        let mut gpu = some_gpu();
        gpu.iter_mut().for_each(|gpu| gpu.force(&[kernel]));
        let wide: &[_] = &[
            (Shape { c: 19, h: 9, w: 17, n: 20 }, 37, 3, 1, 1, 18),
            (Shape { c: 5, h: 4, w: 4, n: 36 }, 8, 5, 1, 2, 36),
            (Shape { c: 3, h: 16, w: 8, n: 8 }, 9, 3, 1, 2, 8),
            (Shape { c: 33, h: 8, w: 8, n: 4 }, 70, 1, 1, 0, 4),
            // The tile of ResNets: many of them, vec4s beyond the first tile's, the last tiles not full.
            (Shape { c: 19, h: 9, w: 17, n: 12 }, 37, 3, 1, 1, 11),
            (Shape { c: 20, h: 16, w: 16, n: 32 }, 20, 3, 1, 1, 30),
            (Shape { c: 19, h: 17, w: 16, n: 12 }, 21, 3, 2, 1, 11),
        ];
        for &(input, c_out, k, stride, pad, n_valid) in CASES.iter().chain(wide) {
            let s = ConvShape::new(input, c_out, k, stride, pad).unwrap();
            let (mut data, nnz) = if kernel.dense() { (Vec::new(), s.weights()) } else { topology(&s, 0.2, 9) };
            let first = data.len();
            data.push(Data::random(nnz, 7));
            data.extend(tensors(&s, nnz, n_valid));
            compare(&mut gpu, &format!("{kernel} {s:?}"), &data, n_valid, &|ids| {
                let values = ids[first];
                let weight =
                    if kernel.dense() { Weight::Dense { values } } else { Weight::Sparse { values, topology: bind_topology(ids, nnz) } };
                layer(&s, weight, first + 1, ids)
            });
        }
        // What cannot be made by a kernel falls back on another; so that it was not always so:
        let Some(Device::Gpu(gpu)) = gpu else { continue };
        let made = |stage: &str, constant: &str| gpu.pipelines().iter().any(|p| p.starts_with(stage) && p.contains(constant));
        match kernel {
            Kernel::Rows => assert!(made("sparse_conv_weight_grad ", "") && !made("sparse_conv_weight_grad_tiled", "")),
            Kernel::Tiles8 | Kernel::Tiles16 => {
                let rows = if kernel == Kernel::Tiles8 { "ROWS 8," } else { "ROWS 16," };
                for direction in ["forward", "input_grad", "weight_grad"] {
                    assert!(made(&format!("sparse_conv_{direction}_tiled"), rows), "{kernel} {direction}");
                }
            }
            Kernel::Dense8x2 | Kernel::Dense4x2 | Kernel::Dense4x1 => {
                let (tall, wide) = if kernel == Kernel::Dense8x2 { (8, 2) } else { (4, if kernel == Kernel::Dense4x2 { 2 } else { 1 }) };
                for stage in ["conv_forward", "conv_input_grad"] {
                    assert!(made(stage, &format!("TALL {tall}, WIDE {wide}")), "{kernel} {stage}");
                }
            }
        }
    }
}

#[test]
fn norms_on_load_agree_with_the_oracle() {
    let mut gpu = some_gpu();
    let modes = [(false, true), (true, true), (false, false), (true, false)];
    for (&(input, c_out, k, stride, pad, n_valid), (eval, relu)) in CASES.iter().zip(modes.into_iter().cycle()) {
        let s = ConvShape::new(input, c_out, k, stride, pad).unwrap();
        for (density, kernel) in [(None, None), (Some(0.3), Some(Kernel::Rows)), (Some(0.3), Some(Kernel::Tiles16))] {
            gpu.iter_mut().for_each(|gpu| gpu.force(kernel.as_slice()));
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

#[test]
fn values_are_put_among_others_and_taken_out_again() {
    let mut gpu = some_gpu();
    for &(input, c_out, k, stride, pad, n_valid) in CASES {
        let s = ConvShape::new(input, c_out, k, stride, pad).unwrap();
        for density in [0.0, 0.3, 1.0] {
            let (mut data, nnz) = topology(&s, density, 9);
            data.extend([Data::random(nnz, 7), Data::random(s.weights(), 8), Data::zeros(nnz), Data::random(s.weights(), 9)]);
            let ops = |ids: &[crate::ops::BufferId]| {
                let topology = bind_topology(ids, nnz);
                vec![
                    Op::Scatter(Scatter { shape: s, topology, values: ids[6], whole: ids[7] }),
                    Op::Gather(Gather { shape: s, topology, whole: ids[9], values: ids[8] }),
                ]
            };
            compare(&mut gpu, &format!("density {density} {s:?}"), &data, n_valid, &ops);
            // By hand: where each value stands, from its row and its packed entry.
            let [Data::U32(index), Data::U32(row)] = [&data[1], &data[5]] else { unreachable!() };
            let [Data::F32(values), Data::F32(before), Data::F32(from)] = [&data[6], &data[7], &data[9]] else { unreachable!() };
            let (mut whole, mut taken) = (before.clone(), vec![0.0; nnz]);
            for (i, (&entry, &co)) in index.iter().zip(row).enumerate() {
                let (ci, ky, kx) = (entry as usize >> 8, entry as usize >> 4 & 15, entry as usize & 15);
                let place = ((co as usize * s.c_in + ci) * s.kh + ky) * s.kw + kx;
                (whole[place], taken[i]) = (values[i], from[place]);
            }
            let found = super::outcome(&mut crate::device::Device::cpu(), &data, &ops, &super::params(n_valid)).unwrap();
            assert_eq!((&found[1], &found[2]), (&whole, &taken), "{s:?}");
        }
    }
}

#[test]
fn a_layer_that_is_computed_as_a_dense_one_is_the_sparse_one() {
    let always = DenseFrom { share: 0.0, narrow_gradient: 0.0, one_tap: 0.0 };
    let mut devices: Vec<_> = some_gpu().into_iter().chain([crate::device::Device::cpu(), crate::device::Device::oracle()]).collect();
    for (device, &(input, c_out, k, stride, pad, n_valid)) in (0..devices.len()).flat_map(|d| CASES.iter().map(move |case| (d, case))) {
        let s = ConvShape::new(input, c_out, k, stride, pad).unwrap();
        let (mut data, nnz) = topology(&s, 0.3, 9);
        data.push(Data::random(nnz, 7));
        data.extend(tensors(&s, nnz, n_valid));
        data.push(Data::random(s.weights(), 8));
        let mut run = |from: DenseFrom| {
            let ops = |ids: &[crate::ops::BufferId]| {
                let weight = Weight::Sparse { values: ids[6], topology: bind_topology(ids, nnz) };
                let whole = ids[ids.len() - 1];
                layer(&s, weight, 7, ids).into_iter().flat_map(|op| from.ops(op, |_| whole)).collect()
            };
            super::outcome(&mut devices[device], &data, &ops, &super::params(n_valid)).unwrap()
        };
        let (mut dense, mut sparse) = (run(always), run(DenseFrom::NEVER));
        // The whole tensor itself is only written by the dense one.
        dense.pop();
        sparse.pop();
        assert_eq!(dense.len(), sparse.len());
        for (dense, sparse) in dense.iter().zip(&sparse) {
            let scale = sparse.iter().fold(1.0f32, |m, v| m.max(v.abs()));
            assert!(dense.iter().zip(sparse).all(|(d, s)| (d - s).abs() <= super::TOLERANCE * scale), "device {device}, {s:?}");
        }
    }
}

#[test]
fn density_geometry_and_direction_decide() {
    let id = crate::ops::BufferId;
    let (wide, narrow) = ([128, 3], [64, 3]);
    let dense = |[c, k]: [usize; 2], density: f64, which: usize| {
        let s = ConvShape::new(Shape { c, h: 4, w: 4, n: 4 }, 32, k, 1, k / 2).unwrap();
        let nnz = (s.weights() as f64 * density) as usize;
        let topology = bind_topology(&[id(1), id(2), id(3), id(4), id(5), id(6)], nnz);
        let weight = Weight::Sparse { values: id(0), topology };
        let op = match which {
            0 => Op::ConvForward(ConvForward { shape: s, x: id(7), norm: None, weight, bias: None, y: id(8) }),
            1 => Op::ConvInputGrad(ConvInputGrad { shape: s, dy: id(8), weight, dx: id(7), accumulate: false }),
            _ => Op::ConvWeightGrad(ConvWeightGrad { shape: s, x: id(7), norm: None, dy: id(8), topology: Some(topology), dw: id(9) }),
        };
        let mut wanted = None;
        let ops = DenseFrom::CPU.ops(op, |words| {
            wanted = Some(words);
            id(10)
        });
        assert_eq!(wanted, (ops.len() > 1).then_some(s.weights()));
        assert_eq!(ops.len(), if wanted.is_none() { 1 } else { [3, 3, 2][which] });
        wanted.is_some()
    };
    for which in 0..3 {
        assert!(!dense(wide, 0.5, which) && dense(wide, 0.6, which) && dense([128, 1], 0.3, which) && !dense([128, 1], 0.2, which));
        assert_eq!(dense(narrow, 0.5, which), which == 2);
    }
}
