//! What a person takes away as files: text, bytes, and the chart as a drawing or as pixels.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, HtmlCanvasElement, HtmlElement, HtmlImageElement};

use crate::page::canvas::context;
use crate::page::lab::Lab;
use crate::page::ring::chart;
use crate::trainer::stream;
use crate::words::runs as words;

/// Of a chart that is taken away, in pixels.
const CHART_WIDTH: f64 = 900.0;

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

/// A drawing as a picture of twice its size, as an address.
async fn png(svg: &str) -> Result<String, JsValue> {
    let image = HtmlImageElement::new()?;
    image.set_src(&format!("data:image/svg+xml,{}", String::from(js_sys::encode_uri_component(svg))));
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

/// What the race that is shown is called.
fn race_name(lab: Lab) -> String {
    let shown = lab.player.with(|player| player.run().map(|run| run.name.clone()));
    shown.unwrap_or_else(|| lab.started.with(|started| started.as_ref().map(crate::model::names::name)).unwrap_or_default())
}

/// The chart as it is set in the ring.
fn chart_document(lab: Lab) -> (String, String) {
    let name = race_name(lab);
    (chart::figure(lab, chart::view(lab)).document(CHART_WIDTH, &name), name)
}

/// Hands the chart out as a drawing.
pub fn take_drawing(lab: Lab) {
    let (svg, name) = untrack(move || chart_document(lab));
    download(lab, &file_name(&format!("{name}.svg")), &svg.into());
}

/// Hands the chart out as pixels.
pub fn take_pixels(lab: Lab) {
    let (svg, name) = untrack(move || chart_document(lab));
    spawn_local(async move {
        let done = match png(&svg).await {
            Ok(address) => hand_out(&file_name(&format!("{name}.png")), &address),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            not_saved(lab, error);
        }
    });
}
