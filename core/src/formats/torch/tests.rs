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
        assert_eq!(names, ["module.conv.weight", "module.steps"]);
        assert_eq!(state.tensors["module.conv.weight"], Tensor { shape: vec![2, 3], data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] });
        assert_eq!(state.tensors["module.steps"], Tensor { shape: vec![], data: vec![7.0] });
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
    let cases: [(&[i32], &[i32], i32); 4] =
        [(&[i32::MAX, i32::MAX, i32::MAX], &[0, 0, 0], 6), (&[1_000_000_000], &[0], 6), (&[6], &[i32::MAX], 6), (&[6], &[1], i32::MAX)];
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

/// `{"w": one tensor of six}` with its description written by `tensor`, read from a legacy file.
fn tensor_of(tensor: &dyn Fn(&mut Pickler)) -> Result<StateDict> {
    let mut p = Pickler::new();
    p.op(b"}(").text("w");
    tensor(&mut p);
    p.text("one").tensor("LongStorage", "1", 1, &[], &[], true);
    read(&legacy_with(&p.op(b"u").done()), "t.pth")
}

/// A set of weights under a key: `names` tensors, all the same storage.
fn set<'p>(p: &'p mut Pickler, key: &str, names: &[&str]) -> &'p mut Pickler {
    p.text(key).op(b"}(");
    for name in names {
        p.text(name).tensor("FloatStorage", "0", 6, &[6], &[1], true);
    }
    p.op(b"us")
}

#[test]
fn wrappers_are_looked_through_and_the_likeliest_is_taken() {
    let read_sets = |sets: &[(&str, &[&str])], key: Option<&str>| {
        let mut p = Pickler::new();
        p.op(b"}");
        for (key, names) in sets {
            set(&mut p, key, names);
        }
        // What the second storage is for.
        p.text("steps").tensor("LongStorage", "1", 1, &[1], &[1], true).op(b"s");
        open(&legacy_with(&p.done()), "t.pth", key)
    };
    let names = |weights: &Weights| weights.state.tensors.keys().cloned().collect::<Vec<_>>().join(" ");
    let both: [(&str, &[&str]); 2] = [("model_ema", &["e.a", "e.b"]), ("model", &["m.a", "m.b"])];
    for (sets, key, taken, from) in [
        (&both[..], None, "m.a m.b", "model"),
        (&both[..], Some("model_ema"), "e.a e.b", "model_ema"),
        (&both[..1], None, "e.a e.b", "model_ema"),
        (&[("anything", &["x.a", "x.b"][..])][..], None, "x.a x.b", "anything"),
        // A configuration under a usual key, and an optimiser, are no weights.
        (&[("model", &[][..]), ("params", &["p.a", "p.b"][..]), ("optimizer", &["o.a"; 5][..])][..], None, "p.a p.b", "params"),
    ] {
        let weights = read_sets(sets, key).unwrap();
        assert_eq!((names(&weights).as_str(), weights.key.as_str()), (taken, from));
    }
    let message = read_sets(&[("g", &["a", "b"]), ("d", &["a", "b"])], None).unwrap_err().to_string();
    assert!(message.contains("'g' (2 tensors), 'd' (2 tensors); --key NAME chooses"), "{message}");
    let nothing = Pickler::new().op(b"}").text("epoch").op(b"K\x01s").done();
    assert!(read(&zip_with(&[("x/data.pkl", &nothing)]), "t.pth").unwrap_err().to_string().contains("epoch"));
}

#[test]
fn what_is_no_tensor_stays_opaque() {
    let global = |p: &mut Pickler, name: &str| {
        p.op(format!("c{name}\n").as_bytes());
    };
    let mut p = Pickler::new();
    p.op(b"}(").text("state_dict").op(b"}(").text("w").tensor("FloatStorage", "0", 6, &[6], &[1], true);
    p.text("n").tensor("LongStorage", "1", 1, &[], &[], true).op(b"u");
    // Called, with a state, with items, by old instructions, and named alone.
    p.text("device");
    global(&mut p, "torch\ndevice");
    p.text("cuda").op(b"\x85R");
    p.text("args");
    global(&mut p, "argparse\nNamespace");
    p.op(b")\x81}").text("lr").op(b"G?\xb9\x99\x99\x99\x99\x99\x9asb");
    p.text("counter");
    global(&mut p, "collections\nCounter");
    p.op(b"}\x85R").text("h").op(b"K\x02s");
    p.text("queue");
    global(&mut p, "collections\ndeque");
    p.op(b")R(K\x01K\x02e");
    p.text("old").op(b"(K\x01i__main__\nConfig\n");
    p.text("older").op(b"(");
    global(&mut p, "__main__\nConfig");
    p.op(b"K\x01o");
    p.text("dtype");
    global(&mut p, "torch\nfloat16");
    p.text("bytes").op(b"C\x03abc");
    let state = read(&legacy_with(&p.op(b"u").done()), "t.pth").unwrap();
    assert_eq!(state.tensors.keys().collect::<Vec<_>>(), ["n", "w"]);
}

#[test]
fn masks_beside_the_weights_are_read_with_them() {
    let mut p = Pickler::new();
    p.op(b"}(").text("state_dict").op(b"}").text("w").tensor("FloatStorage", "0", 6, &[2], &[1], true).op(b"s");
    p.text("mask").op(b"}").text("w").tensor("LongStorage", "1", 1, &[1], &[1], true).op(b"s");
    p.text("other").op(b"}").text("w").tensor("LongStorage", "1", 1, &[1], &[1], true).op(b"su");
    let bytes = legacy_with(&p.done());
    let mask: (String, BTreeMap<String, Tensor>) =
        ("mask".to_owned(), [("w".to_owned(), Tensor { shape: vec![1], data: vec![7.0] })].into());
    for (key, masks) in [(None, vec![mask.clone()]), (Some("state_dict"), vec![mask.clone()]), (Some("mask"), vec![])] {
        assert_eq!(open(&bytes, "t.pth", key).unwrap().masks, masks, "{key:?}");
    }
}

#[test]
fn a_dictionary_of_arrays_says_how_to_make_tensors_of_them() {
    let array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R";
    let said = |p: &mut Pickler| read(&zip_with(&[("x/data.pkl", &p.done())]), "t.pth").unwrap_err().to_string();
    let mut p = Pickler::new();
    p.op(b"}").text("state_dict").op(b"}(").text("conv1.weight").op(array).text("conv1.bias").op(array).op(b"us");
    let message = said(&mut p);
    assert!(message.contains("NumPy arrays (keys: state_dict)") && message.contains("torch.from_numpy(array)"), "{message}");
    // One array among other things, such as a generator's state.
    let mut p = Pickler::new();
    p.op(b"}(").text("epoch").op(b"K\x03").text("lr").op(b"K\x03").text("noise").op(array).op(b"u");
    assert!(said(&mut p).contains("a dictionary without tensors (keys: epoch, lr, noise)"));
}

#[test]
fn tensors_of_every_form_are_gathered() {
    let values = |state: Result<StateDict>| state.unwrap().tensors["w"].clone();
    // The storage is 1 4 2 5 3 6.
    let negative = values(tensor_of(&|p| {
        p.op(b"ctorch._utils\n_rebuild_tensor_v2\n((").text("storage").op(b"ctorch\nFloatStorage\n").text("0").text("cpu").int(6);
        p.op(b"NtQ").int(0).ints(&[2]).ints(&[1]).op(b"\x89N}(").text("conj").op(b"\x89").text("neg").op(b"\x88utR");
    }));
    assert_eq!(negative.data, [-1.0, -4.0]);
    let unknown = tensor_of(&|p| {
        p.op(b"ctorch._utils\n_rebuild_tensor_v2\n((").text("storage").op(b"ctorch\nFloatStorage\n").text("0").text("cpu").int(6);
        p.op(b"NtQ").int(0).ints(&[2]).ints(&[1]).op(b"\x89N}").text("zero").op(b"\x88stR");
    });
    assert!(unknown.unwrap_err().to_string().contains("negative or a conjugate bit, found 'zero'"));
    let expanded = values(tensor_of(&|p| {
        p.tensor("FloatStorage", "0", 6, &[3, 2], &[0, 1], true);
    }));
    assert_eq!(expanded, Tensor { shape: vec![3, 2], data: vec![1.0, 4.0, 1.0, 4.0, 1.0, 4.0] });
    // Windows that overlap.
    let windows = values(tensor_of(&|p| {
        p.tensor("FloatStorage", "0", 6, &[3, 3], &[1, 1], true);
    }));
    assert_eq!(windows.data, [1.0, 4.0, 2.0, 4.0, 2.0, 5.0, 2.0, 5.0, 3.0]);
    let sparse = |indices: [i32; 2], values: [i32; 2], shape: &[i32]| {
        let (shape, stride) = (shape.to_vec(), [indices[1].max(1), 1]);
        tensor_of(&move |p| {
            p.op(b"ctorch._utils\n_rebuild_sparse_tensor\n(ctorch.serialization\n_get_layout\n").text("torch.sparse_coo").op(b"\x85R(");
            p.tensor("LongStorage", "1", 1, &indices, &stride, true);
            p.tensor("FloatStorage", "0", 6, &values[..1], &[1], true).ints(&shape).op(b"ttR");
        })
    };
    // One place, its index being the 7 of the second storage.
    let one = values(sparse([1, 1], [1, 1], &[9]));
    assert_eq!((one.data[7], one.data.iter().sum::<f32>(), one.shape), (1.0, 1.0, vec![9]));
    assert!(sparse([1, 1], [1, 1], &[7]).unwrap_err().to_string().contains("index 7 of 7"));
    assert!(sparse([1, 1], [2, 1], &[9]).unwrap_err().to_string().contains("values [2]"));
    assert!(sparse([1, 1], [1, 1], &[i32::MAX]).is_err(), "a sparse tensor unfolds to a bounded size");
}

#[test]
fn the_published_resnet20_is_read() {
    let shared = std::env::var("SPARRING_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into());
    let path = std::path::Path::new(&shared).join("data/resnet20-cifar10.th");
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: not present: {}", path.display());
        return;
    };
    let mut state = read(&bytes, "resnet20-cifar10.th").unwrap();
    state.tensors = state.tensors.into_iter().filter_map(|(name, t)| Some((name.strip_prefix("module.")?.to_owned(), t))).collect();
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
