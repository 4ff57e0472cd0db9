//! State dicts written here by hand in both containers, then read, cut, and flipped bit by bit.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// A pickle of `{name: tensor}` as `torch.save` writes it.
struct Pickler(Vec<u8>);

impl Pickler {
    fn new() -> Self {
        Self(vec![0x80, 2])
    }
    fn op(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn text(&mut self, s: &str) -> &mut Self {
        self.op(b"X").op(&(s.len() as u32).to_le_bytes()).op(s.as_bytes())
    }
    fn int(&mut self, v: i32) -> &mut Self {
        self.op(b"J").op(&v.to_le_bytes())
    }
    fn ints(&mut self, items: &[i32]) -> &mut Self {
        self.op(b"(");
        for v in items {
            self.int(*v);
        }
        self.op(b"t")
    }
    fn tensor(&mut self, storage: &str, key: &str, len: i32, shape: &[i32], stride: &[i32], legacy: bool) -> &mut Self {
        self.op(b"ctorch._utils\n_rebuild_tensor_v2\n((")
            .text("storage")
            .op(format!("ctorch\n{storage}\n").as_bytes())
            .text(key)
            .text("cuda:0")
            .int(len);
        if legacy {
            self.op(b"N");
        }
        self.op(b"tQ").int(0).ints(shape).ints(stride).op(b"\x89").op(b"ccollections\nOrderedDict\n)RtR")
    }
    fn done(&mut self) -> Vec<u8> {
        self.op(b".");
        std::mem::take(&mut self.0)
    }
}

/// `{"epoch": 3, "state_dict": OrderedDict(module.conv.weight [2,3] transposed in memory, module.steps int64)}`.
fn description(legacy: bool) -> Vec<u8> {
    let mut p = Pickler::new();
    p.op(b"}q\x00(").text("epoch").op(b"K\x03").text("state_dict").op(b"ccollections\nOrderedDict\nq\x01)Rq\x02(");
    p.text("module.conv.weight").tensor("FloatStorage", "0", 6, &[2, 3], &[1, 2], legacy);
    p.text("module.steps").tensor("LongStorage", "1", 1, &[], &[], legacy);
    p.op(b"u}").text("_metadata").op(b"}sbu").done()
}

fn storages() -> [Vec<u8>; 2] {
    [[1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect(), 7i64.to_le_bytes().to_vec()]
}

fn legacy_with(description: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80, 2, 0x8a, 10];
    out.extend(MAGIC);
    out.extend(b".\x80\x02M\xe9\x03.\x80\x02}");
    let mut system = Pickler(Vec::new());
    out.extend(system.text("little_endian").op(b"\x88s.").0.clone());
    out.extend(description);
    out.extend(Pickler::new().op(b"](").text("0").text("1").op(b"e").done());
    for (data, count) in storages().iter().zip([6u64, 1]) {
        out.extend(count.to_le_bytes());
        out.extend(data);
    }
    out
}

fn zip_with(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let at = out.len() as u32;
        let mut shared = vec![0u8; 10];
        shared[0] = 20;
        shared.extend(crc.sum().to_le_bytes());
        shared.extend((data.len() as u32).to_le_bytes());
        shared.extend((data.len() as u32).to_le_bytes());
        shared.extend((name.len() as u16).to_le_bytes());
        shared.extend(0u16.to_le_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&shared);
        out.extend(name.as_bytes());
        out.extend(*data);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&shared);
        directory.extend([0u8; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let at = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        out.extend((entries.len() as u16).to_le_bytes());
    }
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out
}

fn both() -> [Vec<u8>; 2] {
    let [first, second] = storages();
    let zip = zip_with(&[
        ("net/data.pkl", &description(false)),
        ("net/byteorder", b"little"),
        ("net/data/0", &first),
        ("net/data/1", &second),
        ("net/version", b"3\n"),
    ]);
    [legacy_with(&description(true)), zip]
}

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
            assert!(matches!(read(&bytes[..len], "t.pth"), Err(Error::Format { .. })), "cut at {len} of {}", bytes.len());
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
                Err(Error::Format { .. }) => {}
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
        assert!(matches!(read(&damaged, "t.pth"), Ok(_) | Err(Error::Format { .. })));
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
        assert!(matches!(result, Err(Error::Format { .. })), "{shape:?}");
    }
    assert!(matches!(
        hostile(&|p| {
            p.tensor("FloatStorage", "0", 6, &[-1], &[1], true);
        }),
        Err(Error::Format { .. })
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
    assert!(matches!(read(&legacy_with(&deep), "t.pth"), Err(Error::Format { .. })));
    assert!(matches!(read(&legacy_with(b"\x80\x02}q\x00X\x0a\0\0\0state_dicth\x00s."), "t.pth"), Err(Error::Format { .. })));
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
        assert!(matches!(read(&bytes[..len], "cut"), Err(Error::Format { .. })));
    }
}
