//! What this browser keeps between visits: files in the origin's private file system.
//!
//! A browser may refuse it (private windows, a full disk). Then nothing is kept and everything is fetched again: slower, never wrong.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetFileOptions, FileSystemSyncAccessHandle, WorkerGlobalScope,
};

/// The private folder, where there is one.
pub struct Store {
    folder: Option<FileSystemDirectoryHandle>,
}

impl Store {
    /// Opens the folder.
    pub async fn open() -> Self {
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let navigator = scope.navigator();
        // An insecure origin has no storage at all.
        if !js_sys::Reflect::get(&navigator, &"storage".into()).is_ok_and(|s| s.is_object()) {
            return Self { folder: None };
        }
        let folder = JsFuture::from(navigator.storage().get_directory()).await;
        Self { folder: folder.ok().and_then(|f| f.dyn_into().ok()) }
    }

    /// A file's bytes; `None` where it is not there.
    pub async fn read(&self, name: &str) -> Option<Vec<u8>> {
        let handle: FileSystemFileHandle = JsFuture::from(self.folder.as_ref()?.get_file_handle(name)).await.ok()?.dyn_into().ok()?;
        let file: File = JsFuture::from(handle.get_file()).await.ok()?.dyn_into().ok()?;
        let buffer = JsFuture::from(file.array_buffer()).await.ok()?;
        Some(Uint8Array::new(&buffer).to_vec())
    }

    /// Keeps a file. False where the browser refuses, or another tab is writing it.
    pub async fn write(&self, name: &str, bytes: &[u8]) -> bool {
        self.try_write(name, bytes).await.is_ok()
    }

    async fn try_write(&self, name: &str, bytes: &[u8]) -> Result<(), JsValue> {
        let folder = self.folder.as_ref().ok_or(JsValue::NULL)?;
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let handle: FileSystemFileHandle = JsFuture::from(folder.get_file_handle_with_options(name, &options)).await?.dyn_into()?;
        let access: FileSystemSyncAccessHandle = JsFuture::from(handle.create_sync_access_handle()).await?.dyn_into()?;
        let written = access.truncate_with_f64(0.0).and_then(|()| access.write_with_u8_array(bytes)).and_then(|n| {
            access.flush()?;
            if n as usize == bytes.len() { Ok(()) } else { Err(JsValue::NULL) }
        });
        access.close();
        written
    }
}
