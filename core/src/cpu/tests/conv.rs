//! Convolution: f32 against float64 over odd shapes, gradients against finite differences, threads, NaN.

use super::*;
use crate::ops::{BatchNormApply, BiasGrad, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, NormOnLoad, SparseTopology, Weight};

/// One layer: its geometry and which of its weights exist (`None`: dense).
struct Layer {
    shape: ConvShape,
    mask: Option<Vec<bool>>,
    n_valid: usize,
}

fn layer(c: [usize; 2], hw: [usize; 2], k: usize, stride: usize, pad: usize, n: [usize; 2]) -> Layer {
    let input = Shape { c: c[0], h: hw[0], w: hw[1], n: n[0] };
    Layer { shape: ConvShape::new(input, c[1], k, stride, pad).unwrap(), mask: None, n_valid: n[1] }
}

impl Layer {
    /// The layer at a density, its second row emptied.
    fn sparse(mut self, density: f32) -> Self {
        let mut stream = stream(17);
        let mut mask: Vec<bool> = (0..self.shape.weights()).map(|_| stream.uniform() < density).collect();
        let row = self.shape.weights() / self.shape.c_out;
        if density < 1.0 {
            mask.iter_mut().skip(row).take(row).for_each(|m| *m = false);
        }
        self.mask = Some(mask);
        self
    }
    fn values(&self) -> usize {
        self.mask.as_ref().map_or(self.shape.weights(), |mask| mask.iter().filter(|&&m| m).count())
    }
    fn weight<T: Convolve>(&self, bench: &mut Bench<T>, values: BufferId) -> Weight {
        let Some(mask) = &self.mask else { return Weight::Dense { values } };
        let s = &self.shape;
        let taps = s.kh * s.kw;
        let (mut row_ptr, mut index, mut row) = (vec![0], vec![], vec![]);
        let mut entries = vec![];
        for co in 0..s.c_out {
            for rest in 0..s.c_in * taps {
                if mask[co * s.c_in * taps + rest] {
                    let (ci, tap) = (rest / taps, rest % taps);
                    let packed = |channel: usize| ((channel << 8) | ((tap / s.kw) << 4) | (tap % s.kw)) as u32;
                    entries.push((ci, packed(co), index.len() as u32));
                    index.push(packed(ci));
                    row.push(co as u32);
                }
            }
            row_ptr.push(index.len() as u32);
        }
        entries.sort_unstable();
        let t_row_ptr: Vec<u32> = (0..=s.c_in).map(|ci| entries.iter().filter(|e| e.0 < ci).count() as u32).collect();
        let topology = SparseTopology {
            row_ptr: bench.put_u32(&row_ptr),
            nnz: index.len(),
            index: bench.put_u32(&index),
            t_row_ptr: bench.put_u32(&t_row_ptr),
            t_index: bench.put_u32(&entries.iter().map(|e| e.1).collect::<Vec<_>>()),
            t_value: bench.put_u32(&entries.iter().map(|e| e.2).collect::<Vec<_>>()),
            row: bench.put_u32(&row),
        };
        Weight::Sparse { values, topology }
    }
    /// Output, input gradient (overwritten, and added to a second time), weight gradient, bias gradient.
    fn run<T: Convolve>(&self) -> [Vec<f64>; 5] {
        let (s, mut stream, mut bench) = (self.shape, stream(5), Bench::<T>::new(self.n_valid));
        let x = bench.put(&activation(&mut stream, s.input(), self.n_valid));
        let dy = bench.put(&activation(&mut stream, s.output(), self.n_valid));
        let bias = bench.put(&normal(&mut stream, s.c_out));
        let values = bench.put(&normal(&mut stream, self.values()));
        let weight = self.weight(&mut bench, values);
        // What was there before must not show.
        let dirt = vec![f32::NAN; s.input().len().max(s.output().len()).max(s.weights())];
        let [y, dx, dw, dbias] = [(); 4].map(|()| bench.put(&dirt));
        bench.run(Op::ConvForward(ConvForward { shape: s, x, norm: None, weight, bias: Some(bias), y }));
        bench.run(Op::ConvInputGrad(ConvInputGrad { shape: s, dy, weight, dx, accumulate: false }));
        let once = bench.get(dx, s.input().len());
        bench.run(Op::ConvInputGrad(ConvInputGrad { shape: s, dy, weight, dx, accumulate: true }));
        bench.run(Op::ConvWeightGrad(ConvWeightGrad { shape: s, x, norm: None, dy, topology: weight.topology(), dw }));
        bench.run(Op::BiasGrad(BiasGrad { shape: s.output(), dy, dbias }));
        [bench.get(y, s.output().len()), once, bench.get(dx, s.input().len()), bench.get(dw, self.values()), bench.get(dbias, s.c_out)]
    }
}

impl Layer {
    /// As `run`, in f32, over activations that 16 bits hold, stored in these.
    fn run_stored(&self, dtype: Dtype) -> [Vec<f32>; 4] {
        let (s, mut stream, mut bench) = (self.shape, stream(5), Bench::<f32>::new(self.n_valid));
        let x = bench.put_rounded(&activation(&mut stream, s.input(), self.n_valid), dtype);
        let dy = bench.put_rounded(&activation(&mut stream, s.output(), self.n_valid), dtype);
        let bias = bench.put(&normal(&mut stream, s.c_out));
        let values = bench.put(&normal(&mut stream, self.values()));
        let weight = self.weight(&mut bench, values);
        let [y, dx] = [s.output(), s.input()].map(|shape| bench.put_rounded(&vec![f32::NAN; shape.len()], dtype));
        let dw = bench.zeros(self.values());
        let get = |bench: &Bench<f32>, id, len| bench.device.read_f32(id, 0, len).unwrap();
        bench.run(Op::ConvForward(ConvForward { shape: s, x, norm: None, weight, bias: Some(bias), y }));
        bench.run(Op::ConvInputGrad(ConvInputGrad { shape: s, dy, weight, dx, accumulate: false }));
        let once = rounded(&get(&bench, dx, s.input().len()));
        bench.device.write_f32(dx, 0, &once).unwrap();
        bench.run(Op::ConvInputGrad(ConvInputGrad { shape: s, dy, weight, dx, accumulate: true }));
        bench.run(Op::ConvWeightGrad(ConvWeightGrad { shape: s, x, norm: None, dy, topology: weight.topology(), dw }));
        let [y, dx] = [(y, s.output()), (dx, s.input())].map(|(id, shape)| rounded(&get(&bench, id, shape.len())));
        [y, once, dx, get(&bench, dw, self.values())]
    }
}

#[test]
fn what_is_stored_in_16_bits_is_what_32_hold_rounded_once() {
    for (i, _) in odd_layers().iter().enumerate() {
        for density in [None, Some(0.05), Some(0.3), Some(0.7)] {
            let layer = odd_layers().swap_remove(i);
            let layer = density.map_or_else(|| layer_of(layer.shape, layer.n_valid), |d| layer_of(layer.shape, layer.n_valid).sparse(d));
            let (found, expected) = (layer.run_stored(Dtype::Bf16), layer.run_stored(Dtype::F32));
            for (name, (found, expected)) in NAMES.iter().zip(found.iter().zip(&expected)) {
                assert!(found.iter().all(|v| !v.is_nan()), "{name}");
                assert_eq!(found, expected, "{name}, density {density:?}, {:?}", layer.shape);
            }
        }
    }
}

fn layer_of(shape: ConvShape, n_valid: usize) -> Layer {
    Layer { shape, mask: None, n_valid }
}

const NAMES: [&str; 5] = ["y", "dx", "dx twice", "dw", "dbias"];

/// Shapes that miss every tile size: odd channels, one pixel, borders wider than the image, short last batches.
fn odd_layers() -> Vec<Layer> {
    vec![
        layer([3, 5], [6, 7], 3, 1, 1, [4, 1]),
        layer([3, 5], [6, 7], 3, 2, 1, [4, 3]),
        layer([7, 9], [5, 5], 1, 1, 0, [8, 8]),
        layer([7, 9], [6, 6], 1, 2, 0, [8, 5]),
        layer([2, 3], [9, 8], 5, 1, 2, [4, 4]),
        layer([2, 17], [9, 8], 5, 2, 2, [12, 11]),
        layer([3, 6], [11, 9], 7, 2, 3, [4, 2]),
        layer([1, 1], [1, 1], 3, 1, 1, [4, 1]),
        layer([4, 4], [2, 2], 3, 1, 2, [4, 4]),
        layer([5, 4], [3, 3], 3, 1, 0, [4, 3]),
        layer([33, 21], [1, 1], 1, 1, 0, [20, 18]),
        layer([300, 40], [1, 1], 1, 1, 0, [132, 130]),
        layer([16, 16], [8, 8], 3, 1, 1, [64, 64]),
        layer([16, 24], [9, 10], 3, 2, 1, [68, 65]),
        layer([70, 66], [4, 5], 3, 1, 1, [36, 36]),
        layer([2, 2], [5, 40], 3, 1, 1, [260, 259]),
        layer([2, 3], [4, 4], 2, 2, 1, [4, 4]),
        layer([3, 2], [3, 3], 15, 1, 7, [4, 3]),
        layer([2, 2], [7, 7], 3, 3, 1, [4, 4]),
        layer([3, 5], [13, 14], 11, 4, 5, [4, 3]),
        layer([3, 4], [9, 8], 3, 4, 1, [4, 4]),
        layer([2, 3], [9, 7], 1, 4, 0, [8, 7]),
        // More channels than a packed block holds; enough rows for several segments.
        layer([300, 3], [2, 2], 3, 1, 1, [132, 131]),
        layer([2, 3], [40, 5], 3, 1, 1, [4, 4]),
        layer([2, 3], [41, 5], 3, 2, 1, [4, 4]),
    ]
}

#[test]
fn f32_agrees_with_the_oracle() {
    for (i, _) in odd_layers().iter().enumerate() {
        // From some density on a sparse layer is computed as a dense one.
        for density in [None, Some(0.0), Some(0.05), Some(0.3), Some(0.7), Some(1.0)] {
            let layer = odd_layers().swap_remove(i);
            let layer = match density {
                None => layer,
                Some(density) => layer.sparse(density),
            };
            let (found, expected) = (layer.run::<f32>(), layer.run::<f64>());
            for (name, (found, expected)) in NAMES.iter().zip(found.iter().zip(&expected)) {
                close(&format!("{name}, density {density:?}, {:?}", layer.shape), found, expected, F32_SUM);
            }
        }
    }
}

/// Output and input gradient, before and after one weight moved to another channel: in `index` and in the transposed arrays.
fn before_and_after<T: Convolve>() -> Vec<Vec<f64>> {
    let layer = layer([6, 5], [6, 7], 3, 1, 1, [16, 16]).sparse(0.2);
    let s = layer.shape;
    let (mut stream, mut bench) = (stream(5), Bench::<T>::new(16));
    let (x, dy) = (bench.put(&activation(&mut stream, s.input(), 16)), bench.put(&activation(&mut stream, s.output(), 16)));
    let values = bench.put(&normal(&mut stream, layer.values()));
    let (y, dx, dw) = (bench.zeros(s.output().len()), bench.zeros(s.input().len()), bench.zeros(layer.values()));
    let weight = layer.weight(&mut bench, values);
    let Weight::Sparse { topology, .. } = weight else { unreachable!() };
    let mut found = Vec::new();
    for moved in [false, true] {
        if moved {
            bench.device.write_u32(topology.index, 3, &[5 << 8 | 2 << 4]).unwrap();
            bench.device.write_u32(topology.t_index, 4, &[4 << 8 | 1 << 4 | 2]).unwrap();
            bench.device.write_u32(topology.t_value, 2, &[7]).unwrap();
        }
        bench.run(Op::ConvForward(ConvForward { shape: s, x, norm: None, weight, bias: None, y }));
        bench.run(Op::ConvInputGrad(ConvInputGrad { shape: s, dy, weight, dx, accumulate: false }));
        bench.run(Op::ConvWeightGrad(ConvWeightGrad { shape: s, x, norm: None, dy, topology: weight.topology(), dw }));
        found.extend([bench.get(y, s.output().len()), bench.get(dx, s.input().len()), bench.get(dw, layer.values())]);
    }
    found
}

#[test]
fn what_is_kept_with_an_index_goes_with_it() {
    let (found, expected) = (before_and_after::<f32>(), before_and_after::<f64>());
    for (found, expected) in found.iter().zip(&expected) {
        close("y, dx, dw, before and after", found, expected, F32_SUM);
    }
    assert!((0..3).all(|i| expected[i] != expected[i + 3]), "the move is seen");
}

#[test]
fn a_full_sparse_layer_is_the_dense_one() {
    for (dense, sparse) in odd_layers().into_iter().zip(odd_layers()) {
        let (dense, sparse) = (dense.run::<f64>(), sparse.sparse(1.0).run::<f64>());
        for (name, (a, b)) in NAMES.iter().zip(dense.iter().zip(&sparse)) {
            close(name, a, b, 1e-12);
        }
    }
}

#[test]
fn padded_lanes_stay_zero() {
    for layer in odd_layers() {
        for run in layer.run::<f32>()[0].chunks(layer.shape.n) {
            assert!(run[layer.n_valid..].iter().all(|&v| v == 0.0), "{:?}", layer.shape);
        }
    }
}

#[test]
fn gradients_match_finite_differences() {
    for (i, _) in odd_layers().iter().enumerate().filter(|(_, l)| l.shape.weights() < 1000) {
        for sparse in [false, true] {
            let layer = odd_layers().swap_remove(i);
            let layer = if sparse { layer.sparse(0.4) } else { layer };
            let s = layer.shape;
            let mut stream = stream(5);
            let x: Vec<f64> = activation(&mut stream, s.input(), layer.n_valid).iter().map(|&v| v.into()).collect();
            let dy: Vec<f64> = activation(&mut stream, s.output(), layer.n_valid).iter().map(|&v| v.into()).collect();
            let bias: Vec<f64> = normal(&mut stream, s.c_out).iter().map(|&v| v.into()).collect();
            let w: Vec<f64> = normal(&mut stream, layer.values()).iter().map(|&v| v.into()).collect();
            let mut bench = Bench::<f64>::new(layer.n_valid);
            let (bx, bb) = (bench.zeros(x.len()), bench.zeros(bias.len()));
            let (bw, y) = (bench.zeros(w.len()), bench.zeros(dy.len()));
            let weight = layer.weight(&mut bench, bw);
            let mut loss = |x: &[f64], w: &[f64], bias: &[f64]| {
                bench.device.write(bx, 0, x).unwrap();
                bench.device.write(bw, 0, w).unwrap();
                bench.device.write(bb, 0, bias).unwrap();
                bench.run(Op::ConvForward(ConvForward { shape: s, x: bx, norm: None, weight, bias: Some(bb), y }));
                dot(&bench.get(y, dy.len()), &dy)
            };
            let [_, dx, _, dw, dbias] = layer.run::<f64>();
            finite_differences("dx", &x, &dx, |x| loss(x, &w, &bias));
            finite_differences("dw", &w, &dw, |w| loss(&x, w, &bias));
            finite_differences("dbias", &bias, &dbias, |bias| loss(&x, &w, bias));
        }
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    for density in [None, Some(0.2)] {
        let make = || {
            let layer = layer([24, 40], [24, 12], 3, 1, 1, [64, 61]);
            match density {
                None => layer,
                Some(density) => layer.sparse(density),
            }
        };
        let one = crate::platform::with_threads(1, || make().run::<f32>());
        let three = crate::platform::with_threads(3, || make().run::<f32>());
        assert!(one == three, "density {density:?}");
    }
}

#[test]
fn nan_and_infinity_pass_through() {
    for density in [None, Some(0.5)] {
        let layer = layer([3, 9], [5, 5], 3, 1, 1, [4, 4]);
        let layer = match density {
            None => layer,
            Some(density) => layer.sparse(density),
        };
        let s = layer.shape;
        let mut bench = Bench::<f32>::new(4);
        let mut x = vec![1.0; s.input().len()];
        x[0] = f32::NAN;
        x[5] = f32::INFINITY;
        let (x, y) = (bench.put(&x), bench.zeros(s.output().len()));
        let values = bench.put(&vec![0.5; layer.values()]);
        let (weight, dw) = (layer.weight(&mut bench, values), bench.zeros(layer.values()));
        bench.run(Op::ConvForward(ConvForward { shape: s, x, norm: None, weight, bias: None, y }));
        bench.run(Op::ConvWeightGrad(ConvWeightGrad { shape: s, x, norm: None, dy: y, topology: weight.topology(), dw }));
        assert!(bench.get(y, s.output().len()).iter().any(|v| v.is_nan()));
        assert!(bench.get(y, s.output().len()).iter().any(|v| v.is_infinite()));
        assert!(bench.get(y, s.output().len()).iter().any(|v| v.is_finite()));
        assert!(bench.get(dw, layer.values()).iter().any(|v| v.is_nan()));
    }
}

/// Devices share threads: one that waits in the middle of an op may take up another device's.
#[test]
fn devices_at_work_at_the_same_time_do_not_disturb_each_other() {
    let layers = || {
        let of = |density| layer([16, 24], [9, 10], 3, 1, 1, [64, 64]).sparse(density);
        [layer([16, 24], [9, 10], 3, 1, 1, [64, 64]), of(0.2), of(0.7)]
    };
    let alone: Vec<_> = layers().iter().map(Layer::run::<f32>).collect();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert!(layers().iter().map(Layer::run::<f32>).collect::<Vec<_>>() == alone);
                }
            });
        }
    });
}

#[test]
fn a_broken_index_is_an_error() {
    let layer = layer([3, 5], [6, 7], 3, 1, 1, [4, 4]).sparse(0.5);
    let s = layer.shape;
    let mut bench = Bench::<f32>::new(4);
    let (x, y) = (bench.zeros(s.input().len()), bench.zeros(s.output().len()));
    let values = bench.zeros(layer.values());
    let weight = layer.weight(&mut bench, values);
    let Weight::Sparse { topology, .. } = weight else { unreachable!() };
    let forward = Op::ConvForward(ConvForward { shape: s, x, norm: None, weight, bias: None, y });
    bench.device.write_u32(topology.index, 1, &[3 << 8]).unwrap();
    let error = bench.device.run(std::slice::from_ref(&forward), &bench.step).unwrap_err();
    assert!(matches!(error.kind(), crate::error::ErrorKind::Validation(_)), "{error}");
    bench.device.write_u32(topology.index, 1, &[0]).unwrap();
    bench.device.run(std::slice::from_ref(&forward), &bench.step).unwrap();
    bench.device.write_u32(topology.row_ptr, 1, &[u32::MAX]).unwrap();
    assert!(bench.device.run(&[forward], &bench.step).is_err());
    bench.device.write_u32(topology.t_value, 0, &[u32::MAX]).unwrap();
    let backward = Op::ConvInputGrad(ConvInputGrad { shape: s, dy: y, weight, dx: x, accumulate: false });
    assert!(bench.device.run(&[backward], &bench.step).is_err());
}

/// Output and weight gradient with a BatchNorm of the input, applied before the layer or as it loads.
fn normalized<T: Convolve>(layer: &Layer, eval: bool, relu: bool, on_load: bool) -> [Vec<f64>; 2] {
    let (s, mut stream, mut bench) = (layer.shape, stream(5), Bench::<T>::new(layer.n_valid));
    let x = bench.put(&activation(&mut stream, s.input(), layer.n_valid));
    let dy = bench.put(&activation(&mut stream, s.output(), layer.n_valid));
    let values = bench.put(&normal(&mut stream, layer.values()));
    let weight = layer.weight(&mut bench, values);
    let stats: Vec<f32> = (0..2 * s.c_in).map(|i| if i < s.c_in { stream.normal() } else { 0.5 + stream.uniform() }).collect();
    let (stats, affine) = (bench.put(&stats), bench.put(&normal(&mut stream, 2 * s.c_in)));
    let [y, dw, whole] = [s.output().len(), s.weights(), s.input().len()].map(|len| bench.put(&vec![f32::NAN; len]));
    let norm = NormOnLoad { stats, eval, eps: 1e-5, affine, relu };
    let (x, norm) = if on_load {
        (x, Some(norm))
    } else {
        let shape = s.input();
        bench.run(Op::BatchNormApply(BatchNormApply { shape, x, stats, eval, eps: 1e-5, affine, residual: None, relu, y: whole }));
        (whole, None)
    };
    bench.run(Op::ConvForward(ConvForward { shape: s, x, norm, weight, bias: None, y }));
    bench.run(Op::ConvWeightGrad(ConvWeightGrad { shape: s, x, norm, dy, topology: weight.topology(), dw }));
    [bench.get(y, s.output().len()), bench.get(dw, layer.values())]
}

#[test]
fn a_norm_on_load_gives_the_bits_of_a_norm_before() {
    let modes = [(false, true), (true, true), (false, false), (true, false)];
    for (i, (layer, (eval, relu))) in odd_layers().into_iter().zip(modes.into_iter().cycle()).enumerate() {
        for layer in [Layer { shape: layer.shape, mask: None, n_valid: layer.n_valid }, layer.sparse(if i % 2 == 0 { 0.2 } else { 0.9 })] {
            assert_eq!(normalized::<f32>(&layer, eval, relu, true), normalized::<f32>(&layer, eval, relu, false), "{:?}", layer.shape);
            assert_eq!(normalized::<f64>(&layer, eval, relu, true), normalized::<f64>(&layer, eval, relu, false), "{:?}", layer.shape);
        }
    }
}
