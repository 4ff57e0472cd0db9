//! Tables, drawings, and what is folded away.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, ResizeObserver};

use crate::model::chart::KeyItem;

/// A drawing of `sparring_figures`, which is text of SVG: it escapes what comes from outside. Nothing else is put in as markup.
#[component]
pub fn Drawing(
    /// The drawing.
    #[prop(into)]
    svg: Signal<String>,
    /// How it lies.
    #[prop(optional)]
    class: Option<&'static str>,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
) -> impl IntoView {
    // The same again would be drawn anew, and a pointer over it lost.
    let svg = Memo::new(move |_| svg.get());
    view! { <div class=class data-testid=testid inner_html=svg></div> }
}

/// Whose line is whose, under a drawing.
#[component]
pub fn Key(
    /// The lines.
    #[prop(into)]
    items: Signal<Vec<KeyItem>>,
    /// Where the drawing is read; nowhere without it.
    #[prop(optional, into)]
    place: Signal<String>,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
) -> impl IntoView {
    let item = |KeyItem { sample, label, value }: KeyItem| {
        view! {
            <li>
                <i aria-hidden="true" inner_html=sample></i>
                <span>{label}</span>
                <b>{value}</b>
            </li>
        }
    };
    view! {
        <ul class="key" data-testid=testid>
            {move || items.get().into_iter().map(item).collect_view()}
            <li class="place">{place}</li>
        </ul>
    }
}

/// What may be wider or higher than its place: it can be scrolled, by keys too.
#[component]
pub fn Scroll(
    /// What is in it.
    #[prop(into)]
    label: String,
    /// How it lies.
    #[prop(optional)]
    class: &'static str,
    /// For tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// The content.
    children: Children,
) -> impl IntoView {
    view! {
        <div class=format!("scroll {class}") tabindex="0" role="region" aria-label=label data-testid=testid>
            {children()}
        </div>
    }
}

/// What is there for those who ask.
#[component]
pub fn Folded(
    /// What can be unfolded.
    summary: &'static str,
    /// How it looks.
    #[prop(optional)]
    class: Option<&'static str>,
    /// The content.
    children: Children,
) -> impl IntoView {
    view! {
        <details class=class>
            <summary>{summary}</summary>
            {children()}
        </details>
    }
}

/// A table whose columns and rows have heads: of every row its first cell.
#[component]
pub fn Table<C: IntoAny + 'static>(
    /// What it shows; none where the text around says it.
    #[prop(optional, into)]
    caption: String,
    /// The heads of its columns.
    #[prop(into)]
    columns: Vec<String>,
    /// Its rows, a cell for each column.
    rows: Vec<Vec<C>>,
) -> impl IntoView {
    let row = |cells: Vec<C>| {
        let mut cells = cells.into_iter().map(IntoAny::into_any);
        let head = cells.next();
        view! {
            <tr>
                <th scope="row">{head}</th>
                {cells.map(|cell| view! { <td>{cell}</td> }).collect_view()}
            </tr>
        }
    };
    view! {
        <table>
            <TableHead caption columns />
            <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
        </table>
    }
}

/// Caption and heads of a table; a table with rows that stay while others come has it, and its own rows.
#[component]
pub fn TableHead(
    /// What the table shows; none where the text around says it.
    #[prop(optional, into)]
    caption: String,
    /// The heads of its columns.
    #[prop(into)]
    columns: Vec<String>,
) -> impl IntoView {
    view! {
        {(!caption.is_empty()).then(|| view! { <caption>{caption}</caption> })}
        <thead>
            <tr>{columns.into_iter().map(|column| view! { <th scope="col">{column}</th> }).collect_view()}</tr>
        </thead>
    }
}

/// The width that an element has on this screen, in CSS pixels: also where the room around it changes and the window does not.
pub fn width_of(element: NodeRef<leptos::html::Div>) -> RwSignal<f64> {
    let width = RwSignal::new(640.0);
    let measure = move || {
        let now = element.try_get_untracked().flatten().map_or(0.0, |element| f64::from(element.client_width()));
        if now > 0.0 && (now - width.get_untracked()).abs() > 0.5 {
            width.set(now);
        }
    };
    let watched = StoredValue::new_local(None::<Watched>);
    Effect::new(move || {
        if let Some(element) = element.get() {
            measure();
            // In the frame after: what is drawn anew has another size, and whoever is being told of sizes is not to change them.
            watched.set_value(Watched::new(&element, move || request_animation_frame(measure)));
        }
    });
    width
}

/// An element whose size is watched, until this is dropped.
struct Watched {
    observer: ResizeObserver,
    _changed: Closure<dyn FnMut()>,
}

impl Watched {
    fn new(element: &Element, changed: impl FnMut() + 'static) -> Option<Self> {
        let changed = Closure::<dyn FnMut()>::new(changed);
        let observer = ResizeObserver::new(changed.as_ref().unchecked_ref()).ok()?;
        observer.observe(element);
        Some(Self { observer, _changed: changed })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}
