//! Fetching from the page's own server, with the bytes counted as they come.

use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, Response, WorkerGlobalScope};

/// Why a file did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The server has no such file.
    NotThere,
    /// The network or the server failed: its words.
    Broken(String),
    /// Nobody waits for it any more.
    GivenUp,
}

fn broken(path: &str) -> impl Fn(JsValue) -> Missing {
    move |e| {
        Missing::Broken(format!(
            "{path}: {}",
            e.dyn_into::<js_sys::Error>().map_or_else(|e| format!("{e:?}"), |e| String::from(e.message()))
        ))
    }
}

/// A file beside the worker. `more` hears how many bytes came and says whether to go on.
pub async fn get(path: &str, mut more: impl FnMut(u64) -> bool) -> Result<Vec<u8>, Missing> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let broken = broken(path);
    let response: Response = JsFuture::from(scope.fetch_with_str(path)).await.map_err(&broken)?.unchecked_into();
    let status = response.status();
    // A server that answers everything with the page has no such file either.
    let is_page = response.headers().get("content-type").ok().flatten().is_some_and(|t| t.starts_with("text/html"));
    match status {
        200 if !is_page => {}
        200 | 404 | 403 | 410 => return Err(Missing::NotThere),
        _ => return Err(Missing::Broken(format!("{path}: the server answered {status}"))),
    }
    let Some(body) = response.body() else { return Ok(Vec::new()) };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut bytes = Vec::new();
    loop {
        let part: Object = JsFuture::from(reader.read()).await.map_err(&broken)?.unchecked_into();
        if Reflect::get(&part, &"done".into()).is_ok_and(|d| d.is_truthy()) {
            return Ok(bytes);
        }
        let value: Uint8Array = Reflect::get(&part, &"value".into()).map_err(&broken)?.unchecked_into();
        let start = bytes.len();
        bytes.resize(start + value.length() as usize, 0);
        value.copy_to(&mut bytes[start..]);
        if !more(u64::from(value.length())) {
            // The rest is not wanted; whether the stream likes that does not matter.
            let _ = JsFuture::from(reader.cancel()).await;
            return Err(Missing::GivenUp);
        }
    }
}
