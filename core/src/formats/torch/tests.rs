//! State dicts written by hand in both containers, then read, cut, and flipped bit by bit.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::error::ErrorKind;

#[path = "../../../tests/torch_files/mod.rs"]
mod torch_files;
use torch_files::{Pickler, both, legacy_with, zip_with};

#[test]
fn both_containers_give_the_same_state() {
    for bytes in both() {
        let state = read(&bytes, "t.pth").unwrap();
        let names: Vec<_> = state.tensors.keys().map(String::as_str).collect();
        assert_eq!(names, ["conv.weight", "steps"]);
        assert_eq!(state.tensors["conv.weight"], Tensor { shape: vec![2, 3], data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] });
        assert_eq!(state.tensors["steps"], Tensor { shape: vec![], data: vec![7.0] });
    }
}

#[test]
fn a_cut_file_is_a_format_error() {
    for bytes in both() {
        for len in 0..bytes.len() {
            assert!(
                matches!(read(&bytes[..len], "t.pth").as_ref().map_err(Error::kind), Err(ErrorKind::Format { .. })),
                "cut at {len} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn a_flipped_bit_never_panics_and_the_zip_notices_it() {
    let [legacy, zip] = both();
    for (bytes, zipped) in [(legacy, false), (zip, true)] {
        let good = read(&bytes, "t.pth").unwrap();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match read(&flipped, "t.pth") {
                Err(error) if matches!(error.kind(), ErrorKind::Format { .. }) => {}
                Err(other) => panic!("bit {bit}: {other}"),
                Ok(state) => assert!(!zipped || state == good, "bit {bit} changed the tensors unnoticed"),
            }
        }
    }
}

#[test]
fn two_flipped_bytes_at_random_never_panic() {
    use crate::rng::{Purpose, Stream};
    let mut stream = Stream::new(1, Purpose::Test, 0, 0);
    let bytes = &both()[0];
    for _ in 0..20_000 {
        let mut damaged = bytes.clone();
        for _ in 0..2 {
            let at = stream.below(damaged.len() as u32) as usize;
            damaged[at] = stream.next_u32() as u8;
        }
        assert!(matches!(read(&damaged, "t.pth").as_ref().map_err(Error::kind), Ok(_) | Err(ErrorKind::Format { .. })));
    }
}

#[test]
fn nothing_but_tensors_and_containers_is_built() {
    for attack in [
        &b"\x80\x02cos\nsystem\n(X\x02\0\0\0lstR."[..],
        b"\x80\x02cbuiltins\neval\n)R.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"\x80\x02(S'ls'\nios\nsystem\n.",
    ] {
        let message = read(&legacy_with(attack), "t.pth").unwrap_err().to_string();
        assert!(message.contains("tensors and containers"), "{message}");
    }
}

#[test]
fn hostile_sizes_allocate_nothing() {
    let hostile = |tensor: &dyn Fn(&mut Pickler)| {
        let mut p = Pickler::new();
        p.op(b"}(").text("w");
        tensor(&mut p);
        p.text("one").tensor("LongStorage", "1", 1, &[], &[], true);
        let description = p.op(b"u").done();
        read(&legacy_with(&description), "t.pth")
    };
    let cases: [(&[i32], &[i32], i32); 5] = [
        (&[i32::MAX, i32::MAX, i32::MAX], &[0, 0, 0], 6),
        (&[1_000_000_000], &[0], 6),
        (&[3, 3], &[1, 1], 6),
        (&[6], &[i32::MAX], 6),
        (&[6], &[1], i32::MAX),
    ];
    for (shape, stride, len) in cases {
        let result = hostile(&|p| {
            p.tensor("FloatStorage", "0", len, shape, stride, true);
        });
        assert!(matches!(result.as_ref().map_err(Error::kind), Err(ErrorKind::Format { .. })), "{shape:?}");
    }
    assert!(matches!(
        hostile(&|p| {
            p.tensor("FloatStorage", "0", 6, &[-1], &[1], true);
        })
        .as_ref()
        .map_err(Error::kind),
        Err(ErrorKind::Format { .. })
    ));
    // A list copied again and again by two-byte instructions.
    let mut p = Pickler::new();
    p.op(b"(").op(&b"N".repeat(100_000)).op(b"lq\x00").op(b"\x85q\x010");
    for _ in 0..100_000 {
        p.op(b"c__builtin__\nset\nh\x01R0");
    }
    assert!(read(&legacy_with(&p.op(b"}").done()), "t.pth").unwrap_err().to_string().contains("at most"));
    // Nesting and cycles.
    let deep = [&b"\x80\x02N"[..], &b"\x85".repeat(1_000_000), b"."].concat();
    assert!(matches!(read(&legacy_with(&deep), "t.pth").as_ref().map_err(Error::kind), Err(ErrorKind::Format { .. })));
    assert!(matches!(
        read(&legacy_with(b"\x80\x02}q\x00X\x0a\0\0\0state_dicth\x00s."), "t.pth").as_ref().map_err(Error::kind),
        Err(ErrorKind::Format { .. })
    ));
}

#[test]
fn wrappers_and_prefixes_come_off() {
    let mut p = Pickler::new();
    p.op(b"}").text("net").op(b"}(").text("module.model.fc.weight").tensor("FloatStorage", "0", 6, &[6], &[1], true);
    p.text("module.model.fc.bias").tensor("LongStorage", "1", 1, &[1], &[1], true);
    let description = p.op(b"us").done();
    let state = read(&legacy_with(&description), "t.pth").unwrap();
    assert_eq!(state.tensors.keys().collect::<Vec<_>>(), ["fc.bias", "fc.weight"]);
    let nothing = Pickler::new().op(b"}").text("epoch").op(b"K\x01s").done();
    assert!(read(&zip_with(&[("x/data.pkl", &nothing)]), "t.pth").unwrap_err().to_string().contains("epoch"));
}

#[test]
fn the_published_resnet20_is_read() {
    let shared = std::env::var("SPARRING_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into());
    let path = std::path::Path::new(&shared).join("data/resnet20-cifar10.th");
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: not present: {}", path.display());
        return;
    };
    let state = read(&bytes, "resnet20-cifar10.th").unwrap();
    assert_eq!(state.tensors["conv1.weight"].shape, [16, 3, 3, 3]);
    assert_eq!(state.tensors["linear.weight"].shape, [10, 64]);
    assert_eq!(state.tensors["layer3.2.bn2.running_var"].shape, [64]);
    let parameters: usize =
        state.tensors.iter().filter(|(n, _)| !n.contains("running") && !n.contains("tracked")).map(|(_, t)| t.data.len()).sum();
    assert_eq!(parameters, 269_722);
    for len in (0..bytes.len()).step_by(997) {
        assert!(matches!(read(&bytes[..len], "cut").as_ref().map_err(Error::kind), Err(ErrorKind::Format { .. })));
    }
}
