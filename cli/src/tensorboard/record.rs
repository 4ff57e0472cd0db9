//! A record of an event file: TFRecord's frame around one protobuf message `Event`.
//!
//! The messages are put together here, some twenty fields: the crates that write event files (`tensorboard-rs`, `tfrecord`) have not moved
//! for years and bring an old protobuf and image library, and `prost` would bring a compiler plug-in for less than it replaces. Only the
//! checksum is a library's. Numbers of fields are those of TensorFlow's `event.proto`, `summary.proto` and `tensor.proto`.

/// What an event file begins with: the version of its form, and the start of a session, at which TensorBoard forgets what earlier files of
/// the same folder say.
pub fn opening(time: f64) -> Vec<u8> {
    let version = Message::event(time, 0).bytes(3, b"brain.Event:2");
    let start = Message::default().varint(1, 1);
    let session = Message::event(time, 0).message(7, &start);
    [version.frame(), session.frame()].concat()
}

/// Whether bytes are whole records, as far as their lengths say.
pub fn are_whole(mut bytes: &[u8]) -> bool {
    while let Some((length, _)) = bytes.split_first_chunk() {
        let record = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|length| length.checked_add(16));
        let Some(rest) = record.and_then(|record| bytes.get(record..)) else { return false };
        bytes = rest;
    }
    bytes.is_empty()
}

/// Values of one step, by tag.
#[derive(Default)]
pub struct Values(Message);

/// An encoded picture.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// Its file.
    pub png: Vec<u8>,
}

impl Values {
    pub fn scalar(&mut self, tag: &str, value: f64) {
        self.add(tag, |m| m.float(2, value as f32));
    }

    /// Words in Markdown.
    pub fn text(&mut self, tag: &str, markdown: &str) {
        self.strings(tag, &[markdown.as_bytes()], &plugin(b"text"));
    }

    /// A picture, and what it shows.
    pub fn picture(&mut self, tag: &str, picture: &Picture, description: &str) {
        let [width, height] = [picture.width, picture.height].map(|pixels| pixels.to_string());
        let metadata = plugin(b"images").bytes(3, description.as_bytes());
        self.strings(tag, &[width.as_bytes(), height.as_bytes(), &picture.png], &metadata);
    }

    /// A tensor of strings, as the plugin takes it that the metadata names.
    fn strings(&mut self, tag: &str, strings: &[&[u8]], metadata: &Message) {
        const STRING: u64 = 7;
        let extent = Message::default().varint(1, strings.len() as u64);
        let tensor = Message::default().varint(1, STRING).message(2, &Message::default().message(2, &extent));
        let tensor = strings.iter().fold(tensor, |tensor, string| tensor.bytes(8, string));
        self.add(tag, |m| m.message(8, &tensor).message(9, metadata));
    }

    fn add(&mut self, tag: &str, content: impl FnOnce(Message) -> Message) {
        let value = content(Message::default().bytes(1, tag.as_bytes()));
        self.0 = std::mem::take(&mut self.0).message(1, &value);
    }

    /// The record of these values; nothing where there are none.
    pub fn record(self, time: f64, step: u64) -> Vec<u8> {
        if self.0.0.is_empty() { Vec::new() } else { Message::event(time, step).message(5, &self.0).frame() }
    }
}

/// The metadata of a value that is for one of TensorBoard's plugins.
fn plugin(name: &[u8]) -> Message {
    Message::default().message(1, &Message::default().bytes(1, name))
}

/// A protobuf message as it grows.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn event(time: f64, step: u64) -> Self {
        let event = Self::default().key(1, 1).raw(&time.to_le_bytes());
        // What is 0 is left out.
        if step == 0 { event } else { event.varint(2, step) }
    }
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
    /// Seven bits a byte, the lowest first; all but the last are marked.
    fn number(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }
    /// The kind of what follows is 0 for a number, 1 for 8 bytes, 2 for a length and its bytes, 5 for 4 bytes.
    fn key(self, field: u64, kind: u64) -> Self {
        self.number(field << 3 | kind)
    }
    fn varint(self, field: u64, value: u64) -> Self {
        self.key(field, 0).number(value)
    }
    fn float(self, field: u64, value: f32) -> Self {
        self.key(field, 5).raw(&value.to_le_bytes())
    }
    fn bytes(self, field: u64, bytes: &[u8]) -> Self {
        self.key(field, 2).number(bytes.len() as u64).raw(bytes)
    }
    fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }
    /// Its length and its bytes, each with its checksum.
    fn frame(&self) -> Vec<u8> {
        let length = (self.0.len() as u64).to_le_bytes();
        [&length[..], &checksum(&length), &self.0, &checksum(&self.0)].concat()
    }
}

/// A masked CRC-32C: that of bytes which hold checksums themselves would be weak.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4, and the usual check value.
    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    /// The bytes that TensorBoard's own library writes for the same events.
    #[test]
    fn records_are_those_of_the_real_library() {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(&opening(1.5)), OPENING);
        let mut values = Values::default();
        values.scalar("accuracy/test", 0.25);
        values.text("config", "a");
        values.picture("mask/l", &Picture { width: 300, height: 2, png: vec![7; 3] }, "words");
        assert_eq!(hex(&values.record(2.0, 300)), VALUES);
        assert!(Values::default().record(1.0, 1).is_empty());
        let bytes = opening(1.5);
        let ends: Vec<usize> = (0..=bytes.len()).filter(|end| are_whole(&bytes[..*end])).collect();
        assert!(ends.len() == 3 && ends[2] == bytes.len(), "{ends:?}");
        assert!(!are_whole(&[0xff; 40]));
    }

    const OPENING: &str = "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c0d000000000000003c37b83409000000000000f83f3a020801b718825c";
    const VALUES: &str = "79000000000000008a13537b09000000000000004010ac022a6b0a140a0d61636375726163792f74657374150000803e0a1f0a06636f6e666967420b08071204120208014201614a080a060a04746578740a320a066d61736b2f6c42150807120412020803420333303042013242030707074a110a080a06696d616765731a05776f726473fad4b259";
}
