//! Names that are held for as long as a worker lives, or a race in it: the browser lets go of them when the worker ends, however it ends.
//!
//! A worker that ends says nothing, and a tab knows nothing of the races of another one. Whoever waits for a name hears of both. Where the
//! browser has no locks (an insecure origin), or refuses them (a page that may store nothing), nothing is held, and nobody waits.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

#[wasm_bindgen]
extern "C" {
    type LockManager;
    #[wasm_bindgen(method, catch)]
    fn request(this: &LockManager, name: &str, granted: &Function) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn query(this: &LockManager) -> Result<Promise, JsValue>;
}

/// The browser's locks, which page and worker both have.
fn locks() -> Option<LockManager> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let locks = Reflect::get(&navigator, &"locks".into()).ok()?;
    locks.is_object().then(|| locks.unchecked_into())
}

/// The name that a race keeps while it trains.
pub fn of_run(run: &str) -> String {
    format!("sparring-run-{run}")
}

/// A name that is held until this is dropped.
pub struct Held(Option<Function>);

/// Holds a name; `then` is done once it is held, at once where nothing can be.
pub fn hold(name: &str, then: impl FnOnce() + 'static) -> Held {
    let Some(locks) = locks() else {
        then();
        return Held(None);
    };
    let mut release = None;
    let until = Promise::new(&mut |done, _| release = Some(done));
    let once = Rc::new(Cell::new(Some(then)));
    let then = move || once.take().into_iter().for_each(|then| then());
    let held = then.clone();
    let granted = Closure::once_into_js(move || {
        held();
        until
    });
    let asked = locks.request(name, granted.unchecked_ref());
    spawn_local(async move {
        // It ends with the name; where the name is refused it ends at once.
        let ended = match asked {
            Ok(asked) => JsFuture::from(asked).await,
            Err(refused) => Err(refused),
        };
        if ended.is_err() {
            then();
        }
    });
    Held(release)
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(release) = &self.0 {
            // It resolves a promise.
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Waits until nobody holds a name. False where that cannot be known.
pub async fn is_free(name: &str) -> bool {
    let at_once = Closure::once_into_js(|| {});
    match locks().map(|locks| locks.request(name, at_once.unchecked_ref())) {
        Some(Ok(granted)) => JsFuture::from(granted).await.is_ok(),
        _ => false,
    }
}

/// The names that are held now, by anybody on this origin.
pub async fn held() -> Vec<String> {
    let Some(Ok(asked)) = locks().map(|locks| locks.query()) else { return Vec::new() };
    let Ok(answer) = JsFuture::from(asked).await else { return Vec::new() };
    let held = Reflect::get(&answer, &"held".into()).map(|held| Array::from(&held)).unwrap_or_default();
    held.iter().filter_map(|lock| Reflect::get(&lock, &"name".into()).ok()?.as_string()).collect()
}
