//! What a person takes away as files: text, bytes, drawings as pixels.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, HtmlCanvasElement, HtmlElement, HtmlImageElement};

use super::canvas::context;
use super::lab::Lab;
use crate::trainer::stream;
use crate::words::runs as words;

/// Hands what an address names to the person, as a file.
fn hand_out(name: &str, address: &str) -> Result<(), JsValue> {
    let link: HtmlElement = document().create_element("a")?.unchecked_into();
    link.set_attribute("href", address)?;
    link.set_attribute("download", name)?;
    link.click();
    Ok(())
}

fn not_saved(lab: Lab, error: JsValue) {
    lab.remark.set(Some(words::not_saved(&stream::words(error))));
}

/// Hands a file (text or bytes) to the person.
pub fn download(lab: Lab, name: &str, content: &JsValue) {
    let parts = js_sys::Array::of1(content);
    let done = || {
        let address = web_sys::Url::create_object_url_with_blob(&Blob::new_with_buffer_source_sequence(&parts)?)?;
        hand_out(name, &address)?;
        web_sys::Url::revoke_object_url(&address)
    };
    if let Err(error) = done() {
        not_saved(lab, error);
    }
}

/// A name that every system takes for a file's.
pub fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "@.+_".contains(c) { c } else { '-' }).take(100).collect()
}

/// A drawing that is a file of its own, as an address.
pub fn address(svg: &str) -> String {
    format!("data:image/svg+xml,{}", String::from(js_sys::encode_uri_component(svg)))
}

/// A drawing as a picture of twice its size, as an address.
async fn png(svg: &str) -> Result<String, JsValue> {
    let image = HtmlImageElement::new()?;
    image.set_src(&address(svg));
    JsFuture::from(image.decode()).await?;
    let canvas: HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
    let (width, height) = (2 * image.width(), 2 * image.height());
    canvas.set_width(width);
    canvas.set_height(height);
    if let Some(context) = context(&canvas) {
        context.draw_image_with_html_image_element_and_dw_and_dh(&image, 0.0, 0.0, f64::from(width), f64::from(height))?;
    }
    canvas.to_data_url()
}

/// Hands a drawing to the person as pixels.
pub fn take_picture(lab: Lab, name: &str, svg: String) {
    let name = file_name(&format!("{name}.png"));
    spawn_local(async move {
        let done = match png(&svg).await {
            Ok(address) => hand_out(&name, &address),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            not_saved(lab, error);
        }
    });
}
