//! Bad input, too much, and a device that goes away: a typed error each time.

use super::{Data, gpu, outcome, params};
use crate::device::Device;
use crate::error::{Error, ErrorKind};
use crate::gpu::launch::grid;
use crate::ops::{BufferId, ConvForward, ConvShape, Dtype, Fill, MaxPool, Op, PoolShape, Relu, Shape, SoftmaxCrossEntropy, Weight};

#[test]
fn grids_fold_into_two_dimensions() {
    assert_eq!(grid(7, 65_535), Some((7, 1)));
    let (x, y) = grid(289_124, 65_535).unwrap();
    assert!(x <= 65_535 && y == 5 && (x * y) as usize >= 289_124);
    assert_eq!(grid(10, 3), None);
}

#[test]
fn more_workgroups_than_one_dimension_holds_all_run() {
    let Some(mut gpu) = gpu() else { return };
    let len = 65_537 * 256 + 1;
    let a = gpu.alloc("a", len, Dtype::F32).unwrap();
    let program = gpu.compile("test", &[Op::Fill(Fill { len, buffer: a, value: 1.5 })]).unwrap();
    gpu.run(&program, &params(4)).unwrap();
    let values = pollster::block_on(gpu.read_f32(a, 0, len)).unwrap();
    assert!(values.iter().all(|&v| v == 1.5));
}

#[test]
fn an_allocation_beyond_the_limits_is_refused() {
    let Some(mut gpu) = gpu() else { return };
    let before = gpu.allocated_bytes();
    let error = gpu.alloc("huge", usize::MAX / 8, Dtype::F32).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit { .. }), "{error}");
    assert_eq!(gpu.allocated_bytes(), before);
    assert!(gpu.alloc("small", 4, Dtype::F32).is_ok());
}

#[test]
fn memory_is_zeroed_counted_and_given_back() {
    let Some(mut gpu) = gpu() else { return };
    let id = gpu.alloc("a", 5, Dtype::F32).unwrap();
    assert_eq!(gpu.allocated_bytes(), 20);
    assert_eq!(pollster::block_on(gpu.read_f32(id, 0, 5)).unwrap(), [0.0; 5]);
    gpu.write_f32(id, 3, &[7.0, 8.0]).unwrap();
    assert_eq!(pollster::block_on(gpu.read_f32(id, 2, 3)).unwrap(), [0.0, 7.0, 8.0]);
    assert!(matches!(gpu.write_f32(id, 4, &[1.0, 2.0]).as_ref().map_err(Error::kind), Err(ErrorKind::Shape { .. })));
    assert!(matches!(pollster::block_on(gpu.read_f32(id, 5, 1)).as_ref().map_err(Error::kind), Err(ErrorKind::Shape { .. })));
    gpu.free(id);
    // Floats of 16 bits, which lie two in a word.
    let id = gpu.alloc("b", 5, Dtype::Bf16).unwrap();
    assert_eq!(gpu.allocated_bytes(), 10);
    gpu.write_f32(id, 0, &[0.5, 1.0, 1.5, 2.0, 1.0 + 1.0 / 256.0]).unwrap();
    assert_eq!(pollster::block_on(gpu.read_f32(id, 1, 4)).unwrap(), [1.0, 1.5, 2.0, 1.0]);
    gpu.write_f32(id, 2, &[7.0, 8.0]).unwrap();
    assert_eq!(pollster::block_on(gpu.read_f32(id, 0, 5)).unwrap(), [0.5, 1.0, 7.0, 8.0, 1.0]);
    for refused in [gpu.write_f32(id, 1, &[1.0, 2.0]), gpu.write_f32(id, 0, &[1.0]), gpu.write_f32(id, 4, &[1.0, 2.0])] {
        assert!(matches!(refused.as_ref().map_err(Error::kind), Err(ErrorKind::Shape { .. })), "{refused:?}");
    }
    assert!(gpu.write_u32(id, 0, &[1]).is_err());
    gpu.free(id);
    assert_eq!(gpu.allocated_bytes(), 0);
}

#[test]
fn programs_that_do_not_fit_their_buffers_are_refused() {
    let Some(mut gpu) = gpu() else { return };
    let a = gpu.alloc("a", 8, Dtype::F32).unwrap();
    let b = gpu.alloc("b", 8, Dtype::F32).unwrap();
    let short = gpu.compile("test", &[Op::Relu(Relu { len: 9, x: a, y: b })]);
    assert!(matches!(short.as_ref().map_err(Error::kind), Err(ErrorKind::Shape { op: "Relu", .. })));
    let unknown = gpu.compile("test", &[Op::Fill(Fill { len: 1, buffer: BufferId(99), value: 0.0 })]);
    assert!(matches!(unknown.as_ref().map_err(Error::kind), Err(ErrorKind::Shape { .. })));
    let s = Shape { c: 1, h: 2, w: 1, n: 4 };
    let shape = PoolShape { input: s, output: s, kh: 1, kw: 1, stride: 1, pad: 0 };
    assert!(matches!(
        gpu.compile("test", &[Op::MaxPool(MaxPool { shape, x: a, y: a })]).as_ref().map_err(Error::kind),
        Err(ErrorKind::Shape { .. })
    ));
}

#[test]
fn poisoned_numbers_come_out_and_are_counted() {
    let Some(gpu) = gpu() else { return };
    let mut gpu = Device::Gpu(Box::new(gpu));
    let logits = vec![f32::NAN, 1.0, f32::INFINITY, 1e-40, 0.5, 2.0, f32::NEG_INFINITY, 0.0];
    let data = [Data::F32(logits), Data::U32(vec![0, 1, 0, 77]), Data::zeros(8), Data::zeros(16), Data::zeros(4)];
    let step = crate::ops::StepParams { sample_offset: 0, ..params(4) };
    let out = outcome(
        &mut gpu,
        &data,
        &|ids| {
            vec![Op::SoftmaxCrossEntropy(SoftmaxCrossEntropy {
                classes: 2,
                n: 4,
                logits: ids[0],
                labels: ids[1],
                dlogits: Some(ids[2]),
                samples: ids[3],
                totals: ids[4],
            })]
        },
        &step,
    )
    .unwrap();
    assert!(out[3][3] >= 2.0, "two losses are not finite: {:?}", out[3]);
    assert!(out[3][0].is_finite() && out[3][2] == 4.0, "{:?}", out[3]);
    // A row pointer that points anywhere must neither hang nor bring the device down.
    let s = ConvShape::new(Shape { c: 1, h: 2, w: 2, n: 4 }, 1, 1, 1, 0).unwrap();
    let (mut data, nnz) = super::topology(&s, 1.0, 1);
    data[1] = Data::U32(vec![u32::MAX]);
    data.extend([Data::random(1, 1), Data::F32(vec![f32::NAN; 16]), Data::zeros(16)]);
    let poisoned = outcome(
        &mut gpu,
        &data,
        &|ids| {
            let weight = Weight::Sparse { values: ids[6], topology: super::bind_topology(ids, nnz) };
            vec![Op::ConvForward(ConvForward { shape: s, x: ids[7], norm: None, weight, bias: None, y: ids[8] })]
        },
        &step,
    );
    assert!(poisoned.is_ok());
}

#[test]
fn a_destroyed_device_is_reported_as_lost() {
    let Some(mut gpu) = gpu() else { return };
    let a = gpu.alloc("a", 8, Dtype::F32).unwrap();
    let program = gpu.compile("test", &[Op::Fill(Fill { len: 8, buffer: a, value: 1.0 })]).unwrap();
    gpu.run(&program, &params(4)).unwrap();
    gpu.device.destroy();
    let synced = pollster::block_on(gpu.sync());
    assert!(matches!(synced.as_ref().map_err(Error::kind), Err(ErrorKind::DeviceLost(_))), "{synced:?}");
    assert!(matches!(gpu.run(&program, &params(4)).as_ref().map_err(Error::kind), Err(ErrorKind::DeviceLost(_))));
    assert!(matches!(pollster::block_on(gpu.read_f32(a, 0, 8)).as_ref().map_err(Error::kind), Err(ErrorKind::DeviceLost(_))));
    assert!(matches!(gpu.alloc("b", 8, Dtype::F32).as_ref().map_err(Error::kind), Err(ErrorKind::DeviceLost(_))));
}
