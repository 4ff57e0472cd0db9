//! The entry point of the page and of its worker: one module, which each instantiates, so that what both need is fetched once.

use wasm_bindgen::JsCast;
use web_sys::WorkerGlobalScope;

fn main() {
    if js_sys::global().is_instance_of::<WorkerGlobalScope>() {
        sparring_app::trainer::start();
    } else {
        sparring_app::page::start();
    }
}
