//! What this browser keeps between visits: files in the origin's private file system.
//!
//! A browser may refuse it (private windows, a full disk). Then nothing is kept and everything is fetched again: slower, never wrong.
//! Whoever keeps a person's work hears why, in words; page and worker both read, only the worker writes.

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DomException, File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetFileOptions, FileSystemSyncAccessHandle,
    StorageManager,
};

use super::stream;

/// At the end of the name of a file that is being written.
const PART: &str = ".part";

/// The private folder, where there is one.
pub struct Store {
    folder: Option<FileSystemDirectoryHandle>,
}

/// The browser's storage; an insecure origin has none.
pub fn manager() -> Option<StorageManager> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let storage = Reflect::get(&navigator, &"storage".into()).ok()?;
    storage.is_object().then(|| storage.unchecked_into())
}

/// Why the browser refused, in plain words.
fn refusal(error: JsValue) -> String {
    match error.dyn_into::<DomException>() {
        Ok(e) if e.name() == "QuotaExceededError" => "this browser's storage is full; delete runs you no longer need".into(),
        Ok(e) if e.name() == "NoModificationAllowedError" => "another tab is writing the same file".into(),
        Ok(e) => e.message(),
        Err(e) => stream::words(e),
    }
}

impl Store {
    /// Opens the folder.
    pub async fn open() -> Self {
        let Some(manager) = manager() else { return Self { folder: None } };
        let folder = JsFuture::from(manager.get_directory()).await;
        Self { folder: folder.ok().and_then(|f| f.dyn_into().ok()) }
    }

    /// A file's bytes; `None` where it is not there.
    pub async fn read(&self, name: &str) -> Option<Vec<u8>> {
        let handle: FileSystemFileHandle = JsFuture::from(self.folder.as_ref()?.get_file_handle(name)).await.ok()?.dyn_into().ok()?;
        let file: File = JsFuture::from(handle.get_file()).await.ok()?.dyn_into().ok()?;
        let buffer = JsFuture::from(file.array_buffer()).await.ok()?;
        Some(Uint8Array::new(&buffer).to_vec())
    }

    /// The names of all files. What is left of a write that was cut off is none.
    pub async fn names(&self) -> Vec<String> {
        self.all().await.into_iter().filter(|name| !name.ends_with(PART)).collect()
    }
    async fn all(&self) -> Vec<String> {
        let mut out = Vec::new();
        let Some(folder) = &self.folder else { return out };
        let keys = folder.keys();
        while let Ok(promise) = keys.next() {
            let Ok(step) = JsFuture::from(promise).await else { break };
            let Some(name) = Reflect::get(&step, &"value".into()).ok().and_then(|v| v.as_string()) else { break };
            out.push(name);
        }
        out
    }

    /// Removes a file; one that is not there or is in use is left to the next time.
    pub async fn remove(&self, name: &str) {
        if let Some(folder) = &self.folder {
            let _ = JsFuture::from(folder.remove_entry(name)).await;
        }
    }

    /// Keeps a file. False where the browser refuses, or another tab is writing it.
    pub async fn write(&self, name: &str, bytes: &[u8]) -> bool {
        self.try_write(name, bytes).await.is_ok()
    }

    /// Keeps a file.
    ///
    /// # Errors
    /// The browser's reason in plain words; nothing of the file is left then.
    pub async fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        if self.folder.is_none() {
            return Err("this browser keeps nothing here (a private window, or an address without https)".into());
        }
        self.try_write(name, bytes).await.map_err(refusal)
    }

    /// Writes beside, then moves over what was there: whatever ends the page in between leaves the old file as it was. Browsers differ in
    /// what they move, and over what; one that does not gets the file written in its place.
    async fn try_write(&self, name: &str, bytes: &[u8]) -> Result<(), JsValue> {
        let part = format!("{name}{PART}");
        let moved = match self.fill(&part, bytes).await {
            Ok(handle) => self.rename(&handle, name).await,
            Err(why) => Err(why),
        };
        if moved.is_ok() {
            return Ok(());
        }
        self.remove(&part).await;
        let written = self.fill(name, bytes).await;
        if written.is_err() {
            // Half a file is worse than none.
            self.remove(name).await;
        }
        written.map(drop)
    }

    async fn rename(&self, handle: &FileSystemFileHandle, name: &str) -> Result<(), JsValue> {
        let folder = self.folder.as_ref().ok_or(JsValue::NULL)?;
        let rename: js_sys::Function = Reflect::get(handle, &"move".into())?.dyn_into()?;
        JsFuture::from(rename.call2(handle, folder, &name.into())?.dyn_into::<js_sys::Promise>()?).await.map(drop)
    }

    /// Removes what is left of writes that were cut off. What another tab is writing is locked, and stays.
    pub async fn sweep(&self) {
        for name in self.all().await.into_iter().filter(|name| name.ends_with(PART)) {
            self.remove(&name).await;
        }
    }

    async fn fill(&self, name: &str, bytes: &[u8]) -> Result<FileSystemFileHandle, JsValue> {
        let folder = self.folder.as_ref().ok_or(JsValue::NULL)?;
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let handle: FileSystemFileHandle = JsFuture::from(folder.get_file_handle_with_options(name, &options)).await?.dyn_into()?;
        let access: FileSystemSyncAccessHandle = JsFuture::from(handle.create_sync_access_handle()).await?.dyn_into()?;
        let written = access.truncate_with_f64(0.0).and_then(|()| access.write_with_u8_array(bytes)).and_then(|n| {
            access.flush()?;
            if n as usize == bytes.len() { Ok(()) } else { Err(js_sys::Error::new("only a part was written").into()) }
        });
        access.close();
        written.map(|()| handle)
    }
}
