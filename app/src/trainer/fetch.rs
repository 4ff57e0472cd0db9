//! Fetching from the page's own server, with the bytes counted as they come.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::stream;
use crate::protocol::{Failure, WayOn};

#[wasm_bindgen]
extern "C" {
    // The global one, which page and worker both have.
    fn fetch(path: &str) -> js_sys::Promise;
}

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

/// A file beside the page. `more` hears how many bytes came and says whether to go on.
pub async fn get(path: &str, more: &mut dyn FnMut(u64) -> bool) -> Result<Vec<u8>, Missing> {
    let broken = |e| Missing::Broken(format!("{path}: {}", stream::words(e)));
    let response: Response = JsFuture::from(fetch(path)).await.map_err(broken)?.unchecked_into();
    let status = response.status();
    // A server that answers everything with the page has no such file either.
    let is_page = response.headers().get("content-type").ok().flatten().is_some_and(|t| t.starts_with("text/html"));
    match status {
        200 if !is_page => {}
        200 | 404 | 403 | 410 => return Err(Missing::NotThere),
        _ => return Err(Missing::Broken(format!("{path}: the server answered {status}"))),
    }
    let Some(body) = response.body() else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    if stream::read(body, &mut bytes, more).await.map_err(broken)? { Ok(bytes) } else { Err(Missing::GivenUp) }
}

/// The shaders, which a page without a GPU never needs, are a file of their own.
pub async fn shaders() -> Result<(), Failure> {
    if sparring_core::gpu::shaders::ready() {
        return Ok(());
    }
    let text = get("shaders.txt", &mut |_| true).await.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| {
        let message = "The programs for the GPU (shaders.txt, beside the page) could not be fetched. The CPU needs none.";
        Failure::new("The page is not complete", message, &[WayOn::Retry, WayOn::UseCpu])
    })?;
    sparring_core::gpu::shaders::provide(text);
    Ok(())
}
