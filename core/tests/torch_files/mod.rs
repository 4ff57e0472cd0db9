//! PyTorch files written by hand, for the reader's unit tests and for the tests that mutate them.
#![allow(dead_code, missing_docs, reason = "not every test uses all of it")]

/// A pickle of `{name: tensor}` as `torch.save` writes it.
pub struct Pickler(pub Vec<u8>);

impl Pickler {
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }
    pub fn op(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub fn text(&mut self, s: &str) -> &mut Self {
        self.op(b"X").op(&(s.len() as u32).to_le_bytes()).op(s.as_bytes())
    }
    pub fn int(&mut self, v: i32) -> &mut Self {
        self.op(b"J").op(&v.to_le_bytes())
    }
    pub fn ints(&mut self, items: &[i32]) -> &mut Self {
        self.op(b"(");
        for v in items {
            self.int(*v);
        }
        self.op(b"t")
    }
    pub fn tensor(&mut self, storage: &str, key: &str, len: i32, shape: &[i32], stride: &[i32], legacy: bool) -> &mut Self {
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
    pub fn done(&mut self) -> Vec<u8> {
        self.op(b".");
        std::mem::take(&mut self.0)
    }
}

/// `{"epoch": 3, "state_dict": OrderedDict(module.conv.weight [2,3] transposed in memory, module.steps int64)}`.
pub fn description(legacy: bool) -> Vec<u8> {
    let mut p = Pickler::new();
    p.op(b"}q\x00(").text("epoch").op(b"K\x03").text("state_dict").op(b"ccollections\nOrderedDict\nq\x01)Rq\x02(");
    p.text("module.conv.weight").tensor("FloatStorage", "0", 6, &[2, 3], &[1, 2], legacy);
    p.text("module.steps").tensor("LongStorage", "1", 1, &[], &[], legacy);
    p.op(b"u}").text("_metadata").op(b"}sbu").done()
}

fn storages() -> [Vec<u8>; 2] {
    [[1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect(), 7i64.to_le_bytes().to_vec()]
}

/// A legacy file with this description: magic number, protocol, system, description, keys, storages.
pub fn legacy_with(description: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80, 2, 0x8a, 10];
    out.extend([0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
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

/// A zip archive of stored entries.
pub fn zip_with(entries: &[(&str, &[u8])]) -> Vec<u8> {
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

/// The same state dict in both containers.
pub fn both() -> [Vec<u8>; 2] {
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
