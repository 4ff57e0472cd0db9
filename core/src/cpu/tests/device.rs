//! Buffers, checks and aliases of the device itself.

use super::*;
use crate::ops::{Fill, Relu, ReluGrad};
use crate::{Error, ErrorKind};

#[test]
fn buffers_are_counted_zeroed_and_reused() {
    let mut device = CpuDevice::<f32>::new();
    let a = device.alloc("a", 10, Dtype::F32).unwrap();
    let b = device.alloc("b", 0, Dtype::U32).unwrap();
    assert_eq!(device.allocated_bytes(), 44);
    device.write_f32(a, 8, &[1.0, 2.0]).unwrap();
    assert_eq!(device.read_f32(a, 7, 3).unwrap(), [0.0, 1.0, 2.0]);
    device.free(a);
    assert_eq!(device.allocated_bytes(), 4);
    assert!(device.read_f32(a, 0, 1).is_err());
    let again = device.alloc("again", 10, Dtype::F32).unwrap();
    assert_eq!(device.read_f32(again, 0, 10).unwrap(), [0.0; 10]);
    assert_ne!(again, b);
    let oracle = {
        let mut oracle = CpuDevice::<f64>::new();
        oracle.alloc("a", 10, Dtype::F32).unwrap();
        oracle
    };
    assert_eq!(oracle.allocated_bytes(), 40);
}

#[test]
fn wrong_transfers_are_errors() {
    let mut device = CpuDevice::<f32>::new();
    let a = device.alloc("a", 4, Dtype::F32).unwrap();
    assert!(matches!(device.write_f32(a, 2, &[0.0; 3]).as_ref().map_err(Error::kind), Err(ErrorKind::Shape { .. })));
    assert!(matches!(device.read_f32(a, usize::MAX, 2).as_ref().map_err(Error::kind), Err(ErrorKind::Shape { .. })));
    assert!(matches!(device.write_u32(a, 0, &[1]).as_ref().map_err(Error::kind), Err(ErrorKind::Validation(_))));
    assert!(matches!(device.write_f32(BufferId(9), 0, &[1.0]).as_ref().map_err(Error::kind), Err(ErrorKind::Validation(_))));
    assert!(matches!(device.alloc("huge", usize::MAX / 2, Dtype::F32).as_ref().map_err(Error::kind), Err(ErrorKind::OutOfMemory(_))));
    device.free(BufferId(77));
}

#[test]
fn ops_are_checked() {
    let mut device = CpuDevice::<f32>::new();
    let a = device.alloc("a", 4, Dtype::F32).unwrap();
    let b = device.alloc("b", 4, Dtype::F32).unwrap();
    let words = device.alloc("words", 4, Dtype::U32).unwrap();
    let check = |op: Op| device.check("test", &[op]);
    assert!(check(Op::Fill(Fill { len: 4, buffer: a, value: 1.0 })).is_ok());
    let error = check(Op::Fill(Fill { len: 5, buffer: a, value: 1.0 })).unwrap_err().to_string();
    assert!(error.contains("Fill: buffer should be at least 5 floats, found 4 floats"), "{error}");
    assert!(check(Op::Fill(Fill { len: 4, buffer: words, value: 1.0 })).is_err());
    assert!(check(Op::Fill(Fill { len: 4, buffer: BufferId(8), value: 1.0 })).is_err());
    assert!(check(Op::Relu(Relu { len: 4, x: a, y: a })).is_ok());
    assert!(check(Op::ReluGrad(ReluGrad { len: 4, dy: a, y: b, dx: a, accumulate: false })).is_ok());
    assert!(check(Op::ReluGrad(ReluGrad { len: 4, dy: a, y: b, dx: a, accumulate: true })).is_err());
    assert!(check(Op::ReluGrad(ReluGrad { len: 4, dy: a, y: b, dx: b, accumulate: false })).is_err());
}

#[test]
fn an_op_that_fails_gives_its_buffers_back() {
    let mut bench = Bench::<f32>::new(4);
    bench.step.sample_offset = 100;
    let (logits, labels, dlogits) = (bench.put(&[1.0; 8]), bench.put_u32(&[0; 4]), bench.put(&[7.0; 8]));
    let (samples, totals) = (bench.put(&[7.0; 16]), bench.put(&[7.0; 4]));
    let loss = crate::ops::SoftmaxCrossEntropy { classes: 2, n: 4, logits, labels, dlogits: Some(dlogits), samples, totals };
    let error = bench.device.run(&[Op::SoftmaxCrossEntropy(loss)], &bench.step).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shape { .. }), "{error}");
    assert_eq!(bench.get(samples, 16), [7.0; 16]);
    assert_eq!(bench.get(dlogits, 8), [7.0; 8]);
}

#[test]
fn the_device_names_itself() {
    let info = CpuDevice::<f32>::new().info();
    assert!(info.name.contains("thread") && info.backend == "cpu" && !info.driver.is_empty(), "{info:?}");
    assert_eq!(CpuDevice::<f64>::new().info().backend, "oracle");
}
