//! Event files for TensorBoard: read back here by a reader of this test's own, and by TensorBoard's own library where a Python has it.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{Folder, stderr, stdout};
use serde_json::Value;
use sparring_core::Event;

const LEARNERS: [&str; 2] = ["dense", "set@0.2"];

/// CRC-32C bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1))))
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A field of a protobuf message: a number (also the bits of a float), or bytes.
#[derive(Clone, Debug, PartialEq)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> &'a [u8] {
        let Field::Bytes(bytes) = self else { panic!("{self:?}") };
        bytes
    }
    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }
    fn number(&self) -> u64 {
        let Field::Number(number) = self else { panic!("{self:?}") };
        *number
    }
}

/// The fields of a message, by number.
struct Message<'a>(Vec<(u64, Field<'a>)>);

impl<'a> Message<'a> {
    fn read(mut bytes: &'a [u8]) -> Self {
        fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
            let (head, rest) = bytes.split_at(n);
            *bytes = rest;
            head
        }
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let byte = take(bytes, 1)[0];
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    return value;
                }
            }
            unreachable!()
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let field = match key & 7 {
                0 => Field::Number(varint(&mut bytes)),
                1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    Field::Bytes(take(&mut bytes, length))
                }
                5 => Field::Number(u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap()).into()),
                kind => panic!("kind {kind}"),
            };
            fields.push((key >> 3, field));
        }
        Self(fields)
    }
    fn all(&self, number: u64) -> impl Iterator<Item = &Field<'a>> {
        self.0.iter().filter(move |(n, _)| *n == number).map(|(_, field)| field)
    }
    fn get(&self, number: u64) -> Option<&Field<'a>> {
        self.all(number).next()
    }
    fn inner(&self, number: u64) -> Option<Message<'a>> {
        self.get(number).map(|field| Message::read(field.bytes()))
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Scalar(f32),
    Text(String),
    Picture { width: u64, height: u64, png: Vec<u8> },
}

/// What an event file says, in its order.
#[derive(Default)]
struct Board {
    versions: usize,
    starts: usize,
    /// Tag, step, seconds since 1970.
    values: Vec<(String, u64, f64, Content)>,
}

impl Board {
    /// Every byte of the one event file in a learner's folder.
    fn read(folder: &Path) -> Self {
        let [file] = event_files(folder).try_into().unwrap();
        let bytes = fs::read(file).unwrap();
        let (mut rest, mut board) = (bytes.as_slice(), Self::default());
        while !rest.is_empty() {
            let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(word(8), masked(&rest[..8]), "the length's checksum");
            let event = &rest[12..12 + length];
            assert_eq!(word(12 + length), masked(event), "the event's checksum");
            board.add(&Message::read(event));
            rest = &rest[16 + length..];
        }
        board
    }
    fn add(&mut self, event: &Message) {
        let time = f64::from_bits(event.get(1).unwrap().number());
        let step = event.get(2).map_or(0, Field::number);
        self.versions += event.all(3).filter(|version| version.bytes() == b"brain.Event:2").count();
        self.starts += event.inner(7).iter().filter(|session| session.get(1) == Some(&Field::Number(1))).count();
        for value in event.inner(5).iter().flat_map(|summary| summary.all(1)).map(|value| Message::read(value.bytes())) {
            let content = if let Some(scalar) = value.get(2) {
                Content::Scalar(f32::from_bits(scalar.number() as u32))
            } else {
                let tensor = value.inner(8).unwrap();
                assert_eq!(tensor.get(1), Some(&Field::Number(7)), "strings");
                let strings: Vec<&Field> = tensor.all(8).collect();
                assert_eq!(tensor.inner(2).unwrap().inner(2).unwrap().get(1).unwrap().number(), strings.len() as u64);
                match (value.inner(9).unwrap().inner(1).unwrap().get(1).unwrap().text().as_str(), strings.as_slice()) {
                    ("text", [text]) => Content::Text(text.text()),
                    ("images", [width, height, png]) => Content::Picture {
                        width: width.text().parse().unwrap(),
                        height: height.text().parse().unwrap(),
                        png: png.bytes().to_vec(),
                    },
                    other => panic!("{other:?}"),
                }
            };
            self.values.push((value.get(1).unwrap().text(), step, time, content));
        }
    }
    /// A curve.
    fn scalars(&self, tag: &str) -> Vec<(u64, f32)> {
        let scalar = |(name, step, _, content): &(String, u64, f64, Content)| match content {
            Content::Scalar(value) if name == tag => Some((*step, *value)),
            _ => None,
        };
        self.values.iter().filter_map(scalar).collect()
    }
    fn pictures(&self, tag: &str) -> Vec<(u64, &[u8], (u64, u64))> {
        self.values
            .iter()
            .filter(|(name, ..)| name == tag)
            .map(|(_, step, _, content)| {
                let Content::Picture { width, height, png } = content else { panic!("{content:?}") };
                (*step, png.as_slice(), (*width, *height))
            })
            .collect()
    }
    fn text(&self, tag: &str) -> &str {
        let found = self.values.iter().find_map(|(name, _, _, content)| match content {
            Content::Text(text) if name == tag => Some(text),
            _ => None,
        });
        found.unwrap()
    }
    fn tags(&self) -> Vec<&str> {
        let mut tags: Vec<&str> = self.values.iter().map(|(tag, ..)| tag.as_str()).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }
    /// Without pictures; times and values as far as a line of JSON keeps them.
    fn plain(&self) -> Vec<(&str, u64, String)> {
        let values = self.values.iter().filter(|(_, _, _, content)| !matches!(content, Content::Picture { .. }));
        values.map(|(tag, step, time, content)| (tag.as_str(), *step, format!("{time:.3} {content:?}"))).collect()
    }
}

/// Without those that were emptied.
fn event_files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<PathBuf> = files.filter(|file| file.metadata().unwrap().len() > 0).map(|file| file.path()).collect();
    files.sort();
    files
}

fn boards(folder: &Path) -> Vec<Board> {
    LEARNERS.iter().map(|learner| Board::read(&folder.join(learner))).collect()
}

fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(output), stderr(output));
}

fn events(run: &Path) -> Vec<Event> {
    fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().map(|line| Event::from_line(line).unwrap()).collect()
}

/// Steps of an epoch, and by learner the test accuracies of its epochs.
fn recorded(run: &Path) -> (u64, BTreeMap<usize, Vec<f32>>) {
    let (mut steps_of, mut accuracies) = (0, BTreeMap::<usize, Vec<f32>>::new());
    for event in events(run) {
        match event {
            Event::Progress { steps, .. } => steps_of = steps as u64,
            Event::EpochEnd { learner, scores, .. } => accuracies.entry(learner).or_default().push(scores.test.accuracy as f32),
            _ => {}
        }
    }
    (steps_of, accuracies)
}

/// Each epoch once, at its step and with its accuracy; each report of progress once.
fn complete(run: &Path, boards: &[Board], epochs: usize) {
    let (steps, accuracies) = recorded(run);
    let reports = |of: usize| events(run).iter().filter(|e| matches!(e, Event::Progress { learner, .. } if *learner == of)).count();
    for (learner, board) in boards.iter().enumerate() {
        let expected: Vec<(u64, f32)> = accuracies[&learner].iter().zip(1..).map(|(a, epoch)| (epoch * steps, *a)).collect();
        assert_eq!((board.scalars("accuracy/test"), expected.len()), (expected, epochs));
        let losses = board.scalars("training/loss");
        assert!(losses.len() == reports(learner) && losses.is_sorted_by(|a, b| a.0 < b.0), "{losses:?}");
        assert!(board.values.is_sorted_by(|a, b| a.1 <= b.1 && a.2 <= b.2), "steps and times do not go back");
        assert_eq!((board.versions, board.starts), (1, 1));
    }
}

/// A race that is killed once it has said this epoch.
fn killed(race: &mut Command, epoch: &str) {
    let mut child = race.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with(epoch)));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_reader_s_checksum_is_the_known_one() {
    assert_eq!((crc32c(b"123456789"), crc32c(&[0; 32])), (0xe306_9283, 0x8a91_36aa));
}

#[test]
fn every_learner_has_its_curves_masks_and_settings() {
    let folder = Folder::new("board");
    done(&folder.race("--epochs 4 --update-frequency 1 --tensorboard --out run").output().unwrap());
    let run = folder.0.join("run");
    let of = boards(&run.join("tensorboard"));
    complete(&run, &of, 4);
    let (steps, _) = recorded(&run);
    for board in &of {
        let config = fs::read_to_string(run.join("config.toml")).unwrap();
        assert_eq!(board.text("config"), format!("```toml\n{}\n```", config.trim_end()));
        for tag in ["accuracy/validation", "loss/test", "loss/train", "training/lr", "training/accuracy", "training/seconds"] {
            assert!(board.tags().contains(&tag), "{tag}: {:?}", board.tags());
        }
    }
    let [dense, sparse] = of.try_into().ok().unwrap();
    assert!(dense.scalars("topology/density").iter().all(|(_, density)| *density == 1.0));
    assert!(!dense.tags().iter().any(|tag| tag.starts_with("mask/") || tag.contains("itop")), "{:?}", dense.tags());
    let itop = sparse.scalars("topology/itop_rate");
    assert!(itop.len() == 4 && itop.is_sorted_by(|a, b| a.1 <= b.1) && itop[3].1 > itop[0].1, "{itop:?}");
    assert_eq!(sparse.scalars("topology/death_rate").len(), 3, "an update after every epoch but the last");
    assert_eq!(sparse.scalars("itop_rate/conv1.weight").len(), 4);

    // A picture an epoch and layer; in the first layer every weight has its pixel.
    let pictures = sparse.pictures("mask/conv1.weight");
    assert_eq!(pictures.iter().map(|p| p.0).collect::<Vec<_>>(), [1, 2, 3, 4].map(|epoch| epoch * steps));
    let densities = sparse.scalars("density/conv1.weight");
    for ((_, bytes, extent), (_, density)) in pictures.into_iter().zip(densities) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((u64::from(info.width), u64::from(info.height)), extent);
        assert_eq!((info.width, info.height), (27, 16));
        let weights = pixels.chunks_exact(4).filter(|p| [[180, 184, 189], [31, 154, 74]].contains(&[p[0], p[1], p[2]])).count();
        assert_eq!(weights, (density * 27.0 * 16.0).round() as usize);
    }
    assert_eq!(sparse.tags().iter().filter(|tag| tag.starts_with("mask/")).count(), 4, "a picture a layer");

    // Made of what was recorded they say the same, but for the pictures.
    let export = |more: &str| folder.command(&format!("runs --in . export run --tensorboard {more}")).output().unwrap();
    done(&export("--out made"));
    for (made, live) in boards(&folder.0.join("made")).iter().zip([&dense, &sparse]) {
        assert_eq!(made.plain(), live.plain());
    }
    // Again they are replaced, and a folder that is there is not another's.
    fs::write(folder.file("made/dense/events.out.tfevents.1.other"), "other").unwrap();
    done(&export("--out made"));
    assert_eq!(event_files(&folder.0.join("made/dense")).len(), 2);
    // Those that the run wrote stay.
    let output = export("");
    done(&output);
    assert!(stdout(&output).contains("(stays as the run wrote it)"), "{}", stdout(&output));
    assert_eq!(Board::read(&run.join("tensorboard/set@0.2")).values, sparse.values);
    let shown = stdout(&folder.command("runs --in . show run").output().unwrap());
    assert!(shown.contains("run/tensorboard"), "{shown}");

    // They are made for a run that was finished without; a new run removes those of the last one.
    done(&folder.race("--epochs 4 --update-frequency 1 --out run --again").output().unwrap());
    assert!(!run.join("tensorboard").exists());
    done(&folder.race("--epochs 4 --update-frequency 1 --out run --tensorboard").output().unwrap());
    complete(&run, &boards(&run.join("tensorboard")), 4);
}

#[test]
fn a_series_has_them_in_every_run() {
    let folder = Folder::new("board-series");
    done(&folder.race("--epochs 1 --seeds 1").output().unwrap());
    done(&folder.race("--epochs 1 --seeds 2 --tensorboard").output().unwrap());
    let runs: Vec<PathBuf> = fs::read_dir(folder.0.join("runs")).unwrap().map(|run| run.unwrap().path()).collect();
    assert_eq!(runs.len(), 2);
    for run in runs {
        complete(&run, &boards(&run.join("tensorboard")), 1);
    }
}

#[test]
fn a_run_that_was_killed_goes_on_without_a_step_twice() {
    let folder = Folder::new("board-kill");
    let run = folder.0.join("run");
    let race = |more: &str| folder.race(&format!("--epochs 30 --update-frequency 1 --out run {more}"));
    // Begun without them, gone on with, and killed again in the midst of a record.
    killed(&mut race(""), "epoch   4");
    killed(&mut race("--tensorboard"), "epoch  14");
    for learner in LEARNERS {
        let [file] = event_files(&run.join("tensorboard").join(learner)).try_into().unwrap();
        let record = &fs::read(&file).unwrap()[..21];
        fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(record).unwrap();
    }
    // The flag need not be said again.
    done(&race("").output().unwrap());
    let of = boards(&run.join("tensorboard"));
    complete(&run, &of, 30);
    let (steps, _) = recorded(&run);
    let drawn: Vec<u64> = of[1].pictures("mask/fc.weight").iter().map(|p| p.0 / steps).collect();
    assert!(drawn.is_sorted_by(|a, b| a < b) && drawn.len() > 20 && drawn.last() == Some(&30), "{drawn:?}");
}

/// TensorBoard's own library, on a run that was killed, also with the file of before still beside the new one.
#[test]
fn tensorboard_reads_them() {
    let python = std::env::var("SPARRING_PYTHON").unwrap_or_else(|_| "python3".into());
    let present = Command::new(&python).args(["-c", "import tensorboard"]).output().is_ok_and(|o| o.status.success());
    if !present {
        println!("skipped: tensorboard not present");
        return;
    }
    const READ: &str = "
import json, sys
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
out = {}
for learner in sys.argv[2:]:
    read = EventAccumulator(sys.argv[1] + '/' + learner, size_guidance={'tensors': 0})
    read.Reload()
    of = {'scalars': {}, 'images': {}, 'text': {}}
    for tag, metadata in read.AllSummaryMetadata().items():
        values = [[event.step, make_ndarray(event.tensor_proto)] for event in read.Tensors(tag)]
        plugin = metadata.plugin_data.plugin_name
        if plugin == 'scalars':
            of[plugin][tag] = [[step, value.item()] for step, value in values]
        elif plugin == 'images':
            of[plugin][tag] = [[step, int(w), int(h), len(png)] for step, (w, h, png) in values]
        else:
            of[plugin][tag] = [[step, text.item().decode()] for step, text in values]
    out[learner] = of
print(json.dumps(out))
";
    let folder = Folder::new("board-python");
    let run = folder.0.join("run");
    let race = || folder.race("--epochs 30 --update-frequency 1 --tensorboard --out run");
    killed(&mut race(), "epoch   6");
    let before: Vec<PathBuf> = LEARNERS.iter().flat_map(|learner| event_files(&run.join("tensorboard").join(learner))).collect();
    let before: Vec<(PathBuf, Vec<u8>)> = before.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    done(&race().output().unwrap());
    let of = boards(&run.join("tensorboard"));
    complete(&run, &of, 30);
    let read = || -> Value {
        let output = Command::new(&python).args(["-c", READ]).arg(run.join("tensorboard")).args(LEARNERS).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let theirs = read();
    for (learner, board) in LEARNERS.iter().zip(&of) {
        let theirs = &theirs[learner];
        let mut scalars = 0;
        for (tag, points) in theirs["scalars"].as_object().unwrap() {
            let points: Vec<(u64, f32)> = serde_json::from_value(points.clone()).unwrap();
            assert_eq!(points, board.scalars(tag), "{learner} {tag}");
            scalars += points.len();
        }
        for (tag, pictures) in theirs["images"].as_object().unwrap() {
            let ours: Vec<Value> =
                board.pictures(tag).iter().map(|(step, png, (w, h))| serde_json::json!([step, w, h, png.len()])).collect();
            assert_eq!(pictures, &Value::from(ours), "{learner} {tag}");
        }
        assert_eq!(theirs["text"]["config"], serde_json::json!([[0, board.text("config")]]));
        let count = |of: fn(&Content) -> bool| board.values.iter().filter(|(.., content)| of(content)).count();
        assert_eq!(scalars, count(|content| matches!(content, Content::Scalar(_))));
        println!("{learner}: {scalars} values, {} pictures", count(|content| matches!(content, Content::Picture { .. })));
    }
    // As it is where the process was killed between the new file and the end of the old one.
    before.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    assert_eq!(event_files(&run.join("tensorboard/dense")).len(), 2);
    assert_eq!(read(), theirs);
}
