//! Reading the browser's streams, and having it decompress what it reads.

use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, ReadableStream, ReadableStreamDefaultReader, ReadableWritablePair};

#[wasm_bindgen]
extern "C" {
    // web-sys still counts it among the unstable interfaces; every browser with WebGPU has it.
    #[wasm_bindgen(extends = ReadableWritablePair)]
    type DecompressionStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<DecompressionStream, JsValue>;
}

/// Appends what a stream gives. `more` hears how many bytes came and says whether to go on; false where it stopped the rest.
///
/// # Errors
/// The browser's, where the stream breaks off.
pub async fn read(stream: ReadableStream, bytes: &mut Vec<u8>, more: &mut dyn FnMut(u64) -> bool) -> Result<bool, JsValue> {
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    loop {
        let part: Object = JsFuture::from(reader.read()).await?.unchecked_into();
        if Reflect::get(&part, &"done".into()).is_ok_and(|d| d.is_truthy()) {
            return Ok(true);
        }
        let value: Uint8Array = Reflect::get(&part, &"value".into())?.unchecked_into();
        let start = bytes.len();
        bytes.resize(start + value.length() as usize, 0);
        value.copy_to(&mut bytes[start..]);
        if !more(u64::from(value.length())) {
            // The rest is not wanted; whether the stream likes that does not matter.
            let _ = JsFuture::from(reader.cancel()).await;
            return Ok(false);
        }
    }
}

/// The content of a file, decompressed where it is gzip-compressed, and cut off soon after `most` bytes.
///
/// # Errors
/// The browser's, where the file cannot be read, or is damaged.
pub async fn content(file: &File, most: u64) -> Result<Vec<u8>, JsValue> {
    let start = JsFuture::from(file.slice_with_i32_and_i32(0, 2)?.array_buffer()).await?;
    let compressed = Uint8Array::new(&start).to_vec() == [0x1f, 0x8b];
    let stream = if compressed {
        let through = DecompressionStream::new("gzip")?;
        file.stream().pipe_through(&through)
    } else {
        file.stream()
    };
    let (mut bytes, mut left) = (Vec::new(), most);
    let mut more = |came| {
        let goes_on = left >= came;
        left = left.saturating_sub(came);
        goes_on
    };
    read(stream, &mut bytes, &mut more).await?;
    Ok(bytes)
}

/// What the browser says about a failure.
pub fn words(failure: JsValue) -> String {
    failure.dyn_into::<js_sys::Error>().map_or_else(|e| format!("{e:?}"), |e| String::from(e.message()))
}
