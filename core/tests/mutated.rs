//! Valid PyTorch files with bytes changed, spliced, repeated or cut: read or refused, without a panic and without memory that
//! the file does not account for.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod torch_files;

use sparring_core::error::ErrorKind;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use proptest::prelude::*;
use sparring_core::Error;
use sparring_core::formats::{safetensors, torch};
use torch_files::{Pickler, both, legacy_with};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counting what each thread holds.
struct Counting;

fn count(bytes: isize) {
    // A thread that is going away has nothing left to count in.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the reader promises: less than four times the file.
const BYTES_A_BYTE: isize = 4;
/// What small files with long descriptions may take however small they are, and an error's text.
const BYTES_ANYWAY: isize = (1 << 20) + (64 << 10);

/// Reads bytes as every format; the most memory that was held at once.
fn peak_of_reading(bytes: &[u8]) -> isize {
    let before = LIVE.get();
    PEAK.set(before);
    for result in [torch::read(bytes, "f"), safetensors::read(bytes, "f")] {
        assert!(matches!(result.as_ref().map_err(Error::kind), Ok(_) | Err(ErrorKind::Format { .. })));
    }
    PEAK.get() - before
}

/// One change of a file.
#[derive(Clone, Debug)]
enum Mutation {
    /// A byte becomes another.
    Byte(prop::sample::Index, u8),
    /// Four bytes become a length.
    Length(prop::sample::Index, u32),
    /// A piece of one file replaces a piece of the other.
    Splice(prop::sample::Index, prop::sample::Index, usize),
    /// A piece is repeated many times.
    Repeat(prop::sample::Index, usize, usize),
    /// The rest is cut away.
    Cut(prop::sample::Index),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let at = || any::<prop::sample::Index>();
    let one = prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(i, b)| Mutation::Byte(i, b)),
        2 => (at(), prop_oneof![any::<u32>(), Just(u32::MAX), Just(i32::MAX as u32), 0u32..64]).prop_map(|(i, n)| Mutation::Length(i, n)),
        2 => (at(), at(), 1usize..120).prop_map(|(i, j, n)| Mutation::Splice(i, j, n)),
        1 => (at(), 1usize..24, 2usize..4000).prop_map(|(i, n, times)| Mutation::Repeat(i, n, times)),
        1 => at().prop_map(Mutation::Cut),
    ];
    prop::collection::vec(one, 1..6)
}

fn mutated(mut bytes: Vec<u8>, other: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        let len = bytes.len();
        match *mutation {
            Mutation::Byte(at, byte) => bytes[at.index(len)] = byte,
            Mutation::Length(at, n) => {
                let at = at.index(len);
                bytes[at..].iter_mut().zip(n.to_le_bytes()).for_each(|(b, n)| *b = n);
            }
            Mutation::Splice(at, from, n) => {
                let (at, from) = (at.index(len), from.index(other.len()));
                let piece = &other[from..(from + n).min(other.len())];
                bytes.splice(at..(at + n).min(len), piece.iter().copied());
            }
            Mutation::Repeat(at, n, times) => {
                let at = at.index(len);
                let piece = bytes[at..(at + n).min(len)].repeat(times);
                bytes.splice(at..at, piece);
            }
            Mutation::Cut(at) => bytes.truncate(at.index(len)),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::with_cases(4000) })]
    #[test]
    fn a_mutated_file_is_read_or_refused(zip in any::<bool>(), mutations in mutations()) {
        let [legacy, archive] = both();
        let bytes = if zip { mutated(archive, &legacy, &mutations) } else { mutated(legacy, &archive, &mutations) };
        let peak = peak_of_reading(&bytes);
        prop_assert!(peak <= BYTES_ANYWAY + BYTES_A_BYTE * bytes.len() as isize, "{peak} bytes held for a file of {}", bytes.len());
    }
}

#[test]
fn the_meter_measures() {
    let before = LIVE.get();
    PEAK.set(before);
    drop(std::hint::black_box(vec![1u8; 1 << 20]));
    assert!(PEAK.get() - before >= 1 << 20);
    assert!(peak_of_reading(&both()[0]) > 0);
}

/// Long pickles of one kind of instruction: what each byte makes is many times as large.
#[test]
fn hostile_descriptions_take_less_than_four_times_the_file() {
    const LENGTH: usize = 6 << 20;
    let tensor = |p: &mut Pickler| {
        p.tensor("FloatStorage", "0", 6, &[1], &[1], true);
    };
    let tied = {
        let mut p = Pickler::new();
        p.op(b"}").text("w");
        tensor(&mut p);
        p.op(b"q\x01s(").text("n").tensor("LongStorage", "1", 1, &[], &[], true);
        let mut number = 0u32;
        while p.0.len() < LENGTH {
            p.text(&number.to_string()).op(b"h\x01");
            number += 1;
        }
        legacy_with(&p.op(b"u").done())
    };
    let expanded = {
        let mut p = Pickler::new();
        p.op(b"}").text("w").tensor("FloatStorage", "0", 6, &[LENGTH as i32], &[0], true).op(b"s");
        p.text("n").tensor("LongStorage", "1", 1, &[], &[], true).op(b"s");
        let padding = vec![b'x'; LENGTH / 2];
        p.op(b"B").op(&(padding.len() as u32).to_le_bytes()).op(&padding).op(b"0");
        legacy_with(&p.done())
    };
    let repeated = |piece: &[u8]| legacy_with(&[b"\x80\x02", &piece.repeat(LENGTH / piece.len())[..], b"."].concat());
    let mut memo = Pickler::new();
    memo.op(b"N");
    for key in 0..LENGTH as u32 / 5 {
        memo.op(b"r").op(&key.to_le_bytes());
    }
    let all: Vec<(&str, Vec<u8>)> = vec![
        ("values", repeated(b"N")),
        ("containers", repeated(b"}")),
        ("marks", repeated(b"(")),
        ("lists of lists", repeated(b"](]e")),
        ("pairs", repeated(b"(K\x00K\x01d")),
        ("tuples", repeated(b"K\x00K\x01K\x02\x87")),
        ("names", repeated(b"ca\nb\n")),
        ("objects", repeated(b"ca\nb\n)R")),
        ("references", repeated(b"2N2")),
        ("memo", legacy_with(&memo.done())),
        ("tied tensors", tied),
        ("an expanded tensor", expanded),
    ];
    for (what, bytes) in all {
        let peak = peak_of_reading(&bytes);
        assert!(peak < 4 * bytes.len() as isize, "{what}: {peak} bytes held for a file of {}", bytes.len());
    }
}
